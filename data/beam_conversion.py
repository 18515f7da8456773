"""Converts a builder's videos on Apache Beam, so that a large dataset is converted by a cluster.

The work on a video is the same as in `data.conversion`; Beam spreads it over the machines, and
TensorFlow Datasets sorts the examples into shards by a hash of their ids. Only the list of videos,
the builder's configuration and references to this code are sent. Hence a worker needs this checkout
(on its PYTHONPATH, or in its container image) with what it requires, and has to see the folders of
the videos and of the datasets under the same paths as the machine that starts the conversion: a
shared file system. Dataflow takes a job of more than 10 MB (beyond 200,000 videos) only with the
option `--experiments=upload_graph`.

On one machine `data.conversion` is several times faster. Of Beam's local runner, `DirectRunner`, the
part that runs batches is taken (`FnApiRunner`): by itself it first tries to download another one. It
works in this process, or in other ones with `--direct_num_workers=0`
`--direct_running_mode=multi_processing`, started from the folder with this checkout. It is for small
datasets: it holds several copies of all encoded frames in memory, and with other processes, in Beam
2.77, it loses examples where handing them over takes longer than a second, beyond some hundred MB.
Examples lost by a runner are an error here.

A conversion on Beam does not resume: one that was killed begins again. A video that kills its
process is tried again by most runners and then fails the job; `data.conversion` skips it.
"""

import contextlib
import io
import json
import os
import pathlib
import shutil
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow_datasets as tfds

from data import conversion, encoding, outcomes, staging, video, video_builder
from data.conversion import Conversion, ConversionError
from data.outcomes import Skipped
from data.video_builder import DatasetError, Report, Video

# A worker holds a shard in memory; that of 64 videos of ten seconds, as elsewhere, is 240 MB.
MOST_SHARD_BYTES = 2**28

_EXAMPLES, _OUTCOMES = 'examples', 'outcomes'


