"""What `classify` makes of a video before the network sees it."""

from types import SimpleNamespace

import numpy as np
import pytest

import s3dg
from data import motion_jpeg
from experiments import classify
from s3dg.errors import VideoError


def test_frames_smaller_than_the_crop_are_refused(tmp_path):
    path = tmp_path / 'small.mp4'
    motion_jpeg.write_motion_jpeg(path, np.zeros((9, 48, 64, 3), 'uint8'), 25)
    video_format = s3dg.VideoFormat(frame_size=None, crop_size=(56, 56), evaluation_frames=8)
    model = SimpleNamespace(video_format=video_format)
    with pytest.raises(VideoError, match='frames of 48x64 .* at least the crop of 56x56'):
        classify.video_probabilities(model, path)
