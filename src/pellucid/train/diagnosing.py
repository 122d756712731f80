"""`diagnose`: the doctor's checks on a model and its data, and on a table with a short trial fit.

What the checks look at is gathered here: data as they were given, labels against loss and last activation, the network
opened on a sample of rows, and the history of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.core.spec import known
from pellucid.data import batches
from pellucid.data.frames import is_frame, read_frame
from pellucid.data.read import read
from pellucid.data.target import Target
from pellucid.errors import ArgumentError, DataError, LabelError, PellucidError, ShapeError
from pellucid.explain.doctor import Diagnosis, Finding, without_consequences
from pellucid.explain.doctor.columns import DATA
from pellucid.explain.doctor.course import COURSE, CourseView, guess_loss
from pellucid.explain.doctor.data import (
    LARGEST,
    Array,
    Broken,
    Column,
    DataView,
    Labels,
    broken_cells,
    columns_of,
    sample,
    twins_of,
    view_of_table,
)
from pellucid.explain.doctor.labels import LABELS, LabelView
from pellucid.explain.doctor.network import NETWORK
from pellucid.explain.doctor.probe import Probe
from pellucid.nn.losses.origin import activation_of
from pellucid.train.inputs import Examples
from pellucid.train.opening import open_model

if TYPE_CHECKING:
    from pellucid.data.table import Table
    from pellucid.train.model import Model
    from pellucid.train.tabular import TableModel

_NETWORK_ROWS = 1_024  # on which a network is opened: enough to hear a unit that speaks for 1 % of all rows
_NUMBERS = 1 << 22  # of those rows in a single layer's output; larger networks are opened on fewer rows
_FEWEST_ROWS = 8
_LOSS_ROWS = 4_096  # on which the loss is measured
_TWIN_NUMBERS = 1 << 27  # numbers in the training rows, among which twins are looked up
_TRIAL_EPOCHS = 12  # of the default network on at most 20,000 rows: some seconds


def diagnose(model: Model, x: Any, y: Any, validation_data: Any = None) -> Diagnosis:
    """What is wrong with the data, the network as it is now, and the course of its training.

    Data are looked at in full for NaN and infinity, else on a sample of 20,000 rows; the network on 1,024. Raises
    `StateError` before `compile`, and the errors of `fit` for inputs that are no numbers or do not fit the network.
    """
    _ = model.optimizer  # raises before `compile`
    arrays, names = _raw(x, "features")
    labels, _ = _raw(y, "labels")
    batches.same_rows({"features": list(arrays.values()), "labels": list(labels.values())})
    good, broken = _finite_rows(model, arrays, labels)
    rows = len(next(iter(arrays.values())))
    looked = [f"data: {rows:,} rows, {', '.join(_shape(name, one) for name, one in arrays.items())}"]
    left = []
    if not good.any():
        view = DataView(rows, (), (), tuple(broken), model.accepts_missing)
        return Diagnosis(
            without_consequences(DATA.examine(view)), tuple(looked), ("the network: no row is without NaN or infinity",)
        )
    if not good.all():
        left.append(f"the network saw only the {int(good.sum()):,} rows without NaN and infinity")
        arrays = {name: one[good] for name, one in arrays.items()}
        labels = {name: one[good] for name, one in labels.items()}
    fits, examples = _fitted(model, _as_given(x, arrays), _as_given(y, labels))
    held = _held_out(validation_data, left)
    findings = DATA.examine(_data_view(model, rows, arrays, names, fits, broken, held, left))
    columns = dict(zip(model.input_names, [names.get(name, ()) for name in arrays], strict=True))
    found, seen = _examine_training(model, fits, examples, held, columns)
    return Diagnosis(without_consequences([*findings, *found]), (*looked, *seen), tuple(left))


def _examine_training(
    model: Model,
    fits: Sequence[LabelView],
    examples: Examples | None,
    held: tuple[Any, Any] | None = None,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[Finding], list[str]]:
    """Labels against the loss, the network on a sample of the rows, and the history; and what was looked at."""
    findings = [finding for fit in fits for finding in LABELS.examine(fit)]
    if examples is None:
        return findings, []
    probe = probe_of(model, examples, columns)
    findings += NETWORK.examine(probe.look(model.steps_trained > 0, guess(model, examples)))
    most = min(_LOSS_ROWS, 4 * probe.rows)
    now = _loss(model, *_some(model, examples, sample(examples.rows, most)))
    held_now = None if held is None else _loss(model, *_part(held, most))
    course = _course_view(model, examples, now, held_now)
    findings += COURSE.examine(course)
    seen = f"training: {len(course.losses):,} epochs" if course.losses else "training: none yet"
    return findings, [f"network: {model.count_params():,} weights, on {probe.rows:,} of the rows", seen]


def probe_of(model: Model, examples: Examples, columns: Mapping[str, Sequence[str]] | None = None) -> Probe:
    """A probe of the network on a sample of the examples: fewer rows where its layers are large."""
    outputs = (value.shape[1:] for step in model.steps for value in step.outputs)
    largest = max((prod(known(shape)) for shape in outputs if None not in shape), default=1)
    rows = sample(examples.rows, max(_FEWEST_ROWS, min(_NETWORK_ROWS, _NUMBERS // max(largest, 1))))
    return Probe(open_model(model, *_some(model, examples, rows)), model.executor, names=columns)


def _some(model: Model, examples: Examples, rows: Array) -> tuple[dict[str, Array], dict[str, Array]]:
    """Some rows of the examples, by the names of inputs and outputs."""
    x = {name: one[rows] for name, one in zip(model.input_names, examples.inputs, strict=True)}
    return x, {name: one[rows] for name, one in zip(model.output_names, examples.labels, strict=True)}


# Data as they were given


def _raw(given: Any, role: str) -> tuple[dict[str, Array], dict[str, Sequence[str]]]:
    """Arrays by name as they are, NaN and infinity included, and the names of columns where there are any."""
    if isinstance(given, Mapping):
        parts = {str(name): value for name, value in given.items()}
    elif isinstance(given, tuple) or (
        isinstance(given, list) and given and all(hasattr(one, "shape") for one in given)
    ):
        parts = {f"{role}[{i}]": value for i, value in enumerate(given)}
    elif given is None or batches.is_batches(given):
        raise ArgumentError(f"diagnose needs {role} as arrays, lists or frames, got {type(given).__name__}")
    else:
        parts = {"x" if role == "features" else "y": given}
    arrays: dict[str, Array] = {}
    names: dict[str, Sequence[str]] = {}
    for name, part in parts.items():
        if is_frame(part):
            table = read_frame(part)
            names[name] = table.names
            columns = [
                numpy.where(one.missing, numpy.nan, one.values) for one in _numeric(part, table.columns.values())
            ]
            array = numpy.stack(columns, axis=1)
        else:
            array = numpy.asarray(part)
        if array.dtype.kind not in "fiub" or not array.size or not array.ndim:
            array = batches.as_arrays(part, role=role, allow_missing=True)[0]  # says what is wrong
        arrays[name] = array
    return arrays, names


def _numeric(frame: Any, columns: Any) -> list[Any]:
    """The columns of a frame, if all are numbers; else the error that `fit` raises."""
    found = list(columns)
    if any(one.holds in ("text", "datetime") for one in found):
        batches.as_arrays(frame, allow_missing=True)
    return found


def _finite_rows(model: Model, arrays: dict[str, Array], labels: dict[str, Array]) -> tuple[Array, list[Broken]]:
    """Which rows a network can use, and the cells because of which it cannot use the others."""
    rows = len(next(iter(arrays.values())))
    good, broken = numpy.ones(rows, bool), []
    for group, may_miss in ((arrays, model.accepts_missing), (labels, False)):
        for name, one in group.items():
            found = broken_cells(name, one)
            if found is not None:
                bad = ~(numpy.abs(one) <= LARGEST) & ~(numpy.isnan(one) & may_miss)
                good &= ~bad.reshape(rows, -1).any(axis=1)
                broken.append(found)
    return good, broken


def _as_given(given: Any, arrays: dict[str, Array]) -> Any:
    """The arrays in the form in which they were given: by name, several, or one."""
    several = len(arrays) > 1 or isinstance(given, tuple)
    return arrays if isinstance(given, Mapping) else tuple(arrays.values()) if several else next(iter(arrays.values()))


def _shape(name: str, array: Array) -> str:
    return f"{name} {list(array.shape[1:])}" if array.ndim > 1 else name


# Views


def _fitted(model: Model, x: Any, y: Any) -> tuple[list[LabelView], Examples | None]:
    """Each output's labels, and the examples; or, without those, why they cannot be trained on.

    Raises for inputs that do not fit the network.
    """
    if model.built:
        model.inputs_of(x)
    examples, refusal = None, ""
    try:
        examples = model.examples(x, y)
    except (LabelError, ShapeError, ArgumentError) as error:
        refusal = str(error)
    losses = model.need_objective().losses
    labels = [None] * len(losses) if examples is None else examples.labels
    views = zip(losses, model.outputs, model.output_names, labels, strict=True)
    fits = [LabelView(name, loss.name, activation_of(output), label, refusal) for loss, output, name, label in views]
    return fits, examples


def _data_view(
    model: Model,
    rows: int,
    arrays: dict[str, Array],
    names: Mapping[str, Sequence[str]],
    fits: Sequence[LabelView],
    broken: Sequence[Broken],
    held: tuple[Any, Any] | None,
    left: list[str],
) -> DataView:
    chosen = sample(len(next(iter(arrays.values()))))
    columns: list[Column] = []
    for name, one in arrays.items():
        columns += columns_of(name, one, chosen, names.get(name, ()))
    labels = [
        found for fit in fits if fit.labels is not None and (found := _labels(fit, chosen, len(fits) > 1)) is not None
    ]
    twins = None
    if held is not None:
        if sum(one.size for one in arrays.values()) <= _TWIN_NUMBERS:
            mine, theirs = list(arrays.values()), list(_raw(held[0], "features")[0].values())
            theirs = [one.astype(mine[i].dtype, copy=False) for i, one in enumerate(theirs)]
            twins = twins_of(theirs, mine)
        else:
            left.append("rows on both sides of the split: the training data are too large to look each row up")
    return DataView(rows, tuple(columns), tuple(labels), tuple(broken), model.accepts_missing, twins)


def _labels(fit: LabelView, rows: Array, several: bool) -> Labels | None:
    """One value per row: a number or a class; nothing where a row has a whole sequence or image of labels."""
    labels = fit.labels
    assert labels is not None
    part = labels[rows]
    name = f"labels of {fit.output}" if several else "y"
    if fit.loss == "sparse_categorical_crossentropy" and part.size == len(part):
        return _classes(name, part.reshape(-1))
    if fit.loss == "categorical_crossentropy" and part.ndim == 2:
        return _classes(name, part.argmax(axis=-1))
    if part.size != len(part):
        return None
    if fit.loss == "binary_crossentropy" and numpy.isin(part, (0, 1)).all():
        return _classes(name, part.reshape(-1))
    return Labels(name, part.reshape(-1).astype(numpy.float64))


def _classes(name: str, codes: Array) -> Labels:
    return Labels(name, codes.astype(numpy.float64), tuple(str(i) for i in range(int(codes.max()) + 1)))


def _held_out(validation_data: Any, left: list[str]) -> tuple[Any, Any] | None:
    if validation_data is None:
        return None
    if isinstance(validation_data, (tuple, list)) and len(validation_data) in (2, 3):
        return validation_data[0], validation_data[1]
    if batches.is_batches(validation_data):
        left.append("validation data: they come in batches; give (x, y) as arrays")
        return None
    raise ArgumentError("validation_data must be (x, y) or (x, y, sample_weight)")


def _part(held: tuple[Any, Any], most: int) -> tuple[Any, Any]:
    """At most so many of the held-out rows."""
    parts = []
    for given in held:
        arrays, _ = _raw(given, "validation data")
        rows = sample(len(next(iter(arrays.values()))), most)
        parts.append(_as_given(given, {name: one[rows] for name, one in arrays.items()}))
    return parts[0], parts[1]


def _loss(model: Model, x: Any, y: Any) -> float | None:
    """The loss of the network as it is, if it is a finite number."""
    try:
        found = float(model.evaluate(x, y, return_dict=True)["loss"])
    except DataError:
        return None
    return found if numpy.isfinite(found) else None


def _course_view(model: Model, examples: Examples, now: float | None, held_now: float | None) -> CourseView:
    history = model.history
    figures = history.history if history is not None else {}
    params = history.params if history is not None else {}
    restored = params.get("restored_epoch")
    return CourseView(
        losses=figures.get("loss", []),
        held=figures.get("val_loss", []),
        rate=float(model.optimizer.learning_rate),
        batch=params.get("batch_size"),
        steps_each=params.get("steps"),
        rows=examples.rows,
        guess=guess(model, examples),
        now=now,
        held_now=held_now,
        restored=restored is not None and history is not None and restored != history.epoch[-1],
    )


def guess(model: Model, examples: Examples) -> float | None:
    """The loss of always giving the average of the labels, weighted as the model's loss is, where it is known."""
    objective = model.need_objective()
    total = 0.0
    for loss, weight, labels in zip(objective.losses, objective.loss_weights, examples.labels, strict=True):
        part = guess_loss(loss.name, labels)
        if part is None:
            return None
        total += weight * part
    return total


