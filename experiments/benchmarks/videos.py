"""Tasks whose work is the frames of videos: converting, reading, and decoding training clips.

Videos are generated, or taken from a folder as the dataset `video_folder` takes.
"""

import itertools
import pathlib
from concurrent import futures

import cv2
import numpy as np
import tensorflow as tf

from data import catalog, clips, workers
from data.conversion.convert import convert_dataset
from data.example import VIDEO
from data.records.heads import stored_files
from data.records.read import parse, records
from experiments.benchmarks.comparing import Comparison, Side
from s3dg.program import entry
from s3dg.program.entry import UsageError
from s3dg.training.devices import create_strategy
from s3dg.video import reading, writing

CLIP_FRAMES = 64  # the paper's (section 3.2), as the two below
CROP = 224
CLIPS_PER_BATCH = 6

GENERATED_SIZE = (256, 340)  # height, width: the shape in which Kinetics is mostly passed around
GENERATED_FRAMES = 250  # the ten seconds of a Kinetics video
# Standard deviations of blurred noise, and their weights. Frames of 256x256 then take 25 KB; those
# of two videos from cameras took 22 and 31 KB.
_TEXTURE = ((1, 0.5), (4, 4), (16, 16))
_DIFFERENT = 16  # videos generated; more are links
_JPEG_QUALITY = 95


def generate_videos(
    folder, count, size=GENERATED_SIZE, frame_count=GENERATED_FRAMES, report=entry.report
):
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
            np.rint(64 + 60 * np.sin(np.arange(frame_count) / 40 + angle)).astype(int)
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


def find_videos(options, scratch):
    """The folder of videos that the options name; where they name none, generated ones."""
    if options.manual_dir is not None:
        return options.manual_dir
    generate_videos(scratch / 'videos', options.videos, (options.height, options.width))
    return scratch / 'videos'


def _resized_by_opencv(path):
    """Yields the frames of a video as OpenCV reads and resizes them by itself."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        while (decoded := capture.read())[0]:
            yield cv2.resize(decoded[1], (256, 256), interpolation=cv2.INTER_LINEAR)
    finally:
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


# Each task takes the `Options` and a folder for its own files, and returns a `Comparison`.


def compare_reading(options, scratch):
    """OpenCV's reader and `s3dg.video.reading`, in frames."""
    videos_dir, processes = find_videos(options, scratch), options.processes
    paths = _listed_paths(
        catalog.make_builder('video_folder', 'read', scratch / 'data', videos_dir)
    )
    sides = [
        Side('reading', lambda _: _total(read_frames, paths, processes)),
        Side('bare_loop', lambda _: _total(read_with_opencv, paths, processes)),
    ]
    return Comparison('frames', sides, processes=processes)


def compare_conversion(options, scratch):
    """The bare loop and `convert_dataset`, in frames."""
    videos_dir, processes = find_videos(options, scratch), options.processes
    turns = itertools.count()

    def builder():
        name = f'turn{next(turns)}'
        return catalog.make_builder(
            'video_folder', name, scratch / 'data', videos_dir, frames_per_second=None
        )

    paths = _listed_paths(builder())
    sides = [
        Side('conversion', lambda _: convert_dataset(builder(), processes=processes).frames),
        Side('bare_loop', lambda _: _total(decode_resize_encode, paths, processes)),
    ]
    return Comparison('frames', sides, processes=processes)


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


def compare_input(options, scratch):
    """Bare decoding loops and `clips.training_clips`, in clips."""
    videos_dir, threads, count = find_videos(options, scratch), options.processes, options.clips
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
        dataset = clips.training_clips(
            opened,
            'train',
            frames=CLIP_FRAMES,
            crop_size=CROP,
            batch_size=CLIPS_PER_BATCH,
            seed=0,
            flip=True,
        )
        # As the training loop takes them.
        batches = iter(create_strategy('one').experimental_distribute_dataset(dataset))
        next(batches)  # tracing and the first filling of buffers happen once in a training
        return batches

    def read_batches(batches):
        steps = -(-count // CLIPS_PER_BATCH)
        for _ in range(steps):
            next(batches)
        return steps * CLIPS_PER_BATCH

    sides = [
        Side('pipeline', read_batches, start_pipeline),
        bare('bare_loop', _decode),
        bare('opencv_loop', _decode_with_opencv),
        bare('cropping_loop', _decode_crops),
    ]
    return Comparison('clips', sides)
