"""Descriptions of networks that come from outside: equal when honest, one error and no memory spent when not."""

from __future__ import annotations

import copy
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.core.graph import tensor
from pellucid.errors import ArgumentError, ModelFileError, ShapeError
from pellucid.nn import layers
from pellucid.nn.construction import restoring
from pellucid.nn.initializers import Constant
from pellucid.nn.layer import Layer
from pellucid.nn.layer import layers as registered
from pellucid.nn.layers import Dense, Input
from pellucid.nn.network import Network
from pellucid.train.model import Model
from pellucid.train.saving import load_model

random = numpy.random.default_rng(2)

# A layer with unusual arguments, and the inputs it takes
UNUSUAL: list[tuple[Layer, list[numpy.ndarray]]] = [
    (
        layers.Dense(
            3,
            activation="swish",
            use_bias=False,
            kernel_initializer="orthogonal",
            kernel_regularizer={"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}},
            name="d",
            trainable=False,
        ),
        [random.normal(size=(2, 4))],
    ),
    (layers.Activation("leaky_relu"), [random.normal(size=(2, 4))]),
    (layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.5), [random.normal(size=(2, 4))]),
    (layers.LeakyReLU(0.4), [random.normal(size=(2, 4))]),
    (layers.PReLU("ones", shared_axes=1), [random.normal(size=(2, 4, 2))]),
    (layers.ELU(0.7), [random.normal(size=(2, 4))]),
    (layers.Softmax([1, 2]), [random.normal(size=(2, 4, 2))]),
    (layers.Dropout(0.3, noise_shape=(None, 1), seed=2**50), [random.normal(size=(2, 4))]),
    (layers.AlphaDropout(0.3, noise_shape=(None, 1), seed=2**50), [random.normal(size=(2, 4))]),
    (layers.SpatialDropout1D(0.3, seed=2**50), [random.normal(size=(2, 4, 3))]),
    (layers.SpatialDropout2D(0.3, data_format="channels_last", seed=7), [random.normal(size=(2, 4, 3, 2))]),
    (layers.GaussianNoise(0.3, seed=2**50), [random.normal(size=(2, 4))]),
    (layers.Sampling(seed=2**50), [random.normal(size=(2, 4)), random.normal(size=(2, 4))]),
    (layers.GaussianDropout(0.3, seed=2**50), [random.normal(size=(2, 4))]),
    (layers.ActivityRegularization(0.3, l2=0.1), [random.normal(size=(2, 4))]),
    (layers.LayerNormalization((1, -1), 0.1, beta_initializer="ones"), [random.normal(size=(2, 4, 3))]),
    (layers.BatchNormalization(1, 0.5, 0.1, scale=False, trainable=False), [random.normal(size=(2, 4, 3))]),
    (layers.GroupNormalization(-1, 1, center=False, gamma_regularizer="l2"), [random.normal(size=(2, 4, 3))]),
    (layers.RMSNormalization((1, 2), 0.1), [random.normal(size=(2, 4, 3))]),
    (layers.UnitNormalization((1, 2)), [random.normal(size=(2, 4, 3))]),
    (layers.Permute((2, 1)), [random.normal(size=(2, 4, 3))]),
    (layers.RepeatVector(3), [random.normal(size=(2, 4))]),
    (layers.Flatten("channels_first"), [random.normal(size=(2, 4, 3))]),
    (layers.Reshape((-1, 2)), [random.normal(size=(2, 4))]),
    (layers.Masking(mask_value=-1.0), [random.normal(size=(2, 4, 3))]),
    (
        layers.Embedding(5, 2, embeddings_regularizer="l2", mask_zero=True),
        [random.integers(0, 5, (2, 4)).astype(numpy.int32)],
    ),
    (
        layers.MultiHeadAttention(2, 3, value_dim=4, dropout=0.2, use_bias=False, output_shape=5, seed=3, rotary=False),
        [random.normal(size=(2, 4, 3)), random.normal(size=(2, 5, 6))],
    ),
    (
        layers.GroupQueryAttention(4, 4, 2, dropout=0.1, kernel_regularizer="l2", rotary=True),
        [random.normal(size=(2, 4, 3))] * 2,
    ),
    (layers.Attention(use_scale=True, score_mode="concat", dropout=0.3, seed=1), [random.normal(size=(2, 4, 3))] * 3),
    (layers.AdditiveAttention(use_scale=False, dropout=0.1), [random.normal(size=(2, 4, 3))] * 2),
    (layers.PositionEmbedding(6, initializer="normal"), [random.normal(size=(2, 4, 3))]),
    (layers.SinePositionEncoding(100), [random.normal(size=(2, 4, 3))]),
    (layers.RotaryEmbedding(100, 2.0), [random.normal(size=(2, 4, 6))]),
    (
        layers.TokenAndPositionEmbedding(5, 6, 3, mask_zero=True),
        [random.integers(0, 5, (2, 4)).astype(numpy.int32)],
    ),
    (
        layers.TransformerEncoder(5, 2, 0.1, "gelu", 1e-3, "he_normal", "ones", True, use_bias=False),
        [random.normal(size=(2, 4, 6))],
    ),
    (
        layers.TransformerDecoder(5, 2, dropout=0.1, rotary=True, normalize_first=True),
        [random.normal(size=(2, 4, 8)), random.normal(size=(2, 3, 5))],
    ),
    (layers.Identity(), [random.normal(size=(2, 4))]),
    (layers.InputLayer((4,)), [random.normal(size=(2, 4))]),
    (layers.Normalization(axis=None), [random.normal(size=(2, 4))]),
    (layers.Normalization(mean=numpy.arange(4), variance=numpy.ones(4), invert=True), [random.normal(size=(2, 4))]),
    (layers.Rescaling(numpy.float32([0.1, 1, 2, 3]), offset=1), [random.normal(size=(2, 4))]),
    (layers.FillMissing([1, 2, 3, 4.5], indicators=(1, 3)), [random.normal(size=(2, 4))]),
    (layers.LogScale([2]), [random.normal(size=(2, 4))]),
    (layers.PiecewiseLinearEncoding([[-1, 0, 1], [], [], [0, 2]]), [random.normal(size=(2, 4))]),
    (layers.CategoryEncoding(5, output_mode="count"), [random.integers(0, 5, (2, 4)).astype(numpy.int32)]),
    (layers.Add(), [random.normal(size=(2, 4))] * 2),
    (layers.Subtract(), [random.normal(size=(2, 4))] * 2),
    (layers.Multiply(), [random.normal(size=(2, 4))] * 2),
    (layers.Average(), [random.normal(size=(2, 4))] * 3),
    (layers.Maximum(), [random.normal(size=(2, 4))] * 2),
    (layers.Minimum(), [random.normal(size=(2, 4))] * 2),
    (layers.Dot((1, -1), normalize=True), [random.normal(size=(2, 4))] * 2),
    (layers.Concatenate(axis=1), [random.normal(size=(2, 4, 1))] * 2),
    (layers.Conv1D(2, [2], 2, "causal", groups=2, kernel_regularizer="l2"), [random.normal(size=(2, 5, 4))]),
    (
        layers.Conv2D(2, (3, 2), dilation_rate=(1, 2), padding="SAME", activation="relu"),
        [random.normal(size=(2, 4, 5, 3))],
    ),
    (layers.Conv1DTranspose(2, 3, 2, output_padding=[1], use_bias=False), [random.normal(size=(2, 4, 3))]),
    (layers.Conv2DTranspose(2, 2, (3, 2), "same", bias_regularizer="l1"), [random.normal(size=(2, 3, 2, 3))]),
    (layers.DepthwiseConv1D(3, depth_multiplier=2, depthwise_initializer="ones"), [random.normal(size=(2, 4, 3))]),
    (layers.DepthwiseConv2D(2, 2, "same", activation="tanh"), [random.normal(size=(2, 4, 3, 3))]),
    (layers.SeparableConv1D(2, 3, pointwise_regularizer="l2"), [random.normal(size=(2, 4, 3))]),
    (layers.SeparableConv2D(2, 2, depth_multiplier=3, data_format="channels_last"), [random.normal(size=(2, 4, 3, 3))]),
    (layers.MaxPooling1D(3, strides=1, padding="same"), [random.normal(size=(2, 4, 3))]),
    (layers.MaxPooling2D((1, 2), (2, 1), "SAME", "channels_last"), [random.normal(size=(2, 4, 4, 3))]),
    (layers.AveragePooling1D(3, strides=1), [random.normal(size=(2, 4, 3))]),
    (layers.AveragePooling2D(3, strides=2, padding="same"), [random.normal(size=(2, 4, 4, 3))]),
    (layers.GlobalMaxPooling1D(keepdims=True), [random.normal(size=(2, 4, 3))]),
    (layers.GlobalMaxPooling2D(keepdims=True), [random.normal(size=(2, 4, 4, 3))]),
    (layers.GlobalAveragePooling1D(keepdims=True), [random.normal(size=(2, 4, 3))]),
    (layers.GlobalAveragePooling2D(keepdims=True), [random.normal(size=(2, 4, 4, 3))]),
    (layers.ZeroPadding1D((2, 0)), [random.normal(size=(2, 4, 3))]),
    (layers.ZeroPadding2D((2, (0, 1))), [random.normal(size=(2, 4, 4, 3))]),
    (layers.Cropping1D((2, 0)), [random.normal(size=(2, 4, 3))]),
    (layers.Cropping2D((1, (0, 1))), [random.normal(size=(2, 4, 4, 3))]),
    (layers.RandomFlip("vertical", seed=3), [random.normal(size=(2, 4, 4, 3))]),
    (layers.RandomTranslation(0.2, (-0.5, 0.1), "wrap", "nearest", 4), [random.normal(size=(2, 4, 4, 3))]),
    (layers.RandomRotation((0.1, 0.2), "constant", fill_value=2.0), [random.normal(size=(2, 4, 4, 3))]),
    (layers.BoxesFromDistances(4), [random.uniform(size=(2, 3, 2, 4))]),
    (layers.RandomZoom((-0.5, 0.1), fill_mode="nearest", seed=2**40), [random.normal(size=(2, 4, 4, 3))]),
    (layers.UpSampling2D((3, 1), interpolation="bilinear"), [random.normal(size=(2, 4, 4, 3))]),
    (layers.Resizing(5, 6, "nearest", crop_to_aspect_ratio=True), [random.normal(size=(2, 4, 4, 3))]),
    (layers.CenterCrop(3, 2), [random.normal(size=(2, 4, 4, 3))]),
    (layers.UpSampling1D(3), [random.normal(size=(2, 4, 3))]),
    (layers.AlphaDropout(0.2, noise_shape=(None, 1), seed=5), [random.normal(size=(2, 4))]),
    (layers.SpatialDropout1D(0.5, seed=6), [random.normal(size=(2, 4, 3))]),
    (layers.SpatialDropout2D(0.5, "channels_last"), [random.normal(size=(2, 4, 4, 3))]),
    (layers.GaussianNoise(0.3, seed=7), [random.normal(size=(2, 4))]),
    (layers.GaussianDropout(0.3), [random.normal(size=(2, 4))]),
    (layers.ActivityRegularization(0.1, 0.2), [random.normal(size=(2, 4))]),
    (
        layers.BatchNormalization(1, 0.5, 0.01, False, gamma_initializer="he_normal", gamma_regularizer="l2"),
        [random.normal(size=(4, 3, 2))],
    ),
    (layers.LayerNormalization((1, 2), scale=False, beta_regularizer="l1"), [random.normal(size=(2, 4, 3))]),
    (layers.GroupNormalization(2, epsilon=0.1, center=False), [random.normal(size=(2, 3, 4))]),
    (layers.RMSNormalization((1, -1), epsilon=0.1), [random.normal(size=(2, 4, 3))]),
    (layers.UnitNormalization(axis=[1]), [random.normal(size=(2, 4, 3))]),
    (layers.Permute((2, 1)), [random.normal(size=(2, 4, 3))]),
    (layers.RepeatVector(3), [random.normal(size=(2, 4))]),
    (layers.TimeDistributed(layers.Dense(2, "tanh", name="inner"), name="each"), [random.normal(size=(2, 4, 3))]),
    (
        layers.LSTM(
            3,
            "relu",
            "hard_sigmoid",
            unit_forget_bias=False,
            kernel_regularizer="l1",
            dropout=0.2,
            recurrent_dropout=0.1,
            seed=8,
            return_sequences=True,
            go_backwards=True,
            trainable=False,
        ),
        [random.normal(size=(2, 4, 3))],
    ),
    (
        layers.RNN([layers.LSTMCell(3), layers.LSTMCell(2, use_bias=False)], return_sequences=True),
        [random.normal(size=(2, 4, 3))],
    ),
    (
        layers.Bidirectional(layers.GRU(2, return_sequences=True, name="on"), "ave", name="both"),
        [random.normal(size=(2, 4, 3))],
    ),
    (layers.GRU(3, reset_after=False, recurrent_regularizer="l2"), [random.normal(size=(2, 4, 3))]),
    (layers.SimpleRNN(3, "relu", return_sequences=True, dropout=0.3), [random.normal(size=(2, 4, 3))]),
    (layers.GRUCell(3, reset_after=False), [random.normal(size=(2, size)) for size in (4, 3)]),
    (layers.SimpleRNNCell(3, "sigmoid"), [random.normal(size=(2, size)) for size in (4, 3)]),
    (layers.LSTMCell(3, bias_initializer="ones"), [random.normal(size=(2, size)) for size in (4, 3, 3)]),
    (
        layers.StackedRNNCells([layers.LSTMCell(3), layers.LSTMCell(2)]),
        [random.normal(size=(2, size)) for size in (4, 3, 3, 2, 2)],
    ),
]


