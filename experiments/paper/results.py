"""The figures of the paper that are printed beside ours, by its tables and sections.

Xie, Sun, Huang, Tu, Murphy: "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs
in Video Classification", ECCV 2018 (arXiv 1712.04851). Figures are as printed, in the paper's
units; None where the paper has none. Networks have the paper's names.
"""

import typing


class Cost(typing.NamedTuple):
    """What the paper says a network costs."""

    parameters: float | None  # millions, with `CLASSES` classes
    multiply_adds: float  # billions ("GFLOPS") for one 64x224x224 clip
    source: str  # where it is printed


# Of the networks in `COSTS`: those of Kinetics.
CLASSES = 400

COSTS = {
    'I3D': Cost(12.06, 107.89, 'Table 2'),
    'S3D': Cost(8.77, 66.38, 'Table 2'),
    'S3D-G': Cost(11.56, 71.38, 'Table 2'),
    'Fast-S3D': Cost(None, 43.47, 'section 4.4'),
}


class Ratio(typing.NamedTuple):
    """What the paper says of a network's multiply-adds beside I3D's."""

    network: str
    printed: str
    source: str  # where it is printed


RATIOS = (
    Ratio('S3D-G', '34 % fewer', 'arXiv v1, abstract'),
    Ratio('Fast-S3D', '2.5x cheaper', 'section 4.4'),
    Ratio('S3D', '1.5x more efficient', 'arXiv v1, abstract'),
)


class Order(typing.NamedTuple):
    """Top-1 accuracy on videos played in normal and in reversed order.

    Attributes:
      normal, reversed: percent of the validation videos.
    """

    normal: float
    reversed: float


class Accuracy(typing.NamedTuple):
    """What the paper says a network gets right.

    Attributes:
      top1, top5: percent of the validation videos; in Table 5 the mean over the three test splits.
      test_top1: percent of the test videos, whose labels the makers of Something-Something keep.
    """

    top1: float
    top5: float | None = None
    test_top1: float | None = None


class Quoted(typing.NamedTuple):
    """A figure that stands in the text and in no table."""

    top1: float  # percent of the validation videos
    section: str  # where it is printed


class Detection(typing.NamedTuple):
    """Mean frame-AP in percent, by dataset."""

    jhmdb: float
    ucf101_24: float | None


class FrameAp(typing.NamedTuple):
    """Mean frame-AP in percent."""

    frame_ap: float


class Reproduction(typing.NamedTuple):
    """What others reached later with a network of the paper.

    Attributes:
      network: the paper's name.
      top1, top5: percent of the validation videos.
      source: whose figures they are, and how they came about.
    """

    network: str
    top1: float
    top5: float
    source: str


# Does the order of frames matter? Trained on frames in normal order. Something-Something is release
# 1, here and in Table 3: the figures of TRN there are those that its authors give for release 1.
TABLE_1 = {
    'kinetics400': {'I3D': Order(71.1, 71.1), 'I2D': Order(67.0, 67.2)},
    'something_something_v1': {'I3D': Order(45.8, 15.2), 'I2D': Order(34.4, 35.2)},
}

# Kinetics-Full (kinetics400), RGB. What the networks cost is in COSTS.
TABLE_2 = {
    'I3D': Accuracy(71.1, 89.3),
    'S3D': Accuracy(72.2, 90.6),
    'S3D-G': Accuracy(74.7, 93.4),
}

# Something-Something (something_something_v1), RGB.
TABLE_3 = {
    'I2D': Accuracy(34.4, 69.0),
    'I3D': Accuracy(45.8, 76.5),
    'S3D': Accuracy(47.3, 78.1),
    'S3D-G': Accuracy(48.2, 78.7, 42.0),
    'TRN': Accuracy(34.4, 63.2, 33.6),
}

# Kinetics-Full (kinetics400): RGB, optical flow, and both together.
TABLE_4 = {
    'I3D': {
        'rgb': Accuracy(71.1, 89.3),
        'flow': Accuracy(63.91, 85.0),
        'two_stream': Accuracy(74.1, 91.6),
    },
    'S3D-G': {
        'rgb': Accuracy(74.7, 93.4),
        'flow': Accuracy(68.0, 87.6),  # printed as 68.00
        'two_stream': Accuracy(77.22, 93.0),
    },
}

# Transfer from Kinetics-Full, RGB only.
TABLE_5 = {
    'ucf101': {'I3D': Accuracy(95.6), 'S3D-G': Accuracy(96.8), 'R(2+1)D': Accuracy(96.8)},
    'hmdb51': {'I3D': Accuracy(74.8), 'S3D-G': Accuracy(75.9), 'R(2+1)D': Accuracy(74.5)},
}

# Action detection: frame-AP at an overlap of 0.5, of JHMDB the mean of its three splits, of
# UCF-101-24 split 1. The paper's networks see RGB and optical flow.
TABLE_6 = {
    'Gkioxari and Malik 2015': Detection(36.2, None),
    'Weinzaepfel et al. 2015': Detection(45.8, 35.8),
    'Peng and Schmid 2016': Detection(58.5, 65.7),
    'Kalogeiton et al. 2017': Detection(65.7, 69.5),
    'Faster R-CNN, I3D': Detection(73.2, 76.3),
    'Faster R-CNN, S3D-G': Detection(75.2, 78.8),
}

# Mini-Kinetics-200 (mini_kinetics200), RGB.
MINI_KINETICS = {
    'I3D': Quoted(78.4, 'section 4.4'),
    'S3D': Quoted(78.9, 'section 4.4, footnote 5'),
    'S3D, two branches': Quoted(78.4, 'section 4.4, footnote 5'),
    'Fast-S3D': Quoted(78.0, 'section 4.4'),
}

# Not the paper's: Kinetics-400, RGB, by later implementations of its networks.
REPRODUCTIONS = {
    'torchvision': Reproduction(
        'S3D', 68.37, 88.05, 'torchvision, trained from scratch; one clip of 128 frames per video'
    ),
    'kylemin': Reproduction('S3D', 72.08, 90.35, 'github.com/kylemin/S3D, as its README says'),
}

# Our networks by the paper's names. Those that are not in `s3dg.config.NETWORKS` are in the table
# of costs. The paper prints no figures of the families of section 4.2; `i2d_order_blind` is ours.
PAPER_NAMES = {
    'i3d': 'I3D',
    'i2d': 'I2D',
    's3d': 'S3D',
    's3d_slim': 'S3D',
    's3d_separable_stem': 'S3D',
    's3d_torchvision': 'S3D',
    's3d_g': 'S3D-G',
    's3d_g_slim': 'S3D-G',
    's3d_g_separable_stem': 'S3D-G',
    'fast_s3d': 'Fast-S3D',
    'fast_s3d_two_branches': 'Fast-S3D',
}
