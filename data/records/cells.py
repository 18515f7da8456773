"""Cells of CSV files for spreadsheets, which run what begins like a formula.

A text that begins with one of = + - @, a tab or a carriage return gets an apostrophe before it, as
OWASP advises against "CSV injection". So does a text that begins with apostrophes and then one of
these: the way back is exact. Files of earlier versions have no apostrophes; their texts are read as
they stand. Formats that other programs read by exact ids, such as submissions to
Something-Something, do without.
"""

import csv
import io
import re
from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def escaped(row: Iterable) -> list:
    """The cells of a row as they are written; numbers stay what they are."""
    return [f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell for cell in row]


def line(row: Iterable) -> str:
    """A row as a line of a CSV file, with its cells `escaped`.

    It ends with a line feed. A carriage return in a cell is quoted: for Python's `csv` it would not
    have to be where lines end like this, and then cannot be read.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator='\r\n').writerow(escaped(row))
    return text.getvalue().removesuffix('\r\n') + '\n'


def unescaped(row: Iterable[str]) -> list[str]:
    """The cells of a row as they were before `escaped`."""
    return [cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell for cell in row]
