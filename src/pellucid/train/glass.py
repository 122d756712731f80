"""`Glass`: the methods of a model that open it. Each is imported when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pellucid.errors import ArgumentError

if TYPE_CHECKING:
    from pellucid.explain.trace import Trace
    from pellucid.train.model import Model


class Glass:
    """What can be seen of a model."""

    def trace(
        self, x: Any, y: Any = None, sample_weight: Any = None, training: bool = False, exact: bool = False
    ) -> Trace:
        """What every layer makes of some examples, by name: see `Trace`. With labels also how the loss changes with it.

        With `training` as the next step of `fit` would: dropout draws, statistics are the batch's. `exact`: in float64,
        by the reference, not in float32 by the model's executor.
        Raises `ArgumentError` before memory is taken where the values would not fit into it.

        >>> import pellucid
        >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(3, "relu", name="hidden")])
        >>> model.trace([[1.0, 2.0]])["hidden"].activation.shape
        (1, 3)
        """
        from pellucid.explain.trace import trace
        from pellucid.train.opening import open_model

        if training and y is None:
            raise ArgumentError("a step of training needs labels; give y beside x")
        model = cast("Model", self)
        return trace(open_model(model, x, y, sample_weight, training), None if exact else model.executor)
