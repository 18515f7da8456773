"""The folder of a run, and the files that it leaves there."""

import contextlib
import fnmatch
import json
import os
import pathlib

from s3dg import files
from s3dg.files import folders, locks
from s3dg.files.readers import read_json
from s3dg.program.entry import UsageError
from s3dg.saving.export import SAVED_MODEL_FILES
from s3dg.saving.saved_model import METADATA_FILE

CONFIG_FILE, RESULTS_FILE = 'config.json', 'results.json'

# What the programs leave in their workdirs: paths from there, as patterns of `fnmatch`. What is not
# among them is never deleted.
_WRITTEN = (
    CONFIG_FILE,
    RESULTS_FILE,
    'report.md',
    # Trainings.
    'model.keras',
    'history.csv',
    'curves.png',
    'checkpoints/checkpoint*',  # also what TensorFlow leaves when it is killed while it saves
    'checkpoints/ckpt-*',
    'tensorboard/events.out.tfevents.*',
    # Evaluations, and what experiments keep beside the networks that they share.
    'confusion.png',
    'predictions.npz',
    'predictions_*.npz',
    'features_*.npz',
    'submission_*.csv',
    # Detectors.
    'rpn/history.csv',
    'rpn/checkpoints/checkpoint*',
    'rpn/checkpoints/ckpt-*',
    'rpn/tensorboard/events.out.tfevents.*',
    'detections.csv',
    'detections_*/*.npz',
    'precision_recall_*.png',
    'found_and_true.png',
    'filmstrip.png',
    # quickstart
    'samples.png',
    'new_videos/*.mp4',
    *(f'saved_model/{name}' for name in SAVED_MODEL_FILES),
    # s3dg features
    'features/*.npz',
    'features/*.npy',
    'records/*.json',
    'shards/*/config.json',
    'shards/*/results.json',
    'shards/*/report.md',
    # s3dg fvd
    'real.npz',
    'generated.npz',
    # s3dg detect
    'detections/*.mp4',
    'detections/*.csv',
    'detections/*.json',
    # s3dg explain
    'explain/*.mp4',
    'explain/*.png',
    'explain/*.npz',
    # cost_table
    'networks.csv',
    'layers.csv',
    'cost_per_endpoint.png',
)

# Programs by the names that they had before; their workdirs are still taken.
_FORMER_NAMES = {'extract_features': 'features', 'import_weights': 'import-weights'}
_RESULTS_REMEDY = 'delete it to have it written again'


class Run:
    """The folder of a run: `config.json`, `results.json`, `report.md` and what the program adds.

    No two processes write to one workdir: while a `Run` is there, others are refused. A finished
    run that is only looked at is not locked, and may lie where nothing can be written.

    Args:
      program, workdir: names of the entry point and of the folder.
      settings: every resolved value that decides the results, JSON-serialisable.
      overwrite: whether to delete what an earlier run of the program left there. A folder that
        holds other files than the programs' is refused.
      free: settings, named 'training.log_every' and the like, or whole dicts of them, that may
        differ when a run goes on.
      replaces: for programs that leave only a report here. What `finish` writes replaces a run with
        other settings, and nothing is deleted.
      goes_on: whether the program writes here even if the run is finished.
      inputs: (flag, path or None) of all that the program reads. It must not be deleted with the
        workdir.

    Raises:
      UsageError: where the folder holds a run with other settings or of another program, or what is
        left of one; where what this one reads, or what is not ours, would be deleted with it.
      InUseError: where another process is at work there.
    """

    def __init__(
        self,
        program,
        workdir,
        settings,
        overwrite=False,
        free=(),
        replaces=False,
        inputs=(),
        goes_on=False,
    ):
        self.path = workdir_path(workdir)
        self._is_replaced = False
        # As they will be read back: no tuples.
        self._settings = json.loads(json.dumps({'program': program, **settings}))
        if goes_on or not self._is_finished(overwrite, replaces):
            self._lock = _lock(self.path)
        folders.finish_swap(self.path)
        before = self._read_earlier()
        if before is None:
            _check_no_remains(self.path)
        elif replaces:
            self._is_replaced = overwrite or before != self._settings
        elif overwrite:
            _check_no_inputs(self.path, inputs)
            with _of_workdir(), folders.unfinished_folder(self.path, _WRITTEN) as new:
                files.write_json(new / CONFIG_FILE, self._settings)
            return
        else:
            _check_same(self.path, before, self._settings, free)
        # Resolved: a link may lead to what is not there yet.
        self.path.resolve().mkdir(parents=True, exist_ok=True)
        if not (self.path / RESULTS_FILE).exists():  # else it says how those came about
            files.write_json(self.path / CONFIG_FILE, self._settings)

    def _is_finished(self, overwrite, replaces):
        """Whether nothing is going to be written."""
        if overwrite or not (self.path / RESULTS_FILE).exists():
            return False
        config = self.path / CONFIG_FILE
        return not replaces or (config.exists() and read_settings(config) == self._settings)

    def _read_earlier(self):
        """The settings of the run of this program that the folder holds, or None."""
        config = self.path / CONFIG_FILE
        if not config.exists():
            return None
        before = read_settings(config)
        program = before['program']
        if program != self._settings['program']:
            raise UsageError(f'--workdir: {self.path} holds a run of {program}; give another one.')
        return before

    @property
    def results(self):
        """What a finished run has written, None before; UsageError where that is damaged."""
        path = self.path / RESULTS_FILE
        if self._is_replaced or not path.exists():
            return None
        return read_json(path, UsageError, _RESULTS_REMEDY)

    def figure(self, name):
        """A number among the results of a finished run; UsageError where there is none."""
        found = (self.results or {}).get(name)
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            damage = f'{self.path / RESULTS_FILE} is damaged: {name} is {found!r}'
            raise UsageError(f'{damage}, expected a number; {_RESULTS_REMEDY}')
        return found

    def finish(self, results, report):
        """Writes `report.md` and, last, `results.json`, which marks the run as finished."""
        if self._is_replaced:
            (self.path / RESULTS_FILE).unlink(missing_ok=True)
            files.write_json(self.path / CONFIG_FILE, self._settings)
            self._is_replaced = False
        files.write_text(self.path / 'report.md', report)
        files.write_json(self.path / RESULTS_FILE, results)

    def __truediv__(self, name):
        return self.path / name


