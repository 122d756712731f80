"""A model in one file: everything comes back, nothing else gets in. The container is tested in test_modelfile*.py."""

from __future__ import annotations

import ast
import copy
import errno
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
import pellucid as pl
from pellucid.errors import ArgumentError, ModelFileError, PellucidError
from pellucid.layers import Concatenate, Dense, Dropout, Embedding, Input
from pellucid.models import load_model
from pellucid.nn.losses import CLASSES as LOSSES
from pellucid.nn.metrics import CLASSES as METRICS
from pellucid.nn.optimizers import CLASSES as OPTIMIZERS
from pellucid.optimizers import schedules
from pellucid.train import modelfile
from pellucid.train.saving import read_model, save_model

SRC = Path(pellucid.__file__).parents[1]  # the same code as under test
GOLDEN = Path(__file__).parent / "golden" / "model-v1.safetensors"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3)).astype(np.float32)


def rich() -> tuple[pl.Model, Any, Any]:
    """Several inputs and outputs, a shared layer, a nested network, ops between layers, state of training, history."""
    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    word = Input(shape=(), dtype="int32", name="word")
    shared = Dense(4, activation="tanh", kernel_regularizer=pl.regularizers.L2(0.01), name="shared")
    inner_input = Input(shape=(4,), name="inner_input")
    inner = pl.Model(inner_input, Dense(2, name="inside")(Dropout(0.2)(inner_input)), name="inner")
    joined = Concatenate()([inner(shared(a)) * 2.0, inner(shared(b)), Embedding(7, 2, name="words")(word)])
    outputs = [Dense(1, name="number")(joined), Dense(3, activation="softmax", name="kind")(pl.ops.relu(joined))]
    model = pl.Model([a, b, word], outputs, name="rich", seed=3)
    model.compile(
        pl.optimizers.Adam(schedules.CosineDecay(0.01, 100), clipnorm=1.0),
        {"number": pl.losses.Huber(0.5), "kind": "sparse_categorical_crossentropy"},
        loss_weights={"kind": 0.3},
        metrics={"number": ["mae"], "kind": ["accuracy"]},
    )
    x = {"a": X, "b": X[::-1].copy(), "word": np.arange(30) % 7}
    y = {"number": X.sum(1), "kind": np.arange(30) % 3}
    return model, x, y


def test_everything_comes_back(tmp_path: Path) -> None:
    model, x, y = rich()
    model.fit(x, y, epochs=2, verbose=0, validation_split=0.2)
    path = tmp_path / "m.safetensors"
    model.save(path)
    again = load_model(path)
    assert type(again) is pl.Model
    for one, other in zip(model.predict(x), again.predict(x), strict=True):
        assert np.array_equal(one, other)
    assert again.evaluate(x, y, return_dict=True) == model.evaluate(x, y, return_dict=True)
    assert again.get_config() == model.get_config()
    assert model.history is not None
    assert again.history is not None
    assert again.history.history == model.history.history
    assert (again.history.epoch, again.history.params) == (model.history.epoch, model.history.params)
    names = ("seed", "epochs_trained", "steps_trained", "precision", "name")
    assert [getattr(again, name) for name in names] == [getattr(model, name) for name in names]
    assert again.optimizer == model.optimizer
    for one, other in zip(model.optimizer.variables, again.optimizer.variables, strict=True):
        assert np.array_equal(one.value, other.value)
    model.fit(x, y, epochs=2, verbose=0)
    again.fit(x, y, epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


def test_saving_again_gives_the_same_content(tmp_path: Path) -> None:
    model, x, y = rich()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "one.safetensors")
    load_model(tmp_path / "one.safetensors").save(tmp_path / "two.safetensors")
    (one, arrays), (two, others) = (modelfile.read(tmp_path / f"{name}.safetensors") for name in ("one", "two"))
    assert {**one, "saved": ""} == {**two, "saved": ""}
    assert list(arrays) == list(others)


