"""The checkpoints of a training: found by their own files, and taken up from the newest whole one."""

import pathlib
import re

import tensorflow as tf

from s3dg import files
from s3dg.errors import S3dgError, reading

_FILE = re.compile(r'ckpt-(\d+)\.(index|data-\d+-of-\d+)')


class SavedStateError(S3dgError, ValueError):
    """A training that was stopped cannot go on from what it has left."""


def open_checkpoints(checkpoint, folder, report, older=None, max_to_keep=3):
    """Restores the newest checkpoint of a folder that can be read, if there are any.

    The state file `checkpoint` beside them, which TensorFlow reads, is written anew from what is there: it may
    be lost or cut where the checkpoints are whole.

    Args:
      checkpoint: a `tf.train.Checkpoint`.
      folder: where they lie, or will lie.
      report: takes a line for the one restored, and for each that cannot be read.
      older: a `tf.train.Checkpoint` of what earlier versions saved, for files that hold no more.
      max_to_keep: how many the manager keeps.

    Returns:
      The `tf.train.CheckpointManager`, which knows them all.

    Raises:
      SavedStateError: where there are checkpoints, or were, and none can be read: they are not trained over.
    """
    folder = pathlib.Path(folder)
    found = _find(folder)
    lost = not found and (folder / 'checkpoint').exists()  # which is written after the first one
    for path in reversed(found):
        try:
            with reading(f'{path} cannot be read', SavedStateError):
                _restore(checkpoint, older, path)
        except SavedStateError as error:
            if isinstance(error.__cause__, tf.errors.ResourceExhaustedError):
                raise  # of memory: the file is as it should be
            report(str(error))
        else:
            report(f'resuming from {path}')
            _write_state(folder, found)
            break
    else:
        if found or lost:
            raise SavedStateError(
                f'{folder}: none of the checkpoints can be read; delete the folder to train from the beginning.'
            )
    return tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep)


def _restore(checkpoint, older, path):
    try:
        checkpoint.restore(path).assert_consumed()
    except AssertionError:  # other parts than those that the file holds
        if older is None:
            raise
        older.restore(path).assert_consumed()


def _write_state(folder, found):
    """Writes what the manager reads; TensorFlow's own function for it warns of its age at every call."""
    names = [pathlib.Path(path).name for path in found]
    lines = [f'model_checkpoint_path: "{names[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in names]
    files.write_text(folder / 'checkpoint', '\n'.join(lines) + '\n')


def _find(folder):
    """The checkpoints of a folder, as TensorFlow names them, by their steps.

    Of one that was being saved when its process was killed there may be data without an index, which TensorFlow
    writes last; where there are others, it is left out, and so is it alone: nothing came before it.
    """
    parts = {}
    if folder.is_dir():
        for path in folder.iterdir():
            match = _FILE.fullmatch(path.name)
            if match:
                parts.setdefault(int(match[1]), set()).add(match[2].split('-')[0])
    whole = [step for step in sorted(parts) if 'index' in parts[step]]
    if not whole and len(parts) > 1:  # their indices are lost, not unwritten
        whole = sorted(parts)
    return [str(folder / f'ckpt-{step}') for step in whole]
