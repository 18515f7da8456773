"""How large a module and a folder may be; tests, and the programs of `experiments`, aside."""

import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
MOST_LINES, MOST_MODULES = 400, 16


def large_parts(root):
    """Folders with too many modules, and modules with too many lines, below a folder."""
    found = []
    for folder in [root, *(path for path in root.rglob('*') if path.is_dir())]:
        modules = [path for path in folder.glob('*.py') if path.name != '__init__.py']
        if len(modules) > MOST_MODULES:
            found.append((folder.relative_to(root.parent).as_posix(), len(modules)))
        for path in folder.glob('*.py'):
            lines = len(path.read_text().splitlines())
            if lines > MOST_LINES:
                found.append((path.relative_to(root.parent).as_posix(), lines))
    return found


def test_large_parts_are_found(tmp_path):
    folder = tmp_path / 'a' / 'b'
    folder.mkdir(parents=True)
    for number in range(MOST_MODULES):
        (folder / f'{number}.py').write_text('\n' * MOST_LINES)
    (folder / '__init__.py').touch()
    assert large_parts(tmp_path / 'a') == []
    (folder / 'one_more.py').write_text('\n' * (MOST_LINES + 1))
    assert large_parts(tmp_path / 'a') == [('a/b', 17), ('a/b/one_more.py', 401)]


@pytest.mark.parametrize('folder', ['s3dg', 'data', 'experiments/paper', 'experiments/training'])
def test_no_part_is_large(folder):
    assert large_parts(ROOT / folder) == []
