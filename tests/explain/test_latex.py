"""LaTeX of explanations: names, lines that fit a page, and what a real LaTeX makes of it where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import layers
from pellucid.explain.expression import Name, Number, Symbol, power
from pellucid.explain.latex import aligned, broken, document, escaped, tabular
from pellucid.explain.notation import LATEX

DRAW = numpy.random.default_rng(4)
TABLE: dict[str, list[Any]] = {
    "weight_g & more": (100.0 + 30.0 * DRAW.normal(size=120)).tolist(),
    "colour": [("red", "green", "{yellow} ~ 10 %^2", "größe_日 → <β²>")[i % 4] for i in range(120)],
    "fruit": [("apple", "pear", "plum_#1")[i % 4 % 3] for i in range(120)],
}


def test_any_name_is_escaped() -> None:
    assert escaped(r"a_b%c#d&e$f{g}") == r"a\_b\%c\#d\&e\$f\{g\}"
    assert escaped("x\\y~z") == r"x\textbackslash{}y\textasciitilde{}z"
    assert escaped("−1 ≤ β₁²") == r"\ensuremath{-}1 \ensuremath{\le} \ensuremath{\beta}\ensuremath{_1}\ensuremath{^2}"
    assert escaped("Ünal, 日") == "Ünal, {[}U+65E5]"


def test_symbols_with_names() -> None:
    assert LATEX.symbol(Symbol("color one_hot", ("color = red",))) == r"\texttt{color one\_hot}_{\text{color = red}}"
    assert LATEX.symbol(Symbol("h", ("t=3", 0))) == "h_{t=3,0}"
    square = power(Name(2.0, Symbol("y", (), 1)), Number(2.0))
    assert LATEX.write(square) == r"\left(y^{(1)}\right)^{2}"  # two superscripts in a row are an error


def test_short_equations_stay_on_one_line() -> None:
    assert aligned([["z", "w + b", "3"]]) == "\\begin{align*}\nz &= w + b = 3\n\\end{align*}"


def test_long_formulas_are_broken_before_signs() -> None:
    parts = [f"{i}.25 \\cdot \\texttt{{kernel}}_{{{i},0}}" for i in range(9)]
    lines = broken(" + ".join(parts), 60)
    assert len(lines) > 1
    assert all(line.startswith("{} + ") for line in lines[1:])
    assert "".join(lines).replace("{}", "") == " + ".join(parts)


def test_brackets_are_closed_on_every_line() -> None:
    inside = " + ".join(f"x_{{{i}}} \\cdot 0.12345" for i in range(12))
    lines = broken(rf"\sigma\left({inside}\right) \cdot \left(1 - y\right)", 50)
    assert len(lines) > 1
    assert all(line.count(r"\left") == line.count(r"\right") for line in lines)
    assert (
        re.sub(r" \\right\.|\\left\. |\{\}", "", "".join(lines))
        == rf"\sigma\left({inside}\right) \cdot \left(1 - y\right)"
    )


def test_wide_fractions_become_quotients_with_a_slash() -> None:
    top = " + ".join(f"\\texttt{{unit}}_{{{i}}}" for i in range(20))
    lines = broken(rf"\frac{{{top}}}{{20}}", 60)
    assert lines[0].startswith(r"\left(\texttt{unit}_{0}")
    assert lines[-1].endswith(r"\right) / 20")
    assert broken(rf"\frac{{{top}}}{{20}}", 1000) == [rf"\frac{{{top}}}{{20}}"]


def test_tables() -> None:
    made = tabular([["a_1", "−3"]], ["name", "value"])
    assert r"\begin{tabular}{@{}lr@{}}" in made
    assert "name & value \\\\ \\hline\na\\_1 & \\ensuremath{-}3 \\\\" in made


def test_why_in_latex_has_formula_numbers_and_table(tmp_path: Path) -> None:
    model = pellucid.Sequential([pellucid.Input((2,)), layers.Dense(1, name="sum")])
    model.set_weights([[[2.0], [-1.0]], [5.0]])
    model.why([[3.0, 4.0]], names=["a_1", "b"]).save(tmp_path / "why.tex")
    made = (tmp_path / "why.tex").read_text(encoding="utf-8")
    assert r"c_{i} &= \left(x_{i} - x'_{i}\right) \cdot w_{i}" in made
    assert r"+6 & a\_1 & 3" in made
    assert r"\ensuremath{-}4 & b & 4" in made
    assert r"f(x) &= \underbrace{5}_{\text{an input of zeros}} + \underbrace{2}_{\text{contributions}}" in made
    curved = pellucid.Sequential([pellucid.Input((2,)), layers.Dense(1, "sigmoid")], seed=0)
    assert r"\int_{0}^{1}" in curved.why([[3.0, 4.0]]).latex()


def student() -> list[Any]:
    model = pellucid.Sequential([pellucid.Input((2,)), layers.Dense(2, "relu"), layers.Dense(1, "sigmoid")], seed=3)
    model.compile("adam", "binary_crossentropy")
    x = [[1.2, 0.7], [0.3, 2.0]]
    return [model.explain_step(x, [[1.0], [0.0]]), model.explain_step(x[:1], [[1.0]]), model.why(x[:1])]


def fruit_sorter() -> list[Any]:
    model = pellucid.TableModel.train(TABLE, "fruit", hidden=(8, 4), epochs=2, seed=1, verbose=0)
    step = model.explain_step(TABLE, 3, ["hidden_1/kernel", "output/bias"])
    return [model.explain_row(TABLE, 3), step, model.why(TABLE, 3)]


def lstm() -> list[Any]:
    model = pellucid.Sequential([pellucid.Input((6, 1)), layers.LSTM(4), layers.Dense(1)], seed=0)
    model.compile("rmsprop", "mse")
    x = DRAW.normal(size=(1, 6, 1))
    return [model.explain_step(x, [[1.0]]), model.explain_step(x, [[1.0]], "lstm/kernel[0,1]"), model.why(x)]


def convolutional() -> list[Any]:
    stack = [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.MaxPooling2D()]
    head = [layers.Flatten(), layers.Dropout(0.3), layers.Dense(10, "softmax")]
    model = pellucid.Sequential([pellucid.Input((12, 12, 1)), *stack, *head], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    x = DRAW.random((1, 12, 12, 1))
    return [model.explain_step(x, [3]), model.why(x)]


def attention() -> list[Any]:
    ids = pellucid.Input((5,), dtype="int32")
    h = layers.Embedding(12, 8)(ids)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 4)(h, h, use_causal_mask=True))
    model = pellucid.Model(ids, layers.Dense(12, "softmax")(h), seed=0)
    model.compile("adamw", "sparse_categorical_crossentropy")
    return [model.explain_step([[1, 2, 3, 4, 5]], [[2, 3, 4, 5, 6]]), model.why([[1, 2, 3, 4, 5]])]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize("make", [student, fruit_sorter, lstm, convolutional, attention])
def test_a_real_latex_sets_it_within_the_page(tmp_path: Path, make: Callable[[], list[Any]]) -> None:
    for place, record in enumerate(make()):
        record.save(tmp_path / f"{place}.tex")
        assert_set(tmp_path / f"{place}.tex")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_a_real_latex_takes_any_letter(tmp_path: Path) -> None:
    letters = "".join(
        chr(code) for code in [*range(32, 127), *range(0xA1, 0x180), *range(0x370, 0x3D0), 0x2080, 0x65E5]
    )
    signs = "αβγδεηθλμπρσφΔΣΦŷ∂∫√∞−·×⊙±≠≤≥≈→←↔↵⇥′‖⌈⌉⌊⌋⁻ˣ₁ₜᵀ–—‘’“”…␣°½"
    rows = [[f"{letter}a"] for letter in letters + signs]
    for place in range(0, len(rows), 40):
        (tmp_path / f"{place}.tex").write_text(document("letters", [tabular(rows[place : place + 40])]), "utf-8")
        assert_set(tmp_path / f"{place}.tex")


def assert_set(path: Path) -> None:
    """pdflatex sets the file without an error, and no line runs off the page."""
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, timeout=120)
    said = done.stdout.decode("latin-1")
    assert done.returncode == 0, said[said.find("\n!") :][:600]
    assert "Missing character" not in path.with_suffix(".log").read_text("latin-1")
    over = re.findall(r"Overfull \\hbox \(([\d.]+)pt", said)
    assert not [points for points in over if float(points) > 1.0]
