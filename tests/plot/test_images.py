"""Images, filters and feature maps: the numbers stand in the picture where they should."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import pellucid as pl
from pellucid import plot
from pellucid.errors import ArgumentError, ShapeError, UnknownNameError

random = numpy.random.default_rng(0)


def network() -> Any:
    return pl.Sequential(
        [
            pl.layers.Conv2D(4, 3, activation="relu", input_shape=(12, 12, 1), name="first"),
            pl.layers.Conv2D(6, (3, 2), name="second"),
            pl.layers.Flatten(),
            pl.layers.Dense(2, name="last"),
        ],
        seed=0,
    )


def tiles(ax: Any, count: int, height: int, width: int) -> list[numpy.ndarray]:
    """The tiles of a mosaic, each pixel once; between two of them the picture is empty."""
    canvas = numpy.ma.filled(ax.images[0].get_array().astype(float), numpy.nan)
    columns = numpy.flatnonzero(numpy.isfinite(canvas).any(0))
    rows = numpy.flatnonzero(numpy.isfinite(canvas).any(1))
    starts = lambda places: places[numpy.flatnonzero(numpy.diff(places, prepend=-2) > 1)]  # noqa: E731
    found = []
    for top in starts(rows):
        for left in starts(columns):
            zoom = round(24 / max(height, width)) or 1
            found.append(canvas[top : top + zoom * height : zoom, left : left + zoom * width : zoom])
    return found[:count]


def test_images_keep_their_brightness_and_their_titles() -> None:
    pixels = random.integers(0, 256, (5, 28, 20))
    pixels[3, 0, 0] = 255
    ax = plot.images(pixels[..., None], ["a", "b", "two\nlines", "d", "e"])
    for tile, image in zip(tiles(ax, 5, 28, 20), pixels, strict=True):
        numpy.testing.assert_allclose(tile, image / 255)
    assert [text.get_text() for text in ax.texts] == ["a", "b", "two\nlines", "d", "e"]
    canvas = ax.images[0].get_array()
    for text, image in zip(ax.texts, pixels, strict=True):  # each stands at the left upper corner of its image
        left, top = (round(place + 0.5) for place in text.xy)
        assert canvas[top, left] == image[0, 0] / 255


def test_images_in_colour_and_no_more_than_the_limit() -> None:
    pixels = random.uniform(size=(9, 8, 8, 3))
    pixels[8] = 2.0  # the brightest is not drawn, and still is white
    canvas = plot.images(pixels, limit=4).images[0].get_array()
    numpy.testing.assert_allclose(canvas[:3, :3], pixels[0, :1, :1] / 2 * numpy.ones((3, 3, 1)))  # pixels of 3 × 3


def test_boxes_stand_where_they_were_found() -> None:
    pixels = random.uniform(size=(2, 40, 60))
    found = (
        [[[5, 10, 25, 30], [0, 0, 60, 40]], [[1, 2, 3, 4], [-1] * 4]],
        [[2, 0], [1, -1]],
        [[0.9, 0.555], [0.1, -1]],
    )
    truth = ([[[6, 10, 25, 30]], [[-1] * 4]], [[2], [-1]])
    ax = plot.boxes(pixels, found, truth, names=["no", "yes", "perhaps"])
    assert [text.get_text() for text in ax.texts] == ["perhaps 90%", "no 56%", "yes 10%"]
    boxes = [(box.get_x() + 0.5, box.get_y() + 0.5, box.get_width(), box.get_height()) for box in ax.patches]
    assert [box.get_linewidth() for box in ax.patches] == [0.8, 1.4, 1.4, 1.4]
    assert boxes[:3] == [(6, 10, 19, 20), (5, 10, 20, 20), (0, 0, 60, 40)]
    left = boxes[3][0] - 1  # of the second image: beside the first, after a gap
    numpy.testing.assert_allclose(ax.images[0].get_array()[0, int(left)], pixels[1, 0, 0] / pixels.max())
    assert boxes[3][1:] == (2, 2, 2)


def test_boxes_that_do_not_belong_to_the_images_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"boxes: 2 images need .* got \[1, 1, 4\] and \[1, 1\]"):
        plot.boxes(numpy.ones((2, 8, 8)), ([[[1, 2, 3, 4]]], [[0]]))


def test_images_that_are_none_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"1 or 3 channels as well, got \[2, 3, 3, 2\]"):
        plot.images(numpy.ones((2, 3, 3, 2)))
    with pytest.raises(ArgumentError, match="1 titles for 2 images"):
        plot.images(numpy.ones((2, 3, 3)), ["one"])


def test_filters_over_one_channel() -> None:
    kernel = random.normal(size=(5, 5, 1, 7))
    ax = plot.filters(kernel)
    for i, tile in enumerate(tiles(ax, 7, 5, 5)):
        numpy.testing.assert_allclose(tile, kernel[:, :, 0, i])
    low, high = ax.images[0].get_clim()
    assert -low == high == numpy.abs(kernel).max()


def test_filters_over_several_channels_show_the_strongest() -> None:
    model = network()
    kernel = model.get_layer("second").get_weights()[0]
    ax = plot.filters(model, "second")
    assert ax.get_title("left").replace("\n", " ").startswith("second: 6 filters of 3 × 2 over 4 channels")
    for i, tile in enumerate(tiles(ax, 6, 3, 2)):
        strongest = (kernel[..., i] ** 2).sum((0, 1)).argmax()
        numpy.testing.assert_allclose(tile, kernel[:, :, strongest, i])


def test_filters_over_colours_are_coloured() -> None:
    kernel = random.normal(size=(3, 3, 3, 4))
    image = plot.filters(kernel).images[0].get_array()
    assert image.shape[2] == 3
    numpy.testing.assert_allclose(image[0, 0], 0.5 + kernel[0, 0, :, 0] / (2 * numpy.abs(kernel[..., 0]).max()))


def test_feature_maps_of_a_trace() -> None:
    trace = network().trace(random.normal(size=(3, 12, 12, 1)))
    ax = plot.feature_maps(trace, example=2)
    assert ax.get_title("left").replace("\n", " ").startswith("first: 4 maps of 10 × 10")
    for i, tile in enumerate(tiles(ax, 4, 10, 10)):
        numpy.testing.assert_allclose(tile, trace["first"].activation[2, :, :, i], rtol=1e-6)
    assert ax.images[0].get_clim()[0] == 0
    assert plot.feature_maps(trace, "second").images[0].get_clim()[0] < 0  # without an activation


def test_maps_that_find_nothing_are_counted_and_many_are_cut() -> None:
    maps = numpy.zeros((4, 4, 90))
    maps[:, :, :50] = 1.0
    title = plot.feature_maps(maps, limit=60).get_title("left").replace("\n", " ")
    assert title == "the first 60 of 90 maps of 4 × 4; 10 find nothing"


def test_what_does_not_suit_is_refused() -> None:
    dense = pl.Sequential([pl.layers.Dense(2, input_shape=(3,), name="only")])
    with pytest.raises(ArgumentError, match=r"no two-dimensional convolution. Its layers: only \(Dense\)"):
        plot.filters(dense)
    with pytest.raises(UnknownNameError, match="Known: first, second"):
        plot.filters(network(), "third")
    with pytest.raises(ShapeError, match=r"There is: only \[2, 2\]"):
        plot.feature_maps(dense.trace(numpy.ones((2, 3))))
    trace = network().trace(numpy.ones((3, 12, 12, 1)))
    with pytest.raises(UnknownNameError, match=r"Known: first, second$"):
        plot.feature_maps(trace, "last")
    with pytest.raises(ArgumentError, match="example 5 of 3, counted from 0 to 2"):
        plot.feature_maps(trace, example=5)
    with pytest.raises(ShapeError, match="4 axes"):
        plot.filters(numpy.ones((3, 3)))
