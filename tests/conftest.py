"""What all tests share: a quiet TensorFlow, and makers of video files.

Modules that tests import stand beside them, and here those that several folders need:
  programs, in_process: run the programs, as a user does or within the test's own process.
  video_files: makes videos, as OpenCV and as other people's encoders write them.
  live_streams: sends a video as a camera would, and notes when.
  closeness: compares float32 results of two ways to compute them.
  kills, full_disk, fuzzing: what a kill at any step, a full disk, or a damaged file leaves.
  released_files: a checkpoint as it is released, for checks outside the checkout.
"""

import os

import pytest

from tests import video_files

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')  # as the programs set it


@pytest.fixture(scope='session')
def write_video_file():
    return video_files.write_with_opencv


@pytest.fixture(scope='session')
def numbered():
    return video_files.numbered_frames
