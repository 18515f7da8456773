"""Measures this project against the bare work it does, side by side in one run.

  python -m experiments.benchmark --task=conversion
  python -m experiments.benchmark --task=input
  python -m experiments.benchmark --task=reading --height=720 --width=1280

`conversion`: videos to a dataset, on all cores. Its bare loop decodes, resizes and encodes the same
videos in as many processes and throws the result away.

`input`: the paper's training clips (64 frames, crops of 224x224) from a dataset: read, shuffled and
batched. Its bare loops decode as many stored frames, already in memory, in one thread per core:
`bare_loop` with the decoder of the pipeline, `opencv_loop` with OpenCV's, and `cropping_loop` with
the pipeline's, which then decodes the crop only.

`reading`: frames of video files, resized to 256x256. Its bare loop is OpenCV's own reader in as
many processes, without time stamps, resampling or any check of the file.

Videos are generated, or taken from `--manual_dir`, a folder as the dataset `video_folder` takes.
The sides take turns, `--repeats` of them each. `fraction_of_bare_loop` is the ratio of the rates:
1 would be no overhead at all. Rates per second belong to this machine and moment; compare the
ratios.
"""

import dataclasses
import itertools
import os
import pathlib
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent import futures

import cv2
import numpy as np
import tensorflow as tf
from absl import flags

from data import catalog, clips, workers
from data.conversion.convert import convert_dataset
from data.example import VIDEO
from data.records.heads import stored_files
from data.records.read import parse, records
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.program.flags import define_workdir_flags, required
from s3dg.program.markdown import markdown_table
from s3dg.program.number_flags import MOST_PROCESSES, define_count
from s3dg.program.workdir import Run
from s3dg.video import reading, writing

FLAGS = flags.FLAGS

CLIP_FRAMES = 64  # the paper's (section 3.2), as the two below
CROP = 224
CLIPS_PER_BATCH = 6

_GENERATED_SIZE = (256, 340)  # height, width: the shape in which Kinetics is mostly passed around
_MOST_SIDE = 4320  # pixels
_GENERATED_FRAMES = 250  # the ten seconds of a Kinetics video
# Standard deviations of blurred noise, and their weights. Frames of 256x256 then take 25 KB; those
# of two videos from cameras took 22 and 31 KB.
_TEXTURE = ((1, 0.5), (4, 4), (16, 16))
_DIFFERENT = 16  # videos generated; more are links
_JPEG_QUALITY = 95


def define_flags():
    """The flags of this program, for it alone."""
    define_workdir_flags('benchmark')
    flags.DEFINE_enum('task', None, list(TASKS), 'What is measured.')
    flags.DEFINE_string('manual_dir', None, 'Folder of videos; default: generated ones.')
    define_count('videos', 64, 'Videos generated.', 100_000, least=4)
    height, width = _GENERATED_SIZE
    define_count('height', height, 'Pixels of generated videos.', _MOST_SIDE, least=16)
    define_count('width', width, 'Pixels of generated videos.', _MOST_SIDE, least=16)
    least = 6 * CLIPS_PER_BATCH
    define_count('clips', 192, 'Clips read in each turn (input).', 100_000, least=least)
    define_count('repeats', 3, 'Turns of each side.', 1000)
    define_count('processes', None, 'Processes or threads; default all cores.', MOST_PROCESSES)


@dataclasses.dataclass(frozen=True)
class Side:
    """One side of a comparison."""

    name: str  # what it is called
    # Does it once, with what `prepare` has returned, and returns how many units it did.
    work: Callable[[object], int]
    prepare: Callable[[], object] = lambda: None  # what comes before every turn and is not timed


def compare(sides, unit, repeats, report=entry.report):
    """Runs the `Side`s in turns: dict from name to the units a second of each turn.

    Args:
      sides, repeats: what runs, and how many turns each has.
      unit: what their work counts.
      report: takes lines of progress.
    """
    rates = {side.name: [] for side in sides}
    for turn, side in itertools.product(range(repeats), sides):
        prepared = side.prepare()
        started = time.perf_counter()
        count = side.work(prepared)
        rate = count / (time.perf_counter() - started)
        rates[side.name].append(rate)
        del prepared  # what it does in the background ends here
        report(f'turn {turn + 1} of {repeats}: {side.name}: {rate:.2f} {unit}/s')
    return rates


