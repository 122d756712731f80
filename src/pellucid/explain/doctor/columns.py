"""Checks of data, D1: broken cells, constant and duplicate columns, the target given away, imbalance, repeated rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
from numpy.typing import NDArray

from pellucid.explain.doctor.data import Column, DataView, Labels
from pellucid.explain.doctor.faults import Family, Fault
from pellucid.explain.doctor.findings import Finding, listed, share
from pellucid.explain.numbers import number

DATA: Family[DataView] = Family()

_MOSTLY_MISSING = 0.5  # a column that is filled more often than it is known says more of the filling than of the world
_FEW = 50  # rows below which a column can follow the target by chance
_EQUAL = 0.99999  # correlation: what rounding to five digits leaves of a copy
_GIVEN_AWAY = 0.999  # share of the target's spread that one column explains; measurements of the world have more noise
_GIVEN_RANKS = 0.9998  # the same for ranks, which hide noise where values are far apart
_EACH = 10  # rows per category, so that a category does not fit its class by having few rows
_RARE = 0.1  # of an even share: in two classes 5 %, where guessing "always the other" is 95 % right
_ROWS_PER_CLASS = 20
_REPEATED = 0.02  # of the held-out rows: enough to move an accuracy by what people report
_CORRELATED = 10.0  # rows whose columns go together agree by chance so many times as often as was reckoned
_FEWEST_TWINS = 3


@DATA.check(
    Fault(
        code="D101",
        title="cells that are NaN or infinite",
        why="One NaN makes every sum that it enters NaN, and with it all weights within a single step.",
        repair="Fill or drop them: FillMissing(…) as a layer, numpy.nan_to_num(x), or leave out the rows.",
        meaning="The data hold NaN (not a number, how gaps are often stored), infinity, or numbers beyond 3.4·10³⁸, "
        "the largest that float32 holds. In a table, gaps are filled by the network itself, so there only infinite "
        "cells and columns with more gaps than values are reported.",
        causes="Empty cells read as NaN; a division by zero or the logarithm of zero while features were made; a join "
        "that found no partner; a sensor that writes a code for 'no value'.",
        signs="numpy.isnan(x).sum(axis=0) counts them by column; numpy.argwhere(~numpy.isfinite(x))[:5] shows the "
        "first.",
        repairs=(
            "Find out why they are there: that often tells what the right value is.",
            "Fill gaps with the mean of the training rows and tell the network that there was one: FillMissing.",
            "Leave out a column that is mostly gaps, or rows where the target is one.",
        ),
        source="Little & Rubin, Statistical Analysis with Missing Data (2019), ch. 1",
    )
)
def broken_cells(fault: Fault, data: DataView) -> Iterator[Finding]:
    for one in data.broken:
        bad = one.infinite + (0 if data.fills_missing else one.missing)
        if bad or one.missing > _MOSTLY_MISSING * one.cells:
            parts = [f"{count:,} {kind}" for count, kind in ((one.missing, "NaN"), (one.infinite, "infinite")) if count]
            what = f"{' and '.join(parts)} of {one.cells:,} cells; the first in row {one.row:,} (counted from 0)"
            yield fault.found(
                f"'{one.name}'", what, nan=one.missing, infinite=one.infinite, cells=one.cells, row=one.row
            )


@DATA.check(
    Fault(
        code="D103",
        title="constant column",
        why="A column that never varies cannot tell one row from another; it only adds weights to train.",
        repair="Leave the column out.",
        meaning="Every row that was looked at has the same value in this column, or none at all.",
        causes="A filter that left one kind of row; a setting that was never changed; an export with an empty column.",
        signs="numpy.ptp(x, axis=0) == 0, or in `pellucid describe DATA` a column with 1 distinct value.",
        repairs=(
            "Leave the column out.",
            "If it should vary, look at how the rows were chosen: the others may be missing from the data.",
        ),
        source="Kuhn & Johnson, Applied Predictive Modeling (2013), section 3.5",
    )
)
def constant_columns(fault: Fault, data: DataView) -> Iterator[Finding]:
    if data.rows < 2:
        return
    found = [column for column in data.columns if not column.known.size or numpy.ptp(column.known) == 0.0]
    found = [column for column in found if column.known.size in (0, len(column.values))]  # gaps can vary, too
    if found:
        values = {column.name: float(column.known[0]) if column.known.size else None for column in found}
        shown = ", ".join("no value" if value is None else number(value) for value in list(values.values())[:4])
        what = f"always {shown}{', …' * (len(values) > 4)} in {data.rows:,} rows"
        yield fault.found(_columns([column.name for column in found]), what, columns=values, rows=data.rows)


@DATA.check(
    Fault(
        code="D104",
        title="duplicate columns",
        why="Two columns that say the same share one effect in any way they like, so that neither's weight means "
        "anything, and descent along their difference is slow.",
        repair="Keep one of them.",
        meaning="Two columns are equal, or one is the other in another unit (kilograms and grams): their correlation "
        "is 1 or -1 to five digits. Of categories, each of one column goes with one of the other.",
        causes="A join that brought a column twice; the same quantity in two units; a total beside its only part; a "
        "name beside its code.",
        signs="numpy.corrcoef(x, rowvar=False) has entries of 1 or -1 off its diagonal.",
        repairs=("Keep the column that is easier to explain, and leave out the other.",),
        source="Belsley, Kuh & Welsch, Regression Diagnostics (1980), ch. 3",
    )
)
def duplicate_columns(fault: Fault, data: DataView) -> Iterator[Finding]:
    if data.rows < 10:  # a few rows can agree by chance
        return
    pairs = [*_equal_numbers(data.columns), *_equal_categories(data.columns)]
    for first, second, r in pairs[:5]:
        exact = abs(round(r, 6)) == 1.0
        what = "the same in every row, but for unit or names" if exact else f"correlation {r:.6f}"
        more = f"; {len(pairs) - 5} more pairs" if len(pairs) > 5 and second == pairs[4][1] else ""
        yield fault.found(
            f"columns '{first}' and '{second}'", what + more, columns=[first, second], correlation=r, pairs=len(pairs)
        )


def _equal_numbers(columns: tuple[Column, ...]) -> list[tuple[str, str, float]]:
    chosen = [one for one in columns if not one.is_category and one.known.size > 2 and numpy.ptp(one.known) > 0]
    if len(chosen) < 2:
        return []
    values = numpy.stack([one.values for one in chosen])
    known = numpy.isfinite(values)
    filled = numpy.where(known, values, numpy.nanmean(numpy.where(known, values, numpy.nan), axis=1, keepdims=True))
    centred = filled - filled.mean(axis=1, keepdims=True)
    centred /= numpy.sqrt((centred**2).sum(axis=1, keepdims=True))
    r = centred @ centred.T
    two = numpy.array([len(numpy.unique(one.known[:1000])) == 2 for one in chosen])
    close = numpy.where(two[:, None] & two, r, numpy.abs(r)) >= _EQUAL  # yes and no of one question are usual
    pairs = numpy.argwhere(numpy.triu(close, 1)).tolist()
    return [(chosen[i].name, chosen[j].name, float(r[i, j])) for i, j in pairs if numpy.array_equal(known[i], known[j])]


def _equal_categories(columns: tuple[Column, ...]) -> list[tuple[str, str, float]]:
    """Pairs of categories that go together; names that every row has for itself are no categories."""
    chosen = [one for one in columns if one.is_category and 1 < len(numpy.unique(one.known)) < one.known.size / 2]
    codes = [numpy.unique(_first_seen(one.values), return_inverse=True)[1].tobytes() for one in chosen]
    return [
        (chosen[i].name, chosen[j].name, 1.0)
        for i in range(len(chosen))
        for j in range(i + 1, len(chosen))
        if codes[i] == codes[j]
    ]


def _first_seen(values: NDArray[Any]) -> NDArray[Any]:
    """Each value's place of first occurrence, so that columns that differ in names alone become equal."""
    filled = numpy.where(numpy.isfinite(values), values, -1.0)
    _, first, inverse = numpy.unique(filled, return_index=True, return_inverse=True)
    return first[inverse]


