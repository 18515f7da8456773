"""Starts a network from one with other temporal convolutions: 2D to 3D, dense to separable.

Kernels of equal temporal size are copied. Others:
  2D to dense: the kernel repeated over time and divided by its temporal size, so that a still video
    gives what its image gives, away from the clip's first and last frames. (I3D; Carreira &
    Zisserman 2017)
  2D to separable: the kernel becomes the spatial one; the temporal one is the identity. A still
    video gives what its image gives, everywhere. (slim)
  dense to dense: a smaller kernel is put into the middle of a larger one; of a larger one the
    middle is taken, with the weights that stick out added to the nearest that stays.
  dense to separable: the dense kernel summed over time becomes the spatial one; the temporal one is
    the identity. An approximation: what the dense kernel knew of the order of frames is lost, what
    it sees in a still video stays. (ours)
"""

import numpy as np

from s3dg.weights.assign import Address, WeightsError, network_weights

# Fields of a configuration that belong to weights rather than to where time is: an inflated network
# takes them over.
INHERITED_FIELDS = (
    'width',
    'batch_norm_epsilon',
    'batch_norm_scale',
    'stem_spatial_size',
    'stem_padding',
    'pool_padding',
    'input_scale',
    'input_offset',
)


def inherited_fields(source):
    """The fields that a network inflated from one of configuration `source` takes over."""
    return {name: getattr(source, name) for name in INHERITED_FIELDS}


def fit_time(kernel, size):
    """A kernel (t, h, w, in, out) with `size` for t, as the module says."""
    found = kernel.shape[0]
    if found == size:
        return kernel
    if found == 1:
        return np.repeat(kernel, size, axis=0) / size
    if size == 1:
        return kernel.sum(axis=0, keepdims=True)
    if (found - size) % 2:  # there is no middle
        raise WeightsError(f'a kernel of temporal size {found} cannot become one of {size}.')
    margin = abs(found - size) // 2
    if found < size:
        return np.pad(kernel, [(margin, margin)] + [(0, 0)] * 4)
    middle = kernel[margin : margin + size].copy()
    middle[0] += kernel[:margin].sum(axis=0)
    middle[-1] += kernel[margin + size :].sum(axis=0)
    return middle


def fit_channels(kernel, channels):
    """A kernel (t, h, w, in, out) for other input channels: the mean over `in`, repeated.

    So I3D starts its flow network. The values are not scaled: of equal channels, 2 add up to 2/3 of
    the sum of 3.
    """
    if kernel.shape[3] == channels:
        return kernel
    return np.repeat(kernel.mean(axis=3, keepdims=True), channels, axis=3)


def inflate(source, target, skip=()):
    """Sets the weights of one `Network` from those of another, whose `inherited_fields` it has.

    Gates are copied where both networks have them, the classifier where both know the same classes;
    elsewhere, and in the layers that `skip` names, `target` keeps its own.

    Returns:
      Names of the layers of `target` that kept their own weights.

    Raises:
      WeightsError: where a layer of `target` cannot be made from one of `source`, which is so for a
        separable convolution that is to be dense, or 2D.
    """
    layers = _layers(source)
    kept, values = [], []
    for name, variables in _layers(target).items():
        found = layers.get(name, {})
        if name == 'logits' or name.endswith('self_gating'):
            same = _shapes(found) == _shapes(variables)
            if name == 'logits':
                same = same and source.class_names == target.class_names
            if name in skip or not same:
                kept.append(name)
                continue
            made = {place: found[place].numpy() for place in variables}
        else:
            made = _inflated(name, found, variables, target.config.batch_norm_epsilon)
        for place, value in made.items():
            variable = variables[place]
            if value.shape != tuple(variable.shape):
                raise WeightsError(
                    f'{name}: {place[1]} of shape {list(value.shape)} does not fit '
                    f'{list(variable.shape)}.'
                )
            values.append((variable, value))
    for variable, value in values:
        variable.assign(value)
    return kept


def _layers(network):
    """The variables by (part, leaf), by the path of their layer."""
    layers = {}
    for path, variable in network_weights(network).items():
        *_, part, leaf = Address.of(path)
        layer = [word for word in path.split('/')[:-1] if word not in (part, 'batch_norm')]
        layers.setdefault('/'.join(layer), {})[part, leaf] = variable
    return layers


def _shapes(variables):
    return {place: variable.shape for place, variable in variables.items()}


def _inflated(name, found, wanted, epsilon):
    """The values of one convolution's variables, by (part, leaf)."""
    if ('spatial', 'kernel') in found and ('spatial', 'kernel') not in wanted:
        raise WeightsError(f'{name}: a separable convolution cannot become one that is not.')
    values = {}
    for (part, leaf), variable in wanted.items():
        if (part, leaf) in found:
            value = found[part, leaf].numpy()
        elif part == 'temporal':
            value = _identity(leaf, variable.shape, epsilon)
        elif leaf == 'gamma':
            value = np.ones(variable.shape, 'float32')
        elif (None, leaf) in found:
            value = found[None, leaf].numpy()
        else:
            raise WeightsError(f'{name}: there is no {leaf} to start from.')
        if leaf == 'kernel':
            value = fit_channels(fit_time(value, variable.shape[0]), variable.shape[3])
        values[part, leaf] = value
    left = {leaf for _, leaf in found} - {leaf for _, leaf in wanted}
    if left:
        raise WeightsError(f'{name}: there is no place for its {", ".join(sorted(left))}.')
    return values


def _identity(leaf, shape, epsilon):
    """A variable of a temporal convolution that passes its input through, batch norm included."""
    value = np.zeros(shape, 'float32')
    if leaf == 'kernel':
        value[shape[0] // 2, 0, 0] = np.eye(shape[3], shape[4])
    elif leaf == 'gamma':
        value[:] = 1.0
    elif leaf == 'moving_variance':
        value[:] = 1.0 - epsilon
    return value
