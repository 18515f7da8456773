"""The text tower of the S3D-G trained on HowTo100M (Miech et al. 2020), in NumPy.

Files: s3d_howto100m.pth and s3d_dict.npy of github.com/antoine77340/S3D_HowTo100M.
"""

import collections.abc
import os
import re

import numpy as np

from s3dg.errors import reading
from s3dg.weights.assign import WeightsError
from s3dg.weights.files import read_torch
from s3dg.weights.source import find

MOST_WORDS = 16  # of a sentence; a shorter one is filled up with PADDING
PADDING = 0  # the row of the embedding that stands for no word

_EMBEDDING = 'text_module.word_embd.weight'
# The axes of each variable; those of one name have one size.
_AXES = {
    _EMBEDDING: ('words', 'vector'),
    'text_module.fc1.weight': ('hidden', 'vector'),
    'text_module.fc1.bias': ('hidden',),
    'text_module.fc2.weight': ('output', 'hidden'),
    'text_module.fc2.bias': ('output',),
}


def text_embedding(sentences, weights, words):
    """The places of sentences in the space that HowTo100M's network shares with videos.

    The dot product with a video's embedding, the network's `logits`, says how well both go
    together. Sentences become lower case, words are what `[\\w']+` finds, and those not in the
    dictionary are left out; of the rest the first 16 count. Shorter sentences are filled up with
    padding, which takes part in the maximum over the words, as in the published module. So all
    sentences without any word of the dictionary have the same embedding, that of the padding.

    Args:
      sentences: a list or tuple of strings; a single string is refused.
      weights: path of the published torch file. It is read at each call.
      words: path of the published dictionary, a `.npy` file of one axis of strings. The word at i
        has row i + 1 of the embedding; of a word that is there twice the last one counts.

    Returns:
      float32 (sentences, 512).

    Raises:
      WeightsError: where sentences are not a sequence of strings, or one of the files is not what
        it should be; it is named.
    """
    _require_strings(sentences)
    embedding, *layers = _of_file(weights, _read_variables)
    rows = _of_file(words, lambda path: _read_rows(path, len(embedding)))
    found = np.full((len(sentences), MOST_WORDS), PADDING)
    for row, sentence in zip(found, sentences, strict=True):
        known = [rows[word] for word in re.findall(r"[\w']+", sentence.lower()) if word in rows]
        row[: len(known)] = known[:MOST_WORDS]
    return _embed(embedding[found], *layers) if sentences else np.zeros((0, len(layers[-1])), 'f4')


def _embed(vectors, kernel, bias, output_kernel, output_bias):
    """float32 (sentences, output) of word vectors (sentences, words, vector)."""
    # A sentence at a time: 2,048 numbers of each word of all would fill the memory.
    hidden = [np.maximum(words @ kernel.T + bias, 0).max(axis=0) for words in vectors]
    return np.stack(hidden) @ output_kernel.T + output_bias


def _require_strings(sentences):
    if isinstance(sentences, str | bytes) or not isinstance(sentences, collections.abc.Sequence):
        raise WeightsError(
            f'sentences: found one {type(sentences).__name__}, expected a list or tuple of str.'
        )
    for number, sentence in enumerate(sentences):
        if not isinstance(sentence, str):
            raise WeightsError(
                f'sentences: found {type(sentence).__name__} at {number}, expected str.'
            )


def _of_file(path, read):
    """What `read` makes of a path; errors name it."""
    path = os.path.expanduser(path)
    try:
        return read(path)
    except WeightsError as error:
        raise WeightsError(f'{path}: {error}') from error


def _read_variables(path):
    """The float32 arrays of `_AXES`, in its order."""
    arrays, sizes, found = read_torch(path).arrays, {}, []
    for name, axes in _AXES.items():
        array = find(arrays, [name], len(axes))
        expected = [sizes.setdefault(axis, n) for axis, n in zip(axes, array.shape, strict=True)]
        if list(array.shape) != expected:
            raise WeightsError(
                f'variable {name} has shape {list(array.shape)}, expected {expected}.'
            )
        if array.dtype.kind != 'f' or not np.isfinite(array).all():
            raise WeightsError(f'variable {name} ({array.dtype}): expected finite real numbers.')
        found.append(array.astype('float32'))
    return found


def _read_rows(path, size):
    """{word: row of the embedding, which has `size` rows} of a dictionary."""
    if not os.path.isfile(path):
        raise WeightsError('there is no such file.')
    wrong = "not a whole '.npy' file without pickled objects"
    with reading(wrong, WeightsError):
        # Mapped, so that no file that is shorter than it says fills the memory.
        array = np.lib.format.open_memmap(path, mode='r')
    if array.ndim != 1 or array.dtype.kind != 'U':
        raise WeightsError(
            f'holds {array.dtype} of shape {list(array.shape)}, expected strings in one axis.'
        )
    if len(array) > size - 1:
        raise WeightsError(
            f'holds {len(array):,} words, expected at most {size - 1:,}: {_EMBEDDING} has '
            f'{size:,} rows, and the first one is the padding.'
        )
    with reading(wrong, WeightsError):  # what is no character shows here only
        listed = array.tolist()
    return {word: row for row, word in enumerate(listed, 1)}
