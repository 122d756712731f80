"""Each fault planted is found, with the numbers that show it worked out here; and what cannot be diagnosed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import ArgumentError, DataError, DtypeError, LabelError, ShapeError, StateError
from pellucid.explain.doctor import FAULTS, Diagnosis, Finding
from pellucid.initializers import Constant, RandomNormal
from pellucid.layers import Conv2D, Dense, Flatten, Input
from pellucid.optimizers import SGD, Adam

Planted = tuple[Any, Any, Any, Any]  # model, x, y, validation data
PLANTED: dict[str, list[Callable[[], tuple[Planted, dict[str, Any]]]]] = {}


def planted(code: str) -> Callable[[Any], Any]:
    def keep(function: Callable[[], tuple[Planted, dict[str, Any]]]) -> Any:
        PLANTED.setdefault(code, []).append(function)
        return function

    return keep


def data(rows: int = 600) -> tuple[Any, Any]:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 4)).astype(np.float32)
    return x, (x[:, 0] - 2 * x[:, 1] + 0.3 * draw.normal(size=rows)).astype(np.float32)


def network(activation: str = "relu", last: str | None = None, units: int = 1, **options: Any) -> pl.Sequential:
    return pl.Sequential([Input((4,)), Dense(16, activation, **options), Dense(units, last)], seed=0)


def fit(
    model: pl.Model, x: Any, y: Any, optimizer: Any = "adam", loss: str = "mse", epochs: int = 10, **options: Any
) -> Any:
    model.compile(optimizer, loss)
    model.fit(x, y, epochs=epochs, verbose=0, **options)
    return model


@planted("D101")
def nan_and_infinity() -> Any:
    x, y = data()
    model = fit(network(), x, y)
    x[3, 2], x[5, 1] = np.nan, np.inf
    return (model, x, y, None), {"nan": 1, "infinite": 1, "cells": 2400, "row": 3}


@planted("D101")
def a_label_without_a_value() -> Any:
    x, y = data()
    model = fit(network(), x, y)
    y[7] = np.nan
    return (model, x, y, None), {"nan": 1, "infinite": 0, "cells": 600, "row": 7}


@planted("D101")
def no_row_without() -> Any:
    x, y = data()
    model = fit(network(), x, y)
    x = x.astype(np.float64)
    x[:, 2] = 1e39  # beyond float32
    return (model, x, y, None), {"nan": 0, "infinite": 600, "row": 0}


@planted("D102")
def thousands_beside_ones() -> Any:
    x, y = data()
    x[:, 2] *= 5000
    size = np.sqrt((x[:, 2].astype(np.float64) ** 2).mean())
    found = {"size": pytest.approx(size, rel=1e-5), "columns": 1, "largest": pytest.approx(x[:, 2].max())}
    return (fit(network(), x, y), x, y, None), found


@planted("D102")
def pixels_to_255() -> Any:
    x = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1)).astype(np.float32)
    y = (x[:, :4].mean(axis=(1, 2, 3)) > 127).astype(np.float32)
    model = pl.Sequential([Input((8, 8, 1)), Conv2D(4, 3, activation="relu"), Flatten(), Dense(1, "sigmoid")], seed=0)
    return (fit(model, x, y, loss="binary_crossentropy", epochs=2), x, y, None), {"least": 0.0, "largest": 255.0}


@planted("D102")
def millionths() -> Any:
    x, y = data()
    return (fit(network(), x, y, epochs=0), x * np.float32(1e-6), y, None), {"columns": 4, "limit": 1e-3}


@planted("D103")
def always_seven() -> Any:
    x, y = data()
    x[:, 3] = 7
    return (fit(network(), x, y), x, y, None), {"columns": {"x[3]": 7.0}, "rows": 600}


@planted("D104")
def in_another_unit() -> Any:
    x, y = data()
    x[:, 3] = 2 * x[:, 2] + 1
    found = {"columns": ["x[2]", "x[3]"], "correlation": pytest.approx(1.0, abs=1e-5), "pairs": 1}
    return (fit(network(), x, y), x, y, None), found


@planted("D105")
def the_target_with_noise() -> Any:
    x, y = data()
    x[:, 3] = y / 2 + 0.001 * np.random.default_rng(1).normal(size=600)
    r = np.corrcoef(x[:, 3].astype(np.float64), y)[0, 1]
    return (fit(network(), x, y), x, y, None), {"column": "x[3]", "explained": pytest.approx(r * r, rel=1e-6)}


@planted("D105")
def the_target_on_another_scale() -> Any:
    x, y = data()
    x[:, 3] = np.exp(y / 2)  # the order alone gives it away
    found = {"column": "x[3]", "explained": pytest.approx(1.0)}
    return (fit(network(), x, y), x, y, None), found


@planted("D105")
def the_class_itself() -> Any:
    x, y = data()
    y = (y > 0).astype(np.float32)
    x[:, 3] = 5 - 2 * y
    model = fit(network(last="sigmoid"), x, y, loss="binary_crossentropy")
    return (model, x, y, None), {"column": "x[3]", "explained": pytest.approx(1.0)}


@planted("D106")
def three_in_a_hundred() -> Any:
    x, y = data()
    y = (y > np.quantile(y, 0.97)).astype(np.float32)
    model = fit(network(last="sigmoid"), x, y, Adam(0.01), "binary_crossentropy", 60)
    return (model, x, y, None), {"rarest": "1", "rows": 18, "of": 600, "share": 0.03, "commonest": "0"}


@planted("D107")
def training_rows_held_out() -> Any:
    x, y = data()
    mixed = np.concatenate([x[100:150], data(700)[0][600:]]), np.concatenate([y[100:150], data(700)[1][600:]])
    return (fit(network(), x, y), x, y, mixed), {"twins": 50, "rows": 150, "share": pytest.approx(1 / 3)}


@planted("D201")
def one_hot_for_class_numbers() -> Any:
    x, _ = data()
    labels = np.arange(600) % 3
    model = fit(network(last="softmax", units=3), x, labels, loss="sparse_categorical_crossentropy", epochs=3)
    return (model, x, np.eye(4)[labels], None), {"loss": "sparse_categorical_crossentropy", "activation": "softmax"}


@planted("D202")
def numbers_through_a_sigmoid() -> Any:
    x, y = data()
    outside = float(((y < -1e-3) | (y > 1 + 1e-3)).mean())
    found = {"least": float(y.min()), "largest": float(y.max()), "outside": pytest.approx(outside)}
    return (fit(network(last="sigmoid"), x, y), x, y, None), found


@planted("D202")
def several_classes_through_softmax() -> Any:
    x, _ = data()
    y = (x[:, :3] > 0).astype(np.float32)
    model = fit(network(last="softmax", units=3), x, y, loss="binary_crossentropy")
    return (model, x, y, None), {"outside": pytest.approx((y.sum(axis=1) != 1).mean()), "largest_total": 3.0}


@planted("D203")
def class_numbers_as_amounts() -> Any:
    x, _ = data()
    y = np.arange(600) % 3
    x[:, 0] += 3 * y
    return (fit(network(), x, y, epochs=20), x, y, None), {"classes": 3, "loss": "mean_squared_error"}


@planted("D301")
def biases_far_below_zero() -> Any:
    x, y = data()
    model = fit(network(bias_initializer=Constant(-30.0)), x, y, epochs=5)
    return (model, x, y, None), {"dead": 16, "units": 16, "rows": 600}


@planted("D301")
def ten_of_sixteen() -> Any:
    x, y = data()
    model = fit(network(), x, y, epochs=0)
    kernel, bias, *others = model.get_weights()
    bias[:10], bias[10:] = -50.0, 1.0
    model.set_weights([kernel, bias, *others])
    return (model, x, y, None), {"dead": 10, "units": 16}


@planted("D302")
def tanh_with_large_weights() -> Any:
    x, y = data()
    model = fit(network("tanh", kernel_initializer=RandomNormal(stddev=20.0)), x, y, epochs=5)
    kernel, bias = (one.astype(np.float64) for one in model.get_weights()[:2])
    flat = (np.abs(np.tanh(x.astype(np.float64) @ kernel + bias)) > 0.96).mean()
    return (model, x, y, None), {"flat": pytest.approx(flat, abs=1e-3), "activation": "tanh"}


@planted("D302")
def sigmoid_with_large_weights() -> Any:
    x, y = data()
    model = fit(network("sigmoid", kernel_initializer=RandomNormal(stddev=30.0)), x, y, epochs=5)
    return (model, x, y, None), {"activation": "sigmoid", "rows": 600}


@planted("D303")
def ten_sigmoids() -> Any:
    x, y = data()
    names = [f"sigmoid_{i}" for i in range(10)]
    layers = [Dense(16, "sigmoid", name=name) for name in names]
    model = fit(pl.Sequential([Input((4,)), *layers, Dense(1)], seed=0), x, y, epochs=1)
    norms = gradient_norms(model, x, y)
    weak = [name for i, name in enumerate(names) if norms[name] < 1e-3 * max([*norms.values()][i + 1 :])]
    return (model, x, y, None), {"layers": weak, "norm": pytest.approx(norms["sigmoid_0"], rel=1e-3)}


@planted("D304")
def weights_too_large_for_the_width() -> Any:
    x, y = data()
    layers = [Dense(32, "relu", kernel_initializer=RandomNormal(stddev=0.7), name=f"relu_{i}") for i in range(8)]
    model = fit(pl.Sequential([Input((4,)), *layers, Dense(1, name="last")], seed=0), x, y, epochs=0)
    norms = gradient_norms(model, x, y)
    return (model, x, y, None), {
        "norm": pytest.approx(norms["relu_0"], rel=1e-3), "last": pytest.approx(norms["last"], rel=1e-3)
    }  # fmt: skip


@planted("D305")
def frozen_at_zero() -> Any:
    x, y = data()
    layers = [Dense(8, "tanh", kernel_initializer="zeros", trainable=False), Dense(1)]
    model = fit(pl.Sequential([Input((4,)), *layers], seed=0), x, y + 3, SGD(0.02), epochs=30)
    answer = abs(float(model.predict(x[:1])[0, 0]))
    return (model, x, y + 3, None), {"spread": pytest.approx(0.0, abs=1e-5), "size": pytest.approx(answer, rel=1e-5)}


@planted("D306")
def a_weight_that_is_nan() -> Any:
    x, y = data()
    model = fit(network(name="hidden"), x, y, epochs=0)
    kernel, *others = model.get_weights()
    kernel[0, 0] = np.nan
    model.set_weights([kernel, *others])
    return (model, x, y, None), {"weights": ["hidden/kernel"]}


@planted("D401")
def one_weight_that_jumps_over_the_valley() -> Any:
    x, y = data()
    model = fit(pl.Sequential([Input((4,)), Dense(1)], seed=0), x, y, SGD(1.02), epochs=20, batch_size="all")
    losses = model.history.history["loss"]
    return (model, x, y, None), {
        "first": losses[0],
        "last": losses[-1],
        "lowest": min(losses),
        "rate": pytest.approx(1.02, rel=1e-6),
    }


@planted("D402")
def a_hundred_thousandth() -> Any:
    x, y = data()
    model = fit(network(), x, y, Adam(1e-5), epochs=20)
    return (model, x, y, None), {
        "rate": pytest.approx(1e-5, rel=1e-6),
        "steps": 380,
        "last": model.history.history["loss"][-1],
    }


@planted("D403")
def more_weights_than_rows() -> Any:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(120, 20)).astype(np.float32)
    y = (x[:, 0] + draw.normal(size=120) > 0).astype(np.float32)
    model = pl.Sequential([Input((20,)), Dense(128, "relu"), Dense(128, "relu"), Dense(1, "sigmoid")], seed=0)
    held = x[60:], y[60:]
    fit(model, x[:60], y[:60], loss="binary_crossentropy", epochs=80, validation_data=held)
    found = {"held_out_loss": pytest.approx(model.evaluate(*held)), "lowest": min(model.history.history["val_loss"])}
    return (model, x[:60], y[:60], held), found


@planted("D403")
def known_from_the_history() -> Any:
    (model, x, y, _), _ = more_weights_than_rows()
    return (model, x, y, None), {"held_out_loss": model.history.history["val_loss"][-1], "epochs": 80}


@planted("D404")
def a_line_through_waves() -> Any:
    x, _ = data()
    y = np.sin(6 * x[:, 0]) * np.sin(5 * x[:, 1])
    model = fit(pl.Sequential([Input((4,)), Dense(1)], seed=0), x, y, Adam(0.01), epochs=30)
    found = {"guess": pytest.approx(float(y.var())), "loss": pytest.approx(model.evaluate(x, y)), "epochs": 30}
    return (model, x, y, None), found


@planted("D405")
def fifteen_steps() -> Any:
    x, y = data(3000)
    model = fit(network(), x, y, epochs=15, batch_size="all")
    return (model, x, y, None), {"batch": 3000, "rows": 3000, "steps": 15}


@planted("D406")
def one_row_at_a_time() -> Any:
    x, y = data(1000)
    y += 3 * np.random.default_rng(3).normal(size=1000).astype(np.float32)
    model = fit(network("tanh"), x, y, SGD(0.02), epochs=10, batch_size=1)
    losses = np.array(model.history.history["loss"])
    return (model, x, y, None), {"batch": 1, "steps_per_epoch": 1000, "rises": int((np.diff(losses) > 0).sum())}


def gradient_norms(model: Any, x: Any, y: Any) -> dict[str, float]:
    """The norm of the loss's gradient at each layer's outputs, by hand in float64 on the rows that are looked at."""
    h, target = x.astype(np.float64), y.astype(np.float64)
    layers, values = model.layers, [h]
    for layer in layers:
        kernel, bias = (one.astype(np.float64) for one in layer.get_weights())
        z = values[-1] @ kernel + bias
        kind = layer.get_config()["activation"]
        values.append(1 / (1 + np.exp(-z)) if kind == "sigmoid" else np.maximum(z, 0) if kind == "relu" else z)
    g = 2 * (values[-1][:, 0] - target)[:, None] / len(x)
    norms = {}
    for layer, value in zip(layers[::-1], values[:0:-1], strict=True):
        norms[layer.name] = float(np.sqrt((g**2).sum()))
        kind = layer.get_config()["activation"]
        slope = value * (1 - value) if kind == "sigmoid" else (value > 0) if kind == "relu" else 1.0
        g = (g * slope) @ layer.get_weights()[0].astype(np.float64).T
    return dict(reversed(norms.items()))


CASES = [pytest.param(code, plant, id=f"{code}-{plant.__name__}") for code, some in PLANTED.items() for plant in some]


@pytest.mark.parametrize(("code", "plant"), CASES)
def test_the_planted_fault_is_found(code: str, plant: Any) -> None:
    (model, x, y, held), evidence = plant()
    diagnosis = model.diagnose(x, y, held)
    assert diagnosis.codes == [code]
    (finding,) = diagnosis.findings
    for name, value in evidence.items():
        assert finding.evidence[name] == value, name
    assert finding.why == FAULTS[code].why
    assert finding.repair
    assert f"{code}  {finding.title}: {finding.where}" in diagnosis.text()
    assert finding.repair in " ".join(diagnosis.text().split())


def test_every_fault_is_planted() -> None:
    assert {*PLANTED, "D501"} == set(FAULTS)  # D501 is an error of training: see test_nonfinite


def test_columns_have_the_names_of_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    x, y = data()
    x[:, 3] = 0
    x[2, 1] = np.inf
    frame = pandas.DataFrame(x, columns=["age", "height", "weight", "member"])
    model = fit(network(), np.nan_to_num(x, posinf=0.0), y)
    frame["weight"] *= 1000
    diagnosis = model.diagnose(frame, y)
    assert diagnosis.codes == ["D101", "D102", "D103"]
    assert diagnosis.findings[1].where.startswith("column 'weight' at layer dense")
    assert diagnosis.findings[2].where == "column 'member'"
    assert diagnosis.left_out == ("the network saw only the 599 rows without NaN and infinity",)


def test_a_consequence_is_not_reported_beside_its_cause() -> None:
    (model, x, y, _), _ = biases_far_below_zero()
    assert model.diagnose(x, y).codes == ["D301"]  # the input is ignored and nothing learned because of it


def test_large_data_are_sampled() -> None:
    x = np.random.default_rng(0).normal(size=(200_000, 4)).astype(np.float32)
    model = fit(network(), x[:1000], x[:1000, 0], epochs=3)
    x[150_001, 2] = np.nan
    diagnosis = model.diagnose(x, x[:, 0] + np.sin(x[:, 1]))
    assert diagnosis.codes == ["D101"]
    assert diagnosis.findings[0].evidence["row"] == 150_001
    assert "on 1,024 of the rows" in diagnosis.looked_at[1]


def test_rows_of_few_categories_are_alike_by_chance() -> None:
    draw = np.random.default_rng(0)
    x = np.stack([draw.integers(0, size, 800) for size in (3, 2, 4, 30)], axis=1).astype(np.float32) / 10
    y = 10 * x[:, 0] + 100 * x[:, 1] * x[:, 2] + 0.3 * draw.normal(size=800)
    model = fit(network(), x, y)
    assert model.diagnose(x[:600], y[:600], (x[600:], y[600:])).codes == []
    assert (x[600:, None] == x[None, :600]).all(axis=2).any(axis=1).mean() > 0.5  # though most stand on both sides


def test_few_rows() -> None:
    x, y = data()
    model = fit(network(), x, y)
    for rows in (1, 2, 5):
        assert model.diagnose(x[:rows], y[:rows]).codes == []


def test_several_inputs_and_outputs() -> None:
    x, y = data()
    a, b = Input((4,), name="a"), Input((2,), name="b")
    h = pl.layers.Concatenate()([Dense(8, "relu")(a), Dense(4, "relu")(b)])
    model = pl.Model([a, b], [Dense(1, name="amount")(h), Dense(1, "sigmoid", name="chance")(h)], seed=0)
    model.compile("adam", {"amount": "mse", "chance": "binary_crossentropy"})
    inputs, labels = {"a": x, "b": x[:, 2:]}, {"amount": y, "chance": y > 0}
    model.fit(inputs, labels, epochs=20, verbose=0)
    assert model.diagnose(inputs, labels).codes == ["D104", "D104"]  # b repeats two columns of a
    labels["chance"] = y
    assert "D201" in model.diagnose(inputs, labels).codes


def test_refusals() -> None:
    x, y = data()
    with pytest.raises(StateError, match="compile"):
        network().diagnose(x, y)
    model = fit(network(), x, y, epochs=1)
    with pytest.raises(DataError, match="empty"):
        model.diagnose(np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(DtypeError, match="not a number"):
        model.diagnose([["a", "b", "c", "d"]], [1.0])
    with pytest.raises(LabelError, match="text"):
        model.diagnose(x, ["yes"] * 600)
    with pytest.raises(ShapeError, match="too few"):
        model.diagnose(x[:, :3], y)
    with pytest.raises(DataError, match="600 rows"):
        model.diagnose(x, y[:10])
    with pytest.raises(ArgumentError, match="arrays"):
        model.diagnose(x, None)
    with pytest.raises(ArgumentError, match="validation_data"):
        model.diagnose(x, y, validation_data=3)


def test_on_another_executor() -> None:
    (model, x, y, _), evidence = ten_of_sixteen()
    model.run_on("numpy")
    (finding,) = model.diagnose(x, y).findings
    assert finding.evidence["dead"] == evidence["dead"]


def test_a_diagnosis_as_plain_values() -> None:
    finding = Finding("D301", "dead ReLUs", "layer a", "3 of 4", {"dead": 3}, "why", "repair")
    diagnosis = Diagnosis((finding,), ("data",))
    assert diagnosis.to_json()["findings"][0]["evidence"] == {"dead": 3}
    assert diagnosis
    assert not Diagnosis(())
    assert "nothing found" in Diagnosis(()).text()
