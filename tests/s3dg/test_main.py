"""The console program `s3dg`: its verbs, its help, and who else imports the package."""

import os
import re
import resource
import subprocess
import sys

import pytest

import s3dg
from s3dg.commands import VERBS
from tests import programs

# What pip writes as the console program.
SCRIPT = """\
import sys
from s3dg.__main__ import main
if __name__ == '__main__':
    sys.exit(main())
"""


def run(*words, folder=programs.ROOT, code=0):
    """Runs Python outside of any checkout, as where s3dg is installed; its CompletedProcess."""
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env={**programs.ENVIRONMENT, 'PYTHONPATH': str(programs.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done


@pytest.fixture
def script(tmp_path):
    path = tmp_path / 'bin' / 's3dg'
    path.parent.mkdir()
    path.write_text(SCRIPT)
    return path


@pytest.mark.parametrize('flag', ['--help', '-h', '--helpshort', 'help'])
def test_every_verb_has_a_line(flag):
    lines = run('-m', 's3dg', flag).stdout.splitlines()
    for name, verb in VERBS.items():
        assert lines.count(f'  {name:14}  {verb.summary}') == 1
    assert max(map(len, lines)) < 80


@pytest.mark.parametrize('start', ['module', 'script'])
def test_help_is_quick_and_needs_no_tensorflow(start, script, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = {'module': ['-m', 's3dg'], 'script': [script]}[start]
    done = run('-X', 'importtime', *words, '--help', folder=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1
    imported = re.findall(r'\| +([\w.]+)$', done.stderr, re.MULTILINE)
    assert 's3dg.commands' in imported
    assert not {'tensorflow', 'keras', 'numpy', 'absl'} & set(imported)


def test_what_is_no_verb_is_named():
    done = run('-m', 's3dg', 'clasify\n', 'a.mp4', code=2)
    verbs = 'classify, features, fvd, detect, explain, import-weights, export, cost'
    assert done.stderr == f"error: found 'clasify\\n', expected a verb: {verbs}\n"
    assert run('-m', 's3dg', code=2).stdout == run('-m', 's3dg', '--help').stdout


def test_a_closed_pipe_ends_the_help_quietly():
    words = f'{sys.executable} -u -m s3dg --help | true; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ['bash', '-c', words], cwd=programs.ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode in (0, 141), done.stderr) == (True, '')


def test_a_verb_shows_its_own_flags(script, tmp_path):
    done = run(script, 'export', '--help', folder=tmp_path)
    assert done.stdout.startswith('Exports a network as a SavedModel')
    assert re.findall(r'^s3dg.*:$|^  --[\w\[\]]+', done.stdout, re.MULTILINE) == [
        's3dg export:',
        '  --model',
        '  --output',
        '  --[no]overwrite',
        '  --workdir',
    ]
    assert done.stderr == ''


@pytest.mark.parametrize(
    ('argv', 'original', 'is_program'),
    [
        (['/usr/bin/s3dg', 'classify'], ['/usr/bin/python3', '/usr/bin/s3dg', 'classify'], True),
        (['-m', 'export'], ['python', '-m', 's3dg', 'export'], True),
        (['-m'], ['python', '-m', 's3dg'], True),
        (['-m', '-m'], ['python', '-X', 'importtime', '-Im', 's3dg', '-m'], True),
        (['-m', '--help'], ['python', '-ums3dg', '--help'], True),
        (['-m'], ['python', '-m', 'mine'], False),
        (['-m', 's3dg'], ['python', '-m', 'mine', 's3dg'], False),
        (['-m', '-m', 's3dg'], ['python', '-mmine', '-m', 's3dg'], False),
        (['-c', 's3dg'], ['python', '-c', 'import s3dg', 's3dg'], False),
        (['s3dg.py'], ['python', 's3dg.py'], False),
        (['use.py', '-m', 's3dg'], ['python', 'use.py', '-m', 's3dg'], False),
        ([''], ['python'], False),
        ([], ['embedded'], False),
    ],
)
def test_the_program_is_told_from_others(argv, original, is_program):
    assert s3dg._is_program(argv, original) == is_program


USE = 'import s3dg, keras; assert keras.saving.get_registered_object("s3dg>Network")'


@pytest.mark.parametrize('way', ['-c', '-m', 'script'])
def test_importing_the_package_registers_its_classes(way, tmp_path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / '__init__.py').write_text(USE)
    (tmp_path / 'mine' / '__main__.py').touch()
    (tmp_path / 'use').write_text(USE)
    words = {'-c': ['-c', USE], '-m': ['-m', 'mine'], 'script': [tmp_path / 'use', 's3dg']}[way]
    run(*words, folder=tmp_path)


def test_importing_it_for_reading_videos_needs_no_tensorflow(tmp_path):
    code = 'import s3dg, sys; assert "tensorflow" not in sys.modules'
    environment = {'S3DG_WITHOUT_TENSORFLOW': '1', 'PYTHONPATH': str(programs.ROOT)}
    subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, env=os.environ | environment, check=True
    )