@pytest.mark.parametrize(("layer", "arrays"), UNUSUAL, ids=[type(layer).__name__ for layer, _ in UNUSUAL])
def test_every_layer_survives_json(layer: Layer, arrays: list[numpy.ndarray], tools: Any) -> None:
    arrays = [x.astype(numpy.float32) if x.dtype.kind == "f" else x for x in arrays]
    network = tools.as_network(layer, *arrays)
    config = json.loads(json.dumps(network.get_config()))
    again = Network.from_config(config)
    assert again.get_config() == config
    again.set_weights(network.get_weights())
    for training in (False, True):
        ours, theirs = tools.run(network, *arrays, training=training), tools.run(again, *arrays, training=training)
        assert all(numpy.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert tools.penalty(network, *arrays) == tools.penalty(again, *arrays)


@pytest.mark.parametrize(("layer", "arrays"), UNUSUAL, ids=[type(layer).__name__ for layer, _ in UNUSUAL])
def test_every_layer_is_saved_and_shown(
    layer: Layer, arrays: list[numpy.ndarray], tools: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = [x.astype(numpy.float32) if x.dtype.kind == "f" else x for x in arrays]
    network = tools.as_network(layer, *arrays)
    model = Model(network.inputs, network.outputs, seed=1)
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    for network in (model, again):
        network.run_on("numpy")
    given = arrays if len(arrays) > 1 else arrays[0]
    ours, theirs = model.predict(given), again.predict(given)
    if isinstance(ours, numpy.ndarray):
        ours, theirs = [ours], [theirs]
    assert all(numpy.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    again.summary()
    shown = capsys.readouterr().out
    assert f"{layer.name} ({type(layer).__name__})" in shown
    assert f"Total params: {layer.count_params():,} " in shown


def test_every_registered_layer_is_among_them() -> None:
    own = {name for name, kind in registered.items() if kind.__module__.startswith("pellucid.nn.layers")}
    assert {type(layer).__name__ for layer, _ in UNUSUAL} == own


def test_every_activation_survives_json(tools: Any) -> None:
    from pellucid.nn.activations import ACTIVATIONS

    x = random.normal(size=(3, 4)).astype(numpy.float32)
    for name in ACTIVATIONS:
        network = tools.as_network(Dense(2, activation=name), x)
        again = Network.from_config(json.loads(json.dumps(network.get_config())))
        again.set_weights(network.get_weights())
        assert numpy.array_equal(tools.run(network, x)[0], tools.run(again, x)[0])


def test_what_has_no_name_cannot_be_described() -> None:
    x = Input(shape=(2,))
    with pytest.raises(ArgumentError, match="no registered name"):
        Network(x, Dense(2, activation=lambda v: v * 2.0)(x)).get_config()
    layer = Dense(2)
    y = layer(x)
    with pytest.raises(ArgumentError, match=r"uses Variable\(bias.*outside of its layer"):
        Network(x, y + layer.bias.tensor).get_config()


def test_ops_over_windows_survive_json(tools: Any) -> None:
    x = random.normal(size=(2, 5, 4, 1)).astype(numpy.float32)
    kernel = random.normal(size=(3, 2, 1, 2)).astype(numpy.float32)
    network = tools.as_network(
        lambda v: ops.convolution(v, tensor(kernel), strides=(2, 1), padding=((1, 0), (0, 2))), x
    )
    again = Network.from_config(json.loads(json.dumps(network.get_config())))
    assert again.get_config() == network.get_config()
    assert numpy.array_equal(tools.run(network, x)[0], tools.run(again, x)[0])


def example() -> dict[str, Any]:
    u = Input(shape=(3,), name="u")
    inner = Network(u, layers.PReLU()(Dense(2, kernel_regularizer="l1", activity_regularizer="l2")(u)), name="inner")
    a, b = Input(shape=(3,), name="a"), Input(shape=(2,), dtype="int32", name="b")
    left = layers.FillMissing([1.0, 2.0, 3.0], indicators=[0])(layers.Normalization()(a))
    right = layers.Flatten()(layers.Embedding(5, 2, embeddings_initializer=Constant(0.5))(b))
    joined = layers.Concatenate()([layers.Dropout(0.2)(left), right, ops.sum(inner(a) * 2.0, axis=-1, keepdims=True)])
    hidden = layers.Reshape((3, 3))(joined)
    network = Network([a, b], [ops.softmax(Dense(2)(hidden)), ops.mean(hidden + numpy.float32([1, 2, 3]), axis=(1, 2))])
    return json.loads(json.dumps(network.get_config()))  # type: ignore[no-any-return]


JUNK: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 10**12, -(10**12), 10**30, 1e308, float("nan"), float("inf"), -0.5, 0.5,
    "", "x", "a" * 1000, "Dense", "relu", "read", "feed", "reshape", "__class__", [], {}, [[]], [0, 0], [-1, 0], [5, 5],
    [None], [1.5], ["a"], [10**12], [[0, 0]] * 50,
    {"class_name": "Dense", "config": {}}, {"class_name": "L1", "config": {"l1": 1}}, {"a": 1},
]  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to every part of a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in inside for place in places(part, (*at, key)))]