@DATA.check(
    Fault(
        code="D105",
        title="a column that gives the target away",
        why="The network learns to copy this column and nothing else; where it is not known in advance, the fine "
        "figures of the test do not come true.",
        repair="Ask whether the column is known before the target is; if not, leave it out.",
        meaning="One column alone explains at least 99.9 % of the target's spread, or its order. Measurements of the "
        "world are rarely so exact: mostly the column was made from the target, or after it.",
        causes="The target under another name or in another unit; a code or class made from it; something recorded "
        "only once the outcome was known, such as the date of a cancellation.",
        signs="A single column gives nearly perfect test figures; permuting it ruins them, permuting others does not.",
        repairs=(
            "Leave the column out if it is known only together with the target.",
            "If it is known in advance and truly decides the target, no network is needed: write the rule down.",
        ),
        source="Kaufman, Rosset & Perlich, Leakage in Data Mining (2012)",
    )
)
def giveaways(fault: Fault, data: DataView) -> Iterator[Finding]:
    varying = [column for column in data.columns if column.known.size and numpy.ptp(column.known) > 0]
    if len(varying) < 2:  # what is learned from a single column is meant to be in it
        return
    for target in data.labels:
        for column in varying:
            explained = _explained(column, target)
            if explained >= _GIVEN_AWAY:
                what = f"it alone explains {share(explained)} of '{target.name}'"
                yield fault.found(
                    f"column '{column.name}'", what, column=column.name, explained=explained, rows=data.rows
                )


