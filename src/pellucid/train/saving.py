"""A model in one file: architecture, weights, training state, history, provenance (the container is `modelfile.py`)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy

from pellucid.errors import ArgumentError, ModelFileError, PellucidError, StateError, UnknownNameError
from pellucid.nn import losses, optimizers
from pellucid.nn.construction import restoring
from pellucid.nn.weights import set_values
from pellucid.train import modelfile
from pellucid.train.history import History
from pellucid.train.model import Model
from pellucid.train.models.autoencoder import Autoencoder
from pellucid.train.models.encoder_decoder import EncoderDecoder
from pellucid.train.models.gan import GAN
from pellucid.train.models.language import LanguageModel
from pellucid.train.models.vae import VAE
from pellucid.train.sequential import Sequential

Savable = Model | GAN
KINDS: dict[str, type[Savable]] = {
    kind.__name__: kind for kind in (Model, Sequential, Autoencoder, EncoderDecoder, GAN, LanguageModel, VAE)
}


def save_model(
    model: Savable, filepath: str | Path, overwrite: bool = True, extra: dict[str, Any] | None = None
) -> None:
    """Write a model into one file, replacing an old one only when the new one is whole.

    `extra` is kept beside the model and given back by `read_model`. Functions of your own cannot be in a file: a model
    compiled with one is saved without its training state, which a warning says. Raises `ModelFileError` where the file
    cannot be written (the old one is intact), `ArgumentError` for a file that exists where `overwrite` is false and
    for a model of a class of your own, `StateError` for a network that is not built.
    """
    if not overwrite and Path(filepath).exists():
        raise ArgumentError(f"{filepath} exists; choose another path or overwrite=True")
    if isinstance(model, Model) and not model.built:
        raise StateError("save: the network has no weights yet; add Input(shape=…), or call fit before")
    document = description(model, extra)
    arrays = {f"weights/{place:04d}/{variable.name}": variable.value for place, variable in enumerate(model.variables)}
    if document["training"] is not None:
        for place, variable in enumerate(model.optimizer_variables):
            arrays[f"optimizer/{place:04d}/{variable.name}"] = variable.value
    modelfile.write(filepath, document, arrays)


def description(model: Savable, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """All of a model but the numbers in it; raises `ArgumentError` for a class of your own."""
    kind = next((name for name, kind in KINDS.items() if type(model) is kind), None)
    if kind is None:
        raise ArgumentError(
            f"save: {type(model).__name__} is a class of your own, which a file cannot name; save a Model of the same "
            "inputs and outputs: Model(model.inputs, model.outputs)"
        )
    return {
        "kind": kind,
        "network": model.get_config(),
        "seed": model.seed,
        "training": _training(model),
        "history": None if model.history is None else _history(model.history),
        "saved": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "extra": extra,
    }


def load_model(filepath: str | Path) -> Any:
    """The model of a file, of the class that was saved, ready to predict and to train on.

    Raises `ModelFileError` for anything malformed.

    >>> import tempfile
    >>> from pellucid.nn.layers import Dense
    >>> model = Sequential([Dense(1, input_shape=(2,))])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(folder + "/m.safetensors")
    ...     again = load_model(folder + "/m.safetensors")
    >>> bool((again.predict([[1.0, 2.0]]) == model.predict([[1.0, 2.0]])).all())
    True
    """
    return read_model(filepath)[0]


def read_model(filepath: str | Path) -> tuple[Savable, Any]:
    """The model of a file, and the `extra` that was saved with it."""
    document, arrays = modelfile.read(filepath)
    with from_outside(filepath):
        foreign = next((name for name in arrays if name.split("/", 1)[0] not in ("weights", "optimizer")), None)
        if foreign is not None:
            raise ModelFileError(f"array {foreign!r} is neither of the weights nor of the optimizer")
        return restore(document, _part(arrays, "weights"), _part(arrays, "optimizer"))


@contextmanager
def from_outside(filepath: str | Path) -> Iterator[None]:
    """What is in a file comes from outside: whatever is wrong with it is its fault and becomes a `ModelFileError`."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{filepath}: {error}") from error
    except (PellucidError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError,
            RecursionError, MemoryError) as error:  # fmt: skip
        what = f"{type(error).__name__}: {error}"
        raise ModelFileError(f"{filepath}: the model's description is malformed: {what[:500]}") from error


def restore(
    document: dict[str, Any], weights: list[numpy.ndarray], state: list[numpy.ndarray] | None
) -> tuple[Savable, Any]:
    """A model from its description and numbers, and its `extra`; without a `state` the optimizer begins anew."""
    kinds: modelfile.Kinds = {
        "kind": str, "network": dict, "seed": int, "training": (dict, type(None)), "history": (dict, type(None)),
        "saved": str, "extra": (dict, type(None)),
    }  # fmt: skip
    found = modelfile.fields(document, kinds, "model")
    if found["kind"] not in KINDS:
        raise ModelFileError(f"model.kind is {found['kind']!r}; known: {', '.join(KINDS)}")
    if not 0 <= found["seed"] < 2**63:
        raise ModelFileError(f"model.seed is {found['seed']}; it must be from 0 to 2⁶³-1")
    with restoring(sum(array.size for array in weights)):
        model = KINDS[found["kind"]].from_config(found["network"])
    assert isinstance(model, Savable)
    model.seed = found["seed"]
    set_values(model.variables, weights, "the model")
    if found["training"] is not None:
        _restore_training(model, found["training"], state)
    if found["history"] is not None:
        model.history = _restore_history(found["history"])
    return model, found["extra"]


