"""Writes a checkpoint as it is released, and a video, for programs outside the checkout.

python -m tests.released_files FOLDER
"""

import pathlib
import sys

from tests import video_files
from tests.s3dg.weights import golden

folder = pathlib.Path(sys.argv[1])
golden.write_tensorflow_checkpoint(golden.arrays('slim_s3dg'), folder / 'model.ckpt')
video_files.write_with_opencv(folder / 'video.mp4', video_files.numbered_frames(75, 240, 320), 25)
