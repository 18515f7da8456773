"""The one error of datasets, and how their long work tells what it does."""

from collections.abc import Callable

from s3dg.errors import S3dgError

Report = Callable[[str], None]


class DatasetError(S3dgError, ValueError):
    """A dataset cannot be made or opened; the message is one line saying why and what to do."""
