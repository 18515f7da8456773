"""Reads the lists that come with datasets, and finds the files they name.

Nobody vouches for the lists: every name in them is checked before it becomes a path, and a fault is
one line with the file and the number of the line.
"""

import csv
import heapq
import io
import json
import os
import pathlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from data.errors import DatasetError
from s3dg.video.reading import VIDEO_SUFFIXES

_MOST_BYTES = 255  # of a name


def read_file(path: str | os.PathLike, expected: str, **opening) -> Any:
    """All of a file, which is opened by `open` with the arguments `opening`.

    Raises:
      DatasetError: if it cannot be read; `expected` is what it should be, for the message.
    """
    try:
        if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
            # A pipe would be waited for.
            raise DatasetError(f'{path}: found no regular file, expected {expected}')
        with open(path, **opening) as file:
            return file.read()
    except FileNotFoundError:
        raise DatasetError(f'{path}: found nothing, expected this file') from None
    except IsADirectoryError:
        raise DatasetError(f'{path}: found a folder, expected {expected}') from None
    except UnicodeDecodeError:
        raise DatasetError(f'{path}: found bytes that are not UTF-8, expected {expected}') from None
    except OSError as error:
        raise DatasetError(f'{path}: {error.strerror}, expected {expected}') from None


def _read_text(path) -> str:
    """Any line ends become newlines; a byte-order mark is left out."""
    return read_file(path, 'a text file', encoding='utf-8-sig')


def read_lines(path: str | os.PathLike) -> list[tuple[int, str]]:
    """The lines of a text file that are not blank, stripped, with their numbers from 1.

    Any line ends, a byte-order mark and a missing last line end are taken as they come. Raises
    DatasetError as `read_file`.
    """
    numbered = enumerate(_read_text(path).split('\n'), start=1)
    lines = ((number, line.strip()) for number, line in numbered)
    return [(number, line) for number, line in lines if line]


def read_csv(
    path: str | os.PathLike, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Yields the rows of a CSV file with a header: (number of its last line, {column: value}).

    Columns are found by name, whatever their order; the value of an optional one is None where the
    file lacks it. Blank rows are left out.

    Raises:
      DatasetError: as `read_file`, or if a required column is missing, or a row too short or long.
    """
    reader = csv.reader(io.StringIO(_read_text(path)), strict=True)
    try:
        rows = (row for row in reader if any(cell.strip() for cell in row))
        header = [name.strip() for name in next(rows, [])]
        missing = [name for name in required if name not in header]
        if missing:
            raise DatasetError(
                f'{path}: found columns {", ".join(header) or "none"}, expected {missing[0]!r}'
            )
        columns = {name: header.index(name) for name in (*required, *optional) if name in header}
        for row in rows:
            # A longer row has a comma that is not quoted: its values are not where they should be.
            if len(row) <= max(columns.values()) or any(c.strip() for c in row[len(header) :]):
                raise DatasetError(
                    f'{path}, line {reader.line_num}: found {len(row)} columns,'
                    f' expected {len(header)}'
                )
            values = {name: row[column].strip() for name, column in columns.items()}
            yield reader.line_num, dict.fromkeys(optional) | values
    except csv.Error as error:
        raise DatasetError(f'{path}, line {reader.line_num}: {error}, expected CSV') from None


def read_json(path: str | os.PathLike) -> Any:
    """The value of a JSON file, of any type. Raises DatasetError if it cannot be read."""
    text = _read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f'{path}, line {error.lineno}: {error.msg}, expected JSON') from None
    except (ValueError, RecursionError):  # Python's own limits on digits and on depth
        raise DatasetError(
            f'{path}: found a number too long or lists nested too deep, expected JSON'
        ) from None


def check_name(name: str, path: str | os.PathLike, number: int | None = None) -> str:
    """Returns `name` if it can be a path, relative and one that stays in its folder.

    Raises:
      DatasetError: naming the annotation file `path`, the line if there is a number, and the name.
    """
    where = f'{path}, line {number}' if number is not None else str(path)
    if any(part in ('', '.', '..') for part in name.split('/')) or '\\' in name:
        raise DatasetError(
            f'{where}: found the name {name!r}, expected one that stays in the folder of videos'
        )
    # The operating system would refuse what is longer, or not UTF-8.
    if not name.isprintable() or len(name.encode()) > _MOST_BYTES:
        raise DatasetError(
            f'{where}: found the name {name!r}, expected printable characters, at most'
            f' {_MOST_BYTES} bytes'
        )
    return name


def find(folder: str | os.PathLike, *names: str) -> pathlib.Path:
    """The first of `names` that is in a folder. Raises DatasetError if none is."""
    for name in names:
        path = pathlib.Path(folder) / name
        if os.path.exists(path):  # unlike the method of `path`, it raises nothing
            return path
    raise DatasetError(f'{folder}: found none of its files, expected {" or ".join(names)}')


def list_files(folder: str | os.PathLike, suffixes: Collection[str] = VIDEO_SUFFIXES) -> list[str]:
    """Paths, relative to a folder and with "/", of the files in it and in its folders, sorted.

    Links to folders are followed, and every folder is searched once: under its own name if that is
    in here, else under the first of its links. Hidden files and folders are left out, and so are
    folders in here that may not be read, like the "lost+found" of a disk. Suffixes are lower-case.

    Raises:
      DatasetError: if the folder itself cannot be read.
    """
    found, seen = [], set()
    waiting = [(False, '')]  # a heap: links come last, and all in an order of their own
    while waiting:
        _, relative = heapq.heappop(waiting)
        path = os.path.join(folder, relative)
        real = os.path.realpath(path)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(path) as entries:
                entries = [entry for entry in entries if not entry.name.startswith('.')]
        except OSError as error:
            if relative:
                continue
            raise DatasetError(f'{folder}: {error.strerror}, expected a folder to search') from None
        for entry in entries:
            name = f'{relative}/{entry.name}' if relative else entry.name
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link that leads to itself
                continue
            if is_folder:
                heapq.heappush(waiting, (entry.is_symlink(), name))
            elif os.path.splitext(entry.name)[1].lower() in suffixes:
                found.append(name)
    return sorted(found)
