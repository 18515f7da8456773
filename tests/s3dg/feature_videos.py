"""Lossless videos whose frames at a network's rate are known, and a small network for them."""

import keras
import numpy as np

from s3dg import network as networks
from s3dg.config import VideoFormat
from s3dg.video.writing import write_video

RATE = 10  # frames a second of the network; the videos have twice as many
FORMAT = VideoFormat(
    frames_per_second=RATE,
    frame_size=(20, 24),
    crop_size=(16, 16),
    clip_frames=8,
    evaluation_frames=16,
)
# Frames after resampling, and the first frames of windows of 8 every 6.
LONG, LONG_STARTS = 23, (0, 6, 12, 15)
SHORT, SHORT_STARTS = 5, (0,)


def write(path, length, seed):
    """A lossless 20x24 video at 20 frames/s; its crops at 10/s, uint8 (length, 16, 16, 3)."""
    frames = np.random.default_rng(seed).integers(0, 256, (2 * length, 20, 24, 3), dtype=np.uint8)
    write_video(path, frames, 2 * RATE, 'FFV1')
    # The frame on the screen in the middle of a tenth of a second begins there.
    return frames[1::2, 2:18, 4:20]


def clips_at(frames, starts, window=8):
    return np.stack(
        [[frames[(start + k) % len(frames)] for k in range(window)] for start in starts]
    )


def create_network():
    keras.utils.set_random_seed(0)
    return networks.build(
        's3d_g', 3, width=0.1, kernel_initializer='he_normal', video_format=FORMAT
    )
