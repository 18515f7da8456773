"""Converts a builder's videos on Apache Beam: a large dataset, by a cluster.

Beam hands whole shards to its workers. Each worker writes its shards into the folder where the
dataset grows (`staging`), the same bytes as `write` writes on one machine. So nothing large passes
through Beam, and an interrupted conversion goes on, here or there: complete shards stay.

Only the list of videos, the builder's configuration and references to this code are sent. Hence a
worker needs this checkout (on its PYTHONPATH, or in its container image) with what it requires, and
sees the folders of the videos and of the datasets under the same paths as the machine that starts
the conversion: a shared file system. The list is part of the job: 11 MB for 240,000 videos.

Beam's local runner, `DirectRunner`, first tries to download another runner. We take the part of it
that runs batches (`FnApiRunner`). It works in this process, one video at a time. With
`--direct_num_workers=0 --direct_running_mode=multi_processing` it works in a process per processor
core; start it from the folder with this checkout.

Each worker decodes in a process of its own (`data.workers`), where OpenCV has one thread. A video
that kills the decoder is skipped, as it is on one machine.
"""

import contextlib
import dataclasses
import io
import json
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from data.conversion import staging
from data.conversion.convert import Write
from data.conversion.plan import ConversionError, Plan, Shard
from data.conversion.write import Serializer
from data.errors import DatasetError, Report
from data.records.outcomes import Outcomes, Skipped
from s3dg import files


def writer(runner: str, options: Sequence[str] = ()) -> Write:
    """Returns a way for `convert_dataset` to write shards: on Apache Beam.

    Args:
      runner: name of a Beam runner ("DirectRunner", "FlinkRunner", "DataflowRunner", ...).
      options: of the Beam pipeline, each "--name=value" or "--name".

    Raises:
      DatasetError: if Apache Beam is missing, or does not know the runner or an option. What comes
        back raises `ConversionError` if the runner leaves work undone.
    """
    beam_runner, beam_options = _runner_and_options(runner, options)

    def write(plan: Plan, folder: pathlib.Path, known: Outcomes, report: Report) -> int:
        left = _left(plan, folder, known)
        before = sum(known.frames.values())
        if left:
            report(f'{plan.name}: {len(left)} of {len(plan.shards)} shards go to {runner}')
            work = _Work(folder, plan.builder.examples, Serializer(plan.info))
            beam = tfds.core.lazy_imports.apache_beam
            try:
                with beam.Pipeline(runner=beam_runner, options=beam_options) as pipeline:
                    _ = (
                        pipeline
                        | 'Shards' >> beam.Create(left)
                        | 'Spread' >> beam.Reshuffle()  # else some runners leave all to one worker
                        | 'Write' >> beam.Map(work.write)
                    )
            finally:
                undone = _left(plan, folder, known)
            if undone:
                raise ConversionError(
                    f'{plan.name}: {runner} left {len(undone)} of {len(left)} shards unwritten; run'
                    ' again to finish'
                )
        return sum(known.frames.values()) - before

    return write


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


def _left(plan: Plan, folder: pathlib.Path, known: Outcomes) -> list[Shard]:
    """The shards that are not complete; what became of the videos of the others goes to `known`."""
    for shard in plan.shards:
        written = _outcomes_file(folder / shard.name)
        if not written.exists():
            continue
        for item, (frames, said) in zip(shard.videos, json.loads(written.read_text()), strict=True):
            if frames is None:
                known.skipped[item.id] = Skipped.of(item, said)
            else:
                known.frames[item.id] = frames
                if said:
                    known.faults[item.id] = said
    left = [part.shard for part in staging.resume(plan, folder, known)]
    # The files just read, those of killed workers, and those begun by `write.write_shards`.
    for file in folder.glob('*.tfrecord-*-of-*.*'):
        file.unlink()
    return left


# What the workers do.


@dataclasses.dataclass(frozen=True)
class _Work:
    """What a worker has to know besides the shard."""

    folder: pathlib.Path
    examples: Callable[..., Iterator]
    serialize: Serializer

    def write(self, shard: Shard) -> None:
        # Runners may do the same work twice at once; what is last leaves the same files.
        path, rows = self.folder / shard.name, []
        made = contextlib.closing(self.examples(shard.videos, processes=1))
        with files.unfinished(path) as records:
            with tf.io.TFRecordWriter(str(records)) as writer, made as stream:
                for _, outcome, example in stream:
                    if example is None:
                        rows.append((None, str(outcome)))
                    else:
                        writer.write(self.serialize(example))
                        rows.append((len(outcome.frames), outcome.faults))
            files.write_text(_outcomes_file(path), json.dumps(rows))


def _outcomes_file(shard: pathlib.Path) -> pathlib.Path:
    return shard.with_name(shard.name + '.outcomes')
