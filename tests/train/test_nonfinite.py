"""When numbers break: training stops, says where, and keeps the last good weights, which are computed here apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.callbacks import Callback, LearningRateScheduler
from pellucid.errors import NonFiniteError
from pellucid.layers import Dense, Input

X = np.ones((8, 1), np.float32)
Y = np.zeros((8, 1), np.float32)


def diverging(executor: str, rate: float = 1e10) -> pl.Sequential:
    """One weight without a bias on x = 1, y = 0: the gradient is 2w, so each step makes it w·(1 - 2·rate)."""
    model = pl.Sequential([Dense(1, use_bias=False, input_shape=(1,), name="only")], seed=0)
    model.compile(pl.optimizers.SGD(rate), "mse", executor=executor)
    model.set_weights([[[1.0]]])
    return model


def after(steps: int, rate: float = 1e10) -> Any:
    """The weight after some steps, in float32 as the engine computes."""
    w = np.float32(1.0)
    for _ in range(steps):
        w = np.float32(w - np.float32(rate) * (np.float32(2.0) * w))
    return w


def first_broken(rate: float = 1e10) -> int:
    """The first step, from 0, whose loss w² is not finite."""
    with np.errstate(over="ignore"):
        return next(step for step in range(100) if not np.isfinite(after(step, rate) ** 2))


class Watch(Callback):
    """Something that makes training halt between epochs."""

    ended = 0

    def on_train_end(self, logs: Any = None) -> None:
        self.ended += 1


@pytest.mark.parametrize("callbacks", [(), (Watch(),)], ids=["quiet", "watched"])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_the_last_good_weights_are_kept(batch_size: int, callbacks: Any, executor: str) -> None:
    model = diverging(executor)
    broken = first_broken()
    assert broken == 2
    with pytest.raises(NonFiniteError) as caught:
        model.fit(X, Y, batch_size=batch_size, epochs=10, verbose=0, callbacks=callbacks)
    np.testing.assert_allclose(model.get_weights()[0].item(), after(broken - 1), rtol=1e-6)
    assert model.steps_trained == model.optimizer.iterations == broken - 1
    message = str(caught.value)
    each = -(-8 // batch_size)
    epoch, batch = divmod(broken, each)
    assert (
        f"the loss became non-finite at step 3 (epoch {epoch + 1} of this fit, batch {batch + 1} of {each})" in message
    )
    assert "layer loss" in message
    assert "The weights from before step 2 are kept" in message
    assert "smaller learning rate" in message
    assert np.isfinite(model.evaluate(X, Y))
    assert all(np.isfinite(loss) for loss in model.history.history.get("loss", []))


@pytest.mark.parametrize("hooks", ["epochs", "batches"])
def test_after_a_callback_changed_the_rate(hooks: str, executor: str) -> None:
    """The rate is harmless for three epochs and then set too high; what is kept is finite and known."""
    model = diverging(executor, rate=0.1)

    def schedule(epoch: int, rate: float) -> float:
        return 1e10 if epoch == 3 else rate

    batches = pl.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    callbacks = [LearningRateScheduler(schedule), *([batches] if hooks == "batches" else [])]
    with pytest.raises(NonFiniteError, match=r"step 9 .epoch 5 of this fit, batch 1 of 2."):
        model.fit(X, Y, batch_size=4, epochs=10, verbose=0, callbacks=callbacks)
    weight = np.float64(1.0)
    for _ in range(6):
        weight *= 1 - 0.2
    np.testing.assert_allclose(model.get_weights()[0].item(), weight * (1 - 2e10), rtol=1e-5)
    assert model.steps_trained == 7
    assert model.history.epoch == [0, 1, 2, 3]


def test_a_last_update_that_breaks_weights_is_found(executor: str) -> None:
    """The loss of the only step is finite, but its gradient overflows: the weights after it would be infinite."""
    model = diverging(executor, rate=1e38)
    model.set_weights([[[1e15]]])
    watch = Watch()
    for options in ({}, {"callbacks": [watch]}):
        with pytest.raises(NonFiniteError) as caught:
            model.fit(X, Y, batch_size="all", verbose=0, **options)
        assert "the update made weights non-finite at step 1 (epoch 1 of this fit, batch 1 of 1)" in str(caught.value)
        assert "optimizer" in str(caught.value)
        assert model.get_weights()[0].item() == np.float32(1e15)
        assert model.steps_trained == 0
    assert watch.ended == 1
    with pytest.raises(NonFiniteError, match="a batch given by itself"):
        model.train_on_batch(X, Y)
    assert model.get_weights()[0].item() == np.float32(1e15)
    with pytest.raises(NonFiniteError, match="epoch 1 of this fit, batch 1"):
        model.fit([(X, Y)], verbose=0)
    assert model.get_weights()[0].item() == np.float32(1e15)


def test_the_first_step_leaves_everything_as_it_was(executor: str) -> None:
    model = diverging(executor)
    model.set_weights([[[1e30]]])
    for call in (model.fit, model.train_on_batch):
        with pytest.raises(NonFiniteError, match="non-finite at step 1 "):
            call(X, Y)
        assert model.get_weights()[0].item() == np.float32(1e30)
        assert model.steps_trained == model.optimizer.iterations == 0


def test_batches_as_they_come(executor: str) -> None:
    model = diverging(executor)
    with pytest.raises(NonFiniteError, match=r"step 3 .epoch 2 of this fit, batch 1."):
        model.fit([(X[:4], Y[:4]), (X[4:], Y[4:])], epochs=5, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0].item(), after(1), rtol=1e-6)
    assert model.steps_trained == 1


def test_the_layer_is_named(executor: str) -> None:
    x = Input(shape=(1,), name="x")
    y = Dense(1, activation="exponential", name="second")(Dense(1, name="first")(x))
    model = pl.Model(x, y, seed=0)
    model.compile("sgd", "mse", executor=executor)
    model.set_weights([[[1.0]], [0.0], [[1.0]], [0.0]])
    with pytest.raises(
        NonFiniteError, match=r"infinity first arose in layer second, operation exp on values 1000 to 1000"
    ):
        model.fit([[1000.0]], [[1.0]], verbose=0)


def test_weights_that_were_broken_before_are_named(executor: str) -> None:
    model = diverging(executor)
    model.set_weights([[[np.nan]]])
    with pytest.raises(NonFiniteError, match=r"the weight kernel \[1, 1\] was NaN already"):
        model.fit(X, Y, verbose=0)


def test_later_in_a_long_run_the_weights_are_replayed_exactly(executor: str) -> None:
    """With dropout, shuffling and Adam: one label turns infinite for the loss only in the last epoch's rate."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)).astype(np.float32), rng.normal(size=60)

    def make() -> pl.Sequential:
        model = pl.Sequential([Dense(6, "tanh", input_shape=(3,)), pl.layers.Dropout(0.3), Dense(1)], seed=7)
        model.compile(pl.optimizers.Adam(pl.optimizers.schedules.PiecewiseConstantDecay([157], [0.01, 1e30])), "mse",
                      executor=executor)  # fmt: skip
        return model

    model = make()
    with pytest.raises(NonFiniteError):
        model.fit(x, y, batch_size=16, epochs=50, verbose=0)
    kept = model.steps_trained
    assert 150 < kept < 170
    same, done = make(), 0
    counter = pl.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: count())

    def count() -> None:
        nonlocal done
        done += 1
        same.stop_training = done == kept

    same.fit(x, y, batch_size=16, epochs=50, verbose=0, callbacks=[counter])
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), same.get_weights(), strict=True))


