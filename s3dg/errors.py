"""Errors whose message is for the user: one line that names the file or flag at fault.

Whatever else a program raises is a fault of its own and keeps its traceback.
"""

import contextlib
from collections.abc import Iterator

LONGEST_LINE = 400  # characters of a message; names and values in it can be of any length


class S3dgError(Exception):
    """Base of all errors whose message is for the user.

    As text it is one line, cut in its middle where it is very long: what is at fault stands at the
    beginning of a message, what to do at its end.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class VideoError(S3dgError, ValueError):
    """A video cannot be used; the message is the reason in one line, without the path."""


def one_line(text: object, longest: int = LONGEST_LINE) -> str:
    """Text as one line of printable characters, cut in its middle to at most `longest` of them."""
    text = str(text)
    far_too_long = len(text) > 4 * longest
    if far_too_long:  # before the work on every character
        text = text[: 2 * longest] + text[-2 * longest :]
    line = ' '.join(''.join(c if c.isprintable() else ' ' for c in text).split())
    if len(line) <= longest and not far_too_long:
        return line
    end = longest // 4
    return f'{line[: longest - end - 5].rstrip()} ... {line[-end:].lstrip()}'


@contextlib.contextmanager
def reading(message: str, error: type[S3dgError]) -> Iterator[None]:
    """Turns whatever a third-party reader raises on a damaged file into one error of ours.

    A reader of binary files fails, on a broken one, in whatever way its bytes lead to, so nothing
    narrower than Exception would do. Only the reader's call belongs in the block: a fault in our
    own code must keep its traceback.

    Args:
      message: the file, and what it should have been; what the reader said is added.
      error: the error to raise instead.

    Raises:
      error: for every Exception but those that are for the user already, and OSErrors about a
        file by name (not there, no permission), which say it themselves.
    """
    try:
        yield
    except S3dgError:
        raise
    except Exception as fault:  # noqa: BLE001
        if isinstance(fault, OSError) and fault.filename is not None and fault.errno is not None:
            raise
        said = one_line(fault, LONGEST_LINE // 2)
        found = f'{type(fault).__name__}: {said}' if said else type(fault).__name__
        raise error(f'{message} ({found})') from fault
