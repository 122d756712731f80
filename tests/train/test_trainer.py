"""Several networks and optimizers in one step: against steps worked out by hand, and on every executor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from pellucid import Input, Sequential, Trainer, Update, ops, random
from pellucid.data.stream import Stream
from pellucid.errors import ArgumentError, DataError, NonFiniteError, ShapeError
from pellucid.execute import executor
from pellucid.layers import BatchNormalization, Dense, Dropout
from pellucid.optimizers import SGD, Adam

EXECUTORS = ["numpy", "native", "xla"]


@pytest.fixture(params=EXECUTORS)
def runs_on(request: pytest.FixtureRequest) -> str:
    if request.param == "native":
        pytest.importorskip("pellucid._native")
    if request.param == "xla":
        pytest.importorskip("jax")
    return str(request.param)


def scale(value: float) -> Sequential:
    """y = w·x."""
    network = Sequential([Input((1,)), Dense(1, use_bias=False)])
    network.set_weights([numpy.full((1, 1), value, numpy.float32)])
    return network


def test_each_update_sees_the_ones_before_it(runs_on: str) -> None:
    """a ← a - 0.1·∂/∂a mean(a·x - b·x)², then b with the new a; x = 1, 2 in one batch, so the mean of x² is 5/2."""
    a, b = scale(3.0), scale(1.0)

    def first(x: Any) -> Any:
        return ops.mean(ops.square(a(x) - b(x)))

    def second(x: Any) -> Any:
        return ops.mean(ops.square(a(x) + b(x))), {"level": ops.mean(a(x))}

    trainer = Trainer([Update(first, a, SGD(0.1)), Update(second, b, SGD(0.1))], seed=0, executor=runs_on)
    history = trainer.fit(numpy.float32([[1], [2]]), batch_size="all", verbose=0).history
    new_a = 3.0 - 0.1 * 2 * (3.0 - 1.0) * 2.5  # 2
    new_b = 1.0 - 0.1 * 2 * (new_a + 1.0) * 2.5  # -0.5, no way from a's update into b's derivative
    assert a.get_weights()[0] == pytest.approx(new_a)
    assert b.get_weights()[0] == pytest.approx(new_b)
    assert history["first"] == pytest.approx([2.0**2 * 2.5])
    assert history["second"] == pytest.approx([(new_a + 1.0) ** 2 * 2.5])
    assert history["level"] == pytest.approx([new_a * 1.5])
    assert history["loss"] == pytest.approx([history["first"][0] + history["second"][0]])


def test_one_network_in_two_updates(runs_on: str) -> None:
    a = scale(1.0)
    updates = [
        Update(lambda x: ops.mean(a(x)), a, SGD(0.5), name="down"),  # ∂/∂w = mean x = 1
        Update(lambda x: ops.mean(ops.square(a(x))), a, SGD(0.25), name="shrink"),  # ∂/∂w = 2w
    ]
    Trainer(updates, seed=0, executor=runs_on).fit(numpy.ones((4, 1)), batch_size=4, verbose=0)
    assert a.get_weights()[0] == pytest.approx((1.0 - 0.5) - 0.25 * 2 * 0.5)


def adversaries() -> tuple[Sequential, Sequential, list[Update]]:
    generator = Sequential(
        [Input((3,)), Dense(8, activation="relu"), BatchNormalization(), Dense(2)], seed=1, name="generator"
    )
    discriminator = Sequential([Input((2,)), Dense(8, activation="tanh"), Dropout(0.2), Dense(1)], seed=2)

    def invented(real: Any) -> Any:
        return generator(random.normal((real.shape[0], 3)), training=True)

    def discriminate(real: Any) -> Any:
        true, false = discriminator(real, training=True), discriminator(invented(real), training=True)
        return ops.mean(ops.softplus(-true)) + ops.mean(ops.softplus(false))

    def generate(real: Any) -> Any:
        return ops.mean(ops.softplus(-discriminator(invented(real), training=True)))

    updates = [Update(discriminate, discriminator, Adam(5e-3, 0.5)), Update(generate, generator, Adam(5e-3, 0.5))]
    return generator, discriminator, updates


REAL = (numpy.random.default_rng(0).normal(size=(90, 2)) * 0.3 + [2.0, -1.0]).astype(numpy.float32)


def test_every_executor_trains_alike() -> None:
    results = []
    names = ["numpy"]
    for name in EXECUTORS[1:]:
        try:
            executor(name)
        except Exception:  # not installed here
            continue
        names.append(name)
    for name in names:
        generator, discriminator, updates = adversaries()
        history = Trainer(updates, seed=7, executor=name).fit(REAL, batch_size=16, epochs=2, verbose=0).history
        results.append([*generator.get_weights(), *discriminator.get_weights(), *history.values()])
    for other in results[1:]:
        for x, y in zip(results[0], other, strict=True):
            numpy.testing.assert_allclose(y, x, 2e-3, 2e-4)


def test_a_generator_learns_where_the_data_are() -> None:
    generator, _, updates = adversaries()
    trainer = Trainer(updates, seed=3)
    trainer.fit(REAL, batch_size=30, epochs=100, verbose=0)
    made = generator.predict(numpy.random.default_rng(1).normal(size=(500, 3)))
    numpy.testing.assert_allclose(made.mean(axis=0), [2.0, -1.0], atol=0.5)


def test_training_goes_on_where_it_ended() -> None:
    """Two epochs at once, or one and one, are the same to the bit; moving averages and Adam's state included."""
    weights = []
    for parts in ([2], [1, 1]):
        generator, discriminator, updates = adversaries()
        trainer = Trainer(updates, seed=5)
        for epochs in parts:
            trainer.fit(REAL, epochs=epochs, verbose=0)
        weights.append([*generator.get_weights(), *discriminator.get_weights()])
    assert all(numpy.array_equal(x, y) for x, y in zip(*weights, strict=True))


