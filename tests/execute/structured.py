"""Random programs of the ops over images and sequences, their derivatives among them; and random networks of layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from executors import RandomProgram

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Tensor, Variable
from pellucid.errors import ShapeError
from pellucid.ops.recurrent import ACTIVATIONS


class StructuredProgram(RandomProgram):
    """A random program in which convolutions, pools, norms, recurrences and attention stand among the other ops."""

    def __init__(self, seed: int) -> None:
        self.weights: list[Tensor] = []
        super().__init__(seed)

    def grow(self) -> Tensor | None:
        if self.below(2):
            return super().grow()
        x = self.pick(lambda x: x.spec.is_float and 0 < math.prod(x.shape) <= 1024)  # type: ignore[arg-type]
        if x is None:
            return None
        if self.below(2):  # sizes of our own choice
            sizes = [1 + self.below(limit) for limit in (4, 9, 9, 20)]
            x = self.weight(*sizes) * ops.tanh(ops.mean(x))
        self.weights = [x]
        kinds = [self.convolved, self.pooled, self.normed, self.recurrent, self.attended, self.moved]
        y = ops.tanh(kinds[self.below(len(kinds))](x))
        if self.below(2):
            sources = self.weights[:4]
            derivatives = gradients(ops.sum(y * self.numbers(y.shape)), sources)
            self.pool += [ops.tanh(g * 0.2) for g in derivatives if g is not None]
        return y

    def weight(self, *shape: int) -> Tensor:
        made = Variable(self.numbers(shape) * 0.5, "w").tensor
        self.weights.append(made)
        return made

    def mask(self, *shape: int) -> Tensor | None:
        return Variable(self.random.random(shape) < 0.7, "mask").tensor if self.below(2) else None

    def as_rank(self, x: Tensor, rank: int) -> Tensor:
        """The elements in a shape of that rank whose sizes are random divisors."""
        sizes, rest = [], math.prod(x.shape)  # type: ignore[arg-type]
        for _ in range(rank - 1):
            divisors = [n for n in range(1, min(rest, 12) + 1) if rest % n == 0]
            sizes.append(divisors[self.below(len(divisors))])
            rest //= sizes[-1]
        return ops.reshape(x, tuple(self.random.permutation([*sizes, rest]).tolist()))

    def convolved(self, x: Tensor) -> Tensor:
        rank = 1 + self.below(2)
        x = self.as_rank(x, rank + 2)
        channels = x.shape[-1]
        assert channels is not None
        kernel = tuple(1 + self.below(4) for _ in range(rank))
        groups = channels if self.below(4) == 0 else 2 if channels % 2 == 0 and self.below(3) == 0 else 1
        w = self.weight(*kernel, channels // groups, groups * (1 + self.below(5)))
        strides = tuple(1 + self.below(3) for _ in range(rank))
        dilation = tuple(1 + self.below(2) for _ in range(rank))
        padding: Any = ["valid", "same", tuple((self.below(3), self.below(3)) for _ in range(rank))][self.below(3)]
        try:
            y = ops.convolution(x, w, strides, padding, dilation, groups)
        except ShapeError:  # the window is larger than the image
            return self.convolved(x)
        if self.below(2):
            y = y + self.weight(y.shape[-1])  # type: ignore[arg-type]
        if self.below(2):
            y = [ops.relu, ops.tanh, ops.sigmoid][self.below(3)](y)
        if self.below(4) == 0:
            y = ops.convolution_input_gradient(y * 0.5, w, x.shape[1:-1], strides, padding, dilation, groups)  # type: ignore[arg-type]
        return y

    def pooled(self, x: Tensor) -> Tensor:
        rank = 1 + self.below(2)
        x = self.as_rank(x, rank + 2)
        largest = self.below(2)
        if largest:  # of given values: rounding must not decide which is the largest
            x = self.weight(*x.shape)
            x = ops.relu(x) if self.below(2) else x
        window = tuple(1 + self.below(3) for _ in range(rank))
        strides = tuple(1 + self.below(3) for _ in range(rank))
        pool: Callable[..., Tensor] = ops.max_pool if largest else ops.average_pool
        try:
            return pool(x, window, strides, ["valid", "same"][self.below(2)])
        except ShapeError:
            return self.pooled(x)

    def normed(self, x: Tensor) -> Tensor:
        x = self.as_rank(x, 2 + self.below(3))
        size = x.shape[-1]
        assert size is not None
        match self.below(5):
            case 0:
                return ops.layer_norm(x, self.weight(size), self.weight(size))
            case 1:
                return ops.rms_norm(x, self.weight(size), epsilon=0.1)
            case 2:
                y = ops.batch_norm(x, self.weight(size), self.weight(size), epsilon=0.1)[0]
                return ops.relu(y) if self.below(2) else y
            case 3:
                groups = [n for n in range(1, size + 1) if size % n == 0]
                chosen = groups[self.below(len(groups))]
                y = ops.group_norm(x, self.weight(size), self.weight(size), groups=chosen, epsilon=0.1)
                return ops.relu(y) if self.below(2) else y
        return ops.gelu(x)

    def recurrent(self, x: Tensor) -> Tensor:
        x = self.as_rank(x, 3)
        batch, steps, size = (int(n or 0) for n in x.shape)
        units = 1 + self.below(9)
        z = x @ self.weight(size, 4 * units) + self.weight(4 * units)
        h, c = (ops.broadcast_to(ops.sum(x) * 0.01, (batch, units)) for _ in range(2))
        names = sorted(ACTIVATIONS)
        chosen = (names[self.below(len(names))], "sigmoid") if self.below(3) == 0 else ("tanh", "sigmoid")
        u, back = self.weight(units, 4 * units), bool(self.below(2))
        outputs = ops.lstm(
            z, u, h, c, self.mask(batch, steps), reverse=back, activation=chosen[0], recurrent_activation=chosen[1]
        )
        return outputs[0] + ops.expand_dims(outputs[-1], 1)

    def attended(self, x: Tensor) -> Tensor:
        q = self.as_rank(x, 4)
        batch, steps, heads, size = (int(n or 0) for n in q.shape)
        k = (
            ops.tanh(q @ self.weight(size, size))
            if self.below(2)
            else self.weight(batch, 1 + self.below(9), heads, size)
        )
        v = k @ self.weight(size, 1 + self.below(9))
        shape = [n if self.below(2) else 1 for n in (batch, heads, steps, k.shape[1] or 0)]
        return ops.attention(q, k, v, self.mask(*shape), causal=bool(self.below(2)), scale=0.7)

    def moved(self, x: Tensor) -> Tensor:
        x = self.as_rank(x, 4)
        match self.below(4):
            case 0:
                return ops.transpose(x, tuple(self.random.permutation(4).tolist()))
            case 1:
                return ops.pad(x, [(self.below(3), self.below(3)) for _ in range(4)])
            case 2:
                return ops.flip(x, tuple(axis for axis in range(4) if self.below(2)) or (1,))
        axis = self.below(4)
        return x[(*[slice(None)] * axis, slice(self.below(x.shape[axis]), None, 1 + self.below(3)))]  # type: ignore[arg-type]
