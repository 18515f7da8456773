"""How a program begins and ends: flags, errors in one line, signals, closed pipes, exit codes."""

import errno
import itertools
import os
import select
import signal
import sys
import tempfile

import tensorflow as tf
from absl import app, flags, logging

from s3dg.errors import S3dgError, one_line
from s3dg.files import hub
from s3dg.program import startup
from s3dg.training import signals
from s3dg.training.loop import TrainingInterrupted

FLAGS = flags.FLAGS

# Flags that say where a program writes.
_WRITTEN = ('workdir', 'data_dir', 'networks_dir', 'output')
_LONGEST_FLAG = 100  # characters of a name
_LONGEST_LINE = 1000  # characters of what a program says of its work
_FULL = 2**20  # bytes; with fewer a disk counts as full
# Errors of a file that is open, which come without its name.
_OF_OPEN_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class UsageError(S3dgError, ValueError):
    """A flag or argument that cannot be: which one, what was found, what was expected."""


class MissingFileError(UsageError):
    """A file that a flag names is not there."""


def report(line):
    """Prints a line of progress, or several, at once; none longer than anybody reads."""
    lines = str(line).split('\n')
    lines = [one_line(one, _LONGEST_LINE) if len(one) > _LONGEST_LINE else one for one in lines]
    print('\n'.join(lines), flush=True)


def report_error(error):
    """Prints what went wrong, of the whole program or of one of its files, as one line."""
    print(f'error: {one_line(error)}', file=sys.stderr, flush=True)


def guard(main, takes_arguments=False):
    """`main(arguments)` as a function of argv, in which errors of the user's become one line.

    It returns the exit code: what `main` returns, 1 for an error, 2 for a wrong call, and 143 or
    130 where SIGTERM or Ctrl-C stopped it, after it had saved its state.
    """

    def guarded(argv):
        try:
            _check_flags_given(FLAGS)
            _fetch_from_hub(FLAGS)
            if len(argv) > 1 and not takes_arguments:
                raise UsageError(f'Unexpected argument {argv[1]!r}; this program takes flags only.')
            return main(argv[1:])
        except (TrainingInterrupted, signals.Stopped) as stop:
            print(stop, file=sys.stderr, flush=True)
            return 128 + stop.number
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr, flush=True)
            return 128 + signal.SIGINT
        except S3dgError as error:
            report_error(error)
            return 2 if isinstance(error, UsageError) else 1
        except (MemoryError, tf.errors.ResourceExhaustedError) as error:
            said = one_line(error, 160) or 'memory'
            report_error(f'{said}: less at once is needed: shorter or smaller clips, fewer of them')
            return 1
        except OSError as error:
            where = error.filename
            if where is None:
                if error.errno not in _OF_OPEN_FILES:
                    raise
                where = _full_places(FLAGS) if error.errno == errno.ENOSPC else 'an open file'
            report_error(f'{where}: {os.strerror(error.errno)}')
            return 1

    return guarded


def _check_flags_given(values):
    """Refuses flags with an empty value, such as an empty variable of a shell leaves."""
    for defined in values.flags_by_module_dict().values():
        for flag in defined:
            if flag.present and flag.value == '':
                raise UsageError(f'--{flag.name} is empty, expected a value.')


def _fetch_from_hub(values):
    """Has flags that name files of the Hugging Face Hub name those on this machine instead.

    Whatever a program reads by a flag can so be there, and what it notes of its inputs tells one
    revision from another.
    """
    for flag in itertools.chain(*values.flags_by_module_dict().values()):
        given = flag.value if isinstance(flag.value, list) else [flag.value]
        if not (flag.present and any(map(hub.is_address, given))):
            continue
        if flag.name in _WRITTEN:
            raise UsageError(f'--{flag.name}: found {flag.value}, expected a local folder.')
        fetched = [_fetch(flag.name, one) if hub.is_address(one) else one for one in given]
        flag.value = fetched if isinstance(flag.value, list) else fetched[0]


def _fetch(name, address):
    try:
        path = str(hub.fetch(address))
    except hub.HubError as error:
        raise UsageError(f'--{name}: {error}') from error
    print(f'{address}: {path}', file=sys.stderr, flush=True)
    return path


def _full_places(values):
    """Of the folders that the program may write to, those on a disk that is full; never nothing."""
    flagged = {f'--{name}': values[name].value for name in _WRITTEN if name in values}
    found = []
    for name, folder in {**flagged, 'temporary files': tempfile.gettempdir()}.items():
        path = os.path.abspath(os.path.expanduser(folder or '.'))
        while not os.path.isdir(path):
            path = os.path.dirname(path)
        disk = os.statvfs(path)
        if disk.f_bavail * disk.f_frsize < _FULL:
            found.append(f'{name} ({path})')
    return ', '.join(found) or 'standard output, or a file of a place that was full for a moment'


def parse_flags(argv):
    """The arguments beside the flags; ends the program for help, and for a flag that cannot be."""
    try:
        for word in itertools.takewhile(lambda word: word != '--', argv[1:]):
            name = word.partition('=')[0]
            # Of a longer one, absl would look for names like it, and fail.
            if name.startswith('-') and len(name) > _LONGEST_FLAG:
                raise flags.UnrecognizedFlagError(name)
        arguments = FLAGS(argv)
        if FLAGS['verbosity'].using_default_value:
            logging.set_verbosity(logging.WARNING)  # TensorFlow narrates its saving at INFO
        return arguments
    except (flags.Error, OSError, UnicodeError) as error:  # the last two: of a --flagfile
        if isinstance(error, BrokenPipeError):
            raise
        report_error(f'{one_line(error)} (--helpshort lists the flags)')
        sys.exit(2)
    except SystemExit:  # the flags of help end with 1, as if something were wrong
        sys.exit(0)


def start(main, takes_arguments=False):
    """Runs `main(arguments)` as an absl program; see `guard`."""
    # --helpshort lists the main module's flags: also those that it had defined for it.
    for module, defined in FLAGS.flags_by_module_dict().items():
        if module.startswith(('experiments.', 's3dg.')):
            for flag in defined:
                FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    signals.stop_program(startup.end)
    try:
        try:
            app.run(guard(main, takes_arguments), flags_parser=parse_flags)
        except SystemExit as ended:
            if sys.stdout is not None:  # as where the caller has closed it
                sys.stdout.flush()
            if ended.code in (128 + number for number in signals.STOPS):
                os._exit(ended.code)  # everything is put away; threads may still be at work
            raise
        except signals.Stopped as stop:  # before or after `main`
            startup.end(stop.number)
        finally:
            for number in signals.STOPS:
                signal.signal(number, startup.end)
    except BrokenPipeError:
        if not _is_closed(sys.stdout) and not _is_closed(sys.stderr):
            raise
        # Ends as programs do that know nothing of pipes, and quietly.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)


def _is_closed(stream):
    """Whether nobody reads what is written to a stream."""
    if stream is None:
        return False
    poll = select.poll()
    poll.register(stream.fileno(), 0)  # errors are told of unasked
    return any(event & select.POLLERR for _, event in poll.poll(0))
