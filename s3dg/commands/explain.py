"""Shows what in videos speaks for a class: heat over the frames, by the network's own gradients.

  s3dg explain --model=s3d.keras holiday.mp4 clips/
  s3dg explain --model=s3d.keras --class='riding a bike' holiday.mp4

The class is the most probable one of each video, as `s3dg classify` tells it, or --class, by name
or number (from 0). The heat is that of the cells of an endpoint: activation times gradient of the
class's logit, where that speaks for the class (Grad-CAM without its averaging of gradients). By
default the endpoint is the last one with at least sixteen rows and columns of cells. Cells of later
ones see more at once, and show less of where it is.

Videos are seen as by `classify`, in windows of --window frames; their heat is on one scale, of
which the hottest cell of the video is the end. Where a frame is in two windows, or is repeated
because a video shorter than a window is looped, its heat is the mean. What the network does not
see, beyond the crop in the middle of the frames, has none.

WORKDIR/explain holds for each video, here `holiday.mp4`, named as by `s3dg features`:

  holiday.mp4.mp4   the frames that the network sees, at its rate and the video's size, with heat
                    over them; no sound. Odd sizes grow by a pixel
  holiday.mp4.png   a filmstrip of it, below the frames as they are
  holiday.mp4.npz   heat, float32 (windows, t, h, w); where the middles of its cells are: times,
                    float64 (windows, t) in seconds, rows and columns, float64 (h,) and (w,) in
                    pixels of the video; peak, float64 (seconds, x, y), the middle of the hottest
                    cell, NaN where nothing speaks for the class; class, probability, endpoint

`results.json` has class, probability and peak of each video.

A process of its own decodes each video three times: for the class, for the heat, and for the
drawing. So memory is bounded by a window and the heat, at most a few kilobytes for each frame of
the video. A video that cannot be read is named with the reason, the others are done, and the exit
code is 1. The same command again does what is missing, and videos that have changed since.
"""

import difflib
import itertools

import numpy as np
from absl import flags

from s3dg import files
from s3dg.analysis.classification import class_names, video_probabilities
from s3dg.answers import NonFiniteAnswerError
from s3dg.commands import feature_file
from s3dg.commands.inputs import find_videos
from s3dg.config import ENDPOINTS
from s3dg.errors import VideoError
from s3dg.explanation import cells
from s3dg.explanation.grad_cam import GradCam
from s3dg.explanation.video_heat import VideoHeat
from s3dg.figures import heat as pictures
from s3dg.files import disk, readable
from s3dg.files.readers import read_npz
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_workdir_flags, required
from s3dg.program.loading import load_network, require_classes, require_rgb
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_FRAMES, define_count
from s3dg.program.workdir import Run, file_identity
from s3dg.progress import ProgressLine
from s3dg.saving.loaded import LoadedNetwork
from s3dg.video import ahead, sampling, writing
from s3dg.video.windows import cut_windows

FLAGS = flags.FLAGS

_PASSES = 3  # over each video
_RATE_OF_ONE_FRAME = 25.0  # frames a second
_KEPT = 'what was done before is kept; make room and run the same command again'
_FOUND = {'class': ('U', 0), 'probability': ('f', 0), 'peak': ('f', 1)}  # in a file of heat


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('explain')
    flags.DEFINE_string('model', None, 'The .keras file.')
    explained = 'Name or number of the class to explain; default the most probable one.'
    flags.DEFINE_string('class', None, explained)
    endpoint = 'Whose cells are heated; default the last one with 16 rows and columns of them.'
    flags.DEFINE_enum('endpoint', None, ENDPOINTS, endpoint)
    window = "Frames of a window; default the network's evaluation_frames."
    define_count('window', None, window, MOST_FRAMES)


def find_class(word, names):
    """The label of the class that a word names: one of `names`, or a number.

    Raises:
      UsageError: where there is no such class; it says which ones have names like it.
    """
    if word in names:
        return names.index(word)
    if word.isdecimal() and len(word) < 10 and int(word) < len(names):
        return int(word)
    close = difflib.get_close_matches(word, names)
    like = f' like {", ".join(map(repr, close))}' if close else ''
    raise UsageError(
        f"--class: found {word!r}, expected the name of one of the network's classes{like}, or a "
        f'number from 0 to {len(names) - 1}.'
    )


