"""What all tests share: a quiet TensorFlow, and makers of video files."""

import os

import pytest

from tests import video_files

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')


@pytest.fixture(scope='session')
def write_video_file():
    return video_files.write_with_opencv


@pytest.fixture(scope='session')
def numbered():
    return video_files.numbered_frames
