"""The console program `s3dg VERB`, also `python -m s3dg VERB`."""

import importlib
import signal
import sys

from s3dg.commands import VERBS
from s3dg.errors import one_line
from s3dg.program import startup

_HELP = ('-h', '-help', '--help', '-?')
_WIDTH = max(map(len, VERBS))
_VERBS = '\n'.join(f'  {name:{_WIDTH}}  {verb.summary}' for name, verb in VERBS.items())
_USAGE = f"""\
S3D-G and its relatives for video classification.

usage: s3dg VERB [--FLAG=VALUE ...] [VIDEO ...]

{_VERBS}

`s3dg VERB --help` lists the flags of a verb."""


def main() -> None:
    """Runs the verb that the command line names; ends the process."""
    words = sys.argv[1:]
    if not words or words[0] in (*_HELP, '--helpshort', 'help'):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a closed pipe ends it quietly
        print(_USAGE)
        sys.exit(0 if words else 2)
    name = words[0]
    if name not in VERBS:
        found = one_line(repr(name))
        print(f'error: found {found}, expected a verb: {", ".join(VERBS)}', file=sys.stderr)
        sys.exit(2)
    verb = VERBS[name]
    startup.prepare(words[1:])
    module = importlib.import_module(verb.module)
    from s3dg.program import entry  # which imports TensorFlow

    sys.argv = [f's3dg {name}', *('--helpshort' if word in _HELP else word for word in words[1:])]
    sys.modules['__main__'].__doc__ = module.__doc__  # what absl prints above the flags
    module.define_flags()
    entry.start(module.main, verb.takes_arguments)


if __name__ == '__main__':
    main()
