"""Files of the Hugging Face Hub: `huggingface_hub` itself, and a Hub on this machine.

It reads where the Hub and its own files are when it is imported, so each case is a process.
"""

import os
import subprocess
import sys

import pytest

import s3dg
from s3dg.commands import classify
from s3dg.files import hub
from s3dg.saving.export import export
from tests import in_process, programs
from tests.s3dg.files import hub_server
from tests.s3dg.small import SMALL

FETCH = """
import sys
from s3dg.files import hub
for address in sys.argv[1:]:
    try:
        print(hub.fetch(address))
    except hub.HubError as error:
        print('error:', error)
"""


def _environment(home, server):
    address = f'http://127.0.0.1:{server.server_port if server else 1}'
    return {
        'HF_ENDPOINT': address,
        'HF_HOME': str(home),
        'HF_HUB_DISABLE_TELEMETRY': '1',
        'HF_HUB_DISABLE_PROGRESS_BARS': '1',
    }


def _fetch(home, server, *addresses):
    """What becomes of addresses: a path, or an error."""
    command = [sys.executable, '-c', FETCH, *addresses]
    environment = {**os.environ, **_environment(home, server), 'S3DG_WITHOUT_TENSORFLOW': '1'}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


FILES = {
    'net.keras': b'a network',
    'other.keras': b'not asked for',
    'export/saved_model.pb': b'graph',
    'export/variables/variables.index': b'index',
    'net.ckpt.index': b'i',
    'net.ckpt.data-00000-of-00001': b'd',
    'net.ckpt.meta': b'm',
    'odd [1].keras': b'odd',
}


def test_what_is_asked_for_is_fetched_once(tmp_path):
    with hub_server.serve('me/nets', FILES) as server:
        names = ['net.keras', 'export', 'net.ckpt', 'odd [1].keras']
        paths = _fetch(tmp_path, server, *(f'hf://me/nets/{name}' for name in names))
        folder = os.path.dirname(paths[0])
        assert paths == [os.path.join(folder, name) for name in names]
        with open(paths[0], 'rb') as file:
            assert file.read() == b'a network'
        held = [os.path.join(place, name) for place, _, all_ in os.walk(folder) for name in all_]
        held = {os.path.relpath(path, folder) for path in held}
        assert held == set(FILES) - {'other.keras'}
        fetched = sum('/resolve/' in path and verb == 'GET' for verb, path in server.asked)
        assert fetched == len(held)
        assert _fetch(tmp_path, server, 'hf://me/nets/net.keras') == paths[:1]
        assert sum('/resolve/' in path and verb == 'GET' for verb, path in server.asked) == fetched
    assert _fetch(tmp_path, None, 'hf://me/nets/net.keras') == paths[:1]  # without the Hub


def test_what_cannot_be_had_is_named(tmp_path):
    with hub_server.serve('me/nets', FILES) as server:
        missing, revision, repository, place, bare = _fetch(
            tmp_path,
            server,
            'hf://me/nets/no.keras',
            'hf://me/nets@v9/net.keras',
            'hf://me/none/net.keras',
            'hf://me/nets',
            'hf://',
        )
    assert missing == 'error: hf://me/nets/no.keras: there is no no.keras in me/nets.'
    assert revision.startswith('error: hf://me/nets@v9/net.keras: 404 Client Error')
    assert repository.startswith('error: hf://me/none/net.keras: 401 Client Error')
    expected = 'not an address of a file, expected hf://OWNER/REPO/FILE or hf://OWNER/REPO@REVI'
    assert place.startswith(f'error: hf://me/nets: {expected}')
    assert bare.startswith(f'error: hf://: {expected}')
    (unreached,) = _fetch(tmp_path, None, 'hf://you/nets/net.keras')
    assert unreached.startswith('error: hf://you/nets/net.keras: ')
    assert 'Connection refused' in unreached


def test_the_library_is_needed_for_addresses_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(hub.HubError, match=r"hf://a/b/c: needs huggingface_hub: pip install '.\[h"):
        hub.fetch('hf://a/b/c')
    assert not hub.is_address('hf:/a/b/c')


def test_programs_take_an_address_for_a_file(tmp_path):
    """As a `.keras` file and as a SavedModel."""
    network = s3dg.build('i2d', **SMALL)
    export(network, tmp_path / 'export')
    network.save(tmp_path / 'net.keras')
    files = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in [tmp_path / 'net.keras', *(tmp_path / 'export').rglob('*')]
        if path.is_file()
    }
    with hub_server.serve('me/nets', files) as server:
        environment = _environment(tmp_path / 'home', server)
        for name in ('net.keras', 'export'):
            words = [f'--model=hf://me/nets/{name}', tmp_path / 'no.mp4']
            told, error = programs.run(
                'classify', *words, code=1, **environment
            ).stderr.splitlines()
            assert told.startswith(f'hf://me/nets/{name}: {tmp_path}/home/')
            assert error == f'error: {tmp_path / "no.mp4"}: file not found'


def test_nothing_is_written_to_an_address(capsys):
    words = ['--model=net.keras', '--segments', '--workdir=hf://me/nets/run', 'video.mp4']
    assert in_process.call(classify, *words) == 2
    assert '--workdir: found hf://me/nets/run, expected a local folder' in capsys.readouterr().err
