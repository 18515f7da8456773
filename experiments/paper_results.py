"""The figures of the paper that are printed beside ours: one table here for each table or section there.

Xie, Sun, Huang, Tu, Murphy: "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs in
Video Classification", ECCV 2018 (arXiv 1712.04851). Figures are as printed, in the paper's units; None where
the paper gives none. Networks have the paper's names.
"""

import typing


class Cost(typing.NamedTuple):
    """What the paper says a network costs.

    Attributes:
      parameters: millions, with the 400 classes of Kinetics.
      multiply_adds: billions ("GFLOPS") for one 64x224x224 clip.
      source: where it is printed.
    """

    parameters: float | None
    multiply_adds: float
    source: str


COSTS = {
    'I3D': Cost(12.06, 107.89, 'Table 2'),
    'S3D': Cost(8.77, 66.38, 'Table 2'),
    'S3D-G': Cost(11.56, 71.38, 'Table 2'),
    'Fast-S3D': Cost(None, 43.47, 'section 4.3'),
}
