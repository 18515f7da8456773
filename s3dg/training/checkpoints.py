"""The checkpoints of a training: found by their own files; the newest whole one is restored."""

import pathlib
import re
import shutil

import tensorflow as tf

from s3dg import files
from s3dg.errors import S3dgError, reading
from s3dg.files.disk import DiskError, writing

_FILE = re.compile(r'ckpt-(\d+)\.(index|data-\d+-of-\d+)')

_KEPT = 3  # checkpoints
_REMEDY = (
    'the checkpoints before it are kept; make room and run the same command again to go on there'
)


class SavedStateError(S3dgError, ValueError):
    """A training that was stopped cannot go on from what it has left."""


class Checkpoints:
    """The last three checkpoints of a training.

    The state file `checkpoint` beside them, which TensorFlow reads, is written anew from what is
    there: it may be lost or cut where the checkpoints are whole.

    Args:
      folder: where they lie, or will lie.
      network, optimizer: built.
      step: a `tf.Variable`.
      window: the `Window`, which checkpoints of earlier versions do not hold.
    """

    def __init__(self, folder, network, optimizer, step, window):
        self._folder, self._step = pathlib.Path(folder), step
        # The TensorFlow variables themselves, in order: Keras layers (3.15) hide those of sublayers
        # that they hold in a list from tf.train.Checkpoint, without a word.
        state = {
            'network': [variable.value for variable in network.variables],
            'optimizer': [variable.value for variable in optimizer.variables],
            'step': step,
        }
        self._checkpoint = tf.train.Checkpoint(**state, window=window)
        self._older = tf.train.Checkpoint(**state)

    def restore(self, report):
        """Restores the newest checkpoint that can be read, if there are any; returns its step.

        Args:
          report: takes a line for the one restored, and for each that cannot be read.

        Raises:
          SavedStateError: where there are checkpoints, or were, and none can be read: they are not
            trained over.
        """
        found = _find(self._folder)
        for path in reversed(found):
            try:
                with reading(f'{path} cannot be read', SavedStateError):
                    self._restore(path)
            except SavedStateError as error:
                if isinstance(error.__cause__, tf.errors.ResourceExhaustedError):
                    raise  # of memory: the file is as it should be
                report(str(error))
            else:
                report(f'resuming from {path}')
                _write_state(self._folder, found)
                break
        else:
            if found or (self._folder / 'checkpoint').exists():  # written after the first of them
                raise SavedStateError(
                    f'{self._folder}: none of the checkpoints can be read; delete the folder to '
                    f'train from the beginning.'
                )
        # It reads the state file, so it is made when that is right.
        self._manager = tf.train.CheckpointManager(self._checkpoint, str(self._folder), _KEPT)
        return int(self._step.numpy())

    def _restore(self, path):
        try:
            self._checkpoint.restore(path).assert_consumed()
        except AssertionError:  # other parts than those that the file holds
            self._older.restore(path).assert_consumed()

    def save(self, step):
        """Writes the checkpoint of a step; `restore` comes first. DiskError if it cannot."""
        self._step.assign(step)
        path = self._folder / f'ckpt-{step}'
        try:
            with writing(path, _REMEDY):
                self._manager.save(checkpoint_number=step)
        except DiskError:
            shutil.rmtree(f'{path}_temp', ignore_errors=True)  # which TensorFlow leaves behind
            raise


def _write_state(folder, found):
    """Writes what the manager reads; TensorFlow's own function warns of its age at every call."""
    names = [pathlib.Path(path).name for path in found]
    lines = [f'all_model_checkpoint_paths: "{name}"\n' for name in names]
    newest = f'model_checkpoint_path: "{names[-1]}"\n'
    files.write_text(folder / 'checkpoint', newest + ''.join(lines))


def _find(folder):
    """The checkpoints of a folder, as TensorFlow names them, by their steps.

    Of one that was being saved when its process was killed there may be data without an index,
    which TensorFlow writes last. It is left out where there are others, and where it is alone too:
    nothing came before it.
    """
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    found = [match for match in map(_FILE.fullmatch, names) if match]
    steps = {int(match[1]) for match in found}
    whole = {int(match[1]) for match in found if match[2] == 'index'}
    if not whole and len(steps) > 1:  # their indices are lost, not unwritten
        whole = steps
    return [str(folder / f'ckpt-{step}') for step in sorted(whole)]