@pytest.mark.parametrize("compiled", [False, True])
def test_before_training(compiled: bool, tmp_path: Path) -> None:
    model = pl.Sequential([Dense(2, input_shape=(3,), name="only")], seed=1)
    if compiled:
        model.compile("adam", "mse")
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert type(again) is pl.Sequential
    assert np.array_equal(again.predict(X), model.predict(X))
    assert again.history is None
    again.add(Dense(1))
    if compiled:
        again.fit(X, X[:, 0], verbose=0)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer(name: str, tmp_path: Path) -> None:
    model = pl.Sequential([Dense(2, input_shape=(3,)), Dense(1)], seed=1)
    model.compile(OPTIMIZERS[name](), "mse")
    model.fit(X, X[:, 0], verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    for one in (model, again):
        one.fit(X, X[:, 0], epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss(name: str, tmp_path: Path) -> None:
    units = 4 if "IoU" in name else 2
    model = pl.Sequential([Dense(units, activation="softmax", input_shape=(3,))], seed=1)
    model.compile("sgd", LOSSES[name](), metrics=["mae"] if "Sparse" not in name else [])
    y = np.arange(30) % 2 if "Sparse" in name else np.eye(2)[np.arange(30) % 2]
    if units == 4:  # boxes: left and top, then right and bottom
        y = np.concatenate([y, y + 1], axis=1)
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert again.evaluate(X, y) == model.evaluate(X, y)


def fitting(metric: Any) -> tuple[pl.Model, Any]:
    """A model of three outputs whose loss goes with the metric, and labels for it."""
    one_hot = np.eye(3)[np.arange(30) % 3]
    for activation, loss, y in (
        ("softmax", "categorical_crossentropy", one_hot),
        ("softmax", "sparse_categorical_crossentropy", np.arange(30) % 3),
        ("sigmoid", "binary_crossentropy", one_hot),
        ("linear", "mse", one_hot),
        ("tanh", "hinge", one_hot),
    ):
        model = pl.Sequential([Dense(3, activation=activation, input_shape=(3,))], seed=1)
        try:
            model.compile("sgd", loss, metrics=[metric])
            model.evaluate(X, y)
        except PellucidError:
            continue
        return model, y
    raise AssertionError(f"no loss goes with {metric}")


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric(name: str, tmp_path: Path) -> None:
    model, y = fitting(METRICS[name](name="mine", **({"k": 2} if "TopK" in name else {})))
    model.save(tmp_path / "m.safetensors")
    one = model.evaluate(X, y, return_dict=True)
    other = load_model(tmp_path / "m.safetensors").evaluate(X, y, return_dict=True)
    assert list(one) == list(other) == ["loss", "mine"]
    np.testing.assert_array_equal(one["mine"], other["mine"])


def test_history_of_every_kind(tmp_path: Path) -> None:
    model = pl.Sequential([Dense(2, activation="softmax", input_shape=(3,))], seed=1)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["confusion_matrix"])
    model.fit(X, np.arange(30) % 2, epochs=2, verbose=0)
    assert model.history is not None
    model.history.history["odd"] = [math.nan, math.inf]
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors").history
    assert again is not None
    assert again.history["confusion_matrix"] == model.history.history["confusion_matrix"]
    assert math.isnan(again.history["odd"][0])
    assert again.history["odd"][1] == math.inf


def test_functions_of_your_own_leave_the_state_of_training_out(tmp_path: Path) -> None:
    model = pl.Sequential([Dense(1, input_shape=(3,))], seed=1)
    model.compile("sgd", lambda y_true, y_pred: pl.ops.square(y_true - y_pred))
    with pytest.warns(UserWarning, match=r"without the state of training: the loss .* @pellucid.register"):
        model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert again.objective is None
    assert np.array_equal(again.predict(X), model.predict(X))


def test_classes_of_your_own_and_existing_files_are_refused(tmp_path: Path) -> None:
    class Mine(pl.Sequential):
        pass

    with pytest.raises(ArgumentError, match="Mine is a class of your own"):
        Mine([Dense(1, input_shape=(3,))]).save(tmp_path / "m.safetensors")
    model = pl.Sequential([Dense(1, input_shape=(3,))])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ArgumentError, match="exists; choose another path or overwrite=True"):
        model.save(tmp_path / "m.safetensors", overwrite=False)
    save_model(model, tmp_path / "m.safetensors", extra={"note": [1, 2.5, None]})
    assert read_model(tmp_path / "m.safetensors")[1] == {"note": [1, 2.5, None]}


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = pl.Sequential([Dense(1, input_shape=(3,))], seed=1)
    path = tmp_path / "m.safetensors"
    model.save(path)
    before = path.read_bytes()
    model.compile("sgd", "mse")
    model.fit(X, X[:, 0], verbose=0)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFileError, match=r"not saved .*No space left.*is intact. Free some space"):
        model.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.safetensors"]
    model.save(path)  # nothing is lost
    assert np.array_equal(load_model(path).predict(X), model.predict(X))


