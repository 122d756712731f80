"""`Model`: a network that can be compiled, fitted, evaluated, asked and saved, in Keras's words."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy

from pellucid.core.graph import Tensor
from pellucid.core.random import make_key
from pellucid.core.spec import known
from pellucid.data import batches
from pellucid.errors import ArgumentError, DataError, LabelError, StateError, UnknownNameError
from pellucid.execute import executor as find_executor
from pellucid.execute.program import Executor, LoopSpec, Runner
from pellucid.nn import initializers, losses, metrics, optimizers
from pellucid.nn.network import Network
from pellucid.train import inputs as feeding
from pellucid.train.callbacks import Callback
from pellucid.train.fitting import SLICE, Fitting
from pellucid.train.history import History
from pellucid.train.inputs import Examples
from pellucid.train.progress import progress
from pellucid.train.step import Objective, Signature, Step, objective_step, prediction_step
from pellucid.train.streaming import fit_stream, run_stream

PRECISIONS = ("float32", "bfloat16")


class Model(Network):
    """A network from `inputs` to `outputs` with what training needs.

    `seed` fixes the initial weights, dropout and the order of examples; without one a seed is drawn and kept in `seed`,
    so that any run can be repeated.
    """

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, seed: int | None = None
    ) -> None:
        self._start(seed)
        super().__init__(inputs, outputs, name=name)
        if seed is not None:
            self._draw_weights()

    def _start(self, seed: int | None) -> None:
        if seed is not None and not (isinstance(seed, (int, numpy.integer)) and 0 <= seed < 2**63):
            raise ArgumentError(f"seed must be a whole number from 0 to 2⁶³-1, got {seed!r}")
        self.seed = int(initializers.next_seed() >> 1 if seed is None else seed)
        self.stop_training = False
        self.history: History | None = None
        self.epochs_trained = self.steps_trained = 0
        self._objective: Objective | None = None
        self._executor: Executor | None = None
        self._precision = "float32"
        self._steps: dict[Any, Step] = {}
        self._runners: dict[Any, Runner] = {}

    def _connect(self, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        super()._connect(inputs, outputs)
        self._steps, self._runners = {}, {}

    def _draw_weights(self) -> None:
        sequence = numpy.random.SeedSequence(self.seed)
        self.initialize(lambda: int(sequence.spawn(1)[0].generate_state(1, numpy.uint64)[0]))

    @property
    def optimizer(self) -> optimizers.Optimizer:
        return self._compiled().optimizer

    @property
    def executor(self) -> Executor:
        """What runs this model's programs."""
        if self._executor is None:
            self._executor = find_executor()
        return self._executor

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

        `precision="bfloat16"` computes products in bfloat16 with float32 weights; `executor` is "native" or "numpy".
        """
        self._need_network("compile")
        if loss is None:
            raise ArgumentError(
                "compile needs a loss, for example 'mse' for numbers or 'sparse_categorical_crossentropy' for classes"
            )
        if precision not in PRECISIONS:
            raise ArgumentError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        chosen = [losses.get(item) for item in self._per_output(loss, "loss")]
        weights = [1.0 if item is None else float(item) for item in self._per_output(loss_weights, "loss_weights")]
        self._objective = Objective(
            chosen,
            weights,
            self._metrics(metrics, chosen),
            self._metrics(weighted_metrics, chosen),
            optimizers.get(optimizer),
        )
        self._precision, self._executor = precision, find_executor(executor)
        self._steps, self._runners = {}, {}

    def _metrics(self, given: Any, chosen: Sequence[losses.Loss]) -> list[list[metrics.Metric]]:
        if isinstance(given, (list, tuple)) and len(self.outputs) == 1 and not any(isinstance(item, list) for item in given):
            given = [given]
        found = []
        for items, loss, output in zip(self._per_output(given, "metrics"), chosen, self.outputs, strict=True):
            listed = items if isinstance(items, (list, tuple)) else [] if items is None else [items]
            found.append([metrics.get(item, loss, output) for item in listed])
        return found

    def _per_output(self, given: Any, what: str) -> list[Any]:
        """One entry per output, from a list, a dict by output name, or one thing for a single output."""
        names = self.output_names
        if isinstance(given, dict):
            for name in given:
                if name not in names:
                    raise UnknownNameError(f"output in {what}", name, names)
            return [given.get(name) for name in names]
        if isinstance(given, (list, tuple)):
            if len(given) != len(names):
                raise ArgumentError(f"{what} has {len(given)} entries for {len(names)} outputs ({', '.join(names)})")
            return list(given)
        return [given] * len(names)

    # Fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | str | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train for a number of epochs; returns the `History` of every figure by epoch.

        `x` and `y` are arrays, lists, frames, or lists and dicts of them for several inputs and outputs; or `x` is an
        iterable of batches `(x, y)`. `batch_size` is 32, any number from 1, or "all". Raises `DataError`, `LabelError`
        and `ShapeError` for what does not fit, before the first step, and `NonFiniteError` where numbers break.
        """
        feeding.need_count("epochs", epochs, least=0)
        if validation_data is not None and validation_split:
            raise ArgumentError("give validation_split or validation_data, not both")
        streamed = y is None and batches.is_batches(x)
        if streamed and validation_split:
            raise ArgumentError("validation_split needs arrays; with an iterable of batches give validation_data")
        data = None if streamed else self.examples(x, y, sample_weight, class_weight)
        held = None if validation_data is None else self._validation(validation_data)
        if data is not None and validation_split:
            data, held = feeding.hold_out(data, validation_split)
        validate = None if held is None else (lambda: self._evaluate(held, validation_batch_size))
        batch = feeding.batch_size(batch_size, data.rows) if data else 0
        steps_each = -(-data.rows // batch) if data else steps_per_epoch
        self.stop_training = False
        self.history = History({"epochs": epochs, "batch_size": batch, "steps": steps_each, "seed": self.seed})
        display = progress(verbose, epochs, steps_each)
        listeners = [*(callbacks or ()), *([display] if display else ())]
        for callback in listeners:
            callback.set_model(self)
            callback.set_params({**self.history.params, "verbose": verbose})
        with closing(display) if display else nullcontext():
            if data is None:
                return fit_stream(self, x, epochs - initial_epoch, steps_per_epoch, listeners, self.history, validate)
            return self._fit(data, batch, epochs, initial_epoch, shuffle, listeners, validate, validation_freq)

    def _fit(
        self,
        data: Examples,
        batch: int,
        epochs: int,
        initial_epoch: int,
        shuffle: bool,
        listeners: Sequence[Callback],
        validate: Any,
        validation_freq: int,
    ) -> History:
        assert self.history is not None
        steps = [self._step(data, size, training=True) for size in feeding.sizes(data.rows, batch)]
        spec = LoopSpec(
            programs=[step.program for step in steps],
            batch=batch,
            sources=data.arrays,
            keyed=steps[0].keyed,
            totals=steps[0].totals,
            loss=0,
            seed=self.seed,
            epochs=max(epochs - initial_epoch, 0),
            shuffle=shuffle,
            first_epoch=self.epochs_trained,
            first_step=self.steps_trained,
            watch=[*self.variables, *self.optimizer.variables],
        )
        return Fitting(
            self,
            self.executor,
            self._precision,
            steps,
            spec,
            listeners,
            self.history,
            validate,
            validation_freq,
            initial_epoch,
        ).run()

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None
    ) -> dict[str, Any]:
        """One step on one batch; returns its figures, before the update."""
        data = self.examples(x, y, sample_weight, class_weight)
        step, totals = self.run_batch(data, training=True)
        return step.logs(totals, data.rows)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None) -> dict[str, Any]:
        """The figures of one batch, without training."""
        data = self.examples(x, y, sample_weight)
        step, totals = self.run_batch(data, training=False)
        return step.logs(totals, data.rows)

    def run_batch(self, data: Examples, training: bool) -> tuple[Step, numpy.ndarray]:
        """Run one step on all rows of the examples; returns it with its totals."""
        step = self._step(data, data.rows, training)
        arrays = [a.astype(f.dtype, copy=False) for a, f in zip(data.arrays, step.program.inputs, strict=False)]
        if step.keyed:
            arrays.append(make_key(self.seed, self.steps_trained))
        outputs = self._runner(step)(*arrays)
        self.steps_trained += training
        return step, numpy.concatenate([numpy.ravel(value).astype(numpy.float64) for value in outputs])

    # Evaluate and predict

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = 0,
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics on data that training does not see: a number, a list in the order of names, or a dict."""
        if y is None and batches.is_batches(x):
            logs = run_stream(self, iter(x), training=False)
        else:
            logs = self._evaluate(self.examples(x, y, sample_weight), batch_size)
        if return_dict:
            return logs
        values = list(logs.values())
        return values[0] if len(values) == 1 else values

    def _evaluate(self, data: Examples, size: int | None) -> dict[str, Any]:
        batch = feeding.batch_size(size or feeding.large_batch(self, data.rows), data.rows)
        steps = [self._step(data, rows, training=False) for rows in feeding.sizes(data.rows, batch)]
        loop = self.executor.loop(
            LoopSpec([step.program for step in steps], batch, data.arrays, totals=steps[0].totals), self._precision
        )
        while (status := loop.advance(SLICE, 1)) == "time":
            pass
        if status == "id":
            raise LabelError(
                "an id or label in the data is outside the rows of its table; compare it with the training data"
            )
        return steps[0].logs(loop.take_totals()[0], data.rows)

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """The outputs for some examples: an array [rows, …], or a list of them for several outputs. Quiet and quick."""
        if type(x) is numpy.ndarray and (runner := self._runners.get((x.shape, x.dtype.char))) is not None:
            outputs = runner(x)
            if numpy.isfinite(x).all():
                return outputs[0] if len(outputs) == 1 else outputs
        self._need_network("predict")
        if batches.is_batches(x):
            parts = [self.predict(item[0] if isinstance(item, tuple) else item) for item in x]
            return (
                numpy.concatenate(parts)
                if len(self.outputs) == 1
                else [numpy.concatenate(p) for p in zip(*parts, strict=True)]
            )
        arrays = self._inputs(x)
        rows = batches.same_rows({"features": arrays})
        if rows <= (batch_size or 32):
            runner = self._predictor(arrays, rows)
            outputs = runner(*(a.astype(v.dtype, copy=False) for a, v in zip(arrays, self.inputs, strict=True)))
            if len(arrays) == 1 and arrays[0] is x:
                self._runners[x.shape, x.dtype.char] = runner
        else:
            outputs = self._predict_loop(arrays, rows, batch_size or feeding.large_batch(self, rows))
        return outputs[0] if len(outputs) == 1 else outputs

    __array_ufunc__ = None

    def _predictor(self, arrays: Sequence[numpy.ndarray], rows: int) -> Runner:
        step = self._prediction(arrays, rows)
        return self._runner(step)

    def _predict_loop(self, arrays: list[numpy.ndarray], rows: int, size: int) -> list[numpy.ndarray]:
        batch = feeding.batch_size(size, rows)
        programs = [self._prediction(arrays, count).program for count in feeding.sizes(rows, batch)]
        results = [numpy.empty((rows, *known(value.shape)[1:]), value.dtype) for value in programs[0].outputs]
        loop = self.executor.loop(LoopSpec(programs, batch, arrays, collects=results), self._precision)
        while (status := loop.advance(SLICE, 1)) == "time":
            pass
        if status == "id":
            raise DataError("an id in the data is outside the rows of its table; compare it with the training data")
        return results

    def _prediction(self, arrays: Sequence[numpy.ndarray], rows: int) -> Step:
        signature = Signature(rows, tuple(a.shape[1:] for a in arrays))
        return self._cached(signature, lambda: prediction_step(self, signature))

    # Steps, kept by what they depend on

    def _step(self, data: Examples, rows: int, training: bool) -> Step:
        objective = self._compiled()
        if training:
            objective.optimizer.build(self.trainable_variables)
        signature = data.signature(rows, training)
        frozen = tuple(layer.trainable for layer in self.layers) if training else ()
        return self._cached((signature, frozen), lambda: objective_step(self, objective, signature))

    def _cached(self, key: Any, make: Any) -> Step:
        if key not in self._steps:
            if len(self._steps) >= 64:  # rows of predictions vary without end; batches do not
                forgotten = self._steps.pop(next(iter(self._steps)))
                self._runners.pop(id(forgotten), None)
            self._steps[key] = make()
        return self._steps[key]

    def _runner(self, step: Step) -> Runner:
        if id(step) not in self._runners:
            self._runners[id(step)] = self.executor.compile(step.program, self._precision)
        return self._runners[id(step)]

    # Data in

    def _inputs(self, x: Any) -> list[numpy.ndarray]:
        arrays = batches.as_arrays(x, self.input_names, allow_missing=self.accepts_missing)
        return feeding.fit_shapes(arrays, self.inputs, self.input_names, x)

    @property
    def accepts_missing(self) -> bool:
        """Whether a layer takes care of missing values (NaN) in the inputs."""
        return any(getattr(layer, "accepts_missing", False) for layer in self.layers)

    def examples(self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None) -> Examples:
        """What the user gave, as arrays that fit the network, checked against the losses."""
        if x is None:
            raise ArgumentError("no data: give x, and y")
        if y is None:
            raise ArgumentError("no labels: give y beside x (or an iterable of batches (x, y))")
        self._build_for(x)
        objective = self._compiled()
        labels = batches.as_arrays(y, self.output_names, role="labels")
        if len(labels) != len(self.outputs):
            raise LabelError(
                f"the network has {len(self.outputs)} outputs ({', '.join(self.output_names)}), "
                f"got {len(labels)} arrays of labels"
            )
        weights = feeding.weights(sample_weight, class_weight, labels, self.output_names)
        inputs = self._inputs(x)
        groups = {
            "features": inputs,
            "labels": labels,
            "sample weights": [weight for weight in weights if weight is not None],
        }
        batches.same_rows({name: arrays for name, arrays in groups.items() if arrays})
        for loss, label, output, name in zip(objective.losses, labels, self.outputs, self.output_names, strict=True):
            loss.check(label, output, name)
        return Examples(inputs, labels, weights)

    def _validation(self, given: Any) -> Examples:
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            raise ArgumentError("validation_data must be (x, y) or (x, y, sample_weight)")
        return self.examples(given[0], given[1], given[2] if len(given) == 3 else None)

    def _build_for(self, x: Any) -> None:
        """A network whose input shape is still open takes it from the data."""

    def _need_network(self, call: str) -> None:
        if not self.built:
            raise StateError(
                f"{call}: the network has no layers, or its input shape is not known; add Input(shape=…) first"
            )

    def _compiled(self) -> Objective:
        if self._objective is None:
            raise StateError("the model is not compiled; call model.compile(optimizer=…, loss=…) first")
        return self._objective

    # Outside

    def summary(self, line_length: int | None = None, print_fn: Any = None) -> None:
        """Print the layers, their output shapes and their weights."""
        from pellucid.nn.summary import summary

        summary(self, line_length=line_length, print_fn=print_fn)

    def save(self, filepath: str | Path, overwrite: bool = True) -> None:
        """Write the whole model into one file: architecture, weights, training state and history."""
        from pellucid.train.saving import save_model

        save_model(self, filepath, overwrite=overwrite)
