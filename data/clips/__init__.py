"""Stored records to batches of uint8 clips, by tf.data.

`training.training_clips` returns random clips without end, in the order that `order` draws;
`evaluation.evaluation_windows` returns every video of a split once, in windows that cover it.
`annotated` returns the annotated frames of detection datasets, with the clips around them. Keys of
a batch and what else all need are in `common`.
"""

from data.clips.common import CLIP, EPOCH, WINDOW, WINDOWS, ClipError
from data.clips.evaluation import evaluation_windows
from data.clips.training import training_clips

__all__ = [
    'CLIP',
    'EPOCH',
    'WINDOW',
    'WINDOWS',
    'ClipError',
    'evaluation_windows',
    'training_clips',
]
