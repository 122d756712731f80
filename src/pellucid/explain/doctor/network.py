"""Checks of a network on data: unscaled columns (D102), and D3: dead and saturated units, gradients, ignored inputs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy

from pellucid.explain.doctor.faults import Family, Fault
from pellucid.explain.doctor.findings import Finding, listed, share
from pellucid.explain.doctor.probe import Arriving, NetworkView
from pellucid.explain.numbers import number

NETWORK: Family[NetworkView] = Family()

_LARGE = 30.0  # size of a feature: the loss is 900 times as curved along its weight as along that of a unit feature
_SMALL = 1e-3  # of features with more values than 0 and 1; rare categories are small without fault
_DEAD = 0.5  # share of dead units in a network that learns badly
_FEW_UNITS = 16  # below, half of the units can be dead by chance: with one positive input each is with probability ½
_DEAD_OF_FEW = 0.8
_DEAD_BUT_LEARNED = 0.9  # where the rest learns well, units that sleep cost time only: the network is too large
_ROWS_TO_JUDGE = 6  # a unit that is silent for fewer rows may speak for others
_SATURATED = 0.75  # share of flat outputs; networks trained on exclusive or, with its four rows, come to a half
_VANISHED = 1e-3  # of the gradient that arrived from above; four layers of sigmoids leave 1e-2
_EXPLODED = 100.0  # times the gradient above; or times the weight: a rate of 0.01 then changes weights by themselves
_USUAL = 0.05  # size of weights in a layer of some hundred inputs; weights near zero make any gradient seem large
_IGNORED = 0.01  # spread of predictions over rows, in units of the predictions' size


@NETWORK.check(
    Fault(
        code="D102",
        title="unscaled columns",
        why="The loss is curved with the square of a column's size: the rate that suits the largest column is far too "
        "small for the others, and one that suits those lets training diverge.",
        repair="Scale the inputs: Normalization() as the first layer (call adapt(x) on it), or Rescaling(1/255) for "
        "pixels.",
        meaning="The values that arrive at the first layer with weights are large (√mean(x²) above 30) or tiny (below "
        "0.001). Scaling within the network counts, so raw columns with a Normalization layer are fine.",
        causes="Columns in their own units (grams, dollars, years) given as they are; pixels from 0 to 255; a code for "
        "'no value' such as -9999 left in.",
        signs="x.mean(axis=0) and x.std(axis=0) differ by powers of ten; the loss of the first epoch is huge; only a "
        "tiny learning rate does not diverge.",
        repairs=(
            "Normalization() as the first layer, adapted on the training rows, is saved with the model.",
            "x = (x - mean) / deviation, both measured on the training rows.",
            "Pixels: Rescaling(1/255). Amounts over several powers of ten: their logarithm.",
        ),
        source="LeCun, Bottou, Orr & Müller, Efficient BackProp (1998), section 4.3",
    )
)
def unscaled(fault: Fault, network: NetworkView) -> Iterator[Finding]:
    for one in network.arriving:
        finite = numpy.isfinite(one.size)
        large = numpy.flatnonzero(finite & (one.size > _LARGE))
        small = numpy.flatnonzero(finite & (one.size < _SMALL) & (one.size > 0) & (one.largest != 1.0))
        for places, sort, limit in ((large, "up to", _LARGE), (small, "down to", _SMALL)):
            if not len(places):
                continue
            if sort == "down to" and len(places) < len(one.size) and not one.names:
                continue  # a pixel that is nearly always dark
            worst = places[one.size[places].argmax() if sort == "up to" else one.size[places].argmin()]
            usual = float(numpy.median(one.size[finite]))
            what = (
                f"sizes (√mean x²) {sort} {number(float(one.size[worst]))}, values from "
                f"{number(float(one.least[worst]))} to {number(float(one.largest[worst]))}; "
                f"the median column has size {number(usual)}"
            )
            yield fault.found(
                f"{_features(one, places.tolist())} at layer {one.layer}",
                what,
                size=float(one.size[worst]), limit=limit, least=float(one.least[worst]),
                largest=float(one.largest[worst]), median_size=usual, columns=len(places),
            )  # fmt: skip


def _features(one: Arriving, places: list[int]) -> str:
    if one.names and len(one.names) == len(one.size):
        return f"column{'s' * (len(places) != 1)} {listed([one.names[i] for i in places])}"
    if len(places) == len(one.size):
        return "all inputs" if len(places) > 1 else "the input"
    return f"{len(places):,} of {len(one.size):,} inputs (such as number {places[0]}, counted from 0)"


@NETWORK.check(
    Fault(
        code="D301",
        title="dead ReLUs",
        why="Where ReLU gives 0 its slope is 0, too: such a unit passes on nothing, gets no gradient, and never wakes "
        "up.",
        repair="A smaller learning rate, kernel_initializer='he_normal', or leaky_relu in place of relu.",
        meaning="At least half of a layer's ReLU units (of a small layer, four fifths; where the network learns well "
        "all the same, nine tenths) give 0 for every row that was looked at.",
        causes="One step with too large a rate that pushed biases far below zero; a bias that starts negative; inputs "
        "that are far from zero mean, so that the sign of the weights alone decides.",
        signs="The layer's outputs are all zeros: model.trace(x) shows them; the loss stops falling early.",
        repairs=(
            "Start again with a rate ten times smaller, or with warm-up; units that died do not come back.",
            "leaky_relu, elu or gelu have a slope below zero, too.",
            "he_normal as kernel_initializer and biases from zero; scaled inputs (D102).",
        ),
        source="Lu, Shin, Su & Karniadakis, Dying ReLU and Initialization (2020)",
    )
)
def dead_units(fault: Fault, network: NetworkView) -> Iterator[Finding]:
    if network.rows < _ROWS_TO_JUDGE:
        return
    for one in network.activities:
        units = one.largest.size
        dead = int((one.largest <= 0.0).sum())
        least = _DEAD_BUT_LEARNED if network.has_learned else _DEAD if units >= _FEW_UNITS else _DEAD_OF_FEW
        if one.activation == "relu" and dead >= least * units:
            what = f"{dead:,} of {units:,} units give 0 for each of the {network.rows:,} rows"
            yield fault.found(f"layer {one.layer}", what, dead=dead, units=units, rows=network.rows)


@NETWORK.check(
    Fault(
        code="D302",
        title="saturated units",
        why="On its flat ends a sigmoid or tanh has hardly any slope, so that the layers before get hardly any "
        "gradient.",
        repair="Scale the inputs, use kernel_initializer='glorot_uniform', a smaller learning rate, or relu.",
        meaning="More than three quarters of a hidden layer's sigmoid outputs lie within 0.02 of 0 or 1, or of its "
        "tanh outputs within 0.04 of -1 or 1: there the slope is less than 8 % of its largest.",
        causes="Unscaled inputs, large initial weights, or a rate so high that weights grew.",
        signs="A histogram of the layer's outputs has all its mass at the two ends.",
        repairs=(
            "Scale the inputs (D102), and start from small weights: glorot_uniform.",
            "Use relu or gelu in hidden layers; sigmoid belongs at gates and outputs.",
            "BatchNormalization before the activation keeps its input near zero.",
        ),
        source="Glorot & Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks (2010)",
    )
)
def saturated_units(fault: Fault, network: NetworkView) -> Iterator[Finding]:
    for one in network.activities:
        if one.activation != "relu" and one.flat > _SATURATED and one.layer not in network.spread:
            what = f"{share(one.flat)} of the {one.activation} outputs lie on the flat ends of the curve"
            yield fault.found(f"layer {one.layer}", what, flat=one.flat, activation=one.activation, rows=network.rows)


@NETWORK.check(
    Fault(
        code="D303",
        title="vanishing gradients",
        why="The first layers hardly learn: their weights stay what chance made them, and the rest has to work with "
        "that.",
        repair="relu with kernel_initializer='he_normal' in place of sigmoid or tanh, BatchNormalization, or fewer "
        "layers.",
        meaning="The loss's gradient at an early layer's outputs is less than a thousandth of that at a later layer.",
        causes="A chain of layers multiplies slopes: that of a sigmoid is at most ¼, so that ten leave a millionth; "
        "small initial weights do the same.",
        signs="Gradient norms by layer fall by a constant factor from the last layer to the first.",
        repairs=(
            "relu or gelu with he_normal in hidden layers.",
            "BatchNormalization or LayerNormalization between layers; residual connections around them.",
            "Fewer layers; for long sequences LSTM or GRU in place of SimpleRNN.",
        ),
        source="Hochreiter (1991); Bengio, Simard & Frasconi, Learning Long-Term Dependencies Is Difficult (1994)",
    )
)
def vanishing(fault: Fault, network: NetworkView) -> Iterator[Finding]:
    norms = [(one.layer, one.at_outputs) for one in network.slopes]
    largest, weak = 0.0, []
    for layer, norm in reversed(norms):
        if 0.0 < norm < _VANISHED * largest:
            weak.append((layer, norm))
        largest = max(largest, norm)
    if weak:
        layer, norm = weak[-1]
        what = (
            f"the gradient's norm is {norm:.3g} at its outputs, {largest:.3g} at the most in later layers: "
            f"{norm / largest:.2g} of it"
        )
        more = f" and {len(weak) - 1} more" if len(weak) > 1 else ""
        yield fault.found(
            f"layer {layer}{more}", what, layers=[name for name, _ in weak[::-1]], norm=norm, largest=largest
        )


@NETWORK.check(
    Fault(
        code="D304",
        title="exploding gradients",
        why="A single step throws the weights far away; the loss jumps about or becomes infinite.",
        repair="kernel_initializer='he_normal', clipnorm=1.0 in the optimizer, or scaled inputs and targets.",
        meaning="The loss's gradient at an early layer's outputs is more than a hundred times that at the last layer, "
        "or the gradient of a kernel is more than a hundred times its weights.",
        causes="Initial weights too large for the width: each layer then multiplies what passes; long recurrences; "
        "inputs or targets in the thousands.",
        signs="Gradient norms grow from the last layer to the first; the first losses are astronomical.",
        repairs=(
            "he_normal or glorot_uniform choose the size of weights by the width.",
            "clipnorm=1.0 in the optimizer bounds what a single step can do.",
            "Scale inputs and targets; BatchNormalization or LayerNormalization between layers.",
        ),
        source="Pascanu, Mikolov & Bengio, On the Difficulty of Training Recurrent Neural Networks (2013)",
        follows_from=("D102",),
    )
)
def exploding(fault: Fault, network: NetworkView) -> Iterator[Finding]:
    if not network.slopes:
        return
    last = network.slopes[-1].at_outputs
    grown = [one for one in network.slopes if last > 0.0 and one.at_outputs > _EXPLODED * last]
    steep = [one for one in network.slopes if one.at_kernel > _EXPLODED * max(one.kernel, _USUAL)]
    if any(numpy.isnan([one.at_outputs for one in network.slopes])) or not (grown or steep):
        return
    if grown:
        one = max(grown, key=lambda slope: slope.at_outputs)
        what = f"the gradient's norm is {one.at_outputs:.3g} at its outputs, {last:.3g} at those of the last layer"
    else:
        one = max(steep, key=lambda slope: slope.at_kernel)
        what = f"the gradient of its kernel is {one.at_kernel:.3g} in size, the kernel {one.kernel:.3g}"
    yield fault.found(
        f"layer {one.layer}", what, norm=one.at_outputs, last=last, kernel_gradient=one.at_kernel, kernel=one.kernel
    )


@NETWORK.check(
    Fault(
        code="D305",
        title="a network that ignores its input",
        why="It gives every row the same answer, so nothing of what the rows say is used.",
        repair="Look for dead or saturated layers (D301, D302), start again with a smaller rate, and check that x "
        "varies.",
        meaning="The predictions for different rows hardly differ: by less than 1 % of their size after training, or "
        "not at all.",
        causes="A layer whose units are all dead or saturated; all weights equal or zero; a penalty on weights so "
        "strong that only the bias is left; inputs drowned by one huge column; no connection between x and y in the "
        "data.",
        signs="model.predict(x).std(axis=0) is nearly 0; permuting the rows of x changes no metric.",
        repairs=(
            "Repair dead (D301) or saturated (D302) layers and unscaled columns (D102).",
            "Weaken weight decay, regularizers and dropout.",
            "Train a linear model first: if it finds nothing either, look at the data.",
        ),
        source="Karpathy, A Recipe for Training Neural Networks (2019): the input-independent baseline",
        follows_from=("D301", "D302", "D303", "D306"),
    )
)
def ignoring(fault: Fault, network: NetworkView) -> Iterator[Finding]:
    if not network.varied or network.rows < _ROWS_TO_JUDGE:
        return
    for name, spread in network.spread.items():
        scale = network.scale[name]
        least = _IGNORED if network.trained else 1e-6  # rounding of float32
        if spread <= least * scale:
            what = (
                f"predictions for {network.rows:,} rows differ by {spread:.2g} (deviation), their size is {scale:.3g}"
            )
            yield fault.found(f"output {name}", what, spread=spread, size=scale, rows=network.rows)


@NETWORK.check(
    Fault(
        code="D306",
        title="weights that are NaN or infinite",
        why="Whatever passes such a weight becomes NaN, so every prediction does.",
        repair="Build the network anew and train with a smaller learning rate and clipnorm=1.0.",
        meaning="A weight of the network is not a finite number. Training in Pellucid stops before it comes to that "
        "(see D501), so the weights came from elsewhere.",
        causes="Weights loaded from another system whose training had diverged, or set by hand.",
        signs="[v.name for v in model.variables if not numpy.isfinite(v.value).all()]",
        repairs=("Load weights from before training diverged.", "Build the network anew and train it again."),
        source="Goodfellow, Bengio & Courville, Deep Learning (2016), section 4.1",
    )
)
def broken_weights(fault: Fault, network: NetworkView) -> Iterator[Finding]:
    if network.broken_weights:
        names = list(network.broken_weights)
        yield fault.found(f"weight {listed(names)}", "it holds NaN or infinity", weights=names)
