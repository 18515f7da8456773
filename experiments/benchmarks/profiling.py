"""Which operations of TensorFlow take the time, by its profiler."""

import collections
import pathlib
import tempfile

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

_MOST_ROWS = 25


def profile(function):
    """Calls a function: [(operation, calls, seconds)], those that take most first.

    On a CPU the seconds of operations that run at once add up, and may pass those of the clock.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = tf.profiler.experimental.ProfilerOptions(python_tracer_level=0)
        with tf.profiler.experimental.Profile(folder, options):
            function()
        (path,) = pathlib.Path(folder).rglob('*.xplane.pb')
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    calls, seconds = collections.Counter(), collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                # An operation is 'name in the graph:kind'; what calls functions of C++ has '::'.
                name, separator, kind = plane.event_metadata[event.metadata_id].name.rpartition(':')
                if separator and kind.isidentifier() and not name.endswith(':'):
                    calls[kind] += 1
                    seconds[kind] += event.duration_ps * 1e-12
    return [(kind, calls[kind], taken) for kind, taken in seconds.most_common()]


def rows(operations):
    """Rows of a table of what `profile` returns: operation, calls, seconds, share of all."""
    total = sum(seconds for *_, seconds in operations) or 1.0
    return [(*one, f'{one[-1] / total:.1%}') for one in operations[:_MOST_ROWS]]
