"""`TableModel`: from a table of any source to a trained network, and from the network back to labels and numbers.

What is measured of the data (kinds of columns, fill values, means, categories) comes from the rows that are trained on,
never from those held out; it is part of the graph and of the model file.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from pellucid.core.spec import Shape
from pellucid.data import records
from pellucid.data.encoder import NUMBERS, Encoder
from pellucid.data.read import read
from pellucid.data.schema import Schema
from pellucid.data.split import split
from pellucid.data.table import Table
from pellucid.data.target import Target
from pellucid.errors import ArgumentError, DataError, ModelFileError, PellucidError
from pellucid.execute import executor as find_executor
from pellucid.nn.layers import PiecewiseLinearEncoding
from pellucid.train import table_figures, table_settings
from pellucid.train.callbacks import Callback, EarlyStopping
from pellucid.train.history import History
from pellucid.train.model import Model
from pellucid.train.saving import read_model, save_model
from pellucid.train.table_glass import TableGlass
from pellucid.train.table_network import build_network, element_names, measure_boundaries
from pellucid.train.table_settings import Settings

Array = NDArray[Any]
_VERSION = 1
_SEEDS = 2**32  # drawn seeds; short enough to be typed again


class TableModel(TableGlass):
    """A network for a table, with everything that leads from its columns to the target and back.

    `train` makes one; `prepare` and then `fit` do the same in two steps. `schema` says what the columns are, `notices`
    what was chosen and what was left out, `model` is the network, `history` the figures of every epoch, `test_metrics`
    those on the rows held out.

    >>> table = {"x": list(range(60)), "y": [3.0 * x + 1.0 for x in range(60)]}
    >>> fitted = TableModel.train(table, "y", hidden=(8,), epochs=5, seed=1, verbose=0)
    >>> fitted.schema.target.task, fitted.predict({"x": [1, 2]}).shape
    ('regression', (2,))
    """

    def __init__(
        self, schema: Schema, encoder: Encoder, settings: Settings, model: Model, source: dict[str, Any]
    ) -> None:
        self.schema, self.encoder, self.settings, self.model, self.source = schema, encoder, settings, model, source
        self.notices: list[str] = []
        self.test_metrics: dict[str, Any] | None = None
        self.parts: dict[str, Table] = {}  # the rows trained on, validated and tested with; not saved

    # Train

    @classmethod
    def train(
        cls,
        source: object,
        target: str,
        hidden: Sequence[int] | None = None,
        activation: str = "relu",
        optimizer: str = "adam",
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        test_size: float | int = 0.2,
        seed: int | None = None,
        kinds: Mapping[str, str | Sequence[str]] | None = None,
        task: str | None = None,
        validation: float | None = None,
        dropout: float | None = None,
        verbose: Any = "auto",
        callbacks: Sequence[Callback] | None = None,
        precision: str = "float32",
        executor: str | None = None,
    ) -> TableModel:
        """Read a table (a path, a frame, a dict of arrays), train a network for one of its columns, and test it.

        `test_size`: share or number of rows held out for `test_metrics` (0: none). `validation`: share of the others
        that tells when to stop. `seed` fixes the split, the weights, dropout and the order of rows: the same seed,
        machine and threads give the same bits. `kinds` and `task` overrule what is inferred: see `Schema.infer`.
        What is left open is chosen from the data and said in `notices`.

        Raises `DataError` and `LabelError` for data that cannot be learned from, `ArgumentError` for wrong options,
        `NonFiniteError` where training diverges.
        """
        made = cls.prepare(
            source, target, hidden, activation, optimizer, learning_rate, epochs, batch_size, test_size, seed, kinds,
            task, validation, dropout, precision, executor,
        )  # fmt: skip
        made.fit(verbose, callbacks)
        return made

    @classmethod
    def prepare(
        cls,
        source: object,
        target: str,
        hidden: Sequence[int] | None = None,
        activation: str = "relu",
        optimizer: str = "adam",
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        test_size: float | int = 0.2,
        seed: int | None = None,
        kinds: Mapping[str, str | Sequence[str]] | None = None,
        task: str | None = None,
        validation: float | None = None,
        dropout: float | None = None,
        precision: str = "float32",
        executor: str | None = None,
    ) -> TableModel:
        """The first half of `train`: read, infer, split, measure and build; nothing is trained yet."""
        runs_on = find_executor(executor).name
        table = read(source)
        notices = list(table.notices)
        schema = Schema.infer(table, target, kinds, task)
        assert schema.target is not None, "a schema inferred for a target has one"
        table = schema.target.labelled(table, notices)
        seed = secrets.randbelow(_SEEDS) if seed is None else seed
        learn, test = _split(table, schema.target, test_size, seed) if test_size else (table, None)
        given = {
            "hidden": None if hidden is None else tuple(hidden), "activation": activation, "dropout": dropout,
            "optimizer": optimizer, "learning_rate": learning_rate, "batch_size": batch_size, "epochs": epochs,
            "validation": validation, "seed": seed, "precision": precision, "executor": runs_on,
        }  # fmt: skip
        settings, chosen = table_settings.choose(len(learn), given)
        train, validate = (
            _split(learn, schema.target, settings.validation, seed) if settings.validation else (learn, None)
        )
        encoder = Encoder.fit(schema, train, notices)
        if not encoder.numbers and not encoder.categories:
            raise DataError(f"{table.name}: no column varies among the rows to train on, so nothing can be learned")
        numbers = encoder.features(train).get(NUMBERS, numpy.empty((len(train), 0)))
        boundaries = measure_boundaries(numbers, settings.ranges)
        model = build_network(
            encoder, boundaries, settings.hidden, settings.activation, settings.dropout, settings.seed
        )
        parts = {"train": train, "validate": validate, "test": test}
        found = {name: part for name, part in parts.items() if part is not None}
        rows = {"all": schema.rows, **{name: len(found.get(name, ())) for name in parts}}
        made = cls(schema, encoder, settings, model, {"name": Path(table.name).name, "rows": rows})
        made.notices = [*schema.notices, *notices, *chosen]
        made.parts = found
        made._compile()
        return made

    def _compile(self) -> None:
        """Loss and metrics for the task. That of a number is divided by its variance: 1 is guessing the mean always."""
        losses = {"regression": "mse", "binary": "binary_crossentropy", "multiclass": "sparse_categorical_crossentropy"}
        numeric = self.target.task == "regression"
        self.model.compile(
            self.settings.make_optimizer(self.settings.epochs * self.steps_per_epoch),
            losses[self.target.task],
            loss_weights=[self.encoder.target_deviation**-2] if numeric else None,
            metrics=["rmse" if numeric else "accuracy"],
            precision=self.settings.precision,
            executor=self.settings.executor,
        )

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the rows to train on make."""
        return -(-int(self.source["rows"]["train"]) // self.settings.batch_size)

    def fit(self, verbose: Any = "auto", callbacks: Sequence[Callback] | None = None) -> History:
        """The second half of `train`: fit the prepared network, keep its best weights, and test it."""
        if "train" not in self.parts or self.history is not None:
            raise ArgumentError("this table model is trained already; call TableModel.train(…) for a new one")
        arrays = {name: (self.encoder.features(part), self.encoder.labels(part)) for name, part in self.parts.items()}
        validation = arrays.get("validate")
        listeners = list(callbacks or ())
        if validation is not None:
            listeners.insert(0, EarlyStopping(patience=self.settings.patience, restore_best_weights=True))
        x, y = arrays["train"]
        history = self.model.fit(
            x,
            y,
            batch_size=self.settings.batch_size,
            epochs=self.settings.epochs,
            verbose=verbose,
            callbacks=listeners,
            validation_data=validation,
        )
        if len(history.epoch) < self.settings.epochs and validation is not None:
            self.notices.append(f"stopped after {len(history.epoch)} epochs: no longer improving")
        if "test" in self.parts:
            self.test_metrics = table_figures.figures(self.target, arrays["test"][1], self._outputs(arrays["test"][0]))
        return history

    # Ask

    @property
    def target(self) -> Target:
        """The column that is predicted."""
        assert self.schema.target is not None
        return self.schema.target

    @property
    def history(self) -> History | None:
        """The figures of every epoch."""
        return self.model.history

    def evaluate(self, source: object, notices: list[str] | None = None) -> dict[str, Any]:
        """How good predictions for another table are, which must have the target's column.

        Regression: `r2`, `rmse` and `mae` in the target's units. Classes: `accuracy`, `baseline_accuracy` (of always
        the commonest class), `precision`, `recall`, `f1` (of the second of two classes, or averaged over more), `auc`
        of two, and `confusion_matrix`. What the user should know is appended to `notices`.
        """
        notices = notices if notices is not None else []
        table = read(source)
        notices.extend(table.notices)
        table = self.target.labelled(table, notices)
        return table_figures.figures(self.target, self.encoder.labels(table), self.outputs_for(table, notices))

    def predict(self, source: object, notices: list[str] | None = None) -> Array:
        """The predicted class of each row as the table wrote it, or the predicted number in the target's units.

        Columns may come in any order; the target's is not needed. Raises `DataError` naming a column that is missing.
        """
        return self.encoder.decode(self._answers(source, notices))

    def predict_proba(self, source: object, notices: list[str] | None = None) -> Array:
        """The probability of each class, [rows, classes], in the order of `target.classes`."""
        if not self.target.classes:
            raise ArgumentError(f"'{self.target.name}' is a number and has no class probabilities; use predict")
        return self.probabilities(self._answers(source, notices))

    def probabilities(self, outputs: Array) -> Array:
        """The network's outputs as one probability per class: of two classes, it gives that of the second."""
        return numpy.concatenate([1.0 - outputs, outputs], axis=1) if self.target.task == "binary" else outputs

    def _answers(self, source: object, notices: list[str] | None) -> Array:
        table = read(source)
        if notices is not None:
            notices.extend(table.notices)
        return self.outputs_for(table, notices)

    def outputs_for(self, table: Table, notices: list[str] | None = None) -> Array:
        """What the network gives for each row: a number in the target's units, or probabilities."""
        return self._outputs(self.encoder.features(table, notices))

    def _outputs(self, arrays: dict[str, Array]) -> Array:
        outputs: Array = self.model.predict(arrays)
        return outputs

    def element_names(self) -> dict[str, list[str]]:
        """What the elements of inputs, preparing layers and the output are: columns, categories, classes."""
        last = (
            [str(name) for name in self.target.classes] if self.target.task == "multiclass" else [self._answer_name()]
        )
        boundaries = next(
            (layer.boundaries for layer in self.model.layers if isinstance(layer, PiecewiseLinearEncoding)), []
        )
        return {**element_names(self.encoder, boundaries), self.model.output_names[0]: last}

    def _answer_name(self) -> str:
        return self.target.name if not self.target.classes else f"{self.target.name} = {self.target.classes[1]}"

    def summary(self, line_length: int | None = None, print_fn: Any = None) -> None:
        """Print the layers of the network, their output shapes and their weights."""
        self.model.summary(line_length, print_fn)

    # Keep

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write network, preparation, labels, history and provenance into one file; an old one is replaced whole."""
        extra = {
            "version": _VERSION,
            "schema": self.schema.to_json(),
            "encoder": self.encoder.to_json(),
            "settings": self.settings.to_json(),
            "source": self.source,
            "notices": self.notices,
            "test_metrics": self.test_metrics,
        }
        save_model(self.model, Path(path), extra={"table": extra})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> TableModel:
        """The table model of a file; raises `ModelFileError` for anything else."""
        return cls.of_file(path, *read_model(Path(path)))

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], model: object, extra: object) -> TableModel:
        """The table model of what was read from a file; raises `ModelFileError` for anything else."""
        if not isinstance(model, Model) or not isinstance(extra, dict) or "table" not in extra:
            raise ModelFileError(
                f"{path} holds a network without a table's columns; load it with pellucid.models.load_model, "
                "or train one with `pellucid train`"
            )
        try:
            return cls._from_json(model, extra["table"])
        except PellucidError as error:
            raise ModelFileError(f"{path}: {error}") from error

    @classmethod
    def _from_json(cls, model: Model, record: object) -> TableModel:
        found = records.checked(
            record,
            "table",
            version=lambda value: value == _VERSION,
            schema=lambda value: isinstance(value, dict),
            encoder=lambda value: isinstance(value, dict),
            settings=lambda value: isinstance(value, dict),
            source=lambda value: isinstance(value, dict),
            notices=records.texts,
            test_metrics=records.optional(lambda value: isinstance(value, dict)),
        )
        schema, encoder = Schema.from_json(found["schema"]), Encoder.from_json(found["encoder"])
        counts = lambda value: isinstance(value, dict) and all(map(records.count, value.values()))  # noqa: E731
        source = records.checked(found["source"], "source", name=records.text, rows=counts)
        made = cls(schema, encoder, Settings.from_json(found["settings"]), model, source)
        if found["test_metrics"] is not None:
            table_figures.check(schema.target, found["test_metrics"])
        _check_network(schema, encoder, model)
        made.notices, made.test_metrics = found["notices"], found["test_metrics"]
        return made


def _split(table: Table, target: Target, share: float | int, seed: int) -> tuple[Table, Table]:
    """The rows to learn from and the rows held out, in proportion to the classes where there are any."""
    classes = target.labels(table) if target.classes else None
    if classes is not None and numpy.bincount(classes).max() == 1:
        raise DataError(
            f"{table.name}, target '{target.name}': each of its {len(classes)} classes has one row only, so none can "
            "be held out; is it an identifier? Choose another target"
        )
    kept, held = split(table, share, seed, classes)
    return table.take(kept), table.take(held)


def _check_network(schema: Schema, encoder: Encoder, model: Model) -> None:
    """Raise `DataError` where columns, classes and network do not belong together."""
    target = schema.target
    if target is None or encoder.target != target:
        raise DataError("schema and encoder have different targets; the file is damaged or foreign")
    wanted: dict[str, Shape] = {NUMBERS: (None, len(encoder.numbers))} if encoder.numbers else {}
    wanted |= dict.fromkeys([category.name for category in encoder.categories], (None,))
    shapes = {name: value.shape for name, value in zip(model.input_names, model.inputs, strict=True)}
    width = len(target.classes) if target.task == "multiclass" else 1
    if shapes != wanted or [value.shape for value in model.outputs] != [(None, width)]:
        raise DataError("the network does not fit the table's columns and classes; the file is damaged or foreign")