def golden() -> tuple[pl.Model, dict[str, np.ndarray]]:
    model, x, y = rich()
    model.fit(x, y, epochs=2, verbose=0)
    return model, x


def test_the_golden_file_loads_with_equal_predictions() -> None:
    """Written once; its predictions stand in `extra`. A change that breaks this breaks the files of users."""
    model, extra = read_model(GOLDEN)
    x = {name: np.array(value, np.int32 if name == "word" else np.float32) for name, value in extra["inputs"].items()}
    for output, expected in zip(model.predict(x), extra["outputs"], strict=True):
        np.testing.assert_allclose(output, np.array(expected, np.float32), rtol=1e-5, atol=1e-6)
    assert model.history is not None
    assert (model.epochs_trained, model.history.epoch, model.optimizer.iterations) == (2, [0, 1], 2)
    assert model.objective is not None
    assert [type(loss).__name__ for loss in model.objective.losses] == ["Huber", "SparseCategoricalCrossentropy"]
    y = {"number": np.zeros(4), "kind": np.zeros(4, int)}
    model.fit(x, y, verbose=0)


def test_a_fresh_process_predicts_the_same(tmp_path: Path) -> None:
    model, x = golden()
    model.save(tmp_path / "m.safetensors")
    np.savez(tmp_path / "x.npz", **x)
    program = (
        "import sys, numpy as np; from pellucid.models import load_model;"
        "m = load_model(sys.argv[1] + '/m.safetensors');"
        "np.savez(sys.argv[1] + '/y.npz', *m.predict(dict(np.load(sys.argv[1] + '/x.npz'))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], env=environment, check=True, timeout=60)
    found = np.load(tmp_path / "y.npz")
    for one, other in zip(model.predict(x), found.values(), strict=True):
        assert np.array_equal(one, other)


# Files that nobody vouches for


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inside for place in places(item, (*path, key)))]


ODD = [None, True, -1, 0, 3, 2**40, 2**63 - 1, 1.5, -1e300, math.nan, "", "Dense", "os.system", "a" * 3000, [], [[]],
       {}, [0, 0], [-1, 5], {"class_name": "Dense", "config": {}}, [1e6] * 3, {"__float__": 3}]  # fmt: skip


def mutated(document: Any, source: random.Random) -> Any:
    """The document with one to three places replaced, removed, doubled or swapped."""
    document = copy.deepcopy(document)
    for _ in range(source.randint(1, 3)):
        path = source.choice([place for place in places(document) if place])
        owner = document
        for key in path[:-1]:
            owner = owner[key]
        key, kind = path[-1], source.randrange(4)
        if kind == 0:
            del owner[key]
        elif kind == 1 and isinstance(owner, list):
            owner.insert(key, copy.deepcopy(owner[key]))
        elif kind == 2 and len(owner) > 1:
            other = source.choice(list(owner) if isinstance(owner, dict) else list(range(len(owner))))
            owner[key], owner[other] = owner[other], owner[key]
        else:
            owner[key] = source.choice(ODD)
    return document


