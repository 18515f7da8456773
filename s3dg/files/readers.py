"""Readers of JSON, CSV and `.npz` files that may be damaged.

Each returns what was asked for, or raises the caller's `error` for a damaged file: one line that
names the file and ends with `remedy`, what to do then. What a file costs in memory is bounded by
what it says of itself before it is read.
"""

import csv
import io
import json
import math
import os
import pathlib
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from s3dg.errors import S3dgError, reading


def read_json(path: str | os.PathLike, error: type[S3dgError], remedy: str) -> dict:
    """The object that a JSON file holds.

    Raises:
      error: where the file holds anything else, or is nested too deeply to be read.
      OSError: where it cannot be opened.
    """
    content = pathlib.Path(path).read_bytes()
    with reading(f'{path} is damaged, expected JSON; {remedy}', error):
        values = json.loads(content)
    if not isinstance(values, dict):
        found = type(values).__name__
        raise error(f'{path} is damaged: it holds a {found}, expected a JSON object; {remedy}')
    return values


def read_table(
    path: str | os.PathLike, columns: Sequence[str], error: type[S3dgError], remedy: str
) -> list[list[str]]:
    """The rows of a CSV file below the header of `columns`; none where there is no such file.

    A last line without its end, which a kill leaves of a file that grows, does not count.

    Raises:
      error: where the header or the length of a row is another one, or a row cannot be read.
      OSError: where there is a file that cannot be opened.
    """
    try:
        content = pathlib.Path(path).read_bytes()
    except FileNotFoundError:
        return []
    with reading(f'{path} is damaged, expected rows of CSV; {remedy}', error):
        complete = content[: content.rfind(b'\n') + 1].decode()  # the torn part may be no UTF-8
        rows = list(csv.reader(io.StringIO(complete, newline='')))
    if rows and rows[0] != list(columns):
        header = ','.join(rows[0])
        raise error(
            f'{path} is damaged: found the header {header!r}, expected {",".join(columns)!r}; '
            f'{remedy}'
        )
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns):
            raise error(
                f'{path} is damaged: row {number} has {len(row)} cells, expected {len(columns)}; '
                f'{remedy}'
            )
    return rows[1:]


def read_npz(
    path: str | os.PathLike,
    arrays: Mapping[str, tuple[str, int]],
    error: type[S3dgError],
    remedy: str,
) -> dict[str, np.ndarray]:
    """Arrays of a `.npz` file, without those that are not asked for.

    Args:
      path: the file.
      arrays: by the names of the arrays, the kinds of dtype that each may have (as
        `numpy.dtype.kind`, 'iu' for integers) and its number of dimensions.
      error, remedy: as above.

    Raises:
      error: where an array is missing, cannot be read, is of another kind, or would take more
        memory than the whole file and is compressed.
      OSError: where the file cannot be opened.
    """
    found = {}
    with open(path, 'rb') as file:
        most_bytes = os.fstat(file.fileno()).st_size
        with reading(f'{path} is damaged, expected a .npz file; {remedy}', error):
            archive = zipfile.ZipFile(file)
        for name, (kinds, dimensions) in arrays.items():
            with reading(f'{path} is damaged: array {name!r} cannot be read; {remedy}', error):
                array = _read_array(archive, f'{name}.npy', most_bytes)
            if array.dtype.kind not in kinds or array.ndim != dimensions:
                raise error(
                    f'{path} is damaged: array {name!r} is of {array.dtype} and shape '
                    f'{array.shape}, expected {dimensions} dimensions of kind {kinds}; {remedy}'
                )
            found[name] = array
    return found


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _read_array(archive, name, most_bytes):
    """An array of an archive in which, as NumPy's `savez` leaves it, nothing is compressed.

    Raises:
      ValueError: where the array claims more than `most_bytes`, or other bytes than it has.
    """
    with archive.open(name) as member:
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(member)](member)
        size = math.prod(shape) * dtype.itemsize
        if size > most_bytes or (dtype.itemsize == 0 and max(shape, default=0) > most_bytes):
            raise ValueError(f'it is of {dtype} and shape {shape}, the file of {most_bytes} bytes')
    with archive.open(name) as member:
        return np.lib.format.read_array(member, allow_pickle=False)
