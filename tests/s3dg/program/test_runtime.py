"""What a program says of the machine that it runs on."""

import pytest
import tensorflow as tf

from s3dg.program import runtime

HASWELL = (
    'processor\t: 0\nflags\t\t: fpu sse2 avx avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu avx2\n'
)


@pytest.mark.parametrize(
    ('cpu_info', 'emulates'),
    [
        (HASWELL, True),
        (HASWELL.replace('fma', 'fma avx512_bf16'), False),
        (HASWELL.replace('fma', 'fma amx_bf16 amx_tile'), False),
        ('Features\t: fp asimd bf16\n', False),
        ('Features\t: fp asimd\n', True),
        ('model name: one that says nothing of it\n', False),
    ],
)
def test_a_cpu_that_emulates_bfloat16(cpu_info, emulates, tmp_path):
    (tmp_path / 'cpuinfo').write_text(cpu_info)
    assert runtime.emulates_bfloat16(tmp_path / 'cpuinfo') == emulates


def test_where_it_is_not_known_nothing_is_said(tmp_path, monkeypatch):
    assert not runtime.emulates_bfloat16(tmp_path / 'none')
    (tmp_path / 'cpuinfo').write_text(HASWELL)
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: [kind])
    assert not runtime.emulates_bfloat16(tmp_path / 'cpuinfo')  # a GPU computes


@pytest.mark.parametrize(('dtype', 'said'), [('mixed_bfloat16', 1), ('float32', 0)])
def test_emulation_is_said_where_it_is_asked_for(dtype, said, monkeypatch):
    lines = []
    monkeypatch.setattr(runtime, 'emulates_bfloat16', lambda: True)
    monkeypatch.setattr(runtime.entry, 'report', lines.append)
    monkeypatch.setattr(runtime.keras.config, 'set_dtype_policy', lambda dtype: None)
    runtime.start_runtime(runtime.RuntimeOptions(0, 'one', 0, dtype, False))
    assert len(lines) == said
    assert all('--dtype=mixed_bfloat16: this CPU has neither' in line for line in lines)
