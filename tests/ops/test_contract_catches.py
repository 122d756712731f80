"""The checks of the contract can fail: each wrong rule planted here is caught, by the check that is meant to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import contract
import numpy
import pytest

from pellucid import ops
from pellucid.core.graph import Program
from pellucid.core.op import Op, Sample
from pellucid.core.spec import Spec
from pellucid.core.terms import Number
from pellucid.core.terms import Sum as SumOf
from pellucid.errors import GraphError, ShapeError
from pellucid.execute.reference import Reference
from pellucid.ops.activations import Sigmoid, Tanh
from pellucid.ops.arithmetic import Add, Divide, Exp, Multiply, Square, Subtract
from pellucid.ops.comparisons import Less, Where
from pellucid.ops.embedding import OneHot, ScatterAdd, Take
from pellucid.ops.linear import Matmul, swap
from pellucid.ops.reduce import Max, Sum
from pellucid.ops.shape import Concatenate, Pad, Slice, Transpose

Check = Callable[[Sample], None]
Rule = Callable[..., Any]


def walk(check: Check, kind: type[Op]) -> None:
    """A check on the samples of an op that it is meant for."""
    for sample in kind.samples():
        if (sample.error is not None) == (check is contract.check_refusal) and (
            sample.differentiable or check is not contract.check_gradient
        ):
            check(sample)


def planted(check: Check, kind: type[Op], attribute: str, rule: Any, patch: pytest.MonkeyPatch) -> None:
    """The check passes, and fails once the rule is planted."""
    walk(check, kind)
    patch.setattr(kind, attribute, rule)
    with pytest.raises((AssertionError, GraphError), match=kind.name):
        walk(check, kind)


def last_axis_only(self: Sum, node: Any, *gradients: Any) -> list[Any]:
    return [ops.broadcast_to(self.kept(node, gradients[0]), node.inputs[0].shape) * (1.0 if self.axes == (1,) else 0.5)]


DERIVATIVES: dict[str, tuple[type[Op], str, Rule]] = {
    "wrong factor": (Square, "derivatives", lambda self, node, g: (g * node.inputs[0],)),
    "slightly wrong factor": (Square, "derivatives", lambda self, node, g: (g * 2.0001 * node.inputs[0],)),
    "wrong sign": (Subtract, "derivatives", lambda self, node, g: (g, g)),
    "operands exchanged": (Multiply, "derivatives", lambda self, node, g: (g * node.inputs[0], g * node.inputs[1])),
    "one operand forgotten": (Divide, "derivatives", lambda self, node, g: (g / node.inputs[1], None)),
    "square forgotten": (Tanh, "derivatives", lambda self, node, g: (g * (1.0 - node.output),)),
    "input taken for output": (Exp, "derivatives", lambda self, node, g: (g * node.inputs[0],)),
    "adjoint forgotten": (Exp, "derivatives", lambda self, node, g: (node.output,)),
    "second derivative cut off": (
        Sigmoid,
        "derivatives",
        lambda self, node, g: (g * ops.stop_gradient(node.output * (1.0 - node.output)),),
    ),
    "broadcast sum forgotten": (Add, "grad", lambda self, node, g: (g, g)),
    "broadcast mean, not sum": (
        Add,
        "grad",
        lambda self, node, g: [ops.sum_to(g, x.spec) / (1.0 if x.shape == g.shape else 4.0) for x in node.inputs],
    ),
    "branches exchanged": (
        Where,
        "derivatives",
        lambda self, node, g: (None, ops.where(node.inputs[0], 0.0, g), ops.where(node.inputs[0], g, 0.0)),
    ),
    "one derivative too few": (Matmul, "grad", lambda self, node, g: (g @ swap(node.inputs[1]),)),
    "product of halves": (
        Matmul,
        "grad",
        lambda self, node, g: [None if part is None else 0.5 * part for part in MATMUL_GRAD(self, node, g)],
    ),
    "a derivative where none is": (Less, "grad", lambda self, node, g: node.inputs),
    "everyone is the largest": (
        Max,
        "grad",
        lambda self, node, g: (ops.broadcast_to(self.kept(node, g), node.inputs[0].shape),),
    ),
    "some axes wrong": (Sum, "grad", last_axis_only),
    "not transposed back": (Transpose, "grad", lambda self, node, g: (Transpose(self.axes)(g),)),
    "parts in wrong order": (
        Concatenate,
        "grad",
        lambda self, node, g: [part * float(i + 1) for i, part in enumerate(CONCATENATE_GRAD(self, node, g))],
    ),
    "written over, not added": (Take, "grad", lambda self, node, g: (ScatterAdd(5)(g, node.inputs[1]) * 0.5, None)),
}
MATMUL_GRAD, CONCATENATE_GRAD = Matmul.grad, Concatenate.grad


@pytest.mark.parametrize("plant", DERIVATIVES)
def test_wrong_derivatives(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(contract.check_gradient, *DERIVATIVES[plant], monkeypatch)


TERMS: dict[str, tuple[type[Op], Rule]] = {
    "next element": (Square, lambda self, index, x: x[tuple((i + 1) % n for i, n in zip(index, x.shape, strict=True))]),
    "one term too few": (
        Matmul,
        lambda self, index, x, w: SumOf(x[index[0], k] * w[k, index[1]] for k in range(1, x.shape[-1])),
    ),
    "value without elements": (
        Tanh,
        lambda self, index, x: Number(
            float(numpy.tanh(x.array[tuple(0 if n == 1 else i for i, n in zip(index, x.shape, strict=True))]))
        ),
    ),
    "axes not exchanged": (
        Transpose,
        lambda self, index, x: x[tuple(i % n for i, n in zip(index, x.shape, strict=True))],
    ),
    "mean for sum": (Sum, lambda self, index, x: Number(0.5)),
    "start forgotten": (Slice, lambda self, index, x: x[index]),
    "no zeros": (Pad, lambda self, index, x: x[tuple(i % n for i, n in zip(index, x.shape, strict=True))]),
    "ids ignored": (Take, lambda self, index, table, ids: table[(0, *index[len(ids.shape) :])]),
}


@pytest.mark.parametrize("plant", TERMS)
def test_wrong_terms(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(contract.check_terms, TERMS[plant][0], "terms", TERMS[plant][1], monkeypatch)


SHAPES: dict[str, tuple[type[Op], Rule]] = {
    "wrong size": (Matmul, lambda self, x, w: Spec((*x.shape[:-1], x.shape[-1]), x.dtype)),
    "wrong dtype": (Less, lambda self, x, y: Spec(numpy.broadcast_shapes(x.shape, y.shape), "float32")),
    "wrong rank": (OneHot, lambda self, ids: Spec((*ids.shape, self.depth, 1), "float32")),
    "axes kept": (Sum, lambda self, x: x),
    "unknown batch taken for one": (
        Transpose,
        lambda self, x: Spec(tuple(7 if x.shape[a] is None else x.shape[a] for a in self.axes), x.dtype),
    ),
}


@pytest.mark.parametrize("plant", SHAPES)
def test_wrong_shape_rules(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(contract.check_shape_rule, SHAPES[plant][0], "infer", SHAPES[plant][1], monkeypatch)


class Slightly(Reference):
    """An executor that computes all but one op right: `sigmoid` a little too large."""

    def compile(self, program: Program, precision: str = "float32") -> Any:
        runner = super().compile(program, precision)
        wrong = any(node.op.name == "sigmoid" for node in program.nodes())
        return lambda *arrays: [value * numpy.float32(1.0001) if wrong else value for value in runner(*arrays)]


class WrongDtype(Reference):
    def compile(self, program: Program, precision: str = "float32") -> Any:
        runner = super().compile(program, precision)
        return lambda *arrays: [value.astype(numpy.float64) for value in runner(*arrays)]


class Finite(Reference):
    """An executor that turns what is not finite into zeros."""

    def compile(self, program: Program, precision: str = "float32") -> Any:
        runner = super().compile(program, precision)
        return lambda *arrays: [numpy.where(numpy.isfinite(v), v, 0).astype(v.dtype) for v in runner(*arrays)]


@pytest.mark.parametrize("executor", [Slightly, WrongDtype, Finite])
def test_wrong_values_in_one_executor(executor: type[Reference]) -> None:
    def check(runs_on: Reference) -> Check:
        return lambda sample: contract.check_value(sample, runs_on, "float32", "float32")

    walk(check(Reference()), Sigmoid)
    if executor is Slightly:
        walk(check(Slightly()), Subtract)
    with pytest.raises(AssertionError, match="sigmoid"):
        walk(check(executor()), Sigmoid)


def test_wrong_xla(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    samples = [sample for sample in Tanh.samples() if sample.error is None]
    contract.check_xla(samples)
    monkeypatch.setattr(Tanh, "xla", lambda self, jnp, lax, x: x)
    with pytest.raises(AssertionError, match="tanh"):
        contract.check_xla(samples)


REFUSALS: dict[str, tuple[type[Op], Rule]] = {
    "no error": (Matmul, lambda self, x, w: Spec((x.shape[0], w.shape[-1]), "float32")),
    "no dtype error": (Exp, lambda self, x: Spec(x.shape, "float32")),
}


@pytest.mark.parametrize("plant", REFUSALS)
def test_missing_errors(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(contract.check_refusal, REFUSALS[plant][0], "infer", REFUSALS[plant][1], monkeypatch)


def test_error_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def terse(self: Op, *specs: Spec) -> Spec:
        raise ShapeError("bad shapes")

    sample = next(sample for sample in Matmul.samples() if sample.error is ShapeError)
    contract.check_refusal(sample)
    monkeypatch.setattr(Matmul, "infer", terse)
    with pytest.raises(AssertionError, match="does not name the op"):
        contract.check_refusal(sample)


def without_errors() -> list[Sample]:
    return [Sample(Tanh(), (numpy.zeros((0,)),))]


def without_empty() -> list[Sample]:
    return [Sample(Tanh(), (numpy.zeros(2),)), Sample(Tanh(), (numpy.zeros(2) > 0,), error=ShapeError)]


PARTS: dict[str, tuple[str, Any]] = {
    "formula": ("formula", ""),
    "latex": ("latex", ""),
    "docstring": ("__doc__", None),
    "terms": ("terms", Op.terms),
    "grad": ("grad", Op.grad),
    "forward": ("forward", Op.forward),
    "samples": ("samples", Op.samples),
    "error sample": ("samples", without_errors),
    "empty sample": ("samples", without_empty),
    "tolerance": ("tolerance", {"float32": 1.0}),
}


@pytest.mark.parametrize("part", PARTS)
def test_missing_parts(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    contract.check_parts(Tanh)
    monkeypatch.setattr(Tanh, *PARTS[part])
    with pytest.raises((AssertionError, NotImplementedError)):
        contract.check_parts(Tanh)


def test_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tanh, "name", "hyperbolic_tangent")
    with pytest.raises(AssertionError, match="HyperbolicTangent"):
        contract.check_parts(Tanh)
