"""What detectors take, told before they are trained: multiply-adds and GPU-hours."""

import functools
import math

import keras

from data import catalog
from data.example import CHANNELS
from experiments.paper.workload import TRAINING_PASSES, describe_rate, hours_text
from s3dg import cost
from s3dg.config import named_config
from s3dg.detection import anchors, rpn
from s3dg.detection.config import DetectorConfig
from s3dg.detection.network import BODY, TAIL
from s3dg.detection.roi_pooling import SIZE
from s3dg.network import Network
from s3dg.program.markdown import markdown_table

# A tail that keeps 7x7 positions costs at most so many times one that has 4x4 from MaxPool_5a on.
_UNSTRIDED = 49 / 16


def describe(recipes, seeds, gpu_rate):
    """What training and evaluating the detectors of `Recipe`s takes, as text.

    Args:
      seeds: a sequence.
      gpu_rate: 1e12 multiply-adds a second of one GPU.
    """
    rows, whole = [], 0.0
    for recipe in recipes:
        facts = catalog.published_facts(recipe.dataset, recipe.config.format('rgb'))
        rules, preset = DetectorConfig(**recipe.preset.detector), recipe.preset
        fields = _network_fields(recipe)
        body, tail = network_multiply_adds(
            recipe.network, recipe.modalities, preset.frames, *facts.frame_size, fields
        )
        if rules.tail_stride == 1:
            tail *= _UNSTRIDED
        proposing = rpn_multiply_adds(*facts.frame_size, preset.resnet_width)
        steps, batch_size = preset.schedule.steps, preset.batch_size
        seen = steps * batch_size
        training = TRAINING_PASSES * seen * (body + proposing + rules.samples * tail)
        if preset.rpn is not None:
            training += (
                TRAINING_PASSES * preset.rpn.schedule.steps * preset.rpn.batch_size * proposing
            )
        test_frames = round(facts.videos['test'] * facts.seconds * facts.frames_per_second)
        each = body + proposing + rules.proposals * tail
        # Of the embedded dataset, clips played backwards too.
        evaluation = test_frames * each * (2 if recipe.dataset in catalog.EMBEDDED else 1)
        hours = [one / (gpu_rate * 1e12) / 3600 for one in (training, evaluation)]
        whole += len(seeds) * sum(hours)
        rows.append(
            (
                recipe.label,
                f'{recipe.dataset}/{recipe.config.format("rgb")}',
                f'{steps:,}',
                f'{seen:,}',
                f'{(body + proposing + rules.samples * tail) / 1e9:.1f}',
                hours_text(hours[0]),
                f'{test_frames:,}',
                f'{each / 1e9:.1f}',
                hours_text(hours[1]),
            )
        )
    table = markdown_table(
        (
            'detector',
            'dataset',
            'steps',
            'key frames',
            'G multiply-adds each',
            'GPU-hours',
            'test frames',
            'G multiply-adds each',
            'GPU-hours',
        ),
        rows,
    )
    return '\n'.join(
        [
            table,
            f'Seeds: {len(seeds)}; {hours_text(whole)} GPU-hours in all, without the networks to '
            f'start from. Training takes {TRAINING_PASSES} x the multiply-adds of one frame in '
            f'inference. {describe_rate(gpu_rate)}',
        ]
    )


def _network_fields(recipe):
    """Fields of the networks that the recipe's starts differ in from the named ones."""
    source = recipe.starts[0].recipe
    return {} if source is None else source.preset.network


@functools.cache
def _endpoint_costs(network, channels, frames, height, width, fields):
    config = named_config(network, num_classes=2, channels=channels, **dict(fields))
    costs = cost.per_endpoint(cost.layer_costs(Network(config), frames, height, width))
    return {name: one.multiply_adds for name, one in costs.items()}


def network_multiply_adds(network, modalities, frames, height, width, fields):
    """(of the clip's map, of one proposal): multiply-adds of a detector's networks.

    Args:
      network: a name in `NETWORKS`.
      modalities: the streams whose maps are made.
      frames, height, width: of the clip.
      fields: of `NetworkConfig`, where they differ from the named network's.
    """
    fields = tuple(sorted(fields.items()))
    body = 0
    for modality in modalities:
        costs = _endpoint_costs(network, CHANNELS[modality], frames, height, width, fields)
        names = list(costs)
        body += sum(costs[name] for name in names[: names.index(BODY) + 1])
    # What a proposal shows is as large as the map of a clip of SIZE strides.
    side = SIZE * rpn.STRIDE
    small = _endpoint_costs(network, CHANNELS[modalities[0]], frames, side, side, fields)
    return body, sum(small.get(name, 0) for name in TAIL)


@functools.cache
def rpn_multiply_adds(height, width, resnet_width):
    """Multiply-adds of the proposal network for a key frame."""
    resnet = rpn.create_resnet(width=resnet_width)
    fixed = keras.models.clone_model(resnet, input_tensors=keras.Input((height, width, 3)))
    total = 0
    for layer in fixed.layers:
        if isinstance(layer, keras.layers.Conv2D):
            total += math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape)
    _, rows, columns, channels = fixed.output.shape
    per_position = 9 * channels * rpn.FILTERS + 6 * anchors.PER_POSITION * rpn.FILTERS
    return total + rows * columns * per_position