def mutate(config: Any, draw: numpy.random.Generator) -> Any:
    """Another description: a part replaced, taken away, doubled, renamed, or put in another's place."""
    config = copy.deepcopy(config)
    ways = [place for place in places(config) if place]
    for _ in range(draw.integers(1, 4)):
        place = ways[draw.integers(len(ways))]
        try:
            parent = config
            for key in place[:-1]:
                parent = parent[key]
            kind = draw.integers(5)
            if kind == 0:
                del parent[place[-1]]
            elif kind == 1 and isinstance(parent, list):
                parent.append(copy.deepcopy(parent[place[-1]]))
            elif kind == 2 and isinstance(parent, dict):
                parent[str(JUNK[draw.integers(len(JUNK))])] = parent.pop(place[-1])
            elif kind == 3:
                other = config
                for key in ways[draw.integers(len(ways))]:
                    other = other[key]
                parent[place[-1]] = copy.deepcopy(other)
            else:
                parent[place[-1]] = copy.deepcopy(JUNK[draw.integers(len(JUNK))])
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this part away
    return config


def test_garbage_raises_one_error() -> None:
    """A thousand mutations: each builds a network that can be described again, or raises ModelFileError."""
    honest, draw = example(), numpy.random.default_rng(20)
    messages = []
    for _ in range(1000):
        mutated = mutate(honest, draw)
        start = time.perf_counter()
        try:
            json.dumps(Network.from_config(mutated).get_config())
        except ModelFileError as error:
            messages.append(str(error))
        assert time.perf_counter() - start < 5.0
    assert len(messages) > 600
    assert max(map(len, messages)) < 1000


