"""Ways to run layers that the tests of this folder share, and Keras as an oracle where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Tensor, Variable, order
from pellucid.core.random import make_key
from pellucid.core.sources import Constant, Feed, Read, feed
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.layers import Input
from pellucid.nn.network import Network
from pellucid.ops import sum as total

Arrays = Sequence[numpy.ndarray]


def as_network(build: Callable[..., Any], *arrays: numpy.ndarray) -> Network:
    """A network of inputs that fit the arrays; `build` gets the inputs as `layer(x)` or `layer([x, y])` wants them."""
    inputs = [Input(shape=x.shape[1:], dtype=_kind(x), name=f"x{i}") for i, x in enumerate(arrays)]
    return Network(inputs, build(inputs[0] if len(inputs) == 1 else inputs))


def _kind(array: numpy.ndarray) -> str:
    return {"f": "float32", "i": "int32", "b": "bool"}[array.dtype.kind]


def _replay(
    network: Network, arrays: Arrays, training: bool
) -> tuple[list[Tensor], tuple[Tensor, ...], Tensor, list[Tensor]]:
    fed = [feed(x.shape, _kind(x)) for x in arrays]
    key = feed((4,), "uint32", "key")
    construction = Construction(training=training, key=key if training else None)
    with constructing(construction):
        outputs = network.forward(fed, training)
    return fed, outputs, key, construction.penalties


def _evaluate_as_fed(outputs: Sequence[Tensor], feeds: dict[Tensor, numpy.ndarray]) -> list[numpy.ndarray]:
    """Like `evaluate`, but in the precision of what is fed: float64 makes differences exact enough."""
    values: dict[Tensor, Any] = dict(feeds)
    for node in order(outputs):
        if isinstance(node.op, Read):
            values[node.output] = node.op.variable.value
        elif isinstance(node.op, Constant):
            values[node.output] = node.op.value
        elif not isinstance(node.op, Feed):
            result = node.op.forward(numpy, *(values[value] for value in node.inputs))
            values.update(zip(node.outputs, result if isinstance(result, tuple) else (result,), strict=True))
    return [values[output] for output in outputs]


def run(
    network: Network, *arrays: numpy.ndarray, training: bool = False, seed: int = 0, step: int = 0
) -> list[numpy.ndarray]:
    """The outputs of a network."""
    fed, outputs, key, _ = _replay(network, arrays, training)
    return evaluate(outputs, {key: make_key(seed, step), **dict(zip(fed, arrays, strict=True))})


def run_as_fed(network: Network, arrays: Arrays) -> list[numpy.ndarray]:
    """The outputs of a network, in the precision of the arrays."""
    fed, outputs, _, _ = _replay(network, arrays, False)
    return _evaluate_as_fed(outputs, dict(zip(fed, arrays, strict=True)))


def penalty(network: Network, *arrays: numpy.ndarray) -> float:
    """The sum of all penalties in training."""
    fed, _, key, penalties = _replay(network, arrays, True)
    return float(sum(evaluate(penalties, {key: make_key(0), **dict(zip(fed, arrays, strict=True))})))


def derivatives(network: Network, arrays: Arrays, weights: Arrays) -> tuple[list[numpy.ndarray], list[numpy.ndarray]]:
    """Of Σ weights·outputs: with respect to the float inputs, and to the trainable variables."""
    fed, outputs, _, _ = _replay(network, arrays, False)
    scalar = total(outputs[0] * weights[0].astype("float32"))
    for output, weight in zip(outputs[1:], weights[1:], strict=True):
        scalar = scalar + total(output * weight.astype("float32"))
    sources = [x for x in fed if x.spec.is_float]
    found = gradients(scalar, [*sources, *(variable.tensor for variable in network.trainable_variables)])
    values = _evaluate_as_fed(found, dict(zip(fed, arrays, strict=True)))
    return values[: len(sources)], values[len(sources) :]


def check_derivatives(network: Network, *arrays: numpy.ndarray) -> None:
    """The derivatives of a random combination of outputs against float64 differences along random directions."""
    random = numpy.random.default_rng(17)
    variables: list[Variable] = network.trainable_variables
    for variable in network.variables:
        if variable.value.dtype.kind == "f":
            variable.value = variable.value.astype(numpy.float64)
    wide = [x.astype(numpy.float64) if x.dtype.kind == "f" else x for x in arrays]
    weights = [random.normal(size=y.shape).astype(numpy.float32) for y in run_as_fed(network, wide)]
    by_input, by_variable = derivatives(network, wide, weights)

    def value() -> float:
        return float(
            sum((y.astype(numpy.float64) * w).sum() for y, w in zip(run_as_fed(network, wide), weights, strict=True))
        )

    places = [x for x in wide if x.dtype.kind == "f"] + [variable.value for variable in variables]
    for place, derivative in zip(places, [*by_input, *by_variable], strict=True):
        direction, size = random.normal(size=place.shape), 1e-6
        place += size * direction
        above = value()
        place -= 2 * size * direction
        below = value()
        place += size * direction
        expected = (above - below) / (2 * size)
        assert (derivative * direction).sum() == pytest.approx(expected, rel=2e-5, abs=2e-7)


def check_against_keras(
    keras: Any, mine: Callable[[Any], Any], theirs: Any, *arrays: numpy.ndarray, tolerance: float = 2e-6
) -> Network:
    """A layer against Keras's with its weights: outputs, and derivatives of a random combination of them by JAX."""
    if keras.backend.backend() != "jax":
        pytest.skip("the comparison differentiates Keras with JAX")
    import jax

    network = as_network(mine, *arrays)
    random = numpy.random.default_rng(3)
    listed = list(arrays) if len(arrays) > 1 else arrays[0]
    theirs.build([x.shape for x in arrays] if len(arrays) > 1 else arrays[0].shape)
    assert [w.shape for w in network.get_weights()] == [tuple(w.shape) for w in theirs.get_weights()]
    filled = [
        random.uniform(0.1, 1.0, w.shape).astype(w.dtype) if w.dtype.kind == "f" else w for w in network.get_weights()
    ]
    network.set_weights(filled)
    theirs.set_weights(filled)
    if hasattr(theirs, "finalize_state"):
        theirs.finalize_state()

    (output,) = run(network, *arrays)
    expected = numpy.asarray(theirs(listed))
    assert output.shape == expected.shape
    numpy.testing.assert_allclose(output, expected, rtol=tolerance, atol=tolerance)

    weight = random.normal(size=output.shape).astype(numpy.float32)
    by_input, by_variable = derivatives(network, arrays, [weight])
    trainable = [variable.value for variable in theirs.trainable_variables]
    fixed = [variable.value for variable in theirs.non_trainable_variables]

    def scalar(variables: Any, x: Any) -> Any:
        y, _ = theirs.stateless_call(variables, fixed, x)
        return (y * weight).sum()

    if all(x.dtype.kind == "f" for x in arrays):
        their_variables, their_inputs = jax.jit(jax.grad(scalar, argnums=(0, 1)))(trainable, listed)
        their_inputs = their_inputs if isinstance(their_inputs, list) else [their_inputs]
        for own, other in zip(by_input, their_inputs, strict=True):
            numpy.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)
    else:
        their_variables = jax.grad(scalar)(trainable, listed)
    for own, other in zip(by_variable, their_variables, strict=True):
        numpy.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)
    return network


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """The functions above, for the tests."""
    return SimpleNamespace(
        as_network=as_network,
        run=run,
        penalty=penalty,
        check_derivatives=check_derivatives,
        derivatives=derivatives,
        check_against_keras=check_against_keras,
    )
