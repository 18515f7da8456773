"""Grad-CAM, without averaging of gradients: which cells of an endpoint speak for a class.

A cell's heat is the sum over its channels of activation times gradient, the gradient of the class's
logit, where that is positive, and else 0 (HiResCAM: Draelos and Carin, arXiv:2011.08891). Grad-CAM
(Selvaraju et al., ICCV 2017) first averages each channel's gradients over all cells. At the last
endpoint, after which a network averages over space, both are the same but for the first and the
last step of time. Below it the average made the heat miss the shape in the videos of moving_shapes
(docs/features.md has the figures): a channel that speaks for a class in one place and against it in
another has no one weight.
"""

import tensorflow as tf

from s3dg.answers import require_finite


class GradCam:
    """Heat of clips at one endpoint of a network, which computes as in evaluation.

    Args:
      network: a `Network`.
      endpoint: one of `ENDPOINTS`.

    Raises:
      ConfigError: for an unknown endpoint.
    """

    def __init__(self, network, endpoint):
        below, above = network.endpoint(endpoint), network.after(endpoint)

        @tf.function  # every window has the same shape, so it is traced once
        def heat(clips, label):
            activations = below(clips, training=False)
            # Of the layers below nothing is held for the gradient.
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(activations)
                logits = above(activations, training=False)[:, label]
            gradients = tape.gradient(logits, activations)
            products = tf.cast(gradients, 'float32') * tf.cast(activations, 'float32')
            return tf.nn.relu(tf.reduce_sum(products, -1))

        self._heat = heat

    def __call__(self, clips, label):
        """Heat, float32 (batch, t, h, w) of at least 0, in the unit of the logit.

        Args:
          clips: uint8 (batch, time, height, width, channels), cropped.
          label: the class, from 0.

        Raises:
          NonFiniteAnswerError: where the network answers with NaN or infinity.
        """
        return require_finite(self._heat(tf.constant(clips), tf.constant(label)), 'heat').numpy()
