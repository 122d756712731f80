"""Writing a sequence by beam search: the most likely beginnings are kept side by side, and each is tried in every way.

With one beam it is greedy search: the most likely token at every place, and no look back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from pellucid.train.models.decoding import NextToken, Scores, Tokens


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One sequence that a search came to: its tokens without the end token, and how likely they are.

    `log_probability` is the sum of the logarithms of the tokens' probabilities, that of the end token included where
    there is one; `score` is what sequences of different lengths are compared by.

    >>> Hypothesis(numpy.array([7, 4]), log_probability=-1.5, score=-1.25).tokens.tolist()
    [7, 4]
    """

    tokens: Tokens
    log_probability: float
    score: float


def beam_search(
    next_token: NextToken,
    rows: int,
    start_token: int,
    end_token: int,
    max_length: int,
    num_beams: int = 1,
    length_penalty: float = 0.6,
    unwritten: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """For each of `rows` sequences, the `num_beams` hypotheses that it found, best first.

    `next_token` has the memory of rows·num_beams sequences, those of one row side by side. At each place every beam is
    tried with every token. Of the `num_beams` most likely, those that end are set aside; the most likely others go on.
    A row is done with `num_beams` hypotheses set aside, or at `max_length` tokens. Tokens that are `unwritten`, such as
    padding, are never tried.

    Formula: score = ln P / ((5 + length)/6)^length_penalty, as sums of logarithms only fall, which favours short
    sequences; `length` counts the end token. Sources: Wu et al., "Google's Neural Machine Translation System", 2016;
    Freitag and Al-Onaizan, "Beam Search Strategies for Neural Machine Translation", 2017.
    """
    totals = numpy.full((rows, num_beams), -numpy.inf)
    totals[:, 0] = 0.0  # all beams of a row begin alike: one stands for them
    tokens = numpy.full(rows * num_beams, start_token, numpy.int32)
    written = numpy.zeros((rows, num_beams, 0), numpy.int32)
    found: list[list[Hypothesis]] = [[] for _ in range(rows)]

    def set_aside(row: int, tokens: Tokens, total: float, length: int) -> None:
        penalty = ((5 + length) / 6) ** length_penalty
        if len(found[row]) < num_beams and total > -numpy.inf:
            found[row].append(Hypothesis(tokens, float(total), float(total / penalty)))

    for length in range(1, max_length + 1):
        scores = log_softmax(next_token(tokens)).reshape(rows, num_beams, -1)
        scores[:, :, list(unwritten)] = -numpy.inf
        vocabulary = scores.shape[2]
        tried = (totals[:, :, None] + scores).reshape(rows, -1)
        best = _largest(tried, min(2 * num_beams, tried.shape[1]))
        ended = best % vocabulary == end_token
        for row, place in numpy.argwhere(ended[:, :num_beams]):
            beam = best[row, place] // vocabulary
            set_aside(row, written[row, beam], tried[row, best[row, place]], length)
        going = numpy.argsort(ended, axis=1, kind="stable")[:, :num_beams]  # the first that do not end
        best = numpy.take_along_axis(best, going, 1)
        beams, nexts = best // vocabulary, best % vocabulary
        totals = numpy.where(nexts == end_token, -numpy.inf, numpy.take_along_axis(tried, best, 1))
        written = numpy.concatenate([numpy.take_along_axis(written, beams[:, :, None], 1), nexts[:, :, None]], axis=2)
        if all(len(one) == num_beams for one in found):
            break
        next_token.keep((numpy.arange(rows)[:, None] * num_beams + beams).ravel())
        tokens = nexts.ravel().astype(numpy.int32)
    for row in range(rows):
        for beam in range(num_beams):
            set_aside(row, written[row, beam], totals[row, beam], length)
    return [sorted(one, key=lambda hypothesis: -hypothesis.score) for one in found]


def log_softmax(logits: Scores) -> NDArray[numpy.float64]:
    """Logits as the logarithms of probabilities, along the last axis.

    >>> numpy.exp(log_softmax(numpy.array([[0.0, 0.0]]))).tolist()
    [[0.5, 0.5]]
    """
    shifted = logits.astype(numpy.float64) - logits.max(-1, keepdims=True)
    result: NDArray[numpy.float64] = shifted - numpy.log(numpy.exp(shifted).sum(-1, keepdims=True))
    return result


def _largest(values: NDArray[numpy.float64], count: int) -> NDArray[numpy.intp]:
    """The places of the `count` largest numbers of each row, the largest first."""
    some = numpy.argpartition(-values, count - 1, axis=1)[:, :count]
    some.sort(axis=1)  # of equal numbers the first counts, whatever the partition did
    order = numpy.argsort(-numpy.take_along_axis(values, some, 1), axis=1, kind="stable")
    result: NDArray[numpy.intp] = numpy.take_along_axis(some, order, 1)
    return result
