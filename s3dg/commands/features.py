"""Extracts what a network's layers make of video files: one .npz of features per video.

  s3dg features --model=runs/train/model.keras --endpoint=Mixed_5c holiday.mp4 clips/

Videos may have any size, rate and length: they are resampled to the network's rate, resized and centre-cropped as
in evaluation, and seen in windows of --window frames that begin every --stride frames, the last one at the end of the
video. A video shorter than a window is looped. Folders are searched for video files, also the folders in them.

The features of a video are in WORKDIR/features, in a file named after the video: `holiday.mp4.npz`; below a given
folder, with the path from there: `clips/dance/a.mp4` gives `dance/a.mp4.npz`. Where that name is another video's,
folders of its path are added: `2023/holiday.mp4.npz`. `results.json` says which file is whose, of the videos given last. A file holds

  features       float32: (windows, channels) with --pool=all, which averages over time and space,
                 (windows, time, channels) with --pool=space, (windows, time, height, width, channels) with --pool=none.
                 What the network has averaged itself (AvgPool_0a_7x7: space, logits: all) lacks those dimensions.
  frame_times    float64 (windows, frames): seconds from the start of the file at which each frame of a window
                 appears; pictures may begin later than that (the sound first). Where a video is looped they repeat.
  feature_times  float64: of each feature, (windows,) or (windows, time), the mean time of the frames that it stands
                 for, the window's frames being shared out evenly among its temporal steps.
  endpoint, pool, frames_per_second, model, video, video_bytes, video_changed: what the features are of.

Memory is bounded by --batch_size windows, however long the video is. A video that cannot be read is named with the
reason, the others are done, and the exit code is 1. The same command again does what is not there yet, or whose video
has changed since; more videos may be added to the same workdir.
"""

import itertools
import math
import time

import numpy as np
import tensorflow as tf
from absl import flags

from s3dg.answers import NonFiniteAnswerError, require_finite
from s3dg.commands import feature_file
from s3dg.config import ENDPOINTS
from s3dg.errors import VideoError
from s3dg.files import readable
from s3dg.files.disk import DiskError
from s3dg.network import POOLED_FEATURES
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_runtime_flags, define_workdir_flags, required
from s3dg.program.loading import load_network, require_rgb
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_CLIPS, MOST_FRAMES, define_count
from s3dg.program.runtime import RuntimeOptions, start_runtime
from s3dg.program.workdir import Run, file_identity
from s3dg.progress import ProgressLine
from s3dg.video import sampling, windows

FLAGS = flags.FLAGS

# The network's own output: logits, or an embedding where its head says so.
LOGITS = 'logits'

# Axes of (batch, time, height, width, channels) that are averaged over.
POOLED_AXES = {'all': (1, 2, 3), 'space': (2, 3), 'none': ()}

# Pixels that a device sees at once, at most: the first layer alone makes 32 bytes of each.
MOST_PIXELS = 100_000_000

_LISTED = 20  # rows of a table in report.md, at most; results.json has all


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('extract_features')
    define_runtime_flags()
    flags.DEFINE_string('model', None, 'The .keras file.')
    flags.DEFINE_enum(
        'endpoint', 'Mixed_5c', [*ENDPOINTS, POOLED_FEATURES, LOGITS], 'What the features are.'
    )
    define_count(
        'window', None, "Frames of a window; default the network's clip_frames.", MOST_FRAMES
    )
    define_count(
        'stride',
        None,
        'Frames from the start of a window to the next; default the window.',
        1_000_000,
    )
    flags.DEFINE_enum('pool', 'all', list(POOLED_AXES), 'What is averaged over, space and time.')
    define_count(
        'batch_size',
        1,
        'Windows per device at a time (on a GPU 8, say); together at most 100 million pixels, which is '
        '1,992 frames of 224x224.',
        MOST_CLIPS,
    )


def step_weights(frames, steps, positions):
    """Share that each frame has in each temporal step of an endpoint.

    Args:
      frames: frames of a window.
      steps: temporal length of the endpoint.
      positions: temporal length of the activations that the steps are means of neighbours of: the head
        averages two, so that its steps are one fewer; elsewhere it equals `steps`.

    Returns:
      float64 (steps, frames), rows of sum 1. Frames are shared out evenly among the positions: which
      of them a kernel sees is wider, and depends on paddings by half a frame or so.
    """
    each = frames / positions
    first = np.arange(steps)[:, None] * each
    last = first + each * (positions - steps + 1)
    frame = np.arange(frames)
    share = np.clip(np.minimum(last, frame + 1) - np.maximum(first, frame), 0, None)
    return share / share.sum(axis=1, keepdims=True)


