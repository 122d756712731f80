"""Every number of an explanation against float64 differences: for each kind of layer, each activation, each loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import layers as nn
from pellucid import losses
from pellucid.core.graph import Tensor
from pellucid.explain.chain_rule import ChainRule
from pellucid.explain.naming import Naming, name
from pellucid.explain.opened import Opened
from pellucid.explain.unfolding import Unfolding
from pellucid.nn.losses import Loss
from pellucid.train.opening import open_model

RELATIVE, ABSOLUTE = 1e-6, 1e-9
Case = tuple[pellucid.Model, numpy.ndarray, numpy.ndarray]


def chain(shape: tuple[int, ...], *parts: Any, ids: int = 0, loss: Any = "mse", optimizer: Any = "sgd") -> Case:
    """Layers on top of each other; `ids`: whole numbers below that go in."""

    def network(x: Tensor) -> Tensor:
        for part in parts:
            x = part(x)
        return x

    return built(network, shape, ids, loss, optimizer)


def built(
    network: Callable[[Any], Any], shape: tuple[int, ...], ids: int = 0, loss: Any = "mse", optimizer: Any = "sgd"
) -> Case:
    """A network of a function from its input to its output, three examples and labels."""
    draw = numpy.random.default_rng(7)
    x = nn.Input(shape, dtype="int32") if ids else nn.Input(shape)
    model = pellucid.Model(x, network(x), name="net", seed=1)
    model.set_weights([draw.normal(scale=0.7, size=weight.shape) ** (2 if (weight > 0).all() and weight.size else 1)
                       for weight in model.get_weights()])  # fmt: skip
    model.compile(optimizer, loss)
    data = draw.integers(0, ids, size=(3, *shape)) if ids else draw.normal(size=(3, *shape)).astype("float32")
    return model, data, draw.normal(size=model.predict(data).shape).astype("float32")


def _shared(x: Tensor) -> Tensor:
    dense = nn.Dense(3, "tanh")
    return nn.Dense(1)(nn.Concatenate()([dense(x), dense(nn.Dense(4)(x))]))


def _one(*parts: Any) -> Callable[[Any], Any]:
    """The layers, then one neuron over everything."""

    def network(x: Tensor) -> Tensor:
        for part in parts:
            x = part(x)
        return nn.Dense(1)(nn.Flatten()(x))

    return network


NETWORKS: dict[str, Callable[[], Case]] = {
    "Dense": lambda: chain((4,), nn.Dense(5, "tanh"), nn.Dense(2)),
    "activity regularizers": lambda: chain(
        (3,), nn.Dense(3, "tanh", kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l2")
    ),
    "Conv1D": lambda: built(_one(nn.Conv1D(3, 2, activation="tanh")), (6, 2)),
    "Conv2D, MaxPooling2D": lambda: built(
        _one(nn.Conv2D(3, 3, activation="tanh", padding="same"), nn.MaxPooling2D()), (6, 6, 2)
    ),
    "Conv2D, AveragePooling2D": lambda: built(_one(nn.Conv2D(3, 3, strides=2), nn.AveragePooling2D()), (6, 6, 2)),
    "Conv2DTranspose": lambda: built(
        _one(nn.Conv2DTranspose(3, 3, strides=2, activation="tanh"), nn.GlobalAveragePooling2D()), (3, 3, 2)
    ),
    "DepthwiseConv2D": lambda: built(_one(nn.DepthwiseConv2D(3), nn.GlobalMaxPooling2D()), (5, 5, 2)),
    "SeparableConv2D": lambda: built(_one(nn.SeparableConv2D(3, 3, activation="tanh")), (5, 5, 2)),
    "BatchNormalization": lambda: chain(
        (4,), nn.Dense(3), nn.BatchNormalization(), nn.Activation("sigmoid"), nn.Dense(1)
    ),
    "LayerNormalization": lambda: chain((4,), nn.Dense(3), nn.LayerNormalization(), nn.Dense(1)),
    "GroupNormalization": lambda: built(_one(nn.Conv2D(4, 2), nn.GroupNormalization(2)), (4, 4, 4)),
    "RMSNormalization": lambda: chain((4,), nn.Dense(3), nn.RMSNormalization(), nn.Dense(1)),
    "Embedding": lambda: built(_one(nn.Embedding(7, 3)), (5,), ids=7),
    "Dropout": lambda: chain((4,), nn.Dense(8, "tanh"), nn.Dropout(0.5), nn.Dense(1)),
    "SimpleRNN": lambda: chain((4, 2), nn.SimpleRNN(3), nn.Dense(1)),
    "LSTM": lambda: chain((4, 2), nn.LSTM(3, return_sequences=True), nn.LSTM(2), nn.Dense(1)),
    "GRU": lambda: chain((4, 2), nn.GRU(3), nn.Dense(1)),
    "GRU, reset before": lambda: chain((4, 2), nn.GRU(3, reset_after=False, recurrent_dropout=0.3), nn.Dense(1)),
    "Bidirectional": lambda: chain((4, 2), nn.Bidirectional(nn.LSTM(2)), nn.Dense(1)),
    "masked": lambda: chain((5,), nn.Embedding(7, 3, mask_zero=True), nn.LSTM(2), nn.Dense(1), ids=7),
    "TimeDistributed": lambda: built(_one(nn.TimeDistributed(nn.Dense(3, "tanh"))), (4, 2)),
    "MultiHeadAttention": lambda: built(
        lambda x: _one()(nn.MultiHeadAttention(2, 3, dropout=0.2)(x, x, use_causal_mask=True)), (4, 3)
    ),
    "Attention": lambda: built(lambda x: _one()(nn.Attention()([nn.Dense(3)(x), x])), (4, 3)),
    "TransformerEncoder": lambda: built(_one(nn.TransformerEncoder(8, 2, activation="gelu")), (4, 6)),
    "TransformerDecoder": lambda: built(_one(nn.TransformerDecoder(8, 2, activation="tanh")), (4, 6)),
    "Add": lambda: built(lambda x: nn.Dense(1)(nn.Add()([x, nn.Dense(4, "tanh")(nn.Dense(4, "tanh")(x))])), (4,)),
    "Concatenate": lambda: built(
        lambda x: nn.Dense(1)(nn.Concatenate()([nn.Dense(2, "tanh")(x), nn.Dense(3, "softplus")(x)])), (4,)
    ),
    "Multiply": lambda: built(
        lambda x: nn.Dense(1)(nn.Multiply()([nn.Dense(3, "tanh")(x), nn.Dense(3, "sigmoid")(x)])), (4,)
    ),
    "a layer used twice": lambda: built(_shared, (4,)),
    "AdditiveAttention": lambda: built(
        lambda x: _one()(nn.AdditiveAttention()([nn.Dense(3)(x), nn.Dense(3)(x)])), (4, 3)
    ),
    "GroupQueryAttention": lambda: built(lambda x: _one()(nn.GroupQueryAttention(3, 4, 2)(x, x)), (4, 3)),
    "positions": lambda: built(
        _one(nn.TokenAndPositionEmbedding(7, 5, 4), nn.SinePositionEncoding(), nn.RotaryEmbedding()), (5,), ids=7
    ),
    "PositionEmbedding": lambda: built(_one(nn.PositionEmbedding(4), nn.Dense(2)), (4, 3)),
    "ActivityRegularization": lambda: chain((4,), nn.Dense(3), nn.ActivityRegularization(0.1, 0.1), nn.Dense(1)),
    "noise": lambda: chain(
        (4,), nn.Dense(6, "tanh"), nn.AlphaDropout(0.3), nn.GaussianDropout(0.3), nn.GaussianNoise(0.1), nn.Dense(1)
    ),
    "Sampling": lambda: built(
        lambda x: nn.Dense(1)(nn.Sampling()(nn.Dense(2, "tanh")(x), nn.Dense(2, "tanh")(x))), (4,)
    ),
    "SpatialDropout1D": lambda: built(_one(nn.Dense(4), nn.SpatialDropout1D(0.4)), (4, 3)),
    "SpatialDropout2D": lambda: built(_one(nn.Conv2D(4, 2), nn.SpatialDropout2D(0.4)), (4, 4, 2)),
    "Average": lambda: built(lambda x: nn.Dense(1)(nn.Average()([nn.Dense(3, "tanh")(x), nn.Dense(3)(x)])), (4,)),
    "Maximum": lambda: built(lambda x: nn.Dense(1)(nn.Maximum()([nn.Dense(3)(x), nn.Dense(3)(x)])), (4,)),
    "Minimum": lambda: built(lambda x: nn.Dense(1)(nn.Minimum()([nn.Dense(3)(x), nn.Dense(3)(x)])), (4,)),
    "Subtract": lambda: built(lambda x: nn.Dense(1)(nn.Subtract()([nn.Dense(3)(x), nn.Dense(3)(x)])), (4,)),
    "Dot": lambda: built(lambda x: nn.Dot(1)([nn.Dense(3)(x), nn.Dense(3)(x)]), (4,)),
    "pooling in one dimension": lambda: built(_one(nn.Conv1D(3, 2), nn.MaxPooling1D(), nn.AveragePooling1D()), (9, 2)),
    "GlobalAveragePooling1D": lambda: built(_one(nn.Dense(3), nn.GlobalAveragePooling1D()), (4, 2)),
    "GlobalMaxPooling1D": lambda: built(_one(nn.Dense(3), nn.GlobalMaxPooling1D()), (4, 2)),
    "Conv1DTranspose": lambda: built(_one(nn.Conv1DTranspose(3, 3, strides=2)), (4, 2)),
    "DepthwiseConv1D, SeparableConv1D": lambda: built(_one(nn.DepthwiseConv1D(2), nn.SeparableConv1D(3, 2)), (6, 2)),
    "places in one dimension": lambda: built(
        _one(nn.Dense(2), nn.ZeroPadding1D(1), nn.UpSampling1D(2), nn.Cropping1D(1)), (4, 2)
    ),
    "places in two dimensions": lambda: built(
        _one(nn.Conv2D(2, 2), nn.ZeroPadding2D(1), nn.UpSampling2D(2), nn.Cropping2D(1)), (4, 4, 1)
    ),
    "flips and shifts": lambda: built(
        _one(nn.Conv2D(2, 2), nn.RandomFlip(), nn.RandomTranslation(0.2, 0.2)), (4, 4, 1)
    ),
    "RandomRotation": lambda: built(_one(nn.Conv2D(1, 1), nn.RandomRotation(0.1)), (3, 3, 1)),
    "BoxesFromDistances": lambda: built(
        _one(nn.Conv2D(4, 2, activation="softplus"), nn.BoxesFromDistances(2)), (3, 3, 2)
    ),
    "RandomZoom": lambda: built(_one(nn.Conv2D(1, 1), nn.RandomZoom(0.2)), (3, 3, 1)),
    "Normalization": lambda: chain((2,), nn.Normalization(mean=[0.1, 0.2], variance=[2.0, 3.0]), nn.Dense(1)),
    "sizes of images": lambda: built(
        _one(nn.Rescaling(0.5), nn.Conv2D(2, 2), nn.Resizing(6, 6), nn.CenterCrop(4, 4)), (5, 5, 1)
    ),
    "shapes": lambda: built(
        _one(nn.Dense(4), nn.Identity(), nn.Reshape((2, 2)), nn.Permute((2, 1)), nn.Flatten(), nn.RepeatVector(2)), (3,)
    ),
    "activations": lambda: chain(
        (4,),
        nn.Dense(5),
        nn.PReLU(),
        nn.Dense(5),
        nn.ELU(),
        nn.Dense(5),
        nn.LeakyReLU(),
        nn.Dense(5),
        nn.ReLU(),
        nn.Softmax(),
        nn.Dense(1),
    ),
    "UnitNormalization": lambda: chain((4,), nn.Dense(3), nn.UnitNormalization(), nn.Dense(1)),
    "Masking": lambda: chain((4, 2), nn.Masking(0.0), nn.LSTM(2), nn.Dense(1)),
    "cells": lambda: chain(
        (3, 2), nn.RNN(nn.StackedRNNCells([nn.LSTMCell(2), nn.GRUCell(2), nn.SimpleRNNCell(2)])), nn.Dense(1)
    ),
}
ACTIVATIONS = (
    "elu", "exponential", "gelu", "leaky_relu", "log_softmax", "mish", "relu", "selu", "sigmoid", "silu", "softmax",
    "softplus", "softsign", "tanh",
)  # fmt: skip


def opened_on(case: Case) -> tuple[Opened, Naming, Unfolding]:
    model, x, y = case
    opened = open_model(model, x, y, training=True, unrolled=True)
    naming = name(opened)
    return opened, naming, Unfolding(opened, naming)


def places(array: numpy.ndarray, count: int) -> list[tuple[int, ...]]:
    """Some places of an array, always the same ones."""
    flat = numpy.random.default_rng(array.size).permutation(array.size)[:count]
    return [tuple(int(i) for i in numpy.unravel_index(int(place), array.shape)) for place in flat]


def difference(case: Case, variable: Any, index: tuple[int, ...]) -> float:
    """The derivative of the loss by a weight, from four values of the loss: an error of the fourth order."""
    model, x, y = case
    start = variable.value.copy()

    def slope(size: float) -> float:
        ends = []
        for change in (size, -size):
            value = start.copy()
            value[index] += change
            variable.assign(value)
            again = open_model(model, x, y, training=True, unrolled=True)
            ends.append((float(value[index]), float(again.exact[again.loss])))  # type: ignore[index]
        (a, up), (b, down) = ends
        return (up - down) / (a - b)

    fine, coarse = slope(2**-9), slope(2**-8)
    variable.assign(start)
    return (4 * fine - coarse) / 3


def check(case: Case, weights: int = 2, values: int = 3) -> None:
    """Gradients are the differences; along every step of the chain rule local derivatives make up the derivative; and
    every expression has the value that it explains."""
    opened, naming, unfolding = opened_on(case)
    chain_rule = ChainRule(unfolding)
    for variable in case[0].trainable_variables:
        gradient = opened.exact[opened.derivatives[variable.tensor]]
        for index in places(gradient, weights):
            assert gradient[index] == pytest.approx(difference(case, variable, index), rel=RELATIVE, abs=1e-8)
    for value, adjoint in opened.derivatives.items():
        if value is opened.loss or value not in naming:
            continue
        for index in places(opened.exact[adjoint], values):
            links = chain_rule.links(value, index)
            total = sum(link.local.value * link.derivative for link in links)
            what = naming.symbol(value, index)
            assert total == pytest.approx(float(opened.exact[adjoint][index]), rel=RELATIVE, abs=ABSOLUTE), what
    for value in naming.stems:
        if value in opened.exact:
            for index in places(opened.exact[value], values):
                made = unfolding.expression(value, index).value
                what = naming.symbol(value, index)
                assert made == pytest.approx(float(opened.exact[value][index]), rel=RELATIVE, abs=ABSOLUTE), what


@pytest.mark.parametrize("kind", NETWORKS)
def test_layers(kind: str) -> None:
    case = NETWORKS[kind]()
    check(case)
    step = case[0].explain_step(case[1], case[2])
    assert step.weights
    for weight in step.weights:
        total = sum(path.product for path in weight.paths) + weight.rest
        assert total == pytest.approx(weight.gradient, rel=RELATIVE, abs=ABSOLUTE)
        assert weight.paths or weight.gradient == pytest.approx(0.0, abs=ABSOLUTE)
    text = step.text()
    assert len(text) < 60_000
    assert "not shown" not in text


def test_every_layer_is_among_them() -> None:
    tables = {"CategoryEncoding", "FillMissing", "LogScale", "PiecewiseLinearEncoding"}  # no weight comes before
    known = {kind for kind in vars(nn).values() if isinstance(kind, type) and issubclass(kind, nn.Layer)}
    used = {type(layer) for make in NETWORKS.values() for layer in inside(make()[0])}
    assert {kind.__name__ for kind in known - used} <= {"Layer", "InputLayer", *tables}


def inside(holder: Any) -> Iterator[nn.Layer]:
    """All layers of a network or layer, those within layers too."""
    for layer in getattr(holder, "layers", ()):
        yield layer
        yield from inside(layer)
    for part in vars(holder).values():
        for one in part if isinstance(part, (list, tuple)) else [part]:
            if isinstance(one, nn.Layer):
                yield one
                yield from inside(one)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation: str) -> None:
    check(chain((4,), nn.Dense(5, activation), nn.Dense(2)))


LOSSES = sorted(
    item.__name__
    for item in vars(losses).values()
    if isinstance(item, type) and issubclass(item, Loss) and item.__name__ not in ("Loss", "OwnLoss")
)
LABELS = {
    "BinaryCrossentropy": "yes-no",
    "BinaryFocalCrossentropy": "yes-no",
    "CategoricalCrossentropy": "one-hot",
    "CategoricalFocalCrossentropy": "one-hot",
    "CategoricalHinge": "one-hot",
    "Dice": "yes-no",
    "GIoULoss": "box",
    "Hinge": "yes-no",
    "KLDivergence": "one-hot",
    "MeanAbsolutePercentageError": "positive",
    "MeanSquaredLogarithmicError": "positive",
    "Poisson": "positive",
    "SparseCategoricalCrossentropy": "class",
    "SquaredHinge": "yes-no",
    "Tversky": "yes-no",
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    kind = LABELS.get(name, "number")
    last = {"class": "softmax", "one-hot": "softmax", "yes-no": "sigmoid", "positive": "softplus"}.get(kind)
    units = 4 if kind == "box" else 3
    model, x, y = chain((4,), nn.Dense(4, "tanh"), nn.Dense(units, last), loss=getattr(losses, name)())
    if kind == "class":
        y = numpy.array([2, 0, 1])
    elif kind == "one-hot":
        y = numpy.eye(3, dtype="float32")
    elif kind == "box":
        y[:, 2:] = y[:, :2] + abs(y[:, 2:]) + 0.5  # ends after it begins
        model.layers[-1].bias.assign([-1.0, -1.0, 1.0, 1.0])  # boxes that meet them
    elif kind in ("yes-no", "positive"):
        y = abs(y) + 0.1 if kind == "positive" else (y > 0).astype("float32")
    check((model, x, y))


def test_against_pytorch() -> None:
    torch = pytest.importorskip("torch")
    model, x, y = chain((5, 2), nn.LSTM(3), nn.Dense(1))
    step = model.explain_step(x, y, weight=["lstm/kernel[1,4]", "lstm/recurrent_kernel[2,7]", "dense/kernel[0,0]"])
    kernel, recurrent, bias, dense, offset = (torch.tensor(w, dtype=torch.float64) for w in model.get_weights())
    cell = torch.nn.LSTM(2, 3, batch_first=True).double()
    with torch.no_grad():
        for parameter, value in zip(cell.parameters(), (kernel.T, recurrent.T, bias, 0 * bias), strict=True):
            parameter.copy_(value)
    dense.requires_grad_()
    h, _ = cell(torch.tensor(x, dtype=torch.float64))
    torch.mean((h[:, -1] @ dense + offset - torch.tensor(y)) ** 2).backward()
    expected = [cell.weight_ih_l0.grad.T[1, 4], cell.weight_hh_l0.grad.T[2, 7], dense.grad[0, 0]]
    found = [weight.gradient for weight in step.weights]
    assert found == pytest.approx([float(value) for value in expected], rel=1e-6)


def test_a_wrong_derivative_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.ops.activations import Tanh

    monkeypatch.setattr(Tanh, "derivatives", lambda self, node, g: (g * (1.0 - node.output),))
    with pytest.raises(AssertionError):
        check(NETWORKS["Dense"]())


def test_own_layers_and_losses_open() -> None:
    class SquarePlusOne(pellucid.Layer):
        def call(self, x: Any) -> Any:
            return x * x + 1.0

    def fourth(truth: Any, output: Any) -> Any:
        return pellucid.ops.mean((truth - output) ** 4.0, axis=-1)

    model, x, y = chain((2,), nn.Dense(3, "tanh"), SquarePlusOne(name="squared"), nn.Dense(1), loss=fourth)
    check((model, x, y))
    text = model.explain_step(x[:1], y[:1]).text()
    assert "h₁·h₁ + 1" in text
    assert "L = (y − ŷ)⁴" in text
