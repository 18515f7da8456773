"""Two frozen records that are saved with a network: one describes it, one the videos it takes.

Every network of the paper is a few fields of `NetworkConfig`; `NETWORKS` names them.
Sources: [P] the paper, [C] the authors' released code (TF-slim nets/s3dg.py, i3d.py), [ours].
"""

import dataclasses
import operator

from s3dg.fields import (
    BOOLEAN,
    ConfigError,
    Record,
    Rule,
    are_sizes,
    checked,
    count,
    is_number,
    number,
    one_of,
    or_none,
)
from s3dg.layers import GATE_POOLING_AXES

# Endpoints of Inception-v1, low to high.
ENDPOINTS = (
    'Conv2d_1a_7x7',
    'MaxPool_2a_3x3',
    'Conv2d_2b_1x1',
    'Conv2d_2c_3x3',
    'MaxPool_3a_3x3',
    'Mixed_3b',
    'Mixed_3c',
    'MaxPool_4a_3x3',
    'Mixed_4b',
    'Mixed_4c',
    'Mixed_4d',
    'Mixed_4e',
    'Mixed_4f',
    'MaxPool_5a_2x2',
    'Mixed_5b',
    'Mixed_5c',
)

# The endpoints that can be spatio-temporal, low to high (section 4.2).
SPATIO_TEMPORAL_ENDPOINTS = tuple(
    name for name in ENDPOINTS if not name.startswith('MaxPool') and name != 'Conv2d_2b_1x1'
)

# What is larger is a mistake, and would fill any memory or overflow.
MOST_CLASSES = 1_000_000
_MOST_CHANNELS = 64
_MOST_WIDTH = 32
_LONGEST_KERNEL = 64
_LONGEST_SIDE = 65_536
_MOST_FRAMES = 1_000_000

_SHARE = number(lambda value: 0 <= value < 1, 'a number in [0, 1)')
_TEMPORAL = one_of(None, *SPATIO_TEMPORAL_ENDPOINTS)
_WIDTH = number(lambda value: 0 < value <= _MOST_WIDTH, f'a number above 0, at most {_MOST_WIDTH}')
_POSITIVE = number(lambda value: value > 0, 'a number above 0')
_PER_CHANNEL = Rule(
    lambda value: all(map(is_number, value if isinstance(value, tuple) else (value,))),
    'a number, or one per channel',
)
_SIZE = Rule(
    lambda value: are_sizes(value, 2, _LONGEST_SIDE) and min(value) > 0,
    f'(height, width), each at most {_LONGEST_SIDE}',
)
_STEM_PADDING = Rule(
    lambda value: value in ('same', 'symmetric') or are_sizes(value, 3, _LONGEST_KERNEL),
    "'same', 'symmetric' or rows before (time, height, width)",
)


