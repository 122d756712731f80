"""Histograms and the sizes of gradients: beside NumPy's, from arrays, traces, models and paths."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError, DataError, ShapeError, UnknownNameError
from pellucid.plot import distributions
from pellucid.plot.figure import short

random = numpy.random.default_rng(0)
X, Y = random.normal(size=(50, 6, 2)).astype("float32"), random.normal(size=(50, 1)).astype("float32")


def deep(activation: str) -> Any:
    layers = [pl.layers.Dense(8, activation, name=f"layer{i}") for i in range(4)]
    model = pl.Sequential([pl.Input((12,)), *layers, pl.layers.Dense(1, name="last")], seed=0)
    model.compile("sgd", "mse")
    return model


def recurrent(layer: Any) -> Any:
    model = pl.Sequential([pl.Input((6, 2)), layer, pl.layers.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    return model.trace(X, Y)


def test_a_histogram_counts() -> None:
    values = random.normal(size=5000)
    (ax,) = plot.histograms({"layer": values})
    line = ax.lines[0]
    low, high = numpy.quantile(values, [0.002, 0.998])
    edges = numpy.linspace(low, high, distributions._BINS)
    numpy.testing.assert_allclose(line.get_ydata(), numpy.histogram(values, edges)[0] / 5000)
    numpy.testing.assert_allclose(line.get_xdata(), (edges[1:] + edges[:-1]) / 2)


def test_gradients_are_drawn_by_size_and_zeros_are_counted() -> None:
    (ax,) = plot.histograms({"layer": [0.0, -0.1, 0.01, 0.001]}, "gradient")
    assert ax.get_xscale() == "log"
    assert ax.get_title("left") == "layer: 0.0278 on average, 25% zero"
    (ax,) = plot.histograms({"layer": [0.0, 0.0]}, "gradient")
    assert ax.texts[0].get_text() == "all are zero"


def test_parts_of_a_trace() -> None:
    model = deep("relu")
    trace = model.trace(X.reshape(50, 12), Y)
    titles = lambda part: [ax.get_title("left").split(":")[0] for ax in plot.histograms(trace, part)]  # noqa: E731
    layers = ["layer0", "layer1", "layer2", "layer3", "last"]
    assert titles("activation") == titles("pre_activation") == titles("gradient") == layers
    assert titles("weights") == titles("weight_gradients") == [f"{name}/kernel" for name in layers]
    assert [ax.get_title("left") for ax in plot.histograms(model, "weights")] == [
        ax.get_title("left") for ax in plot.histograms(trace, "weights")
    ]


def test_moments_of_training() -> None:
    path = pl.callbacks.Recorder(examples=(X.reshape(50, 12), Y))
    model = deep("relu")
    model.fit(X.reshape(50, 12), Y, epochs=20, verbose=0, callbacks=path)
    made = plot.histograms(path, "weights")
    assert len(made) == 5
    assert len(made[0].lines) == distributions._MOMENTS
    assert [tick.get_text() for tick in made[0].get_yticklabels()] == ["step 0", "step 40"]
    assert len(plot.histograms(path.recording, "gradient")[0].lines) == distributions._MOMENTS
    two = plot.histograms({"early": {"a": random.normal(size=9)}, "late": {"a": random.normal(size=9)}})
    assert len(two[0].lines) == 2


def test_the_size_of_gradients_by_layer() -> None:
    trace = deep("sigmoid").trace(X.reshape(50, 12), Y)
    ax = plot.gradient_flow({"sigmoid": trace, "relu": deep("relu").trace(X.reshape(50, 12), Y)})
    wanted = [
        numpy.sqrt((trace[name].weight_gradients["kernel"].astype(float) ** 2).mean())
        for name in ("layer0", "layer1", "layer2", "layer3", "last")
    ]
    numpy.testing.assert_allclose(ax.lines[0].get_ydata(), wanted, rtol=1e-6)
    ratio = wanted[-1] / wanted[0]
    assert ratio > 100
    assert f"sigmoid {short(ratio, 2)} times smaller" in ax.get_title("left").replace("\n", " ")


def test_the_size_of_gradients_through_time() -> None:
    lstm, rnn = recurrent(pl.layers.LSTM(4)), recurrent(pl.layers.SimpleRNN(4))
    ax = plot.gradient_through_time({"LSTM": lstm, "RNN": rnn})
    for line, trace, state in ((ax.lines[0], lstm, "c"), (ax.lines[1], rnn, "h")):
        gradient = next(iter(trace.layers.values())).gradients[state].astype(float)
        numpy.testing.assert_allclose(line.get_ydata(), numpy.sqrt((gradient**2).mean((0, 2))), rtol=1e-6)
        assert list(line.get_xdata()) == [1, 2, 3, 4, 5, 6]


def test_what_does_not_suit_is_refused() -> None:
    trace = deep("relu").trace(X.reshape(50, 12))
    with pytest.raises(
        ArgumentError, match=r"with labels y has gradients. There is: activation, pre_activation, weights"
    ):
        plot.histograms(trace, "gradient")
    with pytest.raises(ArgumentError, match="There is: activation, pre_activation, weights"):
        plot.histograms(trace, "gates")
    with pytest.raises(ArgumentError, match="got list"):
        plot.histograms([1.0, 2.0])
    with pytest.raises(ArgumentError, match="different layers: a and b"):
        plot.histograms({"early": {"b": [1.0]}, "late": {"a": [1.0]}})
    with pytest.raises(DataError, match="NaN"):
        plot.histograms({"a": [numpy.nan]})
    with pytest.raises(ArgumentError, match=r"by the name of the net.*got Trace"):
        plot.gradient_flow(trace)
    with pytest.raises(ArgumentError, match=r"trace a recurrent net.*There is: layer0 \(Dense\)"):
        plot.gradient_through_time({"net": deep("relu").trace(X.reshape(50, 12), Y)})
    with pytest.raises(UnknownNameError, match="Known: lstm"):
        plot.gradient_through_time({"net": recurrent(pl.layers.LSTM(4, name="lstm"))}, layer="gru")
    with pytest.raises(ShapeError, match="3 axes"):
        plot.gradient_through_time({"net": numpy.ones((2, 3))})
    with pytest.raises(DataError, match="all gradients are zero"):
        plot.gradient_flow({"net": {"a": [0.0]}})
