"""Networks: branches, sharing, nesting, ops applied directly, order of weights, names, errors."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.errors import ArgumentError, DtypeError, GraphError, ShapeError, StateError
from pellucid.nn.layer import Layer
from pellucid.nn.layers import (
    Activation,
    Add,
    Concatenate,
    Dense,
    Dot,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    Input,
    Subtract,
)
from pellucid.nn.network import Network

random = numpy.random.default_rng(1)


def floats(*shape: int) -> numpy.ndarray:
    return random.normal(size=shape).astype(numpy.float32)


def branched() -> Network:
    """Two inputs, a shared layer, a nested network used twice, ops on tensors, an array constant, two outputs."""
    a, b = Input(shape=(4,), name="a"), Input(shape=(4,), name="b")
    inner_in = Input(shape=(3,), name="inner_in")
    inner = Network(inner_in, Dense(2, activation="tanh")(Dropout(0.5)(inner_in)), name="inner")
    shared = Dense(3, activation="relu", name="shared")
    left, right = shared(a), shared(b)
    joined = Concatenate()([inner(left), inner(right), left * 2.0 + numpy.float32([1, 2, 3])])
    first = ops.softmax(Dense(2, name="logits")(joined))
    return Network([a, b], [first, Add(name="sum")([left, right])], name="branched")


def test_a_branched_network_by_hand(tools: Any) -> None:
    network, x, y = branched(), floats(5, 4), floats(5, 4)
    named = {layer.name: layer.get_weights() for layer in network.layers}
    kernel, bias = named["shared"]
    left, right = (numpy.maximum(v @ kernel + bias, 0) for v in (x, y))
    inner_kernel, inner_bias = named["inner"]
    inner = [numpy.tanh(v @ inner_kernel + inner_bias) for v in (left, right)]
    joined = numpy.concatenate([*inner, left * 2 + numpy.float32([1, 2, 3])], axis=-1)
    powers = numpy.exp(joined @ named["logits"][0] + named["logits"][1])
    first, second = tools.run(network, x, y)
    numpy.testing.assert_allclose(first, powers / powers.sum(axis=-1, keepdims=True), rtol=1e-5)
    numpy.testing.assert_allclose(second, left + right, rtol=1e-6)
    assert network.output_names == ["softmax", "sum"]


def test_derivatives_through_sharing_and_nesting(tools: Any) -> None:
    tools.check_derivatives(branched(), floats(5, 4), floats(5, 4))


def test_a_network_survives_json(tools: Any) -> None:
    network, x, y = branched(), floats(5, 4), floats(5, 4)
    config = json.loads(json.dumps(network.get_config()))
    again = Network.from_config(config)
    assert again.get_config() == config
    again.set_weights(network.get_weights())
    for mine, other in zip(tools.run(network, x, y), tools.run(again, x, y), strict=True):
        assert numpy.array_equal(mine, other)
    for mine, other in zip(tools.run(network, x, y, training=True), tools.run(again, x, y, training=True), strict=True):
        assert numpy.array_equal(mine, other)


def test_a_composite_stays_one_step_and_one_group() -> None:
    x = Input(shape=(3,))
    network = Network(x, ops.softmax(x, axis=-1))
    (step,) = network.get_config()["steps"]
    assert step == {"composite": "softmax", "attributes": {"axis": -1}, "inputs": [[-1, 0]]}
    (output,) = network.forward([Input(shape=(3,))])
    assert [group.name for group in output.node.groups] == ["softmax"]


def test_layers_that_hand_on_their_input_are_not_lost(tools: Any) -> None:
    """Outside of training Dropout returns x itself, and yet the network must have it in training."""
    x = numpy.ones((50, 4), numpy.float32)
    network = tools.as_network(lambda v: Activation("linear")(Flatten()(Dropout(0.5)(Identity()(v)))), x)
    assert [type(layer).__name__ for layer in network.layers] == ["Identity", "Dropout", "Flatten", "Activation"]
    assert (tools.run(network, x, training=True)[0] == 0).any()
    assert numpy.array_equal(tools.run(network, x)[0], x)


def test_the_order_of_weights_is_keras_s(keras: Any) -> None:
    """Short and long branches, made in an order that is not the order of depth; a shared layer; an op between."""

    def build(make: Any, network: Any, inputs: Any) -> Any:
        a, b = inputs(shape=(4,)), inputs(shape=(4,))
        short = make.Dense(3, use_bias=False)(b)
        shared = make.Dense(4, use_bias=False)
        long = make.Dense(5, use_bias=False)(make.Dense(6, use_bias=False)(shared(a) * 2.0))
        last = make.Dense(7, use_bias=False)(make.Concatenate()([long, short, shared(b)]))
        other = make.Dense(8, use_bias=False)(short)
        return network([a, b], [other, last])

    from pellucid.nn import layers

    mine = [w.shape for w in build(layers, Network, Input).get_weights()]
    theirs = [w.shape for w in build(keras.layers, keras.Model, keras.Input).get_weights()]
    assert mine == theirs


def test_nested_networks_equal_keras_s(keras: Any, tools: Any) -> None:
    def build(make: Any, network: Any, inputs: Any) -> Any:
        u = inputs(shape=(3,))
        inner = network(u, [make.Dense(2)(u), make.Dense(3, activation="tanh")(u)])
        x = inputs(shape=(3,))
        first, second = inner(x)
        return network(x, make.Concatenate()([make.Dense(4)(first), second]))

    from pellucid.nn import layers

    mine, theirs, x = build(layers, Network, Input), build(keras.layers, keras.Model, keras.Input), floats(6, 3)
    mine.set_weights(theirs.get_weights())
    numpy.testing.assert_allclose(tools.run(mine, x)[0], numpy.asarray(theirs(x)), rtol=1e-5, atol=1e-6)


def test_names_are_set_apart() -> None:
    x = Input(shape=(2,))
    network = Network(x, Dense(1)(Dense(2)(Dense(2, name="dense_1")(Dense(2)(x)))))
    assert sorted(layer.name for layer in network.layers) == ["dense", "dense_1", "dense_2", "dense_3"]
    with pytest.raises(ArgumentError, match=r"two layers of the network are both named 'same'"):
        Network(x, Dense(1, name="same")(Dense(2, name="same")(x)))


def test_layers_of_two_networks_join_in_a_third() -> None:
    first, second = Input(shape=(2,)), Input(shape=(2,))
    y, z = Dense(3)(first), Dense(3)(second)
    Network(first, y), Network(second, z)
    joined = Network([first, second], Add()([y, z]))
    assert len({layer.name for layer in joined.layers}) == 3


def test_initializing_is_a_function_of_one_seed() -> None:
    def drawn(seed: int) -> list[numpy.ndarray]:
        network = branched()
        sequence = iter(range(seed, seed + 1000))
        network.initialize(lambda: next(sequence))
        return network.get_weights()

    assert all(numpy.array_equal(a, b) for a, b in zip(drawn(5), drawn(5), strict=True))
    assert not all(numpy.array_equal(a, b) for a, b in zip(drawn(5), drawn(99), strict=True))


def test_what_is_frozen_is_not_trained() -> None:
    network = branched()
    assert len(network.trainable_variables) == 6
    network.get_layer("inner").trainable = False
    assert len(network.trainable_variables) == 4
    assert Network.from_config(network.get_config()).get_layer("inner").trainable is False
    network.trainable = False
    assert network.trainable_variables == []
    assert len(network.get_weights()) == 6


# Errors


def test_shapes_that_do_not_chain_name_both_layers() -> None:
    x = Input(shape=(4,), name="x")
    shared = Dense(3, name="wide")
    hidden = shared(x)
    with pytest.raises(ShapeError, match=r"layer wide \(after wide \[\?, 3\]\): matmul cannot take"):
        shared(hidden)
    with pytest.raises(
        ShapeError, match=r"layer join \(after wide \[\?, 3\], other \[\?, 2\]\):.*make the sizes equal"
    ):
        Add(name="join")([hidden, Dense(2, name="other")(x)])
    with pytest.raises(ShapeError, match=r"layer cat .*concatenate.*equal sizes"):
        Concatenate(axis=1, name="cat")([Input(shape=(2, 3)), Input(shape=(2, 4))])
    with pytest.raises(ShapeError, match=r"layer dense \(after input \[\?\]\): Dense needs \[batch, …, features\]"):
        Dense(2)(Input(shape=()))
    with pytest.raises(ShapeError, match="known size on every axis but the batch"):
        Dense(2)(Input(shape=(None,)))


def test_a_failed_build_leaves_nothing_behind() -> None:
    layer = Dense(2, bias_initializer="orthogonal")
    with pytest.raises(ShapeError, match="Orthogonal needs at least two axes"):
        layer(Input(shape=(3,)))
    assert layer.variables == []
    assert not layer.built


def test_dot_names_axes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"the sizes 3 and 4 of axes \(1, 1\) of \[\?, 3\] and \[\?, 4\] differ"):
        Dot(1)([Input(shape=(3,)), Input(shape=(4,))])
    with pytest.raises(ShapeError, match=r"\[\?, 3\] has no axis 2 besides the batch"):
        Dot(2)([Input(shape=(3,)), Input(shape=(3,))])
    with pytest.raises(ShapeError, match=r"has no axis -2 besides the batch"):
        Dot(-2)([Input(shape=(3,)), Input(shape=(3,))])


def test_the_number_of_inputs_is_checked() -> None:
    x = Input(shape=(3,))
    with pytest.raises(ShapeError, match=r"layer dense \(Dense\) takes 1 input, got 2; join them first"):
        Dense(2)([x, x])
    with pytest.raises(ShapeError, match=r"takes 2 inputs, got 3"):
        Subtract()([x, x, x])
    with pytest.raises(ShapeError, match=r"takes 2 inputs, got 3"):
        Dot(1)([x, x, x])
    with pytest.raises(ShapeError, match=r"takes at least 1 input, got 0"):
        Add()([])
    with pytest.raises(ArgumentError, match=r"takes one list of tensors: Add\(\)\(\[a, b\]\)"):
        Add()(x)
    with pytest.raises(ShapeError, match=r"network branched has 2 inputs \(a, b\), got 1"):
        branched()(Input(shape=(4,)))
    with pytest.raises(ArgumentError, match=r"called on a ndarray.*model.predict"):
        Dense(2)(numpy.zeros((2, 3)))
    with pytest.raises(ArgumentError, match=r"called on a list; layers"):
        Dense(2)([[1.0]])


def test_unknown_arguments_offer_the_nearest() -> None:
    with pytest.raises(
        ArgumentError, match=r"Dense has no argument 'kernel_initialiser'; did you mean 'kernel_initializer'"
    ):
        Dense(2, kernel_initialiser="zeros")
    with pytest.raises(ArgumentError, match=r"Embedding has no argument 'mask_zeros'; did you mean 'mask_zero'"):
        Embedding(3, 2, mask_zeros=True)
    with pytest.raises(ArgumentError, match=r"unknown activation 'rleu'; did you mean 'relu'"):
        Dense(2, activation="rleu")


def test_disconnected_inputs_are_named() -> None:
    a, b = Input(shape=(2,), name="a"), Input(shape=(2,), name="b")
    with pytest.raises(GraphError, match=r"join needs the input 'b', which is not among the network's inputs"):
        Network(a, Add(name="join")([a, b]))
    with pytest.raises(ArgumentError, match=r"must come from Input"):
        Network(Dense(2)(a), a)
    with pytest.raises(ArgumentError, match="needs outputs"):
        Network(a, [])
    with pytest.raises(ArgumentError, match="must be tensors from Input"):
        Network(a, Dense(2))


def test_weights_that_do_not_fit_are_refused_whole() -> None:
    layer = Dense(2, name="d")
    with pytest.raises(StateError, match="layer d has no weights yet"):
        layer.set_weights([])
    layer(Input(shape=(3,)))
    before = layer.get_weights()
    with pytest.raises(ShapeError, match=r"layer d has 2 weights \(kernel \[3, 2\], bias \[2\]\), got 1 arrays"):
        layer.set_weights([numpy.ones((3, 2))])
    with pytest.raises(ShapeError, match=r"layer d: bias has the shape \[2\], got \[3\]"):
        layer.set_weights([numpy.ones((3, 2)), numpy.ones(3)])
    with pytest.raises(DtypeError, match="must be numbers"):
        layer.set_weights([numpy.ones((3, 2)), numpy.array(["a", "b"])])
    assert all(numpy.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))


def test_a_layer_of_ones_own(tools: Any) -> None:
    class Squared(Layer):
        def __init__(self, power: int = 2, **options: Any) -> None:
            super().__init__(**options)
            self.power = power

        def build(self, shape: Any) -> None:
            self.scale = self.add_weight((shape[-1],), "ones", "scale")

        def call(self, x: Any) -> Any:
            return x**self.power * self.scale.tensor

    x = floats(3, 2)
    network = tools.as_network(Squared(3), x)
    numpy.testing.assert_allclose(tools.run(network, x)[0], x**3, rtol=1e-5)
    assert Network.from_config(network.get_config()).layers[0].get_config()["power"] == 3


def test_penalties_by_hand(tools: Any) -> None:
    x = numpy.float32([[1, 2], [3, 4]])
    layer = Dense(1, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l1")
    network = tools.as_network(layer, x)
    network.set_weights([[[1.0], [-2.0]], [0.5]])
    # kernel 0.01·(1 + 4), bias 0.01·0.5, activity 0.01·(|1-4+0.5| + |3-8+0.5|) / 2 examples
    assert tools.penalty(network, x) == pytest.approx(0.05 + 0.005 + 0.01 * (2.5 + 4.5) / 2, rel=1e-6)


def test_a_shared_layer_is_penalised_once(tools: Any) -> None:
    x = numpy.ones((2, 2), numpy.float32)
    layer = Dense(2, kernel_initializer="ones", kernel_regularizer="l1", use_bias=False)
    assert tools.penalty(tools.as_network(lambda v: layer(layer(v)), x), x) == pytest.approx(0.04)
