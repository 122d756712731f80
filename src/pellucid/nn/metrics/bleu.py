"""BLEU: what translations have in common with those of people, through the library `sacrebleu` (the extra `text`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.errors import DataError


def bleu(y_true: Sequence[str], y_pred: Sequence[str], lowercase: bool = False) -> float:
    """How good translations `y_pred` are beside the true ones `y_true`, text by text: from 0 to 100, if all are equal.

    Formula: 100·brevity·(p₁·p₂·p₃·p₄)^¼, with pₙ the share of the runs of n words that stand in the true translation
    too, over all texts, and brevity = min(1, e^(1 - true length/length)). Words are told apart as sacreBLEU does
    (`13a`), so that the figure can be compared with published ones. With `lowercase` all letters count as small.
    Raises `DataError` for other than as many texts of each, and where `sacrebleu` is not installed.
    Sources: Papineni et al., "BLEU: a method for automatic evaluation of machine translation", 2002; Post, "A call for
    clarity in reporting BLEU scores", 2018.

    >>> round(bleu(["a dog runs over the green grass"], ["a dog runs over the grass"]), 1)
    67.3
    """
    for name, texts in (("y_true", y_true), ("y_pred", y_pred)):
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise DataError(f"bleu: {name} must be a list of texts, got {texts!r:.80}")
    if len(y_true) != len(y_pred) or not len(y_true):
        raise DataError(f"bleu needs as many translations as true ones, got {len(y_pred)} for {len(y_true)}")
    score: float = _sacrebleu().corpus_bleu(list(y_pred), [list(y_true)], lowercase=lowercase).score
    return score


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError:
        raise DataError("bleu needs sacrebleu; install it: pip install 'pellucid[text]'") from None
    return sacrebleu
