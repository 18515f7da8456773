"""Measures this project as a share of what the same machine does, side by side in one run.

  python -m experiments.benchmark --task=inference --network=s3d_g_slim
  python -m experiments.benchmark --task=training --dtype=mixed_bfloat16 --against=torchvision
  python -m experiments.benchmark --task=features
  python -m experiments.benchmark --task=detection --chunk=32
  python -m experiments.benchmark --task=input

Of networks, for any --network, --frames, --crop, --batch_size and --dtype:

`inference`: the exported network's answer on clips, beside the network's own, compiled. The limit
is a matrix product of 4096x4096 in the same precision and on the same cores, counted as clips of as
many multiply-adds. --streaming adds how soon the last window of a stream is answered, --scaling how
the time of the network grows with frames, size and batch.

`training`: a step of the training loop, beside a plain compiled one of the same network. The limit
is the same, at three times the multiply-adds. `first_step_seconds` is what the first one takes,
most of which is tracing.

`features`: what `s3dg features` does with a video of a minute of 720p. Its limit is the slower one
of decoding alone and computing alone.

`detection`: what `s3dg detect` does with the clip of a key frame, 20 frames of 320x400: proposals,
and `--chunk` of 300 classified at a time, on which the memory depends. The limit is that of
`inference`.

--against=torchvision adds torchvision's S3D to the first two, where torch is installed, and
--against=FOLDER another checkout of this project: a plain step or answer of its network, in a
process of its own, where TensorFlow is set up as the programs there do. In float32, a further side
is the matrix product of Eigen, which TensorFlow takes by itself on CPUs without AVX512-VNNI.
--profile adds a table of TensorFlow's operations.

Of videos, which are generated or taken from `--manual_dir`, a folder as the dataset `video_folder`
takes:

`conversion`: videos to a dataset, on all cores. Its bare loop decodes, resizes and encodes the same
videos in as many processes and throws the result away.

`input`: the paper's training clips (64 frames, crops of 224x224) from a dataset: read, shuffled and
batched. Its bare loops decode as many stored frames, already in memory, in one thread per core:
`bare_loop` with the decoder of the pipeline, `opencv_loop` with OpenCV's, and `cropping_loop` with
the pipeline's, which then decodes the crop only.

`reading`: frames of video files, resized to 256x256. Its bare loop is OpenCV's own reader in as
many processes, without time stamps, resampling or any check of the file.

The sides take turns, `--repeats` of them each. Rates per second belong to this machine and moment;
compare the ratios. The spread is that of a side's turns: (fastest - slowest) / median.
"""

import dataclasses
import os
import pathlib
import tempfile
import time

from absl import flags

from experiments.benchmarks import comparing, detection, networks, profiling, videos
from s3dg.config import NETWORKS
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_runtime_flags, define_workdir_flags, parse_fields, required
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import (
    MOST_BOXES,
    MOST_CLIPS,
    MOST_FRAMES,
    MOST_PIXELS,
    MOST_PROCESSES,
    define_count,
)
from s3dg.program.runtime import RuntimeOptions, start_runtime
from s3dg.program.workdir import Run

FLAGS = flags.FLAGS

_MOST_SIDE = 4320  # pixels of generated videos

TASKS = {
    'inference': networks.compare_inference,
    'training': networks.compare_training,
    'features': networks.compare_features,
    'detection': detection.compare_detection,
    'conversion': videos.compare_conversion,
    'input': videos.compare_input,
    'reading': videos.compare_reading,
}


_OF_NETWORKS = ('inference', 'training', 'features', 'detection')
_OF_VIDEOS = ('conversion', 'input', 'reading')
# The tasks that have a use for a flag; those that are not here are for all.
_TASKS_OF_FLAGS = {
    **dict.fromkeys(('network', 'set', 'frames', 'batch_size', 'dtype'), _OF_NETWORKS),
    'crop': ('inference', 'training', 'features'),
    'chunk': ('detection',),
    **dict.fromkeys(('jit', 'against'), ('inference', 'training')),
    **dict.fromkeys(('streaming', 'scaling'), ('inference',)),
    **dict.fromkeys(('manual_dir', 'videos', 'height', 'width'), _OF_VIDEOS),
    'clips': ('input',),
    # What is measured is one device.
    **dict.fromkeys(('strategy', 'logical_cpus'), ()),
}


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('benchmark')
    define_runtime_flags()
    flags.DEFINE_enum('task', None, list(TASKS), 'What is measured.')
    define_count('repeats', 5, 'Turns of each side.', 1000)
    define_count('processes', None, 'Processes or threads; default all cores.', MOST_PROCESSES)
    flags.DEFINE_enum('network', 's3d_g', list(NETWORKS), 'Of tasks of networks, as all of these:')
    flags.DEFINE_multi_string('set', [], 'FIELD=VALUE of the network, e.g. width=0.25.')
    frames = f'Frames of a clip; default {videos.CLIP_FRAMES}, of detection {detection.FRAMES}.'
    define_count('frames', None, frames, MOST_FRAMES)
    define_count('crop', videos.CROP, 'Height and width of a clip, pixels.', MOST_PIXELS)
    define_count('batch_size', 1, 'Clips at once.', MOST_CLIPS)
    define_count('chunk', 64, 'Proposals that are classified at once (detection).', MOST_BOXES)
    flags.DEFINE_bool('jit', False, 'Compile the network with XLA.')
    flags.DEFINE_bool('streaming', False, 'Measure a sliding window too (inference).')
    flags.DEFINE_bool('scaling', False, 'Measure other lengths, sizes and batches (inference).')
    flags.DEFINE_bool('profile', False, "Add a table of TensorFlow's operations.")
    flags.DEFINE_string('against', None, 'torchvision, or another checkout, measured in this run.')
    flags.DEFINE_string('manual_dir', None, 'Folder of videos; default: generated ones.')
    define_count('videos', 64, 'Videos generated.', 100_000, least=4)
    height, width = videos.GENERATED_SIZE
    define_count('height', height, 'Pixels of generated videos.', _MOST_SIDE, least=16)
    define_count('width', width, 'Pixels of generated videos.', _MOST_SIDE, least=16)
    least = 6 * videos.CLIPS_PER_BATCH
    define_count('clips', 192, 'Clips read in each turn (input).', 100_000, least=least)


