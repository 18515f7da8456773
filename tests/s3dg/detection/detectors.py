"""A small detector with random weights, whose answers have boxes."""

import keras

import s3dg
from s3dg.detection.config import DetectorConfig
from s3dg.detection.network import Detector
from s3dg.detection.rpn import ProposalNetwork

CONFIG = DetectorConfig(
    anchor_base=32,
    rpn_samples=16,
    rpn_most_positive=8,
    proposals=20,
    samples=8,
    most_positive=2,
    detections=12,
)
CLASSES = ('jump', 'run', 'sit')
SIZE = (64, 80)
FRAMES = 4


def create(modalities=('rgb',), size=SIZE, config=CONFIG):
    """A `Detector` of clips of 4 frames."""
    keras.utils.set_random_seed(0)
    channels = {'rgb': 3, 'flow': 2}
    networks = {
        name: s3dg.build(
            's3d_g', 4, width=0.125, kernel_initializer='he_normal', channels=channels[name]
        )
        for name in modalities
    }
    video_format = s3dg.VideoFormat(
        frames_per_second=None,
        frame_size=size,
        crop_size=size,
        clip_frames=FRAMES,
        evaluation_frames=FRAMES,
    )
    proposal_network = ProposalNetwork(config, resnet_width=0.0625)
    return Detector(networks, CLASSES, proposal_network, video_format)
