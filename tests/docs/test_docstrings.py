"""Every public name says what it is, with an example; all examples in docstrings run."""

from __future__ import annotations

import doctest
import inspect
import pkgutil
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import pellucid
import pellucid.ops  # fills the registry that tensors' operators need

sys.path.append(str(Path(__file__).parents[2] / "docs" / "extensions"))
from public import public

# Nothing of these is called by readers: derivatives of other ops, numbers that layers draw with keys of their own.
PLUMBING = ("_gradient", "random_normal", "random_uniform")
PUBLIC = [
    "activations",
    "callbacks",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "optimizers.schedules",
    "plot",
    "random",
    "regularizers",
    "utils",
    "utils.bounding_boxes",
]
OPTIONAL = {
    "pellucid.execute.xla": "jax",
    "pellucid.plot": "matplotlib",
    "pellucid.data.bytepair": "tokenizers",
    "pellucid.nn.metrics.bleu": "sacrebleu",
}


@pytest.mark.parametrize("name", ["pellucid", *(f"pellucid.{name}" for name in PUBLIC)])
def test_public_names_have_an_example(name: str) -> None:
    items = public(name)
    assert items
    documented = {
        name: vars(item).get("__doc__") if inspect.isclass(item) else item.__doc__ for name, item in items.items()
    }
    assert [name for name, text in documented.items() if not text] == []
    lacking = [name for name, text in documented.items() if ">>>" not in text and not name.endswith(PLUMBING)]
    assert lacking == []


def modules() -> list[str]:
    found = [item.name for item in pkgutil.walk_packages(pellucid.__path__, "pellucid.")]
    return [name for name in found if not name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_examples(name: str) -> None:
    for part, package in OPTIONAL.items():
        if name.startswith(part) and not find_spec(package):
            pytest.skip(f"{package} is not installed")
    assert doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS).failed == 0
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
