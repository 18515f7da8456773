"""Extracts what a network's layers make of videos, in the layout that one's tools read.

  s3dg features --model=s3d.keras --endpoint=Mixed_5c holiday.mp4 clips/
  s3dg features --model=i3d_rgb.keras --flow_model=i3d_flow.keras --layout=actionformer videos.csv

A video is a file of any size, rate and length, or a folder of numbered images, taken at
--folder_fps. Other folders are searched for both, with the folders in them. A `.csv` list has a
column `path` and, if wanted, `name`: what the video's features are called. Videos are resampled to
the network's rate, resized and centre-cropped as in evaluation; --fps, --short_side and --crops
change that. The networks see windows of --window frames that begin every --stride frames; --tail
says what becomes of the frames at the end that fill no window:

  shift   the last window ends with the video; a video shorter than a window is looped
  drop    they are left out; a shorter video is skipped
  repeat  the last frame is repeated
  zero    the rest of the window is black, and of flow without motion

--layout sets all of these to what its consumer expects, and the endpoint to what the classifier
sees; each may be given as well. --streams=flow and both take TV-L1 flow, half a second for a frame
of 256x256, with the network --flow_model; the last frame, from which no flow leads on, is then left
out. Several --crops are the corners and the centre (5), and those of the mirrored frames (10).

By itself (--layout=npz) the features of a video are in WORKDIR/features, in a file named after the
video: `holiday.mp4.npz`. For videos found in a folder the name has the path from that folder:
`clips/dance/a.mp4` becomes `dance/a.mp4.npz`. Where another video has that name, folders of the
path are added: `2023/holiday.mp4.npz`. `results.json` says which file belongs to which video of the
latest call. A file holds

  features       float32: (windows, channels) with --pool=all, which averages over time and space;
                 (windows, time, channels) with --pool=space;
                 (windows, time, height, width, channels) with --pool=none. Dimensions that the
                 network itself has averaged over are not there: space of AvgPool_0a_7x7, all of
                 logits. Several crops are an axis after the windows. Of two streams the channels of
                 RGB come first.
  frame_times    float64 (windows, frames): when each frame of a window appears, in seconds from the
                 start of the file; its pictures may begin later than its sound. Where a frame is
                 seen again its time is too; where there is none it is NaN.
  feature_times  float64 (windows,) or (windows, time): for each feature, the mean time of the
                 frames that it stands for. The window's frames are shared out evenly among its
                 temporal steps.
  endpoint, pool, frames_per_second, model, video, video_bytes, video_changed: what the features are
                 of.

In other layouts the files are named after the video without its suffix, or by the list.

A process of its own decodes the videos, each once, while the network computes. Memory is bounded by
--batch_size windows, of one video or several, however long they are; in other layouts than npz the
features of a video are held too. A video that cannot be read is
named with the reason, the others are done, and the exit code is 1. The same command again does what
is missing, and videos that have changed since; more videos may be added to the same workdir.
--shard=K/N does every Nth video, from the Kth (0 to N-1) on: N processes with the same workdir, on
one machine or many, do all. Without --shard the same command then lists what they did.
"""

import hashlib
import re
import time

from absl import flags

from s3dg.analysis.extraction import extract
from s3dg.commands import feature_file, feature_plan, layouts
from s3dg.commands.feature_plan import CROPS, STREAMS, FeatureOptions
from s3dg.commands.inputs import define_folder_flags, find_videos
from s3dg.config import ENDPOINTS
from s3dg.features import LOGITS, POOLED_AXES
from s3dg.files import disk, locks, readable
from s3dg.network import POOLED_FEATURES
from s3dg.program import entry
from s3dg.program.flags import define_runtime_flags, define_workdir_flags, read
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_CLIPS, MOST_FRAMES, MOST_PIXELS, define_count
from s3dg.program.runtime import RuntimeOptions, start_runtime
from s3dg.program.workdir import Run, file_identity, home_path
from s3dg.progress import ProgressLine
from s3dg.video import ahead, windows

FLAGS = flags.FLAGS

