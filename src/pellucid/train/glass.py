"""`Glass`: the methods of a model that open it. Each is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from pellucid.errors import ArgumentError

if TYPE_CHECKING:
    from pellucid.explain.record import StepExplanation
    from pellucid.explain.trace import Trace
    from pellucid.explain.why import Why
    from pellucid.plot.diagram import Diagram
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

    def diagram(
        self,
        trace: Trace | None = None,
        show: str = "weights",
        x: Any = None,
        y: Any = None,
        row: int = 0,
        names: Mapping[str, Sequence[str]] | None = None,
        title: str = "",
    ) -> Diagram:
        """A picture of the network, which notebooks show and `save` writes as .svg, .png, .pdf, .html or .txt.

        With a trace, or examples `x` (and `y`), neurons show the values of example `row`. Thickness and colour of the
        connections `show` "weights", "gradients" (of the loss, over all examples given) or "contributions" (value times
        weight). `names` has labels for the elements of inputs and layers, by their names.

        >>> import pellucid
        >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1, name="unit")])
        >>> model.set_weights([[[1.0], [2.0]], [-1.0]])
        >>> print(model.diagram(x=[[3.0, 4.0]], show="contributions", title="A neuron").text())
        A neuron
        input: input, 2 values (x₁ = 3, x₂ = 4)
        unit: Dense, 1 value, from input (ŷ = 10); largest contribution 8 at kernel[1,0]
        """
        from pellucid.plot.diagram import draw, numbers_of
        from pellucid.plot.diagram_items import Numbers

        traced = self.trace(x, y) if trace is None and x is not None else trace
        return draw(cast("Model", self), numbers_of(traced, row) if traced else Numbers(), show, names, title)

    def explain_step(
        self, x: Any, y: Any, weight: str | Sequence[str] | None = None, sample_weight: Any = None
    ) -> StepExplanation:
        """One training step on some examples, opened: forward pass, loss, the chain rule from `weight` to the loss with
        real numbers, and the update that the optimizer would make. It changes nothing in the model.

        `weight` is "LAYER/NAME[i,j]" (or "LAYER/NAME" for its element with the largest gradient), or several of them;
        by default every weight of a small network, and of a larger one those with the largest gradients.
        Raises `UnknownNameError` or `ArgumentError` for a weight that there is not, listing what there is.

        >>> import pellucid
        >>> model = pellucid.Sequential([pellucid.Input((1,)), pellucid.layers.Dense(1)])
        >>> model.set_weights([[[2.0]], [1.0]])
        >>> model.compile(pellucid.optimizers.SGD(0.1), "mse")
        >>> step = model.explain_step([[3.0]], [[5.0]])
        >>> step.weights[0].gradient, round(step.weights[0].new, 3)
        (12.0, 0.8)
        """
        from pellucid.explain.step import explain
        from pellucid.train.opening import open_model

        model = cast("Model", self)
        opened = open_model(model, x, y, sample_weight, training=True, unrolled=True)
        losses = " + ".join(dict.fromkeys(loss.name for loss in model.need_objective().losses))
        return explain(opened, model.name, type(model.optimizer).__name__, losses, weight)

    def why(
        self,
        x: Any,
        output: Any = None,
        baseline: Any = 0.0,
        names: Sequence[str] | None = None,
        vocabulary: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
    ) -> Why:
        """What each element of one example, `x[:1]`, contributes to the output, beside a baseline: see `Why`.

        `output`: the class (number or name), or (output, class) of several outputs; the likeliest class otherwise.
        `baseline`: a number or an array, of several inputs a list or dict; zeros otherwise. `names` are those of the
        elements of the input, `vocabulary` the words behind ids, `classes` the names of the classes.
        Contributions add up to the output less that of the baseline; what they miss is the record's `gap`.
        Sundararajan, Taly & Yan 2017.

        >>> import pellucid
        >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1, name="sum")])
        >>> model.set_weights([[[2.0], [-1.0]], [5.0]])
        >>> {name: round(part, 3) for name, part in model.why([[3.0, 4.0]], names=["a", "b"]).parts.items()}
        {'a': 6.0, 'b': -4.0}
        """
        from pellucid.explain.why import explain

        model = cast("Model", self)
        return explain(model, model.executor, model.inputs_of(x), output, baseline, names, vocabulary, classes)
