"""`Why`: what each column, element, pixel or token contributed to one prediction, beside a baseline.

Contributions come from `attribution`; this file chooses the output that is explained, names the elements, and holds the
record. The record renders itself through `why_text`, `why_html` and `why_latex`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy

from pellucid.core.graph import Program
from pellucid.core.sources import feed
from pellucid.core.spec import show_shape
from pellucid.errors import ArgumentError, ShapeError, UnknownNameError
from pellucid.execute.program import Executor
from pellucid.explain.attribution import Attribution, attribute
from pellucid.explain.numbers import number
from pellucid.explain.rendered import Rendered
from pellucid.nn.activations import name_of as name_of_activation
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.network import Network

Arrays = list[numpy.ndarray]


@dataclass(frozen=True, eq=False)
class Share:
    """What the elements of one input contribute. `form`: "columns", "tokens" and "steps" have `labels`, one for each
    element, and `shown`, its value as people write it; a "picture" has [height, width, …] of pixels."""

    name: str
    form: str
    values: numpy.ndarray
    contributions: numpy.ndarray
    labels: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()  # of the baseline

    @property
    def pixels(self) -> numpy.ndarray:
        """Of a picture the contribution of each place, [height, width]: its channels together."""
        return numpy.asarray(self.contributions.reshape(*self.contributions.shape[:2], -1).sum(axis=-1))


@dataclass(frozen=True, eq=False, repr=False)
class Why(Rendered):
    """Why a network gave this output: `prediction` = `baseline` + the sum of all contributions + `gap`.

    `what` is the output in words, `compared` the baseline in words. `method` is "weight × difference" where it is
    linear between baseline and example, else "integrated gradients" (Sundararajan, Taly & Yan 2017), over `points`
    of the path between them.
    """

    what: str
    prediction: float
    baseline: float
    compared: str
    method: str
    points: int
    gap: float
    inputs: tuple[Share, ...]

    @property
    def title(self) -> str:
        from pellucid.explain.why_text import rounded

        return f"Why {self.what} is {rounded(self.prediction)}"

    @property
    def parts(self) -> dict[str, float]:
        """The contribution of every labelled element (columns, tokens), largest first."""
        found = [
            (label, float(value))
            for share in self.inputs
            for label, value in zip(share.labels, share.contributions.ravel(), strict=False)
        ]
        result: dict[str, float] = {}
        for label, value in found:
            result[label] = result.get(label, 0.0) + value
        return dict(sorted(result.items(), key=lambda item: -abs(item[1])))

    def __getitem__(self, label: str) -> float:
        """The contribution of a column or token; raises `UnknownNameError` with those that there are."""
        if label not in self.parts:
            raise UnknownNameError("column or token", label, self.parts)
        return self.parts[label]

    @property
    def gap_share(self) -> float:
        """The gap as a share of what is explained."""
        return abs(self.gap) / (abs(self.prediction - self.baseline) or 1.0)

    def text(self) -> str:
        """The largest contributions, their sum and the gap."""
        from pellucid.explain.why_text import render

        return render(self)

    def body(self) -> str:
        """Bars for columns, coloured words for tokens, pictures for pictures."""
        from pellucid.explain.why_html import render

        return render(self)

    def latex(self) -> str:
        """A document: the formula of the contributions, a table of the largest, and their sum."""
        from pellucid.explain.why_latex import render

        return render(self)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "what": self.what, "prediction": self.prediction, "baseline": self.baseline, "compared": self.compared,
            "method": self.method, "points": self.points, "gap": self.gap, "gap_share": self.gap_share,
            "inputs": [
                {"name": share.name, "form": share.form, "labels": list(share.labels), "values": list(share.shown),
                 "usual": list(share.usual), "contributions": share.contributions.tolist()}
                for share in self.inputs
            ],
        }  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw the contributions: `pellucid.plot.contributions`."""
        import pellucid

        return pellucid.plot.contributions(self, ax=ax)


@dataclass(frozen=True)
class Chosen:
    """The output that is explained: which of the network's outputs, the place in it, and what it is in words."""

    output: int
    index: int
    words: str


