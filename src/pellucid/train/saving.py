"""A model in one file: architecture, weights, training state, history, provenance (the container is `modelfile.py`)."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy

from pellucid.errors import ArgumentError, ModelFileError, PellucidError
from pellucid.nn import losses, optimizers
from pellucid.nn.construction import restoring
from pellucid.nn.layer import set_values
from pellucid.train import modelfile
from pellucid.train.history import History
from pellucid.train.model import Model
from pellucid.train.sequential import Sequential

KINDS: dict[str, type[Model]] = {"Model": Model, "Sequential": Sequential}


def save_model(model: Model, filepath: str | Path, overwrite: bool = True, extra: dict[str, Any] | None = None) -> None:
    """Write a model into one file, replacing an old one only when the new one is whole.

    `extra` is kept beside the model and given back by `read_model`. Raises `ModelFileError` where the file cannot be
    written (the old one is intact) and `ArgumentError` for a file that exists where `overwrite` is false.
    """
    if not overwrite and Path(filepath).exists():
        raise ArgumentError(f"{filepath} exists; choose another path or overwrite=True")
    model._need_network("save")
    document = {
        "kind": next(name for name, kind in KINDS.items() if type(model) is kind),
        "network": model.get_config(),
        "seed": model.seed,
        "training": _training(model),
        "history": None if model.history is None else _history(model.history),
        "saved": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "extra": extra,
    }
    arrays = {f"weights/{place:04d}/{variable.name}": variable.value for place, variable in enumerate(model.variables)}
    if model._objective is not None:
        state = model.optimizer.variables
        arrays.update(
            {f"optimizer/{place:04d}/{variable.name}": variable.value for place, variable in enumerate(state)}
        )
    modelfile.write(filepath, document, arrays)


def load_model(filepath: str | Path) -> Model:
    """The model of a file, ready to predict and to train on; raises `ModelFileError` for anything malformed."""
    return read_model(filepath)[0]


def read_model(filepath: str | Path) -> tuple[Model, Any]:
    """The model of a file, and the `extra` that was saved with it."""
    document, arrays = modelfile.read(filepath)
    try:
        return _restore(document, arrays)
    except ModelFileError as error:
        raise ModelFileError(f"{filepath}: {error}") from error
    except (PellucidError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelFileError(f"{filepath}: the model's description is malformed: {error}") from error


def _restore(document: dict[str, Any], arrays: dict[str, numpy.ndarray]) -> tuple[Model, Any]:
    kinds: modelfile.Kinds = {
        "kind": str, "network": dict, "seed": int, "training": (dict, type(None)), "history": (dict, type(None)),
        "saved": str, "extra": (dict, type(None)),
    }  # fmt: skip
    found = modelfile.fields(document, kinds, "model")
    if found["kind"] not in KINDS:
        raise ModelFileError(f"model.kind is {found['kind']!r}; known: {', '.join(KINDS)}")
    weights = _part(arrays, "weights")
    with restoring(sum(array.size for array in weights)):
        model = KINDS[found["kind"]].from_config(found["network"])
    assert isinstance(model, Model)
    model.seed = found["seed"]
    set_values(model.variables, weights, "the model")
    if found["training"] is not None:
        _restore_training(model, found["training"], _part(arrays, "optimizer"))
    if found["history"] is not None:
        parts = modelfile.fields(found["history"], {"epoch": list, "history": dict, "params": dict}, "model.history")
        model.history = History(parts["params"])
        model.history.epoch, model.history.history = parts["epoch"], parts["history"]
    return model, found["extra"]


def _part(arrays: dict[str, numpy.ndarray], kind: str) -> list[numpy.ndarray]:
    return [arrays[name] for name in sorted(arrays) if name.split("/", 1)[0] == kind]


def _training(model: Model) -> dict[str, Any] | None:
    objective = model._objective
    if objective is None:
        return None
    return {
        "optimizer": objective.optimizer.get_config(),
        "losses": [loss.get_config() for loss in objective.losses],
        "loss_weights": objective.loss_weights,
        "metrics": [[metric.get_config() for metric in listed] for listed in objective.metrics],
        "weighted_metrics": [[metric.get_config() for metric in listed] for listed in objective.weighted_metrics],
        "precision": model._precision,
        "epochs_trained": model.epochs_trained,
        "steps_trained": model.steps_trained,
    }


def _restore_training(model: Model, training: dict[str, Any], state: list[numpy.ndarray]) -> None:
    kinds = {
        "optimizer": dict, "losses": list, "loss_weights": list, "metrics": list, "weighted_metrics": list,
        "precision": str, "epochs_trained": int, "steps_trained": int,
    }  # fmt: skip
    found = modelfile.fields(training, kinds, "model.training")
    model.compile(
        optimizers.get(found["optimizer"]),
        [losses.get(item) for item in found["losses"]],
        loss_weights=found["loss_weights"],
        metrics=found["metrics"],
        weighted_metrics=found["weighted_metrics"],
        precision=found["precision"],
    )
    model.epochs_trained, model.steps_trained = found["epochs_trained"], found["steps_trained"]
    model.optimizer.build(model.trainable_variables)
    set_values(model.optimizer.variables, state, "the optimizer")


def _history(history: History) -> dict[str, Any]:
    figures = {name: [_number(value) for value in values] for name, values in history.history.items()}
    return {"epoch": history.epoch, "history": figures, "params": history.params}


def _number(value: Any) -> Any:
    return numpy.asarray(value).tolist()
