"""Layers, losses and metrics of the user's own: in every executor, in files and other processes, and their errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import Input, Model, Sequential, Trainer, Update, ops
from pellucid.errors import ArgumentError, DtypeError, GraphError, ModelFileError, ShapeError, StateError
from pellucid.layers import Dense, Dropout, Layer
from pellucid.models import load_model
from pellucid.nn.layer import layers as registered
from pellucid.nn.registry import own
from pellucid.optimizers import SGD

X = numpy.random.default_rng(0).normal(size=(70, 3)).astype(numpy.float32)
Y = numpy.sin(X @ numpy.float32([1, 2, -1]))[:, None]


@pytest.fixture(autouse=True)
def nothing_stays_registered() -> Iterator[None]:
    before = [dict(names) for names in (registered, own)]
    yield
    for names, old in zip((registered, own), before, strict=True):
        names.clear()
        names.update(old)


class Gated(Layer):
    """A dense layer times a gate, with a state, noise and a loss in training, and a layer inside."""

    def __init__(self, units: int, noise: float = 0.1, regularizer: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.units, self.noise, self.regularizer = units, noise, regularizer
        self.gate = Dense(units, "sigmoid")
        self.drop = Dropout(0.2)

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight((shape[-1], self.units), name="kernel", regularizer=self.regularizer)
        self.level = self.add_weight((), "zeros", "level", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        y = self.drop(x, training=training) @ self.kernel
        self.add_loss(0.01 * ops.mean(ops.square(y)))
        if training:
            self.add_update(self.level, 0.5 * self.level + 0.5 * ops.mean(y))
            y = y + self.noise * pellucid.random.normal(y.shape) + pellucid.random.uniform(y.shape, -0.01, 0.01)
        return y * self.gate(x)


def steep(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.absolute(y_true - y_pred) ** 1.5, axis=-1)


def close(y_true: Any, y_pred: Any) -> Any:
    return ops.cast(ops.absolute(y_true - y_pred) < 0.5, "float32")


def trained(runs_on: str, **options: Any) -> tuple[Model, Any]:
    x = Input((3,))
    h = Gated(8, regularizer="l2")(x)
    inner = Sequential([Input((8,)), Dense(4, "tanh"), Gated(2, noise=0.0)], name="inner", seed=4)
    joined = ops.concatenate([inner(h), x * 2.0 - 1.0], axis=-1) / (1.0 + ops.sum(ops.absolute(x), -1, keepdims=True))
    model = Model(x, Dense(1)(joined), seed=3)
    model.compile("adam", steep, metrics=[close], weighted_metrics=[close], executor=runs_on, **options)
    weights = numpy.linspace(0, 2, 70)
    return model, model.fit(X, Y, epochs=3, batch_size=16, sample_weight=weights, verbose=0).history


@pytest.mark.parametrize("other", ["native", "xla"])
def test_every_executor_trains_alike(other: str) -> None:
    pytest.importorskip("pellucid._native" if other == "native" else "jax")
    (expected, history), (actual, found) = trained("numpy"), trained(other)
    for name, values in history.items():
        numpy.testing.assert_allclose(found[name], values, 1e-3, err_msg=name)
    for x, y in zip(expected.get_weights(), actual.get_weights(), strict=True):
        numpy.testing.assert_allclose(y, x, 2e-3, 1e-4)
    assert all(layer.level.value for layer in expected.layers if isinstance(layer, Gated))  # the state was written
    trained(other, precision="bfloat16")


def test_random_numbers_in_prediction(tmp_path: Path) -> None:
    """As a variational autoencoder draws them: x ~ N(mean, deviation²), whether it trains or not."""

    class Drawing(Layer):
        def call(self, mean: Any, deviation: Any) -> Any:
            return mean + deviation * pellucid.random.normal(mean.shape)

    mean, deviation = Input((2,)), Input((2,))
    model = Model([mean, deviation], Drawing()(mean, deviation), seed=1)
    drawn = model.predict([numpy.full((2000, 2), 3.0), numpy.full((2000, 2), 0.5)])
    numpy.testing.assert_allclose([drawn.mean(), drawn.std()], [3.0, 0.5], atol=0.05)
    assert model.predict([numpy.full((5, 2), 3.0), numpy.zeros((5, 2))]) == pytest.approx(3.0)
    with pytest.raises(GraphError, match="random numbers, which only a layer can draw"):
        Model(mean, mean + pellucid.random.normal(mean.shape))


def test_a_mean_over_a_batch_that_is_not_known_yet() -> None:
    x = Input((3,))
    model = Model(x, x - ops.mean(x, axis=0))
    numpy.testing.assert_allclose(model.predict(X), X - X.mean(axis=0), 1e-5, 1e-6)


def test_a_model_file_keeps_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, _ = trained("numpy")
    with pytest.warns(UserWarning, match=r"without the state of training: the loss steep .*@pellucid\.register"):
        model.save(tmp_path / "model.safetensors")
    pellucid.register(steep)
    pellucid.register(close)
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    numpy.testing.assert_allclose(again.predict(X), model.predict(X), 1e-5, 1e-6)
    assert again.fit(X, Y, batch_size=70, verbose=0).history.keys() == model.history.history.keys()
    again.summary(expand_nested=True)
    shown = capsys.readouterr().out
    assert shown.count("(Gated)") == 2
    assert "concatenate (op)" in shown


def test_a_model_whose_loss_is_not_known_predicts(tmp_path: Path) -> None:
    pellucid.register(steep)
    pellucid.register(close)
    model, _ = trained("numpy")
    model.save(tmp_path / "model.safetensors")
    for missing in ("steep", "close"):
        del own[missing]
        with pytest.warns(UserWarning, match=f"can predict, but its training cannot go on: .*{missing}.*compile again"):
            again = load_model(tmp_path / "model.safetensors")
        pellucid.register(globals()[missing])
        numpy.testing.assert_allclose(again.predict(X), model.predict(X), 1e-5, 1e-6)
        with pytest.raises(StateError, match="compile"):
            again.fit(X, Y, verbose=0)
    again.compile("adam", "mse")
    again.fit(X, Y, verbose=0)


def test_another_process_has_to_know_the_class(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text(
        """