def explain(
    network: Network,
    executor: Executor,
    arrays: Arrays,
    output: Any = None,
    baseline: Any = 0.0,
    names: Sequence[str] | None = None,
    vocabulary: Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
) -> Why:
    """Why a network gives an output for one example: see `Model.why`."""
    one_example(arrays)
    arrays = as_fed(network, arrays)
    start, compared = _baseline(network, arrays, baseline)
    chosen = choose(network, output, classes, lambda: predict(network, executor, arrays))
    found = attribute(network, executor, arrays, start, (chosen.output, chosen.index))
    shares = [
        _share(name, array[0], part, names, vocabulary)
        for name, array, part in zip(network.input_names, arrays, found.contributions, strict=True)
    ]
    return record(chosen.words, compared, found, shares)


def record(what: str, compared: str, found: Attribution, shares: Sequence[Share]) -> Why:
    """An attribution with its elements named."""
    method = "weight × difference" if found.linear else "integrated gradients"
    return Why(what, found.output, found.baseline, compared, method, found.points, found.gap, tuple(shares))


def predict(network: Network, executor: Executor, arrays: Arrays) -> Arrays:
    """The outputs for one example, without the batch."""
    inputs = [feed(array.shape, value.dtype) for array, value in zip(arrays, network.inputs, strict=True)]
    with constructing(Construction()):
        outputs = network.forward(inputs)
    return [value[0] for value in executor.compile(Program(tuple(inputs), outputs))(*arrays)]


def choose(network: Network, output: Any, classes: Sequence[str] | None, predicted: Any) -> Chosen:
    """Which number is explained: the likeliest class (of a sequence, at its last step), or the one that is named.

    `output` is a class by number or name, the name of one of several outputs, or both: (output, class).
    """
    names, place, wanted = network.output_names, 0, output
    if isinstance(output, tuple) and len(output) == 2 and isinstance(output[0], str):
        output, wanted = output
    if isinstance(output, str) and len(names) > 1:
        if output not in names:
            raise UnknownNameError("output", output, names)
        place, wanted = names.index(output), None if wanted is output else wanted
    value = predicted()[place]
    size = value.shape[-1] if value.ndim else 1
    if wanted is not None and value.size == 1 and wanted not in (0, (0,)):
        raise ArgumentError(f"{names[place]} is one number: it has no classes to choose from, so name none")
    if isinstance(wanted, str):
        known = list(classes or ())
        if wanted not in known:
            raise UnknownNameError("class", wanted, known or map(str, range(size)))
        wanted = known.index(wanted)
    if isinstance(wanted, tuple):
        if len(wanted) != value.ndim or not all(0 <= i < n for i, n in zip(wanted, value.shape, strict=False)):
            raise ArgumentError(f"output {wanted} is outside {names[place]} of shape {show_shape(value.shape)}")
        at = wanted
    else:
        if wanted is not None and not (isinstance(wanted, (int, numpy.integer)) and 0 <= wanted < size):
            raise ArgumentError(f"{names[place]} has {size} classes, 0 to {size - 1}; got {wanted!r}")
        before = tuple(n - 1 for n in value.shape[:-1])
        at = (*before, int(value[before].argmax()) if wanted is None else int(wanted)) if value.ndim else ()
    index = int(numpy.ravel_multi_index(at, value.shape)) if value.ndim else 0
    return Chosen(place, index, _words(network, place, at, size, classes))


def _words(network: Network, place: int, at: Sequence[int], size: int, classes: Sequence[str] | None) -> str:
    call = network.outputs[place].origin
    activation = getattr(getattr(call, "layer", None), "activation", None)
    try:
        chance = activation is not None and name_of_activation(activation) in ("softmax", "sigmoid")
    except ArgumentError:  # a function of the user's own
        chance = False
    name = network.output_names[place]
    if size == 1:
        words = f"the probability of {name}" if chance else name
    elif classes is not None and len(classes) == size:
        shown = str(classes[at[-1]])
        shown = shown if len(shown.strip()) > 1 else f"'{visible(shown)}'"  # letters and blanks would go unseen
        words = f"the probability of {shown}" if chance else f"the output for {shown}"
    else:
        words = f"the probability of class {at[-1]}" if chance else f"{name}[{at[-1]}]"
    return words + (f" at step {', '.join(map(str, at[:-1]))}" if len(at) > 1 else "")


