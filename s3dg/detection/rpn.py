"""The region proposal network: boxes that may show someone, from the key frame alone.

ResNet-50 to `RESNET_LAYER`, a convolution, and for each anchor whether it is a box and how far off
(Object Detection API).
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from s3dg.detection import anchors, losses, proposals, targets
from s3dg.detection import boxes as box_rules
from s3dg.detection.config import DetectorConfig
from s3dg.operations import known_shape

RESNET_LAYER = 'conv4_block6_out'
STRIDE = 16  # pixels of a frame to a position of the map
LOSSES = ('rpn_class', 'rpn_boxes')
# Of blue, green and red: what `keras.applications.resnet50` takes off.
_MEANS = (103.939, 116.779, 123.68)
FILTERS = 512


def preprocess(key):
    """RGB key frames (B, H, W, 3) of values 0-255 as ResNet-50 takes them: float32 BGR, centred."""
    return tf.cast(key, tf.float32)[..., ::-1] - tf.constant(_MEANS)


def create_resnet(weights=None, width=1.0):
    """ResNet-50 to `RESNET_LAYER`: (B, H, W, 3) to (B, H / 16, W / 16, 1024).

    Args:
      weights: as of `keras.applications.ResNet50`: None, 'imagenet', which Keras downloads, or a
        file without the classifier.
      width: factor on the number of all filters (ours; 1 for other `weights` than None).
    """
    whole = keras.applications.ResNet50(include_top=False, weights=weights)
    cut = keras.Model(whole.inputs[0], whole.get_layer(RESNET_LAYER).output, name='resnet50')
    if width == 1.0:
        return cut

    def narrowed(layer):
        config = layer.get_config()
        if 'filters' in config:
            config['filters'] = max(1, round(config['filters'] * width))
        return layer.from_config(config)

    return keras.models.clone_model(cut, clone_function=narrowed)


def _convolution(filters, size, name, **options):
    initializer = keras.initializers.TruncatedNormal(stddev=0.01)
    return keras.layers.Conv2D(
        filters, size, padding='same', kernel_initializer=initializer, name=name, **options
    )


class Answer(NamedTuple):
    """What the network says of B key frames with N anchors."""

    logits: tf.Tensor  # float32 (B, N, 2): background, box
    offsets: tf.Tensor  # float32 (B, N, 4), from the anchors
    anchors: tf.Tensor  # float32 (N, 4)
    usable: tf.Tensor  # bool (N,): which anchors count
    proposals: proposals.Boxes  # `config.proposals` of them


class ProposalNetwork(keras.Model):
    """The region proposal network; called on `key` of a dict, it returns `proposals.Boxes`.

    In training it returns its two losses, as a `Detector` does and of the same entries.

    Args:
      config: a `DetectorConfig`.
      resnet_weights, resnet_width: as of `create_resnet`.

    Attributes:
      live_batch_norm: whether ResNet's batch norms take their statistics from the batch in
        training, for a ResNet without weights of its own (ours). Else they keep those they have
        (Object Detection API).
    """

    def __init__(self, config=None, resnet_weights=None, resnet_width=1.0, name='rpn'):
        super().__init__(name=name, autocast=False)  # boxes stay float32
        self.config = config or DetectorConfig()
        self.live_batch_norm, self.resnet_width = False, resnet_width
        self.resnet = create_resnet(resnet_weights, resnet_width)
        self.convolution = _convolution(FILTERS, 3, 'convolution', activation='relu6')
        self.logits = _convolution(2 * anchors.PER_POSITION, 1, 'logits', dtype='float32')
        self.offsets = _convolution(4 * anchors.PER_POSITION, 1, 'offsets', dtype='float32')
        self.convolution.build((None, None, None, self.resnet.output.shape[-1]))
        for layer in (self.logits, self.offsets):
            layer.build((None, None, None, FILTERS))
        self.built = True

    def answer(self, key, training=False):
        """The `Answer` on key frames (B, H, W, 3) of values 0-255.

        In training the anchors that cross the border of the frame are left out, unless the
        configuration says otherwise; else they are cut.
        """
        batch, height, width, _ = known_shape(key)
        x = self.resnet(preprocess(key), training=training and self.live_batch_norm)
        x = self.convolution(x)
        logits = tf.reshape(self.logits(x), [batch, -1, 2])
        offsets = tf.reshape(self.offsets(x), [batch, -1, 4])
        grid = anchors.grid(*known_shape(x)[1:3], STRIDE, self.config.anchor_base)
        if training and not self.config.clip_anchors:
            usable = anchors.inside(grid, height, width)
        else:
            grid = box_rules.clip(grid, height, width)
            usable = box_rules.has_area(grid)
        found = proposals.propose(logits, offsets, grid, usable, height, width, self.config)
        return Answer(logits, offsets, grid, usable, found)

    def losses_of(self, answer, inputs):
        """The two losses of an `Answer` in training, by name; `inputs` as of a `Detector`."""
        wanted = targets.of_anchors(
            answer.anchors,
            answer.usable,
            inputs['true_boxes'],
            inputs['is_true'],
            random(inputs['seed'], 0, answer.logits),
            self.config,
        )
        count = losses.sampled_count(wanted)
        found = (
            losses.class_loss(answer.logits, wanted, count),
            losses.box_loss(answer.offsets, wanted, count),
        )
        return dict(zip(LOSSES, found, strict=True))

    def call(self, inputs, training=False):
        answer = self.answer(inputs['key'], training)
        return self.losses_of(answer, inputs) if training else answer.proposals


def random(seeds, purpose, like):
    """Uniform random numbers (B, N) for (B, N, ...): those of a frame depend on its seed alone."""
    count = known_shape(like)[1]
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform([count], [seed[0], seed[1] + purpose]),
        seeds,
        fn_output_signature=tf.float32,
    )
