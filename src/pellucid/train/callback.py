"""`Callback`: what is told of the events of training; and the list of those of one call.

A subclass overrides the events it cares for. `on_progress` comes a few times a second during an epoch and costs
nothing; overriding `on_train_batch_begin` or `on_train_batch_end` makes training halt after every batch, which small
networks feel. Unlike Keras's, `on_train_end` comes however training ends, also by an error or Ctrl-C.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pellucid.errors import ArgumentError
from pellucid.execute.program import ENDLESS
from pellucid.train.history import Logs


class Callback:
    """Base of all callbacks. `model` is being trained; `model.stop_training = True` ends it after this epoch.

    `params` has `epochs`, `steps`, `batch_size`, `seed` and `verbose`, and in `fit` on arrays the `examples`.

    >>> class Shout(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(epoch, sorted(logs))
    >>> from pellucid.nn.layers import Dense
    >>> from pellucid.train.sequential import Sequential
    >>> model = Sequential([Dense(1, input_shape=(1,))])
    >>> model.compile("sgd", "mse", metrics=["mae"])
    >>> history = model.fit([[1.0], [2.0]], [1.0, 2.0], epochs=2, verbose=0, callbacks=[Shout()])
    0 ['loss', 'mae']
    1 ['loss', 'mae']
    """

    model: Any = None
    params: Logs
    halts_at: int | None = None  # the number of steps trained at which training halts, to call `halt`

    def set_model(self, model: Any) -> None:
        """Called before training with the model."""
        self.model = model

    def set_params(self, params: Logs) -> None:
        """Called before training with its settings."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, with its figures."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; `logs` has the figures, and what is added to it gets into the history."""

    def on_progress(self, done: int, logs: Logs | None = None) -> None:
        """A few times a second during an epoch, with the number of batches done and the figures so far."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch, counted from 0 in its epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a batch, with the epoch's figures so far; `model.stop_training = True` takes effect here, too."""

    def halt(self, logs: Logs | None = None) -> None:
        """When `model.steps_trained` has reached `halts_at`, with the epoch's figures so far; sets the next one.

        A halt now and then costs little, where one after every batch would be felt.
        """

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before validation, or `evaluate`."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """After validation, or `evaluate`, with its figures."""

    @property
    def watches_batches(self) -> bool:
        """Whether training has to halt after every batch."""
        kind = type(self)
        return (
            kind.on_train_batch_begin is not Callback.on_train_batch_begin
            or kind.on_train_batch_end is not Callback.on_train_batch_end
        )


class Callbacks:
    """The callbacks of one call of `fit` or `evaluate`: events go to all of them, in order."""

    def __init__(self, given: Callback | Iterable[Callback] | None = None, *more: Callback | None) -> None:
        listed = [given] if isinstance(given, Callback) else list(given or ())
        self._members: list[Callback] = [*listed, *(one for one in more if one is not None)]
        for one in self._members:
            if not isinstance(one, Callback):
                hint = "; make a function into one: LambdaCallback(on_epoch_end=function)" * callable(one)
                raise ArgumentError(f"callbacks must be Callback objects, got {type(one).__name__}{hint}")
        self.watch_batches = any(one.watches_batches for one in self._members)

    def __bool__(self) -> bool:
        return bool(self._members)

    def attach(self, model: Any, params: Logs) -> None:
        """Tell all of them whom they watch."""
        for one in self._members:
            one.set_model(model)
            one.set_params(params)

    def steps_left(self, step: int) -> int:
        """How many steps may be made before the next halt."""
        return min((one.halts_at - step for one in self._members if one.halts_at is not None and one.halts_at > step),
                   default=ENDLESS)  # fmt: skip

    def halt(self, step: int, logs: Logs) -> None:
        """Call those that wanted to halt after so many steps."""
        for one in self._members:
            if one.halts_at == step:
                one.halt(logs)

    def tell(self, event: str, *arguments: Any) -> None:
        """Call a method of every callback."""
        for one in self._members:
            getattr(one, event)(*arguments)
