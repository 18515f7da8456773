"""Names what videos show: the five most probable classes of each, or what is seen when.

  s3dg classify --model=runs/quickstart/saved_model video.mp4 another.mov
  s3dg classify --model=s3d.keras --segments --stride=8 --shortest=0.5 holiday.mp4
  s3dg classify --model=s3d.keras --live --stride=8 rtsp://192.168.0.7/stream1

A video is a file of any size, rate and length, or a folder of numbered images, taken at
--folder_fps. Other folders are searched for both, and a `.csv` list names them in a column `path`.
Videos are resampled to the network's rate, resized, and seen in windows as in evaluation, while a
process of its own decodes them. The model is a `.keras` file or a SavedModel; both answer alike. A
video that cannot be read is named, the others are classified, and the exit code is 1.

--segments looks at windows of --window frames, one every --stride frames, and tells from when to
when a class is the most probable one, with at least --threshold. Two segments of a class with
nothing but --gap seconds between them are one, and one shorter than --shortest seconds is left out.
Each answer stands up to half-way to the next window's. WORKDIR/segments gets for a video NAME,
with a number where another video has the name,

  NAME.json               segments with start and end in seconds, class and score, and what each
                          window answers
  NAME.csv                the segments as rows
  NAME.label_studio.json  a task for Label Studio, with <TimelineLabels> named label and a video of
                          <Video name="video" value="$video" frameRate="$frames_per_second"/>
  NAME.png                the classes over time, under frames of the video

--live takes one source and answers while it plays: a camera (/dev/video0), an address that FFmpeg
opens as a stream (rtsp://, rtmp://, http://, udp://, tcp:// ...), a video file or a folder of
images at its own speed. Whenever --stride new frames are there, the newest window is answered, and
the delay is told, from when its last frame was shown to the answer. Windows for which there is no
time are left out and counted. Ctrl-C ends it; a summary of the delays comes last.
"""

import csv
import dataclasses
import itertools
import json
import os
import pathlib
import sys

from absl import flags

from s3dg import files
from s3dg.analysis.classification import (
    class_names,
    most_probable,
    over_time,
    video_probabilities,
    window_and_stride,
)
from s3dg.analysis.segments import Rules, SegmentError, find_segments, label_studio
from s3dg.answers import NonFiniteAnswerError
from s3dg.commands import classify_live
from s3dg.commands.feature_file import video_source
from s3dg.commands.inputs import define_folder_flags, find_videos, video_id
from s3dg.errors import VideoError
from s3dg.figures.timeline import Thumbnails, draw_timeline
from s3dg.files import disk, readable
from s3dg.files.readers import read_json
from s3dg.program import entry
from s3dg.program.flags import required
from s3dg.program.loading import load_model, require_classes, require_rgb
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_FRAMES, define_count, define_number
from s3dg.program.workdir import Run, model_identity
from s3dg.video import ahead, sources

FLAGS = flags.FLAGS

_MOST_SECONDS = 1e6
_KEPT = 'the files before are kept; make room and run the same command again'
_SUFFIXES = ('.json', '.csv', '.label_studio.json', '.png')
_HEADERS = {
    False: ('video', 'rank', 'class', 'probability'),
    True: ('video', 'start', 'end', 'class', 'score'),
}


def define_flags():
    """The flags of this program, for it alone."""
    flags.DEFINE_string('model', None, 'The .keras file, or the folder of the SavedModel.')
    top = 'Classes printed per video; with --live, where the default is 1, per answer.'
    define_count('top', 5, top, 1_000_000)
    flags.DEFINE_bool('json', False, 'Print one JSON object per line and video instead of text.')
    flags.DEFINE_bool('csv', False, 'Print rows of CSV instead of text.')
    flags.DEFINE_bool('segments', False, 'Tell what is seen when.')
    flags.DEFINE_bool('live', False, 'Answer while a camera, a stream or a file plays.')
    define_count('window', None, "Frames of a window; default the network's clip.", MOST_FRAMES)
    stride = 'Frames from the start of a window to the next; default a quarter of the window.'
    define_count('stride', None, stride, MOST_FRAMES)
    define_number('threshold', Rules.threshold, 'The least probability that counts.', 1)
    define_number('gap', Rules.gap, 'Seconds between segments that are joined.', _MOST_SECONDS)
    define_number('shortest', Rules.shortest, 'Seconds of a segment.', _MOST_SECONDS)
    flags.DEFINE_string('workdir', 'runs/classify', 'Folder for the files of --segments.')
    define_folder_flags()


