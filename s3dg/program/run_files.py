"""The files that the programs leave in their workdirs, by which theirs are told from the user's."""

import fnmatch

from s3dg.saving.export import SAVED_MODEL_FILES

_TRAINED = (
    'model.keras',
    'history.csv',
    'curves.png',
    'checkpoints/checkpoint*',  # also what TensorFlow leaves when it is killed while it saves
    'checkpoints/ckpt-*',
    'tensorboard/events.out.tfevents.*',
)

# Paths from the workdir, as patterns of `fnmatch`. What is not among them is never deleted.
WRITTEN = (
    'config.json',
    'results.json',
    'report.md',
    *_TRAINED,
    # Evaluations, and what experiments keep beside the networks that they share.
    'confusion.png',
    'predictions.npz',
    'predictions_*.npz',
    'features_*.npz',
    'submission_*.csv',
    # quickstart
    'samples.png',
    'new_videos/*.mp4',
    *(f'saved_model/{name}' for name in SAVED_MODEL_FILES),
    # s3dg features
    'features/*.npz',
    # cost_table
    'networks.csv',
    'layers.csv',
    'cost_per_endpoint.png',
)


def is_written(name):
    """Whether a file or folder of this name in a workdir is one that the programs write."""
    return any(fnmatch.fnmatchcase(name, pattern.split('/')[0]) for pattern in WRITTEN)
