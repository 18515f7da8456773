"""A few videos laid out as Something-Something's release 1 is published: frames, lists, labels."""

import cv2
import numpy as np

from data import catalog
from data.conversion.convert import convert_dataset

LABELS = ('Pulling something', 'Something falling', 'Holding something')
SPLITS = ('train', 'validation', 'test')  # of the test split there are no labels


def convert(root, frames=3):
    """A video of each label in each split, numbered from 1 on, converted; the folder of datasets.

    Args:
      root: folder to work in.
      frames: of a video.
    """
    manual, number = root / 'something', 0
    lists = {split: [] for split in SPLITS}
    for split, lines in lists.items():
        for label in LABELS:
            number += 1
            folder = manual / '20bn-something-something-v1' / str(number)
            folder.mkdir(parents=True)
            for k in range(1, frames + 1):
                image = np.full((100, 120, 3), (20 * number + k) % 256, np.uint8)
                assert cv2.imwrite(str(folder / f'{k:05d}.jpg'), image)
            lines.append(str(number) if split == 'test' else f'{number};{label}')
    for name, lines in {**lists, 'labels': LABELS}.items():
        path = manual / f'something-something-v1-{name}.csv'
        path.write_text('\n'.join(lines) + '\n')
    builder = catalog.make_builder('something_something_v1', 'rgb', root / 'data', manual)
    convert_dataset(builder, processes=0)
    return root / 'data'
