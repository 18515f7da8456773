"""What the two-stream experiment refuses before it trains; test_experiments.py runs it whole."""

from types import SimpleNamespace

import pytest

from experiments import optical_flow
from s3dg.program.entry import UsageError


def test_two_streams_of_other_classes_say_which(monkeypatch):
    monkeypatch.setattr(optical_flow, 'class_names', lambda builder: builder.classes)
    rgb, flow = (
        SimpleNamespace(name='d', info=SimpleNamespace(config_name=name), classes=classes)
        for name, classes in (('rgb', ('a', 'b')), ('flow', ('a', 'c')))
    )
    message = "d/flow has other classes than d/rgb: .*class 1 is 'c', expected 'b'"
    with pytest.raises(UsageError, match=message):
        optical_flow.check_same_videos(rgb, flow)
