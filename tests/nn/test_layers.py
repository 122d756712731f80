"""Every layer against Keras with copied weights, and its derivatives against float64 differences."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid.errors import ArgumentError
from pellucid.nn import layers

random = numpy.random.default_rng(5)


def floats(*shape: int) -> numpy.ndarray:
    return random.normal(size=shape).astype(numpy.float32)


def ids(high: int, *shape: int) -> numpy.ndarray:
    return random.integers(0, high, shape).astype(numpy.int32)


# (layer's name, its arguments, its inputs): the same words make ours and Keras's
CASES: list[tuple[str, dict[str, Any], list[numpy.ndarray]]] = [
    ("Dense", {"units": 3}, [floats(4, 5)]),
    ("Dense", {"units": 3, "use_bias": False, "activation": "tanh"}, [floats(4, 5)]),
    ("Dense", {"units": 2, "activation": "softmax"}, [floats(2, 3, 4)]),
    ("Dense", {"units": 2, "activation": "gelu"}, [floats(2, 3, 2, 4)]),
    ("Activation", {"activation": "mish"}, [floats(4, 5)]),
    ("ReLU", {}, [floats(4, 5)]),
    ("ReLU", {"max_value": 0.5}, [floats(4, 5)]),
    ("ReLU", {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.2}, [floats(6, 5)]),
    ("ReLU", {"negative_slope": 0.1, "threshold": 0.2}, [floats(6, 5)]),
    ("ReLU", {"max_value": 6.0}, [floats(4, 5) * 5]),
    ("LeakyReLU", {}, [floats(4, 5)]),
    ("LeakyReLU", {"negative_slope": 0.05}, [floats(4, 5)]),
    ("PReLU", {}, [floats(4, 5)]),
    ("PReLU", {"shared_axes": [1]}, [floats(4, 5, 3)]),
    ("ELU", {}, [floats(4, 5)]),
    ("ELU", {"alpha": 0.3}, [floats(4, 5)]),
    ("Softmax", {}, [floats(4, 5)]),
    ("Softmax", {"axis": 1}, [floats(4, 5, 3)]),
    ("Softmax", {"axis": [1, 2]}, [floats(4, 5, 3)]),
    ("Dropout", {"rate": 0.5}, [floats(4, 5)]),
    ("AlphaDropout", {"rate": 0.5}, [floats(4, 5)]),
    ("SpatialDropout1D", {"rate": 0.5}, [floats(4, 5, 3)]),
    ("SpatialDropout2D", {"rate": 0.5}, [floats(2, 4, 5, 3)]),
    ("GaussianNoise", {"stddev": 0.5}, [floats(4, 5)]),
    ("GaussianDropout", {"rate": 0.5}, [floats(4, 5)]),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, [floats(4, 5)]),
    ("Permute", {"dims": (2, 1)}, [floats(4, 5, 3)]),
    ("Permute", {"dims": (3, 1, 4, 2)}, [floats(2, 3, 4, 5, 2)]),
    ("RepeatVector", {"n": 3}, [floats(4, 5)]),
    ("Flatten", {}, [floats(4, 5, 3)]),
    ("Flatten", {}, [floats(2, 2, 3, 2, 3)]),
    ("Reshape", {"target_shape": (2, 2, -1, 3)}, [floats(2, 4, 3, 6)]),
    ("Reshape", {"target_shape": (12,)}, [floats(2, 2, 3, 2)]),
    ("Flatten", {}, [floats(4)]),
    ("Flatten", {"data_format": "channels_first"}, [floats(2, 3, 4, 5)]),
    ("Reshape", {"target_shape": (3, 2)}, [floats(4, 6)]),
    ("Reshape", {"target_shape": (-1, 2)}, [floats(4, 3, 4)]),
    ("Embedding", {"input_dim": 7, "output_dim": 3}, [ids(7, 4, 5)]),
    ("Embedding", {"input_dim": 7, "output_dim": 3}, [ids(7, 4)]),
    ("Masking", {"mask_value": 2.0}, [floats(4, 5, 3)]),
    ("Identity", {}, [floats(4, 5)]),
    ("LayerNormalization", {}, [floats(4, 5)]),
    ("LayerNormalization", {"epsilon": 1e-5, "center": False}, [floats(2, 3, 17)]),
    ("LayerNormalization", {"scale": False}, [floats(2, 3, 4)]),
    ("LayerNormalization", {"center": False, "scale": False}, [floats(4, 5)]),
    ("LayerNormalization", {"axis": 1}, [floats(4, 5, 3)]),
    ("LayerNormalization", {"axis": [2, 1]}, [floats(4, 5, 3)]),
    ("LayerNormalization", {"axis": (1, 3)}, [floats(2, 3, 2, 4)]),
    ("BatchNormalization", {}, [floats(4, 5)]),
    ("BatchNormalization", {"epsilon": 0.1, "center": False}, [floats(2, 3, 4)]),
    ("BatchNormalization", {"axis": 1, "scale": False}, [floats(2, 3, 2, 4)]),
    ("GroupNormalization", {"groups": 2}, [floats(3, 4)]),
    ("GroupNormalization", {"groups": 3, "epsilon": 0.1, "center": False}, [floats(2, 5, 6)]),
    ("GroupNormalization", {"groups": 2, "axis": 1}, [floats(2, 4, 3, 2)]),
    ("GroupNormalization", {"groups": -1, "scale": False}, [floats(2, 3, 2, 4)]),
    ("RMSNormalization", {}, [floats(4, 5)]),
    ("RMSNormalization", {"axis": (1, 2), "epsilon": 0.1}, [floats(2, 3, 4)]),
    ("UnitNormalization", {}, [floats(4, 5)]),
    ("UnitNormalization", {"axis": [1, 2]}, [floats(2, 3, 4)]),
    ("Rescaling", {"scale": 0.5, "offset": 1.0}, [floats(4, 5)]),
    ("Rescaling", {"scale": [0.5, 2.0, 1.0]}, [floats(4, 3)]),
    ("Normalization", {}, [floats(4, 5)]),
    ("Normalization", {"axis": None}, [floats(4, 5)]),
    ("Normalization", {"axis": 1}, [floats(4, 5, 3)]),
    ("Normalization", {"axis": (1, 2)}, [floats(4, 5, 3)]),
    ("Normalization", {"mean": 1.5, "variance": 4.0}, [floats(4, 5)]),
    ("Normalization", {"mean": [1.5, 2.0], "variance": [4.0, 0.0]}, [floats(4, 2)]),
    ("Normalization", {"mean": [1.5, 2.0], "variance": [4.0, 9.0], "invert": True}, [floats(4, 2)]),
    ("Normalization", {"axis": (1, 2), "mean": [1.5, 2.0, 1.0], "variance": [4.0, 9.0, 1.0]}, [floats(4, 2, 3)]),
    ("CategoryEncoding", {"num_tokens": 4, "output_mode": "one_hot"}, [ids(4, 6, 1)]),
    ("CategoryEncoding", {"num_tokens": 4, "output_mode": "one_hot"}, [ids(4, 6)]),
    ("CategoryEncoding", {"num_tokens": 4, "output_mode": "multi_hot"}, [ids(4, 6, 3)]),
    ("CategoryEncoding", {"num_tokens": 4}, [ids(4, 6, 3)]),
    ("CategoryEncoding", {"num_tokens": 4, "output_mode": "count"}, [ids(4, 6, 3)]),
    ("Add", {}, [floats(4, 5), floats(4, 5), floats(4, 5)]),
    ("Add", {}, [floats(4, 3, 5), floats(4, 5)]),
    ("Subtract", {}, [floats(4, 5), floats(4, 5)]),
    ("Multiply", {}, [floats(4, 5), floats(4, 1)]),
    ("Average", {}, [floats(4, 5), floats(4, 5), floats(4, 5)]),
    ("Maximum", {}, [floats(4, 5), floats(4, 5), floats(4, 5)]),
    ("Minimum", {}, [floats(4, 5), floats(4, 5)]),
    ("Concatenate", {}, [floats(4, 5), floats(4, 2), floats(4, 1)]),
    ("Concatenate", {"axis": 1}, [floats(4, 5, 3), floats(4, 2, 3)]),
    ("Concatenate", {"axis": 2}, [floats(2, 3, 2, 2), floats(2, 3, 4, 2)]),
    ("Concatenate", {"axis": -2}, [floats(2, 3, 2, 2, 4), floats(2, 3, 2, 3, 4)]),
    ("Dot", {"axes": 1}, [floats(4, 5), floats(4, 5)]),
    ("Dot", {"axes": 1, "normalize": True}, [floats(4, 5), floats(4, 5)]),
    ("Dot", {"axes": -1}, [floats(4, 2, 5), floats(4, 3, 5)]),
    ("Dot", {"axes": [1, 2], "normalize": True}, [floats(4, 5, 2), floats(4, 3, 5)]),
    ("Dot", {"axes": (2, 1)}, [floats(4, 3, 5), floats(4, 5)]),
    ("Dot", {"axes": (2, -1)}, [floats(2, 3, 5, 2), floats(2, 4, 5)]),
]
IDS = [f"{kind}-{i}" for i, (kind, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("kind", "arguments", "arrays"), CASES, ids=IDS)
def test_equals_keras(
    kind: str, arguments: dict[str, Any], arrays: list[numpy.ndarray], keras: Any, tools: Any
) -> None:
    theirs = getattr(keras.layers, kind)(**arguments)
    tools.check_against_keras(keras, getattr(layers, kind)(**arguments), theirs, *arrays)


@pytest.mark.parametrize(("kind", "arguments", "arrays"), CASES, ids=IDS)
def test_derivatives_equal_differences(
    kind: str, arguments: dict[str, Any], arrays: list[numpy.ndarray], tools: Any
) -> None:
    tools.check_derivatives(tools.as_network(getattr(layers, kind)(**arguments), *arrays), *arrays)


@pytest.mark.parametrize(
    ("kind", "arguments", "arrays"),
    [
        ("FillMissing", {"values": [1.0, 2.0, 3.0], "indicators": [2, 0]}, [floats(4, 3)]),
        ("LogScale", {"columns": [1]}, [floats(4, 3)]),
        ("LogScale", {}, [floats(4, 3)]),
        ("PiecewiseLinearEncoding", {"boundaries": [[-9, -0.3, 0.4, 9], [], [-8, 8]]}, [floats(4, 3)]),
    ],
)
def test_derivatives_of_own_layers(
    kind: str, arguments: dict[str, Any], arrays: list[numpy.ndarray], tools: Any
) -> None:
    tools.check_derivatives(tools.as_network(getattr(layers, kind)(**arguments), *arrays), *arrays)


def test_every_layer_is_tried() -> None:
    from pellucid.nn.layer import layers as registered

    tried = {kind for kind, _, _ in CASES} | {"FillMissing", "LogScale", "PiecewiseLinearEncoding", "InputLayer"}
    tried |= {"Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose"}  # in test_convolution.py
    tried |= {"DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"}
    tried |= {"MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D"}  # in test_pooling.py
    tried |= {"GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"}
    tried |= {"ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D", "UpSampling1D", "UpSampling2D"}
    tried |= {"CenterCrop", "Resizing"}
    tried |= {"AdditiveAttention", "Attention", "GroupQueryAttention", "MultiHeadAttention"}  # in test_attention.py
    tried |= {"PositionEmbedding", "RotaryEmbedding", "SinePositionEncoding"}  # in test_transformer.py
    tried |= {"TokenAndPositionEmbedding", "TransformerDecoder", "TransformerEncoder"}
    tried |= {"RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom"}  # in test_augmentation.py
    tried |= {"Sampling"}  # in train/models/test_vae.py
    tried |= {"BoxesFromDistances"}  # in test_detection.py
    second = {name for name in layers.__all__ if "Pool" in name and "Pooling" not in name}  # of the same classes
    tried |= {"Bidirectional", "GRU", "GRUCell", "LSTM", "LSTMCell", "RNN"}  # in test_recurrent.py
    tried |= {"SimpleRNN", "SimpleRNNCell", "StackedRNNCells", "TimeDistributed"}
    assert {name for name, kind in registered.items() if kind.__module__.startswith("pellucid.nn.layers")} == tried
    assert {*tried, *second, "Input", "Layer"} == set(layers.__all__)


def test_dense_by_hand(tools: Any) -> None:
    network = tools.as_network(layers.Dense(2, activation="relu"), numpy.zeros((1, 2)))
    network.set_weights([[[1.0, -1.0], [2.0, 0.5]], [0.5, 0.0]])
    # [3, 1]: 3·1 + 1·2 + 0.5 = 5.5; 3·(-1) + 1·0.5 + 0 = -2.5, below 0
    assert tools.run(network, numpy.float32([[3, 1]]))[0].tolist() == [[5.5, 0.0]]


def test_embedding_takes_whole_floats_and_refuses_others(tools: Any) -> None:
    network = tools.as_network(layers.Embedding(4, 2), numpy.zeros((1, 2)))
    table = numpy.arange(8.0).reshape(4, 2)
    network.set_weights([table])
    assert tools.run(network, numpy.float32([[3, 0]]))[0].tolist() == [[[6, 7], [0, 1]]]
    with pytest.raises(ValueError, match=r"id 4 is outside a table of 4 rows"):
        tools.run(network, numpy.float32([[4, 0]]))
    with pytest.raises(TypeError, match=r"Embedding needs ids such as 0, 1, 2, got bool.*Input"):
        layers.Embedding(4, 2)(layers.Input(shape=(2,), dtype="bool"))


# Dropout


def test_dropout_drops_its_share_and_scales_the_rest(tools: Any) -> None:
    x = numpy.ones((200, 100), numpy.float32)
    network = tools.as_network(layers.Dropout(0.25), x)
    (y,) = tools.run(network, x, training=True, seed=3)
    assert set(numpy.unique(y).tolist()) == {0.0, numpy.float32(1 / 0.75)}
    assert (y == 0).mean() == pytest.approx(0.25, abs=5 * (0.25 * 0.75 / x.size) ** 0.5)
    assert numpy.array_equal(tools.run(network, x)[0], x)


def test_dropout_is_a_function_of_seed_and_step(tools: Any) -> None:
    x = numpy.ones((20, 30), numpy.float32)

    def draw(layer: Any, seed: int, step: int) -> numpy.ndarray:
        result: numpy.ndarray = tools.run(tools.as_network(layer, x), x, training=True, seed=seed, step=step)[0]
        return result

    base = draw(layers.Dropout(0.5), 1, 0)
    assert numpy.array_equal(base, draw(layers.Dropout(0.5), 1, 0))
    assert not numpy.array_equal(base, draw(layers.Dropout(0.5), 2, 0))
    assert not numpy.array_equal(base, draw(layers.Dropout(0.5), 1, 1))
    own = draw(layers.Dropout(0.5, seed=2**40 + 9), 1, 0)
    assert numpy.array_equal(own, draw(layers.Dropout(0.5, seed=2**40 + 9), 2, 0))  # its own seed rules
    assert numpy.array_equal(own, draw(layers.Dropout(0.5), 2**40 + 9, 0))
    assert not numpy.array_equal(own, draw(layers.Dropout(0.5, seed=2**40 + 9), 2, 1))


def test_two_dropouts_draw_apart(tools: Any) -> None:
    x = numpy.ones((20, 30), numpy.float32)
    network = tools.as_network(lambda v: layers.Add()([layers.Dropout(0.5)(v), layers.Dropout(0.5)(v)]), x)
    assert set(numpy.unique(tools.run(network, x, training=True)[0]).tolist()) == {0.0, 2.0, 4.0}


def test_dropout_at_its_ends_and_with_a_noise_shape(tools: Any) -> None:
    x = numpy.ones((4, 6, 5), numpy.float32)
    assert not tools.run(tools.as_network(layers.Dropout(1.0), x), x, training=True)[0].any()
    assert numpy.array_equal(tools.run(tools.as_network(layers.Dropout(0.0), x), x, training=True)[0], x)
    (y,) = tools.run(tools.as_network(layers.Dropout(0.5, noise_shape=(None, 1, None)), x), x, training=True)
    assert numpy.array_equal(y, numpy.repeat(y[:, :1], 6, axis=1))
    assert 0 < (y == 0).mean() < 1


# Preprocessing


def test_adapt_passes_over_missing_values(tools: Any) -> None:
    nan = numpy.nan
    data = numpy.array([[1.0, nan, 5.0], [3.0, nan, 5.0], [nan, nan, 5.0]])
    layer = layers.Normalization()
    layer.adapt(data)
    mean, variance, count = layer.get_weights()
    assert mean.tolist() == [2.0, 0.0, 5.0]
    assert variance.tolist() == [1.0, 1.0, 0.0]
    assert count == 3
    (y,) = tools.run(tools.as_network(layer, data), data.astype(numpy.float32))
    numpy.testing.assert_array_equal(y, [[-1, nan, 0], [1, nan, 0], [nan, nan, 0]])


@pytest.mark.parametrize("axis", [-1, None, 1, (1, 2), (2,)])
def test_adapt_equals_keras(axis: Any, keras: Any) -> None:
    data = floats(50, 4, 3) * 3 + 7
    mine, theirs = layers.Normalization(axis=axis), keras.layers.Normalization(axis=axis)
    mine.adapt(data)
    theirs.adapt(data)
    for own, other in zip(mine.get_weights()[:2], theirs.get_weights()[:2], strict=True):
        numpy.testing.assert_allclose(own, other, rtol=1e-5)


def test_initializing_leaves_what_was_measured(tools: Any) -> None:
    layer = layers.Normalization()
    layer.adapt([[1.0], [3.0]])
    tools.as_network(layer, numpy.zeros((1, 1))).initialize(lambda: 1)
    assert layer.get_weights()[0].tolist() == [2.0]


def test_adapt_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="infinite"):
        layers.Normalization().adapt([[numpy.inf]])
    with pytest.raises(ValueError, match="needs numbers"):
        layers.Normalization().adapt([["a"]])
    with pytest.raises(ValueError, match="nothing to adapt"):
        layers.Normalization(mean=0.0, variance=1.0).adapt([[1.0]])
    layer = layers.Normalization()
    layer(layers.Input(shape=(3,)))
    with pytest.raises(ValueError, match=r"built for means \[3\], but the data gives \[2\]"):
        layer.adapt(numpy.zeros((4, 2)))


def test_fill_missing_by_hand(tools: Any) -> None:
    nan = numpy.nan
    x = numpy.float32([[1, nan, 3], [nan, 5, nan]])
    (y,) = tools.run(tools.as_network(layers.FillMissing([10, 20, 30]), x), x)
    assert y.tolist() == [[1, 20, 3], [10, 5, 30]]
    (y,) = tools.run(tools.as_network(layers.FillMissing(0.0, indicators=[2, 0]), x), x)
    assert y.tolist() == [[1, 0, 3, 0, 0], [0, 5, 0, 1, 1]]
    (y,) = tools.run(tools.as_network(layers.FillMissing(-1, indicators=[0, 1, 2]), x), x)
    assert y.tolist() == [[1, -1, 3, 0, 1, 0], [-1, 5, -1, 1, 0, 1]]


def test_log_scale_by_hand(tools: Any) -> None:
    x = numpy.float32([[numpy.e - 1, 7], [-3, -3], [numpy.nan, 0]])
    (y,) = tools.run(tools.as_network(layers.LogScale([0]), x), x)
    numpy.testing.assert_allclose(y, [[1, 7], [0, -3], [numpy.nan, 0]], rtol=1e-6)


def test_piecewise_linear_encoding_by_hand(tools: Any) -> None:
    x = numpy.float32([[2, 7], [0.5, 7], [-4, 7], [9, 7]])
    (y,) = tools.run(tools.as_network(layers.PiecewiseLinearEncoding([[0, 1, 3], []]), x), x)
    # Ranges 0 … 1 and 1 … 3: 2 has passed the first and (2 - 1) / (3 - 1) of the second; outside, none or all of both.
    assert y.tolist() == [[1, 0.5], [0.5, 0], [0, 0], [1, 1]]


@pytest.mark.parametrize("boundaries", [[], [[]], [[1]], [[2, 1]], [[0, 0]], [["a", "b"]], 3])
def test_piecewise_linear_encoding_refuses_what_is_not_ascending(boundaries: Any) -> None:
    with pytest.raises(ArgumentError, match="PiecewiseLinearEncoding"):
        layers.PiecewiseLinearEncoding(boundaries)


def test_a_code_outside_sets_no_column(tools: Any) -> None:
    x = numpy.int32([[0], [3], [-1]])
    (y,) = tools.run(tools.as_network(layers.CategoryEncoding(3, output_mode="one_hot"), x), x)
    assert y.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
