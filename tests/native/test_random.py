"""Random numbers against a Philox4x32-10 written here from the paper, with its known answers."""

from __future__ import annotations

import numpy as np
import pytest

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

MASK = 0xFFFFFFFF


def philox(counter: tuple[int, ...], key: tuple[int, ...]) -> list[int]:
    """Salmon et al. 2011, section 4.3: ten rounds of two products whose halves are exchanged."""
    c, k = list(counter), list(key)
    for _ in range(10):
        left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(right >> 32) ^ c[1] ^ k[0], right & MASK, (left >> 32) ^ c[3] ^ k[1], left & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def words(size: int, stream: int, key: tuple[int, int, int, int]) -> np.ndarray:
    blocks = [philox((block, stream, *key[2:]), key[:2]) for block in range(-(-size // 4))]
    return np.array(blocks, np.uint64).reshape(-1)


def draw(
    kernel: str, shape: tuple[int, ...], stream: int, key: tuple[int, int, int, int], threads: int = 1
) -> np.ndarray:
    buffers = [("input", "uint32", [4]), ("output", "float32", list(shape))]
    plan = native.Plan(buffers, {}, [(kernel, {"stream": stream}, [0], [1])], threads)
    return plan.call([np.array(key, np.uint32)], [0], [1])[0]


def test_known_answers() -> None:
    # The vectors distributed with the authors' Random123.
    assert philox((0, 0, 0, 0), (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox((MASK,) * 4, (MASK,) * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


@pytest.mark.parametrize("size", [1, 3, 4, 63, 64, 65, 1001])
@pytest.mark.parametrize("key", [(0, 0, 0, 0), (1, 2, 3, 4), (MASK, MASK, MASK, MASK)])
def test_uniform(size: int, key: tuple[int, int, int, int]) -> None:
    expected = (words(size, 9, key) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)
    np.testing.assert_array_equal(draw("random_uniform", (size,), 9, key), expected[:size])


@pytest.mark.parametrize("size", [1, 2, 3, 66, 1001])
def test_normal(size: int) -> None:
    key = (12345, 678, 90, 0)
    a, b = (words(size, 3, key)[start::2] >> np.uint64(8) for start in (0, 1))
    radius = np.sqrt(-2 * np.log((a + np.uint64(1)) * 2.0**-24))
    angle = 2 * np.pi * b * 2.0**-24
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:size]
    np.testing.assert_allclose(draw("random_normal", (size,), 3, key), expected, rtol=1e-6, atol=4e-7)


def test_a_draw_does_not_depend_on_the_threads_and_looks_normal() -> None:
    x = draw("random_normal", (400, 500), 1, (7, 0, 0, 0), threads=1)
    np.testing.assert_array_equal(x, draw("random_normal", (400, 500), 1, (7, 0, 0, 0), threads=2))
    # Of 200,000 numbers: the mean within 5/√n, the variance within 5·√(2/n), the fourth moment within 5·√(96/n).
    n = x.size
    assert abs(x.mean(dtype=np.float64)) < 5 / n**0.5
    assert abs(x.var(dtype=np.float64) - 1) < 5 * (2 / n) ** 0.5
    assert abs(np.mean(x.astype(np.float64) ** 4) - 3) < 5 * (96 / n) ** 0.5


@pytest.mark.parametrize("n", [0, 1, 2, 3, 31, 32, 33, 100, 1000])
@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (5 + (7 << 32), 3), (2**64 - 1, 2**33 + 1)])
def test_shuffle(n: int, seed: int, epoch: int) -> None:
    key = (seed & MASK, seed >> 32)
    stream = [word for block in range(-(-n // 4)) for word in philox((block, 5, epoch & MASK, epoch >> 32), key)]
    expected = np.arange(n)
    for i in range(n - 1, 0, -1):
        j = stream[i] * (i + 1) >> 32
        expected[[i, j]] = expected[[j, i]]
    np.testing.assert_array_equal(native.shuffle(seed, epoch, n), expected)
