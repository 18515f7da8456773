"""Makes a dataset of finished shards: declares them to TensorFlow Datasets."""

import contextlib
import pathlib
from collections.abc import Iterator

import tensorflow_datasets as tfds
from absl import logging

from data.conversion.plan import ConversionError, Plan
from data.records import outcomes, tfrecord
from s3dg.files import folders
from s3dg.files.disk import writing

# Files beside the shards that go with the dataset.
_KEPT_FILES = (outcomes.PLAN_FILE, outcomes.STORED_FILE, outcomes.SKIPPED_FILE)

# All that a dataset's folder holds; one with other files is not replaced.
DATASET_FILES = (
    '*.tfrecord-*-of-*',
    'dataset_info.json',
    'features.json',
    'metadata.json',
    '*.labels.txt',
    *_KEPT_FILES,
)


def declare(plan: Plan, folder: pathlib.Path, known: outcomes.Outcomes) -> dict[str, int]:
    """Declares the shards to TFDS, for their final place, and removes what is no part of it.

    Args:
      plan: of the dataset.
      folder: with all of its shards.
      known: what became of every video.

    Returns:
      The number of examples in every split.

    Raises:
      ConversionError: if too many videos were skipped, or all of a split.
    """
    log = folder / outcomes.SKIPPED_FILE
    ids = [item.id for shard in plan.shards for item in shard.videos]
    # A shard that a power cut had shortened was finished after later ones.
    known.replace(
        {video_id: known.frames[video_id] for video_id in ids if video_id in known.frames},
        {video_id: known.skipped[video_id] for video_id in ids if video_id in known.skipped},
    )
    skipped, found = len(known.skipped), len(ids)
    if skipped > plan.most_skipped * found:
        raise ConversionError(
            f'{plan.name}: {skipped} of {found} videos could not be used, more than the share of'
            f' {plan.most_skipped:g} allowed; the list is in {log}; run again with a higher'
            ' --max_skipped_fraction to finish without decoding again'
        )
    splits = []
    for split, shards in plan.layout.items():
        counts = [tfrecord.count_records(folder / shard.name) for shard in shards]
        lengths = [count for count, _ in counts]
        if not sum(lengths):
            raise ConversionError(
                f'{plan.name}: none of the videos of split {split!r} could be used; the reasons are'
                f' in {log}'
            )
        splits.append(_split_info(plan, split, lengths, sum(size for _, size in counts)))
    # Killed workers may have left other files.
    folders.clear(folder, keep={*(shard.name for shard in plan.shards), *_KEPT_FILES})
    plan.info.set_splits(tfds.core.SplitDict(splits))
    kept = 'the converted videos are kept; make room and run again'
    with _without_warnings(), writing(folder / 'dataset_info.json', kept):
        plan.info.write_to_directory(str(folder))
    return {split.name: split.num_examples for split in splits}


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Hides TFDS's warning that its own code uses an old name of its own."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _split_info(plan, split, lengths, size) -> tfds.core.SplitInfo:
    template = tfds.core.ShardedFileTemplate(
        data_dir=plan.place, dataset_name=plan.info.name, split=split, filetype_suffix='tfrecord'
    )
    return tfds.core.SplitInfo(
        name=split, shard_lengths=lengths, num_bytes=size, filename_template=template
    )
