"""One training step, opened: the student network as its article derives it, and the four renderings."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest

import pellucid
from pellucid.errors import ArgumentError, UnknownNameError
from pellucid.explain.expression import Name, Number, Quotient, Symbol, add, divide, multiply, negate, power
from pellucid.explain.notation import LATEX, MATHML, TEXT
from pellucid.layers import Dense
from pellucid.optimizers import SGD

X = numpy.array([[2, 5], [4, 6], [6, 7], [8, 8], [3, 4], [7, 6]], dtype="float32")
Y = numpy.array([[0], [0], [1], [1], [0], [1]], dtype="float32")


def student() -> pellucid.Model:
    """2 inputs, 2 hidden neurons, 1 output; the first student starts at ŷ = 0.633."""
    model = pellucid.Sequential(
        [pellucid.Input((2,)), Dense(2, "relu", name="hidden"), Dense(1, "sigmoid", name="pass")], name="student"
    )
    model.set_weights([[[0.5, -0.2], [0.1, 0.3]], [0.0, 0.1], [[0.7], [-0.5]], [0.0951]])
    model.compile(SGD(0.1), "binary_crossentropy")
    return model


def test_the_student_network_is_derived_as_in_its_article() -> None:
    text = student().explain_step(X[:1], Y[:1]).text()
    for line in (
        "z₁ = w₁·x₁ + w₂·x₂ + b₁ = 0.5·2 + 0.1·5 + 0 = 1.5",
        "z₂ = w₃·x₁ + w₄·x₂ + b₂ = −0.2·2 + 0.3·5 + 0.1 = 1.2",
        "h₁ = ReLU(z₁) = ReLU(1.5) = 1.5",
        "z₃ = w₅·h₁ + w₆·h₂ + b₃ = 0.7·1.5 − 0.5·1.2 + 0.0951 = 0.5451",
        "ŷ = σ(z₃) = σ(0.5451) = 0.633",
        "L = −(y·ln ŷ + (1 − y)·ln(1 − ŷ)) = −(0·ln 0.633 + (1 − 0)·ln(1 − 0.633)) = 1.0024",
        "Path w₁ → z₁ → h₁ → z₃ → ŷ → L",
        "∂L/∂w₁ = (ŷ − y)·w₅·ReLU′(z₁)·x₁ = (0.633 − 0)·0.7·ReLU′(1.5)·2 = 0.8862",
        "∂L/∂w₄ = (ŷ − y)·w₆·ReLU′(z₂)·x₂",
        "∂L/∂b₂ = (ŷ − y)·w₆·ReLU′(z₂) =",
        "∂L/∂w₅ = (ŷ − y)·h₁ = (0.633 − 0)·1.5 = 0.9495",
        "w₁′ = w₁ − η·∂L/∂w₁ = 0.5 − 0.1·0.8862 = 0.41138",
        "σ(x)      = 1 / (1 + e⁻ˣ)",
    ):
        assert line in text, line


def test_every_gradient_and_update_by_hand() -> None:
    model = student()
    steps = {TEXT.symbol(weight.symbol): weight for weight in model.explain_step(X[:1], Y[:1]).weights}
    d3 = 1 / (1 + math.exp(-(0.7 * 1.5 - 0.5 * 1.2 + 0.0951)))  # ŷ − y with y = 0
    d1, d2 = d3 * 0.7, d3 * -0.5
    expected = {"w₁": d1 * 2, "w₂": d1 * 5, "w₃": d2 * 2, "w₄": d2 * 5, "w₅": d3 * 1.5, "w₆": d3 * 1.2,
                "b₁": d1, "b₂": d2, "b₃": d3}  # fmt: skip
    assert list(steps) == list(expected)
    for name, gradient in expected.items():
        step = steps[name]
        assert step.gradient == pytest.approx(gradient, rel=1e-6)
        assert step.complete
        assert sum(path.product for path in step.paths) == pytest.approx(gradient, rel=1e-6)
        assert step.new == pytest.approx(step.value - 0.1 * gradient, rel=1e-6)


def test_it_changes_nothing_and_foretells_train_on_batch() -> None:
    model = student()
    before = model.get_weights()
    step = model.explain_step(X, Y)
    assert [a.tolist() for a in model.get_weights()] == [a.tolist() for a in before]
    assert model.optimizer.iterations == 0
    model.train_on_batch(X, Y)
    after = {f"{name}[{','.join(map(str, at))}]": float(array[at])
             for name, array in zip(("hidden/kernel", "hidden/bias", "pass/kernel", "pass/bias"), model.get_weights(),
                                    strict=True) for at in numpy.ndindex(array.shape)}  # fmt: skip
    assert {weight.name: pytest.approx(weight.new, rel=1e-6, abs=1e-7) for weight in step.weights} == after


def test_examples_are_told_apart() -> None:
    step = student().explain_step(X, Y, weight="w1")
    (weight,) = step.weights
    assert [TEXT.symbol(symbol) for symbol in weight.paths[0].symbols][1:] in (
        [f"z₁{n}", f"h₁{n}", f"z₃{n}", f"ŷ{n}", "L"] for n in ("⁽¹⁾", "⁽²⁾", "⁽³⁾", "⁽⁴⁾", "⁽⁵⁾", "⁽⁶⁾")
    )
    assert len(weight.paths) == 6
    assert sum(path.product for path in weight.paths) == pytest.approx(weight.gradient, rel=1e-6)


def test_a_dead_neuron_shows_where_the_gradient_ends() -> None:
    model = student()
    model.set_weights([[[0.5, -0.2], [0.1, 0.3]], [-9.0, 0.1], [[0.7], [-0.5]], [0.0951]])
    (weight,) = model.explain_step(X[:1], Y[:1], weight="w₁").weights
    assert weight.gradient == 0.0
    assert weight.complete
    (path,) = weight.paths
    assert [TEXT.symbol(symbol) for symbol in path.symbols] == ["w₁", "z₁", "h₁", "z₃", "ŷ", "L"]
    assert [one.value for one in path.derivatives][2] == 0.0  # ReLU′(z₁)
    assert weight.new == weight.value


def test_wide_networks_fold_into_a_bounded_explanation() -> None:
    draw = numpy.random.default_rng(3)
    model = pellucid.Sequential([pellucid.Input((784,)), Dense(128, "relu"), Dense(10, "softmax")], seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = draw.random((32, 784), numpy.float32), draw.integers(0, 10, 32)
    step = model.explain_step(x, y, weight=["dense/kernel[400,7]", "dense_1/bias"])
    for weight in step.weights:
        assert sum(path.product for path in weight.paths) + weight.rest == pytest.approx(weight.gradient, rel=1e-6)
        assert not weight.complete
    assert len(step.text()) < 15_000
    assert len(step.html()) < 120_000
    assert "780 more" in step.text()
    silent = model.explain_step(0 * x, y, weight="dense/kernel[400,7]")
    assert "on every way to the loss a local derivative is 0" in silent.text()
    assert "on every way to the loss a local derivative is 0" in silent.html()


def test_four_renderings(tmp_path: Path) -> None:
    step = student().explain_step(X[:1], Y[:1], weight=["w₁", "pass/bias[0]"])
    assert repr(step).startswith("StepExplanation(student, 1 example, loss 1.0024")
    step.save(tmp_path / "step.json")
    record = json.loads((tmp_path / "step.json").read_text(encoding="utf-8"))
    assert record["weights"][0]["paths"][0]["derivatives"][0]["formula"] == "ŷ − y"
    assert record["weights"][0]["gradient"] == step.weights[0].gradient
    step.save(tmp_path / "step.html")
    page = (tmp_path / "step.html").read_text(encoding="utf-8")
    assert "<math" in page
    assert "://" not in page
    assert step._repr_html_().startswith("<style>")
    step.save(tmp_path / "step.tex")
    latex = (tmp_path / "step.tex").read_text(encoding="utf-8")
    assert r"\frac{\partial L}{\partial w_{1}} &= \left(\hat{y} - y\right) \cdot w_{5}" in latex
    assert latex.count(r"\begin{align*}") == latex.count(r"\end{align*}")
    step.save(tmp_path / "step.txt")
    assert (tmp_path / "step.txt").read_text(encoding="utf-8") == f"{step}\n"
    with pytest.raises(ArgumentError, match=r"\.txt, \.html, \.json, \.tex"):
        step.save(tmp_path / "step.pdf")


def test_bad_weights_list_what_there_is() -> None:
    model = student()
    with pytest.raises(UnknownNameError, match=r"did you mean 'hidden/kernel'\?.*pass/bias"):
        model.explain_step(X[:1], Y[:1], weight="hiden/kernel[0,0]")
    with pytest.raises(ArgumentError, match=r"shape \[2, 2\].*hidden/kernel\[1,1\]"):
        model.explain_step(X[:1], Y[:1], weight="hidden/kernel[2,0]")
    with pytest.raises(ArgumentError, match="give 1 number"):
        model.explain_step(X[:1], Y[:1], weight="hidden/bias[0,0]")


def test_the_page_opens_offline_without_complaint(tmp_path: Path, open_page: Callable[[Path], str]) -> None:
    path = tmp_path / "step.html"
    student().explain_step(X, Y).save(path)
    document = open_page(path)
    assert "<mfrac>" in document


def test_numbers_are_found_in_every_rendering() -> None:
    step = student().explain_step(X[:1], Y[:1], weight="w1")
    assert "0.8862" in step.text()
    assert "<mn>0.8862</mn>" in step.html()
    assert "= 0.8862" in step.latex()
    assert step.to_json()["weights"][0]["gradient"] == pytest.approx(0.886197, rel=1e-5)


def test_products_and_quotients_read_as_they_are_computed() -> None:
    a, b, c = (Name(value, Symbol(letter)) for letter, value in (("a", 6.0), ("b", -3.0), ("c", 2.0)))
    quotient = divide(a, b)
    assert TEXT.write(multiply([quotient, c])) == "(a / b)·c"
    assert TEXT.write(divide(a, multiply([b, c]))) == "a / (b·c)"
    assert TEXT.write(multiply([a, b]), numbers=True) == "6·(−3)"
    assert TEXT.write(add([a, b]), numbers=True) == "6 − 3"
    assert TEXT.write(add([a, negate(add([b, c]))])) == "a − (b + c)"
    assert TEXT.write(power(negate(a), Number(2.0))) == "(−a)²"
    assert TEXT.write(power(Name(2.0, Symbol("L", by=Symbol("w", (1,)))), Number(2.0))) == "(∂L/∂w₁)²"
    assert TEXT.write(negate(add([Number(1.0), negate(a)]))) == "a − 1"
    assert LATEX.write(quotient) == r"\frac{a}{b}"
    assert MATHML.write(quotient, numbers=True).startswith("<mfrac><mrow><mn>6</mn></mrow>")
    assert multiply([a, Number(1.0), Number(1 / 3)]) == Quotient(2.0, a, Number(3.0))
    assert TEXT.write(multiply([Number(1 / 3), Number(-2.0), a])) == "−2·a / 3"
    assert TEXT.write(multiply([Number(0.5), divide(multiply([Number(2.0), a]), Number(3.0))])) == "a / 3"
    assert TEXT.write(multiply([a, Number(0.1)])) == "0.1·a"


def test_dropped_units_are_said_to_be_dropped() -> None:
    stack = [pellucid.Input((2,)), Dense(6, "tanh"), pellucid.layers.Dropout(0.5), Dense(1)]
    model = pellucid.Sequential(stack, seed=3)
    model.compile("sgd", "mse")
    step = model.explain_step([[1.0, 2.0]], [[1.0]])
    units = {layer.name: layer for layer in step.layers}["dropout"].equations
    kept = [one.value != 0.0 for one in units]
    assert any(kept)
    assert not all(kept)
    assert [one.note for one in units] == ["" if keep else "dropped" for keep in kept]
    first = kept.index(False)
    assert f"h{'₁₂₃₄₅₆'[first]}′ = 0  (dropped)" in step.text()  # a symbol of its own, beside h of the layer before
    assert step.html().count("(dropped)") == step.latex().count("(dropped)") == kept.count(False)
    noted = [one.get("note") for layer in step.to_json()["layers"] for one in layer["equations"]]
    assert noted.count("dropped") == kept.count(False)
