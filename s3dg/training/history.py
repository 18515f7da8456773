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

HISTORY_FILE = 'history.csv'
HISTORY_COLUMNS = (
    'step',
    'loss',
    'accuracy',
    'learning_rate',
    'clips_per_second',
    'input_wait_share',
    'top1',
)


class HistoryError(S3dgError, ValueError):
    """A history that is damaged."""


class History:
    """`history.csv` and TensorBoard scalars of a run; rows past a resumed step are dropped.

    Args:
      workdir: the run's folder.
      step: the step the run goes on from.

    Raises:
      HistoryError: as `read_history`.
    """

    def __init__(self, workdir, step):
        self.path = pathlib.Path(workdir, HISTORY_FILE)
        self.rows = [row for row in read_history(workdir) if row['step'] <= step]
        self._write()
        self._summaries = pathlib.Path(workdir, 'tensorboard')
        self._writer = tf.summary.create_file_writer(str(self._summaries))

    def _write(self):
        text = io.StringIO(newline='')
        writer = csv.DictWriter(text, HISTORY_COLUMNS)
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())

    def add(self, row):
        """Adds a row: a dict with `HISTORY_COLUMNS`, 'top1' only where there was an evaluation.

        Raises:
          DiskError: where it cannot be written.
        """
        kept = (
            'the checkpoints are kept; make room and run the same command again to go on from there'
        )
        self.rows.append(row)
        with writing(self.path, kept):
            self._write()
        with writing(self._summaries, kept):
            with self._writer.as_default(step=row['step']):
                for name, value in row.items():
                    if name != 'step' and value is not None:
                        tf.summary.scalar(name, value)
            self._writer.flush()


class Window(tf.train.experimental.PythonState):
    """The steps since the last row of the history, which the next row is the mean of.

    It is saved with every checkpoint, so that the steps that a row is about do not depend on where a
    process began. Times are those of this process.
    """

    def __init__(self):
        self.clear()

    def clear(self):
        """Forgets the steps, when their row is written."""
        self._losses, self._accuracies = [], []
        self._timed_steps, self._seconds, self._waited = 0, 0.0, 0.0

    def add(self, losses, accuracies):
        """Adds steps: the loss and the accuracy of each."""
        self._losses += losses
        self._accuracies += accuracies

    def add_times(self, steps, seconds, waited):
        """Adds the seconds that so many steps took, and those of them waited for input or NaN."""
        self._timed_steps += steps
        self._seconds += seconds
        self._waited += waited

    def row(self, step, learning_rate, batch_size, top1):
        """The row of the history at a step."""
        timed = self._timed_steps > 0 and self._seconds > 0
        waits = timed and math.isfinite(self._waited)
        return {
            'step': step,
            'loss': sum(self._losses) / len(self._losses),
            'accuracy': sum(self._accuracies) / len(self._accuracies),
            'learning_rate': learning_rate,
            'clips_per_second': self._timed_steps * batch_size / self._seconds if timed else None,
            'input_wait_share': self._waited / self._seconds if waits else None,
            'top1': top1,
        }

    def serialize(self):
        return json.dumps([self._losses, self._accuracies])

    def deserialize(self, string_value):
        self.clear()
        self._losses, self._accuracies = json.loads(string_value)


def empty_row(step):
    """A row of the history at a step, without figures."""
    return {**dict.fromkeys(HISTORY_COLUMNS), 'step': step}


def read_history(workdir):
    """The rows of `history.csv` as dicts of numbers, None where a cell is empty; [] without a file.

    Raises:
      HistoryError: where the file is damaged; a last line that a kill has torn does not count.
    """
    path = pathlib.Path(workdir, HISTORY_FILE)
    remedy = 'delete it: no training needs it to go on'
    rows, last = [], -1
    for number, cells in enumerate(read_table(path, HISTORY_COLUMNS, HistoryError, remedy), 2):
        row = {name: _number(text) for name, text in zip(HISTORY_COLUMNS, cells, strict=True)}
        wrong = [
            name for name, value in row.items() if value is not None and not math.isfinite(value)
        ]
        step = row['step']
        if wrong or step is None or step % 1 or step <= last:
            name = wrong[0] if wrong else 'step'
            expected = 'a number' if wrong else f'a whole number above {last}'
            raise HistoryError(
                f'{path} is damaged: row {number} has the {name} '
                f'{cells[HISTORY_COLUMNS.index(name)]!r}, expected {expected}; {remedy}'
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