# Where it arose first, in which rows, and why

DRAW = np.random.default_rng(0)
MANY = DRAW.normal(size=(64, 4)).astype(np.float32)


def two_layers(loss: Any = "mse", optimizer: Any = "adam", last: Any = None, **options: Any) -> pl.Sequential:
    model = pl.Sequential([Input((4,)), Dense(8, "relu", name="hidden"), Dense(1, last, name="out")], seed=0)
    model.compile(optimizer, loss, **options)
    return model


def broken(model: pl.Sequential, x: Any, y: Any, **options: Any) -> NonFiniteError:
    with pytest.raises(NonFiniteError) as caught:
        model.fit(x, y, verbose=0, **{"epochs": 20, **options})
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert "pellucid help D501" in str(caught.value)
    return caught.value


def test_the_row_with_a_huge_cell_is_named(executor: str) -> None:
    x = MANY.copy()
    x[37, 2] = 1e30
    error = broken(two_layers(executor=executor), x, MANY[:, 0])
    assert error.evidence["rows"] == [37]
    assert error.evidence["cause"] == "inputs or targets as large as 1e+30"
    assert "row 37 of the data (counted from 0)" in str(error)
    assert error.evidence["kept"] in (1, error.evidence["step"] - 1)


def test_the_row_with_a_huge_label_is_named(executor: str) -> None:
    y = MANY[:, 0].copy()
    y[11] = 1e25
    error = broken(two_layers(executor=executor), MANY, y)
    assert (error.evidence["layer"], error.evidence["operation"], error.evidence["rows"]) == ("loss", "square", [11])


