"""Writing token after token: what comes next (`NextToken`), from a network run step by step, and drawing from it.

A `NextToken` remembers what it was given: each token costs one step of the network, not the whole sequence again.
Whoever decides on tokens, be it by drawing (`draw`) or by a search, sees nothing of the network but this.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy
from numpy.typing import NDArray

from pellucid.errors import ArgumentError, ShapeError, StateError
from pellucid.nn import arguments
from pellucid.train.stepper import Stepper

Scores = NDArray[numpy.floating[Any]]
Tokens = NDArray[numpy.integer[Any]]


class NextToken(Protocol):
    """What knows how likely each token is to come next, and remembers the tokens that it was given, row by row."""

    def start(self, rows: int, **context: Any) -> None:
        """Forget all: `rows` sequences begin side by side. The context, arrays [rows, …], stays the same for each."""

    def __call__(self, tokens: Tokens) -> Scores:
        """Logits [rows, vocabulary] of the token after these [rows] and all that were given before."""

    def keep(self, rows: NDArray[numpy.intp]) -> None:
        """Go on with these rows of the memory, some perhaps several times and others not at all.

        There may be more rows than before, or fewer: sequence i goes on from what row `rows[i]` remembers.
        """


class StepByStep:
    """The `NextToken` of a network whose outputs are the logits of each next token: [batch, steps, vocabulary].

    `tokens` names the input that has the tokens, int32 [batch, steps]; all other inputs are context (a text to be
    translated, an image to be described), and what the network makes of them alone is computed once, at the start.
    `length`: the most tokens that a sequence can have, which the input tells where its length is known. A program is
    made once for each number of rows. Raises `StateError` for a network that cannot run step by step: see `Stepper`.

    >>> from pellucid.models import Sequential
    >>> from pellucid.nn.layers import GRU, Dense, Embedding
    >>> network = Sequential([Embedding(5, 3), GRU(4, return_sequences=True), Dense(5)])
    >>> network.build((None, 8))
    >>> after = StepByStep(network)
    >>> after.start(rows=2)
    >>> after(numpy.array([1, 3])).shape
    (2, 5)
    """

    def __init__(self, model: Any, tokens: str | None = None, length: int | None = None) -> None:
        self.model = model
        if len(model.outputs) != 1 or model.outputs[0].rank != 3:
            raise ShapeError(
                f"text is written from one output [batch, steps, vocabulary], got {[y.spec for y in model.outputs]}"
            )
        self.tokens = model.input_names[0] if tokens is None else tokens
        self.context = [name for name in model.input_names if name != self.tokens]
        if len(self.context) == len(model.input_names):
            raise ArgumentError(f"tokens={tokens!r} is no input of the network; it has {', '.join(model.input_names)}")
        self._given_length = length
        self._steppers: dict[int, Stepper] = {}
        self._now: Stepper | None = None

    @property
    def length(self) -> int:
        """The most tokens that a sequence can have."""
        return self._stepper(1).length

    @property
    def position(self) -> int:
        """How many tokens were given so far."""
        return self._started().position

    def start(self, rows: int, **context: Any) -> None:
        """Forget all: `rows` sequences begin side by side, each with its row of every array of the context."""
        stepper = self._stepper(arguments.whole("start", "rows", rows))
        stepper.reset(**context)
        self._now = stepper

    def __call__(self, tokens: Tokens) -> Scores:
        """Logits [rows, vocabulary] of the token after these [rows] and all that were given before."""
        stepper = self._started()
        scores: Scores = stepper.step(tokens)
        return scores.reshape(stepper.batch_size, -1)  # of a network for sequences of one token, they have steps

    def keep(self, rows: Any) -> None:
        """Go on with these rows of the memory: sequence i from what row `rows[i]` remembers."""
        before, chosen = self._started(), numpy.asarray(rows)
        self._now = self._stepper(len(chosen))
        self._now.resume(before, chosen)

    def _stepper(self, rows: int) -> Stepper:
        if rows not in self._steppers:
            self._steppers[rows] = Stepper(self.model, rows, self._given_length, self.context)
        return self._steppers[rows]

    def _started(self) -> Stepper:
        if self._now is None:
            raise StateError("no sequence was begun; call start(rows) first")
        return self._now


def probabilities(scores: Scores, temperature: float = 1.0, top_k: int | None = None) -> NDArray[numpy.float64]:
    """How likely each token is to be drawn: softmax of scores/temperature over the `top_k` best, 0 for all others.

    Shapes: [rows, vocabulary] → the same, float64. A temperature below 1 favours what is likely, one above 1 evens out;
    with 0 all goes to the best. Of equal scores the first count. Raises `ArgumentError` for options out of range.
    Sources: Ackley, Hinton & Sejnowski 1985 (temperature); Fan, Lewis & Dauphin 2018 (top-k).

    >>> scores = numpy.log([[0.1, 0.3, 0.6]])
    >>> probabilities(scores).round(3).tolist(), probabilities(scores, 0.5, top_k=2).round(3).tolist()
    ([[0.1, 0.3, 0.6]], [[0.0, 0.2, 0.8]])
    """
    arguments.number("probabilities", "temperature", temperature, 0.0)
    wide = numpy.asarray(scores, numpy.float64)
    count = 1 if temperature == 0 else wide.shape[-1]
    if top_k is not None:
        count = min(count, arguments.whole("probabilities", "top_k", top_k))
    best = numpy.argsort(-wide, axis=-1, kind="stable")[..., :count]
    kept = numpy.take_along_axis(wide, best, -1)
    chances = numpy.exp((kept - kept[..., :1]) / (temperature or 1.0))
    result: NDArray[numpy.float64] = numpy.zeros(wide.shape)
    numpy.put_along_axis(result, best, chances / chances.sum(-1, keepdims=True), -1)
    return result


def draw(
    scores: Scores, random: numpy.random.Generator, temperature: float = 1.0, top_k: int | None = None
) -> NDArray[numpy.int32]:
    """A token for each row, drawn as `probabilities` says. Shapes: [rows, vocabulary] → int32 [rows].

    >>> draw(numpy.log([[0.1, 0.3, 0.6]]), numpy.random.default_rng(0), temperature=0).tolist()
    [2]
    """
    up_to = probabilities(scores, temperature, top_k).cumsum(-1)
    return numpy.asarray((up_to <= random.random((len(up_to), 1)) * up_to[:, -1:]).sum(-1), numpy.int32)
