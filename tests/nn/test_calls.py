"""Keyword arguments of a layer's call: kept, replayed, saved, shown, refused where they cannot be."""

from __future__ import annotations

import json
from typing import Any

import numpy
import pytest

from pellucid import ops
from pellucid.core.graph import Tensor
from pellucid.errors import ArgumentError, ModelFileError, ShapeError
from pellucid.models import Sequential, load_model
from pellucid.nn.layer import Layer, as_layer, layers
from pellucid.nn.layers import Add, Dense, Dropout, Input
from pellucid.nn.network import Network
from pellucid.nn.summary import summarize
from pellucid.train.model import Model

random = numpy.random.default_rng(5)


class _Blend(Layer):
    """y = scale·x + Σ states, or with `both` also 2·x beside it."""

    def call(
        self, x: Tensor, *, states: Any = None, scale: float = 1.0, both: bool = False, mask: Tensor | None = None
    ) -> Any:
        y = x * scale
        for row in states or []:
            for state in row if isinstance(row, list) else [row]:
                y = y + state
        if mask is not None:
            y = ops.where(mask, y, 0.0)
        return (y, x * 2.0) if both else y


@pytest.fixture(autouse=True)
def _registered() -> Any:
    layers["_Blend"] = _Blend
    yield
    layers.pop("_Blend", None)


def network() -> Network:
    x, h, c = (Input(shape=(3,), name=name) for name in "xhc")
    y, twice = _Blend(name="blend")(x, states=[h, [c, h]], scale=numpy.float32(0.5), both=True, mask=x > 0.0)
    return Network([x, h, c], [y, twice], name="blended")


def arrays() -> list[numpy.ndarray]:
    return [random.normal(size=(2, 3)).astype(numpy.float32) for _ in range(3)]


def test_tensors_lists_and_settings_are_replayed_and_saved(tools: Any) -> None:
    x, h, c = arrays()
    net = network()
    config = json.loads(json.dumps(net.get_config()))
    (step,) = [step for step in config["steps"] if "layer" in step]
    assert step["inputs"] == [[-1, 0]]
    assert step["options"]["states"] == [{"value": [-1, 1]}, [{"value": [-1, 2]}, {"value": [-1, 1]}]]
    assert (step["options"]["scale"], step["options"]["both"]) == (0.5, True)
    again = Network.from_config(config)
    assert again.get_config() == config
    for one in (net, again):
        y, twice = tools.run(one, x, h, c)
        numpy.testing.assert_allclose(y, numpy.where(x > 0, 0.5 * x + 2 * h + c, 0), rtol=1e-6, atol=1e-7)
        numpy.testing.assert_allclose(twice, 2 * x)


def test_the_summary_shows_them() -> None:
    (row,) = [row for row in summarize(network()).rows if row.name == "blend"]
    assert row.connected == ("x", "states=[h, [c, h]]", "scale=0.5", "both=True", "mask=greater")


def test_inputs_may_be_given_by_name_and_arrays_become_constants(tools: Any) -> None:
    class _Difference(Layer, registered=False):
        def call(self, x: Tensor, y: Tensor, z: Tensor | None = None) -> Tensor:
            return x - y if z is None else x - y - z

    x, y, _ = arrays()
    assert _call_by(tools, _Difference, lambda layer, a, b: layer(a, y=b), x, y) == pytest.approx(x - y)
    assert _call_by(tools, _Difference, lambda layer, a, b: layer(y=b, x=a), x, y) == pytest.approx(x - y)
    assert _call_by(tools, _Difference, lambda layer, a, b: layer(a, b, z=b), x, y) == pytest.approx(x - 2 * y)
    shift = numpy.float32([[1, 2, 3]])
    layer = _Blend()
    a = Input(shape=(3,))
    assert tools.run(Network(a, layer(a, states=[shift])), x)[0] == pytest.approx(x + shift)