class Extractor:
    """Features of clips at one endpoint of a network.

    Attributes:
      window: frames of a clip.
      shape: of the features of a clip.
      time_weights: float64 (steps, frames) as of `step_weights`, or (frames,) where the features have no
        temporal axis: a feature's time is the mean of the frames' times with these weights.
      batch_size: clips at a time.

    Args:
      network: a `Network`, made or loaded under `strategy`.
      endpoint: a name known to `Network.endpoint`, or `LOGITS`.
      pool: a key of `POOLED_AXES`.
      window: frames of a clip.
      batch_size: clips at a time and device.
      strategy: devices; default a single one.

    Raises:
      UsageError: where so few frames give no activations, or so many do not fit into memory.
    """

    def __init__(self, network, endpoint, pool, window, batch_size=1, strategy=None):
        self._strategy = strategy or tf.distribute.get_strategy()
        self.window = window
        self.batch_size = batch_size * self._strategy.num_replicas_in_sync
        pixels = batch_size * window * math.prod(network.video_format.crop_size)
        if pixels > MOST_PIXELS:
            height, width = network.video_format.crop_size
            raise UsageError(
                f'--window, --batch_size: {batch_size} windows of {window} frames of {height}x{width} are '
                f'{pixels:,} pixels at once, expected at most {MOST_PIXELS:,}.'
            )
        model = network if endpoint == LOGITS else network.endpoint(endpoint)
        clip_shape = (window, *network.video_format.crop_size, network.config.channels)
        output = model.compute_output_shape((batch_size, *clip_shape))
        source = output
        if endpoint in (POOLED_FEATURES, LOGITS):  # what the head averages
            source = network.endpoint(ENDPOINTS[-1]).compute_output_shape((batch_size, *clip_shape))
        if 0 in source:
            raise UsageError(
                f'--window: {window} frames of {clip_shape[1]}x{clip_shape[2]} leave nothing at '
                f'{endpoint}, expected a longer window.'
            )
        # The head's outputs have fewer axes: those that it has averaged over are not there.
        axes = [axis for axis in POOLED_AXES[pool] if axis < len(output) - 1]
        self.shape = tuple(n for axis, n in enumerate(output) if axis not in (0, *axes))
        steps = output[1] if len(output) > 2 else 1
        self.time_weights = step_weights(window, steps, source[1])
        if len(output) == 2 or 1 in axes:
            self.time_weights = self.time_weights.mean(axis=0)

        def features(clips):
            activations = tf.cast(model(clips, training=False), 'float32')
            return tf.reduce_mean(activations, axes) if axes else activations

        @tf.function
        def of_devices(parts):
            return self._strategy.run(features, (parts,))

        self._of_devices = of_devices

    def __call__(self, clips):
        """Features, float32 (clips, *shape), of up to `batch_size` uint8 clips (clips, T, H, W, C)."""
        # Every call has the same shape: a smaller batch is filled up, the surplus cut off.
        missing = self.batch_size - len(clips)
        if missing:
            clips = [*clips, *[np.zeros_like(clips[0])] * missing]
        devices = self._strategy.num_replicas_in_sync
        each = self.batch_size // devices
        parts = [tf.constant(np.stack(clips[i * each : (i + 1) * each])) for i in range(devices)]
        distributed = self._strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )
        outputs = self._strategy.experimental_local_results(self._of_devices(distributed))
        return np.concatenate([output.numpy() for output in outputs])[: self.batch_size - missing]


def _batches(items, size):
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch


def _extract_blocks(extractor, clips, progress):
    done = 0
    for batch in _batches(clips, extractor.batch_size):
        features = require_finite(extractor(batch), 'features')
        done += len(batch)
        progress(done)
        yield features


def extract_video(extractor, target, video_format, stride, arrays, label):
    """Writes the file of features of one video.

    Args:
      extractor: an `Extractor`.
      target: a `feature_file.Target`.
      video_format: the network's `VideoFormat`.
      stride: frames from the start of a window to the next.
      arrays: further arrays for the file, by name.
      label: what lines of progress call the video.

    Returns:
      Number of windows.

    Raises:
      VideoError: where the video cannot be used; nothing is written then.
      NonFiniteAnswerError: where the network gives no numbers for it; neither then.
    """
    path, source = target.video.path, feature_file.video_source(target.video)
    options = {
        'frames_per_second': video_format.frames_per_second,
        'frame_size': video_format.frame_size,
        'short_side': video_format.short_side,
    }
    counting = ProgressLine(f'{label}: counting', 'frames', entry.report)
    times = windows.frame_times(
        path,
        progress=counting,
        warn=lambda faults: entry.report(f'{label}: {faults}'),
        **options,
    )
    rate = video_format.frames_per_second or sampling.mean_frames_per_second(times)
    starts = sampling.strided_starts(len(times), extractor.window, stride)
    clips = windows.cut_windows(
        path, len(times), starts, extractor.window, crop_size=video_format.crop_size, **options
    )
    frame_times = times[sampling.frame_numbers(len(times), starts, extractor.window)]
    arrays = {
        **arrays,
        **feature_file.source_arrays(source),
        'frames_per_second': float(rate),
        'frame_times': frame_times,
        'feature_times': frame_times @ extractor.time_weights.T,
    }
    blocks = _extract_blocks(
        extractor, clips, ProgressLine(label, 'windows', entry.report, len(starts))
    )
    shape = (len(starts), *extractor.shape)
    feature_file.write_npz(target.path, arrays, 'features', shape, blocks)
    return len(starts)


