"""`Doctor()` as a callback: what it warns of while training runs, once each, and that it keeps within its time."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.callbacks import Doctor
from pellucid.errors import ArgumentError
from pellucid.initializers import Constant
from pellucid.layers import Dense, Input
from pellucid.optimizers import SGD, Adam
from pellucid.train import watching

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(600, 4)).astype(np.float32)
Y = (X[:, 0] - 2 * X[:, 1] + 0.3 * DRAW.normal(size=600)).astype(np.float32)


def network(optimizer: Any = "adam", executor: str | None = None, **options: Any) -> pl.Sequential:
    model = pl.Sequential([Input((4,)), Dense(16, "relu", name="hidden", **options), Dense(1)], seed=0)
    model.compile(optimizer, "mse", executor=executor)
    return model


def watched(model: pl.Model, x: Any = X, y: Any = Y, share: float = 1e6, **options: Any) -> Doctor:
    """A fit in which there is always time to look."""
    doctor = Doctor(share)
    model.fit(x, y, verbose=0, callbacks=[doctor], **{"epochs": 12, **options})
    return doctor


def test_a_healthy_run_is_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert watched(network(Adam(0.01)), epochs=30).findings == []


def test_dead_units_are_warned_of_once(executor: str) -> None:
    model = network(executor=executor, bias_initializer=Constant(-30.0))
    with pytest.warns(
        UserWarning, match=r"D301 dead ReLUs, layer hidden: 16 of 16 .* \(pellucid help D301\)"
    ) as caught:
        doctor = watched(model)
    assert [finding.code for finding in doctor.findings] == ["D301"]
    (warning,) = [one for one in caught if "D301" in str(one.message)]
    assert warning.filename == __file__  # where fit was called, not where it was found


def test_what_happens_in_the_middle_is_seen() -> None:
    """The rate is set too high in epoch 6."""
    model = network(Adam(0.01))
    rate = pl.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 if epoch < 6 else 1.0)
    doctor = Doctor(1e6)
    with pytest.warns(UserWarning, match="D401 learning rate too high"):
        model.fit(X, Y, verbose=0, epochs=12, callbacks=[rate, doctor])


def test_overfitting_is_seen_while_it_happens() -> None:
    x = DRAW.normal(size=(120, 20)).astype(np.float32)
    y = (x[:, 0] + DRAW.normal(size=120) > 0).astype(np.float32)
    model = pl.Sequential([Input((20,)), Dense(128, "relu"), Dense(128, "relu"), Dense(1, "sigmoid")], seed=0)
    model.compile("adam", "binary_crossentropy")
    with pytest.warns(UserWarning, match="D403 overfitting"):
        watched(model, x[:60], y[:60], validation_data=(x[60:], y[60:]), epochs=80)


def test_what_may_come_right_is_said_at_the_end_only() -> None:
    model, seen = network(Adam(1e-5)), []
    doctor = Doctor(1e6)
    note = pl.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(len(doctor.findings)))
    with pytest.warns(UserWarning, match="D402 learning rate too low"):
        model.fit(X, Y, verbose=0, epochs=20, callbacks=[doctor, note])
    assert seen == [0] * 20


def test_batches_as_they_come_are_watched_by_their_loss() -> None:
    with pytest.warns(UserWarning, match="D401"):
        doctor = watched(network(SGD(0.4)), [(X[i::2], Y[i::2]) for i in range(2)], None, epochs=20)
    assert [finding.code for finding in doctor.findings] == ["D401"]


def test_a_trainer_is_watched_by_its_loss() -> None:
    model = network()
    update = pl.Update(lambda x: pl.ops.mean(pl.ops.square(model(x, training=True))), model, SGD(0.01), name="size")
    doctor = Doctor(1e6)
    pl.Trainer([update], seed=0).fit(X, epochs=6, verbose=0, callbacks=[doctor])
    assert doctor.findings == []


def test_it_keeps_within_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that looking moves by 0.1 s and an epoch by 1 s: with 5 % every second epoch is looked at."""
    clock = [0.0]
    monkeypatch.setattr(watching.time, "perf_counter", lambda: clock[0])
    monkeypatch.setitem(watching._FIRST_LOOK, "course", 0.1)
    monkeypatch.setitem(watching._FIRST_LOOK, "network", 1e9)
    doctor, looked = Doctor(0.05), []

    def look(at_end: bool = False) -> list[Any]:
        clock[0] += 0.1
        looked.append(round(clock[0], 1))
        return []

    monkeypatch.setattr(doctor, "_course", look)
    doctor.on_train_begin()
    for epoch in range(10):
        clock[0] += 1.0
        doctor.on_epoch_end(epoch, {"loss": 1.0})
    assert len(looked) == 5
    assert 0.1 * len(looked) <= 0.05 * clock[0]


def test_a_short_fit_is_not_looked_into() -> None:
    doctor = Doctor()
    network(bias_initializer=Constant(-30.0)).fit(X, Y, verbose=0, epochs=3, callbacks=[doctor])
    assert doctor.findings == []


def test_refusals() -> None:
    for share in (0, -1.0, "much"):
        with pytest.raises(ArgumentError, match="share"):
            Doctor(share)  # type: ignore[arg-type]
