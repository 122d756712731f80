"""Callbacks: the order of calls, and what each one does, with Keras's as the oracle where it is installed."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    StopAt,
)
from pellucid.errors import ArgumentError
from pellucid.layers import Dense
from pellucid.models import load_model

EVENTS = [
    "on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_test_begin", "on_test_end",
    "on_epoch_end", "on_train_end",
]  # fmt: skip


def note_all(note: Any) -> LambdaCallback:
    return LambdaCallback(**{event: lambda *a, e=event: note(e, *a) for event in EVENTS})


@pytest.mark.parametrize("form", ["arrays", "batches"])
def test_the_order_of_calls(form: str, executor: str) -> None:
    calls: list[Any] = []
    model = pl.Sequential([Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse", executor=executor)
    x, y = np.ones((5, 1)), np.ones(5)
    given: Any = (x, y, 3) if form == "arrays" else ([(x[:3], y[:3]), (x[3:], y[3:])],)
    note = note_all(lambda event, *a: calls.append((event, *a[:-1]) if len(a) > 1 else event))
    model.fit(*given, epochs=2, verbose=0, validation_data=(x, y), validation_freq=2, callbacks=[note])
    batches = [(f"on_train_batch_{edge}", batch) for batch in (0, 1) for edge in ("begin", "end")]
    first = [("on_epoch_begin", 0), *batches, ("on_epoch_end", 0)]
    second = [("on_epoch_begin", 1), *batches, "on_test_begin", "on_test_end", ("on_epoch_end", 1)]
    assert calls == ["on_train_begin", *first, *second, "on_train_end"]


def test_figures_of_a_batch_are_the_epochs_so_far(executor: str) -> None:
    model = pl.Sequential([Dense(1, input_shape=(1,), kernel_initializer="zeros")])
    model.compile(pl.optimizers.SGD(0.0), "mse", executor=executor)
    seen: list[float] = []
    note = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    model.fit(np.ones(3), [1.0, 2.0, 3.0], batch_size=1, shuffle=False, verbose=0, callbacks=note)
    np.testing.assert_allclose(seen, [1, 5 / 2, 14 / 3], rtol=1e-6)


def test_batch_hooks_change_nothing(numbers: Any, regression: Any, executor: str) -> None:
    x, y = numbers
    plain, watched = regression(executor=executor), regression(executor=executor)
    hook = LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    one = plain.fit(x, y, batch_size=7, epochs=3, verbose=0)
    assert watched.fit(x, y, batch_size=7, epochs=3, verbose=0, callbacks=hook).history == one.history
    assert all(np.array_equal(a, b) for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True))


@pytest.mark.parametrize("form", ["arrays", "batches"])
def test_stopping_within_an_epoch(form: str, executor: str) -> None:
    model = pl.Sequential([Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse", executor=executor)

    def stop(batch: int, logs: Any) -> None:
        model.stop_training = batch == 1

    x, y = np.ones((6, 1)), np.ones(6)
    hook = LambdaCallback(on_train_batch_end=stop)
    given: Any = (x, y, 2) if form == "arrays" else ([(x[i : i + 2], y[i : i + 2]) for i in (0, 2, 4)],)
    history = model.fit(*given, epochs=5, verbose=0, callbacks=hook)
    assert history.epoch == [0]
    assert (model.steps_trained, model.epochs_trained) == (2, 1)


class Shown(Callback):
    """Makes the figures of a list the epochs' figures."""

    def __init__(self, name: str, values: list[float]) -> None:
        self.name, self.values = name, values

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs[self.name] = self.values[epoch]


def trained(values: list[float], callback: Any, name: str = "val_loss", rate: float = 1.0) -> Any:
    """A model that has had epochs with these figures; its one weight counts the epochs (the gradient is -1 each)."""
    model = pl.Sequential([Dense(1, use_bias=False, input_shape=(1,), kernel_initializer="zeros")])
    model.compile(pl.optimizers.SGD(rate), lambda y_true, y_pred: pl.ops.mean(y_true - y_pred, axis=-1))
    model.fit([1.0], [0.0], epochs=len(values), verbose=0, callbacks=[Shown(name, values), callback])
    return model