@pytest.mark.parametrize(
    "junk", [junk for junk in JUNK if not isinstance(junk, float)], ids=lambda junk: repr(junk)[:20]
)
def test_no_network_at_all(junk: Any) -> None:
    with pytest.raises(ModelFileError):
        Network.from_config(junk)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("Dense", {"units": 10**12}, "one weight can have"),
        ("Embedding", {"input_dim": 10**12}, "one weight can have"),
        ("CategoryEncoding", {"num_tokens": 10**12}, "numbers per example"),
        ("Dense", {"units": 10**30}, "one weight can have"),
    ],
)
def test_absurd_sizes_are_refused_at_once(kind: str, change: dict[str, Any], message: str) -> None:
    x = Input(shape=(2,), dtype="float32")
    made = {
        "Dense": layers.Dense(3),
        "Embedding": layers.Embedding(3, 2),
        "CategoryEncoding": layers.CategoryEncoding(3),
    }
    config = Network(x, made[kind](x)).get_config()
    config["layers"][0]["config"].update(change)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(ModelFileError, match=message):
        Network.from_config(config)
    assert time.perf_counter() - start < 1.0
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("part", "value"), [("name", ""), ("name", None), ("inputs", []), ("outputs", []), ("trainable", 1), ("steps", {})]
)
def test_parts_of_the_whole(part: str, value: Any) -> None:
    with pytest.raises(ModelFileError):
        Network.from_config({**example(), part: value})


