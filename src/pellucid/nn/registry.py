"""Looking things up by name: one way for activations, losses, metrics, optimizers, initializers and regularizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pellucid.errors import ArgumentError, UnknownNameError

T = TypeVar("T")

own: dict[str, Any] = {}  # what users have registered, by name: functions, and classes of the families below


def look_up(kind: str, known: Mapping[str, T], name: str) -> T:
    """The entry of a name; raises `UnknownNameError` with the nearest one."""
    if isinstance(name, str) and name in known:
        return known[name]
    raise UnknownNameError(kind, name, known)


def from_config(kind: str, known: Mapping[str, type[T]], config: Mapping[str, Any]) -> T:
    """An object from `{"class_name": …, "config": {…}}`, as `describe` writes it."""
    if set(config) != {"class_name", "config"} or not isinstance(config["config"], Mapping):
        raise ArgumentError(f"{kind}: expected {{'class_name': …, 'config': {{…}}}}, got {dict(config)!r}")
    base = _family(next(iter(known.values())))
    more = {name: value for name, value in own.items() if isinstance(value, type) and _family(value) is base}
    classes: Mapping[str, type[T]] = {**known, **more}
    try:
        return look_up(kind, classes, str(config["class_name"]))(**config["config"])
    except TypeError as error:
        raise ArgumentError(f"{kind} {config['class_name']}: {error}") from error


def enroll(kind: str, known: dict[str, Any], value: Any) -> None:
    """Make a class or function known by its name. The same module may define it again, as a notebook's cell does;
    raises `ArgumentError` where another one has the name."""
    before = known.setdefault(value.__name__, value)
    if before.__module__ != value.__module__:
        raise ArgumentError(
            f"there is a {kind} {value.__name__!r} already, in {before.__module__}; give that of {value.__module__} "
            "another name"
        )
    known[value.__name__] = value


def _family(kind: type) -> type | None:
    """The base of all losses for a loss, and so on; `None` for other classes."""
    bases = kind.__mro__
    return bases[bases.index(Configured) - 1] if Configured in bases else None


class Configured:
    """An object made from its arguments alone, each kept as an attribute of the same name."""

    def arguments(self) -> dict[str, Any]:
        from pellucid.nn.layer import arguments_of

        return {name: getattr(self, name) for name in arguments_of(type(self)) if hasattr(self, name)}

    def get_config(self) -> dict[str, Any]:
        """`{"class_name": …, "config": {…}}`: plain JSON values that make an equal object."""
        values = {
            name: value.get_config() if hasattr(value, "get_config") else value
            for name, value in self.arguments().items()
        }
        return {"class_name": type(self).__name__, "config": values}

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())
        return f"{type(self).__name__}({inside})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.arguments() == other.arguments()

    def __hash__(self) -> int:
        return hash(repr(self))
