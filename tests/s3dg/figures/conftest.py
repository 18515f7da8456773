"""What tests of pictures share."""

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def figures(monkeypatch):
    """The figures that were saved, as matplotlib's objects."""
    saved = []
    savefig = Figure.savefig

    def save(self, *args, **kwargs):
        saved.append(self)
        savefig(self, *args, **kwargs)

    monkeypatch.setattr(Figure, 'savefig', save)
    return saved
