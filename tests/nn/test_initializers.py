"""Initial weights: mean, variance, bounds, orthogonality; one seed, one draw."""

from __future__ import annotations

import math
from typing import Any

import numpy
import pytest

from pellucid.errors import ArgumentError, ShapeError, UnknownNameError
from pellucid.nn import initializers
from pellucid.nn.initializers import INITIALIZERS

SHAPE = (200, 300)
COUNT = SHAPE[0] * SHAPE[1]

# name: (variance, largest magnitude)
EXPECTED = {
    "glorot_uniform": (2 / 500, math.sqrt(6 / 500)),
    "glorot_normal": (2 / 500, 2 * math.sqrt(2 / 500) / 0.87962566),
    "he_uniform": (2 / 200, math.sqrt(6 / 200)),
    "he_normal": (2 / 200, 2 * math.sqrt(2 / 200) / 0.87962566),
    "lecun_uniform": (1 / 200, math.sqrt(3 / 200)),
    "lecun_normal": (1 / 200, 2 * math.sqrt(1 / 200) / 0.87962566),
    "variance_scaling": (1 / 200, 2 * math.sqrt(1 / 200) / 0.87962566),
    "random_normal": (0.05**2, math.inf),
    "random_uniform": (0.1**2 / 12, 0.05),
    "truncated_normal": (0.05**2 * 0.87962566**2, 0.1),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_mean_variance_and_bounds(name: str) -> None:
    values = initializers.get(name)(SHAPE, seed=4)
    variance, largest = EXPECTED[name]
    assert abs(values.mean()) < 5 * math.sqrt(variance / COUNT)
    assert values.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / COUNT))  # the error of a normal's variance
    assert numpy.abs(values).max() <= largest
    if largest < math.inf:
        assert numpy.abs(values).max() > 0.97 * largest


@pytest.mark.parametrize("name", EXPECTED)
def test_moments_equal_keras_s(name: str, keras: Any) -> None:
    theirs = numpy.asarray(keras.initializers.get(name)(SHAPE))
    mine = initializers.get(name)(SHAPE, seed=1)
    assert mine.std() == pytest.approx(theirs.std(), rel=0.02)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (2, 3, 4)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = initializers.get({"class_name": "Orthogonal", "config": {"gain": 2.0}})(shape, seed=3).reshape(
        -1, shape[-1]
    )
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    numpy.testing.assert_allclose(matrix.T @ matrix, 4 * numpy.eye(matrix.shape[1]), atol=1e-12)


def test_constants() -> None:
    assert initializers.get("zeros")((2,)).tolist() == [0, 0]
    assert initializers.get("ones")((2,)).tolist() == [1, 1]
    assert initializers.Constant([1, 2])((2, 2)).tolist() == [[1, 2], [1, 2]]
    assert initializers.Identity(3)((2, 3)).tolist() == [[3, 0, 0], [0, 3, 0]]
    with pytest.raises(ShapeError, match=r"values \[3\] do not broadcast to a weight \[2\]"):
        initializers.Constant([1, 2, 3])((2,))
    with pytest.raises(ShapeError, match="makes matrices"):
        initializers.Identity()((2,))


@pytest.mark.parametrize(
    "kind", sorted({kind.__name__ for kind in INITIALIZERS.values()} - {"Zeros", "Ones", "Constant", "Identity"})
)
def test_one_seed_one_draw(kind: str) -> None:
    made = initializers.get({"class_name": kind, "config": {"seed": 7}})
    free = initializers.get(kind)
    assert numpy.array_equal(made((3, 4)), made((3, 4), seed=99))  # its own seed rules
    assert numpy.array_equal(free((3, 4), seed=7), made((3, 4)))
    assert not numpy.array_equal(free((3, 4), seed=8), made((3, 4)))
    assert not numpy.array_equal(free((3, 4)), free((3, 4)))


def test_the_global_seed() -> None:
    draws = []
    for seed in (1, 1, 2):
        initializers.set_global_seed(seed)
        draws.append([initializers.get("he_normal")((3, 3)) for _ in range(2)])
    initializers.set_global_seed(None)
    assert numpy.array_equal(draws[0], draws[1])
    assert not numpy.array_equal(draws[0], draws[2])
    assert not numpy.array_equal(draws[0][0], draws[0][1])


def test_by_name_class_config_and_object() -> None:
    for name, kind in INITIALIZERS.items():
        for identifier in (name, kind.__name__, kind, kind()):
            made = initializers.get(identifier)
            assert type(made) is kind
            assert initializers.get(made.get_config()) == made
    with pytest.raises(UnknownNameError, match="did you mean 'he_normal'"):
        initializers.get("he_norml")
    with pytest.raises(ArgumentError, match="a name or an Initializer"):
        initializers.get(3)
    with pytest.raises(ArgumentError, match="expected"):
        initializers.get({"class_name": "Zeros"})


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("RandomNormal", {"stddev": -1}, "stddev must be a finite number of at least 0"),
        ("RandomNormal", {"seed": -1}, "seed must be a whole number"),
        ("RandomNormal", {"seed": 2**64}, "seed must be below"),
        ("RandomUniform", {"minval": 1, "maxval": 0}, "maxval must be a finite number of at least 1"),
        ("VarianceScaling", {"scale": 0}, "scale must be above 0"),
        ("VarianceScaling", {"mode": "fan"}, "unknown mode 'fan'; did you mean"),
        ("VarianceScaling", {"distribution": "normal"}, "unknown distribution 'normal'"),
        ("Constant", {"value": "a"}, "value must be a number"),
        ("Constant", {"value": math.nan}, "must be finite"),
    ],
)
def test_arguments_are_checked(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        getattr(initializers, kind)(**arguments)
