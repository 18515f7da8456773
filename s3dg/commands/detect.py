"""Finds actions in video files: draws their boxes onto the videos, and writes them as rows.

  s3dg detect --model=detector.keras holiday.mp4 another.mov

The model is what `experiments.action_detection` leaves, a `.keras` file, or a SavedModel that
`s3dg export` made of it. Every frame is looked at, or every --stride-th one; between them the boxes
stay. WORKDIR/detections holds for each video, here `holiday.mp4`:

  holiday.mp4    the video with boxes, actions and scores drawn onto it, without sound
  holiday.csv    a row for each box: video, frame (from 1), label (from 0), score, x1, y1, x2, y2:
                 pixels of the video, the last ones included, as the ACT detector's rows have them
  holiday.json   the same with names and times: frame (from 0), seconds, label, score, and box: x1,
                 y1, x2, y2 with the pixel's far side as the end

A process of its own decodes the videos. Memory is bounded by a clip and --batch_size, however long
a video is. A video that cannot be read is named with the reason, the others are done, and the exit
code is 1. The same command again does what is missing, and videos that have changed since.
"""

import collections
import contextlib
import itertools
import json

import numpy as np
from absl import flags

from s3dg import files
from s3dg.answers import NonFiniteAnswerError
from s3dg.detection.key_frames import key_frames
from s3dg.detection.rows import HEADER, row, row_start
from s3dg.detection.saved import SavedDetector
from s3dg.errors import S3dgError, VideoError
from s3dg.figures.detections import colour_of, draw_boxes
from s3dg.files.disk import writing
from s3dg.files.readers import read_json
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_workdir_flags, required
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_CLIPS, define_count, define_number
from s3dg.program.workdir import Run, file_identity, home_path
from s3dg.progress import ProgressLine
from s3dg.video import ahead, sampling
from s3dg.video import writing as video_files

FLAGS = flags.FLAGS

_MEASURED = 32  # frames whose times give the rate of a video
_KEPT = 'what was done before is kept; make room and run the same command again'


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('detect')
    flags.DEFINE_string('model', None, "The detector's .keras file, or its SavedModel's folder.")
    define_count('stride', 1, 'Frames from one that is looked at to the next.', 1_000_000)
    define_number('least_score', 0.3, 'Boxes with a lower score are left out.', 1)
    define_count('batch_size', 1, 'Frames that are looked at together.', MOST_CLIPS)
    define_count('chunk', 64, 'Proposals that are classified at once (of a .keras file).', 10_000)


class DetectionFileError(S3dgError, ValueError):
    """A file of detections that is damaged."""


def load_detector(path, chunk):
    """The `SavedDetector` at a path; UsageError where there is none."""
    path = home_path(path)
    try:
        return SavedDetector(path, chunk)
    except S3dgError as error:
        raise UsageError(f'--model: {path}: {error}') from error
    except OSError as error:
        raise UsageError(f'--model: {path}: {error.strerror}, expected a detector.') from error


class _Measured:
    """The frames of a video, with their rate, which the first of them tell."""

    def __init__(self, frames):
        first, times = [], []
        for frame in itertools.islice(frames, _MEASURED):
            first.append(frame)
            times.append(frames.time)
        if not first:
            raise VideoError('it has no frames')
        self.start, self.size = times[0], first[0].shape[:2]
        self.rate = sampling.mean_frames_per_second(np.array(times)) if len(first) > 1 else 25.0
        self.frames = itertools.chain(first, frames)


def found_in(detector, frames, stride, batch_size):
    """Yields (number of a key frame, its boxes, labels and scores), boxes in pixels of the video.

    Args:
      detector: a `SavedDetector`.
      frames: iterable of uint8 (height, width, 3), RGB, of one size.
      stride, batch_size: as the flags.

    Raises:
      NonFiniteAnswerError: where an answer is no number.
    """
    video_format, sizes = detector.video_format, []

    def resized():
        for frame in frames:
            sizes[:] = frame.shape[:2]
            yield sampling.resize(frame, video_format.frame_size, None)

    keys = key_frames(resized(), video_format.clip_frames, stride, 'flow' in detector.inputs)
    while batch := list(itertools.islice(keys, batch_size)):
        found = detector.detect(
            {name: np.stack([getattr(one, name) for one in batch]) for name in detector.inputs}
        )
        scale = np.float32(sizes * 2) / np.float32(video_format.frame_size * 2)
        for place, one in enumerate(batch):
            is_box = found['is_box'][place]
            boxes, scores = found['boxes'][place][is_box] * scale, found['scores'][place][is_box]
            if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
                raise NonFiniteAnswerError(f'The boxes of frame {one.number} are not finite.')
            yield one.number, boxes, found['labels'][place][is_box], scores