def convert(
    builder: video_builder.VideoBuilder,
    runner: str,
    options: Sequence[str] = (),
    *,
    max_skipped_fraction: float | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> Conversion:
    """Converts a dataset on Apache Beam, or finds it converted.

    The dataset has the records of `data.conversion.convert`, in other shards, and the same files
    beside them; each of the two finds what the other made.

    Args:
      builder: which dataset, where to, and how.
      runner: name of a Beam runner ("DirectRunner", "FlinkRunner", "DataflowRunner", ...).
      options: of the Beam pipeline, each "--name=value" or "--name".
      max_skipped_fraction: as in `data.conversion.convert`, like the others.

    Returns:
      The counts, and what was skipped.

    Raises:
      ConversionError: as `data.conversion.convert`.
      DatasetError: if Apache Beam is missing, does not know the runner or an option, or if the
        builder cannot list its videos.
    """
    report = report or (lambda line: None)
    beam_runner, beam_options = _runner_and_options(runner, options)
    final = pathlib.Path(builder.data_dir)
    name = builder.info.full_name
    with conversion._locked(final, name, report):
        if final.exists() and not overwrite:
            result = conversion._reuse(builder, final)
        else:
            builder.prepare_videos(report)
            splits = staging.list_videos(builder)
            limit = conversion.skipped_limit(builder, max_skipped_fraction)
            for line in video_builder.published_differences(builder, splits):
                report(line)
            conversion._check_missing(name, splits, limit, report)
            plan = staging.make_plan(builder, splits)
            folder = final.with_name(final.name + '.converting_on_beam')
            staging.open_folder(folder, plan, name, report)
            prepared = type(builder)(config=builder.builder_config, data_dir=str(folder / 'tfds'))
            decoded = not os.path.exists(prepared.data_dir)
            if decoded:
                report(f'{name}: {sum(map(len, splits.values()))} videos go to {runner}')
                try:
                    _prepare(prepared, builder, splits, folder, beam_runner, beam_options)
                except Exception:
                    # TFDS fails where a split has no examples; the reasons may be known.
                    if all(_outcomes_file(folder, split).exists() for split in splits):
                        _check_splits(name, splits, _collect(folder, splits), folder)
                    raise
            known = _collect(folder, splits)
            _check_splits(name, splits, known, folder)
            examples = {split: info.num_examples for split, info in prepared.info.splits.items()}
            _check_nothing_lost(name, runner, splits, known, examples, prepared)
            _check_limit(name, known, limit, folder)
            _move(pathlib.Path(prepared.data_dir), folder, final)
            frames = sum(known.frames.values()) if decoded else 0
            result = conversion._conversion(examples, known, final, frames, reused=False)
        builder.info.read_from_directory(str(final))
    return result


# What the machine that starts the conversion does.


def _runner_and_options(name: str, options: Sequence[str]) -> tuple[Any, Any]:
    """A Beam runner and its options, checked as far as they can be known."""
    try:
        beam = tfds.core.lazy_imports.apache_beam
    except ImportError:
        raise DatasetError("--runner needs apache-beam: pip install '.[beam]'") from None
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.portable_runner import PortableRunner

    parsers, said = [], io.StringIO()
    PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            _, unknown = parsers[0].parse_known_args(list(options))
            parsed = PipelineOptions(list(options))
    except SystemExit:
        line = said.getvalue().strip().splitlines()[-1]
        raise DatasetError(f'--beam_option: {line.split("error: ")[-1]}') from None
    try:
        runner = 'FnApiRunner' if name.lower() in ('direct', 'directrunner') else name
        pipeline = beam.Pipeline(runner=runner, options=parsed)
    except (ValueError, ImportError, AttributeError, TypeError) as error:
        raise DatasetError(f'--runner={name}: {" ".join(str(error).split())}') from None
    # The job servers of portable runners have options that Beam does not know.
    if isinstance(pipeline.runner, PortableRunner):
        unknown = [option for option in unknown if not option.startswith('--')]
    unknown += [option for option in options if option.split('=')[0] == '--runner']
    if unknown:
        raise DatasetError(f'--beam_option: found {unknown[0]!r}, not an option of {name}')
    return pipeline.runner, parsed


def _prepare(prepared, builder, splits, folder, beam_runner, beam_options) -> None:
    """Runs the pipeline, which leaves the dataset of `prepared` and a file of outcomes per split."""
    beam = tfds.core.lazy_imports.apache_beam
    shutil.rmtree(prepared.data_dir_root, ignore_errors=True)  # of a killed one
    for split in splits:
        _outcomes_file(folder, split).unlink(missing_ok=True)
    as_transform = beam.ptransform_fn(_convert_split)
    prepared.beam_splits = {
        split: as_transform(videos, builder, str(_outcomes_file(folder, split)))
        for split, videos in splits.items()
    }
    # TFDS prints that the dataset is ready, and where it is not going to stay.
    with contextlib.redirect_stdout(io.StringIO()), conversion._without_warnings():
        prepared.download_and_prepare(
            file_format=tfds.core.FileFormat.TFRECORD,
            download_config=tfds.download.DownloadConfig(
                beam_runner=beam_runner,
                beam_options=beam_options,
                max_shard_size=MOST_SHARD_BYTES,
                try_download_gcs=False,
            ),
        )


def _outcomes_file(folder: pathlib.Path, split: str) -> pathlib.Path:
    return folder / f'outcomes-{split}.json'


def _collect(folder: pathlib.Path, splits: dict[str, list[Video]]) -> outcomes.Outcomes:
    """Writes what became of the videos as `data.conversion` does, in the order of the lists."""
    frames, skipped = {}, {}
    for split, videos in splits.items():
        rows = json.loads(_outcomes_file(folder, split).read_text())
        became = {video_id: (stored, reason) for video_id, stored, reason in rows}
        for item in videos:
            stored, reason = became[item.id]
            if reason is None:
                frames[item.id] = stored
            else:
                skipped[item.id] = Skipped(item.id, outcomes.readable(item.path), reason)
    known = outcomes.Outcomes(folder)
    known.replace(frames, skipped)
    return known


def _check_splits(name, splits, known, folder) -> None:
    for split, videos in splits.items():
        if not any(item.id in known.frames for item in videos):
            raise ConversionError(
                f'{name}: none of the videos of split {split!r} could be used;'
                f' the reasons are in {folder / outcomes.SKIPPED_FILE}'
            )


def _check_nothing_lost(name, runner, splits, known, examples, prepared) -> None:
    for split, videos in splits.items():
        made = sum(item.id in known.frames for item in videos)
        if examples[split] != made:
            shutil.rmtree(prepared.data_dir_root)
            raise ConversionError(
                f'{name}: {runner} lost {made - examples[split]} of {made} examples of split'
                f' {split!r}; convert without --runner, or with another one'
            )


def _check_limit(name, known, limit, folder) -> None:
    skipped, found = len(known.skipped), len(known.frames) + len(known.skipped)
    if skipped > limit * found:
        raise ConversionError(
            f'{name}: {skipped} of {found} videos could not be used, more than the share'
            f' of {limit:g} allowed; the list is in {folder / outcomes.SKIPPED_FILE}; run again with'
            ' a higher --max_skipped_fraction to finish without decoding again'
        )


def _move(data: pathlib.Path, folder: pathlib.Path, final: pathlib.Path) -> None:
    for file in (staging.PLAN_FILE, outcomes.STORED_FILE, outcomes.SKIPPED_FILE):
        shutil.copy(folder / file, data / file)
    old = final.with_name(final.name + '.replaced')
    if final.exists():  # with overwrite
        shutil.rmtree(old, ignore_errors=True)
        os.replace(final, old)
    os.replace(data, final)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(folder)


# What the workers do.


def _convert_split(pipeline, videos: list[Video], builder, outcomes_file: str):
    """The transform that makes a split's (id, example), and leaves what became of every video."""
    beam = tfds.core.lazy_imports.apache_beam
    results = (
        pipeline
        | 'List' >> beam.Create(videos)
        | 'Spread' >> beam.Reshuffle()  # else some runners leave all to one worker
        | 'Convert' >> beam.FlatMap(_convert_video, builder).with_outputs(_OUTCOMES, main=_EXAMPLES)
    )
    _ = (
        results[_OUTCOMES]
        | 'Collect' >> beam.combiners.ToList()
        | 'Write' >> beam.Map(_write_outcomes, outcomes_file)
    )
    return results[_EXAMPLES]


def _convert_video(item: Video, builder: video_builder.VideoBuilder) -> Iterator:
    tagged = tfds.core.lazy_imports.apache_beam.pvalue.TaggedOutput
    try:
        encoded = encoding.encode_video(item.path, builder.storage())
        example = builder.example(item, encoded)
    except video.VideoError as error:
        yield tagged(_OUTCOMES, (item.id, None, str(error)))
    else:
        yield tagged(_OUTCOMES, (item.id, len(encoded), None))
        yield item.id, example


def _write_outcomes(rows: list[tuple], path: str) -> None:
    new = pathlib.Path(f'{path}.{uuid.uuid4().hex}')  # runners may do the same work twice at once
    new.write_text(json.dumps(rows))
    os.replace(new, path)
