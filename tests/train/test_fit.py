"""`fit`, `evaluate` and `predict`: what they accept, what they return, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import ArgumentError, DataError
from pellucid.layers import Concatenate, Dense, Dropout, Embedding, Flatten, Input

Numbers = tuple[np.ndarray, np.ndarray]


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_linear_rule_is_learned(numbers: Numbers, executor: str) -> None:
    x, y = numbers
    model = pl.Sequential([Dense(1, input_shape=(4,))], seed=0)
    model.compile(pl.optimizers.SGD(0.1), "mse", executor=executor)
    history = model.fit(x, y, epochs=60, verbose=0)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel[:, 0], [1, 2, -1, 0.5], atol=1e-4)
    np.testing.assert_allclose(bias, [3], atol=1e-4)
    assert history is model.history
    assert history.epoch == list(range(60))
    assert history.history["loss"][-1] < 1e-6 < history.history["loss"][0]


def test_one_step_by_hand(executor: str) -> None:
    """One unit, w = 2, b = 1, x = [1, 3], y = [2, 3]: errors 1 and 4, loss (1 + 16)/2, gradients 13 and 5."""
    model = pl.Sequential([Dense(1, input_shape=(1,))])
    model.compile(pl.optimizers.SGD(0.1), "mse", metrics=["mae"], executor=executor)
    model.set_weights([[[2.0]], [1.0]])
    history = model.fit([1.0, 3.0], [2.0, 3.0], batch_size="all", verbose=0)
    assert history.history == {"loss": [8.5], "mae": [2.5]}
    kernel, bias = model.get_weights()
    np.testing.assert_allclose([kernel[0, 0], bias[0]], [2 - 0.1 * 13, 1 - 0.1 * 5], rtol=1e-6)
    assert (model.steps_trained, model.epochs_trained, model.optimizer.iterations) == (1, 1, 1)


@pytest.mark.parametrize(("size", "steps"), [(1, 10), (3, 4), (5, 2), (10, 1), (64, 1), ("all", 1), (None, 1)])
def test_every_batch_size_sees_every_row_once(size: Any, steps: int, executor: str) -> None:
    """With a learning rate of 0 the epoch's loss is the mean over all rows, however they are cut."""
    model = pl.Sequential([Dense(1, input_shape=(1,), kernel_initializer="zeros")], seed=0)
    model.compile(pl.optimizers.SGD(0.0), "mse", executor=executor)
    y = np.arange(10.0)
    history = model.fit(np.ones((10, 1)), y, batch_size=size, epochs=2, verbose=0)
    np.testing.assert_allclose(history.history["loss"], [np.mean(y**2)] * 2, rtol=1e-6)
    assert model.steps_trained == 2 * steps
    assert history.params["steps"] == steps


def test_history_has_plain_numbers(classes: Numbers) -> None:
    x, y = classes
    model = pl.Sequential([Dense(3, activation="softmax", input_shape=(2,))], seed=0)
    metrics = ["accuracy", "confusion_matrix"]
    model.compile("adam", "sparse_categorical_crossentropy", metrics=metrics)
    history = model.fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    assert list(history.history) == [
        "loss", "accuracy", "confusion_matrix", "val_loss", "val_accuracy", "val_confusion_matrix",
    ]  # fmt: skip
    for name, values in history.history.items():
        assert all(type(value) is (list if "matrix" in name else float) for value in values), name
    assert history.params == {
        "epochs": 2, "batch_size": 32, "steps": 3, "seed": 0, "seconds": history.params["seconds"],
    }  # fmt: skip
    assert type(model.evaluate(x, y)[1]) is float
    assert "2 epochs" in repr(history)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8,
                                  np.uint16, np.uint32, np.uint64, bool, ">f8", ">i4"])  # fmt: skip