_ATTEMPTS = 60  # a second apart, where another shard compares its settings
_KEPT = 'the files of features before it are kept; make room and run the same command again'
_LISTED = 20  # rows of a table in report.md, at most; results.json has all


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('features')
    define_runtime_flags()
    flags.DEFINE_string('model', None, 'The .keras file.')
    flags.DEFINE_string('flow_model', None, 'The .keras file of the network for flow.')
    about = '; '.join(f'{name}: {one.about}' for name, one in layouts.LAYOUTS.items())
    flags.DEFINE_enum('layout', 'npz', list(layouts.LAYOUTS), f'Of the files. {about}.')
    flags.DEFINE_enum('streams', None, list(STREAMS), "Default the layout's.")
    endpoints = [*ENDPOINTS, POOLED_FEATURES, LOGITS]
    endpoint = "What the features are; default the layout's, of npz Mixed_5c."
    flags.DEFINE_enum('endpoint', None, endpoints, endpoint)
    define_count('window', None, "Frames; default the layout's or network's.", MOST_FRAMES)
    stride = "Frames from the start of a window to the next; default the layout's or the window."
    define_count('stride', None, stride, 1_000_000)
    flags.DEFINE_enum('tail', None, windows.TAILS, "Of a video; default the layout's.")
    fps = "Frames a second, or 'own' for the video's; default the layout's or network's."
    flags.DEFINE_string('fps', None, fps)
    short_side = "Pixels of the shorter side before the crop; default the layout's or network's."
    define_count('short_side', None, short_side, MOST_PIXELS)
    flags.DEFINE_enum('crops', None, list(CROPS), "Default the layout's.")
    flags.DEFINE_enum('pool', 'all', list(POOLED_AXES), 'What is averaged over, space and time.')
    define_folder_flags()
    flags.DEFINE_string('shard', None, 'K/N: the part of the videos to do, from 0/N to N-1/N.')
    batch_size = (
        'Windows per device at a time (8 on a GPU, for example); together at most 100 million '
        'pixels, which is 1,992 frames of 224x224.'
    )
    define_count('batch_size', 1, batch_size, MOST_CLIPS)


def parse_shard(text):
    """(K, N) of 'K/N'; None for None; UsageError for what is none."""
    if text is None:
        return None
    match = re.fullmatch(r'(\d{1,6})/(\d{1,6})', text)
    if match is None or not int(match[1]) < int(match[2]):
        raise entry.UsageError(f'--shard: found {text!r}, expected K/N with K from 0 to N-1.')
    return int(match[1]), int(match[2])


def extract_all(extraction, targets, reader, create_sink):
    """Extracts the features of all videos that are not done, naming those that cannot be read.

    Args:
      create_sink: from a `Target` and a function that takes its progress to its sink.

    Returns:
      ({path of a video: its windows}, {path of a video: reason} of those left out).
    """
    counts, skipped = {}, {}
    todo = [target for target in targets if not target.is_done]

    def tell(number, target):
        name = readable(target.video.path)
        label = f'{name} ({number} of {len(todo)})'
        progress = ProgressLine(label, 'windows', entry.report)

        def told(done, faults=None):
            if faults is None:
                progress(done)
                return
            counts[name] = done
            if faults:
                entry.report(f'{label}: {faults}')
            entry.report(f'{label}: {done} windows, {target.path}')

        return told

    def videos():
        paths = [target.video.path for target in todo]
        most = 2 * extraction.cut.frames
        frames_of = reader.videos(paths, most, **extraction.reading)
        for number, (target, frames) in enumerate(zip(todo, frames_of, strict=True), 1):
            yield _Named(create_sink(target, tell(number, target)), target, skipped), frames

    extract(extraction, videos())
    return counts, skipped


class _Named:
    """A sink that names the video where it fails, and the disk where that does."""

    def __init__(self, sink, target, skipped):
        self._sink, self._target, self._skipped = sink, target, skipped

    def append(self, rows):
        with self._named():
            self._sink.append(rows)

    def finish(self, times, faults):
        with self._named():
            self._sink.finish(times, faults)

    def fail(self, error):
        self._sink.fail(error)
        if error is not None:
            name = readable(self._target.video.path)
            self._skipped[name] = str(error)
            entry.report_error(f'{name}: {error}')

    def _named(self):
        return disk.writing(self._target.path, _KEPT)


