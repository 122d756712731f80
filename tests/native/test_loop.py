"""The training loop: order, gathers, totals, collected rows, time, failures, and the exactness of a replay."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

native = pytest.importorskip("pellucid._native", reason="the extension is not built")

ROWS, BATCH = 10, 4  # the last batch of an epoch has two rows
X, LOSS, DOUBLED, KEY, NOISE, W = range(6)


class Toy:
    """w ← w/2 + Σx/4 + the first random number of the step; the loss is Σx."""

    def __init__(self, batches: tuple[int, ...] = (BATCH, ROWS % BATCH)) -> None:
        self.w = np.ones(1, np.float32)
        self.plans = [self.plan(batch) for batch in batches]

    def plan(self, batch: int) -> Any:
        buffers = [("input", "float32", [batch, 1]), ("output", "float32", []), ("output", "float32", [batch, 1]),
                   ("input", "uint32", [4]), ("temporary", "float32", [1]), ("variable", "float32", [1])]  # fmt: skip
        update = ["multiply 3 0 i0", "multiply 4 1 i1", "add 5 3 4", "add 6 5 2"]
        instructions = [
            ("sum", {"axes": [0, 1]}, [X], [LOSS]),
            ("elementwise", {"steps": ["add 1 0 0"], "outputs": [1]}, [X], [DOUBLED]),
            ("random_uniform", {"stream": 2}, [KEY], [NOISE]),
            ("elementwise", {"steps": update, "outputs": [6], "immediates": [0.5, 0.25]}, [W, LOSS, NOISE], [W]),
        ]
        return native.Plan(buffers, {W: self.w}, instructions, 1)

    def loop(self, x: np.ndarray, batch: int = BATCH, collects: list[Any] | None = None, **options: Any) -> Any:
        n = len(self.plans)
        return native.Loop(self.plans, batch, [x], [[X]] * n, [[LOSS]] * n, collects or [], [KEY] * n, [LOSS] * n,
                           watch=[self.w], **options)  # fmt: skip


def noise(seed: int, step: int) -> np.ndarray:
    plan = native.Plan(
        [("input", "uint32", [4]), ("output", "float32", [1])], {}, [("random_uniform", {"stream": 2}, [0], [1])]
    )
    key = np.array([seed & 0xFFFFFFFF, seed >> 32, step & 0xFFFFFFFF, step >> 32], np.uint32)
    return plan.call([key], [0], [1])[0]


def expected_w(x: np.ndarray, seed: int, steps: int, batch: int = BATCH, first_epoch: int = 0, first: int = 0) -> Any:
    """The toy's w after so many steps, by NumPy."""
    w, per_epoch = np.ones(1, np.float32), -(-len(x) // batch)
    for step in range(steps):
        order = native.shuffle(seed, first_epoch + step // per_epoch, len(x))
        rows = order[step % per_epoch * batch :][:batch]
        total = x[rows].astype(np.float32).sum(dtype=np.float32)
        w = w * np.float32(0.5) + total * np.float32(0.25) + noise(seed, first + step)
    return w


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int32", "int64", "bool"])
def test_epochs_totals_and_order(dtype: str) -> None:
    x = (np.arange(ROWS) % 2 if dtype == "bool" else np.arange(ROWS)).astype(dtype)
    toy, seed = Toy(), 3 + (5 << 32)
    loop = toy.loop(x, seed=seed, epochs=3)
    assert loop.advance(60, 1) == "epoch"
    assert (loop.epoch, loop.position, loop.step) == (1, 0, 3)
    np.testing.assert_array_equal(loop.take_totals(), [[x.astype(int).sum()]])
    assert loop.advance(60, 99) == "done"
    assert (loop.epoch, loop.position, loop.step) == (3, 0, 9)
    np.testing.assert_array_equal(loop.take_totals(), [[x.astype(int).sum()]] * 2)
    assert loop.take_totals().shape == (0, 1)
    np.testing.assert_array_equal(loop.partial_totals(), [0])
    assert loop.advance(60, 1) == "done"
    np.testing.assert_array_equal(toy.w, expected_w(x, seed, 9))
    for epoch in range(3):
        rows = [loop.rows(3 * epoch + i) for i in range(3)]
        assert [len(r) for r in rows] == [4, 4, 2]
        np.testing.assert_array_equal(np.concatenate(rows), native.shuffle(seed, epoch, ROWS))


def test_without_shuffling_rows_come_in_order() -> None:
    loop = Toy().loop(np.arange(ROWS, dtype=np.float32), shuffle=False)
    np.testing.assert_array_equal(loop.rows(1), [4, 5, 6, 7])
    assert loop.advance(60, 1) == "done"


def test_a_run_can_go_on_where_another_ended() -> None:
    x = np.arange(ROWS, dtype=np.float32)
    whole, halves = Toy(), Toy()
    whole.loop(x, seed=8, epochs=5).advance(60, 99)
    first = halves.loop(x, seed=8, epochs=2)
    first.advance(60, 99)
    second = halves.loop(x, seed=8, epochs=3, first_epoch=2, first_step=first.step)
    assert second.advance(60, 99) == "done"
    assert (second.epoch, second.step) == (5, 15)
    np.testing.assert_array_equal(whole.w, halves.w)


def test_rows_of_several_numbers_and_several_sources() -> None:
    a, b = np.arange(30, dtype=np.uint8).reshape(10, 3), np.arange(10, dtype=np.int64)
    out = np.zeros((10, 3), np.float32)
    buffers = [("input", "float32", [5, 3]), ("input", "int32", [5]), ("input", "float32", [5, 1]),
               ("output", "float32", [5, 3])]  # fmt: skip
    add = {"steps": ["add 3 0 1", "add 4 3 2"], "outputs": [4]}
    plan = native.Plan([*buffers, ("view", "int32", [5, 1], 1)], {}, [("elementwise", add, [0, 4, 2], [3])])
    loop = native.Loop([plan], 5, [a, b, b * 0.5], [[0, 1, 2]], [[]], [([3], out)], [-1], [-1], seed=4)
    assert loop.advance(60, 1) == "done"
    np.testing.assert_array_equal(out, a + b[:, None] * 1.5)  # in the order of the data, although shuffled


def test_collected_rows_lie_in_the_order_of_the_data() -> None:
    x, out = np.arange(ROWS, dtype=np.float32), np.full((ROWS, 1), np.nan, np.float32)
    Toy().loop(x, seed=1, collects=[([DOUBLED, DOUBLED], out)]).advance(60, 1)
    np.testing.assert_array_equal(out[:, 0], 2 * x)


@pytest.mark.parametrize("back", [0, 1, 5])
def test_a_loss_that_is_not_finite_stops_the_run_and_rewinding_replays_exactly(back: int) -> None:
    seed, bad = 21, 6
    x = np.arange(ROWS, dtype=np.float32)
    x[bad] = np.inf
    toy = Toy()
    loop = toy.loop(x, seed=seed, epochs=50)
    assert loop.advance(60, 99) == "nonfinite"
    failed = loop.step - 1
    assert bad in loop.rows(failed)
    assert not np.isfinite(toy.w).all()  # the step's update has been made
    target = max(0, failed - back)
    loop.rewind(target)
    assert loop.step == target
    np.testing.assert_array_equal(toy.w, expected_w(x, seed, target))
    assert loop.advance(60, 99) == "nonfinite"
    assert loop.step == failed + 1


def test_rewinding_over_ended_epochs() -> None:
    x, seed = np.arange(ROWS, dtype=np.float32), 13
    toy = Toy()
    loop = toy.loop(x, seed=seed, epochs=40)
    loop.advance(60, 30)
    loop.rewind(50)  # within epoch 16, from the snapshot at the start
    assert (loop.epoch, loop.position, loop.step) == (16, 8, 50)
    np.testing.assert_array_equal(toy.w, expected_w(x, seed, 50))
    np.testing.assert_array_equal(loop.partial_totals(), [x[np.r_[loop.rows(48), loop.rows(49)]].sum()])
    assert len(loop.take_totals()) == 16
    assert loop.advance(60, 99) == "done"
    np.testing.assert_array_equal(toy.w, expected_w(x, seed, 120))
    assert len(loop.take_totals()) == 24
    with pytest.raises(ValueError, match="not between the oldest snapshot"):
        loop.rewind(121)


def test_a_change_from_outside_is_kept_by_a_new_snapshot() -> None:
    toy, undisturbed = Toy(), Toy()
    loop = toy.loop(np.arange(ROWS, dtype=np.float32), epochs=20)
    loop.advance(60, 5)
    toy.w[:] = 50
    loop.snapshot()
    toy.w[:] = 100
    loop.snapshot()
    loop.advance(60, 1)
    after = toy.w.copy()
    loop.advance(60, 1)
    loop.rewind(18)
    np.testing.assert_array_equal(toy.w, after)
    loop.rewind(15)
    np.testing.assert_array_equal(toy.w, 100)
    loop.rewind(3)  # before the change, from an older snapshot
    undisturbed.loop(np.arange(ROWS, dtype=np.float32), epochs=20).advance(60, 1)
    np.testing.assert_array_equal(toy.w, undisturbed.w)


def test_time_is_kept_and_the_rest_is_the_same() -> None:
    x = np.arange(ROWS, dtype=np.float32)
    one, other = Toy(), Toy()
    loop = one.loop(x, seed=2, epochs=10**9)
    start = time.perf_counter()
    assert loop.advance(0.15, 10**9) == "time"
    assert 0.15 <= time.perf_counter() - start < 5
    assert loop.step > 100
    target = (loop.step - 1) // 3 * 3
    loop.rewind(target)  # from a snapshot that was taken on the way
    assert other.loop(x, seed=2, epochs=10**9).advance(60, target // 3) == "epoch"
    np.testing.assert_array_equal(one.w, other.w)


def test_no_time_makes_one_step() -> None:
    loop = Toy().loop(np.arange(ROWS, dtype=np.float32), epochs=1000)
    loop.advance(60, 500)  # the clock is not looked at after every step any more
    assert [(loop.advance(0, 1), loop.step) for _ in range(3)] == [("time", 1501), ("time", 1502), ("epoch", 1503)]


def test_no_more_steps_are_made_than_asked() -> None:
    loop = Toy().loop(np.arange(ROWS, dtype=np.float32), epochs=1000)
    loop.advance(60, 100)
    assert [(loop.advance(60, 1, 2), loop.step) for _ in range(3)] == [("time", 302), ("epoch", 303), ("time", 305)]
    assert (loop.advance(60, 10, most=25), loop.step) == ("time", 330)


def test_stop_from_another_thread() -> None:
    loop = Toy().loop(np.arange(ROWS, dtype=np.float32), epochs=10**9)
    timer = threading.Timer(0.1, loop.stop)
    timer.start()
    start = time.perf_counter()
    assert loop.advance(60, 10**9) == "stop"
    assert time.perf_counter() - start < 5
    assert loop.advance(60, 1) == "epoch"  # one stop ends one advance


def test_an_id_out_of_range_stops_the_run() -> None:
    table, ids = np.zeros((4, 2), np.float32), np.array([0, 3, 1, 9, 2, 0], np.int64)
    buffers = [("variable", "float32", [4, 2]), ("input", "int32", [2]), ("output", "float32", [2, 2])]
    count = ("elementwise", {"steps": ["add 1 0 i0"], "outputs": [1], "immediates": [1]}, [0], [0])
    plan = native.Plan(buffers, {0: table}, [("take", {}, [0, 1], [2]), count])
    loop = native.Loop([plan], 2, [ids], [[1]], [[]], [], [-1], [-1], shuffle=False)
    assert loop.advance(60, 1) == "id"
    assert loop.step == 1
    np.testing.assert_array_equal(ids[loop.rows(1)], [1, 9])
    np.testing.assert_array_equal(table, np.ones((4, 2)))  # the failed step has changed nothing


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    x, weights = np.arange(ROWS, dtype=np.float32), []
    for seed in (5, 5, 6):
        toy = Toy()
        toy.loop(x, seed=seed, epochs=7).advance(60, 99)
        weights.append(toy.w)
    np.testing.assert_array_equal(weights[0], weights[1])
    assert weights[0] != weights[2]


@pytest.mark.parametrize(
    ("rows", "batches", "batch", "message"),
    [
        (10, (4,), 4, "a second one"),
        (8, (4, 2), 4, "one plan is needed"),
        (0, (4,), 4, "empty"),
        (3, (4,), 4, "between 1 and the number of rows"),
        (10, (5, 2), 4, "input buffer"),
    ],
)
def test_wrong_loops_are_refused(rows: int, batches: tuple[int, ...], batch: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Toy(batches).loop(np.zeros(rows, np.float32), batch)


def test_other_wrong_loops_are_refused() -> None:
    x = np.zeros(ROWS, np.float32)
    plan = Toy().plans[0]
    with pytest.raises(ValueError, match="equally many rows"):
        native.Loop([plan], 4, [x, x[:3].copy()], [[X, X]], [[]], [], [-1], [-1])
    with pytest.raises(ValueError, match="loss is a float32 scalar"):
        native.Loop([plan], 4, [x[:8]], [[X]], [[]], [], [-1], [DOUBLED])
    with pytest.raises(ValueError, match=r"rows of shape \[10, 2\]"):
        Toy().loop(np.zeros((ROWS, 2), np.float32))
    with pytest.raises(ValueError, match="destination has the dtype"):
        Toy().loop(x, collects=[([DOUBLED, DOUBLED], np.zeros((ROWS, 2), np.float32))])
    with pytest.raises(ValueError, match="no snapshot"):
        Toy().loop(x).rewind(0)
    with pytest.raises(ValueError, match="not one of this loop's"):
        Toy().loop(x).rows(3)
