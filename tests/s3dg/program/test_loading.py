"""Files that are no network."""

import pytest

from s3dg.program.entry import UsageError
from s3dg.program.loading import load_network


def test_network_files_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match='--model: expected a .keras file, found .*not there'):
        load_network(tmp_path / 'none.keras')
    with pytest.raises(UsageError, match='--init: expected a .keras file, found .*a folder'):
        load_network(tmp_path, '--init')
    (tmp_path / 'text.keras').write_text('no network')
    with pytest.raises(UsageError, match='text.keras: it is no .keras file, or not a whole one'):
        load_network(tmp_path / 'text.keras')
