"""Counter-based random numbers: a pure function of key and position, the same in every executor at any thread count.

Philox4x32-10 turns a 128-bit counter and a 64-bit key into four random 32-bit words. Element `e` of a draw with stream
`s` at (seed, step) is word `e mod 4` of block `(e // 4, s, step_low, step_high)` under the key `(seed_low, seed_high)`.

Source: Salmon, Moraes, Dror, Shaw: *Parallel random numbers: as easy as 1, 2, 3*, SC 2011.
"""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.errors import ArgumentError

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_SHUFFLE_STREAM = 5


def philox(counter: Any, key: Any, np: Any = numpy) -> Any:
    """Ten rounds of Philox on counters [4, n] under a key [2]: four random words each, uint32 [4, n].

    >>> [hex(word) for word in philox(numpy.zeros((4, 1), numpy.uint32), (0, 0))[:, 0]]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = (np.asarray(word, np.uint32) for word in counter)
    k0, k1 = (np.asarray(word, np.uint32) for word in key)
    with numpy.errstate(over="ignore"):
        for _ in range(10):
            high0, low0 = _multiply(np, _MULTIPLIERS[0], c0)
            high1, low1 = _multiply(np, _MULTIPLIERS[1], c2)
            c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
            k0, k1 = k0 + np.uint32(_WEYL[0]), k1 + np.uint32(_WEYL[1])
    return np.stack([c0, c1, c2, c3])


def _multiply(np: Any, multiplier: int, word: Any) -> tuple[Any, Any]:
    """The high and low 32 bits of a product of 32-bit words, in 32-bit arithmetic alone: JAX's default has no other."""
    low, high = np.uint32(multiplier & 0xFFFF), np.uint32(multiplier >> 16)
    word_low, word_high = word & np.uint32(0xFFFF), word >> np.uint32(16)
    middle = high * word_low + ((low * word_low) >> np.uint32(16))
    carry = (middle & np.uint32(0xFFFF)) + low * word_high
    return (high * word_high + (middle >> np.uint32(16)) + (carry >> np.uint32(16)), np.uint32(multiplier) * word)


def words(key: Any, stream: int, count: int, np: Any = numpy) -> Any:
    """`count` random words, uint32 [count], for a key uint32 [4] = (seed_low, seed_high, step_low, step_high)."""
    blocks = np.arange((count + 3) // 4, dtype=np.uint32)
    filled = [np.full_like(blocks, 1) * np.asarray(word, np.uint32) for word in (stream, key[2], key[3])]
    return philox((blocks, *filled), (key[0], key[1]), np).T.reshape(-1)[:count]


def uniform(key: Any, stream: int, count: int, np: Any = numpy) -> Any:
    """`count` numbers in [0, 1), float32: the upper 24 bits of each word."""
    return (words(key, stream, count, np) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def normal(key: Any, stream: int, count: int, np: Any = numpy) -> Any:
    """`count` standard normal numbers, float32, by Box–Muller on pairs of words."""
    bits = (words(key, stream, count + count % 2, np).reshape(-1, 2) >> np.uint32(8)).astype(np.float32)
    radius = np.sqrt(np.float32(-2.0) * np.log((bits[:, 0] + np.float32(1.0)) * np.float32(2.0**-24)))
    angle = np.float32(2.0 * numpy.pi * 2.0**-24) * bits[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)[:count]


def make_key(seed: int, step: int = 0) -> numpy.ndarray:
    """The key uint32 [4] of a seed and a step, each 0 … 2⁶⁴−1; raises `ArgumentError` outside.

    >>> make_key(7, 1)
    array([7, 0, 1, 0], dtype=uint32)
    """
    for name, value in (("seed", seed), ("step", step)):
        if not 0 <= value < 2**64:
            raise ArgumentError(f"the {name} {value} is outside 0 … 2⁶⁴−1; choose a whole number there")
    return numpy.array([seed & 0xFFFFFFFF, seed >> 32, step & 0xFFFFFFFF, step >> 32], numpy.uint32)


def shuffle(seed: int, epoch: int, count: int) -> numpy.ndarray:
    """The order of rows in one epoch: int64 [count], by Fisher–Yates from the top.

    >>> shuffle(0, 0, 5)
    array([4, 2, 3, 0, 1])
    """
    key = make_key(seed, epoch)
    draws = words(key, _SHUFFLE_STREAM, count).astype(numpy.uint64)
    targets = ((draws * numpy.arange(1, count + 1, dtype=numpy.uint64)) >> numpy.uint64(32)).tolist()
    rows = list(range(count))
    for i in range(count - 1, 0, -1):
        j = targets[i]
        rows[i], rows[j] = rows[j], rows[i]
    return numpy.array(rows, numpy.int64)
