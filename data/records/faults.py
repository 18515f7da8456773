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

    The records of the splits that the block reads are read once more, shard by shard, until the
    fault shows. Where none shows, the error has another cause and is raised as it is.

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
        problems = (verification.first_problem(opened, split, report) for split in splits)
        fault = said[1] if said else next((found for found in problems if found is not None), None)
        if fault is None:
            raise
        raise DatasetError(f'{opened.info.full_name}: {fault}; {ADVICE}') from error
