"""What layers refuse when they are made, each with its name and the value."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from pellucid.errors import ArgumentError, ShapeError
from pellucid.nn import layers
from pellucid.nn.layers import Input
from pellucid.nn.regularizers import L1L2, get

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("Dense", {"units": 0}, r"Dense: units must be a whole number of at least 1, got 0"),
    ("Dense", {"units": 2.5}, "units"),
    ("Dense", {"units": True}, "units"),
    ("Dense", {"units": "3"}, "units"),
    ("Dense", {"units": 2, "use_bias": "yes"}, "use_bias must be True or False"),
    ("Dense", {"units": 2, "name": 3}, "name must be a text"),
    ("Dense", {"units": 2, "trainable": 1}, "trainable must be True or False"),
    ("Dense", {"units": 2, "input_shape": 3}, r"input_shape must be a tuple such as \(3,\)"),
    ("Dense", {"units": 2, "input_shape": (0,)}, "every size in input_shape"),
    ("Dense", {"units": 2, "input_shape": (3,), "input_dim": 3}, "not both"),
    ("Dense", {"units": 2, "input_dim": 0}, "input_dim"),
    ("Dense", {"units": 2, "kernel_regularizer": "l3"}, "unknown regularizer 'l3'; did you mean"),
    ("Dense", {"units": 2, "kernel_initializer": "glorot"}, "did you mean 'glorot"),
    ("ReLU", {"max_value": -1}, "max_value"),
    ("ReLU", {"negative_slope": -1}, "negative_slope"),
    ("ReLU", {"threshold": None}, "threshold"),
    ("LeakyReLU", {"negative_slope": -0.1}, "LeakyReLU: negative_slope must be a finite number of at least 0"),
    ("PReLU", {"shared_axes": "a"}, "shared_axes"),
    ("PReLU", {"shared_axes": [1, 1]}, "twice"),
    ("ELU", {"alpha": float("nan")}, "alpha"),
    ("Softmax", {"axis": 1.0}, "axis"),
    ("Dropout", {"rate": 1.5}, "Dropout: rate must be a finite number from 0 to 1, got 1.5"),
    ("Dropout", {"rate": "a"}, "rate"),
    ("Dropout", {"rate": 0.5, "seed": 1.5}, "seed"),
    ("Dropout", {"rate": 0.5, "noise_shape": (0,)}, "noise_shape"),
    ("Flatten", {"data_format": "channels"}, "unknown data_format"),
    ("Reshape", {"target_shape": (-1, -1)}, "only one size"),
    ("Reshape", {"target_shape": (0, 2)}, "target_shape"),
    ("Reshape", {"target_shape": 4}, "must be a tuple"),
    ("Embedding", {"input_dim": 0, "output_dim": 2}, "input_dim"),
    ("Embedding", {"input_dim": 2, "output_dim": 0}, "output_dim"),
    ("Normalization", {"mean": 1.0}, "give mean and variance both"),
    ("Normalization", {"mean": 1.0, "variance": -1.0}, "cannot be negative"),
    ("Normalization", {"mean": [1.0], "variance": 1.0}, "one shape"),
    ("Normalization", {"axis": "a"}, "axis"),
    ("CategoryEncoding", {"num_tokens": 0}, "num_tokens"),
    ("CategoryEncoding", {"num_tokens": 2, "output_mode": "hot"}, "unknown output_mode"),
    ("CategoryEncoding", {"num_tokens": 2, "sparse": True}, "no argument 'sparse'"),
    ("FillMissing", {"values": "a"}, "values"),
    ("FillMissing", {"values": float("nan")}, "finite"),
    ("FillMissing", {"indicators": [0, 0]}, "twice"),
    ("LogScale", {"columns": [-1]}, "columns"),
    ("Concatenate", {"axis": 0}, "axis 0 is the batch"),
    ("BoxesFromDistances", {"stride": 0}, "stride"),
    ("Dot", {"axes": (1, 2, 1)}, "one for each of two"),
    ("Dot", {"axes": 0}, "not the batch"),
    ("Dot", {"axes": 1.5}, "whole number"),
    ("Rescaling", {"scale": None}, "scale"),
    ("LSTM", {"units": 0}, "^LSTM: units must be a whole number of at least 1, got 0"),
    (
        "LSTM",
        {"units": 3, "recurrent_activation": "softmax"},
        "^LSTM: recurrent_activation must be one of hard_sigmoid",
    ),
    ("LSTM", {"units": 3, "unit_forget_bias": 1}, "^LSTM: unit_forget_bias must be True or False"),
    ("LSTMCell", {"units": 0}, "^LSTMCell: units"),
    ("GRU", {"units": 3, "dropout": 2}, "^GRU: dropout must be a finite number from 0 to 1, got 2"),
    ("GRU", {"units": 3, "reset_after": "no"}, "^GRU: reset_after must be True or False"),
    ("SimpleRNN", {"units": 3, "seed": -1}, "^SimpleRNN: seed"),
    ("InputLayer", {}, "needs shape"),
    ("InputLayer", {"shape": (2,), "dtype": "float23"}, "did you mean 'float32'"),
]


@pytest.mark.parametrize(("kind", "arguments", "message"), REFUSED)
def test_refused_when_made(kind: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        getattr(layers, kind)(**arguments)


MISFITS: list[tuple[Any, tuple[int | None, ...], str]] = [
    (layers.PReLU(shared_axes=3), (4,), r"PReLU: shared axis 3 is outside \[\?, 4\]; use 1 to 1"),
    (layers.PReLU(), (None, 2), "known size"),
    (layers.Softmax(2), (4,), "axis 2"),
    (layers.Flatten(), (None, 2), "known sizes"),
    (layers.Reshape((3, 2)), (4,), r"the 4 features of \[\?, 4\] do not fill \(3, 2\)"),
    (layers.Reshape((3, -1)), (4,), "do not fill"),
    (layers.Dropout(0.5, noise_shape=(None, 1, 1)), (4,), "as many axes"),
    (layers.Dropout(0.5, noise_shape=(None, 3)), (4,), "must be 1 or the input's size"),
    (layers.Normalization(axis=3), (4,), "axis 3"),
    (layers.Normalization(), (), "is the batch; use axis=None"),
    (layers.Normalization(mean=[1, 2], variance=[1, 2]), (3,), "does not fit"),
    (layers.Normalization(mean=[[1, 2]], variance=[[1, 2]]), (2,), "does not fit"),
    (layers.FillMissing([1, 2]), (3,), "layer fill_missing"),
    (layers.FillMissing([[1], [2]]), (3,), "do not fit"),
    (layers.FillMissing(indicators=[3]), (3,), r"columns \[3\] are not all in \[\?, 3\]"),
    (layers.LogScale([5]), (3,), r"columns \[5\] are not all in"),
    (layers.CategoryEncoding(3), (), "needs \\[batch, codes\\]"),
]


@pytest.mark.parametrize(("layer", "shape", "message"), MISFITS)
def test_refused_when_called(layer: Any, shape: tuple[int | None, ...], message: str) -> None:
    dtype = "int32" if isinstance(layer, layers.CategoryEncoding) else "float32"
    with pytest.raises(ShapeError, match=f"(?s)layer {layer.name}.*{message}|{message}"):
        layer(Input(shape=shape, dtype=dtype))


def test_numpy_numbers_are_numbers() -> None:
    assert layers.Dense(numpy.int64(3)).units == 3
    assert layers.Dropout(numpy.float32(0.5)).rate == 0.5
    assert layers.Dense(2, input_dim=3).input_shape == (3,)
    assert layers.Embedding(7, 2, input_shape=(4,)).get_config()["input_dim"] == 7


def test_inputs() -> None:
    assert Input(shape=(3,), batch_size=5).shape == (5, 3)
    assert Input(shape=[None, 2], dtype="int32", name="ids").dtype == "int32"
    for wrong in ({}, {"shape": 3}, {"shape": (0,)}, {"shape": (1,), "batch_size": 0}, {"shape": (1,), "dtype": "int"}):
        with pytest.raises(ArgumentError):
            Input(**wrong)  # type: ignore[arg-type]


def test_regularizers_by_name_config_and_object() -> None:
    assert get(None) is None
    assert get("l1_l2") == L1L2(0.0, 0.0)
    assert get(L1L2(0.1, 0.2).get_config()) == L1L2(0.1, 0.2)
    with pytest.raises(ArgumentError, match="l1 must be a finite number of at least 0"):
        L1L2(l1=-1)
    with pytest.raises(ArgumentError, match="a name or an L1"):
        get(3)


@pytest.mark.parametrize("name", ["L1", "L2", "L1L2"])
def test_regularizers_equal_keras_s(name: str, keras: Any) -> None:
    from pellucid.core.graph import tensor
    from pellucid.nn import regularizers

    x = numpy.float32([[1, -2], [0.5, 3]])
    arguments = {"l1": 0.3, "l2": 0.2} if name == "L1L2" else {name.lower(): 0.3}
    expected = float(getattr(keras.regularizers, name)(**arguments)(x))
    assert float(getattr(regularizers, name)(**arguments)(tensor(x))) == pytest.approx(expected, rel=1e-6)
    assert float(getattr(regularizers, name)()(tensor(x))) == pytest.approx(
        float(getattr(keras.regularizers, name)()(x))
    )
