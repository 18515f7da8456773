"""Extracts what a network's layers make of video files: one .npz of features per video.

  s3dg features --model=s3d.keras --endpoint=Mixed_5c holiday.mp4 clips/

Videos may have any size, rate and length: they are resampled to the network's rate, resized and
centre-cropped as in evaluation. The network sees windows of --window frames that begin every
--stride frames; the last one ends with the video. A video shorter than a window is looped. Folders
are searched for video files, with the folders in them.

The features of a video are in WORKDIR/features, in a file named after the video: `holiday.mp4.npz`.
For videos found in a folder the name has the path from that folder: `clips/dance/a.mp4` becomes
`dance/a.mp4.npz`. Where another video has that name, folders of the path are added:
`2023/holiday.mp4.npz`. `results.json` says which file belongs to which video of the latest call.
A file holds

  features       float32: (windows, channels) with --pool=all, which averages over time and space;
                 (windows, time, channels) with --pool=space;
                 (windows, time, height, width, channels) with --pool=none. Dimensions that the
                 network itself has averaged over are not there: space of AvgPool_0a_7x7, all of
                 logits.
  frame_times    float64 (windows, frames): when each frame of a window appears, in seconds from the
                 start of the file; its pictures may begin later than its sound. Where a video is
                 looped the times repeat.
  feature_times  float64 (windows,) or (windows, time): for each feature, the mean time of the
                 frames that it stands for. The window's frames are shared out evenly among its
                 temporal steps.
  endpoint, pool, frames_per_second, model, video, video_bytes, video_changed: what the features are
                 of.

A process of its own decodes the videos while the network computes. Memory is bounded by
--batch_size windows, however long the video is. A video that cannot be read is named with the
reason, the others are done, and the exit code is 1. The same command again does what is missing,
and videos that have changed since; more videos may be added to the same workdir.
"""

import time

from absl import flags

from s3dg.answers import NonFiniteAnswerError
from s3dg.commands import feature_file
from s3dg.config import ENDPOINTS, ConfigError
from s3dg.errors import VideoError
from s3dg.features import LOGITS, POOLED_AXES, Extractor
from s3dg.files import readable
from s3dg.files.disk import DiskError
from s3dg.network import POOLED_FEATURES
from s3dg.program import entry
from s3dg.program.flags import define_runtime_flags, define_workdir_flags, required
from s3dg.program.loading import load_network, require_rgb
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_CLIPS, MOST_FRAMES, define_count
from s3dg.program.runtime import RuntimeOptions, start_runtime
from s3dg.program.workdir import Run, file_identity
from s3dg.progress import ProgressLine
from s3dg.video import ahead

FLAGS = flags.FLAGS

_LISTED = 20  # rows of a table in report.md, at most; results.json has all


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('features')
    define_runtime_flags()
    flags.DEFINE_string('model', None, 'The .keras file.')
    flags.DEFINE_enum(
        'endpoint', 'Mixed_5c', [*ENDPOINTS, POOLED_FEATURES, LOGITS], 'What the features are.'
    )
    window = "Frames of a window; default the network's clip_frames."
    define_count('window', None, window, MOST_FRAMES)
    stride = 'Frames from the start of a window to the next; default the window.'
    define_count('stride', None, stride, 1_000_000)
    flags.DEFINE_enum('pool', 'all', list(POOLED_AXES), 'What is averaged over, space and time.')
    batch_size = (
        'Windows per device at a time (8 on a GPU, for example); together at most 100 million '
        'pixels, which is 1,992 frames of 224x224.'
    )
    define_count('batch_size', 1, batch_size, MOST_CLIPS)


