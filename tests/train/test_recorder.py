"""The flight recorder: what it keeps, within which memory, and that training goes on from it exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid
from pellucid.callbacks import Callback, EarlyStopping, LambdaCallback, Recorder, Recording
from pellucid.errors import ArgumentError, ModelFileError, StateError
from pellucid.layers import BatchNormalization, Dense, Dropout, Input
from pellucid.train.frames import Layout, memory_size

ROWS = 40


def data() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    x = draw.normal(size=(ROWS, 3)).astype(np.float32)
    return x, (x @ [[1.0], [-2.0], [0.5]] + 0.3).astype(np.float32)


def network(optimizer: str = "adam") -> pellucid.Model:
    layers = [Input((3,)), Dense(8, "tanh"), BatchNormalization(), Dropout(0.25), Dense(1)]
    model = pellucid.Sequential(layers, seed=5)
    model.compile(optimizer, "mse")
    return model


def recorded(epochs: int = 6, **options: object) -> tuple[pellucid.Model, Recording]:
    """Batches of 10: 4 steps an epoch."""
    model, recorder = network(), Recorder(**options)  # type: ignore[arg-type]
    x, y = data()
    model.fit(x, y, batch_size=10, epochs=epochs, verbose=0, callbacks=[recorder])
    return model, recorder.recording


class Watch(Callback):
    """The weights after every step, kept in the plain way."""

    def on_train_begin(self, logs: object = None) -> None:
        self.weights = [self.model.get_weights()]

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.weights.append(self.model.get_weights())


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


# What is kept


def test_the_chosen_steps_are_kept_with_their_weights() -> None:
    watch, recorder, model = Watch(), Recorder(every=5), network()
    x, y = data()
    model.fit(x, y, batch_size=10, epochs=6, verbose=0, callbacks=[watch, recorder])
    recording = recorder.recording
    assert recording.steps == [0, 5, 10, 15, 20, 24]  # the last too
    for step in recording.steps:
        assert same(recording.at(step).model.get_weights(), watch.weights[step])
    assert recording.at(12).step == 10  # the nearest
    assert recording.at(10**6).step == 24


def test_halting_changes_nothing() -> None:
    alone = network()
    x, y = data()
    plain = alone.fit(x, y, batch_size=10, epochs=6, verbose=0)
    model, _ = recorded(every=1)
    assert same(alone.get_weights(), model.get_weights())
    assert model.history is not None
    assert plain.history == model.history.history


def test_losses_are_means_over_the_steps_between() -> None:
    losses: list[float] = []

    class Losses(Callback):
        """The loss of each step, from the epoch's mean so far."""

        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            assert isinstance(logs, dict)
            before = sum(losses[len(losses) - batch :]) if batch else 0.0
            losses.append(logs["loss"] * (batch + 1) - before)

    model, recorder = network(), Recorder(every=3)
    x, y = data()
    model.fit(x, y, batch_size=10, epochs=3, verbose=0, callbacks=[Losses(), recorder])
    kept = recorder.recording.frames.kept
    assert kept[0].loss == pytest.approx(losses[0], rel=1e-6)  # the first batch's, before any update
    expected = [np.mean(losses[i : i + 3]) for i in range(0, 12, 3)]
    assert [frame.loss for frame in kept[1:]] == pytest.approx(expected, rel=1e-6)


def test_a_short_run_of_a_large_network_has_moments_enough() -> None:
    x, y = data()
    model = pellucid.Sequential([Input((3,)), Dense(3000), Dense(1)], seed=0)
    model.compile("sgd", "mse")
    recorder = Recorder()
    model.fit(x, y, batch_size=10, epochs=30, verbose=0, callbacks=recorder)
    assert model.count_params() > 10_000
    assert recorder.recording.steps == list(range(0, 121, 4))


def test_examples_are_traced_at_every_moment() -> None:
    x, y = data()
    _, recording = recorded(every=8, examples=(x[:2], y[:2]))
    moment = recording.at(8)
    assert moment.trace.loss == pytest.approx(float(np.mean((moment.model.predict(x[:2]) - y[:2]) ** 2)), rel=1e-5)
    assert moment.trace["dense"].activation.shape == (2, 8)
    assert moment.trace["dense"].weight_gradients["kernel"].shape == (3, 8)
    assert "dense/kernel" in moment.text()
    assert "h₁" in moment.diagram().svg()
    with pytest.raises(ArgumentError, match="no examples were recorded"):
        _ = recorded(every=8)[1].at(8).trace


# Memory


