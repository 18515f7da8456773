"""Cells of CSV files that people open in spreadsheets, which run what begins like a formula.

Texts that begin with one of = + - @, a tab or a carriage return get an apostrophe before them, as OWASP advises
against "CSV injection". So do those that begin with apostrophes and one of these, which makes the way back exact. In
files of earlier versions, without apostrophes, such texts are read as they stand. Not for formats that others
read by exact ids, such as the submissions to Something-Something.
"""

import re
from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def escaped(row: Iterable) -> list:
    """The cells of a row as they are written; numbers stay what they are."""
    return [f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell for cell in row]


def unescaped(row: Iterable[str]) -> list[str]:
    """The cells of a row as they were before `escaped`."""
    return [cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell for cell in row]
