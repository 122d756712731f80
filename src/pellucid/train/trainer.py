"""`Trainer`: training that one loss cannot say, such as two networks playing against each other.

A step is a list of `Update`s, made one after another on the same batch: each has a loss, the networks it trains, and
an optimizer of its own, and sees the weights as the updates before it have left them. All of them become one program,
which every executor runs as it runs a model's step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program, Tensor, Variable, updated
from pellucid.core.place import scope
from pellucid.core.sources import feed
from pellucid.data import batches
from pellucid.errors import ArgumentError, ShapeError
from pellucid.execute import executor as find_executor
from pellucid.nn import initializers, optimizers
from pellucid.nn.arguments import whole
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.functions import without_numpy
from pellucid.nn.network import Network
from pellucid.ops import stop_gradient
from pellucid.train import inputs as feeding
from pellucid.train.array_course import ArrayCourse
from pellucid.train.callback import Callback
from pellucid.train.fitting import Course, Fitting
from pellucid.train.history import History
from pellucid.train.inputs import Examples
from pellucid.train.programs import Programs
from pellucid.train.step import Entry, Step
from pellucid.train.stream_course import StreamCourse


class Update:
    """One update of a step: the weights of `networks` against their derivatives of `loss`.

    `loss` is called with a batch of each array given to `fit`, as tensors, and builds a scalar; or it returns that and
    a dict of further figures, scalars too. It calls networks with `training=True` where they are to behave so.
    `optimizer` is a name or an object of its own; `name` is that of the loss in the history, the function's by default;
    `times` is how often in a row it is made, each time with new random numbers: the history has the last loss.

    >>> import numpy
    >>> from pellucid import Input, Sequential, ops
    >>> from pellucid.layers import Dense
    >>> net = Sequential([Input((1,)), Dense(1)], seed=0)
    >>> update = Update(lambda x: ops.mean(ops.square(net(x, training=True) - 2 * x)), [net], "sgd", name="error")
    >>> Trainer([update], seed=0).fit(numpy.ones((8, 1)), epochs=1, verbose=0).history.keys()
    dict_keys(['loss', 'error'])
    """

    def __init__(
        self,
        loss: Callable[..., Any],
        networks: Network | Sequence[Network],
        optimizer: Any = "adam",
        name: str | None = None,
        times: int = 1,
    ) -> None:
        if not callable(loss):
            raise ArgumentError(f"Update: loss must be a function of batches, got {loss!r}")
        self.loss = loss
        self.networks = [networks] if isinstance(networks, Network) else list(networks)
        for network in self.networks:
            if not isinstance(network, Network):
                raise ArgumentError(f"Update: networks must be models, got {network!r}")
        self.optimizer = optimizers.get(optimizer)
        self.times = whole("Update", "times", times)
        self.name = str(name or getattr(loss, "__name__", type(loss).__name__))

    @property
    def parameters(self) -> list[Variable]:
        """The weights that it trains, each once."""
        found = [variable for network in self.networks for variable in network.trainable_variables]
        return list(dict.fromkeys(found))


@dataclass
class Trainer:
    """Trains networks by a list of updates per step.

    `seed` fixes the order of examples and every random number; `executor` and `precision` are those of `Model.compile`.

    >>> import numpy
    >>> from pellucid import Input, Sequential, ops
    >>> from pellucid.layers import Dense
    >>> up, down = (Sequential([Input((1,)), Dense(1)], seed=i) for i in (1, 2))
    >>> def there_and_back(x):
    ...     return ops.mean(ops.square(down(up(x, training=True), training=True) - x))
    >>> trainer = Trainer([Update(there_and_back, [up, down], "adam")], seed=0)
    >>> history = trainer.fit(numpy.linspace(-1, 1, 64)[:, None], epochs=200, batch_size=16, verbose=0)
    >>> history.history["there_and_back"][-1] < 1e-3
    True
    """

    updates: Sequence[Update]
    seed: int = field(default_factory=lambda: int(initializers.next_seed() >> 1))
    executor: str | None = None
    precision: str = "float32"

    def __post_init__(self) -> None:
        self.updates = list(self.updates)
        if not self.updates or not all(isinstance(update, Update) for update in self.updates):
            raise ArgumentError("Trainer needs a list of Update(loss, networks, optimizer)")
        names = [update.name for update in self.updates]
        if len({"loss", *names}) <= len(names):
            raise ArgumentError(f"Trainer: the updates are called {', '.join(names)}; give each a name of its own")
        if len({id(update.optimizer) for update in self.updates}) < len(self.updates):
            raise ArgumentError("Trainer: two updates share an optimizer; give each one of its own")
        self.stop_training = False
        self.history: History | None = None
        self.epochs_trained = self.steps_trained = 0
        self.programs = Programs(self, find_executor(self.executor), self.precision)

    @property
    def variables(self) -> list[Variable]:
        """Of all networks, each once."""
        networks = [network for update in self.updates for network in update.networks]
        return list(dict.fromkeys(variable for network in networks for variable in network.variables))

    @property
    def optimizer_variables(self) -> list[Variable]:
        """What the optimizers remember from step to step."""
        return [variable for update in self.updates for variable in update.optimizer.variables]

    def fit(
        self,
        x: Any,
        batch_size: int | str | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Callback | Sequence[Callback] | None = None,
        shuffle: bool = True,
        steps_per_epoch: int | None = None,
    ) -> History:
        """Train on an array, or on a tuple of arrays with as many rows; returns the `History` of every figure by epoch.

        `x` may be an iterable of batches instead, each an array or a tuple of arrays: `steps_per_epoch` of them make an
        epoch, or all. `loss` is the sum of all updates' losses. A second call goes on where the first ended. Raises
        `DataError` for what cannot be used, `NonFiniteError` where numbers break; Ctrl-C leaves the weights of the last
        whole step.
        """
        feeding.need_count("epochs", epochs, least=0)
        if batches.is_batches(x):
            feeding.refuse_for_batches(batch_size=batch_size)
            course: Course = StreamCourse(self, x, self._batch, epochs, steps_per_epoch)
        else:
            feeding.refuse_for_arrays(steps_per_epoch=steps_per_epoch)
            data = self.examples(x)
            course = ArrayCourse(self, data, feeding.batch_size(batch_size, data.rows), epochs, shuffle)
        return Fitting(self, course, epochs, verbose, callbacks).run()

    def examples(self, x: Any) -> Examples:
        """An array, or a tuple of arrays with as many rows, as what a step takes."""
        given = x if isinstance(x, tuple) else (x,)
        arrays = batches.as_arrays(given, [f"array {i}" for i in range(len(given))])
        batches.same_rows({"features": arrays})
        return Examples(arrays, [], [])

    def _batch(self, item: Any) -> Examples:
        """An item of an iterable; some data loaders give lists of arrays."""
        return self.examples(tuple(item) if isinstance(item, list) else item)

    def step(self, data: Examples, rows: int, training: bool = True) -> Step:
        """The program of one step on that many rows: every update, one after another. Made once."""
        kinds = [(array.shape[1:], "int32" if array.dtype.kind in "iu" else "float32") for array in data.arrays]
        trained = [parameter for update in self.updates for parameter in update.parameters]

        def make() -> Step:
            return self._build(
                rows, [feed((rows, *shape), kind, f"array {i}") for i, (shape, kind) in enumerate(kinds)]
            )

        return self.programs.get((rows, tuple(kinds), tuple(map(id, trained))), make)

    def _build(self, batch: int, given: Sequence[Tensor]) -> Step:
        construction = Construction(training=True, key=feed((4,), "uint32", "key"), evaluating=True, recomputing=True)
        values: dict[Variable, Tensor] = {}  # as the updates until now have made them
        losses: list[Tensor] = []
        figures: list[tuple[str, Tensor]] = []
        with constructing(construction):
            for update in self.updates:
                for _ in range(update.times):
                    with updated({variable: _fixed(value) for variable, value in values.items()}):
                        made = self._apply(update, given, construction, values)
                losses.append(made[0][1])
                figures += made
        whole = losses[0]
        for loss in losses[1:]:
            whole = whole + loss
        figures = [("loss", whole), *figures]
        entries = [Entry(name, i, i + 1) for i, (name, _) in enumerate(figures)]
        totals = [value * float(batch) for _, value in figures]
        assert construction.key is not None
        program = Program((*given, construction.key), tuple(totals), tuple(values.items()))
        return Step(program, tuple(entries), len(totals), keyed=True)

    def _apply(
        self, update: Update, given: Sequence[Tensor], construction: Construction, values: dict[Variable, Tensor]
    ) -> list[tuple[str, Tensor]]:
        """Build one update on top of those before it; returns its figures."""
        name = update.name
        first_penalty = len(construction.penalties)
        construction.penalised.clear()  # each loss has its own
        with scope(name), without_numpy():
            result = update.loss(*given)
        loss, more = result if isinstance(result, tuple) else (result, {})
        for what, value in {name: loss, **more}.items():
            if not isinstance(value, Tensor) or value.shape != ():
                shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise ShapeError(f"Update {name}: {what} must be a scalar of ops, got {shape}; use ops.mean(…)")
        whole = loss
        for penalty in construction.penalties[first_penalty:]:
            whole = whole + penalty
        parameters = update.parameters
        if not parameters:
            raise ArgumentError(
                f"Update {name}: its networks have no trainable weights; build them with Input(…) first"
            )
        found = gradients(whole, [parameter.tensor for parameter in parameters])
        with scope(f"optimizer of {name}"):
            values.update(update.optimizer.apply(found, parameters))
        values.update(construction.updates)
        construction.updates.clear()
        return [(name, whole), *more.items()]


def _fixed(value: Tensor) -> Tensor:
    """A variable's new value, through which no derivative flows back into the update that made it."""
    return stop_gradient(value) if value.spec.is_float else value