def check_flags(arguments):
    """Refuses what cannot be before anything is read.

    Raises:
      UsageError: saying what.
    """
    required('model', FLAGS.model)
    if not arguments:
        raise UsageError('No video given: s3dg features --model=FILE.keras VIDEO...')


def extract_all(extractor, targets, video_format, stride, arrays):
    """Extracts the features of all videos that are not done, naming those that cannot be read.

    Returns:
      ({path of a video: windows}, {path of a video: reason}) of those done now and those left out.
    """
    done, skipped = {}, {}
    todo = [target for target in targets if not target.is_done]
    for number, target in enumerate(todo, 1):
        name = readable(target.video.path)
        label = f'{name} ({number} of {len(todo)})'
        try:
            done[name] = extract_video(extractor, target, video_format, stride, arrays, label)
        except (VideoError, NonFiniteAnswerError) as error:
            skipped[name] = str(error)
            entry.report_error(f'{name}: {error}')
            continue
        except OSError as error:
            if error.filename != str(target.path):
                raise
            raise DiskError(
                f'{target.path}: {error.strerror}; the files of features before it are kept; make room '
                f'and run the same command again'
            ) from error
        entry.report(f'{label}: {done[name]} windows, {target.path}')
    return done, skipped


def main(arguments):
    check_flags(arguments)
    videos = feature_file.find_videos(arguments)
    strategy = start_runtime(RuntimeOptions.of(FLAGS))
    with strategy.scope():
        network = load_network(FLAGS.model)
    require_rgb(network, FLAGS.model)
    window = FLAGS.window or network.video_format.clip_frames
    stride = FLAGS.stride or window
    extractor = Extractor(network, FLAGS.endpoint, FLAGS.pool, window, FLAGS.batch_size, strategy)
    settings = {
        'model': file_identity(FLAGS.model),
        'endpoint': FLAGS.endpoint,
        'window': window,
        'stride': stride,
        'pool': FLAGS.pool,
        'dtype': FLAGS.dtype,
    }
    inputs = [('--model', FLAGS.model), *(('video', one.path) for one in videos)]
    this = Run(
        'extract_features', FLAGS.workdir, settings, FLAGS.overwrite, inputs=inputs, goes_on=True
    )
    targets = feature_file.choose_targets(videos, this / 'features')
    before = sum(target.is_done for target in targets)
    if before:
        entry.report(f'{this.path}: {before} of {len(targets)} videos are done already')
    arrays = {'endpoint': FLAGS.endpoint, 'pool': FLAGS.pool, 'model': settings['model']['path']}
    started = time.monotonic()
    done, skipped = extract_all(extractor, targets, network.video_format, stride, arrays)
    files = {
        readable(target.video.path): str(target.path)
        for target in targets
        if readable(target.video.path) not in skipped
    }
    results = {
        'videos': len(files),
        'done_before': before,
        'skipped': len(skipped),
        'windows': sum(done.values()),
        'seconds': time.monotonic() - started,
        'feature_shape': extractor.shape,
        'skipped_videos': [{'video': name, 'reason': why} for name, why in skipped.items()],
        'files': files,
    }
    this.finish(results, _markdown(settings, results))
    entry.report(
        f'{len(files)} videos, {before} of them from before, {len(skipped)} skipped: '
        f'{this / "features"}'
    )
    return 1 if skipped else 0


def _markdown(settings, results):
    figures = ('videos', 'done_before', 'skipped', 'windows', 'seconds')
    rows = [('model', settings['model']['path'])]
    rows += [(name, settings[name]) for name in ('endpoint', 'pool', 'window', 'stride', 'dtype')]
    rows += [(name.replace('_', ' '), results[name]) for name in figures]
    tables = [
        ('Skipped', ('video', 'reason'), [(*row.values(),) for row in results['skipped_videos']]),
        ('Files', ('video', 'features'), list(results['files'].items())),
    ]
    text = f'# Features\n\n{markdown_table(("what", "value"), rows)}'
    for title, header, lines in tables:
        if lines:
            text += f'\n## {title}\n\n{markdown_table(header, lines[:_LISTED])}'
        if len(lines) > _LISTED:
            text += f'\nAnd {len(lines) - _LISTED} more, in results.json.\n'
    return text