def _explained(column: Column, target: Labels) -> float:
    """The share of the target's spread, or of a numeric column's spread by classes, that goes with the other."""
    both = numpy.isfinite(column.values) & numpy.isfinite(target.values)
    x, y = column.values[both], target.values[both]
    if len(x) < _FEW or numpy.ptp(x) == 0 or numpy.ptp(y) == 0:
        return 0.0
    if target.classes:
        if not column.is_category:
            return _correlation_ratio(x, y)
        return _purity(x, y)
    if column.is_category:
        return _correlation_ratio(y, x) if len(x) >= _EACH * len(numpy.unique(x)) else 0.0
    squared = float(numpy.corrcoef(x, y)[0, 1] ** 2)
    ranks = float(numpy.corrcoef(_ranks(x), _ranks(y))[0, 1] ** 2)
    return max(squared, ranks if ranks >= _GIVEN_RANKS else 0.0)


def _correlation_ratio(values: NDArray[Any], groups: NDArray[Any]) -> float:
    """Pearson's η²: the share of the spread of values that lies between groups."""
    _, codes = numpy.unique(groups, return_inverse=True)
    counts = numpy.bincount(codes)
    means = numpy.bincount(codes, values) / counts
    between = float((counts * (means - values.mean()) ** 2).sum())
    total = float(((values - values.mean()) ** 2).sum())
    return between / total


def _purity(x: NDArray[Any], y: NDArray[Any]) -> float:
    """The share of rows whose class is the commonest of their category; 0 where categories have few rows each."""
    _, codes = numpy.unique(x, return_inverse=True)
    _, classes = numpy.unique(y, return_inverse=True)
    counts = numpy.zeros((codes.max() + 1, classes.max() + 1))
    if len(x) < _EACH * len(counts):
        return 0.0
    numpy.add.at(counts, (codes, classes), 1)
    return float(counts.max(axis=1).sum() / len(x))


def _ranks(values: NDArray[Any]) -> NDArray[Any]:
    """The mean rank of each value."""
    _, inverse, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[Any] = (numpy.cumsum(counts) - counts / 2)[inverse]
    return ranks


