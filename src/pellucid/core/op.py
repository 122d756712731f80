"""The contract of an op, and the registry of all of them.

A primitive is one class; on adjacent lines it holds its name and attributes, the shape rule, the value in plain NumPy,
the derivative as nodes, the formula, the terms of one output element, its XLA lowering, samples and tolerances.
Defining the class registers it. The tests walk the registry, so that nothing defined here can go untested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy

from pellucid.core.graph import Array, Node, Tensor, TensorLike, tensors
from pellucid.core.spec import Spec
from pellucid.core.terms import Operand, Term
from pellucid.errors import DtypeError, PellucidError, ShapeError

registry: dict[str, type[Op]] = {}


@dataclass(frozen=True)
class Sample:
    """One case that every executor must agree on: an op, its input arrays, and the error where it must refuse them."""

    op: Op
    arrays: tuple[numpy.ndarray, ...]
    error: type[PellucidError] | None = None
    differentiable: bool = True  # False at kinks, where differences and one-sided derivatives disagree


@dataclass(frozen=True)
class Op:
    """A primitive. A subclass with attributes is a frozen dataclass, and they are its fields; ops of one kind with
    equal attributes are equal.
    """

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]]
    formula: ClassVar[str]
    latex: ClassVar[str] = ""
    source: ClassVar[str] = ""
    differentiable: ClassVar[bool] = True
    chosen_derivative: ClassVar[bool] = False  # True where the derivative is a choice that differences cannot confirm
    twice_differentiable: ClassVar[bool] = True  # False where asking for a second derivative raises `GraphError`
    # Largest |difference| / (1 + |value|) from the float64 reference, by dtype; a subclass that needs more says why.
    tolerance: ClassVar[dict[str, float]] = {"float32": 2e-6, "bfloat16": 2e-2, "float64": 1e-12}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in cls.__dict__:
            registry[cls.name] = cls

    def __call__(self, *inputs: TensorLike) -> Tensor:
        """Build a node that has one output."""
        (output,) = self.apply(*inputs)
        return output

    def apply(self, *inputs: TensorLike) -> tuple[Tensor, ...]:
        """Build a node; its outputs. Numbers and arrays among the inputs become constants."""
        operands = tensors(inputs)
        inferred = self.infer(*[value.spec for value in operands])
        return Node(self, operands, inferred if isinstance(inferred, tuple) else (inferred,)).outputs

    def infer(self, *specs: Any) -> Spec | tuple[Spec, ...]:
        """The specs of the outputs; raises `ShapeError` or `DtypeError` naming the op, the shapes and the repair."""
        raise NotImplementedError

    def forward(self, np: Any, *arrays: Array) -> Array:
        """The value, in plain NumPy."""
        raise NotImplementedError

    def xla(self, jnp: Any, lax: Any, *arrays: Array) -> Array:
        """The value for XLA; NumPy's own words serve where JAX has them all."""
        return self.forward(jnp, *arrays)

    def grad(self, node: Node, *gradients: Tensor) -> Sequence[Tensor | None]:
        """For each input the loss's derivative with respect to it, as nodes, from those of the outputs."""
        return [None] * len(node.inputs)

    def terms(self, index: tuple[int, ...], *operands: Operand) -> Term:
        """Which input elements make the output element at `index`, and how.

        Where an op has several outputs, `index` begins with the output's position.
        """
        raise NotImplementedError

    @classmethod
    def samples(cls) -> list[Sample]:
        """Cases to test: empty, size one, broadcast, strided, large, kinks, and bad inputs with their errors."""
        raise NotImplementedError

    @property
    def attributes(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value}" for key, value in self.attributes.items())
        return f"{self.name}({inside})" if inside else self.name

    # What shape rules share

    def wrong_shape(self, specs: Sequence[Spec], repair: str) -> ShapeError:
        """An error that names the op, the shapes and the likely repair."""
        received = ", ".join(f"{name}: {spec}" for name, spec in zip(self.inputs, specs, strict=False))
        return ShapeError(f"{self.name} cannot take {received}; {repair}")

    def need_numbers(self, *specs: Spec) -> str:
        """The one dtype of all operands; raises `DtypeError` where they differ or are truth values."""
        dtype = self.same_dtype(*specs)
        if dtype == "bool":
            raise DtypeError(f"{self.name} needs numbers, got {specs[0]}; convert with cast(x, 'float32')")
        return dtype

    def same_dtype(self, *specs: Spec) -> str:
        """The one dtype of all operands; raises `DtypeError` where they differ."""
        dtype: str = specs[0].dtype
        for spec in specs:
            if spec.dtype != dtype:
                received = ", ".join(f"{name}: {spec}" for name, spec in zip(self.inputs, specs, strict=False))
                raise DtypeError(f"{self.name} needs operands of one dtype, got {received}; convert one with cast()")
        return dtype

    def need_float(self, *specs: Spec) -> str:
        """The one float dtype of all operands; raises `DtypeError` otherwise."""
        dtype = self.same_dtype(*specs)
        if not specs[0].is_float:
            raise DtypeError(
                f"{self.name} needs floating-point numbers, got {specs[0]}; convert with cast(x, 'float32')"
            )
        return dtype