def open_run(workdir, settings, inputs, overwrite, shard):
    """The `Run` to write to, and the workdir, which is above that of a shard.

    The settings are the workdir's. A shard holds it only while it compares them, and then a folder
    of its own, so that all can be at work.
    """
    common = {'inputs': inputs, 'goes_on': True}
    if shard is None:
        this = Run('features', workdir, settings, overwrite, **common)
        return this, this.path
    if overwrite:
        raise entry.UsageError('--overwrite: not with --shard, as others may be at work there.')
    for attempt in range(_ATTEMPTS):
        try:
            whole = Run('features', workdir, settings, **common)
            break
        except locks.InUseError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(1)
    path = whole.path
    del whole
    part = path / 'shards' / f'{shard[0]}-of-{shard[1]}'
    return Run('features', part, {**settings, 'shard': list(shard)}, **common), path


def choose_sinks(layout, videos, workdir, arrays, shard):
    """The `Target`s of the videos of a shard, or of all, and what makes a sink of one."""
    folder = workdir / 'features'
    if layout.files is None:
        targets = feature_file.choose_targets(videos, folder)

        def create(target, tell):
            return feature_file.NpzSink(target, arrays, tell)
    else:
        names = layouts.ids(videos)
        targets = feature_file.layout_targets(names, folder, workdir / 'records')

        def create(target, tell):
            return feature_file.LayoutSink(target, layout, names[target.video], folder, tell)

    return (targets if shard is None else targets[shard[0] :: shard[1]]), create


def main(arguments):
    options = read(FeatureOptions, FLAGS)
    shard = parse_shard(FLAGS.shard)
    if not arguments:
        raise entry.UsageError('No video given: s3dg features --model=FILE.keras VIDEO...')
    videos = find_videos(arguments)
    with ahead.Reader() as reader:  # starts while the networks are loaded
        strategy = start_runtime(RuntimeOptions.of(FLAGS))
        with strategy.scope():
            layout, networks = feature_plan.load_networks(options)
        extraction, settings = feature_plan.create_extraction(options, layout, networks, strategy)
        given = {name: FLAGS[name].value for name in ('model', 'flow_model')}
        models = [path for path in given.values() if path is not None]
        settings = {'model': file_identity(models[0]), **settings}
        if len(models) > 1:
            settings['flow_model'] = file_identity(models[1])
        inputs = [(f'--{name}', path) for name, path in given.items()]
        inputs += [('video', one.path) for one in videos]
        this, workdir = open_run(FLAGS.workdir, settings, inputs, FLAGS.overwrite, shard)
        arrays = {'endpoint': layout.endpoint, 'pool': FLAGS.pool, 'model': models[0]}
        targets, create = choose_sinks(layout, videos, workdir, arrays, shard)
        before = sum(target.is_done for target in targets)
        if before:
            entry.report(f'{this.path}: {before} of {len(targets)} videos are done already')
        started = time.monotonic()
        counts, skipped = extract_all(extraction, targets, reader, create)
    done = {readable(target.video.path): str(target.path) for target in targets}
    done = {name: path for name, path in done.items() if name not in skipped}
    results = {
        'videos': len(done),
        'done_before': before,
        'skipped': len(skipped),
        'windows': sum(counts.values()),
        'seconds': time.monotonic() - started,
        'layout': options.layout,
        'frames_per_second': extraction.reading['frames_per_second'],
        'models': {path: _digest(path) for path in models},
        'feature_shape': next(iter(extraction.extractors.values())).shape,
        'skipped_videos': [{'video': name, 'reason': why} for name, why in skipped.items()],
        'files': done,
    }
    this.finish(results, _markdown(settings, results))
    found = f'{len(done)} videos, {before} of them from before, {len(skipped)} skipped'
    entry.report(f'{found}: {workdir / "features"}')
    return 1 if skipped else 0


def _digest(path):
    """The SHA-256 of a file."""
    with open(home_path(path), 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def _markdown(settings, results):
    figures = ('layout', 'videos', 'done_before', 'skipped', 'windows', 'seconds')
    rows = [(f'model, SHA-256 of {path}', digest) for path, digest in results['models'].items()]
    names = ('endpoint', 'pool', 'window', 'stride', 'dtype')
    rows += [(name, settings[name]) for name in names]
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