@DATA.check(
    Fault(
        code="D106",
        title="class imbalance",
        why="A network that never says this class is right nearly always, so the loss hardly asks for it, and accuracy "
        "looks fine.",
        repair="Pass class_weight={…} to fit, collect more of the rare class, and judge by recall and F1, not "
        "accuracy.",
        meaning="The rarest class has less than a tenth of what an even share would be: of two classes less than 5 % "
        "of the rows.",
        causes="The world: fraud, failures and illness are rare. Or the way rows were collected.",
        signs="numpy.unique(y, return_counts=True); accuracy close to the commonest class's share; a confusion matrix "
        "with an empty column.",
        repairs=(
            "class_weight={0: 1.0, 1: 20.0} in fit makes a mistake on the rare class count as often as it should.",
            "Collect more rows of the rare class; repeat them only after the split, or twins land in the test (D107).",
            "Judge by recall, precision, F1 or AUC, and choose the threshold by what mistakes cost.",
        ),
        source="He & Garcia, Learning from Imbalanced Data (2009)",
    )
)
def imbalance(fault: Fault, data: DataView) -> Iterator[Finding]:
    for target in data.labels:
        if not target.classes:
            continue
        known = target.values[numpy.isfinite(target.values)]
        codes, counts = numpy.unique(known, return_counts=True)
        if len(codes) < 2 or len(known) < _ROWS_PER_CLASS * len(codes):
            continue
        rarest, commonest = int(counts.argmin()), int(counts.argmax())
        if counts[rarest] < _RARE * len(known) / len(codes):
            names = [target.classes[int(codes[place])] for place in (rarest, commonest)]
            shares = [float(counts[place] / len(known)) for place in (rarest, commonest)]
            yield fault.found(
                f"target '{target.name}'",
                f"class '{names[0]}' has {share(shares[0])} of the rows ({counts[rarest]:,} of {len(known):,}), "
                f"'{names[1]}' {share(shares[1])}",
                rarest=names[0], share=shares[0], rows=int(counts[rarest]), commonest=names[1], of=len(known),
            )  # fmt: skip


@DATA.check(
    Fault(
        code="D107",
        title="rows that stand on both sides of the split",
        why="The network is tested on rows that it has seen, so remembering looks like understanding.",
        repair="Drop repeated rows before splitting: numpy.unique(x, axis=0), or DataFrame.drop_duplicates().",
        meaning="At least 2 % of the rows held out stand in the training rows, too, in every column; or a table "
        "repeats so many rows that any random split parts some of them. Rows of a few categories, which agree by "
        "chance, are not counted.",
        causes="Data joined from overlapping exports; the rare class repeated before the split; overlapping windows of "
        "one recording; validation data made from the training data by mistake.",
        signs="len(x) - len(numpy.unique(x, axis=0)) counts repeats; test figures far better than on new data.",
        repairs=(
            "Drop repeated rows first, then split.",
            "Repeat or augment rows of a rare class in the training part only.",
            "Where rows belong together (one patient, one recording), keep all of a group on one side.",
        ),
        source="Kapoor & Narayanan, Leakage and the Reproducibility Crisis (2023)",
    )
)
def twins(fault: Fault, data: DataView) -> Iterator[Finding]:
    found = data.twins
    if found is None:
        return
    usual = _REPEATED + _CORRELATED * found.by_chance
    if found.twins < max(_FEWEST_TWINS, usual * found.rows):
        return
    part = found.twins / found.rows
    held = f"{found.twins:,} of {found.rows:,} rows ({share(part)})"
    yield fault.found(
        "the table" if found.within else "training and validation data",
        f"{held} stand in the table a second time" if found.within else f"{held} held out are training rows, too",
        twins=found.twins, rows=found.rows, share=part, by_chance=found.by_chance,
    )  # fmt: skip


def _columns(names: list[str]) -> str:
    return f"column{'s' * (len(names) != 1)} {listed(names)}"
