"""Every registered op against every part of its contract, on every executor that is there."""

from __future__ import annotations

import contract
import pytest

from pellucid import ops
from pellucid.core.op import Op, Sample, registry
from pellucid.core.sources import Source

KINDS = sorted(
    (kind for kind in registry.values() if kind.__module__.startswith("pellucid.")), key=lambda kind: kind.name
)
PRIMITIVES = [kind for kind in KINDS if not issubclass(kind, Source)]
every_op = pytest.mark.parametrize("kind", PRIMITIVES, ids=lambda kind: kind.name)


def good(kind: type[Op]) -> list[Sample]:
    return [sample for sample in kind.samples() if sample.error is None]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_parts(kind: type[Op]) -> None:
    contract.check_parts(kind)


@every_op
def test_bad_inputs_are_refused(kind: type[Op]) -> None:
    for sample in kind.samples():
        if sample.error is not None:
            contract.check_refusal(sample)


@every_op
def test_shape_rule(kind: type[Op]) -> None:
    for sample in good(kind):
        contract.check_shape_rule(sample)


@pytest.mark.parametrize("run", list(contract.executors()), ids=lambda run: f"{run[0].name}-{run[1]}-{run[2]}")
@every_op
def test_value(kind: type[Op], run: tuple[object, str, str]) -> None:
    for sample in good(kind):
        contract.check_value(sample, *run)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@every_op
def test_xla(kind: type[Op], precision: str) -> None:
    pytest.importorskip("jax")
    contract.check_xla(good(kind), precision)


@every_op
def test_terms(kind: type[Op]) -> None:
    for sample in good(kind):
        contract.check_terms(sample)


@every_op
def test_derivatives(kind: type[Op]) -> None:
    for sample in good(kind):
        if sample.differentiable:
            contract.check_gradient(sample)


def test_every_op_is_offered() -> None:
    """What is registered can be built from `pellucid.ops`; slices are x[...]."""
    missing = [kind.name for kind in PRIMITIVES if kind.name not in {*ops.__all__, "slice"}]
    assert missing == []
    assert ops.__all__ == sorted(ops.__all__)
    assert all(hasattr(ops, name) for name in ops.__all__)
