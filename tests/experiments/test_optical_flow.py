"""What the two-stream experiment refuses before it trains; test_experiments.py runs it whole."""

from types import SimpleNamespace

import pytest

from experiments import optical_flow
from s3dg.program.entry import UsageError


def test_two_streams_of_other_classes_say_which(monkeypatch):
    names = {'rgb': ('a', 'b'), 'flow': ('a', 'c')}
    monkeypatch.setattr(optical_flow, 'class_names', lambda builder: names[builder.modality])
    study = SimpleNamespace(builder=lambda dataset, modality: SimpleNamespace(modality=modality))
    with pytest.raises(UsageError, match="has other classes .*class 1 is 'c', expected 'b'"):
        optical_flow.check_same_videos(study, 'kinetics400')