def test_rows_of_a_batch_that_came_alone_are_its_own(executor: str) -> None:
    y = MANY[:, 0].copy()
    y[40] = 1e25
    error = broken(two_layers(executor=executor), [(MANY[:32], y[:32]), (MANY[32:], y[32:])], None)
    assert error.evidence["rows"] == [8]
    assert "row 8 of the batch" in str(error)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_rate_too_high_is_seen_by_the_weights(executor: str, precision: str) -> None:
    error = broken(
        two_layers(optimizer=pl.optimizers.SGD(3.0), executor=executor, precision=precision), MANY, MANY[:, 0]
    )
    assert "weights that have grown to" in error.evidence["cause"]
    assert "the learning rate is too high" in str(error)
    assert error.evidence["layer"] in ("hidden", "out", "loss")
    assert error.evidence["kept"] < error.evidence["step"]


def test_a_logarithm_of_zero(executor: str) -> None:
    loss = lambda t, p: -pl.ops.mean(pl.ops.log(p) * t, axis=-1)  # noqa: E731
    model = two_layers(loss, last="relu", executor=executor)
    zeros = set(np.flatnonzero(model.predict(MANY)[:, 0] == 0).tolist())
    error = broken(model, MANY, MANY[:, 0], batch_size="all")
    assert set(error.evidence["rows"]) == zeros
    assert "the logarithm of 0" in error.evidence["cause"]
    assert "from_logits=True" in error.evidence["repair"]


def test_a_division_by_zero(executor: str) -> None:
    loss = lambda t, p: pl.ops.mean(pl.ops.square(p - t) / t, axis=-1)  # noqa: E731
    y = np.where(np.arange(64) == 5, 0, MANY[:, 0])
    error = broken(two_layers(loss, executor=executor), MANY, y)
    assert (error.evidence["rows"], error.evidence["cause"]) == ([5], "a division by 0")


def test_the_exponential_of_a_large_number(executor: str) -> None:
    error = broken(two_layers(last="exponential", executor=executor), 1e3 * MANY, MANY[:, 0])
    assert (error.evidence["layer"], error.evidence["operation"]) == ("out", "exp")
    assert "the exponential of" in error.evidence["cause"]


def test_a_gradient_too_large_for_the_optimizer(executor: str) -> None:
    start = pl.initializers.RandomNormal(stddev=3.0)
    layers = [Dense(64, "relu", kernel_initializer=start) for _ in range(14)]
    model = pl.Sequential([Input((4,)), *layers, Dense(1)], seed=0)
    model.compile("adam", "mse", executor=executor)
    error = broken(model, MANY, MANY[:, 0])
    assert "gradient" in error.evidence["cause"]
    assert "clipnorm=1.0" in error.evidence["repair"]
