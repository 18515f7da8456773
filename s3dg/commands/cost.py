"""Counts the parameters and multiply-adds of a network, for one clip.

  s3dg cost --network=s3d_g
  s3dg cost --network=fast_s3d --frames=32 --height=160 --width=160 --set=num_classes=10
  s3dg cost --model=s3d.keras --layers

The network is a named one, without weights, or that of a `.keras` file. It is counted layer by
layer and summed up per endpoint; --layers lists the layers. Nothing is computed on the clip.

The column `trainable` counts parameters as papers do; `weights` adds the statistics of batch
norm, and what is frozen. A convolution costs output positions x kernel size x channels in x
channels out, a dense layer channels in x channels out wherever it is applied. Biases, batch norm,
pools and the product of a gate are left out. One multiply-add is two floating-point operations.
"""

import dataclasses
import json

from absl import flags

from s3dg import cost
from s3dg.config import NETWORKS, named_config
from s3dg.network import Network
from s3dg.program import entry
from s3dg.program.flags import parse_fields
from s3dg.program.loading import load_network
from s3dg.program.number_flags import MOST_FRAMES, MOST_PIXELS, define_count

FLAGS = flags.FLAGS


def define_flags():
    """The flags of this program, for it alone."""
    flags.DEFINE_enum('network', None, list(NETWORKS), 'A named network.')
    flags.DEFINE_string('model', None, 'A .keras file, instead.')
    flags.DEFINE_multi_string(
        'set', [], 'FIELD=VALUE of the named network, e.g. width=0.5 or num_classes=10.'
    )
    paper = f'default {cost.FRAMES}x{cost.HEIGHT}x{cost.WIDTH}, or what the file was trained on'
    define_count('frames', None, f'Frames of the clip; {paper}.', MOST_FRAMES)
    define_count('height', None, 'Height of the clip.', MOST_PIXELS)
    define_count('width', None, 'Width of the clip.', MOST_PIXELS)
    flags.DEFINE_bool('layers', False, 'List every layer, not the endpoints.')
    flags.DEFINE_bool('json', False, 'Print one JSON object with both, instead of text.')


def open_network(name, path, fields):
    """The `Network` to count, by its name with `fields`, or by the `path` of a `.keras` file.

    Returns:
      (the network, the (frames, height, width) that are usual for it).

    Raises:
      UsageError: where it is not said which network, or there is none.
    """
    if (name is None) == (path is None):
        raise entry.UsageError('--network or --model is needed, one of them.')
    if path is None:
        return Network(named_config(name, **fields)), (cost.FRAMES, cost.HEIGHT, cost.WIDTH)
    if fields:
        raise entry.UsageError('--set: the fields of --model are in its file; it is for --network.')
    network = load_network(path)
    return network, (network.video_format.clip_frames, *network.video_format.crop_size)


def table(costs):
    """Lines of a table of `Cost`s or `LayerCost`s by name, the last of which is the sum."""
    whole = list(costs.values())[-1].multiply_adds
    rows = [('', 'trainable', 'weights', 'multiply-adds', 'share')]
    for name, one in costs.items():
        numbers = (one.parameters, one.parameters_total, one.multiply_adds)
        share = f'{one.multiply_adds / whole:.1%}'
        rows.append((name, *(f'{number:,}' for number in numbers), share))
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return ['  '.join([name.ljust(first), *map(str.rjust, cells, others)]) for name, *cells in rows]


def main(arguments):
    del arguments
    network, usual = open_network(FLAGS.network, FLAGS.model, parse_fields(FLAGS.set))
    given = (FLAGS.frames, FLAGS.height, FLAGS.width)
    clip = [one or other for one, other in zip(given, usual, strict=True)]
    layers = cost.layer_costs(network, *clip)
    endpoints, total = cost.per_endpoint(layers), cost.total(layers)
    if FLAGS.json:
        found = {
            **dataclasses.asdict(total),
            'clip': clip,
            'network': network.config.to_dict(),
            'endpoints': {name: dataclasses.asdict(one) for name, one in endpoints.items()},
            'layers': [dataclasses.asdict(one) for one in layers],
        }
        print(json.dumps(found), flush=True)
        return
    frames, height, width = clip
    outputs = network.config.num_classes
    name = FLAGS.network or FLAGS.model
    entry.report(f'{name}: {frames} frames of {height}x{width}, {outputs} outputs')
    parts = {one.path: one for one in layers} if FLAGS.layers else endpoints
    for line in table({**parts, 'total': total}):
        entry.report(line)
