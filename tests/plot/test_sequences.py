"""Gates and attention: the arrays that are drawn are those of the trace."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError, ShapeError, UnknownNameError

random = numpy.random.default_rng(0)
X = random.normal(size=(3, 7, 2)).astype("float32")


def recurrent(kind: Any) -> Any:
    return pl.Sequential([pl.Input((7, 2)), kind(4, name="memory"), pl.layers.Dense(1, name="last")], seed=0).trace(X)


def looking() -> Any:
    x = pl.Input((5, 8))
    y = pl.layers.MultiHeadAttention(2, 4, name="look")(x, x)
    return pl.Model(x, pl.layers.GlobalAveragePooling1D()(y), seed=0).trace(random.normal(size=(3, 5, 8)))


def test_the_gates_of_an_lstm() -> None:
    trace = recurrent(pl.layers.LSTM)
    made = plot.gates(trace, example=1)
    layer = trace["memory"]
    arrays = [layer.gates[name] for name in ("i", "f", "candidate", "o")] + [layer.parts["c"], layer.parts["h"]]
    order = layer.gates["f"][1].mean(0).argsort()[::-1]
    assert [ax.get_title("left").split(":")[0] for ax in made] == [
        "input gate", "forget gate", "candidate", "output gate", "cell state", "state",
    ]  # fmt: skip
    for ax, array in zip(made, arrays, strict=True):
        numpy.testing.assert_allclose(ax.images[0].get_array(), array[1][:, order].T, rtol=1e-6)
    assert made[1].images[0].get_clim() == (0, 1)
    low, high = made[4].images[0].get_clim()
    assert -low == high


def test_the_gates_of_a_gru_and_the_state_of_a_plain_one() -> None:
    assert len(plot.gates(recurrent(pl.layers.GRU))) == 4
    assert len(plot.gates(recurrent(pl.layers.SimpleRNN))) == 1


def test_labels_of_steps() -> None:
    made = plot.gates({"f": numpy.full((3, 2), 0.5)}, labels=["not", "so", "bad"])
    assert [tick.get_text() for tick in made[0].get_xticklabels()] == ["not", "so", "bad"]


def test_attention_by_head() -> None:
    trace = looking()
    made = plot.attention(trace, example=2, queries=list("abcde"))
    scores = trace["look"].parts["scores"][2]
    for ax, one in zip(made, scores, strict=True):
        numpy.testing.assert_allclose(ax.images[0].get_array(), one, rtol=1e-6)
        assert [tick.get_text() for tick in ax.get_xticklabels()] == list("abcde")
    assert made[0].images[0].get_clim() == made[1].images[0].get_clim()
    (only,) = plot.attention(trace, head=1)
    assert only.get_title("left").replace("\n", " ").startswith("head 1")


def test_how_far_it_looks() -> None:
    back = numpy.eye(4, k=-2)
    (ax,) = plot.attention(back)
    assert ax.get_title("left").replace("\n", " ") == "2.0 positions away on average"


def test_what_does_not_suit_is_refused() -> None:
    plain = pl.Sequential([pl.layers.Dense(1, input_shape=(2,), name="only")]).trace([[1.0, 2.0]])
    with pytest.raises(ArgumentError, match=r"no recurrent layer. There is: only \(Dense\)"):
        plot.gates(plain)
    with pytest.raises(
        ArgumentError, match=r"no layer of the trace has 'scores'\. There is: activation, pre_activation"
    ):
        plot.attention(plain)
    with pytest.raises(UnknownNameError, match="Known: memory"):
        plot.gates(recurrent(pl.layers.LSTM), "last")
    with pytest.raises(ArgumentError, match="example 3 of 3"):
        plot.gates(recurrent(pl.layers.LSTM), example=3)
    with pytest.raises(ArgumentError, match="head 2 of 2, counted from 0 to 1"):
        plot.attention(looking(), head=2)
    with pytest.raises(ShapeError, match="2 labels for 5 steps"):
        plot.attention(looking(), queries=["a", "b"])
    with pytest.raises(ShapeError, match="the shape"):
        plot.attention(numpy.ones(3))
    with pytest.raises(ArgumentError, match="got ndarray"):
        plot.gates(numpy.ones((3, 3)))


def test_a_text_is_darker_where_it_surprises() -> None:
    ax = plot.surprise("ab\ncde", numpy.array([1.0, 0.5, 0.25, 1.0, 0.01]), width=4)
    shown = ax.images[0].get_array()
    nats = -numpy.log([1.0, 0.5, 0.25, 1.0, 0.01])
    wanted = [[0, nats[0], nats[1], 0], [nats[2], nats[3], nats[4], 0]]
    numpy.testing.assert_allclose(shown, wanted)
    assert "".join(one.get_text() for one in ax.texts) == "abcde"
    assert [one.get_position() for one in ax.texts if one.get_text()] == [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1)]
    assert " ".join(ax.get_title("left").split()) == "surprise: 1.34 nats per token on average"


def test_long_lines_and_pieces_of_words_are_wrapped() -> None:
    ax = plot.surprise(["the", " ca", "t"], [0.5, 0.25, 0.125], width=4)
    numpy.testing.assert_allclose(ax.images[0].get_array(), -numpy.log([[0.5, 0.5, 0.5, 0.25], [0.25, 0.25, 0.125, 1]]))


def test_what_surprise_refuses() -> None:
    with pytest.raises(ShapeError, match="3 tokens need as many likelihoods, or one less, got"):
        plot.surprise("abc", [0.5])
    with pytest.raises(ArgumentError, match="from 0 to 1"):
        plot.surprise("abc", [0.5, -1.0])