@dataclasses.dataclass(frozen=True)
class NetworkConfig(Record):
    """One network of the I3D / S3D / S3D-G family.

    Attributes:
      num_classes: logits.
      channels: of the clips: 3 for RGB, 2 for optical flow (x, y).
      width: multiplier of every filter number, at least 16 filters each (slim's depth multiplier).
        [C]
      temporal_from, temporal_until: first and last of `SPATIO_TEMPORAL_ENDPOINTS` whose
        convolutions extend over time; the others are 2D. Both None: none does (I2D). A later
        `temporal_from` gives the top-heavy networks, an earlier `temporal_until` the bottom-heavy
        ones. [P 4.2]
      separable: temporal convolutions as 1xkxk then kx1x1 (S3D) instead of dense kxkxk (I3D).
        [P 4.4]
      stem_temporal_size: temporal size of Conv2d_1a_7x7's kernel. None: 1 where the stem is not
        within temporal_from ... temporal_until, else 7 for dense networks and 3 for separable ones
        ("7 in the original I3D and S3D-G but 3 gives better performance"). A number holds whatever
        is temporal. [C]
      stem_separable: the stem too is factored (Fig. 6; torchvision, kylemin). Default dense, the
        released code's: with it the ratio of multiply-adds of S3D to I3D is the paper's. [P][C]
      stem_spatial_size: height and width of the stem's kernel: 7; 8 where a space-to-depth stem was
        made dense (HowTo100M).
      stem_padding: 'same' [C]; 'symmetric', size // 2 before and after (torchvision, kylemin); or
        the number of rows before (time, height, width), those after following from the size
        (HowTo100M).
      pool_padding: of the max-pools between endpoints: 'same' [C]; 'symmetric', 1 for a size of 3
        and none for MaxPool_5a_2x2, which drops an odd last row (torchvision, kylemin); 'trailing',
        none before and what is needed after, which is 'same' for even sizes (HowTo100M's "TF
        padding").
      temporal_branches: how many branches of a separable Inception block get temporal convolutions:
        4 (footnote 5: "whenever we refer to an S3D model, we mean S3D with such configuration") or
        2 (branches 1 and 2 only: Fig. 3c, slim). Dense blocks always have them in branches 1 and 2.
      temporal_batch_norm: batch norm after the temporal part of a separable convolution; False: a
        bias (slim). The ports to torch have batch norm.
      gating: where `SelfGating` stands: None, 'temporal' (after each temporal convolution but the
        stem's: the paper's text), 'branch' (after Conv2d_2c and every branch of every block: slim)
        or 'cell' (after Conv2d_2c and every block: the Model Garden's port). [P 4.6]
      gating_from: the first endpoint with gates (slim's gating_startat). [C]
      gate_bias: whether the gate has a bias: the paper's does, slim's does not.
      gate_pooling: 'space_time' (found best), 'space' or 'time'. [P 4.6]
      branch_pool_temporal_size: temporal size of the pool in branch 3 of the blocks: 3, also in
        slim's I2D, or 1.
      temporal_halving: 'strided': a strided stem and overlapping max-pools (the published
        networks); 'pairs': time is halved by disjoint pairs only, which makes an I2D blind to
        order. [ours]
      batch_norm: whether convolutions have batch norm; False: biases, which is what a network with
        its batch norm folded in has.
      batch_norm_decay, batch_norm_epsilon: 0.999 and 1e-3 [C]; HowTo100M's epsilon is 1e-5.
      batch_norm_scale: whether batch norm has a gamma; slim's and DeepMind's have not, torch's has.
      head: 'classifier', whose outputs are logits, or 'embedding', whose `num_classes` outputs are
        the dimensions of a joint space and not to be put through a softmax (HowTo100M).
      head_temporal_window: frames averaged before the classifier: 2 weighs the first and the last
        one half, being the mean of the logits of all neighbours (slim, I3D, torch ports); 1 weighs
        all alike (HowTo100M).
      head_spatial_window: height and width of the head's average pool of stride 1, reduced for
        smaller activations: None, all of them (slim, kylemin), or torchvision's 7, which weighs the
        middle more where frames are larger than 224x224.
      dropout_rate: before the classifier; 0.2 is slim's (keep 0.8), I3D trained with 0.5.
      kernel_initializer: 'truncated_normal' (deviation 0.01 [C]) or 'he_normal', which short
        trainings need [ours]. The temporal part of separable convolutions starts as identity either
        way [C].
      input_scale, input_offset: values 0-255 become `x * scale + offset`: numbers, or one per
        channel. Default [-1, 1], which is slim's, DeepMind's and kylemin's.
    """

    num_classes: int = checked(400, count(MOST_CLASSES))
    channels: int = checked(3, count(_MOST_CHANNELS))
    width: float = checked(1.0, _WIDTH)
    temporal_from: str | None = checked('Conv2d_1a_7x7', _TEMPORAL)
    temporal_until: str | None = checked('Mixed_5c', _TEMPORAL)
    separable: bool = checked(True, BOOLEAN)
    stem_temporal_size: int | None = checked(None, or_none(count(_LONGEST_KERNEL)))
    stem_separable: bool = checked(False, BOOLEAN)
    stem_spatial_size: int = checked(7, count(_LONGEST_KERNEL))
    stem_padding: str | tuple[int, int, int] = checked('same', _STEM_PADDING)
    pool_padding: str = checked('same', one_of('same', 'symmetric', 'trailing'))
    temporal_branches: int = checked(4, one_of(4, 2))
    temporal_batch_norm: bool = checked(False, BOOLEAN)
    gating: str | None = checked(None, one_of(None, 'temporal', 'branch', 'cell'))
    gating_from: str = checked('Conv2d_2c_3x3', one_of(*SPATIO_TEMPORAL_ENDPOINTS[1:]))
    gate_bias: bool = checked(True, BOOLEAN)
    gate_pooling: str = checked('space_time', one_of(*GATE_POOLING_AXES))
    branch_pool_temporal_size: int = checked(3, one_of(3, 1))
    temporal_halving: str = checked('strided', one_of('strided', 'pairs'))
    batch_norm: bool = checked(True, BOOLEAN)
    batch_norm_decay: float = checked(0.999, _SHARE)
    batch_norm_epsilon: float = checked(1e-3, _POSITIVE)
    batch_norm_scale: bool = checked(False, BOOLEAN)
    head: str = checked('classifier', one_of('classifier', 'embedding'))
    head_temporal_window: int = checked(2, one_of(2, 1))
    head_spatial_window: int | None = checked(None, or_none(count(_LONGEST_SIDE)))
    dropout_rate: float = checked(0.2, _SHARE)
    kernel_initializer: str = checked('truncated_normal', one_of('truncated_normal', 'he_normal'))
    input_scale: float | tuple[float, ...] = checked(1.0 / 127.5, _PER_CHANNEL)
    input_offset: float | tuple[float, ...] = checked(-1.0, _PER_CHANNEL)

    def __post_init__(self):
        super().__post_init__()
        first, last = self.temporal_from, self.temporal_until
        both_or_none = (first is None) == (last is None)
        self.check('temporal_until', both_or_none, 'None exactly where temporal_from is')
        if first is not None:
            in_order = _order(first) <= _order(last)
            self.check('temporal_until', in_order, f'temporal_from ({first}) or a later endpoint')
        if isinstance(self.stem_padding, tuple):
            sizes = (self.resolved_stem_temporal_size, *[self.stem_spatial_size] * 2)
            fits = all(before < size for before, size in zip(self.stem_padding, sizes, strict=True))
            self.check('stem_padding', fits, f'fewer rows than the kernel has, {sizes}')
        fits = (
            self.temporal_halving == 'strided' or self.stem_padding == self.pool_padding == 'same'
        )
        self.check('temporal_halving', fits, "'strided' where paddings are not 'same'")
        for name in ('input_scale', 'input_offset'):
            value = getattr(self, name)
            fits = not isinstance(value, tuple) or len(value) == self.channels
            self.check(name, fits, _PER_CHANNEL.expected)

    def is_temporal(self, endpoint):
        """Whether the convolutions of `endpoint` extend over time."""
        if endpoint == 'Conv2d_1a_7x7':
            return self.resolved_stem_temporal_size > 1
        return self._is_within(endpoint)

    def _is_within(self, endpoint):
        return (
            self.temporal_from is not None
            and endpoint in SPATIO_TEMPORAL_ENDPOINTS
            and _order(self.temporal_from) <= _order(endpoint) <= _order(self.temporal_until)
        )

    @property
    def resolved_stem_temporal_size(self):
        """Temporal size of the stem's kernel: `stem_temporal_size`, or what None stands for."""
        if self.stem_temporal_size is not None:
            return self.stem_temporal_size
        if not self._is_within('Conv2d_1a_7x7'):
            return 1
        return 3 if self.separable else 7

    def has_gates(self, endpoint):
        """Whether `endpoint` is one of those that gates stand in."""
        can_have = self.gating is not None and endpoint in SPATIO_TEMPORAL_ENDPOINTS
        return can_have and _order(self.gating_from) <= _order(endpoint)

    def filters(self, number):
        """A filter number of the Inception table times the width, at least 16 (slim)."""
        return number if self.width == 1.0 else max(int(number * self.width), 16)


