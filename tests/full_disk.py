"""A disk on which nothing longer than so many bytes finds room."""

import contextlib
import resource


@contextlib.contextmanager
def longest_file(size):
    """Lets no file grow beyond `size` bytes: what writes more fails as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
