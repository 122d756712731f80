"""The examples in the docstrings of core, ops and execute run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import pellucid.ops  # noqa: F401 - fills the registry that tensors' operators need
from pellucid import errors

ROOT = Path(errors.__file__).parent
MODULES = [
    f"pellucid.{folder}.{path.stem}" for folder in ("core", "ops") for path in sorted((ROOT / folder).glob("*.py"))
]


@pytest.mark.parametrize("name", ["pellucid.errors", *MODULES])
def test_examples(name: str) -> None:
    module = import_module(name.removesuffix(".__init__"))
    assert doctest.testmod(module).failed == 0
