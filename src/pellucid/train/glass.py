"""`Glass`: the methods of a model that open it. Each is imported when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, cast

from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.nn.calling import Call

if TYPE_CHECKING:
    from pellucid.explain.dependence import PartialDependence
    from pellucid.explain.doctor import Diagnosis
    from pellucid.explain.grad_cam import GradCam
    from pellucid.explain.importance import Importance
    from pellucid.explain.record import StepExplanation
    from pellucid.explain.row import RowExplanation
    from pellucid.explain.trace import Trace
    from pellucid.explain.what_if import WhatIf
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

        model = cast("Model", self)
        opened = open_model(model, x, y, sample_weight, training, outputs=True)
        return trace(opened, None if exact else model.executor)

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

        model = cast("Model", self)
        model.need_built()
        if x is None and y is not None:
            raise ArgumentError("diagram: labels need examples; give x beside y")
        traced = self.trace(x, y) if trace is None and x is not None else trace
        numbers = Numbers() if traced is None else numbers_of(model, traced, row)
        return draw(model, numbers, show, _known(model, names), title)

    def explain_row(
        self,
        x: Any,
        output: Any = None,
        count: int = 4,
        names: Mapping[str, Sequence[str]] | None = None,
        classes: Sequence[str] | None = None,
    ) -> RowExplanation:
        """How the output for one example, `x[:1]`, comes about: each layer's weighted sums, or its largest values.

        `count`: units of each layer, and parts of each sum, that are shown: those that matter most for `output`, which
        is chosen as in `why`. `names` has labels for the elements of inputs and layers, `classes` those of classes.

        >>> import pellucid
        >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1, name="sum")])
        >>> model.set_weights([[[2.0], [-1.0]], [5.0]])
        >>> model.explain_row([[3.0, 4.0]]).title
        'sum is 7'
        """
        from pellucid.explain.row import explain_row
        from pellucid.train.opening import open_model

        model = cast("Model", self)
        return explain_row(model, open_model(model, x, unrolled=True), output, count, _known(model, names), classes)

    def explain_step(
        self,
        x: Any,
        y: Any,
        weight: str | Sequence[str] | None = None,
        sample_weight: Any = None,
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> StepExplanation:
        """One training step on some examples, opened: forward pass, loss, the chain rule from `weight` to the loss with
        real numbers, and the update that the optimizer would make. It changes nothing in the model.

        `weight` is "LAYER/NAME[i,j]" (or "LAYER/NAME" for its element with the largest gradient), or several of them;
        by default every weight of a small network, and of a larger one those with the largest gradients.
        `names` has labels for the elements of inputs and layers, by their names.
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
        return explain(opened, model.name, type(model.optimizer).__name__, losses, weight, _known(model, names))

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
        elements of the input (a frame brings its own), `vocabulary` the words behind ids, `classes` those of classes.
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
        return explain(
            model, model.executor, model.inputs_of(x), output, baseline, _names(x, names), vocabulary, classes
        )

    def diagnose(self, x: Any, y: Any, validation_data: Any = None) -> Diagnosis:
        """What is wrong with the data, the network as it is now, and the course of its training: see `Diagnosis`.

        Data are looked at in full for NaN and infinity, else on a sample of 20,000 rows; the network on 1,024.
        Raises `StateError` before `compile`, and the errors of `fit` for inputs that do not fit the network.

        >>> import pellucid
        >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1, "sigmoid")])
        >>> model.compile("adam", "mse")
        >>> model.diagnose([[0.0, 1.0]] * 9 + [[1.0, 0.0]], list(range(10))).codes
        ['D202']
        """
        from pellucid.train.diagnosing import diagnose

        return diagnose(cast("Model", self), x, y, validation_data)

    def importance(
        self,
        x: Any,
        y: Any,
        metric: str = "loss",
        repeats: int = 5,
        seed: int = 0,
        names: Sequence[str] | None = None,
    ) -> Importance:
        """How much worse the loss (or a metric) is when one column of `x` is shuffled: see `Importance`. Breiman 2001.

        Columns are those of the last axis of each input; `names` are theirs, where there is one input.

        >>> import numpy, pellucid
        >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1)])
        >>> model.set_weights([[[3.0], [0.0]], [0.0]])
        >>> model.compile("sgd", "mse")
        >>> x = numpy.random.default_rng(0).normal(size=(50, 2))
        >>> found = model.importance(x, 3 * x[:, :1], names=["used", "unused"])
        >>> list(found.means), found["unused"]
        (['used', 'unused'], 0.0)
        """
        from pellucid.explain.importance import permutation_importance, places_of
        from pellucid.nn.registry import look_up
        from pellucid.train.callbacks import GROWING

        model = cast("Model", self)
        arrays = model.inputs_of(x)
        places = places_of(arrays, model.input_names, _names(x, names))

        def score(changed: list[Any]) -> float:
            figures = model.evaluate(_by_name(model, changed), y, return_dict=True)
            return float(look_up("figure", figures, metric))

        return permutation_importance(arrays, places, score, metric, metric.endswith(GROWING), repeats, seed)

    def partial_dependence(
        self, x: Any, column: int | str, output: Any = None, points: int = 20, names: Sequence[str] | None = None
    ) -> PartialDependence:
        """The average output when one column of `x` has the same value in every row: see `PartialDependence`.

        `column` is a place on the last axis of the input, or one of `names` ("input[i]" of several inputs). `output` as
        in `why`. Friedman 2001.

        >>> import pellucid
        >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1)])
        >>> model.set_weights([[[3.0], [1.0]], [0.0]])
        >>> found = model.partial_dependence([[1.0, 1.0], [2.0, 5.0]], column=0)
        >>> found.values, found.average.tolist()
        ((1.0, 2.0), [6.0, 9.0])
        """
        from pellucid.explain.dependence import of_arrays

        model = cast("Model", self)
        arrays = model.inputs_of(x)
        return of_arrays(
            model,
            arrays,
            column,
            output,
            points,
            _names(x, names),
            lambda changed: model.predict(_by_name(model, changed)),
        )

    def grad_cam(
        self, x: Any, output: Any = None, layer: str | None = None, classes: Sequence[str] | None = None
    ) -> GradCam:
        """Where in one image, `x[:1]`, a convolution saw what speaks for a class: see `GradCam`. Selvaraju et al. 2017.

        `output` as in `why`; `layer` is the last convolution, unless named.

        >>> import numpy, pellucid
        >>> from pellucid.layers import Conv2D, Dense, Flatten
        >>> model = pellucid.Sequential([pellucid.Input((6, 6, 1)), Conv2D(2, 3, name="conv"), Flatten(), Dense(2)])
        >>> model.grad_cam(numpy.ones((1, 6, 6, 1))).coarse.shape
        (4, 4)
        """
        from pellucid.explain.grad_cam import grad_cam

        model = cast("Model", self)
        return grad_cam(model, model.executor, model.inputs_of(x), output, layer, classes)

    def what_if(
        self, x: Any, changes: Mapping[Any, float], names: Sequence[str] | None = None, input: str | None = None
    ) -> WhatIf:
        """What changes when elements of one example, `x[:1]`, do: outputs, and units by layer: see `WhatIf`.

        `changes` are new values by place (3, or (2, 5)) or by name among `names`; `input` is one of several inputs.

        >>> import pellucid
        >>> model = pellucid.Sequential([pellucid.Input((2,)), pellucid.layers.Dense(1, name="sum")])
        >>> model.set_weights([[[3.0], [1.0]], [0.0]])
        >>> found = model.what_if([[1.0, 1.0]], {"a": 2.0}, names=["a", "b"])
        >>> found.outputs[0].before, found.outputs[0].after
        (4.0, 7.0)
        """
        from pellucid.explain.what_if import changed, what_if
        from pellucid.explain.why import as_fed

        model = cast("Model", self)
        before = as_fed(model, model.inputs_of(x))
        made, after = changed(before, model.input_names, changes, _names(x, names), input)
        return what_if(made, self.trace(_by_name(model, before)), self.trace(_by_name(model, after)))


