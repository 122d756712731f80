"""What a module offers to readers: the reference lists it, and the tests ask it for examples."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from pellucid.core.op import Op


def public(name: str) -> dict[str, Any]:
    """The classes, functions and ops of a module: those in `__all__`, or without an underscore and ours."""
    door, _, inner = name.partition(".optimizers.")  # `pellucid.optimizers.schedules` is a name within a module
    module = getattr(import_module(f"{door}.optimizers"), inner) if inner else import_module(name)
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = {name: getattr(module, name) for name in sorted(names)}
    return {
        name: item
        for name, item in found.items()
        if isinstance(item, Op)
        or ((inspect.isclass(item) or inspect.isroutine(item)) and item.__module__.startswith("pellucid"))
    }
