"""`s3dg classify --live`: what a camera, a stream or a file shows, told while it plays."""

import csv
import json
import re
import sys
import time

from s3dg.analysis.classification import most_probable
from s3dg.analysis.live import Delays, answers, warm_up
from s3dg.answers import NonFiniteAnswerError
from s3dg.errors import VideoError
from s3dg.files import readable
from s3dg.program import entry
from s3dg.program.workdir import home_path
from s3dg.video.live import scheme_of

# Flags of `classify` that say nothing about it.
NOT_LIVE = ('segments', 'threshold', 'gap', 'shortest', 'workdir')

_HEADER = ('time', 'delay', 'left_out', 'rank', 'class', 'probability')


def find_source(arguments, given):
    """The source that the arguments name: an address, or a path.

    Args:
      arguments: of the program.
      given: names among `NOT_LIVE` of the flags that were given.

    Raises:
      UsageError: for such a flag, or several sources.
    """
    if given:
        raise entry.UsageError(f'--{given[0]}: found --live too, expected one of them.')
    if len(arguments) > 1:
        raise entry.UsageError(f'--live: found {len(arguments)} sources, expected one.')
    (source,) = arguments
    return source if scheme_of(source) else home_path(source)


def without_password(source):
    """A source as it may be shown.

    >>> without_password('rtsp://me:secret@camera/1'), without_password('a.mp4')
    ('rtsp://me:***@camera/1', 'a.mp4')
    """
    return re.sub(r'(://[^/@:]*):[^/]*@', r'\1:***@', readable(source))


def teller(as_json, as_csv):
    """A function of (answer, delay, classes) that prints them, as text, JSON or CSV."""
    if as_csv:
        rows = csv.writer(sys.stdout, lineterminator='\n')
        rows.writerow(_HEADER)

    def tell(answer, delay, classes):
        when = f'{answer.time:.3f}'
        if as_csv:
            for rank, (name, probability) in enumerate(classes, 1):
                row = (when, f'{delay:.3f}', answer.left_out, rank, name, f'{probability:.6f}')
                rows.writerow(row)
        elif as_json:
            top = [{'class': name, 'probability': p} for name, p in classes]
            values = {'time': answer.time, 'delay': delay, 'left_out': answer.left_out}
            print(json.dumps({**values, 'classes': top}))
        else:
            told = '  '.join(f'{probability:7.2%}  {name}' for name, probability in classes)
            print(f'{answer.time:9.2f} s  {told}  ({delay:.3f} s later)')
        sys.stdout.flush()

    return tell


def watch(reader, model, source, window, stride, folder_fps, top, tell):
    """Answers while a source plays; the exit code.

    Args:
      reader: an `ahead.Reader` that reads nothing yet.
      model: as of `analysis.classification`.
      source: as of `find_source`.
      window, stride: in frames.
      folder_fps: frames a second of a folder.
      top: classes that are told per answer.
      tell: as of `teller`.
    """
    shown, delays, failed = without_password(source), Delays(), False
    try:
        warm_up(model, window)
        how = {'folder_rate': folder_fps, 'plays': True, **model.video_format.reading}
        videos = reader.videos([source], 2 * window, **how)
        frames = next(videos)  # it begins to play
        for answer in answers(model, frames, window, stride):
            classes = most_probable(model, answer.probabilities, top)
            tell(answer, delays.add(answer, time.monotonic()), classes)
            if answer.left_out and delays.left_out == answer.left_out:
                _warn(
                    f'{shown}: answers take longer than a stride of {stride}, so windows are left'
                    ' out; a larger --stride or a smaller network would keep up'
                )
        if frames.faults:
            _warn(f'{shown}: {frames.faults}')
    except (VideoError, NonFiniteAnswerError) as error:
        failed = True
        entry.report_error(f'{shown}: {error}')
    finally:  # also where Ctrl-C ends it
        if delays.answers or not failed:
            print(delays.summary(), file=sys.stderr, flush=True)
    return 1 if failed else 0


def _warn(line):
    print(f'warning: {line}', file=sys.stderr, flush=True)
