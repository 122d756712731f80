"""The reference executor: programs, updates, loops, rewinding."""

from __future__ import annotations

import numpy
import pytest

from pellucid import ops
from pellucid.core import random
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program, Variable
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, GraphError, ShapeError, UnknownNameError
from pellucid.execute import executor
from pellucid.execute.program import LoopSpec
from pellucid.execute.reference import ReferenceLoop


def test_updates_are_written_after_all_is_computed() -> None:
    a, b = (Variable(numpy.array([v], numpy.float32), n) for v, n in ((1.0, "a"), (2.0, "b")))
    run = executor("numpy").compile(Program((), (a.tensor,), ((a, b.tensor), (b, a.tensor))))
    assert run()[0].tolist() == [1.0]
    assert (a.value.tolist(), b.value.tolist()) == ([2.0], [1.0])  # exchanged, not copied over


def test_results_are_copies() -> None:
    a = Variable(numpy.zeros(2, numpy.float32), "a")
    (result,) = executor("numpy").compile(Program((), (a.tensor,)))()
    result[...] = 5.0
    assert a.value.tolist() == [0.0, 0.0]


def test_bad_calls() -> None:
    x = feed((2,), name="x")
    run = executor("numpy").compile(Program((x,), (x + 1.0,)))
    with pytest.raises(ArgumentError, match="1 inputs, got 0"):
        run()
    with pytest.raises(ShapeError, match="'x'"):
        run(numpy.zeros(3, numpy.float32))
    with pytest.raises(GraphError):
        executor("numpy").compile(Program((), (x,)))
    with pytest.raises(UnknownNameError, match="numpy"):
        executor("nunpy")


class Line:
    """A line fitted to ten points, in batches of four: two programs, as the last batch has two rows."""

    def __init__(self, **options: object) -> None:
        self.x = numpy.arange(10, dtype=numpy.float64).reshape(10, 1) / 10
        self.w = Variable(numpy.zeros((1, 1), numpy.float32), "w")
        self.predictions = numpy.zeros((10, 1), numpy.float32)
        defaults: dict[str, object] = {"seed": 3, "epochs": 3, "shuffle": True}
        self.spec = LoopSpec(
            programs=[self.program(4), self.program(2)],
            batch=4,
            sources=[self.x, 2 * self.x],
            totals=2,
            collects=[self.predictions],
            loss=0,
            watch=[self.w],
            **{**defaults, **options},  # type: ignore[arg-type]
        )
        self.loop = executor("numpy").loop(self.spec)

    def program(self, rows: int) -> Program:
        x, y = feed((rows, 1), name="x"), feed((rows, 1), name="y")
        predicted = x @ self.w.tensor
        loss = ops.sum(ops.square(predicted - y))
        (slope,) = gradients(loss, [self.w.tensor])
        count = ops.sum(x * 0.0 + 1.0)
        return Program((x, y), (loss, count, predicted), ((self.w, self.w.tensor - 0.1 * slope),))


def plain_line(epochs: int, skip_last: bool = False) -> float:
    """The weight after some epochs, or before their last step, in plain Python."""
    w = 0.0
    for epoch in range(epochs):
        rows = random.shuffle(3, epoch, 10).tolist()
        for batch in (rows[:4], rows[4:8], rows[8:])[: 2 if skip_last and epoch == epochs - 1 else 3]:
            w -= 0.1 * sum(2 * (w * r / 10 - 2 * r / 10) * r / 10 for r in batch)
    return w


def test_loop_trains() -> None:
    line = Line()
    assert line.loop.advance(60.0, 1) == "epoch"
    assert line.loop.epoch == 1
    assert line.loop.step == 3
    assert line.loop.advance(60.0, 99) == "done"
    assert line.w.value.item() == pytest.approx(plain_line(3), rel=1e-5)
    totals = line.loop.take_totals()
    assert totals.shape == (3, 2)
    assert totals[:, 1].tolist() == [10.0] * 3
    assert totals[0, 0] > totals[2, 0]
    assert len(line.loop.take_totals()) == 0


