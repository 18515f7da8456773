"""Tasks whose work is a network's: answering, training steps, features of a video, a stream.

Their limit is the machine's own: a matrix product of 4096x4096 in the network's precision, counted
as clips of as many multiply-adds, of which a training step has three times those of the answer. In
float32 there is also the product as TensorFlow computes it by itself on CPUs without AVX512-VNNI.
"""

import functools
import math
import statistics
import time

import numpy as np
import tensorflow as tf

from experiments.benchmarks import other_process, plain, torch_side, videos
from experiments.benchmarks.comparing import (
    SECONDS_PER_TURN,
    Comparison,
    Side,
    for_a_while,
    made_late,
)
from s3dg import cost
from s3dg.config import VideoFormat, named_config
from s3dg.features import Extractor
from s3dg.network import Network
from s3dg.program import entry
from s3dg.saving import export
from s3dg.training.devices import create_strategy
from s3dg.training.loop import TrainingConfig
from s3dg.training.optimizer import MomentumSGD
from s3dg.training.schedules import CosineSchedule
from s3dg.training.steps import TrainSteps
from s3dg.training.task import CLASSIFICATION
from s3dg.video import ahead, reading

_PASSES = {'training': 3}  # multiply-adds of a step, in those of an answer
LIMIT = (('matrix_product',), 'fraction_of_matmul_peak')  # of a `Comparison`
_FEATURES_ENDPOINT = 'Mixed_5c'
# The video of which features are taken: a minute of 720p.
_LONG_VIDEO = {'count': 1, 'size': (720, 1280), 'frame_count': 1500}
_STREAM_RATE = 25  # frames a second of I3D's videos
# What is varied one at a time, times the option with that name: the paper's clips of 64 frames of
# 224x224 become clips of 16 to 250 frames, and of 112 to 320 pixels.
_SCALES = {
    'frames': (16 / 64, 32 / 64, 1, 128 / 64, 250 / 64),
    'crop': (112 / 224, 160 / 224, 1, 320 / 224),
    'batch_size': (1, 2, 4),
}


class _Work:
    """A network and a batch of clips of random numbers, as the options say."""

    def __init__(self, options):
        self.options = options
        config = named_config(options.network, **options.fields)
        video_format = VideoFormat(
            frame_size=None,
            crop_size=(options.crop, options.crop),
            clip_frames=options.frames,
            evaluation_frames=options.frames,
        )
        self.create_network = lambda: Network(config, video_format=video_format)
        self.network = self.create_network()
        size = (options.frames, options.crop, options.crop)
        shape = (options.batch_size, *size, config.channels)
        generator = np.random.default_rng(0)
        self.clips = generator.integers(0, 256, shape, np.uint8)
        self.labels = np.zeros(options.batch_size, np.int32)
        passes = _PASSES.get(options.task, 1)
        self.multiply_adds = passes * cost.network_cost(self.network, *size).multiply_adds
        self.figures = {
            'network': options.network,
            'clip': [*shape],
            'multiply_adds': self.multiply_adds,
        }

    def comparison(self, sides):
        """Of our sides with matrix products, and what else is asked for."""
        sides = [*sides, *matrix_products(self.multiply_adds, self.network.compute_dtype)]
        training, against = self.options.task == 'training', self.options.against
        if against == 'torchvision':
            sides.append(torch_side.create(self.clips, self.options, training))
        elif against is not None:
            sides.append(other_process.checkout(against, self, self.options, training))
        return Comparison('clips', sides, *LIMIT, self.figures)

    def calling(self, make):
        """What makes the work of a side: calls of the function that `make` makes on the clips."""

        def work():
            function, clips = make(), tf.constant(self.clips)
            function(clips)  # which compiles it
            return for_a_while(lambda: function(clips), len(self.clips))

        return work


def matrix_products(multiply_adds, dtype):
    """The sides of the machine's own products, which count as units of so many multiply-adds."""
    product = plain.MATRIX**3 / multiply_adds

    def multiply():
        multiply = plain.matrix_product(dtype)
        multiply()  # which compiles it
        return for_a_while(multiply, product)

    sides = [made_late('matrix_product', multiply)]
    if dtype == 'float32':
        sides.append(other_process.eigen_matrix_product(product))
    return sides


def exported(network, folder):
    """A function from clips to the logits of a network's SavedModel, as numbers."""
    export.export(network, folder)
    model = export.ExportedNetwork(folder)
    return lambda clips: model.serve(clips)['logits'].numpy()


def compare_inference(options, scratch):
    """The exported network, and the network itself, compiled, in clips."""
    work = _Work(options)

    call = functools.partial(plain.answer, work.network, options.jit)
    answer = exported(work.network, scratch / 'saved_model')
    if options.streaming:
        work.figures['streaming'] = measure_stream(answer, work.clips[:1], options.repeats)
    if options.scaling:
        work.figures['scaling'] = measure_scaling(call(), options, work.clips.shape[-1])
    sides = [
        made_late('exported', work.calling(lambda: answer)),
        made_late('network', work.calling(call)),
    ]
    return work.comparison(sides)