@pytest.mark.parametrize("half", [False, True])
def test_memory_is_never_more_than_its_bound(half: bool) -> None:
    each = recorded(every=1, epochs=1)[1].frames.kept[0].bytes
    bound, most = 7 * each + 10, 0
    model, recorder = network(), Recorder(every=1, memory=bound, half=half)

    def look(batch: int, logs: object) -> None:
        nonlocal most
        most = max(most, recorder.recording.frames.bytes)

    x, y = data()
    watch = LambdaCallback(on_train_batch_end=look)
    model.fit(x, y, batch_size=10, epochs=10, verbose=0, callbacks=[recorder, watch])
    steps = recorder.recording.steps
    assert each < most <= bound
    assert (steps[0], steps[-1]) == (0, 40)
    apart = set(np.diff(steps[:-1]).tolist())  # evenly thinned, but for the last
    assert len(apart) == 1
    assert len(steps) >= 4


def test_float16_keeps_more_moments_and_says_so() -> None:
    each = recorded(every=1, epochs=1, optimizer=False)[1].frames.kept[0].bytes
    x, y = data()
    found = []
    for half in (False, True):
        recorder, model = Recorder(every=1, memory=9 * each, optimizer=False, half=half), network()
        watch = Watch()
        model.fit(x, y, batch_size=10, epochs=3, verbose=0, callbacks=[watch, recorder])
        found.append(len(recorder.recording))
    assert found[1] > found[0]
    moment = recorder.recording.at(0)
    assert moment.keeps == "weights (in float16) only: the optimizer begins anew"
    for old, new in zip(moment.model.get_weights(), watch.weights[0], strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-3, atol=1e-6)


def test_a_network_too_large_for_the_memory_is_refused_before_training() -> None:
    with pytest.raises(ArgumentError, match=r'must be at least "[\d.]+ KB"'):
        recorded(memory="1 KB")
    with pytest.raises(ArgumentError, match="more than a quarter"):
        recorded(examples=np.zeros((2000, 3), np.float32), memory="20 KB")


@pytest.mark.parametrize(("text", "size"), [("64 MB", 64_000_000), ("1GiB", 2**30), (12, 12), ("1.5 kb", 1500)])
def test_sizes_in_words(text: str | int, size: int) -> None:
    assert memory_size(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-3 MB", 0, True, "nan MB", "inf GB"])
def test_sizes_that_are_none(text: str | int) -> None:
    with pytest.raises(ArgumentError, match='such as "64 MB"'):
        memory_size(text)


def test_layouts_keep_every_kind_of_number() -> None:
    model = network()
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    values = [one.value for one in variables]
    layout = Layout.of(variables)
    assert same(layout.unpack(layout.pack(values)), values)
    assert [value.dtype for value in layout.unpack(layout.pack(values, half=True), half=True)] == [
        value.dtype for value in values
    ]
    assert Layout.from_json(layout.to_json()) == layout


# Going on


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_training_goes_on_exactly_from_the_end_of_an_epoch(optimizer: str) -> None:
    model, recorder = network(optimizer), Recorder(every=4)
    x, y = data()
    model.fit(x, y, batch_size=10, epochs=6, verbose=0, callbacks=recorder)
    again = recorder.recording.restore(12)
    assert again.steps_trained == 12
    again.fit(x, y, batch_size=10, epochs=6, initial_epoch=3, verbose=0)
    assert same(again.get_weights(), model.get_weights())


def test_training_goes_on_with_other_settings() -> None:
    _, recording = recorded(every=4)
    model = recording.restore(8)
    model.optimizer.learning_rate = 0.5
    x, y = data()
    model.fit(x, y, batch_size=10, epochs=1, verbose=0)
    assert model.steps_trained == 12
    assert not same(model.get_weights(), recording.at(12).model.get_weights())
    assert recording.at(8).model.optimizer.learning_rate == 0.001


def test_without_the_optimizer_it_says_so() -> None:
    _, recording = recorded(every=4, optimizer=False)
    assert "weights only: the optimizer begins anew" in recording.text()
    model = recording.restore(8)
    assert (model.steps_trained, model.optimizer.iterations) == (8, 0)
    assert "weights and the optimizer's state" in recorded(every=4)[1].text()


# Comparing


def test_comparison_tells_what_changed_most() -> None:
    _, recording = recorded(every=4)
    found = recording.compare(0, 24)
    before, after = recording.at(0).weights, recording.at(24).weights
    lengths = [(np.linalg.norm(after[one.weight] - before[one.weight]), np.linalg.norm(before[one.weight]))
               for one in found.changes]  # fmt: skip
    shares = [float(moved / whole) if whole else np.inf for moved, whole in lengths]
    assert shares == sorted(shares, reverse=True)
    change = next(one for one in found.changes if one.weight == "dense/kernel")
    moved = after["dense/kernel"].astype(float) - before["dense/kernel"]
    assert change.relative == pytest.approx(np.linalg.norm(moved) / np.linalg.norm(before["dense/kernel"]))
    assert abs(change.largest) == pytest.approx(np.abs(moved).max())
    assert change.after - change.before == pytest.approx(change.largest)
    assert "dense/kernel" in found.text()
    assert found.to_json()["first"] == 0


# However training goes


def test_streams_are_recorded() -> None:
    x, y = data()
    model, recorder = network(), Recorder(every=3)
    model.fit([(x[i : i + 10], y[i : i + 10]) for i in range(0, 40, 10)], epochs=2, verbose=0, callbacks=recorder)
    assert recorder.recording.steps == [0, 3, 6, 8]


def test_early_stopping_keeps_the_last_step_as_it_was() -> None:
    x, y = data()
    for first in (True, False):
        model, recorder, watch = network(), Recorder(every=100), Watch()
        stop = EarlyStopping("loss", min_delta=1e9, patience=2, restore_best_weights=True)
        listeners = [watch, recorder, stop] if first else [watch, stop, recorder]
        model.fit(x, y, batch_size=10, epochs=50, verbose=0, callbacks=listeners)
        assert recorder.recording.steps == [0, len(watch.weights) - 1]
        assert same(recorder.recording.at(10**6).model.get_weights(), watch.weights[-1])


def test_an_interruption_leaves_a_whole_recording() -> None:
    def stop(batch: int, logs: object) -> None:
        if model.steps_trained == 6:
            raise KeyboardInterrupt

    x, y = data()
    model, recorder = network(), Recorder(every=4)
    watch = LambdaCallback(on_train_batch_end=stop)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=10, epochs=5, verbose=0, callbacks=[watch, recorder])
    assert recorder.recording.steps == [0, 4, 6]
    assert same(recorder.recording.at(6).model.get_weights(), model.get_weights())


