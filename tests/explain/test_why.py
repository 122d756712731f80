"""Contributions to one prediction: beside hand-worked ones, gradients by PyTorch, and predictions of changed rows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import layers, plot
from pellucid.errors import ArgumentError, DataError, ShapeError, UnknownNameError

DRAW = numpy.random.default_rng(11)


class Product(pellucid.Layer):
    """The product of two columns."""

    def call(self, x: pellucid.Tensor) -> pellucid.Tensor:
        return x[:, :1] * x[:, 1:]


def adds_up(why: Any) -> None:
    total = why.baseline + sum(float(share.contributions.sum()) for share in why.inputs)
    assert total + why.gap == pytest.approx(why.prediction, rel=1e-9)
    assert abs(total - why.prediction) <= 0.01 * abs(why.prediction - why.baseline)


# Beside what is known by hand


def test_a_linear_network_is_explained_exactly() -> None:
    model = pellucid.Sequential([pellucid.Input((4,)), layers.Dense(3), layers.Dense(2, name="out")], seed=0)
    x, start = DRAW.normal(size=(2, 4)).astype("float32")
    (first, _, second, _) = model.get_weights()
    why = model.why(x[None], output=1, baseline=start)
    expected = (x - start).astype("float64") * (first.astype("float64") @ second)[:, 1]
    numpy.testing.assert_allclose(why.inputs[0].contributions, expected, rtol=1e-5, atol=1e-7)
    assert why.method == "weight × difference"
    assert why.what == "out[1]"
    assert why.prediction == pytest.approx(float(model.predict(x[None])[0, 1]), rel=1e-6)


def test_a_product_is_shared_in_halves() -> None:
    x = pellucid.Input((2,), name="x")
    model = pellucid.Model(x, Product()(x))
    why = model.why([[3.0, 5.0]])  # ∫ t·x₂·x₁ dt = x₁x₂ / 2 for each
    numpy.testing.assert_allclose(why.inputs[0].contributions, [7.5, 7.5], rtol=1e-4)
    assert why.method == "integrated gradients"


def test_tokens_by_their_vectors() -> None:
    ids = pellucid.Input((4,), dtype="int32", name="ids")
    table = layers.Embedding(6, 3, name="vectors")
    model = pellucid.Model(ids, layers.Dense(1, name="out")(layers.GlobalAveragePooling1D()(table(ids))), seed=0)
    why = model.why([[5, 2, 2, 0]], vocabulary=["", "the", "film", "is", "not", "good"])
    vectors, kernel, _ = (weight.astype("float64") for weight in model.get_weights())
    expected = (vectors[[5, 2, 2, 0]] - vectors[0]) @ kernel[:, 0] / 4
    numpy.testing.assert_allclose(why.inputs[0].contributions, expected, rtol=1e-5, atol=1e-8)
    assert why.inputs[0].labels == ("good", "film", "film", "")
    assert why["film"] == pytest.approx(2 * expected[1], rel=1e-5)  # both places together


def test_masked_tokens_contribute_nothing_and_an_lstm_adds_up() -> None:
    ids = pellucid.Input((9,), dtype="int32")
    h = layers.LSTM(12)(layers.Embedding(30, 6, mask_zero=True)(ids))
    model = pellucid.Model(ids, layers.Dense(1, "sigmoid", name="positive")(h), seed=2)
    for variable in model.variables:
        variable.assign(variable.value * 2.5)
    x = DRAW.integers(1, 30, (1, 9)).astype("int32")
    x[0, 6:] = 0
    why = model.why(x)
    adds_up(why)
    assert not why.inputs[0].contributions[6:].any()
    assert why.what == "the probability of positive"
    assert why.inputs[0].labels[0] == f"id {x[0, 0]}"


def test_several_inputs_and_outputs() -> None:
    a, b = pellucid.Input((2,), name="a"), pellucid.Input((6, 5), name="b")
    joined = layers.Concatenate()([a, layers.Flatten()(layers.GRU(4, return_sequences=True)(b))])
    h = layers.Dense(8, "relu")(joined)
    model = pellucid.Model(
        [a, b], [layers.Dense(1, name="size")(h), layers.Dense(3, "softmax", name="kind")(h)], seed=0
    )
    x = [DRAW.normal(size=(1, 2)).astype("float32"), DRAW.normal(size=(1, 6, 5)).astype("float32")]
    size, kind = model.predict(x)
    for output, value, words in (
        (None, size[0, 0], "size"),
        ("size", size[0, 0], "size"),
        ("kind", kind[0].max(), f"the probability of class {kind[0].argmax()}"),
        (("kind", 2), kind[0, 2], "the probability of class 2"),
    ):
        why = model.why(x, output=output)
        adds_up(why)
        assert why.prediction == pytest.approx(float(value), rel=1e-5)
        assert why.what == words
    assert [share.form for share in why.inputs] == ["columns", "picture"]
    assert why.inputs[1].contributions.shape == (6, 5)
    assert "a[1]" in why.text()
    assert plot.contributions(why, input="b").images


def test_a_sequence_is_explained_at_its_last_step_unless_told() -> None:
    ids = pellucid.Input((5,), dtype="int32")
    h = layers.LSTM(6, return_sequences=True)(layers.Embedding(8, 4)(ids))
    model = pellucid.Model(ids, layers.Dense(8, "softmax", name="next")(h), seed=1)
    x = numpy.array([[1, 2, 3, 4, 5]], "int32")
    expected = model.predict(x)[0]
    why = model.why(x)
    assert model.why(x, output=2, classes=list("ab cdefg")).what == "the probability of '␣' at step 4"
    assert why.prediction == pytest.approx(expected[4].max(), rel=1e-5)
    assert why.what == f"the probability of class {expected[4].argmax()} at step 4"
    early = model.why(x, output=(1, 3))
    assert early.prediction == pytest.approx(expected[1, 3], rel=1e-5)
    assert not early.inputs[0].contributions[2:].any()  # what comes later says nothing
    adds_up(early)


def test_pixels_of_bytes_and_columns_of_frames() -> None:
    model, x = picture_model()
    whole = (x * 255).astype("uint8")
    why, same = model.why(whole, baseline=0.5), model.why(whole.astype("float32"), baseline=0.5)
    numpy.testing.assert_array_equal(why.inputs[0].contributions, same.inputs[0].contributions)
    pandas = pytest.importorskip("pandas")
    flat = pellucid.Sequential([pellucid.Input((2,)), layers.Dense(1)], seed=0)
    frame = pandas.DataFrame({"hours": [3.0], "sleep": [7.0]})
    assert set(flat.why(frame).parts) == {"hours", "sleep"}
    assert flat.what_if(frame, {"sleep": 8.0}).changes == (("sleep", "7", "8"),)


def test_steps_of_a_series_stay_in_order() -> None:
    model = pellucid.Sequential([pellucid.Input((12, 1)), layers.LSTM(8), layers.Dense(1, name="next")], seed=0)
    x = numpy.sin(numpy.arange(12, dtype="float32"))[None, :, None]
    why = model.why(x)
    adds_up(why)
    assert why.inputs[0].form == "steps"
    bars = why.plot().patches
    numpy.testing.assert_allclose([bar.get_height() for bar in bars], why.inputs[0].contributions[:, 0], rtol=1e-6)
    page = why.html()
    assert page.index("step 2") < page.index("step 11")
    still = model.why(x, baseline=x)
    assert still.prediction == still.baseline
    assert not still.inputs[0].contributions.any()
    assert "sum +0" in still.text()
    assert still.plot()


def test_sequences_of_any_length() -> None:
    ids, extra = pellucid.Input((None,), dtype="int32", name="ids"), pellucid.Input((None, 2), name="extra")
    x = layers.Concatenate()([layers.Embedding(7, 3)(ids), extra])
    model = pellucid.Model([ids, extra], layers.Dense(1)(layers.GRU(5)(x)), seed=0)
    why = model.why([numpy.array([[1, 2, 3, 4]]), DRAW.normal(size=(1, 4, 2))])
    adds_up(why)
    assert [share.contributions.shape for share in why.inputs] == [(4,), (4, 2)]


# Beside gradients by PyTorch


def test_against_many_steps_by_pytorch() -> None:
    torch = pytest.importorskip("torch")
    model = pellucid.Sequential(
        [
            pellucid.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(10, activation="tanh"),
            layers.Dense(3, activation="softmax"),
        ],
        seed=4,
    )
    kernel, bias, w1, b1, w2, b2 = (torch.tensor(weight, dtype=torch.float64) for weight in model.get_weights())
    x = numpy.random.default_rng(8).normal(size=(1, 8, 8, 1)).astype("float32") * 2

    def forward(batch: Any) -> Any:
        h = torch.relu(torch.nn.functional.conv2d(batch.permute(0, 3, 1, 2), kernel.permute(3, 2, 0, 1), bias))
        h = torch.nn.functional.max_pool2d(h, 2).permute(0, 2, 3, 1).flatten(1)
        return torch.softmax(torch.tanh(h @ w1 + b1) @ w2 + b2, -1)

    steps = 600
    places = (torch.arange(steps, dtype=torch.float64) + 0.5) / steps
    points = (places[:, None, None, None] * torch.tensor(x, dtype=torch.float64)).requires_grad_()
    forward(points)[:, 2].sum().backward()
    expected = points.grad.mean(0).numpy() * x[0]
    why = model.why(x, output=2)
    found = why.inputs[0].contributions
    assert why.prediction == pytest.approx(float(forward(torch.tensor(x, dtype=torch.float64))[0, 2]), rel=1e-5)
    adds_up(why)
    assert abs(found - expected).max() < 0.02 * abs(expected).max()
    assert why.points < 500


# Tables: back to the columns that were given


def rows(count: int = 300) -> dict[str, list[Any]]:
    """Columns of every kind: skewed, with gaps, of few and many categories, dates, truth values, an order."""
    draw = numpy.random.default_rng(3)
    income = numpy.exp(draw.normal(size=count) * 1.4)
    age = [None if i % 11 == 0 else float(v) for i, v in enumerate(draw.uniform(18, 90, count))]
    city = draw.choice(["Lima", "Oslo", "Rome"], count, p=[0.2, 0.5, 0.3]).tolist()
    street = [f"street {i}" for i in draw.integers(0, 30, count)]
    member = draw.choice([True, False], count).tolist()
    size = draw.choice(["S", "M", "L"], count).tolist()
    joined = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(count)]
    y = numpy.log(income) * 3 + [0 if a is None else a / 30 for a in age] + [len(c) + 2 * (c == "Lima") for c in city]
    return {"income": income.tolist(), "age": age, "city": city, "street": street, "member": member, "size": size,
            "joined": joined, "y": y.tolist()}  # fmt: skip


def one(table: dict[str, list[Any]], row: int, **changes: Any) -> dict[str, list[Any]]:
    return {name: [changes.get(name, values[row])] for name, values in table.items()}


def test_without_hidden_layers_a_column_contributes_what_changing_it_alone_does() -> None:
    table = rows()
    model = pellucid.TableModel.train(table, "y", hidden=(), epochs=15, seed=1, verbose=0)
    other = one(table, 7)
    for row in (0, 1, 2):  # row 0 has no age
        why = model.why(table, row=row, baseline=other)
        base = float(model.predict(other)[0])
        for name in model.encoder.columns:
            alone = float(model.predict(one(table, 7, **{name: table[name][row]}))[0])
            assert why[name] == pytest.approx(alone - base, rel=1e-4, abs=1e-4)
        assert why.prediction == pytest.approx(float(model.predict(one(table, row))[0]), rel=1e-6)
        assert why.method == "weight × difference"
        adds_up(why)
    assert set(why.parts) == set(table) - {"y"}


def test_a_usual_row_is_the_average_and_the_commonest() -> None:
    table = rows()
    model = pellucid.TableModel.train(table, "y", epochs=5, seed=1, verbose=0)
    why = model.why(table, row=4)
    adds_up(why)
    (share,) = why.inputs
    usual = dict(zip(share.labels, share.usual, strict=True))
    assert usual["city"] == "Oslo"
    assert usual["joined"] == ""
    assert dict(zip(share.labels, share.shown, strict=True))["joined"].startswith("2024-05-05")
    assert float(usual["age"]) == pytest.approx(numpy.nanmean(numpy.array(table["age"], float)), rel=0.05)
    again = pellucid.TableModel._from_json(model.model, _record(model))
    assert again.encoder == model.encoder


def _record(model: pellucid.TableModel) -> dict[str, Any]:
    return {
        "version": 1, "schema": model.schema.to_json(), "encoder": model.encoder.to_json(),
        "settings": model.settings.to_json(), "source": model.source, "notices": model.notices,
        "test_metrics": model.test_metrics,
    }  # fmt: skip


def test_classes_by_name() -> None:
    fruit = {
        "weight": [150, 170, 140, 130, 120, 160, 155, 135] * 10,
        "texture": ["smooth", "smooth", "bumpy", "bumpy", "smooth", "bumpy", "smooth", "bumpy"] * 10,
        "fruit": ["apple", "apple", "orange", "orange", "apple", "orange", "apple", "orange"] * 10,
    }
    model = pellucid.TableModel.train(fruit, "fruit", epochs=30, seed=1, verbose=0)
    row = {"weight": [150], "texture": ["smooth"]}
    apple, orange = model.why(row), model.why(row, output="orange")
    adds_up(apple)
    adds_up(orange)
    assert apple.what == "the probability of fruit = apple"
    assert apple.prediction == pytest.approx(float(model.predict_proba(row)[0, 0]), rel=1e-6)
    assert apple["texture"] == pytest.approx(-orange["texture"], rel=1e-6)
    assert apple["texture"] > abs(apple["weight"])
    with pytest.raises(DataError, match=r"no class 'pear'\. There are: apple, orange"):
        model.why(row, output="pear")
    with pytest.raises(ArgumentError, match="choose one row, 0 to 79"):
        model.why(fruit)
    with pytest.raises(ArgumentError, match="row 80"):
        model.why(fruit, row=80)
    with pytest.raises(UnknownNameError, match="did you mean 'texture'"):
        apple["textur"]


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="the data sets are not here")
def test_houses_and_digits_add_up() -> None:
    folder = Path(os.environ["PELLUCID_DATA"])
    houses = pellucid.TableModel.train(folder / "housing.csv", "median_house_value", epochs=1, seed=0, verbose=0)
    for row in (0, 290, 15000):
        adds_up(houses.why(folder / "housing.csv", row=row))
    (x, y), _ = pellucid.datasets.mnist.load_data()
    digits = pellucid.Sequential(
        [
            pellucid.Input((28, 28, 1)), layers.Rescaling(1 / 255), layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(), layers.Flatten(), layers.Dense(10, activation="softmax"),
        ],
        seed=0,
    )  # fmt: skip
    digits.compile("adam", "sparse_categorical_crossentropy")
    digits.fit(x[:2000, ..., None], y[:2000], epochs=1, verbose=0)
    for place in range(5):
        adds_up(digits.why(x[place : place + 1, ..., None]))
        adds_up(digits.why(x[place : place + 1, ..., None], output=3))


# What is shown, and what is refused


def picture_model() -> tuple[pellucid.Model, numpy.ndarray]:
    model = pellucid.Sequential(
        [pellucid.Input((12, 10, 3), name="photo"), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2, "softmax")],
        seed=0,
    )
    return model, DRAW.uniform(size=(1, 12, 10, 3)).astype("float32")


def test_renderings(tmp_path: Path) -> None:
    model, x = picture_model()
    why = model.why(x, classes=["cat", "dog"], output="dog")
    assert why.inputs[0].pixels.shape == (12, 10)
    assert why.text().splitlines()[0].startswith("the probability of dog is 0.")
    assert "block of the picture\n" in why.text()
    page = why.html()
    assert page.count("data:image/png;base64,") == 2
    assert "the probability of dog" in page
    document = json.loads(json.dumps(why.to_json()))
    assert numpy.shape(document["inputs"][0]["contributions"]) == (12, 10, 3)
    for suffix in (".txt", ".html", ".json"):
        why.save(tmp_path / f"why{suffix}")
        assert (tmp_path / f"why{suffix}").stat().st_size > 100
    with pytest.raises(ArgumentError, match=r"must end in .txt, .html, .json"):
        why.save(tmp_path / "why.doc")
    ids = pellucid.Input((3,), dtype="int32")
    words = pellucid.Model(ids, layers.Dense(1)(layers.Flatten()(layers.Embedding(4, 2)(ids))), seed=0)
    page = words.why([[1, 2, 3]], vocabulary=["", "<b>", "is", "bold"]).html()
    assert "&lt;b&gt;</span>" in page
    assert "<b>" not in page.split("is made of")[1]
    assert why.plot().images
    bars = words.why([[1, 2, 3]]).plot()
    assert len(bars.patches) == 3


def test_refusals() -> None:
    model, x = picture_model()
    with pytest.raises(ShapeError, match=r"give a batch of one, for instance x\[:1\]"):
        model.why(numpy.concatenate([x, x]))
    with pytest.raises(ArgumentError, match="has 2 classes, 0 to 1; got 2"):
        model.why(x, output=2)
    with pytest.raises(UnknownNameError, match="did you mean 'dog'"):
        model.why(x, output="dot", classes=["cat", "dog"])
    with pytest.raises(ShapeError, match=r"baseline of 'photo' must be a number or an array \[12, 10, 3\]"):
        model.why(x, baseline=numpy.zeros((12, 10)))
    with pytest.raises(UnknownNameError, match="Known: photo"):
        model.why(x, baseline={"phot": 0.0})
    with pytest.raises(ArgumentError, match="names has 2 names for the 360 elements"):
        model.why(x, names=["a", "b"])
    ids = pellucid.Input((3,), dtype="int32", name="ids")
    words = pellucid.Model(ids, layers.Dense(1)(layers.Flatten()(layers.Embedding(4, 2)(ids))), seed=0)
    with pytest.raises(ArgumentError, match="baseline of 'ids' must be whole numbers"):
        words.why([[1, 2, 3]], baseline=0.5)
    with pytest.raises(ArgumentError, match="id 3 is outside the vocabulary of 2 words"):
        words.why([[1, 0, 3]], vocabulary=["", "a"])
    kept = pellucid.Sequential([pellucid.Input((4, 2)), layers.LSTM(3, stateful=True, name="kept"), layers.Dense(1)])
    with pytest.raises(ArgumentError, match="layer kept is stateful"):
        kept.why(numpy.ones((1, 4, 2)))
    counts = pellucid.Input((3,), dtype="int32", name="codes")
    mixed = pellucid.Model(counts, layers.Dense(1)(layers.CategoryEncoding(5, "count")(counts)), seed=0)
    with pytest.raises(ArgumentError, match="'codes' mixes its elements"):
        mixed.why([[1, 2, 3]])
