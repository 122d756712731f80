"""JAX with Optax: the whole run is one compiled `scan`, its batches' row numbers drawn beforehand (not timed).

bfloat16: operands of products in bfloat16, everything else in float32.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from numpy.typing import NDArray
from workloads import ADAM, Workload

PRECISIONS = ("float32", "bfloat16")


def versions() -> dict[str, str]:
    return {"jax": jax.__version__, "optax": optax.__version__}


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        self.work, self.rng = work, np.random.default_rng(seed)
        self.x, self.y = jnp.array(work.x), jnp.array(work.y)
        keys = jax.random.split(jax.random.key(seed), len(work.units))
        glorot = jax.nn.initializers.glorot_uniform()
        parameters = [
            (glorot(key, (a, b)), jnp.zeros(b)) for key, a, b in zip(keys, work.units, work.units[1:], strict=False)
        ]
        optimizer = optax.adam(ADAM["learning_rate"], ADAM["beta_1"], ADAM["beta_2"], ADAM["epsilon"])
        kind = jnp.dtype(precision)

        def forward(parameters: Any, x: Any) -> Any:
            for place, (w, b) in enumerate(parameters):
                x = jnp.dot(x.astype(kind), w.astype(kind), preferred_element_type=jnp.float32) + b
                x = jax.nn.relu(x) if place + 1 < len(parameters) else x
            return x

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
        self.run = jax.jit(lambda carry, rows: lax.scan(epoch, carry, rows)).lower(self.carry, self._rows()).compile()
        self.forward = jax.jit(forward)
        self.next = self._rows()

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

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(self.forward(self.carry[0], x))
