"""Attention layers against Keras and PyTorch with copied weights: outputs, scores, masks, derivatives, odd sizes."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid.errors import ArgumentError, ShapeError
from pellucid.models import load_model
from pellucid.nn.layers import (
    AdditiveAttention,
    Attention,
    Dense,
    Embedding,
    GroupQueryAttention,
    Input,
    MultiHeadAttention,
)
from pellucid.nn.network import Network
from pellucid.train.model import Model

random = numpy.random.default_rng(11)
MASK = random.random((2, 5, 7)) < 0.6
MASK[..., 0] = True  # Keras treats a row that sees nothing in two ways

Q, V, K = (random.normal(size=shape).astype(numpy.float32) for shape in ((2, 5, 8), (2, 7, 6), (2, 7, 4)))


def network(layer: Any, arrays: Any, listed: bool = False, **options: Any) -> Network:
    inputs = [Input(shape=x.shape[1:], name=f"x{i}") for i, x in enumerate(arrays)]
    result = layer(inputs, **options) if listed else layer(*inputs, **options)
    return Network(inputs, list(result) if isinstance(result, tuple) else result)


def against_keras(
    keras: Any, tools: Any, mine: Any, theirs: Any, arrays: list[numpy.ndarray], listed: bool = False, **options: Any
) -> None:
    """Outputs, and derivatives of a random combination of them with respect to inputs and weights."""
    if keras.backend.backend() != "jax":
        pytest.skip("the comparison differentiates Keras with JAX")
    import jax

    net = network(mine, arrays, listed, **options)
    shapes = [x.shape for x in arrays]
    theirs.build(shapes) if listed else theirs.build(*shapes)
    weights = [random.normal(0, 0.5, w.shape).astype(numpy.float32) for w in net.get_weights()]
    assert [w.shape for w in theirs.get_weights()] == [w.shape for w in weights]
    net.set_weights(weights)
    theirs.set_weights(weights)
    found = tools.run(net, *arrays)
    factors = [random.normal(size=y.shape).astype(numpy.float32) for y in found]
    by_input, by_weight = tools.derivatives(net, arrays, factors)

    def scalar(variables: Any, x: Any) -> Any:
        y, _ = theirs.stateless_call(variables, [], *([x] if listed else x), **options)
        y = y if isinstance(y, tuple) else (y,)
        return sum((a * b).sum() for a, b in zip(y, factors, strict=True)), y

    trainable = [variable.value for variable in theirs.trainable_variables]
    derived = jax.jit(jax.grad(scalar, argnums=(0, 1), has_aux=True))  # one compilation, not one for each op
    (their_weights, their_inputs), expected = derived(trainable, arrays)
    for own, other in zip(found, expected, strict=True):
        numpy.testing.assert_allclose(own, numpy.asarray(other), rtol=1e-5, atol=1e-5)
    for own, other in zip([*by_input, *by_weight], [*their_inputs, *their_weights], strict=True):
        numpy.testing.assert_allclose(own, other, rtol=2e-4, atol=2e-5)


CASES: dict[str, tuple[dict[str, Any], list[numpy.ndarray], dict[str, Any]]] = {
    "cross": ({}, [Q, V], {}),
    "with keys": ({}, [Q, V, K], {}),
    "causal": ({}, [Q, V], {"use_causal_mask": True}),
    "scores": ({}, [Q, V], {"return_attention_scores": True}),
    "more in values": ({"value_dim": 5}, [Q, V], {"return_attention_scores": True, "use_causal_mask": True}),
    "masked": ({}, [Q, V], {"attention_mask": MASK, "use_causal_mask": True}),
    "no bias": ({"use_bias": False}, [Q, V], {}),
    "output shape": ({"output_shape": (3, 2)}, [Q, V], {}),
    "one step": ({}, [Q[:, :1], V[:, :1]], {"use_causal_mask": True}),
    "one example": ({}, [Q[:1], V[:1]], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_multi_head_attention_equals_keras(case: str, keras: Any, tools: Any) -> None:
    arguments, arrays, options = CASES[case]
    theirs = keras.layers.MultiHeadAttention(3, 4, **arguments)
    against_keras(keras, tools, MultiHeadAttention(3, 4, **arguments), theirs, arrays, **options)


@pytest.mark.parametrize("options", [{}, {"use_causal_mask": True, "return_attention_scores": True}])
def test_grouped_query_attention_equals_keras(options: dict[str, Any], keras: Any, tools: Any) -> None:
    theirs = keras.layers.GroupQueryAttention(4, 6, 2)
    against_keras(keras, tools, GroupQueryAttention(4, 6, 2), theirs, [Q, V], **options)


@pytest.mark.parametrize("options", [{"use_causal_mask": True, "return_attention_scores": True}])
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("Attention", {"use_scale": True}),
        ("Attention", {"score_mode": "concat"}),
        ("Attention", {"score_mode": "concat", "use_scale": True}),
        ("AdditiveAttention", {}),
        ("AdditiveAttention", {"use_scale": False}),
    ],
)
def test_attention_equals_keras(kind: str, arguments: Any, options: Any, keras: Any, tools: Any) -> None:
    mine = {"Attention": Attention, "AdditiveAttention": AdditiveAttention}[kind](**arguments)
    arrays = [
        Q,
        random.normal(size=(2, 7, 3)).astype(numpy.float32),
        random.normal(size=(2, 7, 8)).astype(numpy.float32),
    ]
    against_keras(keras, tools, mine, getattr(keras.layers, kind)(**arguments), arrays, listed=True, **options)


def test_masks_of_query_and_value_equal_keras(keras: Any, tools: Any) -> None:
    ids = numpy.array([[1, 2, 0, 3, 0], [4, 0, 0, 0, 0]], numpy.int32)
    other = numpy.array([[1, 0, 2], [3, 4, 4]], numpy.int32)
    found, expected = [], []
    for kind in ("mha", "attention"):
        a, b = Input(shape=(5,), dtype="int32"), Input(shape=(3,), dtype="int32")
        x, y = Embedding(5, 4, mask_zero=True)(a), Embedding(5, 4, mask_zero=True)(b)
        mha = MultiHeadAttention(2, 3)
        z = mha(x, y) if kind == "mha" else Attention()([x, y])
        assert z.mask is not None
        net = Network([a, b], z)
        net.set_weights([random.normal(size=w.shape) for w in net.get_weights()])
        found.append(tools.run(net, ids, other)[0])
        left, right = keras.layers.Embedding(5, 4, mask_zero=True), keras.layers.Embedding(5, 4, mask_zero=True)
        inputs = keras.Input((5,), dtype="int32"), keras.Input((3,), dtype="int32")
        u, v = left(inputs[0]), right(inputs[1])
        w = keras.layers.MultiHeadAttention(2, 3)(u, v) if kind == "mha" else keras.layers.Attention()([u, v])
        theirs = keras.Model(list(inputs), w)
        theirs.set_weights(net.get_weights())
        expected.append(numpy.asarray(theirs([ids, other])))
    for own, their in zip(found, expected, strict=True):
        numpy.testing.assert_allclose(own[ids != 0], their[ids != 0], rtol=1e-5, atol=1e-6)


def test_self_attention_equals_pytorch() -> None:
    torch = pytest.importorskip("torch")
    d, heads, x = 12, 3, random.normal(size=(2, 6, 12)).astype(numpy.float32)
    theirs = torch.nn.MultiheadAttention(d, heads, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_bias.normal_()
        theirs.out_proj.bias.normal_()
    weights = []
    for kernel, bias in zip(theirs.in_proj_weight.chunk(3), theirs.in_proj_bias.chunk(3), strict=True):
        weights += [kernel.detach().numpy().T.reshape(d, heads, -1), bias.detach().numpy().reshape(heads, -1)]
    weights += [theirs.out_proj.weight.detach().numpy().T.reshape(heads, -1, d), theirs.out_proj.bias.detach().numpy()]
    hidden = torch.ones(6, 6).bool().triu(1)
    expected, scores = theirs(*[torch.tensor(x)] * 3, attn_mask=hidden, average_attn_weights=False)
    inputs = Input(shape=(6, d))
    layer = MultiHeadAttention(heads, d // heads)
    model = Model(inputs, list(layer(inputs, inputs, use_causal_mask=True, return_attention_scores=True)))
    model.set_weights(weights)
    y, p = model.predict(x)
    numpy.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    numpy.testing.assert_allclose(p, scores.detach().numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["numpy", "native"])
def test_a_step_that_sees_nothing_gives_the_bias(name: str, tmp_path: Any) -> None:
    x, mask = Input(shape=(4, 6)), Input(shape=(4, 4), dtype="bool")
    layer = MultiHeadAttention(2, 3, bias_initializer="ones")
    model = Model([x, mask], layer(x, x, attention_mask=mask), seed=0)
    model.compile("sgd", "mse")
    model.run_on(name)
    seen = numpy.ones((3, 4, 4), bool)
    seen[0], seen[1, 2] = False, False
    values = random.normal(size=(3, 4, 6)).astype(numpy.float32)
    y = model.predict([values, seen])
    assert (y[0] == 1).all()
    assert (y[1, 2] == 1).all()
    assert (y[2] != 1).all()
    assert numpy.isfinite(model.fit([values, seen], values, epochs=3, verbose=0).history["loss"]).all()
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    numpy.testing.assert_allclose(again.predict([values, seen]), model.predict([values, seen]), rtol=1e-5, atol=1e-6)


def test_dropout_acts_on_the_scores_in_training_alone(tools: Any) -> None:
    layer = MultiHeadAttention(2, 3, dropout=0.5)
    net = network(layer, [Q, V], return_attention_scores=True)
    still, scores = tools.run(net, Q, V)
    plain = network(MultiHeadAttention(2, 3), [Q, V])
    plain.set_weights(net.get_weights())
    numpy.testing.assert_allclose(still, tools.run(plain, Q, V)[0], rtol=1e-5, atol=1e-6)
    first, second = (tools.run(net, Q, V, training=True, step=step) for step in (0, 1))
    assert (first[0] != second[0]).any()
    numpy.testing.assert_allclose(first[1], scores, rtol=1e-6)  # as in Keras, what is returned was not dropped
    numpy.testing.assert_allclose(scores.sum(-1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_derivatives_equal_differences(causal: bool, tools: Any) -> None:
    arrays = [Q[:, :3], V[:, :4]]
    tools.check_derivatives(network(MultiHeadAttention(2, 3), arrays, use_causal_mask=causal), *arrays)


def test_rotary_scores_depend_on_distances_alone(tools: Any) -> None:
    x = numpy.tile(random.normal(size=(1, 1, 8)), (1, 9, 1)).astype(numpy.float32)
    net = network(MultiHeadAttention(1, 8, rotary=True), [x, x], return_attention_scores=True)
    logits = numpy.log(tools.run(net, x, x)[1][0, 0])
    logits -= numpy.diag(logits)[:, None]  # each row is known up to what its softmax divided by
    for distance in range(-8, 9):
        numpy.testing.assert_allclose(numpy.diff(numpy.diag(logits, distance)), 0, atol=1e-4)
    assert abs(logits[0, 1:]).max() > 1e-3


@pytest.mark.parametrize("options", [{}, {"use_causal_mask": True}])
def test_executors_train_alike(options: dict[str, Any]) -> None:
    trained = []
    for name in ("numpy", "native"):
        ids = Input(shape=(6,), dtype="int32")
        x = Embedding(9, 8, mask_zero=True)(ids)
        model = Model(ids, Dense(9)(MultiHeadAttention(2, 4)(x, x, **options)), seed=4)
        model.compile("adam", "mse")
        model.run_on(name)
        tokens = numpy.random.default_rng(0).integers(0, 9, (10, 6))
        losses = model.fit(tokens, numpy.eye(9)[tokens], epochs=5, batch_size=4, verbose=0).history["loss"]
        trained.append((losses, model.get_weights()))
    numpy.testing.assert_allclose(trained[0][0], trained[1][0], rtol=1e-4)
    for own, other in zip(trained[0][1], trained[1][1], strict=True):
        numpy.testing.assert_allclose(own, other, rtol=1e-3, atol=1e-4)


def test_sequences_of_any_length() -> None:
    x = Input(shape=(None, 8))
    model = Model(x, MultiHeadAttention(2, 4)(x, x, use_causal_mask=True), seed=0)
    long = model.predict(Q)
    assert long.shape == Q.shape
    numpy.testing.assert_allclose(model.predict(Q[:, :3]), long[:, :3], rtol=1e-4, atol=1e-6)


def test_what_attention_layers_refuse() -> None:
    x, y = Input(shape=(5, 8)), Input(shape=(7, 6))
    with pytest.raises(ArgumentError, match="attention_axes can only be 1"):
        MultiHeadAttention(2, 4, attention_axes=(1, 2))
    with pytest.raises(ArgumentError, match="num_query_heads must be a multiple of num_key_value_heads, got 3 and 2"):
        GroupQueryAttention(4, 3, 2)
    with pytest.raises(ArgumentError, match="score_mode must be 'dot' or 'concat'"):
        Attention(score_mode="cosine")
    with pytest.raises(ShapeError, match="takes 2 to 3 inputs, got 1"):
        MultiHeadAttention(2, 4)(x)
    with pytest.raises(ShapeError, match=r"value must be \[batch, steps, features\], got \[\?, 5\]"):
        MultiHeadAttention(2, 4)(x, Input(shape=(5,)))
    with pytest.raises(ShapeError, match="equally many steps"):
        MultiHeadAttention(2, 4)(x, y, x)
    with pytest.raises(ShapeError, match="equally many features"):
        Attention()([x, y])
    with pytest.raises(ShapeError, match=r"attention_mask \[1, 5, 5\] does not fit; give \[\?, 5, 7\] or \[5, 7\] or"):
        MultiHeadAttention(2, 4)(x, y, attention_mask=numpy.ones((1, 5, 5), bool))
    with pytest.raises(ShapeError, match=r"does not fit; swap its last two axes: give \[\?, 5, 7\]"):
        MultiHeadAttention(2, 4)(x, y, attention_mask=numpy.ones((1, 7, 5), bool))
    with pytest.raises(ShapeError, match=r"value_mask \[7\] does not fit; give \[\?, 7\]"):
        MultiHeadAttention(2, 4)(x, y, value_mask=numpy.ones(7, bool))
    with pytest.raises(ShapeError, match=r"the mask of value \[1, 5\] does not fit; give \[\?, 7\]"):
        Attention()([x, Input(shape=(7, 8))], mask=[numpy.ones((1, 5), bool)] * 2)
    with pytest.raises(ArgumentError, match="use_causal_mask must be True or False"):
        MultiHeadAttention(2, 4)(x, y, use_causal_mask="yes")
    with pytest.raises(ShapeError, match="an even d"):
        MultiHeadAttention(2, 3, rotary=True)(x, x)
