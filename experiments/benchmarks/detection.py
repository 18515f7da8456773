"""The task `detection`: the boxes of key frames, at the paper's size, beside a matrix product."""

import numpy as np
import tensorflow as tf

from data import catalog
from data.example import CHANNELS
from experiments.benchmarks.comparing import Comparison, for_a_while, made_late
from experiments.benchmarks.networks import LIMIT, matrix_products
from experiments.detection import dry_run
from experiments.detection.presets import PRESETS
from s3dg.config import VideoFormat, named_config
from s3dg.detection import saved
from s3dg.detection.network import Detector
from s3dg.network import Network

FRAMES = PRESETS['paper'].frames


def compare_detection(options, scratch):
    """A detector of RGB with random weights, which classifies all its proposals, in key frames."""
    del scratch
    size = catalog.published_facts('jhmdb', 'split1_rgb').frame_size
    network = Network(named_config(options.network, **options.fields))
    video_format = VideoFormat(
        frame_size=size,
        crop_size=size,
        clip_frames=options.frames,
        evaluation_frames=options.frames,
    )
    detector = Detector({'rgb': network}, ['action'], video_format=video_format)
    body, tail = dry_run.network_multiply_adds(
        options.network, ['rgb'], options.frames, *size, options.fields
    )
    proposing = dry_run.rpn_multiply_adds(*size, detector.rpn.resnet_width)
    multiply_adds = body + proposing + detector.config.proposals * tail
    shape = (options.batch_size, options.frames, *size, CHANNELS['rgb'])
    clips = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def detect():
        function, inputs = tf.function(saved.function(detector, options.chunk)), tf.constant(clips)
        function(inputs)  # which compiles it
        return for_a_while(lambda: function(inputs)['boxes'].numpy(), len(clips))

    figures = {
        'network': options.network,
        'clip': [*shape],
        'proposals': detector.config.proposals,
        'chunk': options.chunk,
        'multiply_adds': multiply_adds,
    }
    sides = [
        made_late('detector', detect),
        *matrix_products(multiply_adds, network.compute_dtype),
    ]
    return Comparison('key_frames', sides, *LIMIT, figures)
