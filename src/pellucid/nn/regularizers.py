"""Penalties on weights or activities, added to the loss: L1, L2 and both."""

from __future__ import annotations

from typing import Any

from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError
from pellucid.nn.registry import Configured, from_config, look_up
from pellucid.ops import absolute, square, sum


class Regularizer(Configured):
    """A scalar penalty of a tensor: a class of your own has a method `__call__(x)`.

    >>> class Cubic(Regularizer):
    ...     def __call__(self, x):
    ...         return sum(absolute(x) * square(x))
    >>> from pellucid.core.graph import tensor
    >>> float(Cubic()(tensor([1.0, -2.0])).numpy())
    9.0
    """

    def __call__(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class L1L2(Regularizer):
    """l1·Σ|x| + l2·Σx².

    >>> L1L2(l1=0.1)
    L1L2(l1=0.1, l2=0.0)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = _weight("l1", l1), _weight("l2", l2)

    def __call__(self, x: Tensor) -> Tensor:
        parts = [sum(absolute(x)) * self.l1] if self.l1 else []
        parts += [sum(square(x)) * self.l2] if self.l2 else []
        return parts[0] + parts[1] if len(parts) == 2 else parts[0] if parts else sum(x) * 0.0


class L1(L1L2):
    """l1·Σ|x|: draws weights to exactly zero.

    >>> from pellucid.core.graph import tensor
    >>> float(L1(0.5)(tensor([1.0, -2.0])).numpy())
    1.5
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """l2·Σx²: draws weights towards zero.

    >>> from pellucid.core.graph import tensor
    >>> float(L2(0.5)(tensor([1.0, -2.0])).numpy())
    2.5
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


REGULARIZERS: dict[str, type[Regularizer]] = {
    "L1": L1, "L2": L2, "L1L2": L1L2, "l1": L1, "l2": L2, "l1_l2": L1L2,
}  # fmt: skip


def get(identifier: Any) -> Regularizer | None:
    """A regularizer from its name, its configuration or itself; `None` for none.

    >>> get("l2"), get({"class_name": "L1", "config": {"l1": 0.1}}), get(None)
    (L2(l2=0.01), L1(l1=0.1), None)
    """
    if identifier is None or isinstance(identifier, Regularizer):
        return identifier
    if isinstance(identifier, str):
        return look_up("regularizer", REGULARIZERS, identifier)()
    if isinstance(identifier, dict):
        return from_config("regularizer", REGULARIZERS, identifier)
    raise ArgumentError(f"a regularizer is a name or an L1, L2 or L1L2 object, got {identifier!r}")


def _weight(name: str, value: float) -> float:
    if not 0.0 <= float(value) < float("inf"):
        raise ArgumentError(f"{name} must be a finite number of at least 0, got {value!r}")
    return float(value)


__all__ = ["L1", "L1L2", "L2", "Regularizer", "get"]
