"""The examples in the docstrings of this folder run."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

from pellucid import plot

NAMES = sorted(path.stem for path in Path(plot.__file__).parent.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", ["", *NAMES])
def test_examples(name: str) -> None:
    assert doctest.testmod(import_module(f"pellucid.plot.{name}".rstrip("."))).failed == 0