def test_every_kind_of_number_is_taken(kind: Any, executor: str) -> None:
    x = np.array([[0, 1], [1, 0], [1, 1], [0, 0]]).astype(kind)
    y = np.array([1, 0, 1, 0]).astype(kind)
    model = pl.Sequential([Dense(1, activation="sigmoid", input_shape=(2,))], seed=0)
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"], executor=executor)
    reference = pl.Sequential([Dense(1, activation="sigmoid", input_shape=(2,))], seed=0)
    reference.compile("sgd", "binary_crossentropy", metrics=["accuracy"], executor=executor)
    h = model.fit(x, y, epochs=2, batch_size=3, verbose=0)
    r = reference.fit(x.astype(np.float32), y.astype(np.float32), epochs=2, batch_size=3, verbose=0)
    assert h.history == r.history
    assert np.array_equal(model.predict(x), reference.predict(x.astype(np.float32)))
    assert np.array_equal(model.predict(x), reference.predict(x.astype(np.float32)))  # asked again: the quick way
    assert model.evaluate(x, y) == reference.evaluate(x, y)
    assert model.train_on_batch(x, y) == reference.train_on_batch(x.astype(np.float32), y.astype(np.float32))


def test_labels_as_a_column_or_flat_are_the_same(numbers: Numbers, regression: Any, executor: str) -> None:
    x, y = numbers
    one, other = regression(executor=executor), regression(executor=executor)
    assert one.fit(x, y, verbose=0).history == other.fit(x, y[:, 0], verbose=0).history
    assert equal(one.get_weights(), other.get_weights())


def test_sparse_labels_in_every_form(classes: Numbers, executor: str) -> None:
    x, y = classes
    found = []
    for labels in (y, y[:, None], y.astype(np.float64), y.astype(np.uint8), y.tolist()):
        model = pl.Sequential([Dense(3, activation="softmax", input_shape=(2,))], seed=0)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], executor=executor)
        found.append(model.fit(x, labels, epochs=2, verbose=0).history)
    assert all(history == found[0] for history in found)


def test_frames(numbers: Numbers, regression: Any) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    x, y = numbers
    expected = regression().fit(x, y, verbose=0).history
    names = list("abcd")
    for features, labels in (
        (pandas.DataFrame(x, columns=names), pandas.Series(y[:, 0], name="y")),
        (pandas.DataFrame(x, columns=names), pandas.DataFrame(y, columns=["y"])),
        (polars.DataFrame(x, schema=names), polars.Series("y", y[:, 0])),
        (polars.DataFrame(x, schema=names), polars.DataFrame(y, schema=["y"])),
    ):
        model = regression()
        assert model.fit(features, labels, verbose=0).history == expected
        assert np.array_equal(model.predict(features), model.predict(x))


def two_by_two(executor: str) -> pl.Model:
    a, b = Input(shape=(2,), name="a"), Input(shape=(), dtype="int32", name="b")
    joined = Concatenate()([a, Embedding(5, 3)(b)])
    number = Dense(1, name="number")(joined)
    kind = Dense(2, activation="softmax", name="kind")(joined)
    model = pl.Model([a, b], [number, kind], seed=4)
    losses = {"number": "mse", "kind": "sparse_categorical_crossentropy"}
    model.compile("adam", losses, loss_weights={"kind": 0.5}, metrics={"kind": ["accuracy"]}, executor=executor)
    return model


def test_several_inputs_and_outputs_by_name_or_place(executor: str) -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(40, 2)), rng.integers(0, 5, 40)
    number, kind = a.sum(1), b % 2
    histories, weights = [], []
    for x, y in (
        ({"a": a, "b": b}, {"number": number, "kind": kind}),
        ({"b": b, "a": a}, {"kind": kind, "number": number}),
        ([a, b], [number, kind]),
        ((a, b[:, None]), (number[:, None], kind)),
    ):
        model = two_by_two(executor)
        histories.append(model.fit(x, y, epochs=2, validation_split=0.25, verbose=0).history)
        weights.append(model.get_weights())
        outputs = model.predict(x)
        assert [part.shape for part in outputs] == [(40, 1), (40, 2)]
        figures = model.evaluate(x, y, return_dict=True)
        assert list(figures) == ["loss", "number_loss", "kind_loss", "kind_accuracy"]
        assert figures["loss"] == pytest.approx(figures["number_loss"] + 0.5 * figures["kind_loss"])
        assert model.evaluate(x, y) == list(figures.values())
    assert all(history == histories[0] for history in histories)
    assert all(equal(one, weights[0]) for one in weights)


