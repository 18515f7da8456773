"""One vector per video at a network's endpoints, how well they group, and a map of them (Figure 7).

The paper (section 4.5) shows t-SNE maps of the activations on 2,200 validation videos, coloured by
groups of actions. A map is for the eye; `neighbour_agreement` says the same in one figure that maps
cannot flatter.
"""

import numpy as np
import tensorflow as tf
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from s3dg.inference import InBatches
from s3dg.training.evaluation import EvaluationError

# t-SNE's usual perplexity (scikit-learn's default), for enough videos.
_PERPLEXITY = 30.0

# Dimensions kept before t-SNE, as its authors and scikit-learn advise, against noise and for speed.
_DIMENSIONS = 50

# Fewer videos leave no perplexity of at least 1 that is a third of the others.
FEWEST_VIDEOS = 4


def pooled_features(network, batches, endpoints, batch_size, progress=None):
    """One vector per clip at each of several endpoints: activations averaged over time and space.

    All endpoints come from one forward pass of each batch; of the activations only the averages
    leave the device.

    Args:
      network, endpoints: a `Network`, and names known to its `endpoints`.
      batches: iterable of clips (batch, time, height, width, channels) with values 0-255.
      batch_size: clips that the network sees at once.
      progress: called with the number of clips done after every batch.

    Returns:
      Dict from endpoint to float32 (videos, channels), in the order of the clips.

    Raises:
      ConfigError: for an unknown endpoint.
      EvaluationError: where there are no clips, or features are not finite.
    """
    model = network.endpoints(endpoints)

    def averages(clips):
        activations = model(clips, training=False)
        # Float32 before the average: bfloat16 cannot sum 50,000 positions.
        return {
            name: tf.reduce_mean(tf.cast(x, 'float32'), range(1, len(x.shape) - 1))
            for name, x in activations.items()
        }

    in_batches = InBatches(averages, batch_size)
    parts, done = [], 0
    for batch in batches:
        parts.append(in_batches(batch))
        done += len(batch)
        if progress is not None:
            progress(done)
    if not done:
        raise EvaluationError('There are no clips to take features of.')
    pooled = {}
    for name in endpoints:
        pooled[name] = np.concatenate([part[name] for part in parts])
        _check_finite(pooled[name], f'The features at {name}')
    return pooled


def chance_agreement(labels):
    """`neighbour_agreement` of features that say nothing: a label's mean share of other videos'."""
    _, counts = np.unique(labels, return_counts=True)
    return float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1)))


def neighbour_agreement(features, labels, neighbours=10):
    """Share of each video's nearest neighbours that have its label, averaged over videos.

    Distances are euclidean between standardised features: no channel counts for more because its
    values are larger, and endpoints whose activations differ in size can be compared.

    Args:
      features, labels: (videos, channels), and integers (videos,).
      neighbours: how many nearest videos are looked at, the video itself not among them.

    Raises:
      EvaluationError: for fewer than `neighbours` + 1 videos, labels that do not match the features
        in number, or features that are not finite or the same for all videos.
    """
    labels = np.asarray(labels)
    if neighbours < 1:
        raise EvaluationError(f'Neighbours must be at least 1, found {neighbours}.')
    if labels.shape != np.shape(features)[:1]:
        raise EvaluationError(
            f'Features of shape {list(np.shape(features))} need one label for each video, found '
            f'labels of shape {list(labels.shape)}.'
        )
    if len(labels) <= neighbours:
        raise EvaluationError(
            f'{neighbours} neighbours of a video need at least {neighbours + 1} videos, found '
            f'{len(labels)}.'
        )
    search = NearestNeighbors(n_neighbors=neighbours).fit(_standardized(features))
    nearest = search.kneighbors(return_distance=False)  # without arguments: itself excluded
    return float((labels[nearest] == labels[:, None]).mean())


def project(features, seed):
    """A map by t-SNE, float32 (videos, 2), of features standardised as in `neighbour_agreement`.

    Perplexity is 30, or a third of the other videos where that is less. PCA first brings the
    features (videos, channels) to at most 50 dimensions, and the map begins as the first two. The
    same seed makes the same map on one machine.

    Raises:
      EvaluationError: for fewer than 4 videos or 2 channels, or features that are not finite or the
        same for all videos.
    """
    shape = np.shape(features)
    if len(shape) != 2 or shape[0] < FEWEST_VIDEOS or shape[1] < 2:
        raise EvaluationError(
            f'A map needs features (videos, channels) of at least {FEWEST_VIDEOS} videos and 2 '
            f'channels, found shape {list(shape)}.'
        )
    kept = PCA(min(_DIMENSIONS, *shape), svd_solver='full').fit_transform(_standardized(features))
    perplexity = min(_PERPLEXITY, (shape[0] - 1) / 3)
    tsne = TSNE(perplexity=perplexity, init='pca', learning_rate='auto', random_state=seed)
    return tsne.fit_transform(kept).astype('float32')


def _standardized(features):
    features = np.asarray(features, 'float64')
    _check_finite(features, 'The features')
    if (features == features[0]).all():
        raise EvaluationError('The features of all videos are the same: nothing tells them apart.')
    return StandardScaler().fit_transform(features)


def _check_finite(features, what):
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise EvaluationError(
            f'{what} are not finite for {bad.sum()} of {len(bad)} videos, the first of them number '
            f'{bad.argmax()}.'
        )
