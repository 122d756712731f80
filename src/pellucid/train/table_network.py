"""The network for a table: preparation of raw columns, hidden layers, and an output that speaks the target's language.

All of it is one graph. Numbers come in as the table has them, NaN where missing; what training measured of them (fill
values, means, deviations, categories) stands in the layers, so that it is saved, run and explained with the network.

```
numbers ─ fill_missing ┬ log_scale ─ standardize ┐
                       └ ranges ─────────────────┤
category ─ one_hot ──────────────────────────────┼ features ─ hidden_1 ─ … ─ output ─ in_target_units
category ─ embedding ────────────────────────────┘
```
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy
from numpy.typing import NDArray

from pellucid.core.graph import Tensor
from pellucid.data.encoder import NUMBERS, Category, Encoder
from pellucid.nn.layers import (
    CategoryEncoding,
    Concatenate,
    Dense,
    Dropout,
    Embedding,
    FillMissing,
    Input,
    LogScale,
    Normalization,
    PiecewiseLinearEncoding,
    Rescaling,
)
from pellucid.train.model import Model

Boundaries = list[list[float]]
_FEWEST = 3  # ranges that tell more than the value itself


def measure_boundaries(numbers: NDArray[Any], ranges: int) -> Boundaries:
    """For each column the boundaries of at most so many ranges that hold equally many of the known values.

    None for a column of few values, such as 0 and 1.
    """
    found: Boundaries = []
    for column in numbers.T if ranges else ():
        known = column[~numpy.isnan(column)]
        edges = (
            numpy.unique(numpy.quantile(known, numpy.linspace(0.0, 1.0, ranges + 1)).astype(numpy.float32))
            if known.size
            else known
        )
        found.append(edges.tolist() if len(edges) > _FEWEST else [])
    return found if any(found) else []


def build_network(
    encoder: Encoder, boundaries: Boundaries, hidden: Sequence[int], activation: str, dropout: float, seed: int
) -> Model:
    """The network for what an encoder gives: one input of all numbers, and one of codes for each category column.

    With `boundaries` of its columns it also sees how far each number has come through the ranges between them.

    Its output is a number in the target's units (regression), the probability of the second of two classes, or one
    probability per class.
    """
    inputs: list[Tensor] = []
    parts: list[Tensor] = []
    if encoder.numbers:
        inputs.append(Input(shape=(len(encoder.numbers),), name=NUMBERS))
        parts.extend(_prepared(inputs[-1], encoder, boundaries))
    for category in encoder.categories:
        inputs.append(Input(shape=(), dtype="int32", name=category.name))
        parts.append(_vector(inputs[-1], category))
    x = Concatenate(name="features")(parts) if len(parts) > 1 else parts[0]
    for number, units in enumerate(hidden, 1):
        x = Dense(units, activation=activation, kernel_initializer=_initializer(activation), name=f"hidden_{number}")(x)
        if dropout:
            x = Dropout(dropout, name=f"dropout_{number}")(x)
    return Model(inputs, _output(x, encoder), name="table", seed=seed)


def element_names(encoder: Encoder, boundaries: Boundaries) -> dict[str, list[str]]:
    """What the elements of inputs and of preparing layers are, by the name of the input or layer."""
    numbers = list(encoder.number_names)
    missing = [f"{number.name} is missing" for number in encoder.numbers if number.has_missing]
    names = {NUMBERS: numbers, "fill_missing": [*numbers, *missing]}
    names["ranges"] = [
        f"{name} {low:,.6g} … {high:,.6g}"
        for name, edges in zip(numbers, boundaries, strict=False)
        for low, high in pairwise(edges)
    ]
    for category in encoder.categories:
        names[category.name] = [category.column]
        if category.one_hot:
            values = ["missing or unknown", *category.vocabulary]
            names[_layer_name(category)] = [f"{category.column} = {value}" for value in values]
        else:
            names[_layer_name(category)] = [f"{category.column} [{place}]" for place in range(category.width)]
    return names


def _prepared(x: Tensor, encoder: Encoder, boundaries: Boundaries) -> list[Tensor]:
    """Numbers filled, with a column of 0 and 1 for each that had gaps in training; logarithms; mean 0 and variance 1.

    And, of the filled numbers, the ranges.
    """
    skewed, gaps = numpy.flatnonzero(encoder.skewed), numpy.flatnonzero(encoder.has_missing)
    means = numpy.array([number.mean for number in encoder.numbers])
    variances = numpy.array([number.deviation for number in encoder.numbers]) ** 2
    average = means.copy()  # what becomes 0 in the end
    average[skewed] = numpy.expm1(means[skewed])
    x = filled = FillMissing(average.tolist(), gaps.tolist(), name="fill_missing")(x)
    if skewed.size:
        x = LogScale(skewed.tolist(), name="log_scale")(x)
    plain = [0.0] * gaps.size, [1.0] * gaps.size  # the indicators stay 0 and 1
    parts: list[Tensor] = [
        Normalization(mean=[*means.tolist(), *plain[0]], variance=[*variances.tolist(), *plain[1]], name="standardize")(
            x
        )
    ]
    if boundaries:
        edges: Boundaries = [*boundaries, *([] for _ in gaps)]
        parts.append(PiecewiseLinearEncoding(edges, name="ranges")(filled))
    return parts


def _vector(codes: Tensor, category: Category) -> Tensor:
    name = _layer_name(category)
    layer: Any = (
        CategoryEncoding(category.size, "one_hot", name=name)
        if category.one_hot
        else Embedding(category.size, category.width, name=name)
    )
    vector: Tensor = layer(codes)
    return vector


def _layer_name(category: Category) -> str:
    return f"{category.column} {'one_hot' if category.one_hot else 'embedding'}"


def _initializer(activation: str) -> str:
    """He et al. 2015 for units that are silent for half of their inputs, else Glorot & Bengio 2010."""
    return (
        "he_normal"
        if activation in ("relu", "leaky_relu", "elu", "gelu", "silu", "swish", "mish")
        else "glorot_uniform"
    )


def _output(x: Tensor, encoder: Encoder) -> Tensor:
    target = encoder.target
    assert target is not None, "a table network is made for a target"
    if target.task == "regression":
        # The loss is divided by the target's variance in `compile`, so that learning sees a standardised target.
        scaled = Dense(1, name="output")(x)
        result: Tensor = Rescaling(encoder.target_deviation, encoder.target_mean, name="in_target_units")(scaled)
    elif target.task == "binary":
        result = Dense(1, activation="sigmoid", name="output")(x)
    else:
        result = Dense(len(target.classes), activation="softmax", name="output")(x)
    return result
