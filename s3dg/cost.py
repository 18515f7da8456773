"""Parameters and multiply-adds of a network, counted from the built model layer by layer.

Counted as papers usually do: a convolution costs output positions x kernel size x channels in x
channels out, the taps that fall on padding like any others; a dense layer costs channels in x
channels out for every position it is applied to. A second count, `multiply_adds_inside`, leaves out
the taps that fall on padding. Left out of both are biases, batch norm, ReLU, pools and the
elementwise product of a gate. One multiply-add is two floating-point operations.
"""

import collections
import dataclasses
import math

import keras

from s3dg import head, layers
from s3dg.errors import S3dgError

# The clip that the paper states theoretical FLOPS for.
FRAMES, HEIGHT, WIDTH = 64, 224, 224


class CostError(S3dgError, ValueError):
    """A clip that is too small for the network."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a network, or a part of it, costs."""

    parameters: int  # trainable ones, as Keras counts them: those of frozen layers are left out
    parameters_total: int  # all that are saved as weights, so with batch norm's moving statistics
    multiply_adds: int  # of one clip in inference
    multiply_adds_inside: int  # of these, the ones that take values of the clip and not padding


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """What one layer with weights costs; its batch norm is part of it. Figures are as in `Cost`."""

    endpoint: str  # the layer of the network that it belongs to: an endpoint or 'logits'
    path: str  # names from there down, e.g. 'Mixed_3b/Branch_1/Conv2d_0b_3x3/spatial'
    kind: str  # 'convolution', 'gate' or 'dense'
    output_shape: tuple[int, ...]  # (time, height, width, channels) or (classes,)
    parameters: int
    parameters_total: int
    multiply_adds: int
    multiply_adds_inside: int


def layer_costs(network, frames=FRAMES, height=HEIGHT, width=WIDTH):
    """The cost of every layer with weights, for one clip.

    Args:
      network: a `Network`, or any functional Keras model that is a chain of our layers.
      frames, height, width: size of the clip. Nothing is computed on it.

    Returns:
      A list of `LayerCost`, from the clip to the logits.

    Raises:
      CostError: where nothing is left of such a clip on the way.
      TypeError: for a model that is no chain, or weights in a layer that cannot be counted.
    """
    x = network.inputs[0]
    shape = (None, frames, height, width, x.shape[-1])
    rows = []
    for layer in network.layers[1:]:
        if layer.input is not x:
            raise TypeError(f'{layer.name} does not follow the layer listed before it.')
        x, shape = layer.output, _add_rows(layer, shape, '', rows)
    return rows


def total(costs):
    """The sum of some `LayerCost`s, as a `Cost`."""
    costs = list(costs)
    fields = [field.name for field in dataclasses.fields(Cost)]
    return Cost(**{name: sum(getattr(cost, name) for cost in costs) for name in fields})


def per_endpoint(costs):
    """The sums of `LayerCost`s by endpoint, in their order: dict from endpoint to `Cost`."""
    groups = collections.defaultdict(list)
    for cost in costs:
        groups[cost.endpoint].append(cost)
    return {endpoint: total(group) for endpoint, group in groups.items()}


def network_cost(network, frames=FRAMES, height=HEIGHT, width=WIDTH):
    """The cost of the whole network as a `Cost`; arguments and errors as in `layer_costs`."""
    return total(layer_costs(network, frames, height, width))


def _convolution(layer, input_shape, output_shape):
    taps = [
        _taps(*axis, layer.padding if isinstance(layer.padding, str) else layer.padding[number])
        for number, axis in enumerate(
            zip(
                input_shape[1:-1],
                output_shape[1:-1],
                layer.kernel_size,
                layer.strides,
                strict=True,
            )
        )
    ]
    channels = input_shape[-1] * layer.filters
    return tuple(math.prod(count) * channels for count in zip(*taps, strict=True))


def _taps(size, outputs, window, stride, padding):
    """(all, inside the input): taps of a window along an axis, over all its positions.

    `padding` is 'same', 'valid' or the number of rows before the first (operations.py).
    """
    before = padding
    if padding == 'same':
        before = max((outputs - 1) * stride + window - size, 0) // 2
    elif padding == 'valid':
        before = 0
    starts = [number * stride - before for number in range(outputs)]
    inside = sum(max(min(start + window, size) - max(start, 0), 0) for start in starts)
    return outputs * window, inside


def _gate(layer, input_shape, output_shape):
    pooled = layers.GATE_POOLING_AXES[layer.pooling]
    positions = math.prod(input_shape[axis] for axis in (1, 2, 3) if axis not in pooled)
    return (positions * input_shape[-1] * output_shape[-1],) * 2


def _classifier(layer, input_shape, output_shape):
    return (math.prod(input_shape[1:]) * output_shape[-1],) * 2  # for every window of the head


# Layers with weights of their own: what they are, and their multiply-adds by both counts. By exact
# class, since a subclass may compute something else.
_COUNTED = {
    layers.SpatioTemporalConv: ('convolution', _convolution),
    layers.SelfGating: ('gate', _gate),
    head.Classifier: ('dense', _classifier),
}

# Layers whose state is not a weight of the network: the random state of dropout.
_WEIGHTLESS = (head.Dropout,)


def _add_rows(layer, input_shape, path, rows):
    """Appends the costs of what `layer` is made of to `rows`; the shape of its output."""
    path = f'{path}/{layer.name}' if path else layer.name
    output_shape = _output_shape(layer, input_shape, path)
    if type(layer) in _COUNTED:
        kind, count = _COUNTED[type(layer)]
        multiply_adds, inside = count(layer, input_shape, output_shape)
        row = LayerCost(
            endpoint=path.split('/')[0],
            path=path,
            kind=kind,
            output_shape=output_shape[1:],
            parameters=_size(layer.trainable_weights),
            parameters_total=_size(layer.weights),
            multiply_adds=multiply_adds,
            multiply_adds_inside=inside,
        )
        rows.append(row)
    elif not isinstance(layer, _WEIGHTLESS):
        _add_rows_of_parts(layer, input_shape, output_shape, path, rows)
    return output_shape


def _add_rows_of_parts(layer, input_shape, output_shape, path, rows):
    before = len(rows)
    shape = input_shape
    for part in getattr(layer, 'parts', ()):
        shape = _add_rows(part, shape, path, rows)
    for branch in getattr(layer, 'branches', ()):
        _add_rows(branch, input_shape, path, rows)
    if getattr(layer, 'gate', None) is not None:
        _add_rows(layer.gate, output_shape, path, rows)
    counted = sum(row.parameters_total for row in rows[before:])
    if counted != _size(layer.weights):
        raise TypeError(
            f'{path}: no cost is known of a {type(layer).__name__}; {counted} of its '
            f'{_size(layer.weights)} weights are in layers whose cost is.'
        )


def _output_shape(layer, input_shape, path):
    # Every Keras layer has a spec; it asks `compute_output_shape` where the layer has that.
    shape = tuple(layer.compute_output_spec(keras.KerasTensor(input_shape)).shape)
    if any(size is not None and size < 1 for size in shape):
        raise CostError(f'{path}: nothing is left of its input of size {_text(input_shape)}.')
    return shape


def _size(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def _text(shape):
    return 'x'.join(map(str, shape[1:]))