def test_several_arrays_come_with_the_same_rows() -> None:
    a = scale(0.0)
    update = Update(lambda x, y: ops.mean(ops.square(a(x) - y)), a, SGD(0.1), name="fit")
    x = numpy.linspace(-1, 1, 40, dtype=numpy.float32)[:, None]
    Trainer([update], seed=0).fit((x, 3 * x), epochs=60, batch_size=8, verbose=0)
    assert a.get_weights()[0] == pytest.approx(3.0, abs=1e-3)


def test_broken_numbers_are_told_and_undone() -> None:
    a = scale(1.0)
    trainer = Trainer([Update(lambda x: -ops.mean(ops.exp(a(x))), a, SGD(1e30), name="runaway")], seed=0)
    with pytest.raises(NonFiniteError):
        trainer.fit(numpy.ones((64, 1)), epochs=3, verbose=0)
    assert numpy.isfinite(a.get_weights()[0]).all()


def test_what_does_not_fit_is_refused() -> None:
    a, b = scale(1.0), scale(1.0)
    with pytest.raises(ArgumentError, match="function"):
        Update("mse", a)
    with pytest.raises(ArgumentError, match="models"):
        Update(ops.mean, [Dense(1)])
    with pytest.raises(ArgumentError, match="list of Update"):
        Trainer([])
    with pytest.raises(ArgumentError, match="name of its own"):
        Trainer([Update(ops.mean, a), Update(ops.mean, b)])
    rate = SGD(0.1)
    with pytest.raises(ArgumentError, match="share an optimizer"):
        Trainer([Update(ops.mean, a, rate, "one"), Update(ops.mean, b, rate, "two")])
    with pytest.raises(ShapeError, match=r"per_row.*scalar.*ops\.mean"):
        Trainer([Update(lambda x: a(x), a, name="per_row")]).fit(numpy.ones((4, 1)), verbose=0)
    with pytest.raises(DataError, match="NaN"):
        Trainer([Update(lambda x: ops.mean(a(x)), a, name="m")]).fit(numpy.float32([[numpy.nan]]), verbose=0)