FIGURES = [5.0, 4.0, 4.05, 3.9, 3.95, 3.99, 3.95, 3.92, 3.0, 3.1, math.nan, 3.2, 2.0]


def keras_stop(keras: Any, values: list[float], options: dict[str, Any]) -> tuple[int, Any]:
    """The epochs that Keras's EarlyStopping lets pass, and the epoch whose weights it restores."""
    callback = keras.callbacks.EarlyStopping(monitor="val_loss", **options)

    class Model:
        stop_training, weights = False, 0.0

        def get_weights(self) -> float:
            return self.weights

        def set_weights(self, weights: float) -> None:
            self.weights = weights

    model = Model()
    callback.set_model(model)
    callback.on_train_begin()
    epoch = 0
    for epoch, value in enumerate(values):
        model.weights = float(epoch + 1)
        callback.on_epoch_end(epoch, {"val_loss": value})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch + 1, model.weights


@pytest.mark.parametrize(
    "options",
    [
        {}, {"patience": 2}, {"patience": 3, "restore_best_weights": True}, {"min_delta": 0.5, "patience": 2},
        {"patience": 2, "baseline": 3.95}, {"patience": 1, "start_from_epoch": 4, "restore_best_weights": True},
        {"patience": 4, "restore_best_weights": True}, {"patience": 99, "restore_best_weights": True},
        {"mode": "max", "patience": 3, "restore_best_weights": True},
    ],
)  # fmt: skip
@pytest.mark.parametrize("values", [FIGURES, [1.0, 1.0, 1.0, 1.0], [math.inf, 3.0, 2.0]])
def test_early_stopping_is_as_in_keras(keras: Any, values: list[float], options: dict[str, Any]) -> None:
    model = trained(values, EarlyStopping(**options))
    assert (len(model.history.epoch), model.get_weights()[0].item()) == keras_stop(keras, values, options)


def test_not_a_number_is_never_the_best() -> None:
    """In Keras a first figure of NaN is the best for good, since nothing is less than it."""
    assert len(trained([math.nan, 3.0, 2.0, 2.5, 2.5], EarlyStopping(patience=2)).history.epoch) == 5
    assert len(trained([math.nan] * 5, EarlyStopping(patience=3)).history.epoch) == 3


def test_early_stopping_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    trained([3.0, 2.0, 2.5, 2.6], EarlyStopping(patience=2, verbose=1))
    assert capsys.readouterr().out == "Epoch 4: early stopping; best val_loss 2 in epoch 2\n"


@pytest.mark.parametrize("options", [{"patience": 2}, {"patience": 1, "cooldown": 2}, {"patience": 1, "min_lr": 0.3},
                                     {"patience": 2, "factor": 0.5, "min_delta": 0.2}])  # fmt: skip
def test_reducing_the_rate_is_as_in_keras(keras: Any, options: dict[str, Any]) -> None:
    options = {"factor": 0.5, **options}
    theirs = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", **options)

    class Model:
        optimizer = keras.optimizers.SGD(1.0)
        optimizer.build([])

    theirs.set_model(Model())
    theirs.on_train_begin()
    expected = []
    for epoch, value in enumerate(FIGURES):
        logs = {"val_loss": value}
        theirs.on_epoch_end(epoch, logs)
        expected.append(float(logs["learning_rate"]))
    model = trained(FIGURES, ReduceLROnPlateau(**options))
    np.testing.assert_allclose(model.history.history["learning_rate"], expected, rtol=1e-6)
    assert min(expected) < 1
    # the weight is the sum of the rates, so each took effect in the epoch after
    np.testing.assert_allclose(model.get_weights()[0].item(), sum(expected), rtol=1e-6)


