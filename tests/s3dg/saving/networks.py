"""The network that is exported, the format of its videos, and videos that it tells apart."""

import cv2
import numpy as np

import s3dg
from tests.s3dg.small import SMALL, random_clip, randomized

FORMAT = s3dg.VideoFormat(
    frame_size=(40, 48), crop_size=(32, 40), clip_frames=8, evaluation_frames=8
)


def create_network(**fields):
    """A network whose answers depend on what it sees.

    With random statistics little of the input is left after so many layers: all clips have the same
    logits to four digits. So its statistics are those of clips.
    """
    names = ['a', 'b', 'c', 'd', 'e']
    options = {**SMALL, 'batch_norm_decay': 0.0, 'temporal_batch_norm': True, **fields}
    network = randomized(s3dg.build('s3d_g', class_names=names, video_format=FORMAT, **options))
    network(np.stack([coarse_video(8, 32, 40, seed) for seed in range(4)]), training=True)
    return network


def coarse_video(frames, height, width, seed=0):
    """Coloured patches that change from frame to frame, uint8 (frames, height, width, 3)."""
    patches = random_clip(frames, 4, 5, 3, seed=seed)
    return np.stack([cv2.resize(frame, (width, height)) for frame in patches])
