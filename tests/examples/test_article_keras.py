"""The article's program: its text, and what it draws, seen by a stand-in for Matplotlib that only remembers."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest

import pellucid

EXAMPLE = Path(__file__).parents[2] / "examples" / "article_keras.py"

RUNS = 15
ARTICLE = """import numpy as np
import tensorflow as tf
import matplotlib.pyplot as plt

# Generating data
X = np.linspace(-1, 1, 100).reshape(-1, 1)
y = 2 * X + 1 + 0.1 * np.random.randn(100, 1)  # y = 2x + 1 with noise

# Defining the model
model = tf.keras.Sequential([
    tf.keras.layers.Dense(10, input_shape=(1,), activation='relu'),  # First hidden layer
    tf.keras.layers.Dense(5, activation='relu'),  # Second hidden layer
    tf.keras.layers.Dense(1, activation='linear')  # Output layer
])

# Compiling the model
model.compile(optimizer='adam', loss='mse')

# Training the model
model.fit(X, y, epochs=200, verbose=0)

# Predictions
predictions = model.predict(X)

# Visualizing results
plt.scatter(X, y, label="Actual Data")
plt.plot(X, predictions, color='red', label="Model Predictions")
plt.legend()
plt.show()
"""


def test_only_the_import_differs():
    program = EXAMPLE.read_text(encoding="utf-8").split('"""\n', 1)[1].lstrip("\n")
    assert program == ARTICLE.replace("import tensorflow as tf", "import pellucid").replace("tf.keras", "pellucid")


def test_it_draws_the_line(monkeypatch, capsys):
    drawn: list[tuple[str, Any, Any]] = []
    pyplot = ModuleType("matplotlib.pyplot")
    for name in ("scatter", "plot", "legend", "show"):
        setattr(pyplot, name, lambda *arrays, name=name, **_: drawn.append((name, *arrays)))
    package = ModuleType("matplotlib")
    package.pyplot = pyplot
    monkeypatch.setitem(sys.modules, "matplotlib", package)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    state = numpy.random.get_state()
    try:
        for seed in range(RUNS):
            numpy.random.seed(seed)
            pellucid.utils.set_random_seed(seed)
            runpy.run_path(str(EXAMPLE))
    finally:
        numpy.random.set_state(state)
    assert [call[0] for call in drawn] == ["scatter", "plot", "legend", "show"] * RUNS
    errors = []
    for (_, x, y), (_, x_again, predictions) in zip(drawn[::4], drawn[1::4], strict=True):
        assert x is x_again
        assert predictions.shape == y.shape == (100, 1)
        errors.append(float(numpy.sqrt(numpy.mean((predictions - (2 * x + 1)) ** 2))))
    # A line through the mean misses by 1.17. Half of the starts come within 0.07 of the true line (as with PyTorch);
    # a few have so many dead units that 800 steps of Adam do not suffice.
    assert numpy.median(errors) < 0.15
    assert capsys.readouterr().out == ""  # predict and fit(verbose=0) are quiet


def test_the_picture(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: plt.savefig(tmp_path / "line.png"))
    runpy.run_path(str(EXAMPLE))
    plt.close("all")
    assert (tmp_path / "line.png").stat().st_size > 5_000