def _part(arrays: dict[str, numpy.ndarray], kind: str) -> list[numpy.ndarray]:
    return [arrays[name] for name in sorted(arrays) if name.split("/", 1)[0] == kind]


def _training(model: Savable) -> dict[str, Any] | None:
    """How the model is trained, and how far it got; `None` where it is not compiled, or cannot be written."""
    try:
        chosen = _adversaries(model) if isinstance(model, GAN) else _choices(model)
    except ArgumentError as error:
        warnings.warn(f"saved without the state of training: {error}", stacklevel=4)
        return None
    if chosen is None:
        return None
    progress = {"epochs_trained": model.epochs_trained, "steps_trained": model.steps_trained}
    return {**chosen, "precision": model.precision, **progress}


def _choices(model: Model) -> dict[str, Any] | None:
    """What `compile` was given."""
    objective = model.objective
    if objective is None:
        return None
    objective.optimizer.build(model.trainable_variables)
    return {
        "optimizer": objective.optimizer.get_config(),
        "losses": [loss.get_config() for loss in objective.losses],
        "loss_weights": objective.loss_weights,
        "metrics": [[metric.get_config() for metric in listed] for listed in objective.metrics],
        "weighted_metrics": [[metric.get_config() for metric in listed] for listed in objective.weighted_metrics],
    }


def _adversaries(gan: GAN) -> dict[str, Any] | None:
    """What `GAN.compile` was given."""
    if gan.loss is None:
        return None
    gan.build_optimizers()
    discriminator, generator = (update.optimizer.get_config() for update in gan.updates)
    return {
        "discriminator_optimizer": discriminator, "generator_optimizer": generator, "loss": gan.loss.get_config()
    }  # fmt: skip


def _restore_training(model: Savable, training: dict[str, Any], state: list[numpy.ndarray] | None) -> None:
    chosen: modelfile.Kinds = {
        "optimizer": dict, "losses": list, "loss_weights": list, "metrics": list, "weighted_metrics": list,
    }  # fmt: skip
    if isinstance(model, GAN):
        chosen = {"discriminator_optimizer": dict, "generator_optimizer": dict, "loss": dict}
    progress = {"precision": str, "epochs_trained": int, "steps_trained": int}
    found = modelfile.fields(training, {**chosen, **progress}, "model.training")
    for name in ("epochs_trained", "steps_trained"):
        if not 0 <= found[name] < 2**62:
            raise ModelFileError(f"model.training.{name} is {found[name]}; it must be from 0 to 2⁶²")
    try:
        _compile(model, found)
    except UnknownNameError as error:
        warnings.warn(
            f"the model can predict, but its training cannot go on: the {error.kind} {str(error.name)[:100]!r} is "
            "not known here. If it is your own, define it below @pellucid.register before loading; or compile again",
            stacklevel=5,
        )
        return
    model.epochs_trained, model.steps_trained = found["epochs_trained"], found["steps_trained"]
    if isinstance(model, GAN):
        model.build_optimizers()
    else:
        model.optimizer.build(model.trainable_variables)
    if state is not None:
        set_values(model.optimizer_variables, state, "the optimizer")


def _compile(model: Savable, found: dict[str, Any]) -> None:
    """Compile with what a file says."""
    if isinstance(model, GAN):
        model.compile(
            optimizers.get(found["generator_optimizer"]),
            optimizers.get(found["discriminator_optimizer"]),
            losses.get(found["loss"]),
            precision=found["precision"],
        )
        return
    if not all(isinstance(item, dict) for item in found["losses"]):
        raise ModelFileError("model.training.losses must be descriptions of losses")
    model.compile(
        optimizers.get(found["optimizer"]),
        [losses.get(item) for item in found["losses"]],
        loss_weights=found["loss_weights"],
        metrics=found["metrics"],
        weighted_metrics=found["weighted_metrics"],
        precision=found["precision"],
    )


def _history(history: History) -> dict[str, Any]:
    return {"epoch": history.epoch, "history": history.history, "params": history.params}


def _restore_history(record: dict[str, Any]) -> History:
    found = modelfile.fields(record, {"epoch": list, "history": dict, "params": dict}, "model.history")
    if not all(type(epoch) is int for epoch in found["epoch"]):
        raise ModelFileError("model.history.epoch must list whole numbers")
    if not all(isinstance(values, list) for values in found["history"].values()):
        raise ModelFileError("model.history.history must have a list for each figure")
    history = History(found["params"])
    history.epoch, history.history = found["epoch"], found["history"]
    return history
