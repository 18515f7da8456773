"""The detector: Faster R-CNN whose second stage sees the clip (section 5.3).

The key frame goes through ResNet-50 to the RPN, which proposes boxes. The clip around it goes
through a network of this project to Mixed_4e. Of its map the proposals are cut at all time steps,
and go on through the rest of the network to a class and to finer boxes. ResNet serves the RPN
alone; the two share nothing.
"""

import keras
import tensorflow as tf

from s3dg.detection import anchors, losses, proposals, targets
from s3dg.detection import boxes as box_rules
from s3dg.detection.config import DetectorConfig
from s3dg.detection.roi_pooling import pool
from s3dg.operations import known_shape

BODY = 'Mixed_4e'  # the endpoint whose map is pooled
TAIL = ('Mixed_4f', 'MaxPool_5a_2x2', 'Mixed_5b', 'Mixed_5c')  # on what each proposal shows
RESNET_LAYER = 'conv4_block6_out'
STRIDE = 16  # pixels of a frame to a position of both maps
# Of blue, green and red: what `keras.applications.resnet50` takes off.
_MEANS = (103.939, 116.779, 123.68)
_RPN_FILTERS = 512
LOSSES = ('rpn_class', 'rpn_boxes', 'class', 'boxes')


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


def calibrate(resnet, keys):
    """Gives the batch norms of a ResNet with random weights the statistics of key frames.

    They are frozen in training, and without any the activations of random weights fade or grow from
    layer to layer (ours; ImageNet's weights bring theirs).

    Args:
      keys: (B, H, W, 3), values 0-255.
    """
    norms = [one for one in resnet.layers if isinstance(one, keras.layers.BatchNormalization)]
    usual = [one.momentum for one in norms]
    for one in norms:
        one.momentum = 0.0
    resnet(preprocess(keys), training=True)
    for one, momentum in zip(norms, usual, strict=True):
        one.momentum = momentum


def _dense(units, name):
    initializer = keras.initializers.VarianceScaling(1.0, 'fan_avg', 'uniform')
    return keras.layers.Dense(units, kernel_initializer=initializer, name=name, dtype='float32')


def _rpn_convolution(filters, size, name, **options):
    initializer = keras.initializers.TruncatedNormal(stddev=0.01)
    return keras.layers.Conv2D(
        filters, size, padding='same', kernel_initializer=initializer, name=name, **options
    )