def _order(endpoint):
    return SPATIO_TEMPORAL_ENDPOINTS.index(endpoint)


_S3D = NetworkConfig()
_I3D = NetworkConfig(separable=False)
_I2D = _I3D.replace(temporal_from=None, temporal_until=None)
_S3D_SLIM = _S3D.replace(temporal_branches=2)
# The released code never makes the stem of a separable network 2D, so top-heavy ones keep 3x7x7.
# (slim: s3dg.py, temporal_conv_startat)
_TOP_HEAVY_S3D = _S3D.replace(temporal_from='Mixed_4b', stem_temporal_size=3)

# The networks by name. The switching endpoint of the top- and bottom-heavy ones is `temporal_from`
# and `temporal_until`; Mixed_4b is where Fig. 7 switches.
NETWORKS = {
    'i3d': _I3D,
    'i2d': _I2D,
    'i2d_order_blind': _I2D.replace(branch_pool_temporal_size=1, temporal_halving='pairs'),
    's3d': _S3D,
    's3d_g': _S3D.replace(gating='temporal'),
    # "Top 2 layers as separable 3D convolutions, the rest 2D" (section 4.4): top-heavy, from
    # Mixed_5b up.
    'fast_s3d': _TOP_HEAVY_S3D.replace(temporal_from='Mixed_5b'),
    # The released code (TF-slim nets/s3dg.py) to the letter.
    's3d_slim': _S3D_SLIM,
    's3d_g_slim': _S3D_SLIM.replace(gating='branch', gate_bias=False),
    'top_heavy_i3d': _I3D.replace(temporal_from='Mixed_4b'),
    'bottom_heavy_i3d': _I3D.replace(temporal_until='Mixed_4b'),
    'top_heavy_s3d': _TOP_HEAVY_S3D,
    # What the paper's conclusion puts together.
    's3d_g_top_heavy': _TOP_HEAVY_S3D.replace(gating='temporal'),
    'bottom_heavy_s3d': _S3D.replace(temporal_until='Mixed_4b'),
}