def test_loop_collects_rows_in_dataset_order() -> None:
    line = Line(epochs=1)
    line.loop.advance(60.0, 1)
    first = line.loop.rows(0)
    assert line.predictions[first].tolist() == [[0.0]] * 4  # the weight was 0 in the first step
    w = line.predictions[line.loop.rows(2)] / line.x[line.loop.rows(2)]  # what the weight was in the last step
    assert w[:, 0].tolist() == pytest.approx([plain_line(1, skip_last=True)] * 2, rel=1e-5)


def test_loop_stops_in_time_and_resumes() -> None:
    line = Line()
    states = 0
    while line.loop.advance(0.0, 99) == "time":
        states += 1
    assert states == 8  # nine steps, the last of which is "done"
    assert line.w.value.item() == pytest.approx(plain_line(3), rel=1e-5)


def test_partial_totals() -> None:
    line = Line()
    line.loop.advance(0.0, 1)
    assert line.loop.partial_totals()[1] == 4.0
    assert line.loop.position == 4


def test_rewind_replays_exactly() -> None:
    line = Line()
    line.loop.advance(60.0, 2)
    before = line.w.value.copy()
    line.loop.advance(60.0, 1)
    line.loop.rewind(6)
    assert numpy.array_equal(line.w.value, before)
    assert (line.loop.step, line.loop.epoch, line.loop.position) == (6, 2, 0)


def test_a_run_continued_elsewhere_is_the_same_run() -> None:
    whole, first = Line(), Line(epochs=1)
    whole.loop.advance(60.0, 3)
    first.loop.advance(60.0, 1)
    second = Line(epochs=2, first_epoch=1, first_step=3)
    second.w.assign(first.w.value)
    assert second.loop.advance(60.0, 2) == "done"
    assert numpy.array_equal(second.w.value, whole.w.value)


def test_a_loss_that_breaks_stops_the_run() -> None:
    line = Line()
    line.x[7] = numpy.nan
    assert line.loop.advance(60.0, 3) == "nonfinite"
    assert 7 in line.loop.rows(line.loop.step - 1)


def test_an_id_outside_stops_the_run() -> None:
    ids = feed((2,), "int32")
    table = Variable(numpy.zeros((3, 1), numpy.float32), "table")
    program = Program((ids,), (ops.sum(ops.take(table.tensor, ids)),))
    spec = LoopSpec([program], 2, [numpy.array([0, 1, 2, 3])], totals=1)
    assert executor("numpy").loop(spec).advance(60.0, 1) == "id"


def test_the_random_key_follows_seed_and_step() -> None:
    x, key = feed((2,)), feed((4,), "uint32", "key")
    draw = ops.random_uniform(key, (2,), 4)
    collected = numpy.zeros(6, numpy.float32)
    spec = LoopSpec(
        [Program((x, key), (draw + 0.0 * x,))], 2, [numpy.zeros(6)], True, collects=[collected], seed=5, first_step=10
    )
    executor("numpy").loop(spec).advance(60.0, 1)
    wanted = [random.uniform(random.make_key(5, step), 4, 2) for step in (10, 11, 12)]
    assert numpy.array_equal(collected, numpy.concatenate(wanted))


def test_one_shuffle_per_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int, int]] = []
    plain = random.shuffle
    monkeypatch.setattr(random, "shuffle", lambda *given: calls.append(given) or plain(*given))
    line = Line()
    assert isinstance(line.loop, ReferenceLoop)
    line.loop.advance(60.0, 3)
    assert calls == [(3, 0, 10), (3, 1, 10), (3, 2, 10)]


def test_batches_in_order_without_shuffling() -> None:
    line = Line(shuffle=False)
    assert [line.loop.rows(step).tolist() for step in range(4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3]]


def test_no_more_steps_are_made_than_asked() -> None:
    line = Line()
    steps = []
    for most in (2, 3, 1):
        assert line.loop.advance(60.0, 99, most) == "time"
        steps.append(line.loop.step)
    assert steps == [2, 5, 6]
