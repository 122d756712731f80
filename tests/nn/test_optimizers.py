"""Optimizers: first steps by hand, many against Keras where it is installed, and what they share."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy
import pytest

from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import Program, Variable, order
from pellucid.core.sources import feed
from pellucid.errors import ArgumentError, ShapeError, UnknownNameError
from pellucid.execute.reference import Reference
from pellucid.nn import optimizers, schedules
from pellucid.nn.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, Nadam, Optimizer, RMSprop
from pellucid.nn.optimizers.base import correction
from pellucid.ops import square, sum

START = [numpy.float32([[0.5, -1.0], [2.0, 0.25]]), numpy.float32([0.1, -0.2, 0.3])]


def parameters(values: Any = START) -> list[Variable]:
    return [Variable(numpy.array(value, numpy.float32), f"weight_{i}") for i, value in enumerate(values)]


def stepper(optimizer: Optimizer, weights: list[Variable]) -> Any:
    """A function that makes one step with given gradients."""
    optimizer.build(weights)
    inputs = [feed(weight.shape, name=f"gradient_{i}") for i, weight in enumerate(weights)]
    program = Program(tuple(inputs), (), tuple(optimizer.apply(inputs, weights)))
    runner = Reference().compile(program)
    return lambda *arrays: runner(*(numpy.array(array, numpy.float32) for array in arrays))


def one_number(optimizer: Optimizer, start: float, *steps: float) -> float:
    """Where a single number is after steps with the given gradients."""
    (weight,) = weights = parameters([[start]])
    step = stepper(optimizer, weights)
    for gradient in steps:
        step([gradient])
    return float(weight.value[0])


# By hand


def test_sgd_by_hand() -> None:
    # 1 - 0.1·2 = 0.8
    assert one_number(SGD(0.1), 1.0, 2.0) == pytest.approx(0.8)


def test_momentum_by_hand() -> None:
    # m₁ = -0.1·2 = -0.2; p₁ = 0.8; m₂ = 0.9·(-0.2) - 0.1·1 = -0.28; p₂ = 0.52
    assert one_number(SGD(0.1, momentum=0.9), 1.0, 2.0, 1.0) == pytest.approx(0.52)


def test_nesterov_by_hand() -> None:
    # m₁ = -0.2; p₁ = 1 + 0.9·(-0.2) - 0.2 = 0.62
    assert one_number(SGD(0.1, momentum=0.9, nesterov=True), 1.0, 2.0) == pytest.approx(0.62)


@pytest.mark.parametrize("gradient", [1e-3, 2.0, -3e4])
def test_first_step_of_adam_is_the_learning_rate(gradient: float) -> None:
    # Corrected, m̂ = g and v̂ = g², so the step is learning_rate·g/|g| whatever the size of g, as long as ε is small
    # beside √v = √0.001·|g|: for 10⁻³ it takes 0.3 % off.
    assert one_number(Adam(0.01), 1.0, gradient) == pytest.approx(1.0 - 0.01 * numpy.sign(gradient), abs=5e-5)


def test_adam_second_step_by_hand() -> None:
    # g = 2, then 1: m = 0.1·2 = 0.2, then 0.2 + 0.1·(1 - 0.2) = 0.28; v = 0.001·4 = 0.004, then
    # 0.004 + 0.001·(1 - 0.004) = 0.004996; m̂ = 0.28/0.19, v̂ = 0.004996/0.001999; p = 1 - 0.1 - 0.1·m̂/√v̂.
    expected = 0.9 - 0.1 * (0.28 / 0.19) / (0.004996 / 0.001999) ** 0.5
    assert one_number(Adam(0.1), 1.0, 2.0, 1.0) == pytest.approx(expected, rel=1e-5)


def test_rmsprop_by_hand() -> None:
    # v = 0.1·4 = 0.4; p = 1 - 0.01·2/√0.4
    assert one_number(RMSprop(0.01), 1.0, 2.0) == pytest.approx(1 - 0.02 / 0.4**0.5, rel=1e-5)


def test_adagrad_by_hand() -> None:
    # a = 0.1 + 4 = 4.1; p = 1 - 0.01·2/√4.1
    assert one_number(Adagrad(0.01), 1.0, 2.0) == pytest.approx(1 - 0.02 / 4.1**0.5, rel=1e-6)


def test_adadelta_by_hand() -> None:
    # a = 0.05·4 = 0.2; step = 2·√1e-7/√0.2; p = 1 - step
    assert one_number(Adadelta(1.0), 1.0, 2.0) == pytest.approx(1 - 2 * (1e-7 / 0.2) ** 0.5, rel=1e-6)


def test_adamax_by_hand() -> None:
    # m = 0.2, u = 2, corrected by 1 - 0.9 = 0.1: p = 1 - 0.01·0.2/(0.1·2) = 0.99
    assert one_number(Adamax(0.01), 1.0, 2.0) == pytest.approx(0.99)


def test_lion_by_hand() -> None:
    # sign(0.1·2) = 1: p = 1 - 0.01
    assert one_number(Lion(0.01), 1.0, 2.0) == pytest.approx(0.99)


def test_weight_decay_by_hand() -> None:
    # 1 - 0.1·0.5·1 = 0.95, then less 0.1·2
    assert one_number(SGD(0.1, weight_decay=0.5), 1.0, 2.0) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"clipnorm": 1.0}, ([0.6, 0.8], [1.0, 0.0])),  # lengths 5 and 12, each brought to 1
        ({"global_clipnorm": 6.5}, ([1.5, 2.0], [6.0, 0.0])),  # together √(25 + 144) = 13: halved
        ({"clipvalue": 3.5}, ([3.0, 3.5], [3.5, 0.0])),
        ({"global_clipnorm": 100.0}, ([3.0, 4.0], [12.0, 0.0])),  # short enough
    ],
)
def test_clipping_by_hand(options: dict[str, float], expected: Any) -> None:
    weights = parameters([[0.0, 0.0], [0.0, 0.0]])
    stepper(SGD(1.0, **options), weights)([3.0, 4.0], [12.0, 0.0])
    for weight, value in zip(weights, expected, strict=True):
        numpy.testing.assert_allclose(-weight.value, value, rtol=1e-6)


def test_clipping_of_zero_gradients() -> None:
    for name in ("clipnorm", "global_clipnorm", "clipvalue"):
        assert one_number(SGD(1.0, **{name: 1.0}), 2.0, 0.0) == 2.0


# Against Keras

KINDS: list[tuple[type[Optimizer], dict[str, Any]]] = [
    (SGD, {}), (SGD, {"momentum": 0.9}), (SGD, {"momentum": 0.9, "nesterov": True}), (RMSprop, {}),
    (RMSprop, {"momentum": 0.5}), (RMSprop, {"centered": True}),
    (RMSprop, {"momentum": 0.5, "centered": True, "rho": 0.8}),
    (Adagrad, {}), (Adadelta, {}), (Adam, {}), (Adam, {"amsgrad": True}), (Adam, {"beta_1": 0.5, "epsilon": 1e-3}),
    (AdamW, {}), (AdamW, {"weight_decay": 0.1}), (Nadam, {}), (Adamax, {}), (Lion, {}),
]  # fmt: skip
CLIPS: list[dict[str, float]] = [{}, {"clipnorm": 0.7}, {"global_clipnorm": 0.7}, {"clipvalue": 0.3}]
DECAYS: list[dict[str, float]] = [{}, {"weight_decay": 0.05}]


@pytest.mark.parametrize("scheduled", [False, True], ids=["constant", "scheduled"])
@pytest.mark.parametrize(("kind", "options"), KINDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_ten_steps_against_keras(keras: Any, kind: type[Optimizer], options: dict[str, Any], scheduled: bool) -> None:
    random = numpy.random.default_rng(2)
    steps = [[random.normal(size=value.shape).astype(numpy.float32) for value in START] for _ in range(10)]
    steps[3] = [numpy.zeros_like(value) for value in START]
    combinations = [(CLIPS[2], DECAYS[1])] if scheduled else itertools.product(CLIPS, DECAYS)
    for clip, decay in combinations:
        arguments: dict[str, Any] = {**decay, **options, **clip}
        rate: Any = schedules.ExponentialDecay(0.05, 3, 0.5) if scheduled else 0.05
        their_rate = keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5) if scheduled else 0.05
        theirs = getattr(keras.optimizers, kind.__name__)(their_rate, **arguments)
        variables = [keras.Variable(value) for value in START]
        theirs.build(variables)
        weights = parameters()
        step = stepper(kind(rate, **arguments), weights)
        for values in steps:
            step(*values)
            theirs.apply([keras.ops.convert_to_tensor(value) for value in values], variables)
        for weight, variable in zip(weights, variables, strict=True):
            numpy.testing.assert_allclose(
                weight.value, keras.ops.convert_to_numpy(variable), rtol=2e-5, atol=2e-6, err_msg=str(arguments)
            )


@pytest.mark.parametrize("kind", [SGD, RMSprop, Adagrad, Adadelta, Adam, AdamW, Nadam, Adamax, Lion])
def test_defaults_are_those_of_keras(keras: Any, kind: type[Optimizer]) -> None:
    theirs = getattr(keras.optimizers, kind.__name__)().get_config()
    for name, value in kind().get_config()["config"].items():
        assert value == pytest.approx(theirs[name]) if isinstance(value, float) else value == theirs[name], name


# What they share


@pytest.mark.parametrize(
    "optimizer",
    [SGD(0.1), SGD(0.05, momentum=0.8, nesterov=True), RMSprop(0.05), Adagrad(0.5), Adam(0.1),
     AdamW(0.1, weight_decay=1e-4), Nadam(0.1), Adamax(0.1),
     Lion(schedules.ExponentialDecay(0.1, 50, 0.5)), Adadelta(20.0)],
    ids=lambda optimizer: type(optimizer).__name__,
)  # fmt: skip
def test_a_quadratic_converges(optimizer: Optimizer) -> None:
    # The least of Σ k·(p - 1)² with k = 1, 2, 3 is at p = 1.
    weights = parameters([[0.0, 3.0, -2.0]])
    loss = sum(square(weights[0].tensor - 1.0) * numpy.float32([1.0, 2.0, 3.0]))
    program = Program((), (loss,), tuple(optimizer.apply(gradients(loss, [weights[0].tensor]), weights)))
    runner = Reference().compile(program)
    for _ in range(400):
        runner()
    numpy.testing.assert_allclose(weights[0].value, 1.0, atol=0.05)
    assert optimizer.iterations == 400


def test_variables_and_their_names() -> None:
    optimizer = Adam()
    optimizer.build(parameters())
    assert [variable.name for variable in optimizer.variables] == [
        "iteration", "learning_rate", "momentum", "velocity", "momentum", "velocity",
    ]  # fmt: skip
    assert [variable.shape for variable in optimizer.variables[2:]] == [(2, 2), (2, 2), (3,), (3,)]
    assert optimizer.variables[0].spec.dtype == "int32"
    scheduled = SGD(schedules.CosineDecay(0.1, 5))
    assert [variable.name for variable in scheduled.variables] == ["iteration"]
    nadam = Nadam()
    nadam.build(parameters())
    assert [variable.name for variable in nadam.variables][:3] == ["iteration", "learning_rate", "u_product"]


def test_every_variable_but_the_learning_rate_is_updated() -> None:
    for kind, options in KINDS:
        weights, optimizer = parameters(), kind(**options)
        updated = [variable for variable, _ in optimizer.apply([feed(w.shape) for w in weights], weights)]
        rest = [variable for variable in optimizer.variables if variable not in updated]
        assert [variable.name for variable in rest] == ["learning_rate"]
        assert len(updated) == len(set(updated)) == len(weights) + len(optimizer.variables) - 1


def test_building_again_keeps_the_state_of_the_same_parameters_only() -> None:
    weights, optimizer = parameters(), Adam()
    stepper(optimizer, weights)(*START)
    state = [variable.value.copy() for variable in optimizer.variables]
    optimizer.build(weights)
    for variable, value in zip(optimizer.variables, state, strict=True):
        numpy.testing.assert_array_equal(variable.value, value)
    optimizer.build(parameters())
    assert optimizer.iterations == 0
    assert not any(variable.value.any() for variable in optimizer.variables[2:])


def test_learning_rate_can_be_read_and_set() -> None:
    weights, optimizer = parameters([[1.0]]), SGD(0.1)
    step = stepper(optimizer, weights)
    assert float(optimizer.learning_rate) == 0.1
    step([1.0])
    optimizer.learning_rate = optimizer.learning_rate * 0.5
    step([1.0])
    # 1 - 0.1 - 0.05
    assert float(weights[0].value[0]) == pytest.approx(0.85)
    assert optimizer.get_config()["config"]["learning_rate"] == 0.05
    with pytest.raises(ArgumentError, match="at least 0"):
        optimizer.learning_rate = -1.0


def test_learning_rate_of_a_schedule_follows_the_iteration() -> None:
    optimizer = SGD(schedules.ExponentialDecay(1.0, 1, 0.5))
    step = stepper(optimizer, parameters([[1.0]]))
    assert optimizer.learning_rate == 1.0
    step([0.0])
    assert optimizer.learning_rate == 0.5
    with pytest.raises(ArgumentError, match="ExponentialDecay"):
        optimizer.learning_rate = 0.1


def test_adam_is_one_group_per_parameter_with_the_engines_signature() -> None:
    weights, optimizer = parameters(), AdamW(weight_decay=0.25)
    updates = optimizer.apply([feed(w.shape) for w in weights], weights)
    nodes = order([value for _, value in updates])
    groups = list(dict.fromkeys(node.groups[0] for node in nodes if node.groups))
    assert [group.name for group in groups] == ["adam", "adam"]
    for group, weight in zip(groups, weights, strict=True):
        assert [value.shape for value in group.inputs] == [weight.shape] * 4 + [()] * 3
        assert [value.shape for value in group.outputs] == [weight.shape] * 3
        assert group.attributes == {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "weight_decay": 0.25}
        assert group.outputs[0] in [value for variable, value in updates if variable is weight]


def test_correction_is_accurate_from_the_first_step_to_the_millionth() -> None:
    time = feed(())
    for t in (1, 2, 10, 1000, 10**6):
        (value,) = evaluate([correction(0.999, time)], {time: numpy.float32(t)})
        assert float(value) == pytest.approx(1 - 0.999**t, rel=3e-7)


@pytest.mark.parametrize(("kind", "options"), KINDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_configuration_round_trip(kind: type[Optimizer], options: dict[str, Any]) -> None:
    for extra in (
        {},
        {"clipnorm": 1.5},
        {"learning_rate": schedules.CosineDecay(0.1, 20, warmup_target=0.2, warmup_steps=3)},
    ):
        optimizer = kind(**{**options, **extra})
        config = json.loads(json.dumps(optimizer.get_config()))
        assert optimizers.get(config) == optimizer
        assert optimizers.get(config).get_config() == config


def test_by_name() -> None:
    assert isinstance(optimizers.get("adam"), Adam)
    assert isinstance(optimizers.get("RMSprop"), RMSprop)
    assert isinstance(optimizers.get(SGD), SGD)
    with pytest.raises(UnknownNameError, match="did you mean 'adam'"):
        optimizers.get("adm")
    with pytest.raises(ArgumentError):
        optimizers.get(3)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: SGD(-0.1), "learning_rate must be at least 0, got -0.1"),
        (lambda: SGD("fast"), "fast"),
        (lambda: SGD(float("inf")), "finite"),
        (lambda: SGD(momentum=1.5), "1.5"),
        (lambda: Adam(beta_1=1.0), "beta_1"),
        (lambda: Adam(epsilon=-1e-7), "epsilon"),
        (lambda: Adam(clipnorm=0.0), "clipnorm"),
        (lambda: Adam(clipnorm=1.0, clipvalue=1.0), "at most one"),
        (lambda: AdamW(weight_decay=-0.1), "weight_decay"),
        (lambda: RMSprop(rho=2), "rho"),
    ],
)
def test_refusals(make: Any, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        make()


def test_a_gradient_for_every_parameter() -> None:
    with pytest.raises(ShapeError, match="1 gradients for 2 parameters"):
        SGD().apply([feed((2, 2))], parameters())
