"""Random numbers: known answers, distributions, and an independent reading of the same definitions."""

from __future__ import annotations

import math

import numpy
import pytest

from pellucid.core.random import make_key, normal, philox, shuffle, uniform, words
from pellucid.errors import ArgumentError

# Known-answer vectors of Philox4x32-10 published with Random123 (kat_vectors): counter, key, result.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter: list[int], key: list[int], result: list[int]) -> None:
    got = philox([numpy.array([word], numpy.uint32) for word in counter], key)
    assert got[:, 0].tolist() == result


def plain_philox(counter: list[int], key: list[int]) -> list[int]:
    """The same in Python's whole numbers, straight from the paper."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        first, second = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (second >> 32) ^ b ^ k, second & 0xFFFFFFFF, (first >> 32) ^ d ^ m, first & 0xFFFFFFFF
        k, m = (k + 0x9E3779B9) & 0xFFFFFFFF, (m + 0xBB67AE85) & 0xFFFFFFFF
    return [a, b, c, d]


def plain_word(seed: int, step: int, stream: int, place: int) -> int:
    counter = [place // 4, stream, step & 0xFFFFFFFF, step >> 32]
    return plain_philox(counter, [seed & 0xFFFFFFFF, seed >> 32])[place % 4]


def test_words_by_an_independent_reading() -> None:
    seed, step = 0x123456789ABCDEF0, 0x1_0000_0007
    got = words(make_key(seed, step), 9, 23)
    assert got.tolist() == [plain_word(seed, step, 9, i) for i in range(23)]
    assert got.dtype == numpy.uint32


def test_draws_are_prefixes_of_longer_ones() -> None:
    key = make_key(3, 1)
    for draw in (words, uniform, normal):
        assert numpy.array_equal(draw(key, 2, 101)[:7], draw(key, 2, 7))
        assert draw(key, 2, 0).shape == (0,)


def test_streams_steps_and_seeds_differ() -> None:
    draws = [
        words(make_key(s, t), stream, 8).tobytes() for s in (0, 1, 2**32) for t in (0, 1, 2**32) for stream in (0, 1)
    ]
    assert len(set(draws)) == len(draws)


def test_uniform() -> None:
    """200,000 draws: range, mean, variance, and 100 bins by χ² (99 degrees of freedom: 99 ± 14; 160 is 4σ away)."""
    x = uniform(make_key(42), 0, 200_000)
    assert x.dtype == numpy.float32
    assert 0.0 <= x.min() < 1e-4
    assert 1 - 1e-4 < x.max() < 1.0
    assert x.mean() == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / len(x)))
    assert x.var() == pytest.approx(1 / 12, rel=0.01)
    counts = numpy.bincount((x * 100).astype(int), minlength=100)
    assert ((counts - 2000.0) ** 2 / 2000.0).sum() < 160
    assert abs(numpy.corrcoef(x[:-1], x[1:])[0, 1]) < 0.01


def test_normal() -> None:
    """200,000 draws: moments, and the share below some points by the distribution function."""
    x = normal(make_key(42), 1, 200_000).astype(float)
    assert numpy.isfinite(x).all()
    assert x.mean() == pytest.approx(0.0, abs=0.01)
    assert x.std() == pytest.approx(1.0, abs=0.01)
    assert (x**3).mean() == pytest.approx(0.0, abs=0.03)
    assert (x**4).mean() == pytest.approx(3.0, abs=0.1)
    for point in (-2.0, -1.0, 0.0, 0.5, 1.5):
        assert (x < point).mean() == pytest.approx((1 + math.erf(point / math.sqrt(2))) / 2, abs=0.005)
    assert abs(numpy.corrcoef(x[0::2], x[1::2])[0, 1]) < 0.01  # the two of one Box–Muller pair


def test_normal_by_an_independent_reading() -> None:
    pair = [plain_word(5, 2, 3, i) >> 8 for i in range(2)]
    radius, angle = math.sqrt(-2 * math.log((pair[0] + 1) * 2.0**-24)), 2 * math.pi * pair[1] * 2.0**-24
    assert normal(make_key(5, 2), 3, 2).tolist() == pytest.approx(
        [radius * math.cos(angle), radius * math.sin(angle)], abs=2e-6
    )


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 1000])
def test_shuffle_is_a_permutation(count: int) -> None:
    rows = shuffle(7, 3, count)
    assert rows.dtype == numpy.int64
    assert sorted(rows.tolist()) == list(range(count))


@pytest.mark.parametrize(("seed", "epoch", "count"), [(0, 0, 5), (7, 3, 50), (2**63 + 1, 2**33, 11)])
def test_shuffle_by_an_independent_reading(seed: int, epoch: int, count: int) -> None:
    rows = list(range(count))
    for i in reversed(range(1, count)):
        j = plain_word(seed, epoch, 5, i) * (i + 1) >> 32
        rows[i], rows[j] = rows[j], rows[i]
    assert shuffle(seed, epoch, count).tolist() == rows


def test_shuffle_is_even() -> None:
    """Each of the 6 orders of 3 rows about equally often over 6,000 epochs: χ² with 5 degrees of freedom below 20."""
    orders = [tuple(shuffle(1, epoch, 3).tolist()) for epoch in range(6000)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 20


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_outside(seed: int) -> None:
    with pytest.raises(ArgumentError, match="seed"):
        make_key(seed)
