"""What a training writes down as it goes: `history.csv` and TensorBoard scalars."""

import csv
import pathlib

import tensorflow as tf

HISTORY_COLUMNS = (
    'step',
    'loss',
    'accuracy',
    'learning_rate',
    'clips_per_second',
    'input_wait_share',
    'top1',
)


class History:
    """`history.csv` and TensorBoard scalars of a run; rows past a resumed step are dropped.

    Args:
      workdir: the run's folder.
      step: the step the run goes on from.
    """

    def __init__(self, workdir, step):
        self.path = pathlib.Path(workdir, 'history.csv')
        self.rows = [row for row in read_history(workdir) if row['step'] <= step]
        temporary = self.path.with_suffix('.new')
        with temporary.open('w', newline='') as file:
            writer = csv.DictWriter(file, HISTORY_COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        temporary.replace(self.path)
        self._writer = tf.summary.create_file_writer(str(pathlib.Path(workdir, 'tensorboard')))

    def add(self, row):
        """Appends a row: a dict with `HISTORY_COLUMNS`, 'top1' only where there was an evaluation."""
        self.rows.append(row)
        with self.path.open('a', newline='') as file:
            csv.DictWriter(file, HISTORY_COLUMNS).writerow(row)
        with self._writer.as_default(step=row['step']):
            for name, value in row.items():
                if name != 'step' and value is not None:
                    tf.summary.scalar(name, value)
        self._writer.flush()


def empty_row(step):
    """A row of the history at a step, without figures."""
    return {**dict.fromkeys(HISTORY_COLUMNS), 'step': step}


def read_history(workdir):
    """The rows of `history.csv` as dicts of numbers, None where a cell is empty; [] without a file."""
    path = pathlib.Path(workdir, 'history.csv')
    if not path.exists():
        return []
    with path.open(newline='') as file:
        rows = [
            {name: float(text) if text else None for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
    return [{**row, 'step': int(row['step'])} for row in rows]