import pellucid
from pellucid.layers import Layer

class Scaled(Layer):
    def __init__(self, by):
        super().__init__()
        self.by = by
    def call(self, x):
        return self.by * x
"""
    )
    (tmp_path / "save.py").write_text(
        """
import pellucid, parts
model = pellucid.Sequential([pellucid.Input((2,)), parts.Scaled(3.0), parts.Scaled(0.5)])
model.save("model.safetensors")
"""
    )
    ask = "import pellucid; print(pellucid.models.load_model('model.safetensors').predict([[2.0, 4.0]]))"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return done.stdout

    assert run("save.py") == ""
    assert "'Scaled', which is not known here; if it is one of your own, define or import it before" in run("-c", ask)
    assert run("-c", f"import parts; {ask}") == "[[3. 6.]]\n"


def test_arguments_of_all_layers_need_not_be_taken() -> None:
    class Plain(Layer):
        def __init__(self, by: float) -> None:
            super().__init__()
            self.by = by

        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape[-1:], "ones")

        def call(self, x: Any) -> Any:
            return x * self.w * self.by

    model = Sequential([Input((3,)), Plain(2.0), Plain(3.0)])
    model.layers[0].trainable = False
    again = Sequential.from_config(model.get_config())
    assert [layer.name for layer in again.layers] == ["plain", "plain_1"]
    assert [layer.trainable for layer in again.layers] == [False, True]


def test_names_of_layers_that_are_taken() -> None:
    with pytest.raises(ArgumentError, match=r"a layer 'Dense' already, in pellucid\.nn\.layers"):
        type("Dense", (Layer,), {"call": lambda self, x: x})
    assert registered["Dense"] is Dense
    first, second = (type("Mine", (Layer,), {"call": lambda self, x: x, "__module__": __name__}) for _ in range(2))
    assert registered["Mine"] is second is not first


def layer(call: Callable[..., Any], **methods: Any) -> Layer:
    return type("Mine", (Layer,), {"call": call, "__module__": __name__, **methods})()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda self, x: None, DtypeError, "layer mine .*got NoneType; is its return missing"),
        (lambda self, x: numpy.tanh(x), DtypeError, r"layer mine .*NumPy's functions take no tensors.*pellucid\.ops"),
        (lambda self, x: numpy.mean(x), DtypeError, r"layer mine .*use pellucid\.ops, not NumPy"),
        (lambda self, x: x if x > 0 else -x, DtypeError, r"use where\(\)"),
        (lambda self, x: x @ x, ShapeError, r"layer mine .*inner sizes"),
        (lambda self, x: self.add_loss(x), ShapeError, r"layer mine .*add_loss takes a scalar"),
        (lambda self, x: self.add_update(self.add_weight((2,)), x), ShapeError, r"layer mine .*cannot take"),
    ],
)
def test_what_call_must_not_do(call: Callable[..., Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        layer(call)(Input((3,)))


def test_what_a_class_must_have(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="Mine: a layer needs a method call"):
        type("Mine", (Layer,), {})
    with pytest.raises(StateError, match=r"Mine: its __init__ must call super\(\)\.__init__"):
        layer(lambda self, x: x, __init__=lambda self: None)(Input((3,)))

    class Forgetful(Layer):
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(**options)
            self.size = units

        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ArgumentError, match=r"keep its argument 'units' as an attribute of that name, self\.units"):
        Sequential([Input((3,)), Forgetful(2)]).save(tmp_path / "m.safetensors")
    with pytest.raises(ArgumentError, match=r"Mine needs inputs and outputs.*class Mine\(pellucid\.Layer\)"):
        type("Mine", (Model,), {"call": lambda self, x: x, "__module__": __name__})()


def test_an_own_activation(tmp_path: Path) -> None:
    @pellucid.register
    def bent(x: Any) -> Any:
        return x + 0.1 * ops.square(x)

    model = Sequential([Input((3,)), Dense(2, activation=bent), Dense(1, activation="bent")])
    model.save(tmp_path / "m.safetensors")
    numpy.testing.assert_array_equal(load_model(tmp_path / "m.safetensors").predict(X), model.predict(X))
    del own["bent"]
    with pytest.raises(ModelFileError, match="unknown activation 'bent'"):
        load_model(tmp_path / "m.safetensors")


def test_an_update_several_times_in_a_step() -> None:
    """w ← w - 0.1·2w, three times: with the same optimizer, each from where the one before ended."""
    network = Sequential([Input((1,)), Dense(1, use_bias=False)])
    network.set_weights([numpy.ones((1, 1), numpy.float32)])
    update = Update(lambda x: ops.mean(ops.square(network(x))), network, SGD(0.1, momentum=0.5), "shrink", times=3)
    history = Trainer([update], executor="numpy").fit(numpy.ones((4, 1)), batch_size="all", verbose=0).history
    w, velocity = 1.0, 0.0
    for _ in range(3):
        loss = w * w
        velocity = 0.5 * velocity - 0.1 * 2 * w
        w += velocity
    assert network.get_weights()[0] == pytest.approx(w)
    assert history["shrink"] == pytest.approx([loss])
    assert update.optimizer.iteration.value == 3
    with pytest.raises(ArgumentError, match="times"):
        Update(ops.mean, network, times=0)
