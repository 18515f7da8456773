"""What a training writes down as it goes: `history.csv` and TensorBoard scalars."""

import csv
import io
import json
import math
import pathlib

import tensorflow as tf

from s3dg.errors import S3dgError
from s3dg.files import write_text
from s3dg.files.disk import writing
from s3dg.files.readers import read_table
from s3dg.training.task import CLASSIFICATION

HISTORY_FILE = 'history.csv'

_KEPT = 'the checkpoints are kept; make room and run the same command again to go on from there'


class HistoryError(S3dgError, ValueError):
    """A history that is damaged."""


class History:
    """`history.csv` and TensorBoard scalars of a run that goes on from `step`: later rows are gone.

    Raises:
      HistoryError: as `read_history`.
    """

    def __init__(self, workdir, step, task=CLASSIFICATION):
        self.path = pathlib.Path(workdir, HISTORY_FILE)
        self.rows = [row for row in read_history(workdir, task) if row['step'] <= step]
        self._columns = task.columns
        self._write()
        self._summaries = pathlib.Path(workdir, 'tensorboard')
        self._writer = tf.summary.create_file_writer(str(self._summaries))

    def _write(self):
        text = io.StringIO(newline='')
        writer = csv.DictWriter(text, self._columns)
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())

    def add(self, row):
        """Adds a row: a number or None for each of the task's columns; DiskError if it cannot."""
        self.rows.append(row)
        with writing(self.path, _KEPT):
            self._write()
        with writing(self._summaries, _KEPT):
            with self._writer.as_default(step=row['step']):
                for name, value in row.items():
                    if name != 'step' and value is not None:
                        tf.summary.scalar(name, value)
            self._writer.flush()


class Window(tf.train.experimental.PythonState):
    """The steps since the last row of the history; the next row holds their means.

    It is saved with every checkpoint, so that the steps that a row is about do not depend on where
    a process began. Times are those of this process.
    """

    def __init__(self, names):
        self._names = names  # of the figures of a step
        self.clear()

    def clear(self):
        self._values = {name: [] for name in self._names}
        self._timed_steps, self._seconds, self._waited = 0, 0.0, 0.0

    def add(self, figures):
        """Adds steps: a list by each name, with a number for every step."""
        for name, values in self._values.items():
            values += figures[name]

    def add_times(self, steps, seconds, waited):
        """Adds the seconds that some steps took, and those spent waiting for input, or NaN."""
        self._timed_steps += steps
        self._seconds += seconds
        self._waited += waited

    def means(self, batch_size):
        """The part of a row that is about the steps, with `batch_size` clips each."""
        timed = self._timed_steps > 0 and self._seconds > 0
        waits = timed and math.isfinite(self._waited)
        return {
            **{name: sum(values) / len(values) for name, values in self._values.items()},
            'clips_per_second': self._timed_steps * batch_size / self._seconds if timed else None,
            'input_wait_share': self._waited / self._seconds if waits else None,
        }

    def serialize(self):
        return json.dumps(list(self._values.values()))

    def deserialize(self, string_value):
        self.clear()
        self._values = dict(zip(self._names, json.loads(string_value), strict=True))


def read_history(workdir, task=CLASSIFICATION):
    """The rows of `history.csv` as dicts of numbers, None where a cell is empty; [] without a file.

    Raises:
      HistoryError: where the file is damaged; a last line that a kill has torn does not count.
    """
    path = pathlib.Path(workdir, HISTORY_FILE)
    remedy = 'delete it: no training needs it to go on'
    rows, last = [], -1
    for number, cells in enumerate(read_table(path, task.columns, HistoryError, remedy), 2):
        row = {name: _number(text) for name, text in zip(task.columns, cells, strict=True)}
        wrong = [name for name, value in row.items() if not math.isfinite(value or 0)]
        step = row['step']
        if wrong or step is None or step % 1 or step <= last:
            name = wrong[0] if wrong else 'step'
            found = cells[task.columns.index(name)]
            expected = 'a number' if wrong else f'a whole number above {last}'
            raise HistoryError(
                f'{path} is damaged: row {number} has the {name} {found!r}, expected {expected}; '
                f'{remedy}'
            )
        last = int(step)
        rows.append({**row, 'step': last})
    return rows


def _number(text):
    """The number that a cell holds: None in an empty one, NaN in one that holds something else."""
    try:
        return float(text) if text else None
    except ValueError:
        return math.nan
