"""What every layer makes, and the derivatives of the loss with respect to it: against prediction and differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import layers, ops
from pellucid.core.graph import named
from pellucid.errors import ArgumentError, StateError, UnknownNameError
from pellucid.explain import opened as opened_module

DRAW = numpy.random.default_rng(7)
SEQUENCE = (2, 5, 3)


class Twice(pellucid.Layer):
    """A layer as a user writes it, with a part to open."""

    def call(self, x: pellucid.Tensor) -> pellucid.Tensor:
        return ops.tanh(named(x * 2.0, "doubled"))


CHAINS: dict[str, tuple[tuple[int, ...], list[Any]]] = {
    "dense": (
        (3,),
        [layers.Dense(4, "tanh"), layers.Dropout(0.5), layers.BatchNormalization(), layers.Dense(2, "gelu")],
    ),
    "convolution": (
        (8, 8, 2),
        [
            layers.Conv2D(3, 3, activation="tanh", padding="same"),
            layers.DepthwiseConv2D(3),
            layers.AveragePooling2D(2),
            layers.SeparableConv2D(2, 2),
            layers.GlobalAveragePooling2D(),
        ],
    ),
    "pooling": ((8, 2), [layers.Conv1D(4, 3, activation="swish"), layers.MaxPooling1D(2), layers.Flatten()]),
    "transposed": (
        (4, 4, 2),
        [layers.Conv2DTranspose(2, 3, strides=2), layers.GroupNormalization(2), layers.Flatten()],
    ),
    "lstm": (SEQUENCE[1:], [layers.LSTM(4, return_sequences=True), layers.LSTM(3)]),
    "gru": (SEQUENCE[1:], [layers.GRU(4, return_sequences=True), layers.GRU(3, reset_after=False)]),
    "simple_rnn": (SEQUENCE[1:], [layers.SimpleRNN(4, return_sequences=True, go_backwards=True), layers.SimpleRNN(3)]),
    "wrapped": (
        SEQUENCE[1:],
        [
            layers.TimeDistributed(layers.Dense(4, "tanh")),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.LayerNormalization(),
            layers.GlobalMaxPooling1D(),
        ],
    ),
    "stacked": (SEQUENCE[1:], [layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)])]),
    "own": ((4,), [layers.Dense(3), Twice(), layers.LeakyReLU(0.3), layers.RMSNormalization(), layers.Softmax()]),
    "shapes": ((2, 6), [layers.Reshape((4, 3)), layers.Permute((2, 1)), layers.ZeroPadding1D(1), layers.Flatten()]),
}


def chain(name: str) -> tuple[pellucid.Model, numpy.ndarray, numpy.ndarray]:
    shape, members = CHAINS[name]
    model = pellucid.Sequential([pellucid.Input(shape), *members, layers.Dense(1, name="head")], seed=0)
    model.compile("sgd", "mse")
    draw = numpy.random.default_rng(1)
    return model, draw.normal(size=(2, *shape)).astype("float32"), draw.normal(size=(2, 1)).astype("float32")


@pytest.mark.parametrize("name", CHAINS)
def test_activations_are_those_of_the_layers_and_both_ways_to_compute_agree(name: str) -> None:
    model, x, y = chain(name)
    trace, exact = model.trace(x, y), model.trace(x, y, exact=True)
    assert [name for name in trace if "/" not in name] == [layer.name for layer in model.layers]
    for place, layer in enumerate(model.layers):
        head = pellucid.Sequential([pellucid.Input(x.shape[1:]), *model.layers[: place + 1]])
        numpy.testing.assert_allclose(trace[layer.name].activation, head.predict(x), atol=1e-6)
    assert trace.loss == pytest.approx(model.evaluate(x, y), rel=1e-5)
    for layer_name in trace:
        for kind in ("values", "gates", "gradients", "weights", "weight_gradients"):
            found, true = getattr(trace[layer_name], kind), getattr(exact[layer_name], kind)
            assert found.keys() == true.keys()
            for part in found:
                numpy.testing.assert_allclose(
                    found[part], true[part], rtol=2e-4, atol=5e-6, err_msg=f"{layer_name} {part}"
                )


@pytest.mark.parametrize("name", CHAINS)
def test_derivatives_by_activations_against_differences_of_the_rest_of_the_network(name: str) -> None:
    model, x, y = chain(name)
    trace = model.trace(x, y, exact=True)
    for place, layer in enumerate(model.layers[:-1]):
        found = trace[layer.name]
        at = found.activation.astype("float32")
        rest = pellucid.Sequential([pellucid.Input(at.shape[1:]), *model.layers[place + 1 :]])
        rest.compile("sgd", "mse")

        def loss(value: numpy.ndarray, rest: pellucid.Model = rest) -> float:
            result = rest.trace(value, y, exact=True).loss
            assert result is not None
            return result

        assert loss(at) == pytest.approx(trace.loss, rel=1e-5)
        for index in DRAW.integers(0, at.shape, (3, at.ndim)):
            assert found.gradient()[tuple(index)] == pytest.approx(slope(loss, at, tuple(index)), rel=1e-4, abs=1e-7)


def slope(loss: Any, at: numpy.ndarray, index: tuple[int, ...]) -> float:
    """The derivative by differences of fourth order, between numbers as float32 has them."""

    def difference(size: float) -> float:
        above, below = at.copy(), at.copy()
        above[index] += size
        below[index] -= size
        return float(loss(above) - loss(below)) / (float(above[index]) - float(below[index]))

    return (4 * difference(2**-11) - difference(2**-10)) / 3


# Recurrent layers, beside cells written out by hand


def sigmoid(x: numpy.ndarray) -> numpy.ndarray:
    return 1 / (1 + numpy.exp(-x))


def lstm_step(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any, move: Any) -> tuple[Any, Any, Any]:
    z = x @ w + h @ u + b
    i, f, g, o = numpy.split(z, 4)
    c = sigmoid(f) * c + sigmoid(i) * numpy.tanh(g) + move
    return sigmoid(o) * numpy.tanh(c), c, z


def gru_step(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any, move: Any) -> tuple[Any, Any, Any]:
    n = len(h)
    zx, zh = x @ w + b[0], h @ u + b[1]
    s, r = sigmoid((zx + zh)[: 2 * n]).reshape(2, n)
    candidate = zx[2 * n :] + r * zh[2 * n :]
    return s * h + (1 - s) * numpy.tanh(candidate), c, numpy.concatenate([(zx + zh)[: 2 * n], candidate])


def gru_before_step(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any, move: Any) -> tuple[Any, Any, Any]:
    n = len(h)
    z = x @ w + b
    both = z[: 2 * n] + h @ u[:, : 2 * n]
    s, r = sigmoid(both).reshape(2, n)
    candidate = z[2 * n :] + (r * h) @ u[:, 2 * n :]
    return s * h + (1 - s) * numpy.tanh(candidate), c, numpy.concatenate([both, candidate])


def simple_step(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any, move: Any) -> tuple[Any, Any, Any]:
    z = x @ w + h @ u + b
    return numpy.tanh(z), c, z


CELLS: dict[str, tuple[Any, Any]] = {
    "lstm": (lambda **more: layers.LSTM(3, name="cell", **more), lstm_step),
    "gru": (lambda **more: layers.GRU(3, name="cell", **more), gru_step),
    "gru, reset before": (lambda **more: layers.GRU(3, reset_after=False, name="cell", **more), gru_before_step),
    "simple_rnn": (lambda **more: layers.SimpleRNN(3, name="cell", **more), simple_step),
}


@pytest.mark.filterwarnings("ignore:layer flatten")
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_whole_derivatives_of_states_beside_cells_by_hand(
    name: str, sequences: bool, backwards: bool, masked: bool
) -> None:
    """A state is moved after one step, and the cell goes on from there by hand."""
    make, step = CELLS[name]
    draw = numpy.random.default_rng(5)
    x, y = draw.normal(size=SEQUENCE).astype("float32"), draw.normal(size=(2, 1)).astype("float32")
    if masked:
        x[0, 2] = x[1, :2] = 0.0
    i = pellucid.Input(SEQUENCE[1:])
    h = make(return_sequences=sequences, go_backwards=backwards)(layers.Masking()(i) if masked else i)
    model = pellucid.Model(i, layers.Dense(1, name="head")(layers.Flatten()(h)), seed=3)
    model.compile("sgd", "mse")
    for weight in model.get_layer("cell").variables:
        weight.assign(draw.normal(size=weight.shape) * 0.7)
    w, u, b = (weight.value.astype("float64") for weight in model.get_layer("cell").variables)
    v, d = (weight.value.astype("float64") for weight in model.get_layer("head").variables)

    def run(at: tuple[int, int] = (-1, -1), dh: Any = 0.0, dc: Any = 0.0) -> tuple[float, Any, Any, Any]:
        """The loss, states, cells and weighted sums, with the states of one row moved after one step."""
        errors = []
        states, cells, sums = (numpy.zeros((2, 5, n)) for n in (3, 3, w.shape[1]))
        for row in range(2):
            h, c, given = numpy.zeros(3), numpy.zeros(3), []
            for t in reversed(range(5)) if backwards else range(5):
                here = (row, t) == at
                new_h, new_c, sums[row, t] = step(x[row, t].astype("float64"), h, c, w, u, b, dc if here else 0.0)
                if not masked or x[row, t].any():
                    h, c = new_h, new_c
                elif here:
                    c = c + dc
                h = h + dh if here else h
                states[row, t], cells[row, t] = h, c
                given.append(h)
            errors.append(numpy.concatenate(given if sequences else [h]) @ v[:, 0] + d[0] - y[row, 0])
        return float(numpy.mean(numpy.square(errors))), states, cells, sums

    trace = model.trace(x, y, exact=True)
    loss, states, cells, sums = run()
    found = trace["cell"]
    assert trace.loss == pytest.approx(loss, rel=1e-9)
    numpy.testing.assert_allclose(found.parts["h"], states, atol=1e-9)
    numpy.testing.assert_allclose(found.parts["pre_activation"], sums, atol=1e-9)
    if name == "lstm":
        numpy.testing.assert_allclose(found.parts["c"], cells, atol=1e-9)
        numpy.testing.assert_allclose(found.gates["f"], sigmoid(sums[..., 3:6]), atol=1e-9)
    for row, t in ((0, 0), (0, 2), (1, 1), (1, 4)):
        for move in numpy.eye(3) * 1e-5:
            for state in ("h", "c") if name == "lstm" else ("h",):
                change = run((row, t), **{f"d{state}": move})[0] - run((row, t), **{f"d{state}": -move})[0]
                assert found.gradient(state)[row, t] @ move == pytest.approx(change / 2, rel=1e-6, abs=1e-14)


# Networks of other forms


def test_branches_shared_layers_and_nested_networks() -> None:
    inner_x = pellucid.Input((3,))
    inner = pellucid.Model(inner_x, layers.Dense(3, name="deep")(inner_x), name="inner")
    shared = layers.Dense(3, "tanh", name="shared")
    a, b = pellucid.Input((3,), name="a"), pellucid.Input((3,), name="b")
    joined = layers.Concatenate(name="joined")([shared(a), shared(inner(b))])
    outputs = {"mean": layers.Dense(1, name="mean")(joined), "kind": layers.Dense(2, "softmax", name="kind")(joined)}
    model = pellucid.Model([a, b], list(outputs.values()), seed=0)
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy"])
    x = [DRAW.normal(size=(4, 3)).astype("float32") for _ in range(2)]
    y = [DRAW.normal(size=(4, 1)).astype("float32"), numpy.array([0, 1, 1, 0])]
    trace = model.trace(x, y)
    assert set(trace) == {"shared", "inner/deep", "inner", "shared@2", "joined", "mean", "kind"}
    assert list(trace.inputs) == list(trace.input_gradients) == ["a", "b"]
    assert list(trace.outputs) == ["mean", "kind"]
    kernel = shared.variables[0].value.astype("float64")
    numpy.testing.assert_allclose(trace["shared"].activation, numpy.tanh(x[0] @ kernel), atol=1e-6)
    numpy.testing.assert_allclose(
        trace["shared@2"].activation, numpy.tanh(trace["inner"].activation @ kernel), atol=1e-6
    )
    for one, two in zip(trace.outputs.values(), model.predict(x), strict=True):
        numpy.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "loss", "units", "labels"),
    [
        ("sigmoid", "binary_crossentropy", 1, [1, 0, 1]),
        ("softmax", "sparse_categorical_crossentropy", 3, [2, 0, 1]),
        ("softmax", "categorical_crossentropy", 3, numpy.eye(3)),
        ("softmax", "kl_divergence", 3, numpy.eye(3) * 0.5 + 0.5 / 3),
    ],
)
def test_the_derivative_by_an_output_that_cross_entropy_passes_over(
    activation: str, loss: str, units: int, labels: Any
) -> None:
    model = pellucid.Sequential([pellucid.Input((2,)), layers.Dense(units, activation, name="out")], seed=0)
    model.compile("sgd", loss)
    x = DRAW.normal(size=(3, 2)).astype("float32")
    trace = model.trace(x, labels, exact=True)
    p = trace["out"].activation
    truth = numpy.eye(3)[labels] if loss.startswith("sparse") else numpy.reshape(labels, p.shape).astype(float)
    expected = -truth / p / 3 if units > 1 else (-truth / p + (1 - truth) / (1 - p)) / 3
    if "categorical" in loss:  # which divides ŷ by its sum before the logarithm
        expected += 1 / 3
    numpy.testing.assert_allclose(trace["out"].gradient(), expected, rtol=1e-6)
    slopes = trace["out"].gradient("pre_activation")
    through = p * (expected - (p * expected).sum(-1, keepdims=True)) if units > 1 else expected * p * (1 - p)
    numpy.testing.assert_allclose(slopes, through, rtol=1e-6, atol=1e-12)


def test_embedding_and_attention() -> None:
    ids = pellucid.Input((6,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True, name="vectors")(ids)
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    model = pellucid.Model(ids, layers.Dense(1, "sigmoid", name="head")(layers.GlobalAveragePooling1D()(x)), seed=0)
    model.compile("sgd", "binary_crossentropy")
    x_in = numpy.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 1]], "int32")
    trace = model.trace(x_in, [0, 1])
    table = trace["vectors"].weights["embeddings"]
    numpy.testing.assert_array_equal(trace["vectors"].activation, table[x_in])
    scores = trace["attention"].parts["scores"]
    assert scores.shape == (2, 2, 6, 6)
    seen = (x_in != 0).astype(float)  # a step that does not count looks at nothing
    numpy.testing.assert_allclose(scores.sum(-1), seen[:, None].repeat(2, axis=1), atol=1e-6)
    assert not scores[0, :, :, 3:].any()
    assert trace.input_gradients == {}
    used = trace["vectors"].weight_gradients["embeddings"].any(axis=1)
    assert used.tolist() == [False, True, True, True, True, True, True, True, True]


def test_a_step_of_training_is_traced_as_it_will_be() -> None:
    model = pellucid.Sequential([pellucid.Input((50,)), layers.Dropout(0.5, name="half"), layers.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x, y = numpy.ones((2, 50), "float32"), numpy.zeros((2, 1), "float32")
    assert set(numpy.unique(model.trace(x, y, training=True)["half"].activation)) == {0.0, 2.0}
    assert set(numpy.unique(model.trace(x, y)["half"].activation)) == {1.0}
    with pytest.raises(ArgumentError, match="labels"):
        model.trace(x, training=True)


def test_rows_of_a_table(tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {"m2": [None, *numpy.linspace(20, 200, 79)], "city": ["Oslo", "Lima"] * 40}
    rows["price"] = [2 * (m or 100) + 50 * (c == "Lima") for m, c in zip(rows["m2"], rows["city"], strict=True)]
    model = pellucid.TableModel.train(rows, "price", epochs=3, seed=1, verbose=0)
    trace = model.trace(rows)
    assert trace.loss is not None
    assert "activation" in trace["hidden_1"].gradients
    two = model.trace({name: values[:2] for name, values in rows.items() if name != "price"})
    assert two.loss is None
    numpy.testing.assert_allclose(two.outputs["in_target_units"], trace.outputs["in_target_units"][:2], rtol=1e-5)
    two.save(tmp_path / "trace.json")
    document = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))
    assert document["inputs"]["numbers"] == [[None], [20.0]]  # NaN is no JSON


# What is shown, and what is refused


def test_text_html_and_json() -> None:
    model, x, y = chain("dense")
    trace = model.trace(x, y)
    lines = trace.text().splitlines()
    assert lines[0].startswith("loss: ")
    row = next(line for line in lines if "pre_activation" in line)
    assert row.split()[:2] == ["dense", "(Dense)"] or "2 × 4" in row
    assert trace._repr_html_().count("<tr>") == len(lines) - 2
    assert trace.title == "What each layer makes of 2 examples"
    document = json.loads(json.dumps(trace.to_json()))
    assert document["layers"][0]["values"]["activation"] == trace["dense"].activation.tolist()
    assert "∂" not in model.trace(x).text()


def test_a_large_trace_is_saved_in_part(tmp_path: Path) -> None:
    model = pellucid.Sequential([layers.Dense(1500, name="wide", input_shape=(1500,)), layers.Dense(2, name="small")])
    trace = model.trace(numpy.ones((1, 1500)))
    with pytest.raises(ArgumentError, match=r"2,257,506 numbers .*wide 2,254,500.*about 45 MB.*trace\.only"):
        trace.save(tmp_path / "trace.json")
    trace.only("small").save(tmp_path / "trace.json")
    (layer,) = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["layers"]
    assert layer["name"] == "small"
    assert "wide" in trace.text()
    with pytest.raises(UnknownNameError, match="did you mean 'small'"):
        trace.only("smal")


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, y = chain("lstm")
    trace = model.trace(x, y)
    with pytest.raises(UnknownNameError, match=r"did you mean 'head'.*Known: head, lstm"):
        trace["heat"]
    with pytest.raises(UnknownNameError, match="activation"):
        trace["head"].gradient("scores")
    with pytest.raises(StateError, match="compile"):
        pellucid.Sequential([pellucid.Input((2,)), layers.Dense(1)]).trace([[1.0, 2.0]], [1.0])
    monkeypatch.setattr(opened_module, "_free_bytes", lambda: 1000)
    for exact in (False, True):
        with pytest.raises(ArgumentError, match="fewer examples"):
            model.trace(x, y, exact=exact)