def extract_video(extractor, target, frames, stride, arrays, label):
    """Writes the features, with further `arrays`, of one `Target`; returns the number of windows.

    Its `frames` are an `ahead.Reader`'s.

    Raises:
      VideoError, NonFiniteAnswerError: as `Extractor`; nothing is written then.
    """
    found = extractor.of_video(
        target.video.path,
        stride,
        frames=frames,
        warn=lambda faults: entry.report(f'{label}: {faults}'),
    )
    blocks = _counted(found.blocks(), ProgressLine(label, 'windows', entry.report))
    feature_file.write_npz(
        target.path,
        'features',
        blocks,
        lambda: {
            **arrays,
            **feature_file.source_arrays(target),
            'frames_per_second': found.frames_per_second,
            'frame_times': found.frame_times,
            'feature_times': found.feature_times,
        },
    )
    return found.shape[0]


def _counted(blocks, progress):
    done = 0
    for block in blocks:
        done += len(block)
        progress(done)
        yield block


def extract_all(extractor, targets, reader, stride, arrays):
    """Extracts the features of all videos that are not done, naming those that cannot be read.

    Returns:
      (number of windows, {path of a video: reason} of those left out).
    """
    windows, skipped = 0, {}
    todo = [target for target in targets if not target.is_done]
    paths = [target.video.path for target in todo]
    videos = reader.videos(paths, 2 * extractor.window, **extractor.reading)
    for number, (target, frames) in enumerate(zip(todo, videos, strict=True), 1):
        name = readable(target.video.path)
        label = f'{name} ({number} of {len(todo)})'
        try:
            count = extract_video(extractor, target, frames, stride, arrays, label)
        except (VideoError, NonFiniteAnswerError) as error:
            skipped[name] = str(error)
            entry.report_error(f'{name}: {error}')
            continue
        except OSError as error:
            if error.filename != str(target.path):
                raise
            raise DiskError(
                f'{target.path}: {error.strerror}; the files of features before it are kept; make '
                f'room and run the same command again'
            ) from error
        windows += count
        entry.report(f'{label}: {count} windows, {target.path}')
    return windows, skipped


def main(arguments):
    required('model', FLAGS.model)
    if not arguments:
        raise entry.UsageError('No video given: s3dg features --model=FILE.keras VIDEO...')
    videos = feature_file.find_videos(arguments)
    with ahead.Reader() as reader:  # starts while the network is loaded
        strategy = start_runtime(RuntimeOptions.of(FLAGS))
        with strategy.scope():
            network = load_network(FLAGS.model)
        require_rgb(network, FLAGS.model)
        try:
            extractor = Extractor(
                network, FLAGS.endpoint, FLAGS.pool, FLAGS.window, FLAGS.batch_size, strategy
            )
        except ConfigError as error:
            raise entry.UsageError(f'--{error}') from error
        stride = FLAGS.stride or extractor.window
        settings = {
            'model': file_identity(FLAGS.model),
            'endpoint': FLAGS.endpoint,
            'window': extractor.window,
            'stride': stride,
            'pool': FLAGS.pool,
            'dtype': FLAGS.dtype,
        }
        inputs = [('--model', FLAGS.model), *(('video', one.path) for one in videos)]
        this = Run(
            'features', FLAGS.workdir, settings, FLAGS.overwrite, inputs=inputs, goes_on=True
        )
        targets = feature_file.choose_targets(videos, this / 'features')
        before = sum(target.is_done for target in targets)
        if before:
            entry.report(f'{this.path}: {before} of {len(targets)} videos are done already')
        arrays = {
            'endpoint': FLAGS.endpoint,
            'pool': FLAGS.pool,
            'model': settings['model']['path'],
        }
        started = time.monotonic()
        windows, skipped = extract_all(extractor, targets, reader, stride, arrays)
    files = {readable(target.video.path): str(target.path) for target in targets}
    files = {name: path for name, path in files.items() if name not in skipped}
    results = {
        'videos': len(files),
        'done_before': before,
        'skipped': len(skipped),
        'windows': windows,
        'seconds': time.monotonic() - started,
        'feature_shape': extractor.shape,
        'skipped_videos': [{'video': name, 'reason': why} for name, why in skipped.items()],
        'files': files,
    }
    this.finish(results, _markdown(settings, results))
    found = f'{len(files)} videos, {before} of them from before, {len(skipped)} skipped'
    entry.report(f'{found}: {this / "features"}')
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
