"""Clips of the ramp videos, whose pixels say which frame and which place they come from."""

import numpy as np

from data import clips

HEIGHT, WIDTH = 48, 64  # of the ramp videos
CROP = (24, 40)
TRAINING_VIDEOS = 2 * 4 * 7  # classes, copies, lengths


def origin(clip):
    """Where a ramp clip was cut out: (frame numbers, top, left, mirrored)."""
    clip = clip.astype(np.float64)
    red, green, blue = np.moveaxis(clip, -1, 0)
    numbers = np.rint((blue.mean((1, 2)) - 5) / 10).astype(int)
    mirrored = red[..., 0].mean() > red[..., -1].mean()
    columns = np.arange(clip.shape[2])[:: -1 if mirrored else 1]
    left = np.rint((red.mean((0, 1)) - 10) / 3 - columns)
    top = np.rint((green.mean((0, 2)) - 10) / 4 - np.arange(clip.shape[1]))
    # The last column or row of a crop may be off by a step in the color of a JPEG.
    return list(numbers), int(np.median(top)), int(np.median(left)), bool(mirrored)


def make(dataset, **changes):
    arguments = {
        'frames': 8,
        'crop_size': CROP,
        'batch_size': 7,
        'seed': 5,
        'flip': True,
        'deterministic': True,
    }
    return clips.training_clips(dataset, 'train', **(arguments | changes))


def examples(dataset, count):
    """The first examples of a batched dataset, one by one."""
    found = []
    for batch in dataset.as_numpy_iterator():
        found += [
            dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)
        ]
        if len(found) >= count:
            return found[:count]
    raise AssertionError(f'only {len(found)} examples')


def length_of(video_id):
    return int(video_id.decode().rsplit('/', 1)[1].split('-')[0])
