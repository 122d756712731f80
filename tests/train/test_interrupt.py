"""Ctrl-C: training stops within a second, the weights are those of the last whole step, and files are closed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pellucid

SRC = str(Path(pellucid.__file__).parents[1])  # the same code as under test

# Trains until it is interrupted; then trains a twin for as many steps, and says whether the weights are the same.
PROGRAM = """
import json, sys, time
import numpy as np
import pellucid as pl
from pellucid.callbacks import Callback, CSVLogger
from pellucid.layers import Dense, Dropout

executor, size, form, log = sys.argv[1:]
units, rows = {"small": (4, 50), "large": (700, 400)}[size]
x = np.random.default_rng(0).normal(size=(rows, 8)).astype("float32")
y = x.sum(1)

def network():
    model = pl.Sequential([Dense(units, "relu", input_shape=(8,)), Dropout(0.1), Dense(units), Dense(1)], seed=3)
    model.compile("adam", "mse", executor=executor)
    return model

def batches():
    while True:
        yield x[:25], y[:25]

class Until(Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = self.model.steps_trained == steps

model, logger = network(), CSVLogger(log)
model.train_on_batch(x[:25], y[:25])
given = (batches(),) if form == "stream" else (x, y, 25)
options = {"steps_per_epoch": 1000} if form == "stream" else {}
print("ready", flush=True)
try:
    model.fit(*given, epochs=10**9, verbose=0, callbacks=[] if form == "quiet" else [logger], **options)
    raised = False
except KeyboardInterrupt:
    raised, at = True, time.time()
steps, twin = model.steps_trained, network()
twin.train_on_batch(x[:25], y[:25])
given = (batches(),) if form == "stream" else (x, y, 25)
if steps > 1:
    twin.fit(*given, epochs=10**9, verbose=0, callbacks=Until(), **options)
same = all(np.array_equal(a, b) for a, b in zip(model.get_weights(), twin.get_weights()))
state = all(np.array_equal(a.value, b.value) for a, b in zip(model.optimizer.variables, twin.optimizer.variables))
model.fit(x, y, verbose=0)
print(json.dumps({"raised": raised, "at": at, "same": same, "state": state, "steps": steps, "twin": twin.steps_trained,
                  "iterations": model.optimizer.iterations, "closed": logger._file is None,
                  "finite": bool(np.isfinite(model.predict(x)).all())}))
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("form", ["quiet", "watched", "stream"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_interrupted(executor: str, size: str, form: str, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, executor, size, form, str(log)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": SRC},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell ignores it
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.35)
        pressed = time.time()
        child.send_signal(signal.SIGINT)
        out, errors = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 0, errors
    found = json.loads(out)
    assert found["raised"]
    assert found["at"] - pressed < 1.0
    assert found["steps"] > 1
    assert found["twin"] == found["steps"]
    assert found["same"]
    assert found["state"]
    assert found["finite"]
    assert found["closed"]


@pytest.fixture
def listening() -> Iterator[None]:
    """Ctrl-C raises, as at a terminal; what runs in the background of a shell begins deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_a_press_within_a_step_waits_for_its_end() -> None:
    from pellucid.train.interrupts import whole_steps

    done: list[int] = []

    def step(presses: int) -> None:
        with whole_steps():
            for _ in range(presses):
                os.kill(os.getpid(), signal.SIGINT)
            done.append(presses)

    with pytest.raises(KeyboardInterrupt):
        step(1)
    assert done == [1]
    with pytest.raises(KeyboardInterrupt):
        step(2)  # the second press is not held back
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
