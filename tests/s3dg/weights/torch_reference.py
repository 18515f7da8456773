"""The networks behind released checkpoints, in plain torch: what an imported network must answer.

Written for clarity, from the descriptions of the published networks; it uses nothing of `s3dg`.
Each function takes the arrays of a checkpoint by their names in it, and a clip as the network takes
it, already scaled: float32 (1, T, H, W, C). It returns a dict of float32 arrays, channels last:
every endpoint by Inception-v1's name (1, t, h, w, channels), and 'logits' or 'embedding'
(1, number).

Sources: TF-slim nets/{inception_v1,i3d,s3dg}.py, deepmind/kinetics-i3d i3d.py, torchvision
models/video/s3d.py, kylemin/S3D model.py, antoine77340/S3D_HowTo100M s3dg.py.
"""

import re

import pytest

torch = pytest.importorskip('torch')
functional = torch.nn.functional

# Endpoints, low to high; torchvision's and kylemin's layer N is the Nth.
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

# Size and strides (time, height, width) of the pools between endpoints.
POOLS = {
    'MaxPool_2a_3x3': ((1, 3, 3), (1, 2, 2)),
    'MaxPool_3a_3x3': ((1, 3, 3), (1, 2, 2)),
    'MaxPool_4a_3x3': ((3, 3, 3), (2, 2, 2)),
    'MaxPool_5a_2x2': ((2, 2, 2), (2, 2, 2)),
}

# The convolutions of each branch of a block, first to last; branch 3 begins with a pool.
SLIM_BRANCHES = (
    ('/Branch_0/Conv2d_0a_1x1',),
    ('/Branch_1/Conv2d_0a_1x1', '/Branch_1/Conv2d_0b_3x3'),
    ('/Branch_2/Conv2d_0a_1x1', '/Branch_2/Conv2d_0b_3x3'),
    ('/Branch_3/Conv2d_0b_1x1',),
)
TORCHVISION_BRANCHES = (
    ('.branch0',),
    ('.branch1.0', '.branch1.1'),
    ('.branch2.0', '.branch2.1'),
    ('.branch3.1',),
)
HOWTO100M_BRANCHES = (
    ('.conv_b0',),
    ('.conv_b1_a', '.conv_b1_b'),
    ('.conv_b2_a', '.conv_b2_b'),
    ('.conv_b3_b',),
)

# Filters of the blocks of Inception-v1, as HOWTO100M_BRANCHES names them.
FILTERS = {
    'mixed_3b': ((64,), (96, 128), (16, 32), (32,)),
    'mixed_3c': ((128,), (128, 192), (32, 96), (64,)),
    'mixed_4b': ((192,), (96, 208), (16, 48), (64,)),
    'mixed_4c': ((160,), (112, 224), (24, 64), (64,)),
    'mixed_4d': ((128,), (128, 256), (24, 64), (64,)),
    'mixed_4e': ((112,), (144, 288), (32, 64), (64,)),
    'mixed_4f': ((256,), (160, 320), (32, 128), (128,)),
    'mixed_5b': ((256,), (160, 320), (32, 128), (128,)),
    'mixed_5c': ((384,), (192, 384), (48, 128), (128,)),
}


def _channels_first(array):
    return torch.from_numpy(array).permute(0, 4, 1, 2, 3)


def _channels_last(x):
    return x.permute(0, 2, 3, 4, 1).contiguous().numpy()


def _tensorflow_kernel(array):
    """(t, h, w, in, out), or (h, w, in, out) of a 2D network, as torch's (out, in, t, h, w)."""
    kernel = torch.from_numpy(array)
    return (kernel[None] if kernel.dim() == 4 else kernel).permute(4, 3, 0, 1, 2)


def _pad(x, pairs, value=0.0):
    """Pads (time, height, width) by `pairs` of (before, after)."""
    return functional.pad(x, [rows for pair in reversed(pairs) for rows in pair], value=value)


