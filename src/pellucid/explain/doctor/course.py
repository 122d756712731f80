"""Checks of the course of training, D4: learning rate, batch size, over- and underfitting, from the loss by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy

from pellucid.explain.doctor.data import Array
from pellucid.explain.doctor.faults import Family, Fault, register
from pellucid.explain.doctor.findings import Finding, share
from pellucid.explain.numbers import number


@dataclass(frozen=True)
class CourseView:
    """What training has left: figures by epoch and sizes. `guess` is the loss of always giving the labels' average.

    `now` and `held_now` are the losses of the network as it is, on training and held-out rows, where measured;
    `restored` says that its weights are those of an earlier epoch than the last.
    """

    losses: Sequence[float]
    held: Sequence[float] = ()
    rate: float | None = None
    batch: int | None = None
    steps_each: int | None = None  # steps per epoch
    rows: int | None = None
    guess: float | None = None
    now: float | None = None
    held_now: float | None = None
    restored: bool = False

    @property
    def steps(self) -> int:
        """Steps in all."""
        return (self.steps_each or 0) * len(self.losses)

    @property
    def scale(self) -> float:
        """A loss that is easily reached: of guessing the average, or else of the first epoch."""
        first = abs(self.losses[0]) if self.losses else 0.0
        return self.guess if self.guess is not None and self.guess > 0 else first

    @property
    def last(self) -> float:
        """The loss on training rows, as far as it is known."""
        return self.now if self.now is not None else self.losses[-1]


COURSE: Family[CourseView] = Family()

_EPOCHS = 5  # from which on a course can be told from chance
_RISE = 0.1  # of the scale, and of the loss before: epochs' losses differ by less than that from chance alone
_RISES = 0.25  # share of epochs
_SLOW = 0.2  # of the first loss is all that was gained …
_STEADY = 0.7  # … and the last third of the epochs gained this much of what the first third did
_FEWEST_STEPS = 100  # with fewer, the number of steps and not their size is what is missing
_ROOM = 0.3  # of guessing: below, little is left to gain
_GAP = 0.25  # of guessing, between training and held-out loss, where the held-out loss has also risen
_GAP_ALONE = 0.5  # the same where only the gap is known
_UNLEARNED = 0.9  # of guessing: R² below 0.1
_FEW_STEPS_EACH = 4
_MANY_ROWS = 1_000
_LARGE_STEPS = 200  # steps in all
_SMALL_BATCH = 4
_MANY_STEPS_EACH = 250
_NOISE = 0.01  # of the loss; at rest, with larger batches, epochs differ by less


def guess_loss(loss: str, labels: Array) -> float | None:
    """The loss of always giving the labels' average (or the classes' shares), where it is known for the loss."""
    if loss == "sparse_categorical_crossentropy":
        _, counts = numpy.unique(labels, return_counts=True)
        return _entropy(counts / counts.sum())
    y = labels.reshape(len(labels), -1).astype(numpy.float64)
    if loss == "categorical_crossentropy":
        return _entropy(y.mean(axis=0))
    if loss == "binary_crossentropy":
        p = y.mean(axis=0)
        return float(numpy.mean([_entropy(numpy.array([q, 1.0 - q])) for q in p]))
    if loss == "mean_squared_error":
        return float(y.var(axis=0).mean())
    if loss == "mean_absolute_error":
        return float(numpy.abs(y - numpy.median(y, axis=0)).mean())
    return None


def _entropy(p: Array) -> float:
    p = p[p > 0]
    return float(-(p * numpy.log(p)).sum())


def _rises(course: CourseView) -> int:
    """After how many epochs the loss was clearly higher than before."""
    least = _RISE * course.scale
    pairs = zip(course.losses, course.losses[1:], strict=False)
    return sum(after - before > max(least, _RISE * abs(before)) for before, after in pairs)


@COURSE.check(
    Fault(
        code="D401",
        title="learning rate too high",
        why="Each step jumps over the valley and lands higher on the other side; what one epoch gains the next loses.",
        repair="Divide the learning rate by 10; if the loss then falls steadily, try 3 in place of 10.",
        meaning="The training loss ends higher than it began, or rises after a quarter of the epochs by more than a "
        "tenth of what guessing the average would cost.",
        causes="A rate made for another optimizer (0.1 suits gradient descent, 0.001 Adam); unscaled inputs, which "
        "make the loss more curved; a larger rate without warm-up.",
        signs="The loss by epoch zigzags or climbs; weights grow from epoch to epoch.",
        repairs=(
            "A rate ten times smaller; or a schedule that lets it fall: CosineDecay, ReduceLROnPlateau.",
            "Scale the inputs (D102): then larger rates work.",
            "clipnorm=1.0 in the optimizer bounds single steps.",
        ),
        source="Bengio, Practical Recommendations for Gradient-Based Training (2012), section 2.1",
    )
)
def rate_too_high(fault: Fault, course: CourseView) -> Iterator[Finding]:
    losses = course.losses
    if len(losses) < 3 or ((course.batch or 0) <= _SMALL_BATCH and _too_noisy(course)):
        return
    climbed = losses[-1] > losses[0] and losses[-1] > min(losses) + _RISE * course.scale
    rises = _rises(course)
    if climbed or (rises >= 3 and rises >= _RISES * (len(losses) - 1)):
        what = (
            f"the loss went from {number(losses[0])} to {number(losses[-1])} (lowest {number(min(losses))}) and rose "
            f"after {rises} of {len(losses) - 1} epochs"
        )
        yield fault.found(
            _by_rate(course), what,
            first=losses[0], last=losses[-1], lowest=min(losses), rises=rises, rate=course.rate,
        )  # fmt: skip


@COURSE.check(
    Fault(
        code="D402",
        title="learning rate too low",
        why="Steps are so short that training would take many times as long as it must, or stops long before the "
        "valley.",
        repair="Multiply the learning rate by 10, and again until the loss no longer falls steadily; then go one back.",
        meaning="After at least 100 steps the loss has fallen by less than a fifth, nearly without a rise, and still "
        "falls about as fast as in the beginning: a straight line, not a curve that levels off.",
        causes="A rate made for another optimizer or for fine-tuning; a schedule that reached its end too early; a "
        "loss divided by a large number.",
        signs="The loss by epoch is a straight line; weights after training are nearly those of the start.",
        repairs=(
            "Rates ten times larger until training becomes unsteady; the best is often three times below that.",
            "Adam with its default of 0.001 as a start.",
            "Scaled inputs and targets, so that gradients are of a usual size.",
        ),
        source="Smith, Cyclical Learning Rates for Training Neural Networks (2017), section 3.3",
        follows_from=("D405",),
    )
)
def rate_too_low(fault: Fault, course: CourseView) -> Iterator[Finding]:
    losses = numpy.asarray(course.losses, numpy.float64)
    if len(losses) < _EPOCHS or course.steps < _FEWEST_STEPS or course.last < _ROOM * course.scale:
        return
    falls = -numpy.diff(losses)
    gained = float(losses[0] - losses[-1])
    third = max(1, len(falls) // 3)
    early, late = float(falls[:third].mean()), float(falls[-third:].mean())
    if 0 < gained < _SLOW * losses[0] and (falls > 0).mean() >= 0.95 and late >= _STEADY * early:
        what = (
            f"in {len(losses)} epochs ({course.steps:,} steps) the loss fell from {number(float(losses[0]))} to "
            f"{number(float(losses[-1]))}, and falls on as fast as at first"
        )
        yield fault.found(
            _by_rate(course), what,
            first=float(losses[0]), last=float(losses[-1]), steps=course.steps, rate=course.rate,
            early_gain=early, late_gain=late,
        )  # fmt: skip


@COURSE.check(
    Fault(
        code="D403",
        title="overfitting",
        why="The network learns its training rows by heart; on new rows it becomes worse with every further epoch.",
        repair="EarlyStopping(restore_best_weights=True), dropout or weight decay, a smaller network, or more data.",
        meaning="The loss on held-out rows is far above that on training rows (by a quarter of what guessing the "
        "average costs) and has risen from its lowest value while the training loss went on falling.",
        causes="More weights than the rows can determine; too many epochs; nothing that holds the weights back.",
        signs="Learning curves that part: training loss down, validation loss up.",
        repairs=(
            "EarlyStopping(patience=5, restore_best_weights=True) keeps the best epoch.",
            "Dropout(0.2 … 0.5), weight_decay in the optimizer, kernel_regularizer, noise or augmentation.",
            "A smaller network. More rows help most.",
        ),
        source="Prechelt, Early Stopping - But When? (1998)",
    )
)
def overfitting(fault: Fault, course: CourseView) -> Iterator[Finding]:
    held = list(course.held)
    lowest = min(held, default=None)
    risen = lowest is not None and len(held) >= _EPOCHS and held[-1] - lowest > _RISE * course.scale
    trained, tested = course.now, course.held_now
    if trained is None or tested is None:
        if not risen or course.restored:
            return
        trained, tested = course.losses[-1], held[-1]
    elif course.restored:
        risen = False  # the weights are not those that the rise tells of
    gap = tested - trained
    if gap > (_GAP if risen else _GAP_ALONE) * course.scale:
        best = f"; it was lowest, {number(lowest)}, in epoch {held.index(lowest) + 1}" if lowest is not None else ""
        what = f"the loss is {number(trained)} on training rows but {number(tested)} on those held out{best}"
        yield fault.found(
            "training", what,
            loss=trained, held_out_loss=tested, lowest=lowest, epochs=len(course.losses), guess=course.guess,
        )  # fmt: skip


@COURSE.check(
    Fault(
        code="D405",
        title="batch too large",
        why="The weights are updated once per batch, so training made hardly any steps, however much it computed.",
        repair="Use a smaller batch, such as batch_size=32, or many more epochs.",
        meaning="An epoch of a thousand rows or more makes at most 4 steps, there were fewer than 200 in all, and the "
        "loss has not come far.",
        causes="batch_size='all' (batch gradient descent) on more than a few hundred rows; a batch size copied from a "
        "large machine.",
        signs="The progress line shows 1/1 or 4/4 steps per epoch; the loss falls steadily but slowly.",
        repairs=(
            "batch_size=32 to 256 makes many steps per epoch, each with nearly as good a gradient.",
            "If the batch must be large: a larger rate (in proportion) and more epochs.",
        ),
        source="Wilson & Martinez, The General Inefficiency of Batch Training (2003)",
    )
)
def batch_too_large(fault: Fault, course: CourseView) -> Iterator[Finding]:
    if not (course.losses and course.steps_each and course.batch and course.rows):
        return
    few = course.steps_each <= _FEW_STEPS_EACH and course.steps < _LARGE_STEPS and course.rows >= _MANY_ROWS
    if few and course.last > _ROOM * course.scale and len(course.losses) >= 3 and course.losses[-1] < course.losses[0]:
        what = (
            f"batches of {course.batch:,} of {course.rows:,} rows: {course.steps:,} steps in {len(course.losses)} "
            f"epochs took the loss from {number(course.losses[0])} to {number(course.losses[-1])}"
        )
        yield fault.found(
            f"batch_size={course.batch}", what,
            batch=course.batch, rows=course.rows, steps=course.steps, first=course.losses[0], last=course.losses[-1],
        )  # fmt: skip


def _too_noisy(course: CourseView) -> bool:
    """Whether a quarter of the epochs end higher than the one before, by more than 1 %."""
    pairs = list(zip(course.losses, course.losses[1:], strict=False))
    ups = sum(after > before * (1.0 + _NOISE) for before, after in pairs)
    each = course.steps_each or 0
    return each >= _MANY_STEPS_EACH and len(pairs) >= 3 and ups >= max(2, _RISES * len(pairs))


@COURSE.check(
    Fault(
        code="D406",
        title="batch too small",
        why="The gradient of a few rows is mostly noise: steps point everywhere, the loss never settles, and an epoch "
        "takes many times as long as it must.",
        repair="Use a larger batch, such as batch_size=32, or a learning rate that falls.",
        meaning="Batches of at most 4 rows, hundreds of steps per epoch, and a training loss that rises after a "
        "quarter of the epochs.",
        causes="batch_size=1 (stochastic gradient descent) kept from a small example; memory that allows no more.",
        signs="The loss jumps from step to step and from epoch to epoch around the same value; the processor is hardly "
        "used.",
        repairs=(
            "batch_size=32 or more: the noise falls with its root.",
            "If it must be small: a smaller rate, or one that falls (CosineDecay), and momentum.",
        ),
        source="McCandlish, Kaplan, Amodei et al., An Empirical Model of Large-Batch Training (2018)",
    )
)
def batch_too_small(fault: Fault, course: CourseView) -> Iterator[Finding]:
    if course.batch is None or course.batch > _SMALL_BATCH or not _too_noisy(course):
        return
    ups = sum(after > before for before, after in zip(course.losses, course.losses[1:], strict=False))
    what = (
        f"batches of {course.batch}: {course.steps_each:,} steps per epoch, and the loss rose after {ups} of "
        f"{len(course.losses) - 1} epochs, between {number(min(course.losses))} and {number(max(course.losses))}"
    )
    yield fault.found(
        f"batch_size={course.batch}", what,
        batch=course.batch, steps_per_epoch=course.steps_each, rises=ups, lowest=min(course.losses),
        highest=max(course.losses),
    )  # fmt: skip


@COURSE.check(
    Fault(
        code="D404",
        title="underfitting",
        why="The network does hardly better than always giving the average, so it has not learned what x says of y.",
        repair="Train longer, with more units or layers, less dropout and weight decay, and features that matter.",
        meaning="After training, the loss on the training rows themselves is at least 90 % of what always giving the "
        "labels' average costs (for a number, R² below 0.1), and no other fault explains it.",
        causes="Too small a network, too few steps, too strong a penalty or dropout; columns that say nothing of the "
        "target; rows of x and y that got out of step.",
        signs="Training and validation loss are equal and high.",
        repairs=(
            "First let the network learn 20 rows by heart: if it cannot, look for a mistake in data or network.",
            "More units, more epochs, weaker regularisation.",
            "Check that x and y belong together row by row, and add columns that matter.",
        ),
        source="Goodfellow, Bengio & Courville, Deep Learning (2016), section 11.4.1",
        follows_from=("D301", "D302", "D303", "D304", "D305", "D401", "D402", "D405"),
    )
)
def underfitting(fault: Fault, course: CourseView) -> Iterator[Finding]:
    if course.guess is None or course.guess <= 0 or len(course.losses) < 3 or course.steps < _FEWEST_STEPS:
        return
    if min(course.last, course.losses[-1]) >= _UNLEARNED * course.guess:
        what = (
            f"after {len(course.losses)} epochs the loss on training rows is {number(course.last)}, "
            f"{share(course.last / course.guess)} of the {number(course.guess)} that guessing the average costs"
        )
        yield fault.found(
            "training", what, loss=course.last, guess=course.guess, epochs=len(course.losses), steps=course.steps
        )


def _by_rate(course: CourseView) -> str:
    return "training" if course.rate is None else f"learning rate {number(course.rate)}"


BROKEN = register(
    Fault(
        code="D501",
        title="numbers that became NaN or infinite in training",
        why="From the first NaN on every weight would be lost, so training stops at that step and puts the last good "
        "weights back.",
        repair="A learning rate ten times smaller; clipnorm=1.0 in the optimizer; scaled inputs and targets.",
        meaning="The loss of a step, or a weight after its update, was not a finite number. The error names the step, "
        "the layer and operation where it arose first, the rows of the data, and the likely cause.",
        causes="A rate too high, so that weights grow until a product overflows; unscaled inputs or targets; the "
        "exponential of a large number, the logarithm of 0, a division by 0 in a loss or layer of one's own; bfloat16 "
        "where values need more digits.",
        signs="NonFiniteError; before it, the loss by step grows by powers of ten.",
        repairs=(
            "Divide the learning rate by 10, or let it rise slowly at the start (warm-up).",
            "clipnorm=1.0 in the optimizer; scaled inputs and targets (D102).",
            "In own losses: losses that take logits (from_logits=True), log(x + ε), division by x + ε.",
            "precision='float32' if the reference finds every value finite.",
        ),
        source="Micikevicius, Narang, Alben et al., Mixed Precision Training (2018); Goodfellow et al. (2016), section "
        "4.1",
    )
)
