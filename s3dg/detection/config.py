"""The values of a detector, each with its source."""

import dataclasses

from s3dg.fields import Record, checked, count, number, one_of

_MOST_BOXES = 10_000
_LARGEST_ANCHOR = 10_000  # pixels
_OVERLAP = number(lambda value: 0 < value <= 1, 'a number in (0, 1]')


@dataclasses.dataclass(frozen=True)
class DetectorConfig(Record):
    """The values that Faster R-CNN is trained and run with.

    They are those of the Object Detection API's recommended Faster R-CNN ResNet-50, which section
    5.3 takes ("all other settings as recommended"), unless said otherwise.

    Args:
      anchor_base: pixels, the side of the square anchor at scale 1; scales and ratios are constants
        of `anchors`.
      clip_anchors: whether in training anchors are cut at the border of the frame, as in inference;
        else those that cross it are left out.
      rpn_positive_from, rpn_negative_below: overlap with a true box from which on an anchor is
        trained on as a box, and below which as background; what lies between is ignored.
      rpn_samples, rpn_most_positive: anchors of a frame that are trained on, and how many of these
        may be boxes: half.
      proposal_overlap, proposals: by how much proposals may overlap, and how many are made.
      positive_from: overlap from which on a proposal is trained on as its true box.
      samples, most_positive: proposals of a frame that are trained on, and how many of these may
        be true: a quarter.
      tail_from: 'rgb' or 'flow': of a detector of both, the network that goes on after the mean of
        their maps (ours; the paper does not say).
      tail_stride: spatial stride of MaxPool_5a on what a proposal shows. 2 is the network's own, of
        7x7 positions 4x4 are left; 1 keeps 7x7, as the API keeps ResNet's block 4 (ours).
      detection_overlap: by how much answers of one class may overlap.
      detections_per_class, detections: answers of a frame, at most.
    """

    anchor_base: int = checked(256, count(_LARGEST_ANCHOR))
    clip_anchors: bool = checked(False, one_of(False, True))
    rpn_positive_from: float = checked(0.7, _OVERLAP)
    rpn_negative_below: float = checked(0.3, _OVERLAP)
    rpn_samples: int = checked(256, count(_MOST_BOXES))
    rpn_most_positive: int = checked(128, count(_MOST_BOXES))
    proposal_overlap: float = checked(0.7, _OVERLAP)
    proposals: int = checked(300, count(_MOST_BOXES))
    positive_from: float = checked(0.5, _OVERLAP)
    samples: int = checked(64, count(_MOST_BOXES))
    most_positive: int = checked(16, count(_MOST_BOXES))
    tail_from: str = checked('rgb', one_of('rgb', 'flow'))
    tail_stride: int = checked(2, one_of(1, 2))
    detection_overlap: float = checked(0.6, _OVERLAP)
    detections_per_class: int = checked(100, count(_MOST_BOXES))
    detections: int = checked(300, count(_MOST_BOXES))

    def __post_init__(self):
        super().__post_init__()
        for name, most in (
            ('rpn_negative_below', 'rpn_positive_from'),
            ('rpn_most_positive', 'rpn_samples'),
            ('most_positive', 'samples'),
        ):
            limit = getattr(self, most)
            self.check(name, getattr(self, name) <= limit, f'at most {most}, {limit}')
