"""Diagrams: what is drawn where, that its numbers are true, and that the file stays small and needs nothing else."""

from __future__ import annotations

import re
import time
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import pellucid
from pellucid import ops
from pellucid.errors import ArgumentError
from pellucid.explain.colours import HIDDEN, INPUT, NEGATIVE, OUTPUT, POSITIVE
from pellucid.layers import (
    LSTM,
    Activation,
    Add,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    MultiHeadAttention,
    Multiply,
    ReLU,
    TokenAndPositionEmbedding,
    TransformerDecoder,
)
from pellucid.plot.diagram import Diagram
from pellucid.plot.diagram_columns import compact, fold
from pellucid.plot.layering import Extent, layered
from pellucid.plot.shapes import Circle, Curve, Image, Label

SVG = "{http://www.w3.org/2000/svg}"


def student() -> pellucid.Model:
    """The articles' network: 2 inputs, 2 hidden neurons, 1 output."""
    x = Input(shape=(2,), name="student")
    h = ReLU()(Dense(2, name="hidden")(x))
    model = pellucid.Model(x, Activation("sigmoid")(Dense(1, name="passes")(h)), name="student")
    model.set_weights([[[0.5, -0.2], [0.1, 0.3]], [0.0, 0.1], [[0.7], [-0.5]], [0.0951]])
    model.compile("sgd", "binary_crossentropy")
    return model


def shapes(diagram: Diagram, kind: type) -> list:
    return [shape for shape in diagram.sheet.shapes if isinstance(shape, kind)]


def tips(diagram: Diagram) -> list[str]:
    return [shape.tip for shape in shapes(diagram, Curve) if shape.tip]


def parsed(diagram: Diagram) -> ElementTree.Element:
    return ElementTree.fromstring(diagram.svg())


# The student network


def test_the_student_network_is_drawn_as_in_the_article() -> None:
    diagram = student().diagram(x=[[2.0, 5.0]], y=[[0.0]])
    circles = shapes(diagram, Circle)
    assert [circle.colour for circle in circles] == [INPUT, INPUT, HIDDEN[0], HIDDEN[0], OUTPUT]
    texts = {label.text for label in shapes(diagram, Label)}
    # z₁ = 0.5·2 + 0.1·5 = 1.5, z₂ = −0.2·2 + 0.3·5 + 0.1 = 1.2, z₃ = 0.7·1.5 − 0.5·1.2 + 0.0951 = 0.5451, σ = 0.633
    assert {"2", "5", "1.5", "1.2", "0.633", "x₁", "h₂", "ŷ", "bias 0.1", "loss 1.0024"} <= texts
    assert {"0.5", "0.1", "−0.2", "0.3", "0.7", "−0.5"} <= texts


def test_contributions_are_values_times_weights() -> None:
    found = tips(student().diagram(show="contributions", x=[[2.0, 5.0]]))
    assert any("hidden/kernel[1,1] = 0.3" in tip and "value × weight = 1.5" in tip for tip in found)
    assert any("passes/kernel[0,0] = 0.7" in tip and "value × weight = 1.05" in tip for tip in found)


def test_gradients_are_those_of_the_chain_rule() -> None:
    diagram = student().diagram(show="gradients", x=[[2.0, 5.0]], y=[[0.0]])
    d3 = 1 / (1 + np.exp(-0.5451))  # ∂L/∂z₃ = ŷ − y
    expected = {"hidden/kernel[0,0]": d3 * 0.7 * 2, "hidden/kernel[1,1]": d3 * -0.5 * 5, "passes/kernel[1,0]": d3 * 1.2}
    for place, value in expected.items():
        (tip,) = [tip for tip in tips(diagram) if place in tip]
        written = tip.split("∂loss/∂weight = ")[1].replace("−", "-")
        assert float(written) == pytest.approx(value, rel=1e-4)


def test_thickness_and_colour_follow_size_and_sign() -> None:
    lines = {tip: line for line in shapes(student().diagram(), Curve) if (tip := line.tip)}
    by_weight = {float(re.search(r"= (.*)", tip.replace("−", "-"))[1]): line for tip, line in lines.items()}  # type: ignore[index]
    assert by_weight[0.7].colour == POSITIVE
    assert by_weight[-0.5].colour == NEGATIVE
    assert by_weight[0.5].width > by_weight[0.3].width > by_weight[-0.2].width > by_weight[0.1].width


def test_a_row_of_a_trace_is_chosen() -> None:
    model = student()
    trace = model.trace([[2.0, 5.0], [8.0, 8.0]])
    assert "x₁ = 8, x₂ = 8" in model.diagram(trace, row=1).text()
    with pytest.raises(ArgumentError, match="row must be 0 to 1, got 2"):
        model.diagram(trace, row=2)


# Wide networks


