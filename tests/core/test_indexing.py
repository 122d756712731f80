"""Parts of tensors: as NumPy gives them, with their gradients, and what cannot be asked for."""

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis.extra.numpy import basic_indices

from pellucid import Input
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Variable, tensor
from pellucid.errors import ArgumentError, DtypeError, ShapeError
from pellucid.ops import sum as total

A = numpy.arange(60, dtype="float32").reshape(3, 4, 5)


def counts_up(index: Any) -> bool:
    return all(not isinstance(one, slice) or one.step is None or one.step > 0 for one in numpy.index_exp[index])


@given(basic_indices(A.shape, allow_newaxis=True).filter(counts_up))
def test_parts_are_those_of_numpy(index: Any) -> None:
    x = tensor(A)
    found = x[index]
    assert found.shape == A[index].shape
    assert numpy.array_equal(found.numpy(), A[index])
    slope = numpy.zeros_like(A)
    slope[index] = 1
    assert numpy.array_equal(gradients(total(found), [x])[0].numpy(), slope)


@pytest.mark.parametrize(
    ("index", "shape"),
    [
        (numpy.s_[:, -1], (None, 3)),
        (numpy.s_[:, 1:4:2], (None, 2, 3)),
        (numpy.s_[..., 0], (None, 5)),
        (numpy.s_[:, None], (None, 1, 5, 3)),
        (numpy.s_[..., numpy.int64(1), None], (None, 5, 1)),
        (numpy.s_[0:], (None, 5, 3)),
    ],
)
def test_batches_of_any_size(index: Any, shape: tuple[int | None, ...]) -> None:
    assert Input((5, 3))[index].shape == shape


def test_all_of_it_needs_no_node() -> None:
    x = tensor(A)
    assert x[:] is x
    assert x[..., :5] is x


def test_variables_have_parts() -> None:
    weights = Variable(A.copy(), "weights")
    assert numpy.array_equal(weights[1].numpy(), A[1])
    with pytest.raises(DtypeError, match=r"cannot be iterated; take parts, as x\[:, 0\]"):
        list(weights)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (0, ShapeError, r"\[0\] is a part of axis 0 of float32\[\?, 5, 3\], whose size is not known; take it whole"),
        (slice(2), ShapeError, r"\[:2\] is a part of axis 0"),
        (numpy.s_[:, 5], ShapeError, r"\[5\] is outside of axis 1"),
        (numpy.s_[:, -6], ShapeError, r"\[-6\] is outside of axis 1"),
        (numpy.s_[:, 0, 0, 0], ShapeError, r"\[:, 0, 0, 0\] has too many indices for float32\[\?, 5, 3\]"),
        (numpy.s_[..., ...], ShapeError, "too many indices"),
        (numpy.s_[:, ::-1], ArgumentError, r"\[::-1\] counts down along axis 1; use ops.flip\(x, 1\)"),
        (numpy.s_[:, ::0], ArgumentError, r"\[::0\] is no range along axis 1 .*zero"),
        (numpy.s_[:, :0.5], ArgumentError, r"\[:0.5\] is no range along axis 1"),
        (numpy.s_[:, [1, 2]], ArgumentError, r"not by \[1, 2\]; ops.take"),
        (numpy.s_[:, True], ArgumentError, r"not by True; .*ops.where"),
        (numpy.s_[:, 1.0], ArgumentError, r"not by 1.0"),
        (numpy.s_[:, numpy.arange(2)], ArgumentError, r"not by array\(\[0, 1\]\)"),
        ("name", ArgumentError, "not by 'name'"),
    ],
)
def test_what_has_no_part(index: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Input((5, 3))[index]