def test_validation_is_the_last_part_before_shuffling(executor: str) -> None:
    """Trained on zeros, validated on the last rows only: their loss is known."""
    x, y = np.zeros((10, 1)), np.array([0.0] * 8 + [3.0, 5.0])
    model = pl.Sequential([Dense(1, input_shape=(1,))], seed=0)
    model.compile("sgd", "mse", executor=executor)
    history = model.fit(x, y, epochs=2, validation_split=0.2, verbose=0)
    assert history.history["loss"] == [0.0, 0.0]
    assert history.history["val_loss"] == [(9 + 25) / 2] * 2
    assert history.params["steps"] == 1


def test_validation_data_with_weights_and_frequency(numbers: Numbers, regression: Any, executor: str) -> None:
    x, y = numbers
    model = regression(executor=executor)
    weights = np.linspace(0, 1, 20)
    data = (x[:20], y[:20], weights)
    history = model.fit(x, y, epochs=5, validation_data=data, validation_freq=2, verbose=0)
    assert (len(history.history["loss"]), len(history.history["val_loss"])) == (5, 2)
    history = model.fit(x, y, epochs=5, validation_data=data, validation_freq=[1, 5], verbose=0)
    assert len(history.history["val_loss"]) == 2
    errors = (model.predict(x[:20]) - y[:20])[:, 0] ** 2
    assert history.history["val_loss"][-1] == pytest.approx(np.mean(errors * weights), rel=1e-5)


def test_class_and_sample_weights_are_the_same_thing(classes: Numbers, executor: str) -> None:
    x, y = classes
    by_class = {0: 3.0, 2: 0.5}
    by_row = np.array([by_class.get(label, 1.0) for label in y.tolist()])
    found = []
    for labels, options in (
        (y, {"class_weight": by_class}),
        (y, {"sample_weight": by_row}),
        (y, {"sample_weight": by_row[:, None]}),
        (y, {"sample_weight": np.sqrt(by_row), "class_weight": {k: v**0.5 for k, v in by_class.items()}}),
        (np.eye(3)[y], {"class_weight": by_class}),
    ):
        kind = "categorical_crossentropy" if labels.ndim == 2 else "sparse_categorical_crossentropy"
        model = pl.Sequential([Dense(3, activation="softmax", input_shape=(2,))], seed=0)
        model.compile("adam", kind, weighted_metrics=["accuracy"], executor=executor)
        found.append(model.fit(x, labels, epochs=2, verbose=0, **options).history["loss"])
    for losses in found:
        np.testing.assert_allclose(losses, found[0], rtol=1e-5)
    unweighted = pl.Sequential([Dense(3, activation="softmax", input_shape=(2,))], seed=0)
    unweighted.compile("adam", "sparse_categorical_crossentropy", executor=executor)
    assert abs(unweighted.fit(x, y, epochs=2, verbose=0).history["loss"][0] - found[0][0]) > 0.01


def test_metrics_ignore_weights_unless_they_are_weighted_metrics() -> None:
    model = pl.Sequential([Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=[pl.metrics.MeanAbsoluteError(name="weighted")])
    model.set_weights([[[0.0]], [0.0]])
    figures = model.evaluate([0.0, 0.0], [1.0, 4.0], sample_weight=[3.0, 1.0], return_dict=True)
    assert figures == {"loss": (3 * 1 + 16) / 2, "mae": 2.5, "weighted": (3 * 1 + 4) / 4}


def test_initial_epoch_counts_on(numbers: Numbers, regression: Any) -> None:
    x, y = numbers
    model = regression()
    seen: list[int] = []
    note = pl.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    history = model.fit(x, y, epochs=5, initial_epoch=3, verbose=0, callbacks=note)
    assert seen == history.epoch == [3, 4]
    assert model.fit(x, y, epochs=5, initial_epoch=2, verbose=0).epoch == [2, 3, 4]  # without callbacks
    assert model.fit(x, y, epochs=2, initial_epoch=5, verbose=0).epoch == []
    assert model.fit(x, y, epochs=0, verbose=0).history == {}


# Batches as they come


def cut(x: np.ndarray, y: np.ndarray, size: int = 30) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(x), size):
        yield x[start : start + size], y[start : start + size]


