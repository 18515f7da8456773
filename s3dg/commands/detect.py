"""Finds actions in video files: draws their boxes onto the videos, and writes them as rows.

  s3dg detect --model=detector.keras holiday.mp4 another.mov

The model is what `experiments.action_detection` leaves, a `.keras` file, or a SavedModel that
`s3dg export` made of it. Every frame is looked at, or every --stride-th one; between them the boxes
stay. WORKDIR/detections holds for each video, here `holiday.mp4`:

  holiday.mp4    the video with boxes, actions and scores drawn onto it, without sound; odd sizes
                 grow by a pixel
  holiday.csv    a row for each box: video, frame (from 1), label (from 0), score, x1, y1, x2, y2.
                 x2 and y2 are the last pixels inside the box, as in rows of the ACT detector
  holiday.json   the same with names and times: frame (from 0), seconds, label, score, and box: x1,
                 y1, x2, y2, where the box ends

A detector that was trained at a frame rate sees videos at that rate, and frames are counted and
drawn at it. A detector of flow computes TV-L1 flow, which takes about half a second for a frame.

A process of its own decodes the videos. Memory is bounded by half a clip and the frames between the
first and the last key frame of a batch, however long a video is. A video that cannot be read is
named with the reason, the others are done, and the exit code is 1. The same command again does what
is missing, and videos that have changed since.
"""

import collections
import contextlib
import itertools
import json
import os

import numpy as np
from absl import flags

from s3dg import files
from s3dg.answers import NonFiniteAnswerError
from s3dg.detection.key_frames import key_frames
from s3dg.detection.rows import HEADER, row, row_start
from s3dg.detection.saved import SavedDetector
from s3dg.errors import S3dgError, VideoError
from s3dg.figures.detections import colours, draw_boxes
from s3dg.files import readable
from s3dg.files.disk import DiskError
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_workdir_flags, required
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_BOXES, MOST_CLIPS, define_count, define_number
from s3dg.program.workdir import Run, file_identity, home_path, model_identity
from s3dg.progress import ProgressLine
from s3dg.video import ahead, sampling
from s3dg.video import writing as video_files

FLAGS = flags.FLAGS

_MEASURED = 32  # frames whose times give the rate of a video
_RATE_OF_ONE_FRAME = 25.0  # frames a second
_LONGEST_LINE, _LAST_BYTES = 100_000, 200  # of a JSON file: its head, and its counts
_KEPT = 'what was done before is kept; make room and run the same command again'


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('detect')
    flags.DEFINE_string('model', None, "The detector's .keras file, or its SavedModel's folder.")
    define_count('stride', 1, 'Frames from one that is looked at to the next.', 1_000_000)
    define_number('least_score', 0.3, 'Boxes with a lower score are left out.', 1)
    define_count('batch_size', 1, 'Frames that are looked at together.', MOST_CLIPS)
    define_count(
        'chunk', 64, 'Proposals that are classified at once (of a .keras file).', MOST_BOXES
    )


def load_detector(path, chunk):
    """The `SavedDetector` at a path; UsageError where there is none."""
    path = home_path(path)
    try:
        return SavedDetector(path, chunk)
    except S3dgError as error:
        raise UsageError(f'--model: {path}: {error}') from error
    except OSError as error:
        raise UsageError(f'--model: {path}: {error.strerror}, expected a detector.') from error


def _timed(frames):
    """Yields the frames of a video with their times, seconds."""
    for frame in frames:
        yield frame, frames.time


def _rate(timed):
    """The rate of a video of timed frames, and all of them: the first ones tell it.

    Raises:
      VideoError: where there are none.
    """
    first = list(itertools.islice(timed, _MEASURED))
    if not first:
        raise VideoError('it has no frames')
    times = np.array([time for _, time in first])
    rate = sampling.mean_frames_per_second(times) if len(first) > 1 else _RATE_OF_ONE_FRAME
    return rate, itertools.chain(first, timed)