def named_config(name, **fields):
    """The `NetworkConfig` called `name`, with `fields` replaced.

    Raises:
      ConfigError: for an unknown name or field, or a value that cannot be.
    """
    if name not in NETWORKS:
        raise ConfigError(f'There is no network {name!r}; the networks are {", ".join(NETWORKS)}.')
    return NETWORKS[name].replace(**fields)


@dataclasses.dataclass(frozen=True)
class VideoFormat(Record):
    """How a video is brought to a network; saved with it, so that every later use does the same.

    Attributes:
      frames_per_second: the rate videos are resampled to; None: their own. Default I3D's 25; the
        paper names none.
      frame_size: (height, width) that frames are resized to: the paper's 256x256. None: see
        short_side.
      short_side: length of the shorter side after a resize that keeps the aspect ratio (I3D's 256);
        used where frame_size is None. Both None: frames keep their size.
      crop_size: (height, width) of the window cut from the frames: the paper's 224x224.
      clip_frames: frames of a training clip: the paper's 64.
      evaluation_frames: length of an evaluated window; the paper's is 250 (Kinetics). Shorter
        videos are looped to it; longer ones are seen in several windows, and their logits averaged.
    """

    frames_per_second: float | None = checked(25.0, or_none(_POSITIVE))
    frame_size: tuple[int, int] | None = checked((256, 256), or_none(_SIZE))
    short_side: int | None = checked(None, or_none(count(_LONGEST_SIDE)))
    crop_size: tuple[int, int] = checked((224, 224), _SIZE)
    clip_frames: int = checked(64, count(_MOST_FRAMES))
    evaluation_frames: int = checked(250, count(_MOST_FRAMES))

    @property
    def reading(self):
        """The arguments of `video.reading.read_frames` that bring a video to rate and size."""
        names = ('frames_per_second', 'frame_size', 'short_side')
        return {name: getattr(self, name) for name in names}

    def __post_init__(self):
        super().__post_init__()
        if self.frame_size is not None:
            self.check('short_side', self.short_side is None, 'None where frame_size is given')
            fits = all(map(operator.le, self.crop_size, self.frame_size))
            self.check('crop_size', fits, f'at most frame_size {self.frame_size}')
        elif self.short_side is not None:
            fits = max(self.crop_size) <= self.short_side
            self.check('crop_size', fits, f'at most short_side {self.short_side}')
