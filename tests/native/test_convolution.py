"""`convolution` and its gradients against sums over taps in float64: odd sizes, every setting, dtype and epilogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from single_kernel import native, plan_of, run, to_bfloat16, to_float

KERNELS = ("convolution", "convolution_input_gradient", "convolution_kernel_gradient")
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """An image [batch, *sizes, channels], a kernel of `kernel` taps and `filters`, and how one meets the other."""

    batch: int
    sizes: Sizes
    channels: int
    kernel: Sizes
    filters: int
    strides: Sizes = ()
    padding: tuple[Sizes, ...] = ()  # (before, after) of each axis
    dilation: Sizes = ()
    groups: int = 1

    @property
    def attributes(self) -> dict[str, Any]:
        axes = len(self.sizes)
        return {
            "strides": list(self.strides or (1,) * axes),
            "padding": [number for pair in self.padding or ((0, 0),) * axes for number in pair],
            "dilation": list(self.dilation or (1,) * axes),
            "groups": self.groups,
        }

    @property
    def windows(self) -> Sizes:
        given = self.attributes
        padding = np.reshape(given["padding"], (-1, 2)).sum(1)
        room = [
            n + int(p) - (k - 1) * d - 1
            for n, p, k, d in zip(self.sizes, padding, self.kernel, given["dilation"], strict=True)
        ]
        return tuple(r // s + 1 for r, s in zip(room, given["strides"], strict=True))

    @property
    def shapes(self) -> tuple[Sizes, Sizes, Sizes]:
        """Of x, w and y."""
        return (
            (self.batch, *self.sizes, self.channels),
            (*self.kernel, self.channels // self.groups, self.filters),
            (self.batch, *self.windows, self.filters),
        )

    def expected(self, kernel: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """All three kernels sum the products x[b, s·i + d·k - p, c] · w[k, c, m] · y[b, i, m] over other indices."""
        axes, given = len(self.sizes), self.attributes
        margin = ((0, 0), *(self.padding or ((0, 0),) * axes), (0, 0))
        x_shape, w_shape, y_shape = self.shapes
        split = (self.groups, self.channels // self.groups)
        each = self.filters // self.groups
        x = np.zeros([n + sum(pair) for n, pair in zip(x_shape, margin, strict=True)])
        inside = tuple(slice(before, before + n) for n, (before, _) in zip(x_shape, margin, strict=True))
        y, w = np.zeros(y_shape), np.zeros(w_shape)
        if kernel == "convolution":
            x[inside], w = to_float(first), to_float(second)
        elif kernel == "convolution_input_gradient":
            y, w = to_float(first), to_float(second)
        else:
            x[inside], y = to_float(first), to_float(second)
        y_groups = y.reshape(*y_shape[:-1], self.groups, each)
        for tap in np.ndindex(*self.kernel):
            spans = [
                slice(k * d, k * d + s * (n - 1) + 1, s)
                for k, d, s, n in zip(tap, given["dilation"], given["strides"], self.windows, strict=True)
            ]
            at = (slice(None), *spans)
            w_groups = w[tap].reshape(split[1], self.groups, each)
            patch = x[at].reshape(*y_shape[:-1], *split)
            if kernel == "convolution":
                y_groups += np.einsum("...gc,cgm->...gm", patch, w_groups)
            elif kernel == "convolution_input_gradient":
                x[at] += np.einsum("...gm,cgm->...gc", y_groups, w_groups).reshape(*y_shape[:-1], self.channels)
            else:
                rows = np.einsum("...gc,...gm->...cgm", patch, y_groups)
                product = rows.sum(axis=tuple(range(axes + 1)))
                w[tap] = product.reshape(split[1], self.filters)
        return {"convolution": y, "convolution_input_gradient": x[inside], "convolution_kernel_gradient": w}[kernel]

    def places(self, kernel: str) -> tuple[int, int, int]:
        """Which of x, w and y are the operands, and which is the result."""
        return {KERNELS[0]: (0, 1, 2), KERNELS[1]: (2, 1, 0), KERNELS[2]: (0, 2, 1)}[kernel]

    def terms(self, kernel: str) -> float:
        """How many products make one number of the result, about."""
        x, w, y = (float(np.prod(shape)) for shape in self.shapes)
        result = (y, x, w)[KERNELS.index(kernel)]
        return 1 + float(np.prod(self.kernel)) * self.channels / self.groups * y / max(result, 1.0)


SAME = ((1, 1), (1, 1))
CASES = [
    Case(1, (1, 1), 1, (1, 1), 1),
    Case(2, (5,), 1, (3,), 2),
    Case(3, (17,), 3, (4,), 5, padding=((3, 0),)),
    Case(1, (9,), 4, (3,), 6, dilation=(2,), padding=((4, 0),), groups=2),
    Case(2, (40,), 5, (2,), 3, strides=(3,)),
    Case(1, (700,), 8, (5,), 9, padding=((2, 2),)),
    Case(2, (28, 28), 1, (3, 3), 32, padding=SAME),
    Case(3, (12, 12), 1, (5, 5), 6),
    Case(2, (12, 12), 6, (5, 5), 16),
    Case(2, (14, 14), 32, (3, 3), 64, padding=SAME),
    Case(1, (7, 7), 64, (3, 3), 33, padding=SAME),
    Case(2, (9, 8), 17, (3, 3), 19, padding=SAME),
    Case(2, (11, 10), 3, (5, 5), 16, strides=(2, 2), padding=((1, 2), (2, 2))),
    Case(2, (10, 9), 34, (3, 3), 34, strides=(2, 1), padding=((0, 1), (1, 1)), dilation=(1, 2), groups=2),
    Case(1, (7, 6), 2, (2, 2), 1, strides=(3, 4), padding=((0, 0), (1, 2)), dilation=(2, 1)),
    Case(2, (8, 9), 12, (3, 2), 20, groups=4, padding=((1, 0), (0, 1))),
    Case(1, (1, 1), 2, (3, 3), 2, strides=(2, 2), padding=SAME),
    Case(2, (2, 2), 3, (3, 3), 4, padding=((4, 5), (6, 3))),
    Case(2, (6, 5), 16, (1, 1), 24),
    Case(2, (6, 5), 7, (1, 1), 3, strides=(2, 3)),
    Case(1, (5, 4), 3, (3, 1), 6, strides=(2, 1), padding=((2, 0), (0, 1)), groups=3),
    Case(2, (10, 11), 24, (3, 3), 24, padding=SAME, groups=24),
    Case(2, (9, 10), 5, (3, 3), 15, strides=(2, 2), padding=SAME, groups=5),
    Case(1, (30,), 40, (7,), 40, padding=((6, 0),), groups=40),
    Case(1, (8, 8), 6, (3, 3), 12, dilation=(2, 3), padding=((2, 2), (3, 3)), groups=6),
    Case(0, (4, 4), 3, (3, 3), 2, padding=SAME),
    Case(1, (3, 600), 2, (2, 3), 4),
    Case(37, (4, 3), 4, (2, 2), 8),
    Case(1, (70, 60), 40, (3, 3), 8, padding=SAME),
]  # fmt: skip


def values(rng: np.random.Generator, shape: Sizes, dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape).astype(np.float32)
    return to_bfloat16(x) if dtype == "bfloat16" else x


def activate(name: str, x: np.ndarray) -> np.ndarray:
    return {"": x, "relu": np.maximum(x, 0), "tanh": np.tanh(x), "sigmoid": 1 / (1 + np.exp(-x))}[name]


def check(
    case: Case,
    kernel: str,
    dtypes: tuple[str, str, str] = ("float32",) * 3,
    threads: int = 1,
    activation: str = "",
    bias: bool = False,
    mask: str | None = None,
    bias_sums: bool = False,
) -> None:
    rng = np.random.default_rng(3)
    one, two, result = (case.shapes[place] for place in case.places(kernel))
    first, second = values(rng, one, dtypes[0]), values(rng, two, dtypes[1])
    inputs: list[np.ndarray | None] = [first, second]
    outputs: list[Any] = [(dtypes[2], result)]
    attributes = case.attributes
    expected = case.expected(kernel, first, second)
    if kernel == "convolution_kernel_gradient":
        attributes |= {"bias_sums": int(bias_sums)}
        outputs += [("float32", result[-1:])] * bias_sums
    else:
        b = rng.standard_normal(result[-1]).astype(np.float32) if bias else None
        gate = values(rng, result, mask) if mask else None
        inputs += [b, gate]
        attributes |= {"activation": activation, "mask": "relu" if mask else ""}
        expected = activate(activation, expected + (0 if b is None else b))
        if gate is not None:
            expected = np.where(to_float(gate) > 0, expected, 0)
    made = run(kernel, attributes, inputs, outputs, threads)
    # A sum of k products of size about 1 wanders to √k, and so does the number of rounding errors of its size.
    close = 2e-6 + 2e-7 * case.terms(kernel)
    tolerance = {"float32": (2e-6, close), "bfloat16": (0.0045, close)}[dtypes[2]]
    where = f"{case} {kernel} {dtypes} {activation} {bias} {mask}"
    np.testing.assert_allclose(to_float(made[0]), expected, *tolerance, err_msg=where)
    if bias_sums:
        total = to_float(second).reshape(-1, result[-1]).sum(0)
        np.testing.assert_allclose(made[1], total, 2e-6, 2e-6 + 2e-7 * second.size / result[-1], err_msg=where)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cases(case: Case, kernel: str) -> None:
    half, single = "bfloat16", "float32"
    for dtypes in [(single,) * 3, (half,) * 3, (half, half, single), (single, half, single), (half, single, half)]:
        check(case, kernel, dtypes, threads=2)


@pytest.mark.parametrize("kernel", KERNELS[:2])
@pytest.mark.parametrize("case", CASES[2::5], ids=str)
def test_epilogues(case: Case, kernel: str) -> None:
    for dtypes in [("float32",) * 3, ("bfloat16",) * 3]:
        for activation in ("", "relu", "tanh", "sigmoid"):
            check(case, kernel, dtypes, activation=activation, bias=True)
        check(case, kernel, dtypes, mask="float32", threads=2)
        check(case, kernel, dtypes, mask="bfloat16", bias=True, activation="relu")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_sums_for_the_bias(case: Case) -> None:
    for dtypes in [("float32",) * 3, ("bfloat16",) * 3]:
        check(case, "convolution_kernel_gradient", dtypes, bias_sums=True, threads=2)


def drawn(rng: np.random.Generator) -> Case:
    axes = int(rng.integers(1, 3))

    def some(low: int, high: int) -> Sizes:
        return tuple(int(n) for n in rng.integers(low, high, axes))

    groups = int(rng.choice([1, 1, 1, 2, 3]))
    kernel, dilation = some(1, 5), some(1, 3)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = tuple((int(a), int(b)) for a, b in zip(some(0, 4), some(0, 4), strict=True))
    least = [max(1, span - sum(pair)) for span, pair in zip(spans, padding, strict=True)]
    sizes = tuple(int(rng.integers(n, n + 20)) for n in least)
    channels, filters = (groups * int(rng.integers(1, 40 // groups)) for _ in range(2))
    return Case(int(rng.integers(1, 5)), sizes, channels, kernel, filters, some(1, 4), padding, dilation, groups)


@pytest.mark.parametrize("seed", range(40))
def test_random_shapes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = drawn(rng)
    for kernel in KERNELS:
        for dtypes in [("float32",) * 3, ("bfloat16",) * 3]:
            check(case, kernel, dtypes, threads=int(rng.integers(1, 4)))


@pytest.mark.parametrize("kernel", KERNELS)
def test_same_bits_whatever_the_run_and_the_threads(kernel: str) -> None:
    rng = np.random.default_rng(5)
    for case in (
        Case(9, (14, 14), 16, (3, 3), 40, padding=SAME),
        Case(1, (64, 20), 8, (3, 3), 8),
        Case(1, (900,), 8, (5,), 8),
    ):
        for dtype in ("float32", "bfloat16"):
            one, two, result = (case.shapes[place] for place in case.places(kernel))
            inputs = [values(rng, one, dtype), values(rng, two, dtype)]
            results = [
                run(kernel, case.attributes, inputs, [("float32", result)], threads)[0] for threads in (1, 2, 3, 2, 1)
            ]
            assert all(np.array_equal(results[0], other) for other in results)


@pytest.mark.parametrize("kernel", KERNELS)
def test_nothing_is_read_past_the_end(kernel: str) -> None:
    rng = np.random.default_rng(6)
    for case in CASES:
        one, two, result = (case.shapes[place] for place in case.places(kernel))
        sizes = int(np.prod(one)), int(np.prod(two))
        for words in (np.float32, np.uint16):
            nan = np.nan if words is np.float32 else 0x7FC0
            memory = np.full(sum(sizes) + 64, nan, words)  # one and two stand in a row, then NaN
            first = memory[: sizes[0]].reshape(one)
            second = memory[sizes[0] : sum(sizes)].reshape(two)
            draws = rng.standard_normal(one), rng.standard_normal(two)
            first[:], second[:] = draws if words is np.float32 else map(to_bfloat16, draws)
            (made,) = run(kernel, case.attributes, [first, second], [("float32", result)])
            assert np.isfinite(made).all()


@pytest.mark.parametrize(
    ("attributes", "shapes", "message"),
    [
        ({"groups": 2}, ((1, 4, 3), (2, 3, 4), (1, 3, 4)), "groups do not belong together"),
        ({"strides": [2]}, ((1, 4, 3), (2, 3, 4), (1, 3, 4)), "spatial sizes do not belong together"),
        ({"strides": [1, 1]}, ((1, 4, 3), (2, 3, 4), (1, 3, 4)), "one number per spatial axis"),
        ({"dilation": [0]}, ((1, 4, 3), (2, 3, 4), (1, 3, 4)), "are positive"),
        ({"activation": "swirl"}, ((1, 4, 3), (2, 3, 4), (1, 3, 4)), "convolution: unknown activation 'swirl'"),
        ({"mask": "relu"}, ((1, 4, 3), (2, 3, 4), (1, 3, 4)), "come together"),
        ({}, ((4, 3), (3, 4), (4, 4)), "one or two spatial axes"),
        ({}, ((1, 4, 0), (2, 0, 4), (1, 3, 4)), "no channels"),
    ],
)
def test_refusals(attributes: dict[str, Any], shapes: tuple[Sizes, ...], message: str) -> None:
    given = {"strides": [1], "padding": [0, 0], "dilation": [1], "groups": 1} | attributes
    x, w = (np.ones(shape, np.float32) for shape in shapes[:2])
    with pytest.raises(ValueError, match=message):
        plan_of("convolution", given, [x, w], [("float32", shapes[2])])


def test_the_kernels_are_there() -> None:
    assert set(KERNELS) <= set(native.kernels())