def detect_video(detector, frames, targets, name, identity, options, progress):
    """Writes what is found in a video; returns (frames, boxes).

    Args:
      frames: an `ahead.Frames`.
      targets: paths of the video, the rows and the JSON file to write.
      name, identity: of the video, for the rows and as `file_identity`.
      options: dict with 'stride', 'least_score' and 'batch_size'.
      progress: called with the number of frames done.
    """
    measured = _Measured(frames)
    shown, seen = itertools.tee(measured.frames)
    found = found_in(detector, seen, options['stride'], options['batch_size'])
    counts = collections.Counter()
    with contextlib.ExitStack() as stack:
        rows, document = (
            stack.enter_context(
                open(stack.enter_context(files.unfinished(path)), 'w', encoding='utf-8', newline='')
            )
            for path in targets[1:]
        )
        rows.write(','.join(HEADER) + '\n')
        about = {'video': identity, 'frames_per_second': measured.rate, **options}
        document.write(json.dumps(about)[:-1] + ', "detections": [')

        def note(number, boxes, labels, scores):
            start = row_start(name, number)
            columns = (column.tolist() for column in (boxes, labels, scores))
            for box, label, score in zip(*columns, strict=True):
                rows.write(row(start, label, score, box))
                entry_of = {
                    'frame': number,
                    'seconds': measured.start + number / measured.rate,
                    'label': detector.class_names[label],
                    'score': score,
                    'box': [box[1], box[0], box[3], box[2]],
                }
                document.write(',\n'[not counts['boxes'] :] + json.dumps(entry_of))
                counts['boxes'] += 1

        def drawn():
            upcoming, current = next(found, None), None
            for number, frame in enumerate(shown):
                if upcoming is not None and upcoming[0] == number:
                    kept = upcoming[3] >= options['least_score']
                    current = [column[kept] for column in upcoming[1:]]
                    note(number, *current)
                    upcoming = next(found, None)
                counts['frames'] += 1
                progress(counts['frames'])
                if current is None:
                    yield frame
                    continue
                texts = [
                    f'{detector.class_names[label]} {score:.0%}'
                    for label, score in zip(*current[1:], strict=True)
                ]
                yield draw_boxes(frame, current[0], texts, [colour_of(k) for k in current[1]])

        video_files.write_video(targets[0], drawn(), measured.rate)
        document.write(']}\n')
    return counts['frames'], counts['boxes']


def choose_targets(path, folder):
    """Paths of the video, rows and JSON file of a video, and whether they are there already.

    They are named after the video; where another one has the name, a number is added.
    """
    identity = file_identity(path)
    for number in itertools.count(1):
        stem = path.stem if number == 1 else f'{path.stem}-{number}'
        targets = [folder / f'{stem}{suffix}' for suffix in ('.mp4', '.csv', '.json')]
        if not targets[2].exists():
            return targets, identity, False
        owner = read_json(targets[2], DetectionFileError, 'delete it to have it written again')
        if owner.get('video', {}).get('path') == identity['path']:
            is_done = owner['video'] == identity and all(one.exists() for one in targets)
            return targets, identity, is_done
    raise AssertionError(path)


def main(arguments):
    required('model', FLAGS.model)
    if not arguments:
        raise UsageError('No video given: s3dg detect --model=DETECTOR VIDEO...')
    options = {name: FLAGS[name].value for name in ('stride', 'least_score', 'batch_size')}
    paths, skipped, results = [home_path(one).absolute() for one in arguments], {}, {}
    with ahead.Reader() as reader:  # starts while the detector is loaded
        detector = load_detector(FLAGS.model, FLAGS.chunk)
        video_format = detector.video_format
        settings = {'model': str(home_path(FLAGS.model)), **options}
        inputs = [('--model', FLAGS.model), *(('video', path) for path in paths)]
        this = Run('detect', FLAGS.workdir, settings, FLAGS.overwrite, inputs=inputs, goes_on=True)
        (this / 'detections').mkdir(exist_ok=True)
        videos = reader.videos(
            paths,
            2 * video_format.clip_frames,
            frames_per_second=video_format.frames_per_second,
        )
        for number, (path, frames) in enumerate(zip(paths, videos, strict=True), 1):
            label = f'{path} ({number} of {len(paths)})'
            try:
                targets, identity, is_done = choose_targets(path, this / 'detections')
                if is_done:
                    entry.report(f'{label}: done already, {targets[0]}')
                    continue
                progress = ProgressLine(label, 'frames', entry.report)
                with writing(this / 'detections', _KEPT):
                    count, boxes = detect_video(
                        detector, frames, targets, path.name, identity, options, progress
                    )
            except (VideoError, NonFiniteAnswerError, FileNotFoundError) as error:
                reason = 'there is no such file' if isinstance(error, FileNotFoundError) else error
                skipped[str(path)] = str(reason)
                entry.report_error(f'{path}: {reason}')
                continue
            if frames.faults:
                entry.report(f'{label}: {frames.faults}')
            results[str(path)] = {'frames': count, 'boxes': boxes, 'drawn': str(targets[0])}
            entry.report(f'{label}: {boxes} boxes in {count} frames, {targets[0]}')
    rows = [(video, *values.values()) for video, values in results.items()]
    report = f'# Detections\n\n{markdown_table(("video", "frames", "boxes", "drawn"), rows)}'
    left_out = [{'video': video, 'reason': why} for video, why in skipped.items()]
    this.finish({'videos': results, 'skipped_videos': left_out}, report)
    return 1 if skipped else 0
