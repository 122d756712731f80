"""From the columns of a table to the arrays a network eats; fitted on the training part only.

`features` gives one float32 matrix `"numbers"` of raw values, NaN where missing, and one int32 vector of codes per
category column. It does not standardise: mean, deviation, missing indicators and logarithm belong to the network's
own graph, so that they travel in the model file and can be explained. This module measures what they need.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, StateError, nearest
from . import cells, records
from .dates import PARTS, parts_that_vary
from .schema import Field, Schema
from .table import Array, Column, Table
from .target import Target

NUMBERS = "numbers"
MAX_CATEGORIES = 10_000
_ONE_HOT = 16
_NUMBER_KINDS = ("number", "boolean", "ordered", "datetime")
_VERSION = 1


@dataclass(frozen=True)
class Number:
    """One column of the matrix `"numbers"`, and what was measured of it in training.

    `skewed` says that log1p suits it: it is never negative, its skewness g₁ = Σ(x−x̄)³ / (n·s³) exceeds 1, and that of
    log1p(x) is less than half as large. `mean` and `deviation` (1 where constant) are then those of log1p(x).
    `has_missing`: training had gaps, so an indicator of them carries information.
    """

    name: str
    column: str
    kind: Literal["number", "boolean", "ordered", "datetime"]
    part: str
    order: tuple[str, ...]
    mean: float
    deviation: float
    has_missing: bool
    skewed: bool


@dataclass(frozen=True)
class Category:
    """One column of codes: 0 is missing or unknown, 1… are the vocabulary in sorted order.

    The vocabulary leaves out categories that training saw only once, for nothing can be learned of them and code 0 is
    to have examples, and all but the 10,000 commonest.
    """

    column: str
    vocabulary: tuple[str, ...]
    commonest: str = ""  # of the training part; "" where that is not known

    @property
    def name(self) -> str:
        """The key of its array in what `Encoder.features` returns."""
        return self.column if self.column != NUMBERS else f"{NUMBERS} (category)"

    @property
    def size(self) -> int:
        """How many codes there are, with code 0."""
        return len(self.vocabulary) + 1

    @property
    def one_hot(self) -> bool:
        """Is one-hot advised? Up to 16 categories; above, an embedding of `width`."""
        return len(self.vocabulary) <= _ONE_HOT

    @property
    def width(self) -> int:
        """Advised width of an embedding: 1.6·n^0.56 for n codes, at most 50 (the rule of fastai's tabular learner)."""
        return min(50, round(1.6 * math.pow(self.size, 0.56)))


@dataclass(frozen=True)
class Encoder:
    """How a table becomes arrays, as measured on the training part.

    >>> train = Table.of({"m2": [50, 80, 120], "city": ["Lima", "Oslo", "Oslo"], "price": [1.0, 2.0, 3.5]})
    >>> encoder = Encoder.fit(Schema.infer(train, target="price"), train)
    >>> arrays = encoder.features(train)
    >>> arrays["numbers"].tolist(), arrays["city"].tolist(), encoder.labels(train).tolist()
    ([[50.0], [80.0], [120.0]], [0, 1, 1], [[1.0], [2.0], [3.5]])
    """

    numbers: tuple[Number, ...]
    categories: tuple[Category, ...]
    ignored: tuple[str, ...]
    target: Target | None
    target_mean: float
    target_deviation: float

    @classmethod
    def fit(cls, schema: Schema, table: Table, notices: list[str] | None = None) -> Encoder:
        """Measure the training part; what the user should know is appended to `notices`."""
        notices = notices if notices is not None else []
        numbers: list[Number] = []
        categories: list[Category] = []
        for field in schema.features:
            column = table[field.name]
            if field.kind == "category":
                categories.append(_fit_category(column, notices))
            else:
                numbers.extend(_fit_numbers(table, column, field, notices))
        mean, deviation = 0.0, 1.0
        if schema.target and schema.target.task == "regression":
            mean, deviation = _moments(cells.numbers(table, table[schema.target.name]))
        ignored = tuple(field.name for field in schema.left_out)
        return cls(tuple(numbers), tuple(categories), ignored, schema.target, mean, deviation)

    @property
    def columns(self) -> tuple[str, ...]:
        """The table's columns that are needed to predict."""
        return tuple(dict.fromkeys([n.column for n in self.numbers] + [c.column for c in self.categories]))

    @property
    def number_names(self) -> tuple[str, ...]:
        """The names of the columns of the matrix `"numbers"`, such as `age` or `sold.month_sin`."""
        return tuple(number.name for number in self.numbers)

    @property
    def usual(self) -> dict[str, Array]:
        """The arrays of a usual row: the average of each number, as it is filled in, and the commonest category."""
        averages = [np.expm1(number.mean) if number.skewed else number.mean for number in self.numbers]
        numbers = {NUMBERS: np.array([averages], np.float32)} if averages else {}
        codes = {c.name: ("", *c.vocabulary).index(c.commonest) for c in self.categories}
        return {**numbers, **{name: np.array([code], np.int32) for name, code in codes.items()}}

    @property
    def mean(self) -> NDArray[np.float32]:
        """The numbers' means, of log1p(x) where `skewed`."""
        return np.array([number.mean for number in self.numbers], np.float32)

    @property
    def deviation(self) -> NDArray[np.float32]:
        """The numbers' standard deviations, of log1p(x) where `skewed`; 1 where constant."""
        return np.array([number.deviation for number in self.numbers], np.float32)

    @property
    def has_missing(self) -> NDArray[np.bool_]:
        """Which numbers had missing cells in training."""
        return np.array([number.has_missing for number in self.numbers], bool)

    @property
    def skewed(self) -> NDArray[np.bool_]:
        """For which numbers log1p is better."""
        return np.array([number.skewed for number in self.numbers], bool)

    def features(self, table: Table, notices: list[str] | None = None) -> dict[str, Array]:
        """The arrays: `"numbers"` float32 [rows, numbers] (absent if there are none), then int32 [rows] per category.

        Columns may come in any order. Appended to `notices`: extra columns, unseen categories, unexpected gaps. Raises
        `DataError` naming a missing column with the nearest present one, or a cell that is not what it should be.
        """
        notices = notices if notices is not None else []
        self._check_columns(table, notices)
        arrays: dict[str, Array] = {}
        if self.numbers:
            matrix = np.empty((len(table), len(self.numbers)), np.float32)
            read: dict[str, Array] = {}
            for i, number in enumerate(self.numbers):
                if number.column not in read:
                    read[number.column] = _READERS[number.kind](table, table[number.column], number.order)
                    _notice_numbers(number, read[number.column], table[number.column], notices)
                values = read[number.column]
                matrix[:, i] = PARTS[number.part](values) if number.part else values
            arrays[NUMBERS] = matrix
        for category in self.categories:
            column = table[category.column]
            codes = cells.codes(column, category.vocabulary)
            unseen = np.flatnonzero((codes == 0) & ~column.missing)
            if unseen.size:
                example = cells.word(column.values[unseen[:1]].tolist()[0])
                notices.append(
                    f"column '{category.column}': {unseen.size:,} cells hold a category that training did not keep "
                    f"({example!r}…); taken as unknown"
                )
            arrays[category.name] = codes
        return arrays

    def labels(self, table: Table) -> NDArray[np.float32] | NDArray[np.int32]:
        """The target: float32 [rows, 1] for regression, else int32 [rows] class codes."""
        return self._known_target().labels(table)

    def decode(self, outputs: Array) -> Array:
        """Class names from codes or probabilities, or the predicted numbers: see `Target.decode`."""
        return self._known_target().decode(outputs)

    def _known_target(self) -> Target:
        if self.target is None:
            raise StateError("this encoder was fitted without a target; infer the schema with target=…")
        return self.target

    def _check_columns(self, table: Table, notices: list[str]) -> None:
        lacking = [name for name in self.columns if name not in table.columns]
        if lacking:
            extra = [name for name in table.names if name not in self.columns]
            count = f"{len(lacking)} columns" if len(lacking) > 1 else "a column"
            names = ", ".join(f"'{name}'" for name in lacking[:10])
            raise DataError(
                f"{table.name} lacks {count} that the network was trained on: {names}"
                f"{nearest(lacking[0], extra or table.names)}"
            )
        known = {*self.columns, *self.ignored, self.target.name if self.target else None}
        surplus = [name for name in table.names if name not in known]
        if surplus:
            shown = ", ".join(f"'{name}'" for name in surplus[:5]) + (", …" if len(surplus) > 5 else "")
            notices.append(f"{table.name}: not known from training and passed over: {shown}")

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` reads back."""
        return {
            "version": _VERSION,
            "numbers": [{**vars(number), "order": list(number.order)} for number in self.numbers],
            "categories": [{**vars(category), "vocabulary": list(category.vocabulary)} for category in self.categories],
            "ignored": list(self.ignored),
            "target": self.target.to_json() if self.target else None,
            "target_mean": self.target_mean,
            "target_deviation": self.target_deviation,
        }

    @classmethod
    def from_json(cls, record: object) -> Encoder:
        """The encoder of a plain dict; raises `DataError` for a malformed one."""
        read = records.checked(
            record,
            "encoder",
            version=lambda value: value == _VERSION,
            numbers=records.array,
            categories=records.array,
            ignored=records.texts,
            target=records.optional(lambda value: isinstance(value, dict)),
            target_mean=records.real,
            target_deviation=records.positive,
        )
        numbers = [_number(item, f"encoder, number {i}") for i, item in enumerate(read["numbers"])]
        categories = []
        for i, item in enumerate(read["categories"]):
            item = {"commonest": "", **item} if isinstance(item, dict) else item  # which early files have not
            where = f"encoder, category {i}"
            records.checked(item, where, column=records.text, vocabulary=records.texts, commonest=records.text)
            categories.append(Category(item["column"], tuple(item["vocabulary"]), item["commonest"]))
        target = Target.from_json(read["target"]) if read["target"] is not None else None
        names = [number.name for number in numbers]
        used = {number.column for number in numbers}
        coded = [category.column for category in categories]
        if len(set(names)) != len(names) or len({*used, *coded}) != len(used) + len(coded):
            raise DataError("encoder: a column occurs twice; the file is damaged or foreign")
        return cls(
            tuple(numbers),
            tuple(categories),
            tuple(read["ignored"]),
            target,
            float(read["target_mean"]),
            float(read["target_deviation"]),
        )


def _number(item: object, where: str) -> Number:
    read = records.checked(
        item,
        where,
        name=records.text,
        column=records.text,
        kind=records.one_of(_NUMBER_KINDS),
        part=records.one_of(("", *PARTS)),
        order=records.texts,
        mean=records.real,
        deviation=records.positive,
        has_missing=records.flag,
        skewed=records.flag,
    )
    if (read["kind"] == "datetime") != bool(read["part"]) or (read["kind"] == "ordered") != bool(read["order"]):
        raise DataError(f"{where}: a part belongs to dates and an order to ordered categories; the file is damaged")
    fields = {**read, "order": tuple(read["order"]), "mean": float(read["mean"]), "deviation": float(read["deviation"])}
    return Number(**fields)


def _ranks(table: Table, column: Column, order: tuple[str, ...]) -> NDArray[np.float64]:
    """0, 1, … by the order; NaN where missing or not in it."""
    ranks = cells.codes(column, order).astype(np.float64) - 1
    ranks[ranks < 0] = np.nan
    return ranks


_READERS: dict[str, Callable[[Table, Column, tuple[str, ...]], Array]] = {
    "number": lambda table, column, _: cells.numbers(table, column),
    "boolean": lambda table, column, _: cells.booleans(table, column),
    "datetime": lambda table, column, _: cells.instants(table, column),
    "ordered": _ranks,
}


def _fit_numbers(table: Table, column: Column, field: Field, notices: list[str]) -> list[Number]:
    values = _READERS[field.kind](table, column, field.order)
    names = parts_that_vary(values) if field.kind == "datetime" else ("",)
    made = []
    for part in names:
        plain = PARTS[part](values) if part else values
        has_missing = bool(np.isnan(plain).any())
        skewed = field.kind == "number" and _is_skewed(plain[~np.isnan(plain)])
        mean, deviation = _moments(np.log1p(plain) if skewed else plain)
        name = f"{field.name}.{part}" if part else field.name
        made.append(Number(name, field.name, field.kind, part, field.order, mean, deviation, has_missing, skewed))  # type: ignore[arg-type]
        if deviation < 64 * np.spacing(np.float32(abs(mean))) and deviation != 1.0:
            notices.append(
                f"column '{name}': varies by only {deviation:.3g} around {mean:.6g}, less than float32 can tell apart; "
                "subtract a constant from it"
            )
    if not len(column.present):
        notices.append(f"column '{field.name}': every cell of the training part is missing")
    return made


def _fit_category(column: Column, notices: list[str]) -> Category:
    counts = cells.categories(column)
    kept = [name for name, count in counts.items() if count > 1]
    if len(kept) > MAX_CATEGORIES:
        commonest = set(sorted(kept, key=lambda name: -counts[name])[:MAX_CATEGORIES])
        kept = [name for name in kept if name in commonest]
    folded = len(counts) - len(kept)
    if folded:
        rows = sum(counts.values()) - sum(counts[name] for name in kept)
        notices.append(
            f"column '{column.name}': {folded:,} of {len(counts):,} categories, rare ones with {rows:,} rows, "
            "share one code"
        )
    return Category(column.name, tuple(kept), max(kept, key=lambda name: counts[name], default=""))


def _notice_numbers(number: Number, values: Array, column: Column, notices: list[str]) -> None:
    gaps = int(np.isnat(values).sum() if values.dtype.kind == "M" else np.isnan(values).sum())
    if number.kind == "ordered" and gaps > column.missing.sum():
        example = next(name for name in cells.categories(column) if name not in number.order)
        strange = gaps - int(column.missing.sum())
        notices.append(
            f"column '{number.column}': {strange:,} cells hold an unknown category ({example!r}…); taken as missing"
        )
    elif gaps and not number.has_missing:
        notices.append(f"column '{number.column}': {gaps:,} missing cells where training had none; taken as average")
    if number.skewed and (negative := int((values < 0).sum())):
        notices.append(f"column '{number.column}': {negative:,} cells are negative where training had none; taken as 0")


def _moments(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation of the known values; 0 and 1 of none, deviation 1 of constant ones."""
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0, 1.0
    mean, deviation = float(known.mean()), float(known.std())
    return mean, deviation if deviation > 1e-12 * max(1.0, abs(mean)) else 1.0


def _is_skewed(values: NDArray[np.float64]) -> bool:
    """The rule that `Number` states."""
    if values.size < 10 or values.min() < 0:
        return False
    skewness = _skewness(values)
    return skewness > 1 and abs(_skewness(np.log1p(values))) < skewness / 2


def _skewness(values: NDArray[np.float64]) -> float:
    deviation = values.std()
    return float(np.mean(((values - values.mean()) / deviation) ** 3)) if deviation > 0 else 0.0
