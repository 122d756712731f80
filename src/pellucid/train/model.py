"""`Model`: a network that can be compiled, fitted, evaluated, asked and saved, in Keras's words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy

from pellucid.core.graph import Tensor, Variable
from pellucid.data import batches
from pellucid.errors import ArgumentError, StateError
from pellucid.execute import executor as find_executor
from pellucid.execute.program import Executor
from pellucid.nn import initializers
from pellucid.nn.layer import Layer
from pellucid.nn.network import Network
from pellucid.nn.optimizers import Optimizer
from pellucid.train import inputs as feeding
from pellucid.train.array_course import ArrayCourse
from pellucid.train.callback import Callback, Callbacks
from pellucid.train.fitting import Course, Fitting, Validate
from pellucid.train.glass import Glass
from pellucid.train.history import History, Logs, show
from pellucid.train.inputs import Examples
from pellucid.train.objective import Choice, Objective
from pellucid.train.programs import ModelPrograms
from pellucid.train.step import Step
from pellucid.train.stepper import Stepper
from pellucid.train.stream_course import BatchTraining, StreamCourse, evaluate_stream, parts, predict_stream

PRECISIONS = ("float32", "bfloat16")

_initialized: WeakSet[Layer] = WeakSet()  # layers that belong to a model, so that no later model draws them anew


class Model(Network, Glass):
    """A network from `inputs` to `outputs` with what training needs.

    `seed` fixes the initial weights (of layers that no model had before), dropout and the order of examples; without
    one a seed is drawn and kept in `seed`, so that any run can be repeated.

    >>> from pellucid.nn.layers import Dense, Input
    >>> x = Input(shape=(1,))
    >>> model = Model(x, Dense(1)(x), seed=0)
    >>> model.compile("sgd", "mse")
    >>> history = model.fit([[1.0], [2.0], [3.0]], [3.0, 5.0, 7.0], epochs=300, batch_size="all", verbose=0)
    >>> round(float(model.predict([[10.0]])[0, 0]))
    21
    """

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, seed: int | None = None
    ) -> None:
        if inputs is None or outputs is None:
            raise ArgumentError(
                f"{type(self).__name__} needs inputs and outputs, made by calling layers on Input(…): "
                "Model(inputs, outputs). What has a call of its own is a layer: class Mine(pellucid.Layer), then "
                "Model(x, Mine()(x))"
            )
        self._prepare(seed)
        super().__init__(inputs, outputs, name=name)

    def _prepare(self, seed: int | None) -> None:
        """What a model has before its network is connected."""
        if seed is not None and not (isinstance(seed, (int, numpy.integer)) and 0 <= seed < 2**63):
            raise ArgumentError(f"seed must be a whole number from 0 to 2⁶³-1, got {seed!r}")
        self.seed = int(initializers.next_seed() >> 1 if seed is None else seed)
        self._draws = None if seed is None else numpy.random.SeedSequence(self.seed)
        self.stop_training = False
        self.history: History | None = None
        self.epochs_trained = self.steps_trained = 0
        self.objective: Objective | None = None
        self._choice: Choice | None = None
        self.programs = ModelPrograms(self, find_executor())

    def _connect(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        super()._connect(inputs, outputs)
        self.programs = ModelPrograms(self, self.executor, self.precision)
        new = [layer for layer in _leaves(self) if layer not in _initialized]
        _initialized.update(new)
        if self._draws is not None:
            for layer in new:
                layer.initialize(self._draw)
        if self._choice is not None:
            self.objective = self._choice.objective(self)

    def _draw(self) -> int:
        assert self._draws is not None
        return int(self._draws.spawn(1)[0].generate_state(1, numpy.uint64)[0])

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer that `compile` chose."""
        if self._choice is None:
            raise StateError("the model is not compiled; call model.compile(optimizer=…, loss=…) first")
        return self._choice.optimizer

    @property
    def optimizer_variables(self) -> list[Variable]:
        """What the optimizer remembers from step to step."""
        return self.optimizer.variables

    @property
    def executor(self) -> Executor:
        """What runs this model's programs."""
        return self.programs.executor

    def run_on(self, executor: str) -> None:
        """Run on another executor from now on, "native", "numpy" or "xla"; weights and the state of training stay."""
        self.programs = ModelPrograms(self, find_executor(executor), self.precision)

    @property
    def precision(self) -> str:
        """In what products are computed."""
        return self.programs.precision

    # Compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        precision: str = "float32",
        executor: str | None = None,
    ) -> None:
        """Choose how to train: optimizer, loss and metrics by name or object (lists or dicts for several outputs).

        `precision="bfloat16"` computes products in bfloat16 with float32 weights; `executor` is "native", "numpy"
        or "xla".
        Raises `UnknownNameError` with the nearest name, `ArgumentError` for what does not fit the outputs.
        """
        if precision not in PRECISIONS:
            raise ArgumentError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        runs_on = find_executor(executor)
        choice = Choice(optimizer, loss, loss_weights, metrics, weighted_metrics)
        self.objective = choice.objective(self) if self.built else None
        self._choice = choice
        self.programs = ModelPrograms(self, runs_on, precision)

    # Fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | str | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Callback | Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Collection[int] = 1,
    ) -> History:
        """Train for a number of epochs; returns the `History` of every figure by epoch.

        `x` and `y` are arrays, lists, frames, or lists and dicts of them for several inputs and outputs; or `x` is an
        iterable of batches `(x, y)`. `batch_size` is 32, any number from 1, or "all". A second call goes on where the
        first ended. Raises `DataError`, `LabelError` and `ShapeError` for what does not fit, before the first step,
        and `NonFiniteError` where numbers break. Ctrl-C leaves the weights of the last whole step.
        """
        feeding.need_count("epochs", epochs, least=0)
        feeding.need_count("initial_epoch", initial_epoch, least=0)
        if not isinstance(validation_freq, Collection):
            feeding.need_count("validation_freq", validation_freq, least=1)
        if validation_data is not None and validation_split:
            raise ArgumentError("give validation_split or validation_data, not both")
        source = feeding.as_stream(x, y)
        held = None
        if source is None:
            feeding.refuse_for_arrays(steps_per_epoch=steps_per_epoch)
            data = self.examples(x, y, sample_weight, class_weight)
            if validation_split:
                data, held = feeding.hold_out(data, validation_split)
            batch = feeding.batch_size(batch_size, data.rows)
        else:
            feeding.refuse_for_batches(
                batch_size=batch_size, sample_weight=sample_weight, validation_split=validation_split or None
            )
        validate = self._validation(held, validation_data, validation_batch_size, validation_steps)
        count = max(epochs - initial_epoch, 0)
        if source is None:
            course: Course = ArrayCourse(self, data, batch, count, shuffle)
        else:
            course = StreamCourse(
                self, source, lambda item: self.examples(*parts(item), class_weight), count, steps_per_epoch
            )
        fitting = Fitting(self, course, epochs, verbose, callbacks, initial_epoch, validate, validation_freq)
        return fitting.run()

    def _validation(
        self, held: Examples | None, given: Any, batch_size: int | None, steps: int | None
    ) -> Validate | None:
        """What measures the model after an epoch, if anything does."""
        if given is not None and not isinstance(given, (tuple, list)) and batches.is_batches(given):
            return lambda: evaluate_stream(self, given, steps)
        if given is not None:
            if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
                raise ArgumentError("validation_data must be (x, y), (x, y, sample_weight) or an iterable of batches")
            held = self.examples(*parts(given))
        if held is None:
            return None
        data = held
        return lambda: self._evaluate(data, batch_size)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch; returns the batch's figures before the update, as `evaluate` does."""
        training = BatchTraining(self)
        data = self.examples(x, y, sample_weight, class_weight)
        step, totals = training.train(data)
        training.need_finite_weights()
        return _returned(step.logs(totals, data.rows), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The figures of one batch, without training, as `evaluate` returns them."""
        data = self.examples(x, y, sample_weight)
        step, totals = self.run_batch(data)
        return _returned(step.logs(totals, data.rows), return_dict)

    def step(self, data: Examples, rows: int, training: bool) -> Step:
        """The step for examples of these shapes, `rows` at a time."""
        return self.programs.objective(self.need_objective(), data.signature(rows, training))

    def run_batch(self, data: Examples) -> tuple[Step, numpy.ndarray]:
        """Measure all rows of the examples in one step, without training; returns it with its totals."""
        step = self.step(data, data.rows, training=False)
        return step, self.programs.totals(step, data, self.steps_trained)

    # Evaluate and predict

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callback | Sequence[Callback] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data that training does not see: a number, a list in the order of names, or a dict.

        `verbose=1` also prints them. `steps`: how many batches of an iterable to use.
        """
        listeners = Callbacks(callbacks)
        listeners.attach(self, {"verbose": verbose, "steps": steps})
        source = feeding.as_stream(x, y)
        data = self.examples(x, y, sample_weight) if source is None else None
        listeners.tell("on_test_begin", {})
        if data is not None:
            logs = self._evaluate(data, batch_size)
        else:
            assert source is not None
            feeding.refuse_for_batches(batch_size=batch_size, sample_weight=sample_weight)
            logs = evaluate_stream(self, source, steps)
        listeners.tell("on_test_end", logs)
        if verbose in (1, 2):
            print(show(logs))
        return _returned(logs, return_dict)

    def _evaluate(self, data: Examples, size: int | None) -> Logs:
        batch = feeding.batch_size(size or feeding.large_batch(self, data.rows), data.rows)
        return self.programs.evaluate(self.need_objective(), data, batch)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0, steps: int | None = None) -> Any:
        """The outputs for some examples: an array [rows, …], or a list of them for several outputs. Quiet and quick.

        `x` may be an iterable of batches, of which `steps` are used.
        """
        outputs = self.programs.at_once(x)
        if outputs is not None:
            return outputs[0] if len(outputs) == 1 else outputs
        self.need_built()
        if batches.is_batches(x):
            return predict_stream(self, x, steps)
        arrays = self.inputs_of(x)
        rows = batches.same_rows({"features": arrays})
        if rows <= (batch_size or 32):
            step = self.programs.prediction(arrays, rows)
            fed = [array.astype(value.dtype, copy=False) for array, value in zip(arrays, self.inputs, strict=True)]
            outputs = self.programs.answer(step, fed)
            if len(fed) == 1 and fed[0] is x:
                self.programs.keep_quick(x, step)
        else:
            size = batch_size or feeding.large_batch(self, rows)
            outputs = self.programs.predict(arrays, rows, feeding.batch_size(size, rows))
        return outputs[0] if len(outputs) == 1 else outputs

    def stepper(self, batch_size: int = 1, length: int | None = None, context: Collection[str] = ()) -> Stepper:
        """This model for sequences that come one step at a time, at most `length` of them: see `Stepper`."""
        return Stepper(self, batch_size, length, context)

    # Data in

    def inputs_of(self, x: Any) -> list[numpy.ndarray]:
        """What the user gave as features, as one array per input; raises `StateError` where these are not known yet."""
        self.need_built()
        arrays = batches.as_arrays(x, self.input_names, allow_missing=self.accepts_missing)
        return feeding.fit_inputs(arrays, self.inputs, self.input_names, x)

    @property
    def accepts_missing(self) -> bool:
        """Whether a layer takes care of missing values (NaN) in the inputs."""
        return any(getattr(layer, "accepts_missing", False) for layer in self.layers)

    def examples(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: dict[int, float] | None = None
    ) -> Examples:
        """What the user gave, as arrays that fit the network, checked against the losses."""
        if x is None:
            raise ArgumentError("no data: give x, and y")
        if y is None:
            raise ArgumentError("no labels: give y beside x (or an iterable of batches (x, y))")
        self._build_for(x)
        objective = self.need_objective()
        labels = feeding.labels(y, objective.losses, self.outputs, self.output_names)
        inputs = self.inputs_of(x)
        batches.same_rows({"features": inputs, "labels": labels})
        weights = feeding.weights(sample_weight, class_weight, labels, objective.losses, self.output_names)
        batches.same_rows({"features": inputs, "sample weights": [one for one in weights if one is not None]})
        return Examples(inputs, labels, weights)

    def _build_for(self, x: Any) -> None:
        """A network whose input shape is still open takes it from the data."""

    def need_objective(self) -> Objective:
        """Losses, metrics and optimizer; raises `StateError` before `compile`."""
        if self._choice is None:
            raise StateError("the model is not compiled; call model.compile(optimizer=…, loss=…) first")
        self.need_built()
        assert self.objective is not None
        return self.objective

    def need_built(self) -> None:
        """Raise `StateError` where the shape of the input is still open."""
        if not self.built:
            raise StateError(
                "the network is not built, as it has no layers or its input's shape is not known; "
                "add Input(shape=…) first, or call fit before"
            )

    # Outside

    def summary(self, line_length: int | None = None, print_fn: Any = None, expand_nested: bool = False) -> None:
        """Print the layers, their output shapes and their weights."""
        from pellucid.nn.summary import summary

        summary(self, line_length=line_length, print_fn=print_fn, expand_nested=expand_nested)

    def planned_bytes(self, x: Any, y: Any, batch_size: int = 32) -> int | None:
        """Bytes of what one training step on batches of such examples computes, at its peak: beside data and weights.

        Values that are not needed any more make room for later ones. `None` where the executor does not plan memory.
        """
        data = self.examples(x, y)
        return self.programs.planned_bytes(self.step(data, min(batch_size, data.rows), training=True))

    def save(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write the whole model into one file: architecture, weights, training state and history."""
        from pellucid.train.saving import save_model

        save_model(self, filepath, overwrite=overwrite)


def _leaves(network: Network) -> Iterator[Layer]:
    """The layers of a network and of the networks inside of it."""
    for layer in network.layers:
        if isinstance(layer, Network):
            yield from _leaves(layer)
        else:
            yield layer


def _returned(logs: Logs, return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
