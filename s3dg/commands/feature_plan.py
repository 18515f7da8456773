"""From the flags of `s3dg features` to what is done with each video."""

import dataclasses
import math

from s3dg.analysis.extraction import Extraction
from s3dg.commands import layouts
from s3dg.config import ConfigError
from s3dg.features import Extractor
from s3dg.program import entry
from s3dg.program.loading import load_network, require_rgb
from s3dg.program.number_flags import MOST_RATE
from s3dg.video import crops, sources, streams, windows

STREAMS = {'rgb': (streams.RGB,), 'flow': (streams.FLOW,), 'both': (streams.RGB, streams.FLOW)}
CROPS = {'1': ((crops.CENTRE,), False), '5': (crops.FIVE, False), '10': (crops.FIVE, True)}


@dataclasses.dataclass(frozen=True)
class FeatureOptions:
    """What the flags of these names say; None where the layout or the network decides."""

    model: str | None
    flow_model: str | None
    layout: str
    streams: str | None
    endpoint: str | None
    window: int | None
    stride: int | None
    tail: str | None
    fps: str | None
    short_side: int | None
    crops: str | None
    pool: str
    folder_fps: float
    batch_size: int
    dtype: str


def parse_rate(text):
    """The rate that --fps says: a number, or `layouts.OWN_RATE`; UsageError for another."""
    if text == layouts.OWN_RATE:
        return text
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= MOST_RATE:
        raise entry.UsageError(
            f"--fps: found {text!r}, expected 'own' or a number up to {MOST_RATE:g}."
        )
    return rate


def resolve(options, layout):
    """A `Layout` with what the options say in place of its own; UsageError where it cannot be."""
    given = {
        name: getattr(options, name)
        for name in ('endpoint', 'window', 'stride', 'tail', 'short_side')
        if getattr(options, name) is not None
    }
    if options.short_side is not None:
        given['frame_size'] = None
    if options.fps is not None:
        given['frames_per_second'] = parse_rate(options.fps)
    if options.streams is not None:
        given['streams'] = STREAMS[options.streams]
    if options.crops is not None:
        names, mirrored = CROPS[options.crops]
        if len(names) > 1 and len(layout.crops) > 1:
            names = layout.crops  # in its own order
        given |= {'crops': names, 'mirrored': mirrored}
        if len(names) > 1 and not layout.takes_crops:
            raise entry.UsageError(
                f'--crops: layout {options.layout} has one crop, found {options.crops}.'
            )
    if layout.files is not None and options.pool != 'all':
        raise entry.UsageError(f'--pool: layout {options.layout} has all, found {options.pool}.')
    return dataclasses.replace(layout, **given)


_FLAG_OF = {streams.RGB: 'model', streams.FLOW: 'flow_model'}


def load_networks(options):
    """The resolved `Layout`, and the network of each of its streams, by its name.

    Raises:
      UsageError: where a network is missing, or none of the streams', or has other channels.
    """
    resolve(options, layouts.LAYOUTS[options.layout])  # mistakes first
    found = {}
    for name, flag in _FLAG_OF.items():
        path = getattr(options, flag)
        if path is None:
            continue
        found[name] = load_network(path, f'--{flag}')
        channels = found[name].config.channels
        if name == streams.FLOW and channels != 2:
            raise entry.UsageError(f'--{flag}: {path} takes {channels} channels, flow has 2.')
        if name == streams.RGB:
            require_rgb(found[name], path)
    if not found:
        raise entry.UsageError('--model is needed.')
    separable = next(iter(found.values())).config.separable
    layout = resolve(options, layouts.choose(options.layout, separable))
    taken = ' and '.join(layout.streams)
    for name, flag in _FLAG_OF.items():
        if name in layout.streams and name not in found:
            raise entry.UsageError(
                f'--{flag} is needed: layout {options.layout} takes features of {taken}, unless '
                f'--streams says otherwise.'
            )
        if name in found and name not in layout.streams:
            raise entry.UsageError(f'--{flag}: given, and the features are of {taken}; --streams?')
    return layout, {name: found[name] for name in layout.streams}


def create_extraction(options, layout, networks, strategy):
    """The `Extraction` of networks in a layout, and its settings as a dict.

    Raises:
      UsageError: where windows and networks do not fit.
    """
    first = next(iter(networks.values()))
    window = layout.window or first.video_format.clip_frames
    many = len(layout.crops) * (2 if layout.mirrored else 1)
    try:
        extractors = {
            name: Extractor(
                network, layout.endpoint, options.pool, window, options.batch_size * many, strategy
            )
            for name, network in networks.items()
        }
    except ConfigError as error:
        raise entry.UsageError(f'--{error}') from error
    if len({(one.shape, one.reading['crop_size']) for one in extractors.values()}) > 1:
        raise entry.UsageError(
            f'--flow_model: {options.flow_model} has other features or crops than --model.'
        )
    reading = dict(first.video_format.reading) | {'crop_size': first.video_format.crop_size}
    reading['folder_rate'] = options.folder_fps
    if layout.frames_per_second != layouts.OF_THE_NETWORK:
        own = layout.frames_per_second == layouts.OWN_RATE
        reading['frames_per_second'] = None if own else layout.frames_per_second
    if layout.frame_size or layout.short_side:
        reading |= {'frame_size': layout.frame_size, 'short_side': layout.short_side}
    leaves_last = layout.leaves_last or (streams.FLOW in layout.streams and not layout.centred)
    try:
        cut = windows.Cut(window, layout.stride or window, layout.tail, layout.centred)
    except ValueError as error:
        raise entry.UsageError(f'--{error}, for layout {options.layout}.') from error
    extraction = Extraction(
        extractors, cut, layout.crops, layout.mirrored, leaves_last, reading=reading
    )
    return extraction, {
        'endpoint': layout.endpoint,
        'window': window,
        'stride': cut.stride,
        'pool': options.pool,
        'dtype': options.dtype,
        **_beyond_npz(options, layout),
    }


def _beyond_npz(options, layout):
    """The settings in which a run differs from what earlier versions did, and only those."""
    usual = {
        'layout': 'npz',
        'streams': [streams.RGB],
        'tail': 'shift',
        'frames_per_second': layouts.OF_THE_NETWORK,
        'short_side': None,
        'frame_size': None,
        'crops': [crops.CENTRE],
        'mirrored': False,
        'folder_fps': sources.FOLDER_RATE,
    }
    now = dataclasses.asdict(layout) | {'layout': options.layout, 'folder_fps': options.folder_fps}
    now = {name: list(now[name]) if isinstance(now[name], tuple) else now[name] for name in usual}
    return {name: value for name, value in now.items() if value != usual[name]}
