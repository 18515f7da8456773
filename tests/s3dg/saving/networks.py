"""The network that is exported, and the format of its videos."""

import s3dg
from tests.s3dg.small import SMALL, randomized

FORMAT = s3dg.VideoFormat(
    frame_size=(40, 48), crop_size=(32, 40), clip_frames=8, evaluation_frames=8
)


def create_network(**fields):
    names = ['a', 'b', 'c', 'd', 'e']
    return randomized(
        s3dg.build('s3d_g', class_names=names, video_format=FORMAT, **SMALL, **fields)
    )