@pytest.mark.parametrize("schedule", [lambda epoch, rate: rate / 2, lambda epoch: 0.5 ** (epoch + 1)])
def test_a_schedule_of_epochs(schedule: Any, executor: str) -> None:
    model = pl.Sequential([Dense(1, use_bias=False, input_shape=(1,), kernel_initializer="zeros")])
    loss = lambda y_true, y_pred: pl.ops.mean(y_true - y_pred, axis=-1)  # noqa: E731
    model.compile(pl.optimizers.SGD(1.0), loss, executor=executor)
    history = model.fit([1.0], [0.0], epochs=3, verbose=0, callbacks=LearningRateScheduler(schedule))
    assert history.history["learning_rate"] == [0.5, 0.25, 0.125]
    assert model.get_weights()[0].item() == 0.875
    with pytest.raises(ArgumentError, match=r"gave nan for epoch 0; give a finite number"):
        model.fit([1.0], [0.0], verbose=0, callbacks=LearningRateScheduler(lambda epoch: math.nan))
    with pytest.raises(ArgumentError, match=r"gave None for epoch 0"):
        model.fit([1.0], [0.0], verbose=0, callbacks=LearningRateScheduler(lambda epoch: None))


def test_stop_at_a_threshold() -> None:
    assert len(trained([5.0, 4.0, 3.0, 2.0], StopAt("val_loss", 3.0)).history.epoch) == 3
    assert len(trained([0.5, 0.9, 0.95, 1.0], StopAt("accuracy", 0.9), "accuracy").history.epoch) == 2
    assert len(trained([0.5, 0.9, 0.95], StopAt("score", 0.94, mode="max"), "score").history.epoch) == 3


def test_checkpoints(tmp_path: Path) -> None:
    values = [5.0, 4.0, 4.5, 3.0]
    every = trained_to_save(values, ModelCheckpoint(tmp_path / "all-{epoch:02d}-{val_loss:.1f}.safetensors"))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"all-{i + 1:02d}-{value}.safetensors" for i, value in enumerate(values)]
    assert load_model(tmp_path / names[1]).get_weights()[0].item() < every.get_weights()[0].item()
    best = ModelCheckpoint(tmp_path / "best.safetensors", save_best_only=True)
    trained_to_save([5.0, 3.0, 4.0], best)
    assert (load_model(tmp_path / "best.safetensors").epochs_trained, best.best) == (2, 3.0)
    none = ModelCheckpoint(tmp_path / "none.safetensors", save_best_only=True, initial_value_threshold=1.0)
    trained_to_save([5.0, 3.0], none)
    assert not (tmp_path / "none.safetensors").exists()
    with pytest.raises(ArgumentError, match="'val_los', which training does not report; did you mean 'val_loss'"):
        trained_to_save([1.0], ModelCheckpoint(str(tmp_path / "{val_los}")))


def trained_to_save(values: list[float], callback: Any) -> Any:
    model = pl.Sequential([Dense(1, use_bias=False, input_shape=(1,), kernel_initializer="zeros")])
    model.compile(pl.optimizers.SGD(0.1), "mse")
    model.fit([1.0], [1.0], epochs=len(values), verbose=0, callbacks=[Shown("val_loss", values), callback])
    return model


def test_the_log_as_csv(tmp_path: Path, numbers: Any, regression: Any) -> None:
    x, y = numbers
    path = tmp_path / "log.csv"
    model = regression(metrics=["mae"])
    history = model.fit(x, y, epochs=3, validation_data=(x, y), validation_freq=2, verbose=0, callbacks=CSVLogger(path))
    rows = list(csv.DictReader(path.open()))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert [float(row["loss"]) for row in rows] == history.history["loss"]
    assert [row["val_mae"] for row in rows] == ["NA", str(history.history["val_mae"][0]), "NA"]
    model.fit(x, y, verbose=0, callbacks=CSVLogger(path, append=True))
    assert len(list(csv.DictReader(path.open()))) == 4
    model.fit(x, y, verbose=0, callbacks=CSVLogger(path, separator=";"))
    assert path.read_text().splitlines()[0] == "epoch;loss;mae"
    with pytest.raises(ArgumentError, match="cannot be written: No such file"):
        model.fit(x, y, verbose=0, callbacks=CSVLogger(tmp_path / "none" / "log.csv"))


