"""Scenes: digits stand where their boxes say, none covers another, and a seed gives the same again."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.datasets import compose_scene, digit_scenes
from pellucid.errors import ArgumentError, ShapeError


def strokes(count: int) -> np.ndarray:
    """Upright rectangles of ink, 20 × (6, 7, 8 …), in images of 28 × 28: as bright as they are wide."""
    images = np.zeros((count, 28, 28), np.uint8)
    for i in range(count):
        images[i, 4:24, 5 : 11 + i] = 200 + i
    return images


def test_a_digit_fills_its_box_and_no_more():
    scene, boxes = compose_scene(strokes(1), [[30, 20]], [20], (50, 60))
    expected = np.zeros((50, 60), np.uint8)
    expected[10:30, 27:33] = 200  # 20 high and 6 wide around x = 30, y = 20
    np.testing.assert_array_equal(scene, expected)
    np.testing.assert_array_equal(boxes, [[27, 10, 33, 30]])


def test_another_size_keeps_proportions_and_brightness():
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 4:14] = 120
    for size in (10, 33):
        scene, boxes = compose_scene(image[None], [[32, 32]], [size])
        left, top, right, bottom = boxes[0].astype(int)
        assert (bottom - top, right - left) == (size, round(size / 2))
        assert (scene[top:bottom, left:right] == 120).all()
        assert scene.astype(int).sum() == 120 * (bottom - top) * (right - left)


def test_pixels_between_two_are_averages():
    image = np.array([[[0, 0, 0], [0, 200, 100], [0, 0, 0]]], np.uint8)
    scene, boxes = compose_scene(image, [[2, 2]], [4], (4, 4))  # ink of 1 × 2, at twice its size
    np.testing.assert_array_equal(boxes, [[0, 1, 4, 3]])
    np.testing.assert_array_equal(scene[1], [200, 175, 125, 100])  # at -¼ (the edge goes on), ¼, ¾ and 1¼ of the way


def test_what_would_stand_outside_is_moved_inside():
    _, boxes = compose_scene(strokes(1), [[-5, 90]], [20])
    np.testing.assert_array_equal(boxes, [[0, 44, 6, 64]])


def test_brighter_pixels_cover_others():
    images = strokes(2)
    scene, _ = compose_scene(images, [[30, 30], [30, 30]], [20, 20])
    assert scene[30, 30] == 201


def test_scenes_hold_what_they_say():
    images, labels = strokes(10), np.arange(10)
    scenes = digit_scenes(images, labels, 200, digits=(1, 3), sizes=(10, 24), overlap=0.0, seed=3)
    assert scenes.images.shape == (200, 64, 64)
    counts = (scenes.classes >= 0).sum(1)
    assert set(counts) == {1, 2, 3}
    assert set(scenes.classes[scenes.classes >= 0]) == set(range(10))
    for image, boxes, classes in zip(*scenes, strict=True):
        expected = np.zeros((64, 64), int)
        present = classes >= 0
        assert (boxes[~present] == -1).all()
        for (left, top, right, bottom), label in zip(boxes[present].astype(int), classes[present], strict=True):
            assert (expected[top:bottom, left:right] == 0).all()  # nothing lies on another
            expected[top:bottom, left:right] = 200 + label
            assert 10 <= bottom - top <= 24
        np.testing.assert_array_equal(image, expected)


def test_a_seed_gives_the_same_scenes_again():
    images, labels = strokes(10), np.arange(10)
    first, again, other = (digit_scenes(images, labels, 5, seed=seed) for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (first.images != other.images).any()


def test_digits_without_a_place_are_left_out():
    full = np.full((1, 28, 28), 255, np.uint8)
    scenes = digit_scenes(full, [7], 3, digits=(4, 4), sizes=(60, 60), overlap=0.0)
    np.testing.assert_array_equal(scenes.classes, [[7, -1, -1, -1]] * 3)


def test_an_image_without_ink_is_placed_whole():
    scene, boxes = compose_scene(np.zeros((1, 28, 28), np.uint8), [[32, 32]], [28])
    np.testing.assert_array_equal(boxes, [[18, 18, 46, 46]])
    assert not scene.any()


def test_requests_that_cannot_be_met_are_refused():
    images = strokes(2)
    with pytest.raises(ShapeError, match="centres"):
        compose_scene(images, [[1, 2]], [10, 10])
    with pytest.raises(ArgumentError, match="from 1 pixel to the canvas's 64"):
        compose_scene(images, [[1, 2], [3, 4]], [10, 65])
    with pytest.raises(ShapeError, match="a label for each"):
        digit_scenes(images, [1], 3)
    with pytest.raises(ArgumentError, match="digits must be"):
        digit_scenes(images, [1, 2], 3, digits=(3, 2))
    with pytest.raises(ArgumentError, match="canvas's 20"):
        digit_scenes(images, [1, 2], 3, canvas=(20, 30))
