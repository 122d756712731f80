"""The tree of errors: every failure a user can meet, drawn first.

```
PellucidError
├── ArgumentError        an option, name or value that cannot be used        (ValueError)
│   └── UnknownNameError a name that is not known; offers the nearest        (KeyError too)
├── ShapeError           sizes that do not fit together                      (ValueError)
├── DtypeError           a kind of number where another is needed            (TypeError)
├── GraphError           a graph that breaks its own rules
├── DataError            a table, file or array that cannot be used          (ValueError)
│   └── LabelError       labels that do not fit the loss or the network
├── StateError           a call made too early: before building, compiling or fitting
├── NonFiniteError       training produced NaN or infinity                   (ArithmeticError)
├── ModelFileError       a model file that is malformed, damaged or foreign
└── ExecutorError        an executor that is absent or cannot run a graph
```

A message says what happened, where, with which shapes or values, and the likely repair. `code` is the exit status of
the command line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class PellucidError(Exception):
    """Root of all errors that Pellucid raises on purpose."""

    code = 1


class ArgumentError(PellucidError, ValueError):
    """An option, name or value that cannot be used."""

    code = 2


class UnknownNameError(ArgumentError, KeyError):
    """A name that is not known, with the nearest known one.

    >>> print(UnknownNameError("activation", "rleu", ["relu", "tanh"]))
    unknown activation 'rleu'; did you mean 'relu'? Known: relu, tanh
    """

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} {name!r}{nearest(str(name), self.known)}")

    __str__ = Exception.__str__  # KeyError would show the message quoted


class ShapeError(PellucidError, ValueError):
    """Sizes that do not fit together."""

    code = 3


class DtypeError(PellucidError, TypeError):
    """A kind of number where another is needed."""

    code = 3


class GraphError(PellucidError):
    """A graph that breaks its own rules; found by `pellucid.core.verify`."""


class DataError(PellucidError, ValueError):
    """A table, file or array that cannot be used."""

    code = 3


class LabelError(DataError):
    """Labels that do not fit the loss or the network."""


class StateError(PellucidError):
    """A call made too early: before building, compiling or fitting."""

    code = 2


class NonFiniteError(PellucidError, ArithmeticError):
    """Training produced NaN or infinity; the last good weights are kept.

    `evidence` has the step, layer and operation where it arose, the rows of the data, the cause and the repair.
    """

    code = 4

    def __init__(self, message: str, evidence: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.evidence = dict(evidence or {})


class ModelFileError(PellucidError):
    """A model file that is malformed, damaged or foreign."""

    code = 5


class ExecutorError(PellucidError):
    """An executor that is absent or cannot run a graph."""

    code = 6


def nearest(name: str, known: Iterable[str]) -> str:
    """The tail of a message: the nearest known name, then up to thirty of them all.

    >>> nearest("adm", ["adam", "sgd"])
    "; did you mean 'adam'? Known: adam, sgd"
    """
    known = sorted(known)
    close = difflib.get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    hint = next((k for k in known if close and k.lower() == close[0]), None)
    shown = ", ".join(known[:30]) + (f", … ({len(known)} in all)" if len(known) > 30 else "")
    return (f"; did you mean '{hint}'?" if hint else ".") + f" Known: {shown}"
