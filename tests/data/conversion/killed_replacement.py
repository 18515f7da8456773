"""Converts a dataset anew, killed at every step of the swap; prints what was seen as JSON.

python killed_replacement.py FOLDER DATA_DIR
"""

import json
import pathlib
import shutil
import sys

from s3dg.files import folders
from tests.data.small_conversion import convert
from tests.kills import contents, hidden_contents, killed_at

SMALLER = {'frame_size': (8, 8)}
videos, root = sys.argv[1:]


def replace(data_dir):
    return convert(videos, data_dir, fields=SMALLER, max_skipped_fraction=0.2, overwrite=True)


def main():
    template = pathlib.Path(root, 'template')
    place = pathlib.Path(convert(videos, template, max_skipped_fraction=0.2).data_path)
    old, place = contents(place), place.relative_to(template)
    new = contents(
        convert(videos, f'{root}/new', fields=SMALLER, max_skipped_fraction=0.2).data_path
    )
    assert old != new
    seen = {}
    for exchanges in (True, False):
        step, killed, states = 0, True, []
        while killed:
            step += 1
            data_dir = pathlib.Path(root, f'{exchanges}{step}')
            shutil.copytree(template, data_dir)
            killed = killed_at(
                step, lambda data_dir=data_dir: replace(data_dir), exchanges, (folders, 'clear')
            )
            found = contents(data_dir / place)
            if found is None:
                hidden = hidden_contents(data_dir / place)
                states.append('both beside it' if old in hidden and new in hidden else 'lost')
            else:
                states.append('old' if found == old else 'new' if found == new else 'damaged')
            again = replace(data_dir)
            assert contents(data_dir / place) == new, step
            assert again.frames_decoded == 0 or found == new, step  # all was there
            left = sorted(path.name for path in (data_dir / place).parent.iterdir())
            assert left == ['.1.0.0.lock', '1.0.0'], left
            shutil.rmtree(data_dir)
        seen[str(exchanges)] = states
    print(json.dumps(seen))


if __name__ == '__main__':
    main()
