"""The families of networks of section 4.2, each from I2D to a network where all is temporal."""

import dataclasses

from s3dg.config import NETWORKS


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of networks, told apart by the endpoint at which 2D and 3D convolutions meet.

    Attributes:
      whole: the network in `NETWORKS` whose convolutions all extend over time.
      field: the field of `NetworkConfig` that says where they meet.
      stem: temporal size of the stem's kernel wherever they meet; None: 1 where the stem is 2D.
      colour, line_style: in Figure 4, matplotlib's: separable orange, dense blue; top-heavy solid,
        bottom-heavy dotted. None: it is not drawn there.
    """

    whole: str
    field: str
    colour: str | None = None
    line_style: str | None = None
    stem: int | None = None

    def config(self, endpoint):
        """The `NetworkConfig` of the network that switches at an endpoint."""
        fields = {self.field: endpoint, 'stem_temporal_size': self.stem}
        return NETWORKS[self.whole].replace(**fields)


# Top-heavy networks are temporal from an endpoint up, bottom-heavy ones up to an endpoint.
FAMILIES = {
    'top_heavy_i3d': Family('i3d', 'temporal_from', 'tab:blue', '-'),
    'top_heavy_s3d': Family('s3d', 'temporal_from', 'tab:orange', '-', stem=3),
    'top_heavy_s3d_two_branches': Family('s3d_slim', 'temporal_from', stem=3),
    'bottom_heavy_i3d': Family('i3d', 'temporal_until', 'tab:blue', ':'),
    'bottom_heavy_s3d': Family('s3d', 'temporal_until', 'tab:orange', ':'),
    'bottom_heavy_s3d_two_branches': Family('s3d_slim', 'temporal_until'),
}
# Figure 4's, as they are trained and drawn.
FIGURE_4 = ('top_heavy_i3d', 'bottom_heavy_i3d', 'top_heavy_s3d', 'bottom_heavy_s3d')
