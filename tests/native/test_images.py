"""The sampling kernels: what the executors' own tests leave out. Values are tested in tests/ops/test_images.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_kernel import run, to_bfloat16, to_float

rng = np.random.default_rng(32)
WAYS: dict[str, Any] = {"interpolation": "bilinear", "fill_mode": "constant"}
FILL_MODES = ["constant", "nearest", "reflect", "wrap"]
IDENTITY = np.float32([[1, 0, 0, 0, 1, 0]])


def transforms(count: int) -> np.ndarray:
    return np.float32(IDENTITY + rng.normal(size=(count, 6)) * [0.4, 0.4, 2, 0.4, 0.4, 2])


@pytest.mark.parametrize("channels", [1, 3, 16, 37])
def test_the_identity_copies(channels: int) -> None:
    x = rng.normal(size=(2, 5, 4, channels)).astype(np.float32)
    for dtype in ("float32", "bfloat16"):
        source = to_bfloat16(x) if dtype == "bfloat16" else x
        (y,) = run("affine_sample", {**WAYS, "fill_value": 3.0}, [source, IDENTITY.repeat(2, 0)], [(dtype, x.shape)])
        np.testing.assert_array_equal(y, source)


def test_storage_in_bfloat16() -> None:
    x, t = rng.normal(size=(3, 6, 5, 20)).astype(np.float32), transforms(3)
    words = to_bfloat16(x)
    options = {**WAYS, "fill_value": 0.5}
    (exact,) = run("affine_sample", options, [to_float(words).astype(np.float32), t], [("float32", x.shape)])
    (y,) = run("affine_sample", options, [words, t], [("bfloat16", x.shape)])
    np.testing.assert_array_equal(y, to_bfloat16(exact))


def test_any_number_of_threads_gives_the_same_bits() -> None:
    x, t = rng.normal(size=(7, 40, 40, 3)).astype(np.float32), transforms(7)
    for kernel, options in (("affine_sample", {**WAYS, "fill_value": 0.0}), ("affine_sample_gradient", WAYS)):
        results = [run(kernel, options, [x, t], [("float32", x.shape)], threads)[0] for threads in (1, 2, 3)]
        assert all(np.array_equal(results[0], result) for result in results[1:])


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_grey_images_are_sampled_as_channels_are(fill_mode: str, interpolation: str, dtype: str) -> None:
    options = {"interpolation": interpolation, "fill_mode": fill_mode, "fill_value": 0.5}
    halves = IDENTITY + np.float32([[0, 0, -2.5, 0, 0, 1.5]])  # places half way between pixels, some outside
    for width in (1, 5, 16, 17, 40):
        grey, t = rng.normal(size=(4, 9, 7, 1)).astype(np.float32), np.concatenate([transforms(3), halves])
        grey[0, 0, 0] = np.nan  # reaches only those that take it
        grey = to_bfloat16(grey) if dtype == "bfloat16" else grey
        (one,) = run("affine_sample", options, [grey, t], [("float32", (4, 6, width, 1))])
        (two,) = run("affine_sample", options, [grey.repeat(2, 3), t], [("float32", (4, 6, width, 2))])
        np.testing.assert_allclose(one[..., 0], two[..., 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("number", [np.inf, -np.inf, np.nan, 3e38])
def test_places_that_are_no_numbers_stay_in_the_image(fill_mode: str, channels: int, number: float) -> None:
    x, t = np.ones((1, 3, 3, channels), np.float32), np.float32([[number, 1, 0, 0, 1, number]])
    options = {"interpolation": "bilinear", "fill_mode": fill_mode}
    (y,) = run("affine_sample", {**options, "fill_value": 1.0}, [x, t], [("float32", x.shape)])
    np.testing.assert_allclose(y, 1.0, rtol=1e-6)
    (dx,) = run("affine_sample_gradient", options, [x, t], [("float32", x.shape)])
    assert np.isfinite(dx).all()


@pytest.mark.parametrize(
    ("change", "shape", "message"),
    [
        ({"interpolation": "cubic"}, (1, 3, 3, 2), "bilinear or nearest"),
        ({"fill_mode": "mirror"}, (1, 3, 3, 2), "constant, nearest, reflect or wrap"),
        ({}, (1, 3, 3, 4), "batch and the channels"),
        ({}, (1, 0, 3, 2), "at least one pixel"),
        ({}, (2, 3, 3, 2), "batch and the channels"),
    ],
)
def test_refusals(change: dict[str, Any], shape: tuple[int, ...], message: str) -> None:
    options = {**WAYS, "fill_value": 0.0, **change}
    with pytest.raises(ValueError, match=message):
        run("affine_sample", options, [np.zeros((1, 3, 3, 2), np.float32), IDENTITY], [("float32", shape)])
