"""JAX with Optax: an epoch is one compiled `scan` over batches, whose row numbers are drawn beforehand (not timed).

XLA's convolution gradients on CPUs are many times slower inside a `scan`: networks of them run one compiled step at a
time. bfloat16: operands of products in bfloat16, everything else in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from networks import Convolutional, Dense, Network, Recurrent, Transformer
from numpy.typing import NDArray
from workloads import ADAM, Workload

PRECISIONS = ("float32", "bfloat16")
NETWORKS: tuple[type[Network], ...] = (Dense, Convolutional, Recurrent, Transformer)

Forward = Callable[[Any, Any], Any]
Keys = Iterator[Any]

glorot = jax.nn.initializers.glorot_uniform()


def versions() -> dict[str, str]:
    return {"jax": jax.__version__, "optax": optax.__version__}


def linear(keys: Keys, a: int, b: int) -> tuple[Any, Any]:
    return glorot(next(keys), (a, b)), jnp.zeros(b)


def product(kind: Any, x: Any, w: Any) -> Any:
    return jnp.matmul(x.astype(kind), w.astype(kind), preferred_element_type=jnp.float32)


def dense(kind: Any, layers: Any, x: Any) -> Any:
    for place, (w, b) in enumerate(layers):
        x = product(kind, x, w) + b
        x = jax.nn.relu(x) if place + 1 < len(layers) else x
    return x


def dense_start(keys: Keys, units: tuple[int, ...]) -> Any:
    return [linear(keys, a, b) for a, b in pairwise(units)]


def convolutional(network: Convolutional, kind: Any, parameters: Any, x: Any) -> Any:
    for w, b in parameters["convolutions"]:
        x = lax.conv_general_dilated(
            x.astype(kind),
            w.astype(kind),
            (1, 1),
            network.padding.upper(),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        x = jax.nn.relu(x.astype(jnp.float32) + b)
        rows, height, width, channels = x.shape
        x = x[:, : height // 2 * 2, : width // 2 * 2].reshape(rows, height // 2, 2, width // 2, 2, channels).max((2, 4))
    return dense(kind, parameters["dense"], x.reshape(len(x), -1))


def recurrent(kind: Any, parameters: Any, x: Any) -> Any:
    wx, wh, b = parameters["lstm"]
    zero = jnp.zeros((len(x), len(wh)))

    def cell(state: Any, z: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z + product(kind, h, wh), 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    (h, _), _ = lax.scan(cell, (zero, zero), (product(kind, x, wx) + b).swapaxes(0, 1))
    return dense(kind, [parameters["out"]], h)


def norm(parameters: Any, x: Any) -> Any:
    gamma, beta = parameters
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gamma + beta


def language(network: Transformer, kind: Any, parameters: Any, ids: Any) -> Any:
    x = parameters["token"][ids] + parameters["place"]
    b, t, d = x.shape
    mask = jnp.tril(jnp.ones((t, t), bool))
    apply = partial(dense, kind)
    for block in parameters["blocks"]:
        qkv = apply([block["qkv"]], norm(block["norm_1"], x))
        q, k, v = qkv.reshape(b, t, 3, network.heads, d // network.heads).transpose(2, 0, 3, 1, 4)
        scores = product(kind, q, k.swapaxes(-1, -2)) / np.sqrt(d // network.heads)
        attended = product(kind, jax.nn.softmax(jnp.where(mask, scores, -1e9)), v)
        x = x + apply([block["out"]], attended.transpose(0, 2, 1, 3).reshape(b, t, d))
        x = x + apply([block["down"]], jax.nn.gelu(apply([block["up"]], norm(block["norm_2"], x)), approximate=False))
    return apply([parameters["out"]], norm(parameters["norm"], x))


def build(network: Network, kind: Any, seed: int) -> tuple[Any, Forward]:
    """The parameters at the start, and the network as a function of them and of a batch."""
    keys = iter(jax.random.split(jax.random.key(seed), 200))
    if isinstance(network, Dense):
        return dense_start(keys, network.units), partial(dense, kind)
    if isinstance(network, Convolutional):
        size = network.window
        kernels = [(glorot(next(keys), (size, size, a, b)), jnp.zeros(b)) for a, b, _ in network.shapes()]
        layers = dense_start(keys, (network.flat(), *network.units))
        return {"convolutions": kernels, "dense": layers}, partial(convolutional, network, kind)
    if isinstance(network, Recurrent):
        units = network.units
        wh = jax.nn.initializers.orthogonal()(next(keys), (units, 4 * units))
        bias = jnp.zeros(4 * units).at[units : 2 * units].set(1.0)
        wx = glorot(next(keys), (network.features, 4 * units))
        return {"lstm": (wx, wh, bias), "out": linear(keys, units, network.classes)}, partial(recurrent, kind)
    d = network.width
    draw = jax.nn.initializers.normal(0.02)

    def unit() -> tuple[Any, Any]:
        return jnp.ones(d), jnp.zeros(d)

    blocks = [
        {
            "norm_1": unit(),
            "norm_2": unit(),
            "qkv": linear(keys, d, 3 * d),
            "out": linear(keys, d, d),
            "up": linear(keys, d, 4 * d),
            "down": linear(keys, 4 * d, d),
        }
        for _ in range(network.layers)
    ]
    parameters = {
        "token": draw(next(keys), (network.vocabulary, d)),
        "place": draw(next(keys), (network.length, d)),
        "blocks": blocks,
        "norm": unit(),
        "out": linear(keys, d, network.vocabulary),
    }
    return parameters, partial(language, network, kind)


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        self.work, self.rng = work, np.random.default_rng(seed)
        self.x, self.y = jnp.array(work.x), jnp.array(work.y)
        parameters, forward = build(work.network, jnp.dtype(precision), seed)
        optimizer = optax.adam(ADAM["learning_rate"], ADAM["beta_1"], ADAM["beta_2"], ADAM["epsilon"])

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            outputs = forward(parameters, x)
            if work.classifies:
                return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()
            return jnp.mean((outputs - y) ** 2)

        def step(carry: Any, rows: Any) -> Any:
            parameters, state = carry
            value, gradient = jax.value_and_grad(loss)(parameters, self.x[rows], self.y[rows])
            change, state = optimizer.update(gradient, state, parameters)
            return (optax.apply_updates(parameters, change), state), value

        def epoch(carry: Any, rows: Any) -> Any:
            whole, rest = rows
            carry, values = lax.scan(step, carry, whole)
            return step(carry, rest) if rest.size else (carry, values[-1])

        self.carry = (parameters, optimizer.init(parameters))
        self.forward = jax.jit(forward)
        self.next = self._rows()
        if isinstance(work.network, Convolutional):
            compiled = jax.jit(step).lower(self.carry, self.next[0][0, 0]).compile()
            self.run = lambda carry, rows: self._one_by_one(compiled, carry, rows[0])
        else:
            self.run = jax.jit(lambda carry, rows: lax.scan(epoch, carry, rows)).lower(self.carry, self.next).compile()

    @staticmethod
    def _one_by_one(step: Any, carry: Any, rows: Any) -> Any:
        values = []
        for batch in rows.reshape(-1, rows.shape[-1]):
            carry, value = step(carry, batch)
            values.append(value)
        return carry, values

    def _rows(self) -> Any:
        """For every epoch the rows of its whole batches, and those of the shorter last one."""
        count, batch = len(self.x), self.work.batch
        order = np.stack([self.rng.permutation(count) for _ in range(self.work.epochs)]).astype(np.int32)
        whole = count // batch * batch
        return jnp.array(order[:, :whole].reshape(self.work.epochs, -1, batch)), jnp.array(order[:, whole:])

    def train(self) -> None:
        self.carry, values = self.run(self.carry, self.next)
        float(values[-1])
        jax.block_until_ready(self.carry)

    def predict(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        return np.asarray(self.forward(self.carry[0], x))
