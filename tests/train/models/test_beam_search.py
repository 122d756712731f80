"""Beam search against every sequence there is, tables worked out by hand, and the greedy path."""

from __future__ import annotations

import itertools
import math

import numpy
import pytest

from pellucid.train.models.beam_search import beam_search

START, END = 0, 1


class Table:
    """Next-token scores that depend on the row's number and on all tokens so far, by a rule or a dictionary."""

    def __init__(self, logits, rows: int, beams: int) -> None:
        self.logits = logits
        self.prefixes = [(row,) for row in range(rows) for _ in range(beams)]

    def __call__(self, tokens):
        self.prefixes = [(*prefix, int(token)) for prefix, token in zip(self.prefixes, tokens, strict=True)]
        return numpy.array([self.logits(prefix) for prefix in self.prefixes])

    def keep(self, rows):
        self.prefixes = [self.prefixes[row] for row in rows]


def drawn(vocabulary: int, seed: int = 0):
    """Normal logits, other ones after every prefix; the start token never comes again."""

    def logits(prefix):
        values = numpy.random.default_rng([seed, *prefix]).normal(size=vocabulary) * 2
        values[START] = -numpy.inf
        return values

    return logits


def every(logits, row: int, vocabulary: int, longest: int):
    """All sequences with ln P and length: those that end, and those cut at the longest length."""
    tokens = [token for token in range(vocabulary) if token not in (START, END)]
    for length in range(longest + 1):
        for written in itertools.product(tokens, repeat=length):
            ends = [END] * (length < longest)
            total, prefix = 0.0, [row, START]
            for token in (*written, *ends):
                values = logits(tuple(prefix))
                total += values[token] - math.log(sum(math.exp(value) for value in values))
                prefix.append(token)
            yield written, total, length + len(ends)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 2.0])
def test_a_wide_beam_finds_the_best_of_all(penalty):
    logits, rows, longest = drawn(5), 3, 4
    beams = sum(3**length for length in range(longest + 1))  # as many as there are sequences
    found = beam_search(Table(logits, rows, beams), rows, START, END, longest, beams, penalty)
    for row, hypotheses in enumerate(found):
        scored = [
            (total / ((5 + length) / 6) ** penalty, total, written)
            for written, total, length in every(logits, row, 5, longest)
        ]
        scored.sort(reverse=True)
        assert len(hypotheses) == len(scored) == beams
        for hypothesis, (score, total, written) in zip(hypotheses, scored, strict=True):
            assert tuple(hypothesis.tokens) == written
            assert hypothesis.log_probability == pytest.approx(total, rel=1e-9)
            assert hypothesis.score == pytest.approx(score, rel=1e-9)


def test_one_beam_takes_the_most_likely_token():
    logits, rows, longest = drawn(7, seed=3), 6, 10
    found = beam_search(Table(logits, rows, 1), rows, START, END, longest, 1)
    lengths = set()
    for row, (hypothesis,) in enumerate(found):
        prefix = [row, START]
        while len(prefix) < longest + 2 and prefix[-1] != END:
            prefix.append(int(numpy.argmax(logits(tuple(prefix)))))
        written = prefix[2:-1] if prefix[-1] == END else prefix[2:]
        assert hypothesis.tokens.tolist() == written
        lengths.add(len(written))
    assert len(lengths) > 1  # rows end at different places, and none disturbs another


PROBABILITIES = {  # start and end, then A and B
    (0,): [0, 0, 0.6, 0.4],
    (0, 2): [0, 0.3, 0.4, 0.3],
    (0, 3): [0, 0.9, 0.05, 0.05],
}


def by_hand(prefix):
    with numpy.errstate(divide="ignore"):
        return numpy.log(PROBABILITIES.get(prefix[1:], [0, 1, 0, 0]))


def test_two_beams_find_what_one_misses():
    """Greedy begins with A: 0.6·0.4 = 0.24. B then end: 0.4·0.9 = 0.36."""
    ((greedy,),) = beam_search(Table(by_hand, 1, 1), 1, START, END, 5, 1, 0.0)
    assert greedy.tokens.tolist() == [2, 2]
    assert math.exp(greedy.log_probability) == pytest.approx(0.24)
    ((best, second),) = beam_search(Table(by_hand, 1, 2), 1, START, END, 5, 2, 0.0)
    assert best.tokens.tolist() == [3]
    assert math.exp(best.log_probability) == pytest.approx(0.36)
    assert second.tokens.tolist() == [2, 2]
    assert best.score == best.log_probability  # without a penalty


def test_the_penalty_lets_the_longer_win():
    """B, end: ln 0.36 = -1.022 at length 2; A, A, end: ln 0.24 = -1.427 at length 3: (8/6)^a > 1.397 (7/6)^a."""
    (mild, _), (strong, _) = (
        beam_search(Table(by_hand, 1, 2), 1, START, END, 5, 2, penalty)[0] for penalty in (2.0, 3.0)
    )
    assert mild.tokens.tolist() == [3]
    assert strong.tokens.tolist() == [2, 2]
    assert strong.score == pytest.approx(math.log(0.24) / (8 / 6) ** 3)


def test_cut_at_the_longest():
    """What has not ended at `max_length` stands as it is, and counts with the tokens it has."""
    ((hypothesis,),) = beam_search(Table(by_hand, 1, 1), 1, START, END, 1, 1)
    assert hypothesis.tokens.tolist() == [2]
    assert math.exp(hypothesis.log_probability) == pytest.approx(0.6)


def test_what_is_never_written():
    """Without A: B then end, and B, B, end, of 0.4·0.05."""
    best, second = beam_search(Table(by_hand, 1, 2), 1, START, END, 5, 2, 0.0, unwritten=[2])[0]
    assert [best.tokens.tolist(), second.tokens.tolist()] == [[3], [3, 3]]
    assert math.exp(second.log_probability) == pytest.approx(
        0.4 * 0.05
    )  # the network's own, though others are left out