@dataclasses.dataclass(frozen=True)
class Options:
    """What the flags say, each under the name of its flag."""

    task: str
    repeats: int
    processes: int
    network: str
    fields: dict  # of --set
    frames: int
    crop: int
    batch_size: int
    chunk: int
    dtype: str
    jit: bool
    streaming: bool
    scaling: bool
    profile: bool
    against: str | None
    manual_dir: str | None
    videos: int
    height: int
    width: int
    clips: int

    @classmethod
    def of(cls, values):
        """The options in parsed flags; UsageError where the task has no use for one of them."""
        task = required('task', values.task)
        for name, tasks in _TASKS_OF_FLAGS.items():
            if values[name].present and task not in tasks:
                use = f'it is for {", ".join(tasks)}' if tasks else 'one device is measured'
                raise UsageError(f'--{name}: --task={task} has no use for it; {use}.')
        names = {field.name for field in dataclasses.fields(cls)}
        frames = detection.FRAMES if task == 'detection' else videos.CLIP_FRAMES
        return cls(
            fields=parse_fields(values.set),
            processes=values.processes or os.cpu_count() or 1,
            frames=values.frames or frames,
            **{name: values[name].value for name in names - {'fields', 'processes', 'frames'}},
        )


def main(arguments):
    del arguments
    options = Options.of(FLAGS)
    start_runtime(RuntimeOptions.of(FLAGS))
    settings = dataclasses.asdict(options)
    this = Run('benchmark', FLAGS.workdir, settings, replaces=True, goes_on=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        comparison = TASKS[options.task](options, pathlib.Path(scratch))
        ours = comparison.sides[0]
        rates, own = comparing.compare(comparison.sides, comparison.unit, options.repeats)
        operations = []
        if options.profile:
            operations = profiling.profile(lambda: ours.work(ours.prepare()))
    results = {
        'task': options.task,
        'seconds': time.monotonic() - started,
        **comparing.summarize(comparison, rates),
        'peak_memory_bytes': own + comparison.processes * comparing.largest_child(),
        'operations': operations,
    }
    title = f'{options.task}, {options.processes} cores'
    comparing.draw(title, comparison.unit, rates, this / 'rates.png')
    this.finish(results, _markdown(title, comparison, results))
    share = results[comparison.fraction]
    entry.report(f'{ours.name}: {share:.3f} of {" or ".join(comparison.limits)}')


def _markdown(title, comparison, results):
    ours = results['medians'][comparison.sides[0].name]
    rows = [
        (name, median, f'{results["spreads"][name]:.1%}', ours / median)
        for name, median in results['medians'].items()
    ]
    header = ('side', f'{comparison.unit}/s, median', 'spread', 'ours is so many times as fast')
    figures = {'peak memory, MiB': results['peak_memory_bytes'] / 2**20}
    figures |= {comparison.fraction: results[comparison.fraction], **comparison.figures}
    scaling = figures.pop('scaling', {})
    parts = [
        f'# Benchmark of {title}\n',
        markdown_table(header, rows),
        '![rates](rates.png)\n',
        markdown_table(('figure', 'value'), figures.items()),
    ]
    for axis, found in scaling.items():
        within = f'seconds, on a line within {found["linear_within"]:.1%}'
        parts.append(markdown_table((axis, within), found['seconds'].items()))
    if results['operations']:
        header = ('operation', 'calls', 'seconds', 'share')
        parts.append(markdown_table(header, profiling.rows(results['operations'])))
    return '\n'.join(parts)


if __name__ == '__main__':
    define_flags()
    entry.start(main)
