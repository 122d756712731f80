"""One seed fixes everything, and training goes on exactly where it ended, also from a file in another process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
import pellucid as pl
from pellucid.layers import Dense, Dropout
from pellucid.models import load_model
from pellucid.optimizers import schedules

SRC = str(Path(pellucid.__file__).parents[1])  # the same code as under test
X = np.random.default_rng(0).normal(size=(70, 5)).astype(np.float32)
Y = (X.sum(1) > 0).astype(np.float32)

OPTIMIZERS = {
    "sgd": lambda: pl.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: pl.optimizers.RMSprop(0.01, centered=True, momentum=0.5),
    "adagrad": lambda: pl.optimizers.Adagrad(0.1),
    "adam": lambda: pl.optimizers.Adam(schedules.ExponentialDecay(0.05, 3, 0.9), clipnorm=1.0),
    "adamw": lambda: pl.optimizers.AdamW(0.01, weight_decay=0.1),
    "nadam": lambda: pl.optimizers.Nadam(0.01),
}


def make(optimizer: str = "adam", executor: str = "native", seed: int = 11, precision: str = "float32") -> Any:
    layers = [Dense(16, "relu", input_shape=(5,)), Dropout(0.4), Dense(8, "tanh"), Dense(1, "sigmoid")]
    model = pl.Sequential(layers, seed=seed)
    model.compile(OPTIMIZERS[optimizer](), "binary_crossentropy", executor=executor, precision=precision)
    return model


def bits(model: Any) -> str:
    """A digest of all weights and of the optimizer's state."""
    digest = hashlib.sha256()
    for variable in [*model.variables, *model.optimizer.variables]:
        digest.update(variable.value.tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_same_seed_gives_the_same_bits(optimizer: str, executor: str) -> None:
    found = []
    for seed in (11, 11, 12):
        model = make(optimizer, executor, seed)
        model.fit(X, Y, batch_size=16, epochs=3, verbose=0)
        found.append(bits(model))
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_twice_two_epochs_are_four(optimizer: str, executor: str) -> None:
    once, twice = make(optimizer, executor), make(optimizer, executor)
    whole = once.fit(X, Y, batch_size=16, epochs=4, verbose=0).history["loss"]
    parts = [twice.fit(X, Y, batch_size=16, epochs=2, verbose=0).history["loss"] for _ in range(2)]
    assert parts[0] + parts[1] == whole
    assert bits(once) == bits(twice)


def test_twice_in_bfloat16_and_on_batches() -> None:
    pytest.importorskip("pellucid._native")
    once, twice = make(precision="bfloat16"), make(precision="bfloat16")
    once.fit(X, Y, epochs=4, verbose=0)
    for _ in range(2):
        twice.fit(X, Y, epochs=2, verbose=0)
    assert bits(once) == bits(twice)
    batches = [(X[:40], Y[:40]), (X[40:], Y[40:])]
    once, twice = make(), make()
    once.fit(batches, epochs=4, verbose=0)
    for _ in range(4):
        for x, y in batches:
            twice.train_on_batch(x, y)
    assert bits(once) == bits(twice)


def test_both_executors_agree() -> None:
    """Not to the bit, but the order of rows, dropout's choices and the first weights are the same."""
    pytest.importorskip("pellucid._native")
    histories = [
        make("adam", executor).fit(X, Y, epochs=3, verbose=0).history["loss"] for executor in ("native", "numpy")
    ]
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-5)


def test_how_it_is_watched_does_not_matter(executor: str) -> None:
    plain, watched = make(executor=executor), make(executor=executor)
    plain.fit(X, Y, epochs=3, verbose=0)
    watched.fit(X, Y, epochs=3, verbose=2, validation_data=(X, Y), callbacks=pl.callbacks.EarlyStopping(patience=9))
    assert bits(plain) == bits(watched)


def run(program: str, *arguments: str) -> str:
    head = "import sys; sys.path.insert(0, sys.argv[1]); import test_exactness as t; "
    done = subprocess.run(
        [sys.executable, "-c", head + program, str(Path(__file__).parent), *arguments],
        env={**os.environ, "PYTHONPATH": SRC}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_other_processes_give_the_same_bits_and_resume_exactly(executor: str, tmp_path: Path) -> None:
    path = str(tmp_path / "half.safetensors")
    whole = make(executor=executor)
    whole.fit(X, Y, batch_size=16, epochs=4, verbose=0)
    two_epochs = "m.fit(t.X, t.Y, batch_size=16, epochs=2, verbose=0);"
    begin = f"m = t.make(executor='{executor}'); {two_epochs} m.save(sys.argv[2]);"
    assert run(f"{begin} {two_epochs} print(t.bits(m))", path) == bits(whole)
    resume = f"m = t.load_model(sys.argv[2]); m.run_on('{executor}');"
    assert run(f"{resume} {two_epochs} print(t.bits(m))", path) == bits(whole)


def test_a_checkpoint_resumes_exactly(executor: str, tmp_path: Path) -> None:
    whole = make(executor=executor)
    saved = pl.callbacks.ModelCheckpoint(tmp_path / "{epoch}.safetensors")
    whole.fit(X, Y, batch_size=16, epochs=4, verbose=0, callbacks=saved)
    model = load_model(tmp_path / "3.safetensors")
    assert (model.epochs_trained, model.steps_trained) == (3, 15)
    model.run_on(executor)
    model.fit(X, Y, batch_size=16, epochs=4, initial_epoch=3, verbose=0)
    assert bits(model) == bits(whole)


def test_without_a_seed_one_is_drawn_and_can_be_used_again() -> None:
    first = pl.Sequential([Dense(4, input_shape=(5,))])
    second = pl.Sequential([Dense(4, input_shape=(5,))])
    assert first.seed != second.seed
    pl.utils.set_random_seed(5)
    third = pl.Sequential([Dense(4, input_shape=(5,))])
    pl.utils.set_random_seed(5)
    fourth = pl.Sequential([Dense(4, input_shape=(5,))])
    assert third.seed == fourth.seed
    assert np.array_equal(third.get_weights()[0], fourth.get_weights()[0])
    for wrong in (-1, 2**63, "a", 1.5):
        with pytest.raises(pl.errors.ArgumentError, match="seed must be a whole number"):
            pl.Sequential(seed=wrong)  # type: ignore[arg-type]