def _check_no_remains(folder):
    """Refuses files that would be taken for this run's, or written over."""
    tops = [pattern.split('/')[0] for pattern in _WRITTEN]
    for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
        if any(fnmatch.fnmatchcase(name, top) for top in tops):
            raise UsageError(
                f'--workdir: {folder} holds {name} and no {CONFIG_FILE} that says of which run; '
                f'give another one, or delete it.'
            )


def _check_no_inputs(folder, inputs):
    """Refuses a folder that is to be deleted, and holds what is to be read."""
    for what, path in inputs:
        if path is not None and home_path(path).resolve().is_relative_to(folder.resolve()):
            deleted = f'{path} lies in --workdir, which --overwrite deletes'
            raise UsageError(f'{what}: {deleted}; give another --workdir.')


def _lock(folder):
    """The lock of a workdir, which is held as long as a reference to it is."""
    try:
        return locks.lock(locks.beside(folder))
    except locks.InUseError as error:
        in_use = f'another process is at work in {folder}; wait for its end, or give another one.'
        raise locks.InUseError(f'--workdir: {in_use}') from error


@contextlib.contextmanager
def _of_workdir():
    """Makes faults of a folder faults of the flag."""
    try:
        yield
    except folders.FolderError as error:
        raise UsageError(f'--workdir: {error}') from error


def read_settings(path):
    """What a run has written to its `config.json`; UsageError where the file is another's."""
    remedy = 'give another folder, or delete this one'
    settings = read_json(path, UsageError, remedy)
    program = settings.get('program')
    if not isinstance(program, str):
        raise UsageError(f'{path} was not written by this project, or is damaged; {remedy}')
    return {**settings, 'program': _FORMER_NAMES.get(program, program)}


def flatten(values, prefix=''):
    """Nested dicts as one, with keys like 'training.log_every'."""
    if not isinstance(values, dict):
        return {prefix: values}
    pairs = ((f'{prefix}.{name}' if prefix else name, value) for name, value in values.items())
    return {key: leaf for name, value in pairs for key, leaf in flatten(value, name).items()}


def _check_same(folder, before, now, free):
    """Refuses settings, nested dicts, that are not those of the run in a folder, naming one."""
    flat_before, flat_now = flatten(before), flatten(now)
    free = tuple(f'{name}.' for name in free)
    for name in sorted({*flat_before, *flat_now}):
        old, new = flat_before.get(name), flat_now.get(name)
        if old != new and not f'{name}.'.startswith(free):
            raise UsageError(
                f'{folder} holds a run with other settings: {name} was {old!r} and is now {new!r}. '
                f'Give another --workdir, or --overwrite to start anew.'
            )


def home_path(path):
    """A path with ~ as the home folder; '~nobody' stays as it is."""
    return pathlib.Path(os.path.expanduser(path))


def workdir_path(workdir):
    """The path of a run's folder, with ~ as the home folder.

    Raises:
      UsageError: where it is no name, or of a folder that is the user's or the code's, or above.
    """
    if not os.fspath(workdir):
        raise UsageError('--workdir is empty, expected the name of a folder.')
    path = home_path(workdir)
    with _of_workdir():
        folders.check_place(path)
    for place in (path, *path.parents):
        if place.exists() and not place.is_dir():
            raise UsageError(f'--workdir: {place} is a file, expected a folder.')
    return path


def file_identity(path):
    """What tells a file from another of the same name: path, size and time of change."""
    path = home_path(path)
    stat = path.stat()
    return {'path': str(path), 'bytes': stat.st_size, 'changed': stat.st_mtime}


def model_identity(path):
    """What tells a model from another at its path: `file_identity` of the file that changes.

    Args:
      path: of a `.keras` file, or of a SavedModel's folder.
    """
    path = home_path(path)
    return file_identity(path / METADATA_FILE if path.is_dir() else path)