class _Printer:
    """Prints what is found in videos, as text, JSON or CSV."""

    def __init__(self, as_json, as_csv, with_segments):
        self._as_json, self._rows = as_json, None
        if as_csv:
            self._rows = csv.writer(sys.stdout, lineterminator='\n')
            self._rows.writerow(_HEADERS[with_segments])

    def classes(self, path, classes):
        """The most probable classes of a video, pairs of name and probability."""
        if self._rows:
            for rank, (name, probability) in enumerate(classes, 1):
                self._rows.writerow((path, rank, name, f'{probability:.6f}'))
        elif self._as_json:
            top = [{'class': name, 'probability': p} for name, p in classes]
            print(json.dumps({'video': path, 'classes': top}))
        else:
            print(path)
            for name, probability in classes:
                print(f'  {probability:7.2%}  {name}')
        sys.stdout.flush()

    def segments(self, path, segments):
        """The segments of a video, dicts as in its JSON file."""
        if self._rows:
            for one in segments:
                self._rows.writerow((path, *_cells(one)))
        elif self._as_json:
            print(json.dumps({'video': path, 'segments': segments}))
        else:
            print(path if segments else f'{path}: no segment')
            for one in segments:
                start, end = f'{one["start"]:8.2f}', f'{one["end"]:8.2f}'
                print(f'  {start} to {end} s  {one["score"]:7.2%}  {one["class"]}')
        sys.stdout.flush()


def _cells(segment):
    start, end = (f'{segment[key]:.3f}' for key in ('start', 'end'))
    return start, end, segment['class'], f'{segment["score"]:.6f}'


def write_segments(stem, video, source, model, answers, segments, thumbnails, rate):
    """Writes the files of a video's segments; returns the segments as dicts.

    Args:
      stem: path of the files, without what tells them apart.
      video: its path, as it was given.
      source: its `feature_file.video_source`.
      answers, segments, thumbnails: as of `timeline.draw_timeline`.
      rate: frames a second of the video.
    """
    names = class_names(model, answers.probabilities.shape[1])
    told = [
        {'start': one.start, 'end': one.end, 'class': names[one.label], 'score': one.score}
        for one in segments
    ]
    windows = [
        {'start': start, 'end': end, 'class': name, 'probability': probability}
        for (start, end), row in zip(answers.spans.tolist(), answers.probabilities, strict=True)
        for name, probability in most_probable(model, row, 1)
    ]
    stem.parent.mkdir(parents=True, exist_ok=True)
    values = {'video': video, 'source': source, 'segments': told, 'windows': windows}
    files.write_json(f'{stem}.json', values)  # first, as it says whose the others are
    lines = [_HEADERS[True], *((video, *_cells(one)) for one in told)]
    with files.unfinished(f'{stem}.csv') as path, open(path, 'w', newline='') as file:
        csv.writer(file, lineterminator='\n').writerows(lines)
    files.write_json(f'{stem}.label_studio.json', [label_studio(video, segments, names, rate)])
    title = os.path.basename(video)
    draw_timeline(f'{stem}.png', title, names, answers, segments, thumbnails)
    return told


def choose_stems(videos, folder):
    """A path for the files of each video, named after it; a number is added where one has it.

    Files that are there belong to the video that their JSON file names, and without one to nobody
    who may be asked.
    """
    taken, stems = set(), []
    for video in videos:
        for number in itertools.count(1):
            name = video_id(video) if number == 1 else f'{video_id(video)}-{number}'
            stem = folder / name
            if stem not in taken and _owner(stem) in (None, str(video.absolute)):
                break
        taken.add(stem)
        stems.append(stem)
    return stems


def _owner(stem):
    """The path of the video that files belong to; None where there are none, '' if none is told."""
    if not any(os.path.exists(f'{stem}{suffix}') for suffix in _SUFFIXES):
        return None
    try:
        path = pathlib.Path(f'{stem}.json')
        return read_json(path, SegmentError, 'a number is added to the name')['source']['path']
    except (OSError, SegmentError, KeyError, TypeError):
        return ''