def compare_training(options, scratch):
    """A step of the training loop, with its input in memory, and a plain compiled one, in clips."""
    del scratch
    work = _Work(options)
    plain_step = functools.partial(plain.step, work.network, work.labels, options.jit)
    sides = [
        made_late('loop_step', functools.partial(_loop_step, work)),
        made_late('plain_step', work.calling(plain_step)),
    ]
    return work.comparison(sides)


def _loop_step(work):
    """What `s3dg.training.loop` runs; a call takes as many steps as a turn is long, as there."""
    strategy, batch_size = create_strategy('one'), len(work.clips)
    config = TrainingConfig(CosineSchedule(1, plain.RATE), batch_size, jit=work.options.jit)
    with strategy.scope():
        network = work.create_network()
        optimizer = MomentumSGD(plain.RATE, momentum=plain.MOMENTUM)
    steps = TrainSteps(strategy, network, optimizer, CLASSIFICATION, config)
    batch = {'clip': work.clips, 'label': work.labels}
    batches = iter(
        strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensors(batch).repeat())
    )

    def take(count):
        figures, _ = steps.run(batches, tf.constant(count))
        return figures['loss'].numpy()

    work.figures['first_step_seconds'] = _seconds(take, 1)  # which traces it
    count = max(round(SECONDS_PER_TURN / _seconds(take, 1)), 1)
    return for_a_while(lambda: take(count), count * batch_size)


def compare_features(options, scratch):
    """Features of a video of a minute, and its limits: decoding alone and computing alone."""
    work = _Work(options)
    (path,) = videos.generate_videos(scratch / 'videos', **_LONG_VIDEO)
    extractor = Extractor(work.network, _FEATURES_ENDPOINT, batch_size=options.batch_size)
    count = _LONG_VIDEO['frame_count']
    windows = -(-count // options.frames)
    extractor(work.clips)  # which traces it

    def decode(_):
        return sum(1 for _ in reading.read_frames(path, **extractor.reading))

    def compute(_):
        for first in range(0, windows, options.batch_size):
            extractor(work.clips[: windows - first])
        return count

    def extract(reader):
        with reader:
            for frames in reader.videos([path], 2 * extractor.window, **extractor.reading):
                extractor.of_video(path, frames=frames).read()
        return count

    sides = [
        Side('features', extract, ahead.Reader),
        Side('decoding', decode),
        Side('computing', compute),
    ]
    limits = ('decoding', 'computing')
    return Comparison('frames', sides, limits, 'fraction_of_slower_part', work.figures)


def measure_scaling(answer, options, channels):
    """How the time of an answer grows with the frames, the size and the number of clips.

    Args:
      answer: a function from uint8 clips (batch, time, height, width, channels) to numbers.
      options: has `frames`, `crop` and `batch_size`, of which one at a time is varied, and
        `repeats`, of which the median counts.

    Returns:
      dict from what is varied to `seconds`, a dict from its value, and `linear_within`, by how much
      of the line at most they are off a line over the frames, the pixels or the clips.
    """
    usual = {name: getattr(options, name) for name in _SCALES}
    found = {}
    for axis, scales in _SCALES.items():
        seconds = {}
        for scale in scales:
            sizes = usual | {axis: max(round(scale * usual[axis]), 1)}
            crop = sizes['crop']
            shape = (sizes['batch_size'], sizes['frames'], crop, crop, channels)
            clips = tf.zeros(shape, tf.uint8)
            answer(clips)  # which compiles it
            turns = [_seconds(answer, clips) for _ in range(options.repeats)]
            seconds[sizes[axis]] = statistics.median(turns)
            entry.report(f'{axis} {sizes[axis]}: {seconds[sizes[axis]]:.3f} s')
        units = np.array([*seconds], 'float64') ** (2 if axis == 'crop' else 1)
        found[axis] = {'seconds': seconds, 'linear_within': off_line(units, [*seconds.values()])}
    return found


def _seconds(function, argument):
    started = time.perf_counter()
    function(argument)
    return time.perf_counter() - started


def off_line(units, seconds):
    """The largest distance of times from the line through them, as a share of the line.

    The line is the one whose squared distances, as shares of the times, are least.
    """
    seconds = np.asarray(seconds)
    line = np.polyval(np.polyfit(units, seconds, 1, w=1 / seconds), units)
    return float(np.abs(seconds / line - 1).max())


def measure_stream(answer, clip, repeats):
    """How soon a network answers of the latest window of a stream, and how often it can.

    Args:
      answer: a function from a clip to numbers.
      clip: (1, frames, height, width, channels); the window of that many frames slides over it.
      repeats: ten answers each.

    Returns:
      dict: `latency_seconds`, from a window's last frame to its answer, the median, and the
      slowest; `frames_per_second` that it keeps up with where every frame is seen once;
      `least_stride`, the frames from one answer to the next with which it keeps up with 25 a
      second.
    """
    window, seconds = list(clip[0]), []
    for _ in range(10 * repeats + 1):
        frame = window.pop(0)
        started = time.perf_counter()
        window.append(frame)
        answer(np.stack(window)[None])
        seconds.append(time.perf_counter() - started)
    del seconds[0]  # which traces
    latency = statistics.median(seconds)
    return {
        'latency_seconds': latency,
        'latency_seconds_slowest': max(seconds),
        'frames_per_second': len(window) / latency,
        'least_stride': math.ceil(_STREAM_RATE * latency),
    }
