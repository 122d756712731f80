"""Pictures of contributions, importance, partial dependence and Grad-CAM: what they draw is what the records hold."""

from __future__ import annotations

import numpy
import pytest

import pellucid
from pellucid import layers, plot
from pellucid.errors import ArgumentError
from pellucid.explain.colours import NEGATIVE, POSITIVE
from pellucid.explain.dependence import dependence
from pellucid.explain.importance import Importance

DRAW = numpy.random.default_rng(5)


def colour(patch: object) -> str:
    from matplotlib.colors import to_hex

    return str(to_hex(patch.get_facecolor())).upper()  # type: ignore[attr-defined]


def test_bars_are_the_contributions_largest_first() -> None:
    model = pellucid.Sequential([pellucid.Input((3,)), layers.Dense(1, name="sum")])
    model.set_weights([[[1.0], [-5.0], [2.0]], [0.5]])
    ax = plot.contributions(model.why([[1.0, 1.0, 2.0]], names=["a", "b", "c"]))
    numpy.testing.assert_allclose([bar.get_width() for bar in ax.patches], [-5, 4, 1], rtol=1e-6)
    assert [colour(bar) for bar in ax.patches] == [NEGATIVE.upper(), POSITIVE.upper(), POSITIVE.upper()]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b = 1", "c = 2", "a = 1"]
    assert [text.get_text() for text in ax.texts] == ["−5", "+4", "+1"]
    assert ax.get_title("left") == "sum: 0.5"
    assert "an input of zeros gives 0.5" in ax.get_xlabel()


def test_many_columns_end_in_the_sum_of_the_others() -> None:
    model = pellucid.Sequential([pellucid.Input((40,)), layers.Dense(1, name="sum")], seed=0)
    why = model.why(DRAW.normal(size=(1, 40)))
    ax = plot.contributions(why)
    widths = [bar.get_width() for bar in ax.patches]
    assert len(widths) == 15
    assert ax.get_yticklabels()[-1].get_text() == "26 others"
    assert sum(widths) == pytest.approx(float(why.inputs[0].contributions.sum()), rel=1e-6)


def test_one_of_several_inputs() -> None:
    a, b = pellucid.Input((2,), name="a"), pellucid.Input((4, 6, 1), name="b")
    x = layers.Concatenate()([a, layers.Flatten()(b)])
    why = pellucid.Model([a, b], layers.Dense(1)(x), seed=0).why([numpy.ones((1, 2)), numpy.ones((1, 4, 6, 1))])
    assert plot.contributions(why, input="b").images[0].get_size() == (4, 6)
    assert len(plot.contributions(why, input="a").patches) == 2
    for name in (None, "c"):
        with pytest.raises(ArgumentError, match="choose one input to draw: a, b"):
            plot.contributions(why, input=name)


def test_words_in_their_order_with_their_colours() -> None:
    from matplotlib import pyplot

    network = [layers.Embedding(4, 1, name="e"), layers.GlobalAveragePooling1D(), layers.Dense(1, name="praise")]
    model = pellucid.Sequential([pellucid.Input((4,), dtype="int32"), *network])
    model.set_weights([[[0.0], [-4.0], [1.0], [0.0]], [[1.0]], [0.0]])
    why = model.why([[2, 1, 3, 0]], vocabulary=["", "not", "good", "it is"])
    ax = plot.words(why)
    assert [word.get_text() for word in ax.texts] == ["good", "not", "it␣is"]
    blue, red, none = (numpy.array(word.get_bbox_patch().get_facecolor()[:3]) for word in ax.texts)
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    assert numpy.ptp(red) > numpy.ptp(blue) > numpy.ptp(none) == 0
    assert ax.get_title("left") == "praise: −0.75"

    _, narrow = pyplot.subplots(figsize=(1.2, 2))
    _, first, last = (word.get_window_extent() for word in plot.words(why, ax=narrow).texts)
    assert last.y1 < first.y0  # a line of its own
    with pytest.raises(ArgumentError, match=r"is no text.*plot\.contributions"):
        plot.words(pellucid.Sequential([pellucid.Input((3,)), layers.Dense(1)]).why(numpy.ones((1, 3))))


def test_importance_with_its_spread() -> None:
    record = Importance("accuracy", 0.9, 50, {"x": numpy.array([0.3, 0.5]), "y": numpy.array([0.0, -0.1])})
    ax = plot.importance(record)
    numpy.testing.assert_allclose([bar.get_width() for bar in ax.patches], [0.4, -0.05])
    (lines,) = (one for one in ax.collections if len(one.get_segments()) == 2)
    numpy.testing.assert_allclose(lines.get_segments()[0][:, 0], [0.3, 0.5])  # the mean ± one deviation


def test_dependence_of_numbers_and_of_categories() -> None:
    rows = numpy.array([1.0, 2.0, 3.0])
    ax = plot.partial_dependence(dependence("m2", "price", [10.0, 20.0, 30.0], lambda m2: m2 * rows))
    numpy.testing.assert_allclose(ax.lines[0].get_xydata(), [[10, 20], [20, 40], [30, 60]])
    ax = plot.partial_dependence(dependence("city", "price", ["Oslo", "Lima"], lambda city: rows + (city == "Lima")))
    numpy.testing.assert_allclose(ax.lines[0].get_ydata(), [2, 3])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["Oslo", "Lima"]
    low, high = ax.collections[0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((1.2, 2.8))


def test_a_map_over_its_image() -> None:
    model = pellucid.Sequential(
        [pellucid.Input((8, 8, 1)), layers.Conv2D(2, 3, activation="relu"), layers.Flatten(), layers.Dense(2)], seed=1
    )
    record = model.grad_cam(DRAW.uniform(size=(1, 8, 8, 1)), output=0)
    image = plot.grad_cam(record).images[0].get_array()
    assert image.shape == (8, 8, 3)
    warmth = image[..., 0] - image[..., 2]  # orange is red without blue
    assert numpy.unravel_index(warmth.argmax(), warmth.shape) == numpy.unravel_index(
        record.map.argmax(), record.map.shape
    )
