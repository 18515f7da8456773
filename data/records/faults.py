"""Names the shard or video that a pipeline could not read: TensorFlow's errors name neither."""

import contextlib
import re
from collections.abc import Iterator, Sequence

import tensorflow as tf
import tensorflow_datasets as tfds

from data.errors import DatasetError, Report
from data.records import verification
from data.records.heads import ADVICE

# What an assertion of `data.clips` says of a video.
_ASSERTION = re.compile(r'assertion failed: \[(video .*)\]')

# Of memory, of devices: not of what is stored.
_NOT_OF_INPUT = (tf.errors.ResourceExhaustedError, tf.errors.UnavailableError)


@contextlib.contextmanager
def named(
    opened: tfds.core.DatasetBuilder, splits: Sequence[str], report: Report | None = None
) -> Iterator[None]:
    """Turns TensorFlow's errors about stored records into one line that names a shard or a video.

    The records are read once more, shard by shard, until the fault shows. Where none shows, the
    error has another cause and is raised as it is.

    Args:
      opened: the dataset that is read in the block.
      splits: those of its splits that are.
      report: takes lines of progress.

    Raises:
      DatasetError: with the fault.
    """
    try:
        yield
    except _NOT_OF_INPUT:
        raise
    # The latter where a message of TensorFlow's quotes bytes of the record.
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        said = _ASSERTION.search(str(error))
        fault = said[1] if said else _find(opened, splits, report)
        if fault is None:
            raise
        raise DatasetError(f'{opened.info.full_name}: {fault}; {ADVICE}') from error


def _find(opened, splits, report):
    problems = (verification.first_problem(opened, split, report) for split in splits)
    return next((problem for problem in problems if problem is not None), None)
