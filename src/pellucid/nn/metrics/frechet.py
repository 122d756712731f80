"""The Fréchet distance: how far a generator's samples are, as a whole, from real ones."""

from __future__ import annotations

from typing import Any

import numpy

from pellucid.core.spec import show_shape
from pellucid.errors import DataError, ShapeError


def frechet_distance(real: Any, generated: Any) -> float:
    """How far two sets of rows [rows, features] are apart, each taken for a normal distribution: 0 if they are alike.

    Formula: |m - n|² + tr(A + B - 2·√(√A·B·√A)), with the means m and n and the covariances A and B of the two. The
    features are those that a network trained apart makes of images, say; distances by other features cannot be
    compared with each other, nor those of other numbers of rows, which estimate the covariances less or better.
    Raises `ShapeError` for other than two sets of rows with as many features, `DataError` for fewer than two rows or
    what is not finite.
    Sources: Dowson and Landau, "The Fréchet distance between multivariate normal distributions", 1982; Heusel et al.,
    "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", 2017.

    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])  # variances are equal, means are 3 apart
    9.0
    """
    sets = [numpy.asarray(rows, numpy.float64) for rows in (real, generated)]
    if any(rows.ndim != 2 for rows in sets) or sets[0].shape[1] != sets[1].shape[1]:
        raise ShapeError(
            "frechet_distance needs rows [rows, features] with as many features, got "
            f"{show_shape(sets[0].shape)} and {show_shape(sets[1].shape)}"
        )
    for name, rows in zip(("real", "generated"), sets, strict=True):
        if len(rows) < 2 or not numpy.isfinite(rows).all():
            raise DataError(f"frechet_distance: {name} needs two rows or more, all of them finite")
    one, other = (numpy.atleast_2d(numpy.cov(rows, rowvar=False)) for rows in sets)
    values, vectors = numpy.linalg.eigh(one)
    root = vectors * numpy.sqrt(values.clip(0)) @ vectors.T
    common = numpy.sqrt(numpy.linalg.eigvalsh(root @ other @ root).clip(0)).sum()
    apart = numpy.square(sets[0].mean(0) - sets[1].mean(0)).sum()
    return float(max(apart + numpy.trace(one) + numpy.trace(other) - 2 * common, 0.0))