def found_in(detector, frames, stride, batch_size):
    """Yields what is found in each key frame: boxes, in pixels of the video, labels and scores.

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
        for place in range(len(batch)):
            is_box = found['is_box'][place]
            boxes, scores = found['boxes'][place][is_box] * scale, found['scores'][place][is_box]
            yield boxes, found['labels'][place][is_box], scores


def detect_video(detector, frames, targets, name, identity, options, progress):
    """Writes what is found in a video; returns (frames, boxes).

    Args:
      frames: an `ahead.Frames`.
      targets: paths of the video, the rows and the JSON file to write; the last one is last.
      name, identity: of the video, for the rows and as `file_identity`.
      options: dict with 'stride', 'least_score' and 'batch_size'.
      progress: called with the number of frames done.

    Raises:
      VideoError, NonFiniteAnswerError: nothing is written then.
    """
    rate, timed = _rate(_timed(frames))
    shown, seen = itertools.tee(timed)
    frames_seen = (frame for frame, _ in seen)
    found = found_in(detector, frames_seen, options['stride'], options['batch_size'])
    counts = collections.Counter()
    with contextlib.ExitStack() as stack:
        document, rows = (
            stack.enter_context(
                open(stack.enter_context(files.unfinished(path)), 'w', encoding='utf-8', newline='')
            )
            for path in reversed(targets[1:])
        )
        rows.write(','.join(HEADER) + '\n')
        about = {'video': identity, 'frames_per_second': rate}
        about |= {key: options[key] for key in ('stride', 'least_score')}
        document.write(json.dumps(about)[:-1] + ', "detections": [\n')

        def note(number, time, boxes, labels, scores):
            start = row_start(name, number)
            columns = (column.tolist() for column in (boxes, labels, scores))
            for box, label, score in zip(*columns, strict=True):
                rows.write(row(start, label, score, box))
                one = {
                    'frame': number,
                    'seconds': time,
                    'label': detector.class_names[label],
                    'score': score,
                    'box': [box[1], box[0], box[3], box[2]],
                }
                document.write((',\n' if counts['boxes'] else '') + json.dumps(one))
                counts['boxes'] += 1

        def drawn():
            boxes, texts, used = np.zeros((0, 4)), [], []
            for number, (frame, time) in enumerate(shown):
                if number % options['stride'] == 0:
                    # Only now, so that no more frames wait than it needs.
                    answer = next(found, None)
                    if answer is None:
                        raise VideoError('it has one frame, of which there is no flow')
                    kept = answer[2] >= options['least_score']
                    boxes, labels, scores = (column[kept] for column in answer)
                    note(number, time, boxes, labels, scores)
                    pairs = zip(labels, scores, strict=True)
                    texts = [f'{detector.class_names[k]} {score:.0%}' for k, score in pairs]
                    used = colours(labels)
                counts['frames'] += 1
                progress(counts['frames'])
                yield video_files.even(draw_boxes(frame, boxes, texts, used))

        video_files.write_video(targets[0], drawn(), video_files.stated_rate(rate))
        counted = {name: counts[name] for name in ('frames', 'boxes')}
        document.write('\n], ' + json.dumps(counted)[1:] + '\n')
    return counts['frames'], counts['boxes']


def choose_targets(path, folder, inputs):
    """Paths of the video, rows and JSON file of a video, and what is there of it already.

    They are named after the video; where another one has the name, a number is added.

    Args:
      inputs: resolved paths that may not be written.

    Returns:
      (paths, the video's `file_identity`, {'frames', 'boxes'} or None)
    """
    identity = file_identity(path)
    for number in itertools.count(1):
        stem = path.stem if number == 1 else f'{path.stem}-{number}'
        targets = [folder / f'{stem}{suffix}' for suffix in ('.mp4', '.csv', '.json')]
        if inputs & {one.resolve() for one in targets}:
            continue
        there = [one.exists() for one in targets]
        owner, counted = read_ends(targets[2]) if there[2] else ({}, None)
        if owner == identity and all(there):
            return targets, identity, counted
        if not any(there) or owner.get('path') == identity['path']:
            return targets, identity, None
    raise AssertionError(path)


def read_ends(path):
    """The identity of the video, and the counts, in a JSON file of ours; ({}, None) for another."""
    try:
        with open(path, 'rb') as file:
            first = file.readline(_LONGEST_LINE)
            file.seek(max(0, file.seek(0, 2) - _LAST_BYTES))
            last = file.read().splitlines()[-1]
        owner = json.loads(first + b']}')['video']
        counted = json.loads(b'{"of": [' + last)
        return dict(owner), {name: counted[name] for name in ('frames', 'boxes')}
    except (ValueError, KeyError, IndexError, TypeError):
        return {}, None


def main(arguments):
    required('model', FLAGS.model)
    if not arguments:
        raise UsageError('No video given: s3dg detect --model=DETECTOR VIDEO...')
    options = {name: FLAGS[name].value for name in ('stride', 'least_score', 'batch_size')}
    paths, skipped, results = [home_path(one).absolute() for one in arguments], {}, {}
    with ahead.Reader() as reader:  # starts while the detector is loaded
        detector = load_detector(FLAGS.model, FLAGS.chunk)
        video_format = detector.video_format
        settings = {'model': model_identity(FLAGS.model), **options}
        inputs = [('--model', FLAGS.model), *(('video', path) for path in paths)]
        this = Run(
            'detect',
            FLAGS.workdir,
            settings,
            FLAGS.overwrite,
            free=('batch_size',),
            inputs=inputs,
            goes_on=True,
        )
        folder = this / 'detections'
        folder.mkdir(exist_ok=True)
        taken = {path.resolve() for path in paths}
        videos = reader.videos(
            paths,
            2 * video_format.clip_frames,
            frames_per_second=video_format.frames_per_second,
        )
        for number, (path, frames) in enumerate(zip(paths, videos, strict=True), 1):
            label = f'{readable(path)} ({number} of {len(paths)})'
            try:
                targets, identity, counted = choose_targets(path, folder, taken)
                if counted is None:
                    progress = ProgressLine(label, 'frames', entry.report)
                    count, boxes = detect_video(
                        detector, frames, targets, path.name, identity, options, progress
                    )
                    counted = {'frames': count, 'boxes': boxes}
                    entry.report(f'{label}: {boxes} boxes in {count} frames, {targets[0]}')
                    if frames.faults:
                        entry.report(f'{label}: {frames.faults}')
                else:
                    entry.report(f'{label}: done already, {targets[0]}')
                results[str(path)] = {**counted, 'drawn': str(targets[0])}
            except (VideoError, NonFiniteAnswerError, OSError) as error:
                reason = str(error)
                if isinstance(error, OSError):
                    name = error.filename and os.fspath(error.filename)
                    if name is None or name.startswith(str(folder)):
                        raise DiskError(f'{name or folder}: {error.strerror}; {_KEPT}') from error
                    reason = error.strerror
                skipped[str(path)] = reason
                entry.report_error(f'{readable(path)}: {reason}')
    rows = [(video, *values.values()) for video, values in results.items()]
    report = f'# Detections\n\n{markdown_table(("video", "frames", "boxes", "drawn"), rows)}'
    left_out = [{'video': video, 'reason': why} for video, why in skipped.items()]
    this.finish({'videos': results, 'skipped_videos': left_out}, report)
    return 1 if skipped else 0