class _Segmenter:
    """Finds the segments of videos, and writes their files.

    Args:
      model: a `LoadedNetwork` or an `ExportedNetwork`, and `path`, where it is.
      videos: all `Video`s.
      workdir: for the files.
      window, stride, rules: by which segments are found.
      folder_fps: frames a second of folders.
    """

    def __init__(self, model, path, videos, workdir, window, stride, rules, folder_fps):
        self._model, self._window, self._stride, self._rules = model, window, stride, rules
        settings = {'window': window, 'stride': stride, 'folder_fps': folder_fps}
        settings |= {'model': model_identity(path), **dataclasses.asdict(rules)}
        self._run = Run('classify', workdir, settings, replaces=True, goes_on=True)
        folder = self._run / 'segments'
        self._stems = dict(zip(videos, choose_stems(videos, folder), strict=True))
        self._found, self._folder_fps = {}, folder_fps

    def __call__(self, video, frames):
        """The segments of a `Video`, as dicts."""
        thumbnails, source, stem = Thumbnails(), video_source(video), self._stems[video]
        answers = over_time(self._model, frames, self._window, self._stride, thumbnails.note)
        segments = find_segments(answers.probabilities, answers.spans, self._rules)
        rate = sources.frame_rate(video.path, self._folder_fps)
        path, strip = readable(video.path), thumbnails.frames()
        with disk.writing(stem, _KEPT):
            told = write_segments(stem, path, source, self._model, answers, segments, strip, rate)
        self._found[path] = {'segments': len(told), 'files': str(stem)}
        return told

    def finish(self, skipped):
        """Writes what was done, and the reasons why videos were `skipped`, by their paths."""
        rows = [(path, *values.values()) for path, values in self._found.items()]
        report = f'# Segments\n\n{markdown_table(("video", "segments", "files"), rows)}'
        left_out = [{'video': path, 'reason': why} for path, why in skipped.items()]
        self._run.finish({'videos': self._found, 'skipped_videos': left_out}, report)


def main(arguments):
    required('model', FLAGS.model)
    if not arguments:
        raise entry.UsageError('No video given: s3dg classify --model=MODEL VIDEO...')
    if FLAGS.json and FLAGS.csv:
        raise entry.UsageError('--csv: found --json too, expected one of them.')
    try:
        rules = Rules(FLAGS.threshold, FLAGS.gap, FLAGS.shortest)
    except SegmentError as error:
        raise entry.UsageError(f'--{error}.') from error
    if FLAGS.live:
        given = [name for name in classify_live.NOT_LIVE if FLAGS[name].present]
        source = classify_live.find_source(arguments, given)
    else:
        videos = find_videos(arguments)
    with ahead.Reader() as reader:  # starts while the model is loaded
        model = load_model(FLAGS.model)
        require_rgb(model, FLAGS.model)
        require_classes(model, FLAGS.model)
        video_format, skipped, segmenter = model.video_format, {}, None
        window, stride = window_and_stride(video_format, FLAGS.window, FLAGS.stride)
        if FLAGS.live:
            top = FLAGS.top if FLAGS['top'].present else 1
            tell = classify_live.teller(FLAGS.json, FLAGS.csv)
            return classify_live.watch(
                reader, model, source, window, stride, FLAGS.folder_fps, top, tell
            )
        if FLAGS.segments:
            where = FLAGS.model, videos, FLAGS.workdir
            segmenter = _Segmenter(model, *where, window, stride, rules, FLAGS.folder_fps)
        frames_of = reader.videos(
            [video.path for video in videos],
            2 * (window if FLAGS.segments else video_format.evaluation_frames),
            folder_rate=FLAGS.folder_fps,
            **video_format.reading,
        )
        printer = _Printer(FLAGS.json, FLAGS.csv, FLAGS.segments)
        for video, frames in zip(videos, frames_of, strict=True):
            path = readable(video.path)
            try:
                if segmenter is not None:
                    printer.segments(path, segmenter(video, frames))
                else:
                    probabilities = video_probabilities(model, frames)
                    printer.classes(path, most_probable(model, probabilities, FLAGS.top))
                if frames.faults:
                    print(f'warning: {path}: {frames.faults}', file=sys.stderr, flush=True)
            except (VideoError, NonFiniteAnswerError) as error:
                skipped[path] = str(error)
                entry.report_error(f'{path}: {error}')
        if segmenter is not None:
            segmenter.finish(skipped)
    return 1 if skipped else 0
