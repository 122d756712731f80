"""The forward pass that is shown is the one that is computed, and every sum shown adds up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid import layers, ops
from pellucid.core.graph import Tensor
from pellucid.errors import ShapeError, UnknownNameError
from pellucid.explain.forward import as_json, forward_pass, units_that_matter
from pellucid.explain.forward_text import render
from pellucid.explain.notation import TEXT
from pellucid.explain.numbers import number
from pellucid.nn.layer import layers as registered
from pellucid.nn.layers import (
    Activation,
    Add,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    Normalization,
    SeparableConv2D,
)  # fmt: skip
from pellucid.train.model import Model
from pellucid.train.opening import open_model
from pellucid.train.sequential import Sequential


def network() -> Model:
    x, y = Input(shape=(3,), name="x"), Input(shape=(2,), name="y")
    scaled = Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 4.0, 4.0], name="scaled")(x)
    joined = Concatenate(name="joined")([scaled, y])
    hidden = Dense(6, activation="relu", name="hidden")(joined)
    other = Activation("tanh", name="bent")(Dense(6, name="plain")(joined))
    return Model([x, y], Dense(3, activation="softmax", name="out")(Add(name="both")([hidden, other])), seed=3)


ARRAYS = {"x": np.float32([[1.0, 5.0, -2.0]]), "y": np.float32([[0.5, 0.0]])}
NAMES = {"x": ["a", "b", "c"], "y": ["d", "e"], "out": ["red", "green", "blue"]}


def test_the_last_stage_is_the_prediction() -> None:
    model = network()
    stages = forward_pass(open_model(model, ARRAYS), NAMES)
    assert stages[-1].values == pytest.approx(model.predict(ARRAYS)[0], abs=1e-6)
    assert stages[-1].labels == ("red", "green", "blue")


def test_weighted_sums_are_those_of_the_weights() -> None:
    model = network()
    stages = {stage.name: stage for stage in forward_pass(open_model(model, ARRAYS), NAMES)}
    features = np.concatenate([(ARRAYS["x"][0] - [1, 2, 3]) / 2, ARRAYS["y"][0]])
    kernel, bias = model.get_layer("hidden").get_weights()
    for place in range(6):
        unit = stages["hidden"].unit(place)
        assert [part.label for part in unit.contributions] == ["a", "b", "c", "d", "e"]
        assert [part.product for part in unit.contributions] == pytest.approx(features * kernel[:, place], abs=1e-6)
        assert unit.weighted_sum == pytest.approx(features @ kernel[:, place] + bias[place], abs=1e-6)
        assert unit.value == pytest.approx(max(unit.weighted_sum, 0.0), abs=1e-6)
        shown, rest = unit.largest(2)
        assert sum(part.product for part in shown) + rest + unit.bias == pytest.approx(unit.weighted_sum, abs=1e-6)
        assert len(shown) == 2


def test_preparation_is_told_in_numbers() -> None:
    scaled = next(stage for stage in forward_pass(open_model(network(), ARRAYS), NAMES) if stage.name == "scaled")
    made = [scaled.expression(place) for place in range(3)]
    assert [TEXT.write(one, numbers=True) for one in made if one] == ["(1 − 1) / 2", "(5 − 2) / 2", "(−2 − 3) / 2"]
    assert scaled.labels == ("a", "b", "c")


def test_text_and_json() -> None:
    stages = forward_pass(open_model(network(), ARRAYS), NAMES)
    units = units_that_matter(stages, int(stages[-1].values.argmax()), 2)
    assert len(units["out"]) == 1
    text = render(stages, units, 2)
    assert "softmax: e^z / Σ e^z" in text
    assert "(5 − 2) / 2" in text
    record = as_json(stages, units)
    assert [stage["name"] for stage in record if "units" in stage] == ["hidden", "plain", "out"]


def test_convolutions_are_weighted_sums_of_windows() -> None:
    x = Input(shape=(5, 6, 1), name="x")
    apart = DepthwiseConv2D(2, strides=2, name="apart")(Conv2D(4, 3, activation="relu", name="filters")(x))
    spread = Conv2DTranspose(2, 3, use_bias=False, name="spread")(apart)
    model = Model(x, Dense(2, name="out")(Flatten(name="flat")(SeparableConv2D(3, 2, name="mixed")(spread))), seed=5)
    image = np.random.default_rng(6).normal(size=(1, 5, 6, 1)).astype(np.float32)
    stages = {stage.name: stage for stage in forward_pass(open_model(model, {"x": image}))}
    for name in ("filters", "apart", "spread", "out"):
        stage = stages[name]
        for place in range(len(stage.values)):
            unit = stage.unit(place)
            total = sum(part.product for part in unit.contributions) + unit.bias
            assert total == pytest.approx(unit.weighted_sum, abs=1e-6)
            assert all(part.value == stages[stage.inputs[0]].values[part.place] for part in unit.contributions)
    # Row 1, column 2, filter 3 sees rows 1 to 3 and columns 2 to 4 of the image.
    unit = stages["filters"].unit((1 * 4 + 2) * 4 + 3)
    assert unit.label == "filters[1, 2, 3]"
    assert [part.label for part in unit.contributions] == [f"x[{i}, {j}, 0]" for i in (1, 2, 3) for j in (2, 3, 4)]
    assert [part.weight for part in unit.contributions] == model.get_layer("filters").get_weights()[0][
        ..., 0, 3
    ].ravel().tolist()
    assert stages["mixed"].weighted  # two products, one after the other, are linear too
    assert stages["flat"].labels == stages["mixed"].labels
    text = render(list(stages.values()), units_that_matter(list(stages.values()), 0, 2), 2)
    assert "2. filters: 5 x 6 x 1 → 3 x 4 x 4, each relu(Σ value·weight + bias)" in text
    assert len(text.split("\n")) < 100


IMAGE, SERIES = (np.random.default_rng(4).normal(size=size).astype(np.float32) for size in [(1, 6, 6, 2), (1, 5, 3)])
CLOSED = {  # layers that are no weighted sums, after others that they join
    "pooling": (IMAGE, [layers.Conv2D(3, 3), layers.MaxPooling2D(name="closed"), layers.Flatten()]),
    "one value": (SERIES, [layers.Conv1D(1, 2), layers.GlobalMaxPooling1D(name="closed")]),
    "norm": (SERIES, [layers.Conv1D(2, 2), layers.LayerNormalization(name="closed"), layers.Flatten()]),
    "unit norm": (SERIES[:, 0], [layers.Dense(4), layers.UnitNormalization(name="closed")]),
    "lstm": (SERIES, [layers.LSTM(4, name="closed")]),
    "gru": (SERIES, [layers.Conv1D(4, 2), layers.Bidirectional(layers.GRU(4), name="closed")]),
    "rnn": (SERIES, [layers.SimpleRNN(15, name="closed")]),
    "attention": (SERIES, [layers.TransformerEncoder(4, 1, name="closed"), layers.Flatten()]),
    "moved": (SERIES, [layers.Conv1D(4, 2), layers.Permute((2, 1), name="closed"), layers.Flatten()]),
    "each step": (SERIES, [layers.TimeDistributed(layers.Dense(2), name="closed"), layers.Flatten()]),
    "nested": (SERIES[:, 0], [Sequential([Input((3,)), layers.Dense(4), layers.Dense(3)], name="closed")]),
}


@pytest.mark.parametrize("kind", CLOSED)
def test_every_layer_is_opened(kind: str) -> None:
    x, members = CLOSED[kind]
    model = Sequential([Input(x.shape[1:], name="x"), *members, layers.Dense(2, "softmax", name="dense")], seed=5)
    stages = forward_pass(open_model(model, {"x": x}, unrolled=True))
    units = units_that_matter(stages, 1, 2)
    by_name = {stage.name: stage for stage in stages}
    assert next(iter(units)) == "dense"
    assert by_name["dense"].unit(1).contributions
    assert all(stage.prepared or stage.weighted or stage.equations() for stage in stages)
    for stage in stages:
        for equation in stage.equations():
            assert equation.value in [pytest.approx(value, rel=1e-6, abs=1e-9) for value in stage.values]
    text = render(stages, units, 2)
    assert "not shown yet" not in text
    assert [record["name"] for record in as_json(stages, units)] == list(by_name)


def test_layers_that_keep_places_pass_on_which_units_matter() -> None:
    model = Sequential([Input((3,), name="x"), layers.Dense(4, name="first"), layers.BatchNormalization(),
                        layers.PReLU(), layers.Dropout(0.5), layers.Dense(1, name="last")], seed=5)  # fmt: skip
    stages = forward_pass(open_model(model, {"x": SERIES[:, 0]}))
    assert all(stage.prepared or stage.weighted for stage in stages)
    assert list(units_that_matter(stages, 0, 2)) == ["last", "first"]


def test_a_layer_that_does_more_with_its_sum_is_no_weighted_sum() -> None:
    class Gate(layers.Layer):
        def build(self, shape: tuple[int, ...]) -> None:
            self.kernel = self.add_weight((shape[-1], 2))

        def call(self, x: Tensor) -> Tensor:
            y = x @ self.kernel
            return y * ops.sigmoid(y)

    x = Input((3,), name="x")
    stages = forward_pass(
        open_model(Model(x, layers.Dense(1, lambda y: y * y)(Gate(name="gate")(x)), seed=5), {"x": SERIES[:, 0]})
    )
    assert [stage.weighted for stage in stages] == [False, False, True]
    assert stages[2].activation == "<lambda>"
    del registered["Gate"]


def test_one_example_only() -> None:
    with pytest.raises(ShapeError, match="one example"):
        forward_pass(open_model(network(), {"x": np.zeros((2, 3), np.float32), "y": np.zeros((2, 2), np.float32)}))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (352100.4, "352,100"), (1274.0, "1,274"), (1274.25, "1,274.2"), (-0.038214, "−0.038214"),
        (7.15074, "7.1507"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_one_output_is_followed_back(tmp_path: Path) -> None:
    x = Input((3,), name="x")
    h = layers.Dense(4, "tanh", name="h")(x)
    two = Model(x, [layers.Dense(2, name="first")(h), layers.Dense(3, "softmax", name="second")(h)], seed=1)
    row = np.array([[0.5, -1.0, 2.0]], np.float32)
    first, second = two.predict(row)
    found = two.explain_row(row, ("second", "b"), count=2, classes=["a", "b", "c"])
    assert found.title == f"the probability of 'b' is {number(float(f'{second[0, 1]:.5g}'))}"
    assert found.units["second"] == [1]
    assert "first" not in found.units
    kernel = two.get_weights()[4]
    hidden = np.tanh(row @ two.get_weights()[0] + two.get_weights()[1])[0]
    assert found.units["h"] == np.argsort(-abs(hidden * kernel[:, 1]))[:2].tolist()
    assert found.to_json()["outputs"]["first"] == pytest.approx(first[0].tolist(), rel=1e-5)
    for suffix in ("txt", "html", "json", "tex"):
        found.save(tmp_path / f"row.{suffix}")
    with pytest.raises(ShapeError, match="one example"):
        two.explain_row(np.zeros((2, 3), np.float32))
    with pytest.raises(UnknownNameError, match="Known: first, second"):
        two.explain_row(row, "third")