class Pairs:
    """Batches (x, 3x), the same ones in every pass."""

    def __init__(self, x: numpy.ndarray, size: int) -> None:
        self.x, self.size = x, size

    def __iter__(self) -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
        for start in range(0, len(self.x), self.size):
            part = self.x[start : start + self.size]
            yield part, 3 * part


def tripler() -> tuple[Sequential, Trainer]:
    a = scale(0.0)
    return a, Trainer([Update(lambda x, y: ops.mean(ops.square(a(x) - y)), a, Adam(0.1), name="fit")], seed=0)


def test_batches_train_as_arrays_do() -> None:
    """Without shuffling, an iterable of the same batches makes the same steps; the last one is shorter."""
    x = numpy.linspace(-1, 1, 40, dtype=numpy.float32)[:, None]
    a, of_arrays = tripler()
    b, of_batches = tripler()
    expected = of_arrays.fit((x, 3 * x), batch_size=12, epochs=3, shuffle=False, verbose=0)
    history = of_batches.fit(Pairs(x, 12), epochs=3, verbose=0)
    assert a.get_weights()[0] == b.get_weights()[0] > 0.5
    assert history.history["fit"] == pytest.approx(expected.history["fit"])
    assert (of_batches.steps_trained, of_batches.epochs_trained) == (12, 3)


def test_batches_without_an_end() -> None:
    """Lists, as some data loaders give, and a generator that is read on from epoch to epoch."""
    taken = []

    def forever() -> Iterator[list[numpy.ndarray]]:
        while True:
            taken.append(1)
            yield [numpy.ones((4, 1)), 3 * numpy.ones((4, 1))]

    a, trainer = tripler()
    history = trainer.fit(forever(), epochs=5, steps_per_epoch=30, verbose=0)
    assert history.params["steps"] == 30
    assert len(history.epoch) == 5
    assert 150 <= len(taken) <= 153
    assert a.get_weights()[0] == pytest.approx(3.0, abs=0.05)


def again(items: list[numpy.ndarray]) -> Stream:
    """The items, in every pass."""
    return Stream(lambda rows: items[rows[0]], rows=len(items), batch_size=1)


def test_random_numbers_go_on_over_batches() -> None:
    """An epoch and another one, or both at once: the same to the bit, dropout and moving averages included."""
    weights = []
    for parts in ([2], [1, 1]):
        generator, discriminator, updates = adversaries()
        trainer = Trainer(updates, seed=5)
        for epochs in parts:
            trainer.fit(again([REAL[:32], REAL[32:64], REAL[64:]]), epochs=epochs, verbose=0)
        weights.append([*generator.get_weights(), *discriminator.get_weights()])
    assert all(numpy.array_equal(x, y) for x, y in zip(*weights, strict=True))


def test_a_broken_batch_is_undone() -> None:
    a = scale(1.0)
    trainer = Trainer([Update(lambda x: ops.mean(ops.exp(a(x))), a, Adam(0.5), name="e")], seed=0)
    batches = [numpy.ones((2, 1)), numpy.ones((2, 1)), numpy.full((2, 1), 1e30)]
    with pytest.raises(NonFiniteError, match="epoch 1 of this fit, batch 3"):
        trainer.fit(again(batches), verbose=0)
    assert a.get_weights()[0] == pytest.approx(0.5, abs=1e-2)  # after one of the two good steps
    assert trainer.updates[0].optimizer.iterations == trainer.steps_trained == 1


def test_options_of_the_other_kind_are_refused() -> None:
    _, trainer = tripler()
    with pytest.raises(ArgumentError, match="batch_size is for arrays"):
        trainer.fit(Pairs(numpy.ones((4, 1)), 2), batch_size=2, verbose=0)
    with pytest.raises(ArgumentError, match="steps_per_epoch is for iterables"):
        trainer.fit((numpy.ones((4, 1)),) * 2, steps_per_epoch=2, verbose=0)
    with pytest.raises(ArgumentError, match="begins anew"):
        trainer.fit(iter([numpy.ones((4, 1))]), epochs=2, verbose=0)
    with pytest.raises(DataError, match="no batches"):
        trainer.fit(iter([]), verbose=0)