def generate_videos(folder, count, size=_GENERATED_SIZE, report=entry.report):
    """Writes videos of a texture under a moving window, in two classes: their paths.

    No more than `_DIFFERENT` of them differ, the rest are links to these. `size` is (height,
    width); `report` takes a line.
    """
    rng = np.random.default_rng(0)
    height, width = size
    paths = []
    for index in range(count):
        path = pathlib.Path(folder) / ('first', 'second')[index % 2] / f'{index:04d}.mp4'
        if index >= _DIFFERENT:
            path.hardlink_to(paths[index % _DIFFERENT])
            paths.append(path)
            continue
        noise = rng.integers(0, 256, (height + 128, width + 128, 3)).astype(np.float32)
        scene = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * weight for sigma, weight in _TEXTURE)
        scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
        phase = rng.uniform(0, 2 * np.pi, 2)
        tops, lefts = (
            np.rint(64 + 60 * np.sin(np.arange(_GENERATED_FRAMES) / 40 + angle)).astype(int)
            for angle in phase
        )
        frames = (
            scene[top : top + height, left : left + width]
            for top, left in zip(tops, lefts, strict=True)
        )
        writing.write_video(path, frames, 25)
        paths.append(path)
    report(f'{count} videos generated, {sum(p.stat().st_size for p in paths) / 1e6:.0f} MB')
    return paths


def _resized_by_opencv(path):
    """Yields the frames of a video as OpenCV reads and resizes them by itself."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    while True:
        decoded, frame = capture.read()
        if not decoded:
            break
        yield cv2.resize(frame, (256, 256), interpolation=cv2.INTER_LINEAR)
    capture.release()


def decode_resize_encode(path):
    """What conversion cannot do without, for one video: its number of frames."""
    count = 0
    for frame in _resized_by_opencv(path):
        cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        count += 1
    return count


def read_with_opencv(path):
    """What reading cannot do without, for one video: its number of frames."""
    return sum(1 for _ in _resized_by_opencv(path))


def read_frames(path):
    """The same as this project does."""
    return sum(1 for _ in reading.read_frames(path, frame_size=(256, 256), bgr=True))


def _total(function, paths, processes):
    """The sum of what a function returns for all paths, called in as many processes."""
    return sum(count for _, count in workers.in_order(function, paths, processes, lambda: 0))


def _listed_paths(builder):
    return [item.path for items in builder.split_videos().values() for item in items]


# Each task takes the folder of videos, one for its own files, the number of processes and that of
# clips, and returns the unit that it counts and its sides: 'bare_loop' first, the project's last.


def benchmark_reading(videos_dir, scratch, processes, _):
    """OpenCV's reader and `s3dg.video.reading`, in frames."""
    paths = _listed_paths(
        catalog.make_builder('video_folder', 'read', scratch / 'data', videos_dir)
    )
    return 'frames', [
        Side('bare_loop', lambda _: _total(read_with_opencv, paths, processes)),
        Side('reading', lambda _: _total(read_frames, paths, processes)),
    ]


def benchmark_conversion(videos_dir, scratch, processes, _):
    """The bare loop and `convert_dataset`, in frames."""
    turns = itertools.count()

    def builder():
        name = f'turn{next(turns)}'
        return catalog.make_builder(
            'video_folder', name, scratch / 'data', videos_dir, frames_per_second=None
        )

    paths = _listed_paths(builder())
    return 'frames', [
        Side('bare_loop', lambda _: _total(decode_resize_encode, paths, processes)),
        Side('conversion', lambda _: convert_dataset(builder(), processes=processes).frames),
    ]


def _decode(encoded):
    for picture in encoded:
        tf.io.decode_jpeg(picture, 3, dct_method='INTEGER_ACCURATE')


def _decode_with_opencv(encoded):
    for picture in encoded:
        cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)