def visible(token: str) -> str:
    """A token with its white space as signs.

    >>> visible("to be"), visible("\\n"), visible("")
    ('to␣be', '↵', '␣')
    """
    return token.replace(" ", "␣").replace("\n", "↵").replace("\t", "⇥") or "␣"


def as_fed(network: Network, arrays: Arrays) -> Arrays:
    """The arrays in the dtypes of the network's inputs: pixels of 0 to 255 as floats."""
    return [array.astype(value.dtype) for array, value in zip(arrays, network.inputs, strict=True)]


def one_example(arrays: Arrays) -> None:
    """Raise `ShapeError` unless the arrays are a batch of one."""
    if len(arrays[0]) != 1:
        raise ShapeError(
            f"one example is explained at a time, got {len(arrays[0])}; give a batch of one, for instance x[:1]"
        )


def _baseline(network: Network, arrays: Arrays, given: Any) -> tuple[Arrays, str]:
    """One baseline for each input, as a batch of one, and what it is in words."""
    names = network.input_names
    if isinstance(given, Mapping):
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            raise UnknownNameError("input", unknown, names)
        parts = [given.get(name, 0.0) for name in names]
    else:
        parts = list(given) if len(names) > 1 and isinstance(given, (list, tuple)) else [given] * len(names)
    if len(parts) != len(names):
        raise ShapeError(f"baseline has {len(parts)} arrays for the inputs {', '.join(names)}; give one for each")
    found = []
    for name, part, array in zip(names, parts, arrays, strict=True):
        value = numpy.asarray(part)
        if value.dtype.kind not in "biuf":
            raise ArgumentError(f"baseline of {name!r} must be a number or an array of numbers, got {part!r}")
        if value.shape not in ((), array.shape, array.shape[1:]):
            raise ShapeError(
                f"baseline of {name!r} must be a number or an array {show_shape(array.shape[1:])}, "
                f"got {show_shape(value.shape)}"
            )
        if array.dtype.kind in "iu" and (value != numpy.floor(value)).any():
            raise ArgumentError(f"baseline of {name!r} must be whole numbers, for the input takes ids; got {value!r}")
        found.append(numpy.broadcast_to(value, array.shape).astype(array.dtype))
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    return (
        found,
        "an input of zeros" if number and given == 0 else f"an input of {given:g}" if number else "the baseline",
    )


def _share(
    name: str,
    values: numpy.ndarray,
    part: numpy.ndarray,
    names: Sequence[str] | None,
    vocabulary: Sequence[str] | None,
) -> Share:
    count = prod(values.shape)
    ids = values.dtype.kind in "iub" and values.ndim == 1
    if ids and (vocabulary is not None or names is None):
        words = [_word(int(i), vocabulary) for i in values]
        return Share(name, "tokens", values, part, tuple(words), tuple(map(str, values.tolist())))
    if vocabulary is not None and not ids:
        raise ArgumentError(
            f"vocabulary is for inputs of whole numbers, ids of words; input {name!r} has {values.dtype}"
        )
    if names is not None and len(names) != count:
        raise ArgumentError(f"names has {len(names)} names for the {count} elements of input {name!r}")
    if names is None and values.ndim in (2, 3) and values.shape[1] > 1:
        return Share(name, "picture", values, part)
    shown = tuple(number(value) for value in values.ravel().tolist())
    if names is None and values.ndim == 2:
        return Share(name, "steps", values, part, tuple(f"step {t}" for t in range(len(values))), shown)
    labels = [*names] if names is not None else _labels(name, values.shape)
    return Share(name, "columns", values, part, tuple(labels), shown)


def _labels(name: str, shape: tuple[int, ...]) -> list[str]:
    if not shape:
        return [name]
    return [f"{name}[{', '.join(map(str, at))}]" for at in numpy.ndindex(shape)]


def _word(i: int, vocabulary: Sequence[str] | None) -> str:
    if vocabulary is None:
        return f"id {i}"
    if not 0 <= i < len(vocabulary):
        raise ArgumentError(f"id {i} is outside the vocabulary of {len(vocabulary)} words")
    return str(vocabulary[i])
