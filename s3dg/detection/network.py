"""The detector: Faster R-CNN whose second stage sees the clip (section 5.3).

The key frame goes through ResNet-50 to the RPN, which proposes boxes. The clip around it goes
through a network of this project to Mixed_4e. Of its map the proposals are cut at all time steps,
and go on through the rest of the network to a class and to finer boxes. ResNet serves the RPN
alone; the two share nothing.
"""

import keras
import tensorflow as tf

from s3dg.config import NetworkConfig, VideoFormat
from s3dg.detection import losses, proposals, rpn, targets
from s3dg.detection.config import DetectorConfig
from s3dg.detection.roi_pooling import pool
from s3dg.detection.rpn import ProposalNetwork
from s3dg.network import Network
from s3dg.operations import known_shape

BODY = 'Mixed_4e'  # the endpoint whose map is pooled
POOL = 'MaxPool_5a_2x2'
TAIL = ('Mixed_4f', POOL, 'Mixed_5b', 'Mixed_5c')  # on what each proposal shows
CLIPS = {'rgb': 'clip', 'flow': 'flow'}  # what the networks see
NOT_FINITE = 'the scores of boxes are not finite'
OWN_LOSSES = ('class', 'boxes')
LOSSES = (*rpn.LOSSES, *OWN_LOSSES)
TRUTH = ('true_boxes', 'is_true', 'labels', 'seed')  # what is needed in training


def _dense(units, name):
    initializer = keras.initializers.VarianceScaling(1.0, 'fan_avg', 'uniform')
    return keras.layers.Dense(units, kernel_initializer=initializer, name=name, dtype='float32')


def _tail_layer(layer, config):
    """A layer of a network as it is in the tail."""
    if layer.name == POOL and config.tail_stride == 1:
        return type(layer).from_config(layer.get_config() | {'strides': (layer.strides[0], 1, 1)})
    return layer


@keras.saving.register_keras_serializable(package='s3dg')
class Detector(keras.Model):
    """Boxes of actions in the key frames of clips.

    Batch norm keeps its statistics in training, while its scale and offset are trained: in both
    networks (Object Detection API). Gates after the body pool over what a proposal shows, not over
    the clip.

    Args:
      networks: dict from 'rgb', 'flow' or both to a `Network`, whose layers become part of the
        detector. With two, the map is the mean of theirs; see `DetectorConfig.tail_from`.
      class_names: of the actions, in the order of their labels.
      proposal_network: a `ProposalNetwork`; default one with random weights.
      video_format: the `VideoFormat` of the clips, which `s3dg detect` needs; or None.

    Called on a dict: `key`, (B, H, W, 3), with `clip`, (B, T, H, W, 3), and `flow`, (B, T, H, W,
    2), for the networks that are there; uint8 or float of values 0-255. Returns `proposals.Boxes`;
    `chunk` is as of `classify_in_chunks`.

    In training the dict also holds `true_boxes`, float32 (B, M, 4), y_min, x_min, y_max, x_max in
    pixels, M at least 1; `is_true`, bool (B, M), which are no padding; `labels`, int32 (B, M), from
    0 on; and `seed`, int (B, 2), of the boxes that are drawn from a frame's. It returns the four
    losses then, by their names in `LOSSES`, each the mean over the frames, float32.
    """

    def __init__(
        self,
        networks,
        class_names,
        proposal_network=None,
        video_format=None,
        name='detector',
    ):
        super().__init__(name=name, autocast=False)  # boxes stay float32
        self.class_names, self.video_format = tuple(class_names), video_format
        self.rpn = proposal_network or ProposalNetwork()
        self.config = self.rpn.config
        goes_on = networks.get(self.config.tail_from) or next(iter(networks.values()))
        self.bodies = {CLIPS[name]: network.endpoint(BODY) for name, network in networks.items()}
        self.tail = [_tail_layer(goes_on.get_layer(name), self.config) for name in TAIL]
        self.logits = _dense(len(self.class_names) + 1, 'logits')
        self.offsets = _dense(4 * len(self.class_names), 'offsets')
        channels = goes_on.get_layer(TAIL[-1]).output.shape[-1]
        for layer in (self.logits, self.offsets):
            layer.build((None, channels))
        self.built = True
        self.network_configs = {name: network.config for name, network in networks.items()}

    def get_config(self):
        return {
            'networks': {name: one.to_dict() for name, one in self.network_configs.items()},
            'class_names': list(self.class_names),
            'video_format': self.video_format and self.video_format.to_dict(),
            'config': self.config.to_dict(),
            'resnet_width': self.rpn.resnet_width,
            'name': self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        del custom_objects
        networks = {
            name: Network(NetworkConfig.from_dict(values))
            for name, values in config['networks'].items()
        }
        rules = DetectorConfig.from_dict(config['config'])
        video_format = config['video_format'] and VideoFormat.from_dict(config['video_format'])
        proposal_network = ProposalNetwork(rules, resnet_width=config['resnet_width'])
        return cls(networks, config['class_names'], proposal_network, video_format, config['name'])

    def map_of(self, inputs):
        """The map that proposals are cut of: (B, T / 4, H / 16, W / 16, channels)."""
        maps = [body(inputs[key], training=False) for key, body in self.bodies.items()]
        return maps[0] if len(maps) == 1 else (maps[0] + maps[1]) / 2

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
        logits = tf.reshape(self.logits(x), [*shape, len(self.class_names) + 1])
        offsets = tf.reshape(self.offsets(x), [*shape, len(self.class_names), 4])
        return logits, offsets

    def classify_in_chunks(self, maps, boxes, size, chunk):
        """As `classify`, of up to `chunk` boxes of a frame at a time, so that memory is bounded."""
        count = boxes.shape[1]
        parts = -(-count // chunk)
        chunk = -(-count // parts)  # with the least padding
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
        boxes, *_, is_box = self.rpn.answer(inputs['key']).proposals
        logits, offsets = self.classify_in_chunks(self.map_of(inputs), boxes, size, chunk)
        # Non-maximum suppression would leave out what is no number, without a word.
        logits = tf.debugging.check_numerics(logits, NOT_FINITE)
        return proposals.detect(logits, offsets, boxes, is_box, *size, self.config)

    def training_losses(self, inputs):
        """The four losses of a batch, by name."""
        size = known_shape(inputs['key'])[1:3]
        answer = self.rpn.answer(inputs['key'], training=True)
        chosen, wanted = targets.of_proposals(
            answer.proposals.boxes,
            answer.proposals.is_box,
            inputs['true_boxes'],
            inputs['is_true'],
            inputs['labels'],
            rpn.random(inputs['seed'], 1, answer.proposals.boxes),
            self.config,
        )
        logits, offsets = self.classify(self.map_of(inputs), chosen, size)
        offsets = losses.of_own_class(offsets, wanted)
        found = (
            losses.class_loss(logits, wanted, self.config.samples),
            losses.box_loss(offsets, wanted, self.config.samples),
        )
        return self.rpn.losses_of(answer, inputs) | dict(zip(OWN_LOSSES, found, strict=True))
