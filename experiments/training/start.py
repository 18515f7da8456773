"""Where a network starts: from another training, from a file, or from random weights."""

import dataclasses
import enum
import functools
import hashlib

from experiments.training.dataset import describe_difference
from s3dg.config import ConfigError
from s3dg.network import copy_weights
from s3dg.program.loading import image_files, load_image_network, load_network
from s3dg.program.workdir import home_path
from s3dg.weights import WeightsError, inflate


class How(enum.Enum):
    """What a network takes from the one that it starts from."""

    TAKEN_OVER = 'network and weights, but for a fresh classifier where the classes differ'
    INFLATED = 'weights, inflated: the network has other temporal convolutions'
    IMAGES = 'weights of a 2D network for images, inflated; the classifier is a fresh one'
    STRUCTURE = 'the network; its weights are random'


# The flags that give such starts from a file.
_FLAGS = {How.INFLATED: '--inflate_from', How.IMAGES: '--imagenet'}
_INFLATED = tuple(_FLAGS)


@dataclasses.dataclass(frozen=True)
class Start:
    """Where a network starts."""

    # The `Recipe` of another training, the path of a .keras file, or None: random weights.
    source: object = None
    how: How | None = None  # what is taken from it; None without a source
    digest: str | None = None  # tells its weights from others, wherever they lie; `resolved` has it

    @property
    def is_file(self):
        return isinstance(self.source, str)

    @property
    def recipe(self):
        """The `Recipe` of the training that it comes from; None for a file or random weights."""
        return None if self.is_file else self.source

    @property
    def trained(self):
        """The `Recipe` whose weights are needed, so that it is trained first; or None."""
        return None if self.how is How.STRUCTURE else self.recipe

    @property
    def names_network(self):
        """Whether the network is that of a file."""
        return self.is_file and not self.is_inflated

    @property
    def is_inflated(self):
        """Whether the network has other temporal convolutions than the one that it starts from."""
        return self.how in _INFLATED

    @property
    def flag(self):
        """The flag that gives such a start."""
        return _FLAGS.get(self.how, '--init')

    def resolved(self, find=None):
        """As a `Plan` holds it: the path of a file with its digest, or nothing for random weights.

        `find` is a function from a `Recipe` to the path and the digest of what it trains.
        """
        if self.source is None or self.how is How.STRUCTURE:
            return Start()
        if self.is_file:
            return dataclasses.replace(self, digest=_sha256(self.source, self.how))
        path, digest = find(self.source)
        return Start(str(path), self.how, digest)

    def fill(self, network, report):
        """Gives a network the weights of the file, if there is one.

        Raises:
          WeightsError, ConfigError: naming the file, where its network does not fit.
        """
        if self.is_inflated:
            self._inflate(network, report)
        elif self.how is How.TAKEN_OVER:
            self._copy(network, report)

    def _inflate(self, network, report):
        source = _load(self.source, self.how)
        try:
            kept = inflate(source, network, skip=('logits',) if self.how is How.IMAGES else ())
        except WeightsError as error:
            raise WeightsError(f'{self.flag}: {self.source}: {error}') from error
        which = f'all but {len(kept)} layers ({kept[0]}, ...)' if kept else 'all layers'
        report(f'{self.source}: inflated, {which}')

    def _copy(self, network, report):
        # The file's weights, but this run's classes, dropout, batch-norm decay and so on.
        source, names = load_network(self.source, self.flag), network.class_names
        same_classes = source.class_names == names
        try:
            copy_weights(source, network, skip=() if same_classes else ('logits',))
        except ConfigError as error:
            raise ConfigError(f'{self.source}: {error}') from error
        kept = 'kept' if same_classes else 'replaced by a fresh one'
        if source.class_names is not None and not same_classes:
            kept += f': {describe_difference(source.class_names, names)}'
        report(f'{self.source}: classifier of {source.config.num_classes} classes {kept}')

    def to_dict(self):
        """What `config.json` says of a resolved start: its path under its flag, and the digest."""
        taken_over = self.source if self.how is How.TAKEN_OVER else None
        inflated = self.source if self.how is How.INFLATED else None
        written = {'init': taken_over, 'inflate_from': inflated, 'start_digest': self.digest}
        if self.how is How.IMAGES:
            # Not as --inflate_from of the same file, which keeps a classifier of the same classes.
            written.update(imagenet=self.source, fresh_classifier=True)
        return written


def _load(path, how):
    if how is How.IMAGES:
        return load_image_network(path)
    return load_network(path, _FLAGS.get(how, '--init'))


@functools.cache  # several recipes may start from one file
def saved_config(path, how):
    """The `NetworkConfig` of the network in a file, of which a `How` says what is taken.

    Raises:
      UsageError: naming the flag, where it cannot be read.
    """
    return _load(path, how).config


@functools.cache
def _sha256(path, how):
    """Of a file, or of the files of a checkpoint one after the other."""
    sha256 = hashlib.sha256()
    for part in image_files(path) if how is How.IMAGES else [home_path(path)]:
        with part.open('rb') as file:
            while block := file.read(1 << 20):
                sha256.update(block)
    return sha256.hexdigest()