def _decode_crops(encoded):
    window = tf.constant([16, 16, CROP, CROP])
    for picture in encoded:
        tf.io.decode_and_crop_jpeg(picture, window, 3, dct_method='INTEGER_ACCURATE')


def _read_stored(opened, count):
    """The JPEG frames of as many clips; those of a small dataset come again."""
    files = stored_files(opened.info.splits['train'])
    stored = [parse(record)[VIDEO].numpy()[:CLIP_FRAMES] for record in records(files).take(count)]
    shortest = min(map(len, stored))
    if shortest < CLIP_FRAMES:
        raise UsageError(
            f'--manual_dir: found a video of {shortest} frames, expected at least the '
            f'{CLIP_FRAMES} of a clip.'
        )
    return list(itertools.islice(itertools.cycle(stored), count))


def benchmark_input(videos_dir, scratch, threads, count):
    """Bare decoding loops and `clips.training_clips`, in clips."""
    builder = catalog.make_builder('video_folder', 'input', scratch / 'data', videos_dir)
    convert_dataset(builder, processes=threads, report=entry.report)
    opened = catalog.open_dataset('video_folder', 'input', scratch / 'data')
    stored = _read_stored(opened, count)

    def bare(name, function):
        def work(_):
            with futures.ThreadPoolExecutor(threads) as pool:
                return len(list(pool.map(function, stored)))

        return Side(name, work)

    def start_pipeline():
        batches = iter(
            clips.training_clips(
                opened,
                'train',
                frames=CLIP_FRAMES,
                crop_size=CROP,
                batch_size=CLIPS_PER_BATCH,
                seed=0,
                flip=True,
            )
        )
        next(batches)  # tracing and the first filling of buffers happen once in a training
        return batches

    def read_batches(batches):
        steps = -(-count // CLIPS_PER_BATCH)
        for _ in range(steps):
            next(batches)
        return steps * CLIPS_PER_BATCH

    return 'clips', [
        bare('bare_loop', _decode),
        bare('opencv_loop', _decode_with_opencv),
        bare('cropping_loop', _decode_crops),
        Side('pipeline', read_batches, start_pipeline),
    ]


TASKS = {
    'conversion': benchmark_conversion,
    'input': benchmark_input,
    'reading': benchmark_reading,
}


def peak_memory(processes):
    """Bytes of this process at its peak, and of `processes` children as large as the largest."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return 1024 * (own + processes * child)


def main(arguments):
    del arguments
    task = required('task', FLAGS.task)
    processes = FLAGS.processes or os.cpu_count() or 1
    settings = {'task': task, 'videos': FLAGS.videos, 'processes': processes}
    this = Run('benchmark', FLAGS.workdir, settings, replaces=True, goes_on=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        videos_dir = FLAGS.manual_dir
        if videos_dir is None:
            videos_dir = scratch / 'videos'
            generate_videos(videos_dir, FLAGS.videos, (FLAGS.height, FLAGS.width))
        unit, sides = TASKS[task](videos_dir, scratch, processes, FLAGS.clips)
        rates = compare(sides, unit, FLAGS.repeats)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    measured = sides[-1].name
    results = {
        'task': task,
        'seconds': time.monotonic() - started,
        f'{unit}_per_second': medians[measured],
        'fraction_of_bare_loop': medians[measured] / medians['bare_loop'],
        'peak_memory_bytes': peak_memory(processes),
        'rates': rates,
    }
    this.finish(results, _markdown(task, unit, processes, medians, results))
    entry.report(f'{measured}: {results["fraction_of_bare_loop"]:.3f} of the bare loop')


def _markdown(task, unit, processes, medians, results):
    rows = [
        (name, medians[name], min(rates), max(rates), medians[name] / medians['bare_loop'])
        for name, rates in results['rates'].items()
    ]
    header = ('side', f'{unit}/s, median', 'least', 'most', 'of the bare loop')
    return '\n'.join(
        [
            f'# Benchmark of {task}, {processes} cores\n',
            markdown_table(header, rows),
            f'Peak memory: {results["peak_memory_bytes"] / 2**20:.0f} MiB.\n',
        ]
    )


if __name__ == '__main__':
    define_flags()
    entry.start(main)