class Detector(keras.Model):
    """Boxes of actions in the key frames of clips.

    Batch norm keeps its statistics in training, while its scale and offset are trained: in both
    networks (Object Detection API). Gates after the body pool over what a proposal shows, not over
    the clip.

    Args:
      network: a `Network`; its layers become part of the detector, those after `TAIL` aside.
      num_classes: actions.
      flow_network: a `Network` of flow, or None. The body is then the mean of the two maps, and
        what follows it comes from `network`.
      resnet: as `create_resnet` returns, which is the default.
      config: a `DetectorConfig`.

    Called on a dict: `clip`, (B, T, H, W, 3), and `key`, (B, H, W, 3), uint8 or float of values
    0-255, and `flow`, (B, T, H, W, 2), where there is a flow network. Returns `proposals.Boxes`;
    `chunk` is as of `classify_in_chunks`.

    In training the dict also holds `true_boxes`, float32 (B, M, 4), y_min, x_min, y_max, x_max in
    pixels, M at least 1; `is_true`, bool (B, M), which are no padding; `labels`, int32 (B, M), from
    0 on; and `seed`, int (B, 2), of the boxes that are drawn from a frame's. It returns the four
    losses then, by their names in `LOSSES`, each the mean over the frames, float32.
    """

    def __init__(
        self, network, num_classes, flow_network=None, resnet=None, config=None, name='detector'
    ):
        super().__init__(name=name, autocast=False)  # boxes stay float32
        self.config = config or DetectorConfig()
        self.num_classes = num_classes
        self.body = network.endpoint(BODY)
        self.flow_body = None if flow_network is None else flow_network.endpoint(BODY)
        self.tail = [network.get_layer(layer) for layer in TAIL]
        self.resnet = resnet or create_resnet()
        self.rpn = _rpn_convolution(_RPN_FILTERS, 3, 'rpn', activation='relu6')
        per_position = anchors.PER_POSITION
        self.rpn_logits = _rpn_convolution(2 * per_position, 1, 'rpn_logits', dtype='float32')
        self.rpn_offsets = _rpn_convolution(4 * per_position, 1, 'rpn_offsets', dtype='float32')
        self.logits = _dense(num_classes + 1, 'logits')
        self.offsets = _dense(4 * num_classes, 'offsets')
        self.rpn.build((None, None, None, self.resnet.output.shape[-1]))
        for layer in (self.rpn_logits, self.rpn_offsets):
            layer.build((None, None, None, _RPN_FILTERS))
        channels = network.get_layer(TAIL[-1]).output.shape[-1]
        for layer in (self.logits, self.offsets):
            layer.build((None, channels))
        self.built = True

    def map_of(self, inputs):
        """The map that proposals are cut of: (B, T / 4, H / 16, W / 16, channels)."""
        x = self.body(inputs['clip'], training=False)
        if self.flow_body is not None:
            x = (x + self.flow_body(inputs['flow'], training=False)) / 2
        return x

    def propose(self, inputs, training=False):
        """The RPN's answer on key frames.

        In training the anchors that cross the border of the frame are left out; else they are cut.

        Returns:
          (logits (B, N, 2), offsets (B, N, 4), anchors (N, 4), usable (N,), `proposals.Boxes`).
        """
        key = inputs['key']
        batch, height, width, _ = known_shape(key)
        x = self.resnet(preprocess(key), training=False)
        x = self.rpn(x)
        logits = tf.reshape(self.rpn_logits(x), [batch, -1, 2])
        offsets = tf.reshape(self.rpn_offsets(x), [batch, -1, 4])
        grid = anchors.grid(*known_shape(x)[1:3], STRIDE, self.config.anchor_base)
        if training:
            usable = anchors.inside(grid, height, width)
        else:
            grid = box_rules.clip(grid, height, width)
            usable = box_rules.has_area(grid)
        found = proposals.propose(logits, offsets, grid, usable, height, width, self.config)
        return logits, offsets, grid, usable, found

    def classify(self, maps, boxes, size):
        """The second stage: what boxes show.

        Args:
          maps: as `map_of` returns.
          boxes: float32 (B, R, 4), pixels.
          size: (height, width) of the frames.

        Returns:
          logits (B, R, classes + 1), the background first, and offsets (B, R, classes, 4).
        """
        x = tf.cast(pool(maps, boxes, *size), self.compute_dtype)
        for layer in self.tail:
            x = layer(x, training=False)
        x = tf.reduce_mean(tf.cast(x, tf.float32), [1, 2, 3])
        shape = known_shape(boxes)[:2]
        logits = tf.reshape(self.logits(x), [*shape, self.num_classes + 1])
        offsets = tf.reshape(self.offsets(x), [*shape, self.num_classes, 4])
        return logits, offsets

    def classify_in_chunks(self, maps, boxes, size, chunk):
        """As `classify`, of `chunk` boxes of a frame at a time, so that memory is bounded."""
        count = boxes.shape[1]
        parts = -(-count // chunk)
        boxes = tf.pad(boxes, [[0, 0], [0, parts * chunk - count], [0, 0]])
        answers = tf.map_fn(
            lambda part: self.classify(maps, part, size),
            tf.stack(tf.split(boxes, parts, 1)),
            fn_output_signature=(tf.float32, tf.float32),
            parallel_iterations=1,
        )
        return [tf.concat(tf.unstack(x, parts), 1)[:, :count] for x in answers]

    def call(self, inputs, training=False, chunk=64):
        if training:
            return self.training_losses(inputs)
        size = known_shape(inputs['key'])[1:3]
        *_, proposed = self.propose(inputs)
        boxes = proposed.boxes
        logits, offsets = self.classify_in_chunks(self.map_of(inputs), boxes, size, chunk)
        return proposals.detect(logits, offsets, boxes, proposed.is_box, *size, self.config)

    def training_losses(self, inputs):
        """The four losses of a batch, by name."""
        config, size = self.config, known_shape(inputs['key'])[1:3]
        rpn_logits, rpn_offsets, grid, usable, proposed = self.propose(inputs, training=True)

        first = targets.of_anchors(
            grid,
            usable,
            inputs['true_boxes'],
            inputs['is_true'],
            _random(inputs['seed'], 0, rpn_logits),
            config,
        )
        chosen, second = targets.of_proposals(
            proposed.boxes,
            proposed.is_box,
            inputs['true_boxes'],
            inputs['is_true'],
            inputs['labels'],
            _random(inputs['seed'], 1, proposed.boxes),
            config,
        )
        logits, offsets = self.classify(self.map_of(inputs), chosen, size)
        offsets = losses.of_own_class(offsets, second)
        sampled = losses.sampled_count(first)
        found = (
            losses.class_loss(rpn_logits, first, sampled),
            losses.box_loss(rpn_offsets, first, sampled),
            losses.class_loss(logits, second, config.samples),
            losses.box_loss(offsets, second, config.samples),
        )
        return dict(zip(LOSSES, found, strict=True))


def _random(seeds, purpose, like):
    """Uniform random numbers (B, N) for (B, N, ...): those of a frame depend on its seed alone."""
    count = known_shape(like)[1]
    return tf.map_fn(
        lambda seed: tf.random.stateless_uniform([count], [seed[0], seed[1] + purpose]),
        seeds,
        fn_output_signature=tf.float32,
    )
