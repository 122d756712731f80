"""Sampling of images against SciPy, and its derivative as the exact adjoint."""

from __future__ import annotations

import numpy
import pytest

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Program
from pellucid.core.sources import feed
from pellucid.errors import ExecutorError
from pellucid.execute import executor
from pellucid.ops.images import FILL_MODES, INTERPOLATIONS

random = numpy.random.default_rng(41)
every_way = pytest.mark.parametrize("fill_mode", FILL_MODES)
either = pytest.mark.parametrize("interpolation", INTERPOLATIONS)


def transforms(count: int) -> numpy.ndarray:
    return numpy.array([1.0, 0, 0, 0, 1, 0]) + random.normal(size=(count, 6)) * [0.6, 0.6, 3, 0.6, 0.6, 3]


@every_way
@either
def test_equals_scipy(fill_mode: str, interpolation: str) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    image, numbers = random.normal(size=(3, 5, 7, 2)), transforms(3)
    x = feed(image.shape, "float64")
    (y,) = evaluate([ops.affine_sample(x, numbers, (6, 4), interpolation, fill_mode, 0.75)], {x: image})
    mode = {"constant": "grid-constant", "wrap": "grid-wrap"}.get(fill_mode, fill_mode)
    i, j = numpy.meshgrid(numpy.arange(6), numpy.arange(4), indexing="ij")
    for example, t in enumerate(numbers):
        places = [t[0] * i + t[1] * j + t[2], t[3] * i + t[4] * j + t[5]]
        for channel in range(2):
            wanted = ndimage.map_coordinates(
                image[example, :, :, channel], places, order=INTERPOLATIONS.index(interpolation), mode=mode, cval=0.75
            )
            numpy.testing.assert_allclose(y[example, :, :, channel], wanted, rtol=1e-10, atol=1e-10)


@every_way
@either
def test_the_derivative_is_the_adjoint(fill_mode: str, interpolation: str) -> None:
    """⟨g, A x⟩ = ⟨Aᵀ g, x⟩ for what is linear in x; the derivative of the derivative is A again."""
    image, g = random.normal(size=(2, 4, 5, 3)), random.normal(size=(2, 3, 6, 3))
    x, adjoint = feed(image.shape, "float64"), feed(g.shape, "float64")
    numbers = transforms(2)
    y = ops.affine_sample(x, numbers, (3, 6), interpolation, fill_mode)
    (dx,) = gradients(ops.sum(y * adjoint), [x])
    (back,) = gradients(ops.sum(dx * x), [adjoint])
    values = evaluate([y, dx, back], {x: image, adjoint: g})
    assert (values[0] * g).sum() == pytest.approx((values[1] * image).sum(), rel=1e-12)
    numpy.testing.assert_allclose(values[2], values[0], rtol=1e-12, atol=1e-12)


def test_by_hand() -> None:
    x = feed((1, 1, 4, 1), "float64")
    image = numpy.array([10.0, 20, 30, 40]).reshape(1, 1, 4, 1)
    shifted = numpy.array([[1.0, 0, 0, 0, 1, 1.5]])  # to the left by one pixel and a half

    def sampled(interpolation: str, fill_mode: str) -> list[float]:
        (y,) = evaluate([ops.affine_sample(x, shifted, None, interpolation, fill_mode, -2.0)], {x: image})
        return [float(value) for value in y.ravel()]

    assert sampled("bilinear", "constant") == [25, 35, 19, -2]
    assert sampled("bilinear", "nearest") == [25, 35, 40, 40]
    assert sampled("bilinear", "reflect") == [25, 35, 40, 35]
    assert sampled("bilinear", "wrap") == [25, 35, 25, 15]
    assert sampled("nearest", "reflect") == [30, 40, 40, 30]


@every_way
@either
def test_the_native_engine_agrees_at_any_size(fill_mode: str, interpolation: str) -> None:
    try:
        native = executor("native")
    except (ExecutorError, ImportError):
        pytest.skip("the extension is not built")
    for shape in ((1, 1, 1, 1), (2, 9, 8, 3), (5, 31, 30, 17)):
        image, numbers = random.normal(size=shape).astype("float32"), transforms(shape[0]).astype("float32")
        x, t = feed(shape), feed((shape[0], 6))
        y = ops.affine_sample(x, t, None, interpolation, fill_mode, 0.5)
        (dx,) = gradients(ops.sum(y * y), [x])
        program = Program((x, t), (y, dx))
        for ours, wanted in zip(
            native.compile(program)(image, numbers), executor("numpy").compile(program)(image, numbers), strict=True
        ):
            off = numpy.abs(ours - wanted) > 1e-3 * (1 + numpy.abs(wanted))
            # a place within rounding of the middle between two pixels may fall to either
            assert off.mean() <= (2e-3 if interpolation == "nearest" else 0)
