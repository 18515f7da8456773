"""HowTo100M's text tower against a torch module of its own, through real files."""

import pathlib
import textwrap

import numpy as np
import pytest

from s3dg.weights.assign import WeightsError
from s3dg.weights.howto100m import text_embedding
from tests import fuzzing
from tests.s3dg.weights.pseudo_weights import pseudo_weight

torch = pytest.importorskip('torch')

DOCS = pathlib.Path(__file__).parents[3] / 'docs' / 'features.md'
# Rows of the embedding from 1 on; 'the' is there twice, so that it has row 8.
WORDS = ['the', 'cut', 'onion', "don't", 'a', 'naïve', '2', 'the', 'snake_case', 'knife']


class Tower(torch.nn.Module):
    """The published module, on rows of the embedding."""

    def __init__(self, rows, vector, hidden, output):
        super().__init__()
        self.word_embd = torch.nn.Embedding(rows, vector)
        self.fc1 = torch.nn.Linear(vector, hidden)
        self.fc2 = torch.nn.Linear(hidden, output)

    def forward(self, ids):
        return self.fc2(self.fc1(self.word_embd(ids)).relu().max(dim=1).values)


@pytest.fixture(scope='module')
def tower():
    tower = Tower(len(WORDS) + 1, 300, 2048, 512)
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            parameter.copy_(torch.from_numpy(pseudo_weight(name, parameter.shape)))
        tower.word_embd.weight.mul_(10)
    return tower


def _save(state, path):
    torch.save({'fc.weight': torch.zeros(3), **state}, path)  # beside the video tower


def _state(tower):
    return {f'text_module.{name}': value for name, value in tower.state_dict().items()}


@pytest.fixture
def published(tower, tmp_path):
    """Paths of the two files."""
    _save(_state(tower), tmp_path / 's3d_howto100m.pth')
    np.save(tmp_path / 's3d_dict.npy', np.array(WORDS))
    return tmp_path / 's3d_howto100m.pth', tmp_path / 's3d_dict.npy'


# The rows of a sentence by hand; those up to 16 are 0.
SENTENCES = {
    'cut the onion': [2, 8, 3],
    'Cut THE Onion': [2, 8, 3],
    'the onion, cut!': [8, 3, 2],
    'cut zebras the quickly onion': [2, 8, 3],
    "don't cut a naïve onion (2)": [4, 2, 5, 6, 3, 7],
    'cut cut cut': [2, 2, 2],
    'snake_case snake-case': [9],
    "'cut' 'the onion": [3],  # an apostrophe is of its word
    '': [],
    'zebra': [],
    ' '.join(['the'] * 15 + ['knife']): [8] * 15 + [10],
    ' '.join(['the'] * 16 + ['knife']): [8] * 16,
    ' '.join(['zebra'] * 16 + ['knife']): [10],
    ' '.join(['a', 'cut', 'the', 'onion'] * 5): [5, 2, 8, 3] * 4,
}


def test_sentences_are_where_the_published_module_puts_them(tower, published):
    ids = np.zeros((len(SENTENCES), 16), 'int64')
    for row, numbers in zip(ids, SENTENCES.values(), strict=True):
        row[: len(numbers)] = numbers
    with torch.no_grad():
        expected = tower(torch.from_numpy(ids)).numpy()
    found = text_embedding(list(SENTENCES), *published)
    assert (found.dtype, found.shape) == (np.float32, (len(SENTENCES), 512))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
    different = {frozenset(row) for row in ids.tolist()}  # a maximum does not count
    assert len(np.unique(found.round(3), axis=0)) == len(different) > 6


def test_padding_takes_part_in_the_maximum_of_short_sentences_only(published, tower):
    long, short = ' '.join(['the'] * 16), ' '.join(['the'] * 15)
    found = text_embedding((long, short), *published)
    with torch.no_grad():
        hidden = tower.fc1(tower.word_embd.weight).relu()
        alone, padded = tower.fc2(torch.stack([hidden[8], hidden[[0, 8]].amax(0)])).numpy()
    np.testing.assert_allclose(found, [alone, padded], atol=1e-5 * np.abs(padded).max())
    assert np.abs(alone - padded).max() > 0.1


def test_no_sentences_have_no_embeddings(published):
    assert text_embedding([], *published).shape == (0, 512)


