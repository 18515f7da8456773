"""The videos of a split, seen by a network as its `video_format` says."""

import math

from data import clips
from data.records import faults
from s3dg.progress import ProgressLine
from s3dg.training import evaluation

# Pixels, over all frames, that one replica evaluates at once: a window of the paper's 250 frames of
# 224x224, so that memory is bounded by that window.
_PIXELS = 250 * 224 * 224


def batch_size(strategy, video_format, most=16):
    """Windows evaluated at once: up to `most` small ones on a replica, or one of the paper's."""
    pixels = video_format.evaluation_frames * math.prod(video_format.crop_size)
    each = min(max(_PIXELS // pixels, 1), most)
    return each * strategy.num_replicas_in_sync


def predict_split(
    network,
    builder,
    split,
    *,
    strategy,
    most_frames=None,
    most_windows=16,
    reverse=False,
    report=None,
):
    """`Predictions` of all videos of a split.

    Args:
      most_frames: that are seen of every video, from the first on; None: all.
      most_windows: as `most` of `batch_size`.
      reverse: whether the frames come in reversed order.
    """
    video_format = network.video_format
    at_once = batch_size(strategy, video_format, most_windows)
    windows = clips.evaluation_windows(
        builder,
        split,
        frames=video_format.evaluation_frames,
        crop_size=video_format.crop_size,
        batch_size=at_once,
        reverse=reverse,
        most_frames=most_frames,
    )
    progress = None
    if report is not None:
        order = 'reversed' if reverse else 'normal'
        progress = ProgressLine(f'evaluating {split}, {order} order', 'windows', report)
        if most_frames is not None:
            report(f'of every video of {builder.name} the first {most_frames} frames are evaluated')
    with faults.named(builder, [split], report):
        return evaluation.predict(network, windows, at_once, strategy=strategy, progress=progress)


def evaluate_split(network, builder, split, **options):
    """`(Metrics, Predictions)` of a split; options as of `predict_split`."""
    predictions = predict_split(network, builder, split, **options)
    expected = builder.info.splits[split].num_examples
    return evaluation.compute_metrics(predictions, expected), predictions