def test_batches_as_they_come_equal_arrays_in_order(numbers: Numbers, regression: Any, executor: str) -> None:
    x, y = numbers
    arrays = regression(executor=executor, metrics=["mae"])
    expected = arrays.fit(x, y, batch_size=30, epochs=2, shuffle=False, verbose=0).history

    class Loader:
        def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            return cut(x, y)

    for source in (list(cut(x, y)), Loader()):
        model = regression(executor=executor, metrics=["mae"])
        history = model.fit(source, epochs=2, verbose=0).history
        for name, values in expected.items():
            np.testing.assert_allclose(history[name], values, rtol=1e-6)
        for one, other in zip(model.get_weights(), arrays.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
        assert (model.steps_trained, model.epochs_trained) == (8, 2)


def test_a_generator_without_end(numbers: Numbers, regression: Any) -> None:
    x, y = numbers

    def endless() -> Iterator[Any]:
        while True:
            yield from cut(x, y)

    model = regression()
    history = model.fit(endless(), epochs=3, steps_per_epoch=6, verbose=0)
    assert (len(history.history["loss"]), model.steps_trained) == (3, 18)
    assert len(model.evaluate(endless(), steps=2, return_dict=True)) == 1
    assert model.predict((batch for batch, _ in endless()), steps=2).shape == (60, 1)
    with pytest.raises(ArgumentError, match="read only once: give steps_per_epoch"):
        model.fit(endless(), epochs=3, verbose=0)


def test_steps_per_epoch_goes_on_where_the_epoch_before_ended(regression: Any) -> None:
    seen: list[float] = []

    class Loader:
        def __iter__(self) -> Iterator[Any]:
            for number in range(3):
                seen.append(number)
                yield np.zeros((2, 4)), np.zeros(2)

    regression().fit(Loader(), epochs=2, steps_per_epoch=4, verbose=0)
    assert seen == [0, 1, 2, 0, 1, 2, 0, 1]


def test_an_iterator_that_ends_early_ends_training_with_a_warning(numbers: Numbers, regression: Any) -> None:
    model = regression()
    with pytest.warns(UserWarning, match="ended after 1 of 3 batches of epoch 2, so training ends"):
        history = model.fit(cut(*numbers), epochs=5, steps_per_epoch=3, verbose=0)
    assert len(history.epoch) == 2


def test_batches_with_weights_validation_and_frequency(numbers: Numbers, regression: Any) -> None:
    x, y = numbers
    weighted = [(x[:50], y[:50], np.ones(50)), (x[50:], y[50:], np.zeros(50))]
    model = regression(optimizer=pl.optimizers.SGD(0.0))
    history = model.fit(weighted, epochs=4, validation_data=iter_again(x, y), validation_freq=2, verbose=0)
    assert len(history.history["val_loss"]) == 2
    squares = ((model.predict(x) - y) ** 2)[:, 0]
    assert history.history["loss"][0] == pytest.approx(squares[:50].sum() / 100, rel=1e-5)
    assert history.history["val_loss"][0] == pytest.approx(squares.mean(), rel=1e-5)


class iter_again:  # noqa: N801
    """An iterable of batches, every time anew."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y

    def __iter__(self) -> Iterator[Any]:
        return cut(self.x, self.y)


def test_batches_refuse_what_arrays_decide(numbers: Numbers, regression: Any) -> None:
    x, y = numbers
    model = regression()
    for options in ({"batch_size": 4}, {"sample_weight": np.ones(100)}, {"validation_split": 0.2}):
        with pytest.raises(ArgumentError, match=f"{next(iter(options))} is for arrays"):
            model.fit(cut(x, y), verbose=0, **options)
    with pytest.raises(ArgumentError, match="steps_per_epoch is for iterables"):
        model.fit(x, y, steps_per_epoch=3, verbose=0)
    with pytest.raises(DataError, match="gave no batches"):
        model.fit(iter(()), verbose=0)
    with pytest.raises(DataError, match=r"a batch must be \(x, y\)"):
        model.fit(iter([x]), verbose=0)
    with pytest.raises(DataError, match="gave no batches"):
        model.evaluate(iter(()))


# One batch, prediction, evaluation


def test_on_batch(numbers: Numbers, regression: Any, executor: str) -> None:
    x, y = numbers
    model = regression(executor=executor, metrics=["mae"])
    before = model.test_on_batch(x, y)
    assert model.train_on_batch(x, y, return_dict=True) == pytest.approx(
        dict(zip(("loss", "mae"), before, strict=True))
    )
    assert model.test_on_batch(x, y)[0] < before[0]
    assert model.steps_trained == 1
    same = regression(executor=executor, metrics=["mae"])
    same.fit(x, y, batch_size="all", shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 100, 2500])
def test_predict_is_the_same_for_any_number_of_rows(rows: int, regression: Any, executor: str) -> None:
    model = regression(executor=executor)
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    (w1, b1, w2, b2) = model.get_weights()
    expected = np.maximum(x @ w1 + b1, 0) @ w2 + b2
    for size in (None, 7, 4000):
        np.testing.assert_allclose(model.predict(x, batch_size=size), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.predict(x.astype(np.float64)), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.predict(x[:, ::-1])[:, 0], model.predict(x[:, ::-1].copy())[:, 0])


def test_predict_sees_new_weights_and_new_layers(regression: Any, executor: str) -> None:
    model = regression(executor=executor)
    x = np.ones((1, 4), np.float32)
    model.predict(x)
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    assert model.predict(x) == 8 * 5 + 1
    model.add(Dense(2, kernel_initializer="ones"))
    assert np.array_equal(model.predict(x), [[41, 41]])


def test_evaluate_prints_only_when_asked(numbers: Numbers, regression: Any, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = numbers
    model = regression(metrics=["mae"])
    model.evaluate(x, y)
    assert capsys.readouterr().out == ""
    loss, mae = model.evaluate(x, y, verbose=1)
    assert capsys.readouterr().out == f"loss {loss:.4g}  mae {mae:.4g}\n"


def test_dropout_only_in_training(executor: str) -> None:
    model = pl.Sequential([Dropout(0.5, input_shape=(1000,))], seed=0)
    model.compile("sgd", "mse", executor=executor)
    x = np.ones((1, 1000), np.float32)
    assert np.array_equal(model.predict(x), x)
    assert model.evaluate(x, x) == 0.0
    loss = model.train_on_batch(x, x)  # kept ones are doubled, others 0: an error of 1 each
    assert loss == 1.0


# Frozen layers, own functions, weights


def test_frozen_layers_keep_their_weights(numbers: Numbers, regression: Any, executor: str) -> None:
    x, y = numbers
    model = regression(executor=executor)
    model.fit(x, y, verbose=0)
    model.layers[0].trainable = False
    model.compile("adam", "mse", executor=executor)
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    after = model.get_weights()
    assert equal(before[:2], after[:2])
    assert not np.array_equal(before[2], after[2])
    model.layers[0].trainable = True
    model.fit(x, y, verbose=0)  # also without compiling again
    assert not np.array_equal(after[0], model.get_weights()[0])


def test_own_functions_as_losses_and_metrics(numbers: Numbers, regression: Any, executor: str) -> None:
    x, y = numbers

    def squares(y_true: Any, y_pred: Any) -> Any:
        return pl.ops.mean(pl.ops.square(y_true - y_pred), axis=-1)

    def worst(y_true: Any, y_pred: Any) -> Any:
        return pl.ops.max(pl.ops.absolute(y_true - y_pred), axis=-1)

    own = regression(loss=squares, metrics=[worst], executor=executor)
    named = regression(loss="mse", metrics=["mae"], executor=executor)
    one, other = own.fit(x, y, epochs=3, verbose=0).history, named.fit(x, y, epochs=3, verbose=0).history
    np.testing.assert_allclose(one["loss"], other["loss"], rtol=1e-5)
    np.testing.assert_allclose(one["worst"], other["mae"], rtol=1e-5)  # of one value, the mean is the largest


def test_weights_of_a_network_with_seed_are_drawn_once(numbers: Numbers) -> None:
    x, y = numbers
    whole = pl.Sequential([Dense(3, input_shape=(4,)), Dense(1)], seed=5)
    model = pl.Sequential([Dense(3, input_shape=(4,))], seed=5)
    model.compile("sgd", "mse")
    model.fit(x, np.repeat(y, 3, axis=1), verbose=0)
    trained = model.get_weights()
    model.add(Dense(1))
    assert equal(model.get_weights()[:2], trained)
    assert equal(model.get_weights()[2:], whole.get_weights()[2:])
    part = pl.Model(model.inputs, model.layers[0](model.inputs[0]), seed=9)
    assert equal(part.get_weights(), trained)


def test_sequential_takes_its_input_from_the_data(numbers: Numbers, executor: str) -> None:
    x, y = numbers
    model = pl.Sequential([Dense(3, activation="relu"), Dense(1)], seed=2)
    model.compile("adam", "mse", metrics=["mae"], executor=executor)
    model.fit(x, y, verbose=0)
    known = pl.Sequential([Dense(3, activation="relu", input_shape=(4,)), Dense(1)], seed=2)
    known.compile("adam", "mse", metrics=["mae"], executor=executor)
    known.fit(x, y, verbose=0)
    assert equal(model.get_weights(), known.get_weights())
    ids = pl.Sequential([Embedding(10, 2), Flatten(), Dense(1)], seed=0)
    ids.compile("adam", "mse", executor=executor)
    ids.fit(np.random.default_rng(0).integers(0, 10, (20, 3)), np.zeros(20), verbose=0)
    assert ids.input_names == ["input"]
    assert ids.inputs[0].dtype == "int32"


def test_summary_and_pop(regression: Any) -> None:
    model = regression()
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "Total params: 49" in lines[0]
    model.pop()
    assert model.count_params() == 40
    assert model.predict(np.zeros((2, 4))).shape == (2, 8)


def test_stop_training_from_outside(numbers: Numbers, regression: Any) -> None:
    x, y = numbers
    model = regression()

    def stop(epoch: int, logs: Any) -> None:
        model.stop_training = epoch == 2

    history = model.fit(x, y, epochs=100, verbose=0, callbacks=[pl.callbacks.LambdaCallback(on_epoch_end=stop)])
    assert history.epoch == [0, 1, 2]
    assert model.fit(x, y, epochs=2, verbose=0).epoch == [0, 1]  # a new fit starts


def test_bfloat16_learns(numbers: Numbers, regression: Any) -> None:
    x, y = numbers
    model = regression(precision="bfloat16")
    history = model.fit(x, y, epochs=100, batch_size=10, verbose=0).history["loss"]
    assert history[-1] < 0.05 * history[0]
    assert model.predict(x).dtype == np.float32


def test_planned_bytes_grow_with_the_batch() -> None:
    x, y = np.zeros((64, 16), np.float32), np.zeros((64, 1), np.float32)

    def planned(batch: int, executor: str = "native") -> int | None:
        model = pl.Sequential([Input((16,)), Dense(256, activation="relu"), Dense(256, activation="relu"), Dense(1)])
        model.compile("sgd", "mse", executor=executor)
        return model.planned_bytes(x, y, batch)

    assert planned(8, "numpy") is None
    pytest.importorskip("pellucid._native")
    small, large = planned(8), planned(64)
    assert small is not None
    assert large is not None
    hidden = 2 * 64 * 256 * 4  # two hidden layers are kept for the way back
    assert max(small, hidden) < large
    assert planned(1000) == large  # no batch is larger than the data
