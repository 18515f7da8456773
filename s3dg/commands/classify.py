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
Each answer stands up to half-way to the next window's. WORKDIR/segments gets for a video NAME

  NAME.json               segments with start and end in seconds, class and score, and what each
                          window answers
  NAME.csv                the segments as rows
  NAME.label_studio.json  a task for Label Studio: a <Video value="$video" frameRate="..."/> named
                          video with <TimelineLabels> named label; the rate is in the task
  NAME.png                the classes over time, under frames of the video

--live takes one source and answers while it plays: a camera (/dev/video0), an address that FFmpeg
opens as a stream (rtsp://, rtmp://, http://, udp://, tcp:// ...), a video file or a folder of
images at its own speed. Whenever --stride new frames are there, the newest window is answered, and
the delay is told, from when its last frame was shown to the answer. Windows for which there is no
time are left out and counted. Ctrl-C ends it; a summary of the delays comes last.
"""

import csv
import itertools
import json
import os
import sys

from absl import flags

from s3dg import files
from s3dg.analysis.classification import class_names, most_probable, over_time, video_probabilities
from s3dg.analysis.segments import Rules, SegmentError, find_segments, label_studio
from s3dg.answers import NonFiniteAnswerError
from s3dg.commands import classify_live
from s3dg.commands.inputs import find_videos, video_id
from s3dg.errors import VideoError
from s3dg.figures.timeline import Thumbnails, draw_timeline
from s3dg.files import readable
from s3dg.program import entry
from s3dg.program.flags import required
from s3dg.program.loading import load_model, require_classes, require_rgb
from s3dg.program.number_flags import MOST_FRAMES, define_count, define_number
from s3dg.program.workdir import workdir_path
from s3dg.video import ahead, sources

FLAGS = flags.FLAGS

_MOST_SECONDS = 1e6
_MOST_RATE = 1000.0  # frames a second
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
    folder_fps = 'Frames a second of a folder of images.'
    define_number('folder_fps', sources.FOLDER_RATE, folder_fps, _MOST_RATE, 0.001)


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


def write_segments(stem, video, model, answers, segments, thumbnails, rate):
    """Writes the files of a video's segments; returns the segments as dicts.

    Args:
      stem: path of the files, without what tells them apart.
      video: its path, as it was given.
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
    values = {'video': video, 'segments': told, 'windows': windows}
    files.write_json(f'{stem}.json', values)
    lines = [_HEADERS[True], *((video, *_cells(one)) for one in told)]
    with files.unfinished(f'{stem}.csv') as path, open(path, 'w', newline='') as file:
        csv.writer(file, lineterminator='\n').writerows(lines)
    files.write_json(f'{stem}.label_studio.json', [label_studio(video, segments, names, rate)])
    title = os.path.basename(video)
    draw_timeline(f'{stem}.png', title, names, answers, segments, thumbnails)
    return told


def choose_stems(videos, folder):
    """A path for the files of each video, named after it; a number is added where one has it."""
    taken, stems = set(), []
    for video in videos:
        name = video_id(video)
        numbered = itertools.chain([name], (f'{name}-{k}' for k in itertools.count(2)))
        stems.append(next(one for one in numbered if one not in taken))
        taken.add(stems[-1])
    return [folder / stem for stem in stems]


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
        video_format, failed = model.video_format, 0
        window = FLAGS.window or video_format.clip_frames
        stride = FLAGS.stride or max(window // 4, 1)
        if FLAGS.live:
            top = FLAGS.top if FLAGS['top'].present else 1
            tell = classify_live.teller(FLAGS.json, FLAGS.csv)
            return classify_live.watch(
                reader, model, source, window, stride, FLAGS.folder_fps, top, tell
            )
        stems = [None] * len(videos)
        if FLAGS.segments:
            stems = choose_stems(videos, workdir_path(FLAGS.workdir) / 'segments')
        frames_of = reader.videos(
            [video.path for video in videos],
            2 * (window if FLAGS.segments else video_format.evaluation_frames),
            folder_rate=FLAGS.folder_fps,
            **video_format.reading,
        )
        printer = _Printer(FLAGS.json, FLAGS.csv, FLAGS.segments)
        for video, frames, stem in zip(videos, frames_of, stems, strict=True):
            path = readable(video.path)
            try:
                if FLAGS.segments:
                    thumbnails = Thumbnails()
                    answers = over_time(model, frames, window, stride, thumbnails.note)
                    segments = find_segments(answers.probabilities, answers.spans, rules)
                    rate = sources.frame_rate(video.path, FLAGS.folder_fps)
                    strip = thumbnails.frames()
                    told = write_segments(stem, path, model, answers, segments, strip, rate)
                    printer.segments(path, told)
                else:
                    probabilities = video_probabilities(model, frames)
                    printer.classes(path, most_probable(model, probabilities, FLAGS.top))
                if frames.faults:
                    print(f'warning: {path}: {frames.faults}', file=sys.stderr, flush=True)
            except (VideoError, NonFiniteAnswerError) as error:
                failed += 1
                entry.report_error(f'{path}: {error}')
    return 1 if failed else 0