def _call_by(tools: Any, kind: type[Layer], call: Any, x: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray:
    from pellucid.nn.calling import Parameters

    kind.parameters = Parameters.of(kind.call)
    a, b = Input(shape=(3,)), Input(shape=(3,))
    result: numpy.ndarray = tools.run(Network([a, b], call(kind(), a, b)), x, y)[0]
    return result


def test_what_a_call_refuses() -> None:
    x = Input(shape=(3,))
    with pytest.raises(ArgumentError, match=r"takes no argument 'scales'.*did you mean 'scale'"):
        _Blend()(x, scales=2.0)
    with pytest.raises(ArgumentError, match=r"blend.*: scale must be a tensor, a plain value or a list"):
        _Blend()(x, scale={"a": 1})
    with pytest.raises(ArgumentError, match="takes no argument 'mask'"):
        Dense(2)(x, mask=x > 0.0)
    with pytest.raises(ShapeError, match="takes 1 input, got 0"):
        Dense(2)()
    with pytest.raises(ArgumentError, match="one list of tensors"):
        Add()()
    with pytest.raises(ArgumentError, match="training must be True or False"):
        Dropout(0.5)(x, training="yes")


@pytest.mark.parametrize(
    "options",
    [[], {"scale": {}}, {"scale": {"value": [7, 0]}}, {"states": [{"value": [0]}]}, {"no": 1}, {"scale": "a"}],
)
def test_a_file_with_bad_options_is_refused(options: Any) -> None:
    config = json.loads(json.dumps(network().get_config()))
    next(step for step in config["steps"] if "layer" in step)["options"] = options
    with pytest.raises(ModelFileError, match="malformed"):
        Network.from_config(config)


def test_a_forced_training_stays(tools: Any) -> None:
    x = Input(shape=(1000,), name="x")
    inner_in = Input(shape=(1000,))
    inner = Network(inner_in, Dropout(0.5)(inner_in), name="inner")
    net = Network(x, [Dropout(0.5)(x, training=True), Dropout(0.5)(x, training=False), inner(x, training=True)])
    again = Network.from_config(json.loads(json.dumps(net.get_config())))
    ones = numpy.ones((1, 1000), numpy.float32)
    for one in (net, again):
        dropped, kept, within = tools.run(one, ones, training=True)
        assert (dropped == 0).any()
        assert (within == 0).any()
        assert (kept == 1).all()
    (row,) = [row for row in summarize(net).rows if row.name == "inner"]
    assert row.connected == ("x", "training=True")


@pytest.mark.parametrize("executor", ["numpy", "native"])
def test_forced_dropout_draws_anew_at_every_prediction(executor: str, tmp_path: Any) -> None:
    x = Input(shape=(200,))
    model = Model(x, Dropout(0.5, name="d")(x, training=True), seed=1)
    model.run_on(executor)
    ones = numpy.ones((40, 200), numpy.float32)
    first, second, large = model.predict(ones), model.predict(ones), model.predict(ones, batch_size=16)
    for drawn in (first, second, large):
        assert 0.4 < (drawn == 0).mean() < 0.6
        assert set(numpy.unique(drawn)) == {0, 2}
    assert (first != second).any()
    assert (first != large).any()
    assert (large[:16] != large[16:32]).any()
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    again.run_on(executor)
    assert numpy.array_equal(again.predict(ones), first)


def test_forced_dropout_in_evaluation() -> None:
    x = Input(shape=(4,))
    model = Model(x, Dense(1)(Dropout(0.5)(x, training=True)), seed=1)
    model.compile("sgd", "mse")
    data, labels = numpy.ones((10, 4), numpy.float32), numpy.zeros(10)
    figures = {model.evaluate(data, labels, batch_size=4) for _ in range(3)}
    assert len(figures) == 3
    assert numpy.isfinite(model.test_on_batch(data, labels))
    model.fit(data, labels, epochs=2, batch_size=4, verbose=0)


def test_calls_without_options_are_described_as_before() -> None:
    model = Sequential([Input(shape=(2,)), Dense(1)])
    assert model.get_config()["steps"] == [{"layer": 0, "inputs": [[-1, 0]], "listed": False}]


class _Pair(Layer):
    """A layer made of layers: y = outer(inner(x)) + shift."""

    def __init__(self, inner: Any, units: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.inner, self.units = as_layer("_Pair", inner), units
        self.outers = [Dense(units, kernel_regularizer="l2", name="outer")]

    def build(self, shape: Any) -> None:
        self.shift = self.add_weight((1,), "ones", "shift")

    def call(self, x: Tensor) -> Tensor:
        result: Tensor = self.outers[0](self.inner(x)) + self.shift.tensor
        return result


def test_a_layer_made_of_layers(tools: Any) -> None:
    layers["_Pair"] = _Pair
    try:
        x = Input(shape=(3,), name="x")
        model = Model(x, _Pair(Dense(4, activation="tanh", name="inner"), name="pair")(x), seed=0)
        assert [variable.name for variable in model.variables] == ["shift", "kernel", "bias", "kernel", "bias"]
        assert (model.count_params(), len(model.trainable_variables)) == (1 + 16 + 10, 5)
        again = Network.from_config(json.loads(json.dumps(model.get_config())))
        again.set_weights(model.get_weights())
        (values,) = arrays()[:1]
        assert numpy.array_equal(tools.run(again, values)[0], tools.run(model, values)[0])
        assert tools.penalty(again, values) == pytest.approx(0.01 * (model.get_weights()[3] ** 2).sum(), rel=1e-6)
        same = Model(x, _Pair(Dense(4, activation="tanh"))(x), seed=0)
        for a, b in zip(model.get_weights(), same.get_weights(), strict=True):
            assert numpy.array_equal(a, b)  # one seed draws the weights of layers within layers too
        model.get_layer("pair").inner.trainable = False
        assert [variable.name for variable in model.trainable_variables] == ["shift", "kernel", "bias"]
        model.get_layer("pair").trainable = False
        assert model.trainable_variables == []
    finally:
        layers.pop("_Pair", None)


def test_a_wrapper_refuses_what_is_no_layer() -> None:
    with pytest.raises(ArgumentError, match=r"_Pair needs a layer, such as Dense\(3\), got 4"):
        _Pair(4)