# Tables


def diagnose_table(
    source: object, target: str, kinds: Mapping[str, str | Sequence[str]] | None = None, seed: int = 0
) -> Diagnosis:
    """The doctor's checks on a table, then on the default network after a trial of 12 epochs on at most 20,000 rows.

    Raises `DataError` where there is no table, and `UnknownNameError` where it has no such column.
    """
    from pellucid.train.tabular import TableModel

    table = read(source)
    looked = f"data: {len(table):,} rows, {len(table.names)} columns"
    findings = DATA.examine(view_of_table(table, target, Target.infer(table, target).classes))
    part = table.take(sample(len(table)))
    try:
        made = TableModel.prepare(part, target, kinds=kinds, test_size=0, seed=seed, epochs=_TRIAL_EPOCHS)
        made.fit(verbose=0)
    except PellucidError as error:
        if not findings:
            raise
        return Diagnosis(without_consequences(findings), (looked,), (f"the trial fit: {error}",))
    found, seen = _examine_table_model(made, part)
    return Diagnosis(without_consequences([*findings, *found]), (looked, *seen))


def diagnose_table_model(made: TableModel, source: object) -> Diagnosis:
    """The doctor's checks on a table and on the network that was trained on it, with its history."""
    table = read(source)
    findings = DATA.examine(view_of_table(table, made.target.name, made.target.classes))
    found, seen = _examine_table_model(made, table.take(sample(len(table))))
    looked = f"data: {len(table):,} rows, {len(table.names)} columns"
    return Diagnosis(without_consequences([*findings, *found]), (looked, *seen))


def _examine_table_model(made: TableModel, table: Table) -> tuple[list[Finding], list[str]]:
    """The network on the rows that have a target."""
    rows = made.target.labelled(table, [])
    return _examine_training(made.model, *_fitted(made.model, made.encoder.features(rows), made.encoder.labels(rows)))
