"""Streams of batches in `fit`, `evaluate` and `predict`: made on another thread, in order, as many as are asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

import numpy
import pytest

import pellucid
from pellucid.callbacks import LambdaCallback
from pellucid.data.stream import Stream
from pellucid.utils import timeseries_dataset_from_array

SERIES = numpy.sin(numpy.arange(100) / 5).astype(numpy.float32)


def model() -> pellucid.Sequential:
    made = pellucid.Sequential(
        [pellucid.layers.Dense(4, activation="tanh", input_shape=(5,)), pellucid.layers.Dense(1)], seed=0
    )
    made.compile("adam", "mse")
    return made


def windows(seed: int = 3) -> Stream:
    return timeseries_dataset_from_array(SERIES, SERIES[5:], 5, batch_size=16, shuffle=True, seed=seed)


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_a_stream_trains_as_its_batches_do() -> None:
    first, second, third = model(), model(), model()
    fitted = first.fit(windows(), epochs=2, verbose=0, validation_data=windows())
    history = fitted.history
    assert fitted.params["steps"] == 6
    assert len(history["val_loss"]) == 2
    stream = windows()
    for _ in range(2):
        second.fit(list(stream), verbose=0)
    third.fit(windows(seed=4), epochs=2, verbose=0)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        assert (a == b).all()
    assert any((a != b).any() for a, b in zip(first.get_weights(), third.get_weights(), strict=True))
    assert history["loss"][1] < history["loss"][0]
    assert first.evaluate(windows()) == pytest.approx(first.evaluate(list(windows())))
    ordered = timeseries_dataset_from_array(SERIES, None, 5, batch_size=16)
    assert first.predict(ordered).shape == (96, 1)
    assert (first.predict(ordered) == first.predict(numpy.concatenate(list(ordered)))).all()


def batches(made: list[int]) -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
    """Batches without an end, counted as they are made."""
    while True:
        made.append(len(made))
        yield numpy.full((2, 5), len(made) / 100, numpy.float32), numpy.zeros((2, 1))


def test_no_more_batches_are_taken_than_asked_for() -> None:
    made: list[int] = []
    source = batches(made)
    trained = model()
    trained.fit(source, epochs=3, steps_per_epoch=4, verbose=0)
    assert len(made) == 12
    trained.evaluate(source, steps=5)
    assert len(made) == 17
    assert trained.predict(source, steps=2).shape == (4, 1)
    assert len(made) == 19


def test_an_early_stop_ends_the_thread() -> None:
    made: list[int] = []
    trained = model()

    def stop(batch: int, logs: object) -> None:
        trained.stop_training = batch == 3

    trained.fit(batches(made), steps_per_epoch=100, verbose=0, callbacks=[LambdaCallback(on_train_batch_end=stop)])
    assert 4 <= len(made) <= 6
    assert "pellucid-prefetch" not in threads()


def test_errors_in_the_middle_end_the_thread() -> None:
    def broken() -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
        yield next(batches([]))
        raise OSError("pictures/cat.png is damaged")

    for use in (lambda m: m.fit(broken(), verbose=0), lambda m: m.evaluate(broken()), lambda m: m.predict(broken())):
        with pytest.raises(OSError, match=r"pictures/cat\.png is damaged"):
            use(model())
        assert "pellucid-prefetch" not in threads()
    with pytest.raises(pellucid.errors.DataError):
        model().fit(iter([(numpy.zeros((2, 5)), numpy.zeros(2)), "no batch", *[None] * 10]), verbose=0)
    assert "pellucid-prefetch" not in threads()


def test_batches_are_made_while_steps_run() -> None:
    meeting = threading.Barrier(2, timeout=20)  # breaks unless a batch is made before training with the one before ends

    def source() -> Iterator[tuple[numpy.ndarray, numpy.ndarray]]:
        yield from islice(batches([]), 1)
        for batch in islice(batches([]), 4):
            meeting.wait()
            yield batch

    def meet(batch: int, logs: object) -> None:
        if batch < 4:
            meeting.wait()

    model().fit(source(), verbose=0, callbacks=[LambdaCallback(on_train_batch_begin=meet)])
    assert not meeting.broken
