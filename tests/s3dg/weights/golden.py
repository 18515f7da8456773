"""Figures of published networks: what they compute with pseudo-weights on a generated clip.

`figures/NAME.json` holds the names and shapes of a published checkpoint's variables.
`figures/NAME.npz` holds the logits that the published network computes with the `pseudo_weights` of
those names, and the mean and standard deviation of each endpoint.
"""

import json
import pathlib
import re

import numpy as np
import tensorflow as tf

from s3dg.config import ENDPOINTS
from tests.s3dg.weights.pseudo_weights import clip, pseudo_weight

FIGURES = pathlib.Path(__file__).parent / 'figures'

# The uint8 clip (T, H, W, C) behind each.
CLIPS = {
    'slim_inception_v1': (1, 128, 128, 3),
    'slim_i3d': (32, 128, 128, 3),
    'slim_s3d': (32, 128, 128, 3),
    'slim_s3dg': (32, 128, 128, 3),
    'deepmind_rgb_imagenet': (32, 128, 128, 3),
    'torchvision_s3d': (32, 224, 224, 3),
    'pytorch_i3d_rgb': (32, 224, 224, 3),
    'hassony2_i3d_rgb': (32, 224, 224, 3),
}


def shapes(name):
    """The shapes of a checkpoint's variables by name."""
    return json.loads((FIGURES / f'{name}.json').read_text())


def arrays(name):
    """The variables of a checkpoint, by name, as float32 arrays."""
    return {variable: pseudo_weight(variable, shape) for variable, shape in shapes(name).items()}


def golden_clip(name):
    """The clip, uint8 (1, T, H, W, C)."""
    return clip(CLIPS[name])[None]


def logits_error(name, logits):
    """Largest difference from the published logits, as a share of the largest of them."""
    with np.load(FIGURES / f'{name}.npz') as figures:
        expected = figures['logits']
    return np.abs(logits - expected).max() / np.abs(expected).max()


def endpoint_error(name, endpoint, activations):
    """Relative difference of an endpoint's mean, or deviation, from the published network's."""
    x = np.asarray(activations, 'float64')
    with np.load(FIGURES / f'{name}.npz') as figures:
        key = next(key for key in _keys(endpoint) if key in figures)
        return np.abs(np.array([x.mean(), x.std()]) / figures[key] - 1.0).max()


def _keys(endpoint):
    """What published networks call an endpoint: it, torchvision, piergiaj and hassony2."""
    dense = re.sub('^(Conv|MaxPool)2?d?_', lambda match: f'{match[1]}3d_', endpoint)
    return (
        endpoint,
        f'features.{ENDPOINTS.index(endpoint)}',
        dense,
        dense[0].lower() + dense[1:],
    )


def kylemin_names(state):
    """torchvision's S3D variables under kylemin's names, without their prefix 'module.'."""
    renamed = {}
    for name, array in state.items():
        first, layer, *numbers, leaf = name.split('.')
        if first == 'classifier':
            renamed[f'fc.0.{leaf}'] = array
            continue
        place = f'base.{layer}'
        if numbers[0].startswith('branch'):
            branch = numbers.pop(0)
            place += f'.{branch}.' + ('0' if branch == 'branch0' else numbers.pop(0))
        kind = ('conv', 'bn')[int(numbers.pop())]
        part = ('_s', '_t')[int(numbers.pop())] if numbers else ''
        renamed[f'{place}.{kind}{part}.{leaf}'] = array
    return renamed


def write_tensorflow_checkpoint(variables, prefix):
    """Writes a TensorFlow 1 checkpoint, as the published ones are; returns its prefix."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        saved = {
            name: tf.compat.v1.Variable(array, name=f'v{number}')
            for number, (name, array) in enumerate(variables.items())
        }
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(saved)
        return saver.save(session, str(prefix), write_meta_graph=False)
