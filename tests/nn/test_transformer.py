"""Positions and Transformer blocks: by hand, against Keras's and PyTorch's own layers, masks, training, saving."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid.errors import ShapeError
from pellucid.execute.lowering import lower
from pellucid.models import load_model
from pellucid.nn.layers import (
    Dense,
    Embedding,
    Input,
    PositionEmbedding,
    RotaryEmbedding,
    SinePositionEncoding,
    TokenAndPositionEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from pellucid.nn.losses import SparseCategoricalCrossentropy
from pellucid.nn.network import Network
from pellucid.train.model import Model

random = numpy.random.default_rng(12)
X = random.normal(size=(2, 5, 8)).astype(numpy.float32)
Y = random.normal(size=(2, 7, 6)).astype(numpy.float32)
SEEN = numpy.array([[1, 1, 1, 0, 0], [1, 1, 0, 1, 1]], bool)


def network(layer: Any, *arrays: numpy.ndarray, **options: Any) -> Network:
    inputs = [Input(shape=x.shape[1:], name=f"x{i}") for i, x in enumerate(arrays)]
    result = layer(*inputs, **options)
    return Network(inputs, list(result) if isinstance(result, tuple) else result)


def test_positions_by_hand(tools: Any) -> None:
    net = network(PositionEmbedding(6), X)
    table = random.normal(size=(6, 8))
    net.set_weights([table])
    numpy.testing.assert_allclose(tools.run(net, X)[0], numpy.broadcast_to(table[:5], X.shape), rtol=1e-6)
    found = tools.run(network(SinePositionEncoding(100.0), X), X)[0]
    for t, i in numpy.ndindex(5, 4):
        angle = t / 100.0 ** (2 * i / 8)
        assert found[0, t, 2 * i] == pytest.approx(numpy.sin(angle), abs=1e-6)
        assert found[1, t, 2 * i + 1] == pytest.approx(numpy.cos(angle), abs=1e-6)
    ids = numpy.array([[3, 1, 0]], numpy.int32)
    tokens = Input(shape=(3,), dtype="int32")
    both = Network(tokens, TokenAndPositionEmbedding(4, 5, 2, mask_zero=True)(tokens))
    words, places = both.get_weights()
    assert (words.shape, places.shape) == ((4, 2), (5, 2))
    numpy.testing.assert_allclose(tools.run(both, ids)[0], words[ids] + places[:3], rtol=1e-6)
    assert both.outputs[0].mask is not None
    with pytest.raises(ShapeError, match="PositionEmbedding knows 4 positions, got 5 steps"):
        PositionEmbedding(4)(Input(shape=(5, 8)))


def test_rotations_by_complex_numbers(tools: Any) -> None:
    x = random.normal(size=(2, 7, 3, 8)).astype(numpy.float32)
    pairs = x[..., :4] + 1j * x[..., 4:]
    angles = numpy.arange(7)[:, None] / 2.0 * 50.0 ** -(numpy.arange(4) / 4)
    turned = pairs * numpy.exp(1j * angles)[:, None]
    found = tools.run(network(RotaryEmbedding(50.0, 2.0), x), x)[0]
    numpy.testing.assert_allclose(found, numpy.concatenate([turned.real, turned.imag], -1), rtol=1e-5, atol=1e-6)
    flat = tools.run(network(RotaryEmbedding(50.0, 2.0), x[:, :, 0]), x[:, :, 0])[0]
    numpy.testing.assert_allclose(flat, found[:, :, 0], rtol=1e-6)
    tools.check_derivatives(network(RotaryEmbedding(), x), x)
    tools.check_derivatives(network(PositionEmbedding(6), X), X)


def keras_block(keras: Any, x: Any, context: Any, first: bool, mask: Any, causal: bool) -> tuple[list[Any], Any]:
    """The block of Vaswani et al. out of Keras's own layers; its layers in the order of the weights, and the output."""
    features = x.shape[-1]
    made = []

    def layer(kind: str, *arguments: Any, **options: Any) -> Any:
        made.append(getattr(keras.layers, kind)(*arguments, **options))
        return made[-1]

    def part(y: Any, norm: Any, function: Any) -> Any:
        z = y + function(norm(y) if first else y)
        return z if first else norm(z)

    attention, norm = layer("MultiHeadAttention", 2, features // 2), layer("LayerNormalization", epsilon=1e-5)
    y = part(x, norm, lambda z: attention(z, z, attention_mask=mask, use_causal_mask=causal))
    if context is not None:
        cross, norm = layer("MultiHeadAttention", 2, features // 2), layer("LayerNormalization", epsilon=1e-5)
        y = part(y, norm, lambda z: cross(z, context))
    if causal:
        dense, out = layer("Dense", 12, activation="gelu"), layer("Dense", features)
        norm = layer("LayerNormalization", epsilon=1e-5)
    else:
        norm = layer("LayerNormalization", epsilon=1e-5)
        dense, out = layer("Dense", 12, activation="gelu"), layer("Dense", features)
    return made, part(y, norm, lambda z: out(dense(z)))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("kind", ["encoder", "decoder", "cross"])
def test_blocks_equal_keras(kind: str, first: bool, masked: bool, keras: Any, tools: Any) -> None:
    arrays = [X, Y] if kind == "cross" else [X]
    block = TransformerEncoder if kind == "encoder" else TransformerDecoder
    layer = block(12, 2, activation="gelu", normalize_first=first)
    options = {} if not masked else {"padding_mask" if kind == "encoder" else "decoder_padding_mask": SEEN}
    net = network(layer, *arrays, **options)
    inputs = [keras.Input(x.shape[1:]) for x in arrays]
    mask = keras.ops.convert_to_tensor(SEEN[:, None]) if masked else None
    context = inputs[1] if kind == "cross" else None
    made, output = keras_block(keras, inputs[0], context, first, mask, kind != "encoder")
    theirs = keras.Model(inputs, output)
    weights = [random.normal(0, 0.5, w.shape) for w in net.get_weights()]
    net.set_weights(weights)
    assert sum(len(one.get_weights()) for one in made) == len(weights)
    for one in made:
        one.set_weights([weights.pop(0) for _ in one.get_weights()])
    expected = numpy.asarray(theirs(arrays if len(arrays) > 1 else arrays[0]))
    numpy.testing.assert_allclose(tools.run(net, *arrays)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", [False, True])
def test_an_encoder_equals_pytorch(first: bool) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.TransformerEncoderLayer(8, 2, 12, 0.0, "relu", batch_first=True, norm_first=first)
    attention = theirs.self_attn
    weights = []
    for kernel, bias in zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True):
        weights += [kernel.T.reshape(8, 2, 4), bias.reshape(2, 4)]
    weights += [attention.out_proj.weight.T.reshape(2, 4, 8), attention.out_proj.bias]
    weights += [theirs.norm1.weight, theirs.norm1.bias, theirs.norm2.weight, theirs.norm2.bias]
    weights += [theirs.linear1.weight.T, theirs.linear1.bias, theirs.linear2.weight.T, theirs.linear2.bias]
    x = Input(shape=(5, 8))
    model = Model(x, TransformerEncoder(12, 2, normalize_first=first)(x))
    model.set_weights([w.detach().numpy() for w in weights])
    theirs.train()  # without dropout; evaluation takes another path
    expected = theirs(torch.tensor(X)).detach().numpy()
    numpy.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", [False, True])
def test_derivatives_equal_differences(first: bool, tools: Any) -> None:
    layer = TransformerDecoder(6, 2, activation="tanh", normalize_first=first, rotary=True)
    x, y = random.normal(size=(2, 3, 8)), random.normal(size=(2, 4, 5))
    tools.check_derivatives(network(layer, x, y), x, y)


def test_scores_and_masks_go_through() -> None:
    ids = Input(shape=(4,), dtype="int32")
    y, scores = TransformerEncoder(6, 2)(Embedding(5, 6, mask_zero=True)(ids), return_attention_scores=True)
    assert y.mask is not None
    found = Model(ids, [y, scores], seed=0).predict(numpy.array([[2, 1, 0, 0]]))[1]
    assert found.shape == (1, 2, 4, 4)
    assert (found[..., 2:] == 0).all()
    numpy.testing.assert_allclose(found[:, :, :2].sum(-1), 1.0, rtol=1e-5)


def test_without_biases_there_are_none() -> None:
    x = Input(shape=(5, 8))
    model = Model(x, TransformerDecoder(12, 2, use_bias=False)(x))
    assert {variable.name for variable in model.variables} == {
        "query_kernel", "key_kernel", "value_kernel", "output_kernel", "gamma", "kernel"
    }  # fmt: skip


def test_what_blocks_refuse() -> None:
    with pytest.raises(ShapeError, match="8 features are too few for 9 heads"):
        TransformerEncoder(4, 9)(Input(shape=(5, 8)))
    with pytest.raises(ShapeError, match=r"it needs \[batch, steps, features\], got \[\?, 8\]"):
        TransformerDecoder(4, 2)(Input(shape=(8,)))
    layer = TransformerDecoder(4, 2)
    layer(Input(shape=(5, 8)))
    with pytest.raises(ShapeError, match="either always with an encoder's sequence or never"):
        layer(Input(shape=(5, 8)), Input(shape=(3, 8)))


def language_model(seed: int = 0, **options: Any) -> Model:
    ids = Input(shape=(12,), dtype="int32")
    x = TokenAndPositionEmbedding(7, 12, 16)(ids)
    for _ in range(2):
        x = TransformerDecoder(32, 2, activation="gelu", normalize_first=True, **options)(x)
    model = Model(ids, Dense(7)(x), seed=seed)
    model.compile("adam", SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_small_language_model_learns_to_count(precision: str, tmp_path: Any) -> None:
    start = random.integers(0, 7, (64, 1))
    tokens = (start + numpy.arange(13)) % 7
    model = language_model()
    model.compile("adam", SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"], precision=precision)
    history = model.fit(tokens[:, :-1], tokens[:, 1:], epochs=60, batch_size=32, verbose=0)
    assert history.history["accuracy"][-1] > 0.95
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    numpy.testing.assert_allclose(again.predict(tokens[:, :-1]), model.predict(tokens[:, :-1]), rtol=1e-4, atol=1e-4)
    again.fit(tokens[:, :-1], tokens[:, 1:], epochs=1, verbose=0)


def test_executors_train_alike() -> None:
    tokens = random.integers(0, 7, (10, 13))
    found = []
    for name in ("numpy", "native"):
        model = language_model(dropout=0.1)
        model.run_on(name)
        losses = model.fit(tokens[:, :-1], tokens[:, 1:], epochs=2, batch_size=4, verbose=0).history["loss"]
        found.append((losses, model.predict(tokens[:, :-1])))
    numpy.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4)
    numpy.testing.assert_allclose(found[0][1], found[1][1], rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("mask_zero", [False, True])
def test_a_training_step_runs_on_fused_kernels(mask_zero: bool) -> None:
    native = pytest.importorskip("pellucid.execute.native")
    ids = Input(shape=(12,), dtype="int32")
    x = TokenAndPositionEmbedding(7, 12, 16, mask_zero=mask_zero)(ids)
    model = Model(ids, Dense(7)(TransformerDecoder(32, 2, normalize_first=True)(x)))
    model.compile("adam", SparseCategoricalCrossentropy(from_logits=True))
    tokens = random.integers(0, 7, (4, 13))
    step = model.step(model.examples(tokens[:, :-1], tokens[:, 1:]), 4, training=True)
    used = {kernel for kernel, *_ in lower(step.program, native.KERNELS).instructions}
    assert {"attention", "attention_gradient", "sparse_categorical_crossentropy", "layer_norm"} <= used
    assert not {"transpose", "softmax"} & used