def wide() -> pellucid.Model:
    model = pellucid.Sequential([Input((784,)), Dense(128, "relu"), Dense(10, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_a_wide_network_is_folded_quick_and_small() -> None:
    model, x = wide(), np.random.default_rng(0).random((1, 784), np.float32)
    trace = model.trace(x, np.array([3]))
    began = time.perf_counter()
    text = model.diagram(trace, "contributions").svg()
    assert time.perf_counter() - began < 1.0
    assert len(text.encode()) < 300_000
    assert "784 values" in text
    assert "128 units" in text


def test_folding_keeps_the_ends_and_the_strongest() -> None:
    strength = np.zeros(100)
    strength[[40, 41, 70, 90]] = [1.0, -2.0, 3.0, 0.5]
    assert fold(100, strength) == [0, 1, 2, 40, 41, 70, 90, 97, 98, 99]
    assert fold(12, None) == list(range(12))
    tip = [label.tip for label in shapes(wide().diagram(), Label) if label.text == "⋮"]
    counts = [int(text.replace(",", "").split()[0]) for text in tip]
    assert sum(counts) == (784 - 10) + (128 - 10)


def test_numbers_that_do_not_fit_are_shortened() -> None:
    assert [compact(value) for value in (0.0, 1.0, -0.03821, 1234.6, 123456.0, 3.2e7, 1e-7)] == [
        "0", "1", "−0.0382", "1235", "123k", "32M", "1·10⁻⁷",
    ]  # fmt: skip


# Blocks


def test_a_convolutional_network_shows_its_feature_maps() -> None:
    layers = [Input((12, 12, 1)), Conv2D(8, 3, activation="relu"), MaxPooling2D(), Flatten(), Dropout(0.2), Dense(3)]
    model = pellucid.Sequential(layers, seed=0)
    x = np.random.default_rng(0).random((1, 12, 12, 1), np.float32)
    diagram = model.diagram(x=x)
    pictures = shapes(diagram, Image)
    assert len(pictures) == 1 + 3 + 3  # the input, and the strongest maps of both layers
    assert pictures[0].values == pytest.approx((x[0, :, :, 0] - x.min()) / (x.max() - x.min()), abs=1e-6)
    text = diagram.text()
    assert "conv2d: Conv2D, ReLU, 10 × 10 × 8" in text
    assert "flatten: Flatten, dropout 0.2, 200 values" in text
    assert "data:image/png;base64," in diagram.svg()


def test_a_residual_network_is_laid_out_without_overlaps() -> None:
    x = t = Input((16, 16, 3))
    for width in (4, 8):
        s = Conv2D(width, 1, name=f"shortcut_{width}")(t)
        t = BatchNormalization()(Conv2D(width, 3, padding="same")(t))
        t = ReLU()(BatchNormalization()(Conv2D(width, 3, padding="same")(ReLU()(t))))
        t = ReLU()(Add()([t, s]))
    model = pellucid.Model(x, Dense(4, "softmax")(GlobalAveragePooling2D()(t)))
    assert "add: Add, ReLU, 16 × 16 × 4, from batch_normalization_1 and shortcut_4" in model.diagram().text()
    assert [label.text for label in shapes(model.diagram(), Label)].count("+") == 2


def test_recurrence_attention_and_branches_are_drawn() -> None:
    a, b = Input((6, 4), name="a"), Input((3,), name="b")
    attended = MultiHeadAttention(2, 4)(a, a)
    x = Concatenate()([LSTM(5)(Add()([a, attended])), Dense(3, "tanh")(b)])
    model = pellucid.Model([a, b], [Dense(2, "softmax", name="kind")(x), Dense(1, name="size")(x)])
    draw = np.random.default_rng(0)
    diagram = model.diagram(x=[draw.random((2, 6, 4), np.float32), draw.random((2, 3), np.float32)], row=1)
    names = {label.text for label in shapes(diagram, Label) if label.bold}
    assert {"a", "b", "kind", "size", "lstm", "h₁", "h₆"} <= names
    assert sum("head" in picture.tip for picture in shapes(diagram, Image)) == 2
    assert any("h of lstm: 6 steps" in picture.tip for picture in shapes(diagram, Image))


def test_a_language_model_is_drawn() -> None:
    ids = Input((8,), dtype="int32")
    x = TransformerDecoder(32, 4, normalize_first=True)(TokenAndPositionEmbedding(20, 8, 16)(ids))
    model = pellucid.Model(ids, Dense(20)(x))
    diagram = model.diagram(x=np.arange(8)[None])
    assert sum("looks at" in picture.tip for picture in shapes(diagram, Image)) == 4
    texts = [label.text for label in shapes(diagram, Label)]
    assert "causal self-attention" in texts
    assert "20 × 16 and 8 × 16" in texts


def test_outputs_that_are_not_shown_have_no_connections_of_their_own() -> None:
    x = Input((5, 4))
    _, _, memory = LSTM(3, return_state=True)(x)
    model = pellucid.Model(x, Dense(2)(memory))
    diagram = model.diagram(x=np.ones((1, 5, 4), np.float32), show="contributions")
    assert not [tip for tip in tips(diagram) if "kernel" in tip]


def test_networks_of_every_shape_are_drawn() -> None:
    draw = np.random.default_rng(0)
    a = Input((4,))
    shared = Dense(3, "relu")
    inner = pellucid.Model(a, Dense(2)(Dense(3)(a)), name="inner")
    b, c = Input((4,)), Input((4,))
    hidden = Dense(4)(c)
    models = {
        "nothing": pellucid.Model(a, a),
        "activation": pellucid.Model(a, ReLU()(a)),
        "shared": pellucid.Model(a, Dense(1)(Multiply()([shared(a), shared(Dense(4)(a))]))),
        "nested": pellucid.Model(b, Dense(1)(inner(b))),
        "operations": pellucid.Model(c, Dense(1)(ops.tanh(hidden) + hidden * 2.0)),
        "deep": pellucid.Sequential([Input((4,)), *(Dense(4, "relu") for _ in range(12))]),
    }
    for name, model in models.items():
        diagram = model.diagram(x=draw.random((2, 4), np.float32), show="contributions", title=name)
        assert parsed(diagram).findtext(f"{SVG}title") == name
        assert diagram.sheet.width < 6000


# The file


def test_the_svg_is_complete_in_itself_and_accessible() -> None:
    root = parsed(student().diagram(x=[[2.0, 5.0]], title="Will <she> & he pass?"))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Will <she> & he pass?"
    assert "h₁ = 1.5" in root.findtext(f"{SVG}desc", "")
    assert "prefers-color-scheme:dark" in root.findtext(f"{SVG}style", "")
    outside = [value for element in root.iter() for name, value in element.attrib.items() if "://" in value]
    assert outside == []
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x", -1)) <= width
        assert 0 <= float(text.get("y", -1)) <= height


@pytest.mark.parametrize("suffix", ["svg", "html", "txt", "png", "pdf"])
def test_it_is_saved_by_suffix(tmp_path: Path, suffix: str) -> None:
    if suffix in ("png", "pdf"):
        pytest.importorskip("matplotlib")
    path = tmp_path / f"network.{suffix}"
    student().diagram(x=[[2.0, 5.0]]).save(path)
    starts = {"svg": b"<svg", "html": b"<!doctype html>", "txt": b"The network", "png": b"\x89PNG", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(starts[suffix])


def test_bad_requests_say_what_there_is(tmp_path: Path) -> None:
    model = student()
    with pytest.raises(ArgumentError, match="weights, gradients, contributions"):
        model.diagram(show="colours")
    with pytest.raises(ArgumentError, match="give an example"):
        model.diagram(show="contributions")
    with pytest.raises(ArgumentError, match="give x and y"):
        model.diagram(show="gradients", x=[[2.0, 5.0]])
    with pytest.raises(ArgumentError, match=r"must end in \.svg"):
        model.diagram().save(tmp_path / "network.bmp")


def test_a_table_gives_names_of_columns_and_classes() -> None:
    draw = np.random.default_rng(0)
    table = {"grams": draw.normal(100, 20, 60).tolist(), "colour": ["red", "green", "blue"] * 20}
    table["kind"] = ["apple" if colour == "red" else "other" for colour in table["colour"]]
    model = pellucid.TableModel.train(table, "kind", hidden=(4,), epochs=2, seed=1, verbose=0)
    diagram = model.diagram(table, row=2, show="contributions")
    texts = {label.text for label in shapes(diagram, Label)}
    plain = [line for line in shapes(diagram, Curve) if line.colour == "line"]
    assert len(plain) == 1 + 1 + 4 + 4  # grams, prepared, to features; colour to its three values or none, to features
    assert {"grams", "colour = red", "kind = other"} <= texts
    with pytest.raises(ArgumentError, match="row 60"):
        model.diagram(table, row=60)


# Layout


@pytest.mark.parametrize("seed", range(8))
def test_boxes_never_overlap_and_lines_go_forward(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = 14
    edges = sorted({(int(draw.integers(0, j)), j) for j in range(1, count) for _ in range(draw.integers(1, 3))})
    extents = [Extent(*(float(length) for length in draw.uniform(10, 90, 3))) for _ in range(count)]
    layout = layered(extents, edges, lambda i, j: 40.0)
    boxes = [(x - size.width / 2, x + size.width / 2, y - size.above, y + size.below)
             for (x, y), size in zip(layout.places, extents, strict=True)]  # fmt: skip
    for (a0, a1, b0, b1), (c0, c1, d0, d1) in combinations(boxes, 2):
        assert a1 <= c0 or c1 <= a0 or b1 <= d0 + 1e-6 or d1 <= b0 + 1e-6
    for start, end in edges:
        assert layout.ranks[start] < layout.ranks[end]
        for x, y in layout.routes[start, end]:  # no line goes through a box
            assert not any(left < x < right and top < y < bottom for left, right, top, bottom in boxes)


def test_a_chain_stays_straight_beside_its_shortcut() -> None:
    extents = [Extent(50.0, 40.0, 40.0)] * 4
    layout = layered(extents, [(0, 1), (1, 2), (2, 3), (0, 3)], lambda i, j: 40.0)
    assert len({round(y, 6) for _, y in layout.places}) == 1
    assert len({round(y, 6) for _, y in layout.routes[0, 3]}) == 1
