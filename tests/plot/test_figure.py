"""What all plots share: Matplotlib only when drawing, a clear error without it, axes given or made, the style."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest

import pellucid
from pellucid import plot
from pellucid.errors import ArgumentError
from pellucid.plot import figure

SOURCE = str(Path(pellucid.__file__).parents[1])


def run(script: str) -> str:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {SOURCE!r})\n{script}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_matplotlib_is_loaded_by_the_first_plot_not_by_the_import() -> None:
    script = """
import pellucid
pellucid.plot.roc
print("matplotlib" in sys.modules)
pellucid.plot.learning_curves({"loss": [1.0, 0.5]})
print("matplotlib" in sys.modules)
"""
    assert run(script).split() == ["False", "True"]


def test_without_matplotlib_the_error_says_what_to_install() -> None:
    script = """
sys.modules["matplotlib"] = None
import pellucid
try:
    pellucid.plot.learning_curves({"loss": [1.0, 0.5]})
except pellucid.errors.ArgumentError as error:
    print(error)
"""
    assert "pip install 'pellucid[plot]'" in run(script)


def test_axes_in_a_part_of_a_figure_are_drawn_into(pyplot: Any) -> None:
    left, _ = pyplot.figure(figsize=(8, 3)).subfigures(1, 2)
    ax = left.subplots()
    assert plot.residuals([1.0, 2.0, 4.0], [1.1, 1.9, 4.2], ax=ax) is ax
    assert "\n" in ax.get_title("left")  # the title knows how narrow it is


def test_axes_that_are_given_are_drawn_into(pyplot: Any) -> None:
    _, ax = pyplot.subplots()
    before = len(pyplot.get_fignums())
    assert plot.learning_curves({"loss": [3.0, 2.0]}, ax=ax) is ax
    assert len(pyplot.get_fignums()) == before


def test_what_is_no_axes_is_refused(pyplot: Any) -> None:
    with pytest.raises(ArgumentError, match="one Matplotlib Axes, got 1 of type Figure"):
        plot.learning_curves({"loss": [3.0]}, ax=pyplot.figure())
    _, pair = pyplot.subplots(1, 2)
    with pytest.raises(ArgumentError, match="one Matplotlib Axes, got 2"):
        plot.learning_curves({"loss": [3.0]}, ax=pair)
    with pytest.raises(ArgumentError, match="needs 3 axes, got 2"):
        figure.grid(pair, 3, 3, (1, 1))


def test_the_users_style_stays(pyplot: Any) -> None:
    pyplot.rcParams["font.size"] = 17
    plot.learning_curves({"loss": [3.0, 1.0]})
    assert pyplot.rcParams["font.size"] == 17


def test_long_titles_are_broken(pyplot: Any) -> None:
    _, ax = pyplot.subplots(figsize=(4, 3))
    figure.dress(ax, "one two three four five six seven eight nine ten eleven twelve")
    assert max(map(len, ax.get_title(loc="left").split("\n"))) <= 40


def test_ramps_go_from_light_to_dark() -> None:
    brightness = [numpy.mean(colour[:3]) for colour in figure.ramp(5)]
    assert brightness == sorted(brightness, reverse=True)