class Explainer:
    """A network, and the heat of videos at one of its endpoints.

    Args:
      network: a `Network` of classes.
      endpoint: one of `ENDPOINTS`, an attribute too; None: the `cells.default_endpoint`.
      window: frames of a window; None: the network's `evaluation_frames`.

    Raises:
      UsageError: where a window leaves nothing at the endpoint.
    """

    def __init__(self, network, endpoint=None, window=None):
        self.model = LoadedNetwork(network)
        if window is not None:
            self.model.video_format = network.video_format.replace(evaluation_frames=window)
        self.video_format = self.model.video_format
        self.window, crop_size = self.video_format.evaluation_frames, self.video_format.crop_size
        sizes = (self.window, *crop_size)
        self.endpoint = endpoint or cells.default_endpoint(network, sizes)
        self.centres = cells.centres(network, self.endpoint, sizes)
        if not all(map(len, self.centres)):
            raise UsageError(
                f'--window: {self.window} frames of {crop_size[0]}x{crop_size[1]} leave nothing at '
                f'{self.endpoint}, expected a longer window.'
            )
        self.names = class_names(network, network.config.num_classes)
        self._grad_cam = GradCam(network, self.endpoint)

    def _resized(self, frames):
        size = self.video_format.frame_size, self.video_format.short_side
        for frame in frames:
            yield sampling.resize(frame, *size)

    def probabilities(self, frames):
        """As `classification.video_probabilities`, of frames of any size."""
        return video_probabilities(self.model, self._resized(frames))

    def heat(self, frames, label):
        """Heat of a class, float32 (windows, t, h, w), in a video's frames; errors as `GradCam`."""
        clips = cut_windows(self._resized(frames), self.window)
        crop_size = self.video_format.crop_size
        return np.concatenate(
            [self._grad_cam(sampling.crop_centre(one, crop_size)[None], label) for one in clips]
        )


def explain_video(explainer, passes, label, target, arrays, progress):
    """Writes what speaks for a class in a video.

    Args:
      explainer: an `Explainer`.
      passes: iterator of three `ahead.Frames` of the video.
      label: the class, or None for the most probable one.
      target: the `feature_file.Target` of the heat, which is written last.
      arrays: further ones to write with it.
      progress: called with the number of frames read, each of them three times.

    Returns:
      (the arrays of `_FOUND` as a dict, faults of the file in words).

    Raises:
      VideoError, NonFiniteAnswerError: nothing is written then.
    """
    times, sizes, strip = [], [], []
    read = itertools.count(1)

    def first(frames):
        for frame in frames:
            times.append(frames.time)
            sizes[:] = frame.shape[:2]
            progress(next(read))
            yield frame

    def again(frames):
        for number, frame in enumerate(itertools.chain(frames, [None])):
            if (frame is None) != (number == len(times)):
                raise VideoError('it has changed while it was read')
            if frame is not None:
                progress(next(read))
                yield frame

    probabilities = explainer.probabilities(first(next(passes)))
    label = int(probabilities.argmax()) if label is None else label
    heat = explainer.heat(again(next(passes)), label)
    video = VideoHeat(
        heat, explainer.video_format, explainer.centres, np.array(times), tuple(sizes)
    )
    found = {
        'class': explainer.names[label],
        'probability': float(probabilities[label]),
        'peak': video.peak,
    }
    shown, last = pictures.strip_numbers(len(times)), next(passes)

    def drawn():
        for number, frame in enumerate(again(last)):
            heated = pictures.blend(frame, video.over(number))
            if number in shown:
                strip.append((pictures.reduced(frame), pictures.reduced(heated), times[number]))
            yield writing.even(heated)

    rate = sampling.mean_frames_per_second(np.array(times))
    rate = rate if len(times) > 1 else _RATE_OF_ONE_FRAME
    writing.write_video(_beside(target, '.mp4'), drawn(), writing.stated_rate(rate))
    title = f'{found["class"]}, {found["probability"]:.1%}'
    pictures.filmstrip(*zip(*strip, strict=True), title, _beside(target, '.png'))
    arrays = {**arrays, **found, **feature_file.source_arrays(target), **video.cells}
    with files.unfinished(target.path) as temporary:
        np.savez(temporary, heat=heat, **arrays)
    return found, last.faults


def _beside(target, suffix):
    return target.path.with_suffix(suffix)


def _is_done(target):
    return target.is_done and all(_beside(target, one).exists() for one in ('.mp4', '.png'))


