"""What does not fit is refused before the first step, with cause, place and repair; weights stay as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import ArgumentError, DataError, DtypeError, LabelError, PellucidError, ShapeError, StateError
from pellucid.layers import Activation, Concatenate, Dense, Embedding, Flatten, Input, Reshape

X = np.random.default_rng(0).normal(size=(12, 20)).astype(np.float32)
Y = X[:, :1]
CLASSES = np.arange(12) % 3


def at(array: np.ndarray, value: float, *place: int) -> np.ndarray:
    changed = array.astype(np.float32)
    changed[place] = value
    return changed


def network(last: Any = (1,), loss: Any = "mse", executor: str | None = None, **options: Any) -> pl.Sequential:
    model = pl.Sequential([Dense(4, input_shape=(20,), name="first"), Dense(*last, name="last")], seed=0)
    model.compile("adam", loss, executor=executor, **options)
    return model


def refused(model: pl.Model, error: type[PellucidError], parts: list[str], *given: Any, **options: Any) -> None:
    """`fit`, `evaluate` and `train_on_batch` all refuse, saying each part, and change nothing."""
    before = model.get_weights()
    calls = (
        [model.train_on_batch] if options else [model.fit, model.evaluate, model.train_on_batch, model.test_on_batch]
    )
    for call in [model.fit, *calls]:
        with pytest.raises(error) as caught:
            call(*given, **options)
        for part in parts:
            assert part in str(caught.value)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.steps_trained == 0


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")])
def test_values_that_are_not_finite(value: float, word: str) -> None:
    refused(network(), DataError, ["features", "row 3", "column 7", word, "leave the row out"], at(X, value, 3, 7), Y)
    refused(network(), LabelError, ["labels", "row 5", word, "leave the row out"], X, at(Y, value, 5, 0))
    weights = at(np.ones(12), value, 4)
    refused(network(), DataError, ["sample weights", "row 4", word], X, Y, sample_weight=weights)
    with pytest.raises(DataError, match=r"row 3 .*column 7"):
        network().predict(at(X, value, 3, 7))
    model = network()
    assert np.isfinite(model.predict(X[:1])).all()
    with pytest.raises(DataError, match=r"row 0 .*column 7"):  # also the quick way, for a shape asked before
        model.predict(at(X[:1], value, 0, 7))


def test_values_of_frames_are_named_by_column() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(at(X, np.nan, 3, 7), columns=[f"c{i}" for i in range(20)])
    refused(network(), DataError, ["row 3", "column 'c7'", "NaN"], frame, Y)
    wide = pandas.DataFrame(np.ones((12, 21)), columns=[*(f"c{i}" for i in range(20)), "price"])
    expected = [
        "input 'input' takes [?, 20]",
        "got [12, 21]",
        "c0, c1",
        "price",
        "1 feature too many",
        "label column",
    ]
    refused(network(), ShapeError, expected, wide, Y)
    refused(network(), ShapeError, ["2 features too few"], wide[wide.columns[:18]], Y)
    texts = pandas.DataFrame({f"c{i}": ["a"] * 12 if i == 9 else [1.0] * 12 for i in range(20)})
    refused(network(), DtypeError, ["column 'c9'", "text", "encode it"], texts, Y)


def test_a_view_too_large_for_memory() -> None:
    """A broadcast view has no memory of its own; what the engine reads must."""
    model = pl.Sequential([Dense(1, input_shape=(784,))], seed=0)
    huge = np.broadcast_to(np.float32(0), (10**12, 784))
    with pytest.raises(
        DataError, match=r"\[1,000,000,000,000, 784\] in float32 would take [\d,.]+ GiB.*iterable of batches"
    ):
        model.predict(huge)
    with pytest.raises(DataError, match=r"in int64 would take .*fewer rows"):
        model.predict(np.broadcast_to(np.int64(0), (10**12, 784)))


def test_shapes() -> None:
    refused(network(), ShapeError, ["takes [?, 20]", "got [12, 21]", "1 feature too many"], np.ones((12, 21)), Y)
    refused(network(), ShapeError, ["this is one example: give a batch of one, x[None]"], X[0], Y[:1])
    refused(network(), DataError, ["features have 12 rows but labels have 11"], X, Y[:11])
    refused(network(), DataError, ["features have 12 rows but sample weights have 5"], X, Y, sample_weight=np.ones(5))
    refused(network(), ShapeError, ["one number per example"], X, Y, sample_weight=np.ones((12, 2)))
    refused(network(), DataError, ["empty", "[0, "], X[:0], Y[:0])
    refused(network(), LabelError, ["labels: empty, shape [0, 1]"], X, Y[:0])
    refused(network(), ShapeError, ["labels have the shape [12, 2]", "[?, 1]"], X, np.ones((12, 2)))
    refused(network(), DataError, ["row 1 has shape [2]"], [[1.0], [1.0, 2.0]], [1.0, 2.0])


def test_texts() -> None:
    refused(network(), LabelError, ["labels", "row 0", "'cat' is text", "number the classes"], X, ["cat", "dog"] * 6)
    refused(network(), DtypeError, ["features", "row 0", "'a' is not a number"], [["a"] * 20] * 12, Y)


def test_labels_and_losses() -> None:
    categorical = network((3, "softmax"), "categorical_crossentropy")
    refused(categorical, LabelError, ["class numbers", "use sparse_categorical_crossentropy"], X, CLASSES)
    sparse = network((3, "softmax"), "sparse_categorical_crossentropy")
    refused(sparse, LabelError, ["one-hot", "use categorical_crossentropy"], X, np.eye(3)[CLASSES])
    refused(sparse, LabelError, ["row 11", "is 7", "outside 0 to 2", "8 units"], X, np.r_[CLASSES[:11], 7])
    refused(sparse, LabelError, ["row 0", "is -1", "outside 0 to 2"], X, CLASSES - 1)
    refused(sparse, LabelError, ["is 0.5", "whole"], X, CLASSES + 0.5)
    one = network((1, "softmax"), "binary_crossentropy")
    refused(one, ArgumentError, ["'last'", "softmax over 1 unit", "use sigmoid"], X, CLASSES > 0)
    outside = network((1, "sigmoid"), "binary_crossentropy")
    refused(outside, LabelError, ["row 2", "is 2", "from 0 to 1"], X, CLASSES)
    linear = network((1,), "binary_crossentropy")
    refused(linear, ArgumentError, ["linear", "activation='sigmoid'", "from_logits=True"], X, CLASSES > 0)


def test_ids_outside_their_table(executor: str) -> None:
    layers = [Embedding(10, 2, input_shape=(3,), name="words"), Flatten(), Dense(1)]
    model = pl.Sequential(layers, seed=0)
    model.compile("adam", "mse", executor=executor)
    ids, y = np.zeros((40, 3), np.int64), np.zeros(40)
    ids[33, 1] = 12
    before = model.get_weights()
    parts = ["layer words", "id 12", "0 to 9", "larger input_dim"]
    expected = {
        "step 2 (epoch 1 of this fit, batch 2 of 2)": lambda: model.fit(ids, y, shuffle=False, verbose=0),
        "features": lambda: model.train_on_batch(ids, y),
        "rows 0 to 39": lambda: model.evaluate(ids, y),
        "rows 32 to 39": lambda: model.predict(ids, batch_size=32),
        "features:": lambda: model.predict(ids[32:34]),
    }
    for place, call in expected.items():
        model.set_weights(before)
        with pytest.raises(DataError) as caught:
            call()
        assert all(part in str(caught.value) for part in (*parts, place.rstrip(":"))), str(caught.value)
    model.predict(ids[:2])
    with pytest.raises(DataError, match="id 12"):
        model.predict(ids[32:34])
    for wrong in (np.full((2, 3), 0.5), np.full((2, 3), 2**32), np.full((2, 3), -(2.0**40))):
        with pytest.raises(DtypeError, match=r"row 0 .counted from 0.: .* is no id"):
            model.predict(wrong)


def test_layers_that_do_not_chain() -> None:
    with pytest.raises(ShapeError, match=r"layer pair \(after wide \[\?, 7\]\)"):
        pl.Sequential([Dense(7, input_shape=(3,), name="wide"), Reshape((2, 3), name="pair")])
    a, b = Input(shape=(2,), name="a"), Input(shape=(3, 4), name="b")
    with pytest.raises(ShapeError, match=r"layer join \(after first \[\?, 2\]\): .*\[\?, 2\], \[\?, 3, 4\]"):
        Concatenate(name="join")([Dense(2, name="first")(a), b])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(1, activation="rleu"), "unknown activation 'rleu'; did you mean 'relu'"),
        (lambda: Activation("sigmid"), "unknown activation 'sigmid'; did you mean 'sigmoid'"),
        (lambda: network(loss="mean_square_error"), "unknown loss 'mean_square_error'; did you mean"),
        (lambda: pl.Sequential([Dense(1)]).compile("adm", "mse"), "unknown optimizer 'adm'; did you mean 'adam'"),
        (lambda: pl.Sequential([Dense(1)]).compile("adam", "mse2"), "unknown loss 'mse2'; did you mean 'mse'"),
        (lambda: network(metrics=["acuracy"]), "unknown metric 'acuracy'; did you mean 'accuracy'"),
        (lambda: network(executor="natve"), "unknown executor 'natve'; did you mean 'native'"),
        (lambda: network(precision="float8"), "precision must be one of float32, bfloat16, got 'float8'"),
        (lambda: network(loss={"lst": "mse"}), "unknown output in loss 'lst'; did you mean 'last'"),
        (lambda: network(loss=["mse", "mse"]), "loss has 2 entries for 1 outputs (last)"),
        (lambda: network(loss=None), "compile needs a loss"),
        (lambda: network(loss=[None]), "output 'last' has no loss"),
        (lambda: network(loss_weights=["a"]), "the loss weight of 'last' must be a finite number"),
    ],
)
def test_unknown_names(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        make()
    assert message in str(caught.value)


def test_too_early() -> None:
    empty, open_, bare = pl.Sequential(), pl.Sequential([Dense(1)]), pl.Sequential([Dense(1, input_shape=(20,))])
    open_.compile("sgd", "mse")
    for model in (empty, open_):
        with pytest.raises(StateError, match=r"the network is not built.*Input\(shape="):
            model.predict(X)
    for call in (bare.fit, bare.evaluate, bare.train_on_batch, open_.__class__([Dense(1)]).fit):
        with pytest.raises(StateError, match="the model is not compiled; call"):
            call(X, Y)
    with pytest.raises(StateError, match="not compiled"):
        _ = bare.optimizer
    empty.compile("sgd", "mse")
    with pytest.raises(StateError, match="not built"):
        empty.fit(X, Y)
    with pytest.raises(StateError, match="save: the network has no weights yet"):
        open_.save("never.safetensors")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"batch_size": "every"}, "batch_size must be a whole number or 'all', got 'every'"),
        ({"epochs": -1}, "epochs must be a whole number of at least 0"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"validation_split": 1.5}, "validation_split must be between 0 and 1"),
        ({"validation_split": 0.99}, "leaves one part empty"),
        ({"validation_split": 0.2, "validation_data": (X, Y)}, "not both"),
        ({"validation_data": X}, "validation_data must be (x, y)"),
        ({"validation_data": (X[:, :3], Y)}, "17 too few"),
        ({"validation_freq": 0}, "validation_freq must be"),
        ({"verbose": "loud"}, "verbose must be 0, 1, 2 or 'auto', got 'loud'"),
        ({"class_weight": {"a": 1.0}}, "class_weight names the class 'a'"),
        ({"class_weight": {0: "b"}}, "class_weight gives class 0 the weight 'b'"),
        ({"class_weight": {0: 1.0}, "sample_weight": np.ones(3)}, "labels have 12 rows but sample weights have 3"),
        ({"sample_weight": {"lost": np.ones(12)}}, "no output 'lost'; did you mean 'last'"),
        ({"callbacks": [3]}, "callbacks must be Callback objects, got int"),
    ],
)
def test_wrong_options(options: Any, message: str) -> None:
    model = network()
    before = model.get_weights()
    with pytest.raises(PellucidError) as caught:
        model.fit(X, Y, **options)
    assert message in str(caught.value).replace("features too few", "too few")
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_missing_data_and_several_inputs() -> None:
    model = network()
    with pytest.raises(ArgumentError, match="no data"):
        model.fit()
    with pytest.raises(ArgumentError, match="no labels: give y beside x"):
        model.fit(X)
    a, b = Input(shape=(1,), name="a"), Input(shape=(1,), name="b")
    both = pl.Model([a, b], Dense(1, name="out")(Concatenate()([a, b])))
    both.compile("sgd", "mse")
    one = np.ones((3, 1))
    with pytest.raises(DataError, match="one array given where 2 are expected"):
        both.fit(one, one)
    with pytest.raises(DataError, match="the input 'b' is not given"):
        both.fit({"a": one}, one)
    with pytest.raises(DataError, match="no input 'c'"):
        both.fit({"a": one, "b": one, "c": one}, one)
    with pytest.raises(ShapeError, match=r"input 'b' takes \[\?, 1\].*1 feature too many"):
        both.predict({"a": one, "b": np.ones((3, 2))})