def test_two_layers_of_one_name_are_refused() -> None:
    config = example()
    config["layers"][1]["config"]["name"] = config["layers"][0]["config"]["name"]
    with pytest.raises(ModelFileError, match="a name of its own"):
        Network.from_config(config)


def test_deep_nesting_is_refused() -> None:
    config = example()
    for _ in range(3000):
        config = {**config, "layers": [{"class_name": "Network", "config": config}]}
    with pytest.raises(ModelFileError, match="RecursionError"):
        Network.from_config(config)


def test_restoring_draws_nothing_and_stays_within_the_file() -> None:
    x = Input(shape=(10,))
    network = Network(x, Dense(2)(Dense(5)(x)))
    count = network.count_params()
    with restoring(count):
        again = Network.from_config(network.get_config())
    assert not any(weight.any() for weight in again.get_weights())
    with (
        pytest.raises(ModelFileError, match=r"bias \[2\] would have 2 numbers, but the file has only 1 left"),
        restoring(count - 1),
    ):
        Network.from_config(network.get_config())
    again.initialize(lambda: 1)
    assert again.get_weights()[0].any()  # the initializers are kept


def test_a_weight_has_a_limit_outside_of_files_too() -> None:
    with pytest.raises(
        ShapeError, match=r"layer big.*kernel \[3, 1000000000000\] would have 3,000,000,000,000 numbers"
    ):
        Dense(10**12, name="big")(Input(shape=(3,)))