def test_500_changed_descriptions_load_or_are_refused(tmp_path: Path) -> None:
    model, x, y = rich()
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "good.safetensors")
    document, arrays = modelfile.read(tmp_path / "good.safetensors")
    assert "training" in document
    source, path, refused = random.Random(7), tmp_path / "bad.safetensors", list[str]()
    for _ in range(500):
        changed = mutated(document, source)
        try:
            modelfile.write(path, changed, arrays)
        except ModelFileError:
            continue  # not strict JSON, so no file can hold it
        try:
            loaded = load_model(path)
        except ModelFileError as error:
            refused.append(str(error))
        else:
            assert isinstance(loaded, pl.Model)
    assert len(refused) > 300
    assert all(message.startswith(str(path)) and len(message) < 1500 for message in refused)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "Evil"}, "model.kind is 'Evil'; known: Model, Sequential"),
        ({"seed": -1}, "model.seed is -1"),
        ({"seed": 2**63 - 1, "history": {"epoch": ["a"], "history": {}, "params": {}}}, "must list whole numbers"),
        ({"history": {"epoch": [], "history": {"loss": 3}, "params": {}}}, "a list for each figure"),
        ({"more": 1}, "more"),
    ],
)
def test_wrong_descriptions(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    pl.Sequential([Dense(1, input_shape=(3,))]).save(path)
    document, arrays = modelfile.read(path)
    modelfile.write(path, {**document, **change}, arrays)
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def test_wrong_arrays(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = pl.Sequential([Dense(1, input_shape=(3,))])
    model.compile("adam", "mse")
    model.save(path)
    document, arrays = modelfile.read(path)
    first, optimizer = "weights/0000/kernel", next(name for name in arrays if name.startswith("optimizer"))
    for changed in (
        {name: value for name, value in arrays.items() if name != first},
        {name: value for name, value in arrays.items() if name != optimizer},
        {**arrays, "weights/9/more": np.ones(1, np.float32)},
        {**arrays, "foreign/0000/x": np.ones(1, np.float32)},
        {**arrays, first: arrays[first].T.copy()},
    ):
        modelfile.write(path, document, changed)
        with pytest.raises(ModelFileError):
            load_model(path)


def test_memory_stays_below_twice_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = pl.Sequential([Dense(2048, input_shape=(2048,)), Dense(2048)], seed=0)
    model.compile("adam", "mse")
    model.save(path)
    size = path.stat().st_size
    assert size > 90 << 20
    program = (
        "import resource, sys; from pellucid.models import load_model; "
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024; before = peak(); "
        "m = load_model(sys.argv[1]); print(peak() - before)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert int(done.stdout) < 2 * size + (32 << 20)


FORBIDDEN = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "runpy", "imp"}


def test_nothing_in_the_source_can_run_code_from_a_file() -> None:
    """No pickle, eval or exec; import by name only of names that stand in the source."""
    for path in (SRC / "pellucid").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN, path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in FORBIDDEN, path
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                assert not (isinstance(node.func, ast.Name) and name in ("eval", "exec", "compile", "__import__")), path
                if name == "import_module":
                    assert path.relative_to(SRC).as_posix() in ("pellucid/__init__.py", "pellucid/cli/main.py"), path
                if name in ("load", "loadtxt", "fromfile", "memmap") and getattr(node.func, "value", None) is not None:
                    plain = any(ast.unparse(keyword) == "allow_pickle=False" for keyword in node.keywords)
                    assert plain or getattr(node.func.value, "id", "") not in ("np", "numpy", "pickle"), path