def test_files_are_closed_when_training_breaks(tmp_path: Path, numbers: Any, regression: Any) -> None:
    logger = CSVLogger(tmp_path / "log.csv")

    def fail(epoch: int, logs: Any) -> None:
        raise RuntimeError("of the callback's own")

    with pytest.raises(RuntimeError, match="of the callback's own"):
        regression().fit(*numbers, epochs=3, verbose=0, callbacks=[logger, LambdaCallback(on_epoch_end=fail)])
    assert logger._file is None
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 2


def test_a_figure_that_is_not_reported_is_refused(numbers: Any, regression: Any) -> None:
    x, y = numbers
    with pytest.raises(ArgumentError, match=r"watches 'val_loss', .*; give fit validation_data or validation_split"):
        regression().fit(x, y, verbose=0, callbacks=EarlyStopping())
    with pytest.raises(ArgumentError, match=r"watches 'my_loss', .*did you mean 'loss'"):
        regression().fit(x, y, verbose=0, callbacks=EarlyStopping("my_loss"))
    with pytest.raises(ArgumentError, match="'elegance' better when smaller or larger"):
        EarlyStopping("elegance")
    with pytest.raises(ArgumentError, match="mode must be"):
        StopAt("loss", 1.0, mode="lower")
    stop = EarlyStopping(patience=1)  # with validation in some epochs only, the others do not count
    history = regression().fit(x, y, epochs=4, validation_split=0.2, validation_freq=2, verbose=0, callbacks=stop)
    assert len(history.epoch) == 4


def test_what_is_no_callback_is_refused(numbers: Any, regression: Any) -> None:
    with pytest.raises(ArgumentError, match="got function; make a function into one: LambdaCallback"):
        regression().fit(*numbers, callbacks=[lambda epoch: None])
    with pytest.raises(ArgumentError, match="unknown event 'on_epoch_ends'; did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ends=print)
    with pytest.raises(ArgumentError, match="on_epoch_end must be a function"):
        LambdaCallback(on_epoch_end=3)
    with pytest.raises(ArgumentError, match="factor must be between 0 and 1"):
        ReduceLROnPlateau(factor=1.5)


def test_params_model_and_history(numbers: Any, regression: Any) -> None:
    x, y = numbers
    model = regression()

    class Look(Callback):
        def on_train_end(self, logs: Any = None) -> None:
            assert self.model is model
            assert {"epochs": 2, "steps": 4, "batch_size": 32, "seed": 1}.items() <= self.params.items()
            assert logs["loss"] == model.history.history["loss"][-1]
            logs["seen"] = True

    model.fit(x, y, epochs=2, verbose=0, callbacks=Look())


def test_evaluate_tells_callbacks(numbers: Any, regression: Any) -> None:
    seen: list[Any] = []
    note = LambdaCallback(on_test_begin=lambda logs: seen.append(logs), on_test_end=lambda logs: seen.append(logs))
    loss = regression().evaluate(*numbers, callbacks=note)
    assert seen == [{}, {"loss": loss}]


def test_direction_is_told_by_the_last_part_of_a_name() -> None:
    assert EarlyStopping("val_accounts_rmse").mode == "min"
    assert EarlyStopping("kind_binary_accuracy").mode == "max"
    assert [EarlyStopping(name).mode for name in ("loss", "auc", "val_f1", "kld", "r2")] == [
        "min", "max", "max", "min", "max",
    ]  # fmt: skip