def _same(x, size, strides, value=0.0):
    """Pads as TensorFlow's SAME does: `ceil(rows / stride)` come out, the odd row is at the end."""
    pairs = []
    for rows, window, stride in zip(x.shape[2:], size, strides, strict=True):
        total = max((-(-rows // stride) - 1) * stride + window - rows, 0)
        pairs.append((total // 2, total - total // 2))
    return _pad(x, pairs, value)


def _same_convolution(x, kernel, strides):
    return functional.conv3d(_same(x, kernel.shape[2:], strides), kernel, stride=strides)


def _same_pool(x, size, strides):
    return functional.max_pool3d(_same(x, size, strides, -torch.inf), size, strides)


def _symmetric_convolution(x, kernel, strides):
    padding = tuple(size // 2 for size in kernel.shape[2:])
    return functional.conv3d(x, kernel, stride=strides, padding=padding)


def _symmetric_pool(x, size, strides):
    """Padded by 1 where the window is 3, not at all where it is 2; what is outside never wins."""
    return functional.max_pool3d(x, size, strides, tuple((window - 1) // 2 for window in size))


def _zero_padded_pool(x, size, strides):
    """HowTo100M's pool: the same zeros for every input size; an incomplete last window counts."""
    totals = [max(window - stride, 0) for window, stride in zip(size, strides, strict=True)]
    x = _pad(x, [(total // 2, total - total // 2) for total in totals])
    return functional.max_pool3d(x, size, strides, ceil_mode=True)


def _batch_norm(x, epsilon, *arrays):
    """`arrays`: mean, variance, beta and, where there is one, gamma; any shape of C values."""
    mean, variance, beta, *gamma = (torch.from_numpy(a).reshape(-1, 1, 1, 1) for a in arrays)
    x = (x - mean) / torch.sqrt(variance + epsilon)
    return (x * gamma[0] if gamma else x) + beta


def _gate(x, kernel, bias=0.0):
    """sigmoid(W mean(x) + b) * x, the mean over time and space; `kernel` (out, in)."""
    weights = torch.sigmoid(x.mean(dim=(2, 3, 4)) @ kernel.T + bias)
    return weights[:, :, None, None, None] * x


def _endpoints(x, names, branches, convolution, pool):
    """Runs the Inception-v1 of the convolutions.

    Args:
      x: tensor (1, C, T, H, W).
      names: the checkpoint's names of `ENDPOINTS`.
      branches: suffixes of the convolutions' names in a block.
      convolution: (x, name, stride) to the activations after everything that belongs to it.
      pool: (x, size, strides) to the maxima.

    Returns:
      (the last activations, {endpoint: array}).
    """
    arrays = {}
    for endpoint, name in zip(ENDPOINTS, names, strict=True):
        if endpoint in POOLS:
            x = pool(x, *POOLS[endpoint])
        elif endpoint.startswith('Mixed'):
            outputs = []
            for number, suffixes in enumerate(branches):
                y = pool(x, (3, 3, 3), (1, 1, 1)) if number == 3 else x
                for suffix in suffixes:
                    y = convolution(y, name + suffix, 1)
                outputs.append(y)
            x = torch.cat(outputs, 1)
        else:
            x = convolution(x, name, 2 if endpoint == 'Conv2d_1a_7x7' else 1)
        arrays[endpoint] = _channels_last(x)
    return x, arrays


def _logits(x, kernel, bias, window):
    """Average pool of stride 1, at most as large as its input; 1x1x1 convolution; mean."""
    window = [min(rows, size) for rows, size in zip(x.shape[2:], window, strict=True)]
    x = functional.conv3d(functional.avg_pool3d(x, window, 1), kernel, torch.from_numpy(bias))
    return x.mean(dim=(2, 3, 4)).numpy()


def _tensorflow_batch_norm(x, arrays, name):
    statistics = ('moving_mean', 'moving_variance', 'beta')
    return _batch_norm(x, 1e-3, *(arrays[f'{name}/{array}'] for array in statistics))


def slim(arrays, clip):
    """TF-slim's I3D, S3D, S3D-G and, on a clip of one frame, the 2D Inception-v1.

    Convolutions are separable, and gated, where the arrays hold such weights. No batch norm has a
    scale; a temporal convolution has a bias, and no batch norm. Without the head's weights there
    are no 'logits'.

    Args:
      arrays: 'InceptionV1/...' to arrays.
      clip: (1, T, H, W, 3), in [-1, 1].
    """

    def convolution(x, name, stride):
        if name + '/weights' not in arrays:
            # In Mixed_5b/Branch_2 of the 2D network and of the released I3D.
            name = name.replace('Conv2d_0b_3x3', 'Conv2d_0a_3x3')
        separable = name + '/temporal/weights' in arrays
        kernel = _tensorflow_kernel(arrays[name + '/weights'])
        x = _same_convolution(x, kernel, (1 if separable else stride, stride, stride))
        x = _tensorflow_batch_norm(x, arrays, name + '/BatchNorm').relu()
        if separable:
            kernel = _tensorflow_kernel(arrays[name + '/temporal/weights'])
            bias = torch.from_numpy(arrays[name + '/temporal/biases'])
            x = _same_convolution(x, kernel, (stride, 1, 1)) + bias[:, None, None, None]
            x = x.relu()
        gate = arrays.get(name + '/self_gating/transformer_W/weights')
        return x if gate is None else _gate(x, _tensorflow_kernel(gate)[:, :, 0, 0, 0])

    names = ['InceptionV1/' + endpoint for endpoint in ENDPOINTS]
    x = _channels_first(clip)
    x, answer = _endpoints(x, names, SLIM_BRANCHES, convolution, _same_pool)
    head = 'InceptionV1/Logits/Conv2d_0c_1x1/'
    if head + 'weights' in arrays:
        kernel = _tensorflow_kernel(arrays[head + 'weights'])
        answer['logits'] = _logits(x, kernel, arrays[head + 'biases'], (2, 7, 7))
    return answer


def deepmind_i3d(arrays, clip, prefix):
    """DeepMind's I3D: no scale in any batch norm, whose statistics may be (1, 1, 1, 1, C).

    Args:
      arrays: names that begin with `prefix`, e.g. its 'Conv3d_1a_7x7/conv_3d/w', to arrays.
      clip: (1, T, H, W, 3) or, of flow, (1, T, H, W, 2); in [-1, 1].
      prefix: 'RGB/inception_i3d/', 'Flow/inception_i3d/' or, of the Kinetics-600 file, ''.
    """

    def convolution(x, name, stride):
        name = name.replace('Mixed_5b/Branch_2/Conv3d_0b_3x3', 'Mixed_5b/Branch_2/Conv3d_0a_3x3')
        x = _same_convolution(x, _tensorflow_kernel(arrays[name + '/conv_3d/w']), (stride,) * 3)
        return _tensorflow_batch_norm(x, arrays, name + '/batch_norm').relu()

    names = [prefix + endpoint.replace('Conv2d', 'Conv3d') for endpoint in ENDPOINTS]
    branches = [[name.replace('Conv2d', 'Conv3d') for name in branch] for branch in SLIM_BRANCHES]
    x = _channels_first(clip)
    x, answer = _endpoints(x, names, branches, convolution, _same_pool)
    head = prefix + 'Logits/Conv3d_0c_1x1/conv_3d/'
    kernel = _tensorflow_kernel(arrays[head + 'w'])
    answer['logits'] = _logits(x, kernel, arrays[head + 'b'], (2, *x.shape[3:]))
    return answer


def _torch_batch_norm(x, state, name, epsilon):
    arrays = ('running_mean', 'running_var', 'bias', 'weight')
    return _batch_norm(x, epsilon, *(state[f'{name}.{array}'] for array in arrays))


def _linear(state, name):
    return (torch.from_numpy(state[f'{name}.{array}']) for array in ('weight', 'bias'))


def torchvision_s3d(state, clip, whole_frames=False):
    """torchvision's S3D, and kylemin's under torchvision's names: separable, symmetric padding.

    Args:
      state: 'features.0.0.0.weight' ... 'classifier.1.bias' to arrays.
      clip: (1, T, H, W, 3): torchvision's `(x / 255 - mean) / deviation`, kylemin's in [-1, 1].
      whole_frames: the head's windows are whole frames (kylemin) instead of 7x7 positions.
    """

    def unit(x, name, strides):
        x = _symmetric_convolution(x, torch.from_numpy(state[name + '.0.weight']), strides)
        return _torch_batch_norm(x, state, name + '.1', 1e-3).relu()

    def convolution(x, name, stride):
        if name + '.0.weight' in state:
            return unit(x, name, (stride,) * 3)
        return unit(unit(x, name + '.0', (1, stride, stride)), name + '.1', (stride, 1, 1))

    names = [f'features.{number}' for number in range(len(ENDPOINTS))]
    x = _channels_first(clip)
    x, answer = _endpoints(x, names, TORCHVISION_BRANCHES, convolution, _symmetric_pool)
    kernel = torch.from_numpy(state['classifier.1.weight'])
    window = (2, *x.shape[3:]) if whole_frames else (2, 7, 7)
    answer['logits'] = _logits(x, kernel, state['classifier.1.bias'], window)
    return answer


def _space_to_depth(x):
    """2x2x2 positions become one, with channels in the order (time, height, width, channel)."""
    batch, channels, *sizes = x.shape
    time, height, width = (size // 2 for size in sizes)
    x = x.reshape(batch, channels, time, 2, height, 2, width, 2)
    return x.permute(0, 3, 5, 7, 1, 2, 4, 6).reshape(batch, 8 * channels, time, height, width)


def _howto100m_gate(name):
    """Name of the gate after the convolution `name`, None where there is none."""
    if name == 'conv_2c':
        return 'gating'
    last = re.fullmatch(r'(\w+)\.conv_b(0|1_b|2_b|3_b)', name)
    return last and f'{last[1]}.gating_b{last[2][0]}'


def howto100m(state, clip):
    """HowTo100M's S3D-G, its video tower: gates with bias, a linear embedding of the global mean.

    Its pools pad the same zeros for every size: MaxPool_4a_3x3 is SAME only where the sizes before
    it are even. Nothing before a pool is negative, so zeros never win.

    Args:
      state: 'conv1.conv1.weight' ... 'fc.bias' to arrays; others are not looked at.
      clip: (1, T, H, W, 3) in [0, 1]; T, H and W even.

    Returns:
      Beside the endpoints: 'Mixed_5c_pooled' (1, 1024) and 'embedding' (1, 512).
    """

    def unit(x, name, number, padding):
        kernel = torch.from_numpy(state[f'{name}.conv{number}.weight'])
        x = functional.conv3d(x, kernel, padding=padding)
        return _torch_batch_norm(x, state, f'{name}.bn{number}', 1e-5).relu()

    def convolution(x, name, stride):
        del stride  # the stem's is in the space-to-depth
        if name == 'conv1':
            return unit(x, name, 1, (1, 2, 2))[:, :, 1:, 1:, 1:]
        if name + '.conv2.weight' in state:
            x = unit(unit(x, name, 1, (0, 1, 1)), name, 2, (1, 0, 0))
        else:
            x = unit(x, name, 1, (0, 0, 0))
        gate = _howto100m_gate(name)
        return _gate(x, *_linear(state, gate + '.fc')) if gate else x

    short = {'Conv2d_1a_7x7': 'conv1', 'Conv2d_2b_1x1': 'conv_2b', 'Conv2d_2c_3x3': 'conv_2c'}
    names = [short.get(endpoint, endpoint.lower()) for endpoint in ENDPOINTS]
    x = _space_to_depth(_channels_first(clip))
    x, answer = _endpoints(x, names, HOWTO100M_BRANCHES, convolution, _zero_padded_pool)
    pooled = x.mean(dim=(2, 3, 4))
    kernel, bias = _linear(state, 'fc')
    answer['Mixed_5c_pooled'] = pooled.numpy()
    answer['embedding'] = (pooled @ kernel.T + bias).numpy()
    return answer


def howto100m_shapes():
    """{name: shape} of the published HowTo100M checkpoint, in its order, the text tower included.

    'num_batches_tracked' are int64 scalars, all else is float32.
    """
    shapes = {}

    def unit(name, number, channels, filters, size):
        shapes[f'{name}.conv{number}.weight'] = (filters, channels, *size)
        for array in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{name}.bn{number}.{array}'] = (filters,)
        shapes[f'{name}.bn{number}.num_batches_tracked'] = ()

    def separable(name, channels, filters):
        unit(name, 1, channels, filters, (1, 3, 3))
        unit(name, 2, filters, filters, (3, 1, 1))

    def linear(name, inputs, outputs):
        shapes[name + '.weight'] = (outputs, inputs)
        shapes[name + '.bias'] = (outputs,)

    unit('conv1', 1, 24, 64, (2, 4, 4))
    unit('conv_2b', 1, 64, 64, (1, 1, 1))
    separable('conv_2c', 64, 192)
    linear('gating.fc', 192, 192)
    channels = 192
    for block, filters in FILTERS.items():
        for suffixes, numbers in zip(HOWTO100M_BRANCHES, filters, strict=True):
            unit(block + suffixes[0], 1, channels, numbers[0], (1, 1, 1))
            if len(numbers) == 2:
                separable(block + suffixes[1], *numbers)
        for branch, numbers in enumerate(filters):
            linear(f'{block}.gating_b{branch}.fc', numbers[-1], numbers[-1])
        channels = sum(numbers[-1] for numbers in filters)
    linear('fc', channels, 512)
    shapes['text_module.word_embd.weight'] = (66250, 300)
    linear('text_module.fc1', 300, 2048)
    linear('text_module.fc2', 2048, 512)
    return shapes
