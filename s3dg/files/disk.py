"""Full disks and the like: which file could not be written, why, and what is kept."""

import contextlib
import os
import re
from collections.abc import Iterator

import tensorflow as tf

from s3dg.errors import S3dgError


class DiskError(S3dgError, RuntimeError):
    """A file that cannot be written: names it, the reason, and what is kept."""


@contextlib.contextmanager
def writing(path: str | os.PathLike, kept: str) -> Iterator[None]:
    """Makes one line of what writers raise; only what writes belongs in the block.

    Args:
      path: what is written; another name that an error brings is taken instead.
      kept: what is not lost, and what to do; ends the message.

    Raises:
      DiskError: for errors of the operating system, raised by Python, HDF5 or TensorFlow.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        name = os.fspath(path) if error.filename is None else os.fsdecode(error.filename)
        raise DiskError(f'{name}: {os.strerror(error.errno)}; {kept}') from error
    except tf.errors.OpError as error:
        # "{{node ...}} FILE; No space left on device [Op:SaveV2]"; FILE is a temporary one.
        said = re.search(r'; ([^;[\n]+)', error.message)
        reason = said[1].strip() if said else error.message.splitlines()[0]
        raise DiskError(f'{os.fspath(path)}: {reason}; {kept}') from error
