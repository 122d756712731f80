"""The Fréchet distance between samples: by hand, beside SciPy's matrix root, and what cannot be compared."""

import numpy
import pytest

from pellucid.errors import DataError, ShapeError
from pellucid.metrics import frechet_distance


def test_by_hand():
    """Independent features: means 3 and 4 apart, deviations √2 and 2·√2 of the first."""
    real = numpy.array([[-1.0, 0.0], [1.0, 0.0]])
    assert frechet_distance(real, real + numpy.array([3, 4])) == pytest.approx(25)
    assert frechet_distance(real, real * 2) == pytest.approx(2)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-12)


def test_beside_the_root_of_the_product():
    linalg = pytest.importorskip("scipy.linalg")
    random = numpy.random.default_rng(0)
    a, b = random.normal(size=(200, 7)) @ random.normal(size=(7, 7)), random.normal(1, 2, (150, 7))
    root = linalg.sqrtm(numpy.cov(a.T) @ numpy.cov(b.T)).real
    wanted = ((a.mean(0) - b.mean(0)) ** 2).sum() + numpy.trace(numpy.cov(a.T) + numpy.cov(b.T) - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(wanted)
    assert frechet_distance(b, a) == pytest.approx(wanted)


def test_fewer_rows_than_features():
    random = numpy.random.default_rng(0)
    few = random.normal(size=(5, 20)).astype("float32")
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(few, few + 1) == pytest.approx(20, rel=1e-5)


def test_what_cannot_be_compared():
    with pytest.raises(ShapeError, match=r"as many features, got \[3, 2\] and \[3, 4\]"):
        frechet_distance(numpy.zeros((3, 2)), numpy.zeros((3, 4)))
    with pytest.raises(ShapeError, match="rows"):
        frechet_distance(numpy.zeros(3), numpy.zeros(3))
    with pytest.raises(DataError, match="generated needs two rows"):
        frechet_distance(numpy.zeros((3, 2)), numpy.zeros((1, 2)))
    with pytest.raises(DataError, match="real needs two rows or more, all of them finite"):
        frechet_distance([[0.0], [numpy.nan]], [[0.0], [1.0]])