def _read_found(target):
    remedy = 'delete it and run the same command again'
    found = read_npz(target.path, _FOUND, feature_file.FeatureFileError, remedy)
    return {name: value if value.ndim else value.item() for name, value in found.items()}


def _not_below(folder, videos):
    """The videos but those below a folder, which the program itself has drawn."""
    folder = folder.resolve()
    found = [one for one in videos if not one.path.resolve().is_relative_to(folder)]
    if len(found) < len(videos):
        entry.report(f'{folder}: the {len(videos) - len(found)} videos in it are left out')
    return found


def _summary(target, found):
    peak = found['peak'].tolist()
    place = dict(zip(('seconds', 'x', 'y'), peak, strict=True)) if peak[0] == peak[0] else None
    written = {name: str(_beside(target, f'.{name}')) for name in ('mp4', 'png', 'npz')}
    return {'class': found['class'], 'probability': found['probability'], 'peak': place, **written}


def _said(summary):
    peak, text = summary['peak'], f'{summary["class"]}, {summary["probability"]:.2%}'
    if peak is None:
        return f'{text}, and nothing speaks for it'
    return f'{text}, most at {peak["seconds"]:.2f} s, x {peak["x"]:.0f}, y {peak["y"]:.0f}'


def explain_all(explainer, targets, reader, label, arrays):
    """Explains all videos that are not done, naming those that cannot be read.

    Returns:
      ({path of a video: what results.json has of it}, {path: reason} of those left out).
    """
    done, skipped = {}, {}
    todo = [target for target in targets if not _is_done(target)]
    paths = [target.video.path for target in todo for _ in range(_PASSES)]
    rate = explainer.video_format.frames_per_second
    videos = reader.videos(paths, 2 * explainer.window, frames_per_second=rate)
    for number, target in enumerate(targets, 1):
        name = readable(target.video.path)
        line = f'{name} ({number} of {len(targets)})'
        if target not in todo:
            done[name] = _summary(target, _read_found(target))
            entry.report(f'{line}: done already, {_said(done[name])}')
            continue
        passes = (next(videos) for _ in range(_PASSES))
        progress = ProgressLine(line, f'frames, each {_PASSES} times', entry.report)
        try:
            with disk.writing(target.path, _KEPT):
                found, faults = explain_video(explainer, passes, label, target, arrays, progress)
            done[name] = _summary(target, found)
            entry.report(f'{line}: {_said(done[name])}; {_beside(target, ".mp4")}')
            if faults:
                entry.report(f'{line}: {faults}')
        except (VideoError, NonFiniteAnswerError) as error:
            skipped[name] = str(error)
            entry.report_error(f'{name}: {error}')
        for _ in passes:  # of a video that was given up
            pass
    return done, skipped


def main(arguments):
    required('model', FLAGS.model)
    if not arguments:
        raise UsageError('No video given: s3dg explain --model=FILE.keras VIDEO...')
    videos = find_videos(arguments)
    with ahead.Reader() as reader:  # starts while the network is loaded
        network = load_network(FLAGS.model)
        require_rgb(network, FLAGS.model)
        require_classes(network, FLAGS.model)
        explainer = Explainer(network, FLAGS.endpoint, FLAGS.window)
        word, label = FLAGS['class'].value, None
        if word is not None:
            label = find_class(word, explainer.names)
        settings = {
            'model': file_identity(FLAGS.model),
            'class': None if label is None else explainer.names[label],
            'endpoint': explainer.endpoint,
            'window': explainer.window,
        }
        inputs = [('--model', FLAGS.model), *(('video', one.path) for one in videos)]
        this = Run('explain', FLAGS.workdir, settings, FLAGS.overwrite, inputs=inputs, goes_on=True)
        folder = this / 'explain'
        targets = feature_file.choose_targets(_not_below(folder, videos), folder)
        arrays = {'endpoint': explainer.endpoint, 'model': settings['model']['path']}
        done, skipped = explain_all(explainer, targets, reader, label, arrays)
    rows = [
        (name, one['class'], f'{one["probability"]:.2%}', one['mp4']) for name, one in done.items()
    ]
    header = ('video', 'class', 'probability', 'drawn')
    report = f'# Explanations\n\nHeat at {explainer.endpoint}.\n\n{markdown_table(header, rows)}'
    left_out = [{'video': name, 'reason': why} for name, why in skipped.items()]
    this.finish(
        {'endpoint': explainer.endpoint, 'videos': done, 'skipped_videos': left_out}, report
    )
    return 1 if skipped else 0
