"""BLEU by hand, its errors, and the library that it needs."""

from __future__ import annotations

import math
import sys

import pytest

from pellucid.errors import DataError
from pellucid.metrics import bleu


def test_by_hand():
    """Of runs of one to four words 6/6, 4/5, 3/4 and 2/3 are right; six words for seven are too few."""
    pytest.importorskip("sacrebleu")
    wanted = 100 * math.exp(1 - 7 / 6) * (6 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25
    assert bleu(["a dog runs over the green grass"], ["a dog runs over the grass"]) == pytest.approx(wanted)


def test_over_all_texts():
    """Runs are counted over all texts: 5 + 4, 4 + 2, 3 + 1 and 2 + 0 right of 5 + 4, 4 + 3, 3 + 2 and 2 + 1."""
    pytest.importorskip("sacrebleu")
    wanted = 100 * (9 / 9 * 6 / 7 * 4 / 5 * 2 / 3) ** 0.25
    assert bleu(["two men play a game", "a b c d"], ["two men play a game", "b c d a"]) == pytest.approx(wanted)


def test_letters():
    pytest.importorskip("sacrebleu")
    assert bleu(["Ein Hund im Gras"], ["ein hund im gras"], lowercase=True) == pytest.approx(100)
    assert bleu(["Ein Hund im Gras"], ["ein hund im gras"]) < 50


def test_what_cannot_be_compared(monkeypatch):
    with pytest.raises(DataError, match="as many translations as true ones, got 2 for 1"):
        bleu(["a"], ["a", "b"])
    with pytest.raises(DataError, match="y_pred must be a list of texts, got 'a'"):
        bleu(["a"], "a")
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(DataError, match=r"pip install 'pellucid\[text\]'"):
        bleu(["a"], ["a"])