@pytest.mark.parametrize(
    ('sentences', 'message'),
    [
        ('cut the onion', 'sentences: found one str, expected a list or tuple of str'),
        (b'cut', 'sentences: found one bytes'),
        ({'cut'}, 'sentences: found one set'),
        (np.array(['cut']), 'sentences: found one ndarray'),
        (['cut', None], 'sentences: found NoneType at 1, expected str'),
    ],
)
def test_sentences_are_a_sequence_of_strings(sentences, message):
    with pytest.raises(WeightsError, match=message):
        text_embedding(sentences, 'weights.pth', 'words.npy')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (np.arange(3), r's3d_dict.npy: holds int64 of shape \[3\], expected strings in one axis'),
        (np.array([['a', 'b']]), r's3d_dict.npy: holds <U1 of shape \[1, 2\], expected strings'),
        (np.array([b'a']), r's3d_dict.npy: holds \|S1 of shape \[1\], expected strings'),
        (np.array('a'), r's3d_dict.npy: holds <U1 of shape \[\]'),
        (np.array([*WORDS, 'b']), r's3d_dict.npy: holds 11 words, expected at most 10: .* 11 rows'),
        (np.array(['a', 'b'], object), 's3d_dict.npy: not a whole .* without pickled objects'),
    ],
)
def test_dictionaries_that_cannot_be(published, words, message):
    np.save(published[1], words)
    with pytest.raises(WeightsError, match=message):
        text_embedding(['cut'], *published)


def test_files_that_are_not_there_or_not_whole(published, tmp_path):
    weights, words = published
    for paths in ((tmp_path / 'no.pth', words), (weights, tmp_path / 'no.npy')):
        with pytest.raises(WeightsError, match=r'no.(pth|npy): there is no such file'):
            text_embedding(['cut'], *paths)
    words.write_bytes(words.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="s3d_dict.npy: not a whole '.npy' file"):
        text_embedding(['cut'], *published)


def test_damaged_dictionaries(published, tmp_path):
    content = published[1].read_bytes()
    path = tmp_path / 'damaged.npy'
    fuzzing.check(lambda path: text_embedding(['cut'], published[0], path), content, path, 50)


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('fc1.weight', None, 's3d_howto100m.pth: variable text_module.fc1.weight is missing'),
        ('word_embd.weight', torch.zeros(11), 'word_embd.weight has 1 dimensions, expected 2'),
        ('fc1.bias', torch.zeros(7), r'fc1.bias has shape \[7\], expected \[2048\]'),
        ('fc2.weight', torch.zeros(512, 3), r'has shape \[512, 3\], expected \[512, 2048\]'),
        ('fc2.bias', torch.zeros(512, dtype=torch.int64), r'fc2.bias \(int64\): expected finite'),
        ('fc2.bias', torch.full([512], torch.nan), r'fc2.bias \(float32\): expected finite'),
    ],
)
def test_weights_that_cannot_be(tower, published, name, value, message):
    state = _state(tower)
    if value is None:
        del state[f'text_module.{name}']
    else:
        state[f'text_module.{name}'] = value
    _save(state, published[0])
    with pytest.raises(WeightsError, match=message):
        text_embedding(['cut'], *published)


def test_the_documentations_search_ranks_videos(published, tower, monkeypatch, capsys):
    monkeypatch.chdir(published[0].parent)
    pathlib.Path('runs/howto100m/features').mkdir(parents=True)
    block = _docs().partition('    import pathlib')
    block = ''.join(block[1:]).partition('\n\nGive')[0]
    np.save('s3d_dict.npy', np.array(['x', 'cut', 'onions']))
    ids = torch.tensor([[2, 3] + [0] * 14])
    with torch.no_grad():
        (text,) = tower(ids).numpy()
    unit = text / (text @ text)  # its dot product with the sentence is 1
    for name, scores in {'near': [0.5, 3, 1], 'far': [-2, -1, -4], 'middle': [2, 0, 1]}.items():
        features = np.array(scores, 'f4')[:, None] * unit
        times = np.array([1.6, 4.8, 8.0])
        np.savez(f'runs/howto100m/features/{name}.npz', features=features, feature_times=times)
    exec(textwrap.dedent(block), {})
    found = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert found == [
        ['3.00', 'near,', 'at', '4.8', 's'],
        ['2.00', 'middle,', 'at', '1.6', 's'],
        ['-1.00', 'far,', 'at', '4.8', 's'],
    ]


def _docs():
    return DOCS.read_text().partition('### Find videos for a sentence')[2].partition('\n## ')[0]
