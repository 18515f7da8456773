"""Shards: where they are cut."""

from data.conversion import shards


def test_boundaries_of_shards():
    assert shards.boundaries(1, 64, 8) == [0, 1]
    assert shards.boundaries(20, 64, 8) == [0, 10, 20]
    assert shards.boundaries(64, 64, 8) == [0, 8, 16, 24, 32, 40, 48, 56, 64]
    assert len(shards.boundaries(1600, 64, 8)) == 26
    uneven = shards.boundaries(1000, 64, 8)
    assert uneven[0] == 0
    assert uneven[-1] == 1000
    assert {b - a for a, b in zip(uneven, uneven[1:], strict=False)} == {62, 63}
