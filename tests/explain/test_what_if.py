"""What-if and Grad-CAM: beside predictions, hand-worked maps and PyTorch."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import layers
from pellucid.errors import ArgumentError, ShapeError, UnknownNameError

DRAW = numpy.random.default_rng(8)

# What-if


def test_a_changed_element_and_what_it_changes_inside() -> None:
    model = pellucid.Sequential(
        [
            pellucid.Input((3,)),
            layers.Dense(6, "relu", name="hidden"),
            layers.Dropout(0.5),
            layers.Dense(2, name="out"),
        ],
        seed=0,
    )
    x = DRAW.normal(size=(1, 3)).astype("float32")
    found = model.what_if(x, {"b": 2.5}, names=["a", "b", "c"])
    other = x.copy()
    other[0, 1] = 2.5
    before, after = model.predict(x)[0], model.predict(other)[0]
    numpy.testing.assert_allclose([one.before for one in found.outputs], before, rtol=1e-6)
    numpy.testing.assert_allclose([one.after for one in found.outputs], after, rtol=1e-6)
    assert [layer.name for layer in found.layers] == ["hidden", "out"]  # dropout hands on what it gets
    hidden = model.trace(other)["hidden"].activation[0] - model.trace(x)["hidden"].activation[0]
    ranked = numpy.argsort(-abs(hidden), kind="stable")
    units = [f"hidden[{i}]" for i in ranked if hidden[i]][:5]
    assert [unit.name for unit in found.layers[0].units] == units
    assert found.layers[0].units[0].difference == pytest.approx(hidden[ranked[0]], rel=1e-5)
    assert found.changes[0][0::2] == ("b", "2.5")
    assert model.what_if(x, {1: 2.5}).outputs == found.outputs
    assert "b" in found.html()
    json.dumps(found.to_json())
    assert found.text().startswith("with b ")


def test_a_pixel_and_one_of_several_inputs() -> None:
    a, b = pellucid.Input((2,), name="a"), pellucid.Input((4, 4, 1), name="b")
    x = layers.Concatenate()([a, layers.Flatten()(b)])
    model = pellucid.Model([a, b], layers.Dense(1, name="out")(x), seed=0)
    values = [numpy.ones((1, 2), "float32"), numpy.ones((1, 4, 4, 1), "float32")]
    found = model.what_if(values, {(2, 3, 0): 5.0}, input="b")
    weight = float(model.get_weights()[0][2 + 11, 0])
    assert found.outputs[0].difference == pytest.approx(4 * weight, rel=1e-4)
    with pytest.raises(ArgumentError, match="input= one of a, b"):
        model.what_if(values, {0: 1.0})
    with pytest.raises(UnknownNameError, match="Known: a, b"):
        model.what_if(values, {0: 1.0}, input="c")
    with pytest.raises(ArgumentError, match=r"place \(4, 0, 0\) is not in an example of shape \[4, 4, 1\]"):
        model.what_if(values, {(4, 0, 0): 1.0}, input="b")
    with pytest.raises(UnknownNameError, match="element"):
        model.what_if(values, {"left": 1.0}, input="a")
    with pytest.raises(ArgumentError, match="changes is empty"):
        model.what_if(values, {}, input="a")
    with pytest.raises(ShapeError, match="one example"):
        model.what_if([numpy.ones((2, 2)), numpy.ones((2, 4, 4, 1))], {0: 1.0}, input="a")


def test_columns_of_a_table() -> None:
    rows = {"m2": DRAW.uniform(20, 200, 200).tolist(), "city": DRAW.choice(["Oslo", "Lima"], 200).tolist()}
    rows["price"] = [2 * m + 50 * (c == "Lima") for m, c in zip(rows["m2"], rows["city"], strict=True)]
    model = pellucid.TableModel.train(rows, "price", epochs=5, seed=1, verbose=0)
    found = model.what_if(rows, {"city": "Lima", "m2": 80.0}, row=3)
    before = {name: [values[3]] for name, values in rows.items()}
    assert found.outputs[0].before == pytest.approx(float(model.predict(before)[0]), rel=1e-5)
    expected = float(model.predict({**before, "city": ["Lima"], "m2": [80.0]})[0])
    assert found.outputs[0].after == pytest.approx(expected, rel=1e-5)
    assert found.outputs[0].name == "price"
    assert found.changes[0] == ("city", rows["city"][3], "Lima")
    assert {unit.name for layer in found.layers for unit in layer.units if layer.name == "fill_missing"} == {"m2"}
    with pytest.raises(UnknownNameError, match="did you mean 'city'"):
        model.what_if(rows, {"citi": "Lima"}, row=0)


# Grad-CAM


def test_grad_cam_beside_pytorch() -> None:
    torch = pytest.importorskip("torch")
    model = pellucid.Sequential(
        [
            pellucid.Input((9, 9, 1)),
            layers.Conv2D(3, 3, activation="relu", name="first"),
            layers.Conv2D(4, 2, activation="relu", name="second"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ],
        seed=2,
    )
    k1, b1, k2, b2, w, b = (torch.tensor(weight, dtype=torch.float64) for weight in model.get_weights())
    x = DRAW.normal(size=(1, 9, 9, 1)).astype("float32")
    image = torch.tensor(x, dtype=torch.float64).permute(0, 3, 1, 2)
    first = torch.relu(torch.nn.functional.conv2d(image, k1.permute(3, 2, 0, 1), b1))
    second = torch.relu(torch.nn.functional.conv2d(first, k2.permute(3, 2, 0, 1), b2))
    maps = {"first": first, "second": second}
    for name in maps:
        leaf = maps[name].detach().requires_grad_()
        after = leaf
        if name == "first":
            after = torch.relu(torch.nn.functional.conv2d(leaf, k2.permute(3, 2, 0, 1), b2))
        (after.permute(0, 2, 3, 1).flatten(1) @ w + b)[0, 1].backward()
        weights = leaf.grad[0].mean((1, 2))
        expected = torch.relu((weights[:, None, None] * leaf.detach()[0]).sum(0)).numpy()
        found = model.grad_cam(x, output=1, layer=name)
        numpy.testing.assert_allclose(found.coarse, expected, rtol=1e-4, atol=1e-6)
        numpy.testing.assert_allclose(found.weights, weights.numpy(), rtol=1e-4, atol=1e-7)
        big = torch.nn.functional.interpolate(
            torch.tensor(expected)[None, None], size=(9, 9), mode="bilinear", align_corners=False
        )
        numpy.testing.assert_allclose(found.map, big[0, 0].numpy(), rtol=1e-4, atol=1e-6)
    assert model.grad_cam(x).layer == "second"


def test_it_looks_where_the_class_is() -> None:
    """A filter that sees vertical bars, in front of global average pooling."""
    model = pellucid.Sequential(
        [
            pellucid.Input((12, 12, 1)), layers.Conv2D(2, 3, activation="relu", name="bars"),
            layers.GlobalAveragePooling2D(), layers.Dense(2, "softmax"),
        ]
    )  # fmt: skip
    upright = numpy.array([[-1, 2, -1]] * 3, "float32")
    model.set_weights([numpy.stack([upright, upright.T], -1)[:, :, None], [0, 0], [[5, 0], [0, 5]], [0, 0]])
    x = numpy.zeros((1, 12, 12, 1), "float32")
    x[0, 1:5, 2] = 1.0
    x[0, 9, 6:10] = 1.0
    for output, (row, column) in ((0, (3, 2)), (1, (9, 8))):
        found = model.grad_cam(x, output=output, classes=["upright", "level"])
        at = numpy.unravel_index(found.map.argmax(), found.map.shape)
        assert abs(at[0] - row) <= 1
        assert abs(at[1] - column) <= 1
    assert found.what == "the probability of level"
    assert found.html().count("data:image/png") == 2
    assert found.plot().images
    json.dumps(found.to_json())


def test_sequences_and_nested_networks() -> None:
    model = pellucid.Sequential(
        [pellucid.Input((20, 2)), layers.Conv1D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(1)], seed=0
    )
    found = model.grad_cam(DRAW.normal(size=(1, 20, 2)).astype("float32"))
    assert found.coarse.shape == (18,)
    assert found.map.shape == (20,)
    assert found.plot().get_xlabel() == "step"
    assert found.html().count("data:image/png") == 2
    inner = pellucid.Sequential([pellucid.Input((6, 6, 1)), layers.Conv2D(2, 3, name="deep")], name="inner")
    outer = pellucid.Sequential([pellucid.Input((6, 6, 1)), inner, layers.Flatten(), layers.Dense(1)], seed=0)
    assert outer.grad_cam(numpy.ones((1, 6, 6, 1))).layer == "inner/deep"


def test_refusals() -> None:
    flat: Any = pellucid.Sequential([pellucid.Input((4,)), layers.Dense(2), layers.ReLU()])
    with pytest.raises(ArgumentError, match="the network has none; it has: Dense, ReLU"):
        flat.grad_cam(numpy.ones((1, 4)))
    model = pellucid.Sequential(
        [pellucid.Input((6, 6, 1)), layers.Conv2D(2, 3, name="conv"), layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(UnknownNameError, match="Known: conv"):
        model.grad_cam(numpy.ones((1, 6, 6, 1)), layer="dense")
    with pytest.raises(ArgumentError, match="has 2 classes"):
        model.grad_cam(numpy.ones((1, 6, 6, 1)), output=5)


def test_a_category_that_training_did_not_meet_is_noted() -> None:
    table = {
        "size": [float(i) for i in range(80)],
        "town": ["Rome", "Oslo"] * 40,
        "price": [2.0 * i for i in range(80)],
    }
    model = pellucid.TableModel.train(table, "price", hidden=(4,), epochs=2, seed=1, verbose=0)
    found = model.what_if(table, {"town": "Paris"}, row=0)
    assert len(found.notes) == 1
    assert "'Paris'" in found.notes[0]
    assert "note: column 'town'" in found.text()
    assert "taken as unknown" in found.html()
    assert found.to_json()["notes"] == list(found.notes)
    assert model.what_if(table, {"town": "Oslo"}, row=0).notes == ()
