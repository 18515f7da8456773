"""What a SavedModel answers: video in, probabilities out, with everything in between in its graphs.

Endpoints, all with any number of frames of any size at the network's frame rate:
  serve (the default): uint8 `video` (batch, time, height, width, channels) -> float32
    `probabilities` and `logits` (batch, classes); for a network whose head is an embedding,
    `embedding` alone.
  features: the same input -> float32 `features` (batch, channels), what the classifier sees.
  jpeg (RGB networks): string `frames` (time,), encoded frames of one video -> as serve, without
    batch.
Inside, a video is treated as in evaluation: frames are resized and their middle is cropped. A video
shorter than `evaluation_frames` is looped, a longer one is cut into windows of that many frames, of
which the last ends with the video; logits are averaged over them. Memory is bounded by the window.
"""

import tensorflow as tf

from s3dg.network import POOLED_FEATURES
from s3dg.video import sampling


def window_indices(length, frames):
    """Frame numbers, int32 (windows, frames), of windows that cover a video, which has a frame."""
    check = tf.debugging.assert_positive(length, 'The video has no frames.')
    with tf.control_dependencies([check]):
        length = tf.identity(length)
    starts = sampling.window_starts(length, frames, arange=tf.range)
    return sampling.frame_numbers(length, starts, frames, tf.range)


def prepare_frames(frames, video_format):
    """Resizes and centre-crops uint8 frames (..., height, width, channels) as evaluation does.

    They become float32 (..., crop height, crop width, channels), whole numbers from 0 to 255.
    """
    shape = tf.shape(frames)
    channels = frames.shape[-1]
    flat = tf.reshape(frames, [-1, shape[-3], shape[-2], channels])
    size = shape[-3], shape[-2]
    if video_format.frame_size is not None:
        size = video_format.frame_size
    elif video_format.short_side is not None:
        height, width = (tf.cast(side, tf.int64) for side in size)
        short, wanted = tf.minimum(height, width), video_format.short_side
        size = (sampling.scaled_side(side, short, wanted) for side in (height, width))
    size = [tf.cast(side, tf.int32) for side in size]
    if video_format.frame_size is not None or video_format.short_side is not None:
        flat = tf.round(tf.image.resize(flat, size, 'bilinear', antialias=False))
    crop_size = video_format.crop_size
    message = f'The video is too small for a crop of {crop_size[0]}x{crop_size[1]}.'
    checks = [
        tf.debugging.assert_greater_equal(side, crop, message)
        for side, crop in zip(size, crop_size, strict=True)
    ]
    with tf.control_dependencies(checks):
        flat = tf.cast(flat[..., *sampling.centre(size, crop_size), :], tf.float32)
    return tf.reshape(flat, tf.concat([shape[:-3], [*crop_size, channels]], 0))


def create_endpoints(network):
    """The endpoints of a network, which is used as it is: name -> (function, input signature)."""
    config, video_format = network.config, network.video_format
    body = network.endpoints([POOLED_FEATURES])
    classifier = network.get_layer('logits')
    video_spec = tf.TensorSpec([None] * 4 + [config.channels], tf.uint8, name='video')

    def outputs_of(clips):
        windows = body(clips, training=False)[POOLED_FEATURES]
        return {'logits': classifier(windows), 'features': tf.reduce_mean(windows, 1)}

    # One function for all endpoints, and a concrete one: the network is traced, and stored, once.
    clip_size = (video_format.evaluation_frames, *video_format.crop_size, config.channels)
    outputs = tf.function(outputs_of).get_concrete_function(tf.TensorSpec([None, *clip_size]))

    def mean_outputs(clips_of, batch, length):
        """The means of `outputs` over windows, whose clips `clips_of` makes of frame numbers."""
        windows = window_indices(length, video_format.evaluation_frames)
        count = tf.shape(windows)[0]
        sizes = {'logits': config.num_classes, 'features': body.output[POOLED_FEATURES].shape[-1]}
        zeros = {name: tf.zeros([batch, size]) for name, size in sizes.items()}

        def add(i, totals):
            values = outputs(clips_of(windows[i]))
            return i + 1, {name: totals[name] + values[name] for name in totals}

        _, totals = tf.while_loop(
            lambda i, _: i < count, add, (tf.constant(0), zeros), parallel_iterations=1
        )
        return {name: total / tf.cast(count, 'float32') for name, total in totals.items()}

    def of_video(video):
        def clips_of(numbers):
            return prepare_frames(tf.gather(video, numbers, axis=1), video_format)

        return mean_outputs(clips_of, *tf.unstack(tf.shape(video)[:2]))

    def answers(outputs):
        if config.head == 'embedding':
            return {'embedding': outputs}
        return {'probabilities': tf.nn.softmax(outputs), 'logits': outputs}

    def serve(video):
        return answers(of_video(video)['logits'])

    def features(video):
        return {'features': of_video(video)['features']}

    def jpeg(frames):
        def decode(encoded):
            image = tf.image.decode_jpeg(encoded, 3, dct_method='INTEGER_ACCURATE')
            return prepare_frames(image, video_format)

        def clips_of(numbers):
            spec = tf.TensorSpec((*video_format.crop_size, 3), tf.float32)
            return tf.map_fn(decode, tf.gather(frames, numbers), fn_output_signature=spec)[None]

        return answers(mean_outputs(clips_of, 1, tf.shape(frames)[0])['logits'][0])

    endpoints = {'serve': (serve, [video_spec]), 'features': (features, [video_spec])}
    if config.channels == 3:
        endpoints['jpeg'] = (jpeg, [tf.TensorSpec([None], tf.string, name='frames')])
    return endpoints