def test_defaults_take_about_a_hundred_moments() -> None:
    _, recording = recorded(epochs=100)
    assert len(recording) == 101
    assert recording.frames.every == 4


@pytest.mark.parametrize("executor", ["numpy", "native", "xla"])
def test_every_executor_halts_where_it_should(executor: str) -> None:
    if executor != "numpy":
        pytest.importorskip({"native": "pellucid._native", "xla": "jax"}[executor])
    model, recorder = network(), Recorder(every=3)
    model.run_on(executor)
    x, y = data()
    model.fit(x, y, batch_size=10, epochs=2, verbose=0, callbacks=recorder)
    assert recorder.recording.steps == [0, 3, 6, 8]


# Files


def test_a_recording_is_one_file(tmp_path: Path) -> None:
    x, y = data()
    _, recording = recorded(every=4, examples=(x[:2], y[:2]))
    path = tmp_path / "run.safetensors"
    recording.save(path)
    again = Recording.load(path)
    assert again.steps == recording.steps
    assert again.text() == recording.text()
    assert [epoch.figures for epoch in again.epochs] == [epoch.figures for epoch in recording.epochs]
    assert same(again.at(8).model.get_weights(), recording.at(8).model.get_weights())
    assert again.at(8).trace.loss == recording.at(8).trace.loss
    first, second = again.restore(12), recording.restore(12)
    for model in (first, second):
        model.fit(x, y, batch_size=10, epochs=1, verbose=0)
    assert same(first.get_weights(), second.get_weights())


def test_foreign_and_damaged_files_are_refused(tmp_path: Path) -> None:
    model, recording = recorded(every=4)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(ModelFileError, match="not a recording"):
        Recording.load(tmp_path / "model.safetensors")
    recording.frames.kept[1].weights = recording.frames.kept[1].weights[:-4]
    recording.save(tmp_path / "cut.safetensors")
    with pytest.raises(ModelFileError, match="step 4 does not fit"):
        Recording.load(tmp_path / "cut.safetensors")


def test_bad_requests(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="give the recorder to fit"):
        _ = Recorder().recording
    with pytest.raises(ArgumentError, match="every must be"):
        Recorder(every=0)
    _, recording = recorded(every=4)
    with pytest.raises(ArgumentError, match=r"must end in \.html, \.gif, \.safetensors"):
        recording.save(tmp_path / "run.mp4")
    with pytest.raises(ArgumentError, match="whole number"):
        recording.at(1.5)  # type: ignore[arg-type]