def _by_name(model: Model, arrays: list[Any]) -> dict[str, Any]:
    return dict(zip(model.input_names, arrays, strict=True))


def _known(model: Model, names: Mapping[str, Sequence[str]] | None) -> Mapping[str, Sequence[str]] | None:
    """Labels of the elements of inputs and layers; raises `UnknownNameError` where there is no such input or layer, and
    `ArgumentError` where there are not as many labels as elements."""
    shapes = {step.layer.name: step.outputs[0].shape for step in model.steps if isinstance(step, Call)}
    shapes |= {name: value.shape for name, value in zip(model.input_names, model.inputs, strict=True)}
    shapes |= {name: value.shape for name, value in zip(model.output_names, model.outputs, strict=True)}
    for name, labels in (names or {}).items():
        if not len(labels):
            continue
        if name.split("/")[0] not in {*shapes, *(layer.name for layer in model.layers)}:
            raise UnknownNameError("input or layer", name, {*shapes, *(layer.name for layer in model.layers)})
        sizes = shapes.get(name, (None, None))[1:]
        count = None if None in sizes else prod(size or 0 for size in sizes)
        if count is not None and len(labels) != count:
            raise ArgumentError(f"names has {len(labels)} names for the {count} elements of {name!r}")
    return names


def _names(x: Any, given: Sequence[str] | None) -> Sequence[str] | None:
    """The names that were given, else those of a frame's columns."""
    columns = [str(column) for column in getattr(x, "columns", ())]
    return given if given is not None or not columns else columns
