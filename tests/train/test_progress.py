"""How training is shown: lines without control characters, a bar on a terminal, nothing when told to be quiet."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.train.progress import Bar, Lines, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_one_line_per_epoch(numbers: Any, regression: Any, capsys: pytest.CaptureFixture[str]) -> None:
    regression(metrics=["mae"]).fit(*numbers, epochs=2, validation_split=0.2)
    out = capsys.readouterr()
    lines = out.out.splitlines()
    assert len(lines) == 2
    number = r"\d\S*"
    figures = f"loss {number}  mae {number}  val_loss {number}  val_mae {number}"
    assert re.fullmatch(rf"Epoch 1/2  \d\.\ds  {figures}", lines[0])
    assert "\x1b" not in out.out
    assert out.err == ""


def test_quiet(numbers: Any, regression: Any, capsys: pytest.CaptureFixture[str]) -> None:
    model = regression()
    model.fit(*numbers, verbose=0)
    model.predict(numbers[0])
    assert capsys.readouterr() == ("", "")


def test_what_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for verbose, terminal, kind in [
        (0, True, None), (2, True, Lines), (1, True, Bar), ("auto", True, Bar), ("auto", False, Lines),
        (1, False, Lines),
    ]:  # fmt: skip
        display = progress(verbose, 3, 5, Terminal() if terminal else io.StringIO())
        assert (None if display is None else type(display)) is kind
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress("auto", 3, 5, Terminal())) is Lines


@pytest.mark.parametrize("steps", [4, None])
def test_the_bar(steps: int | None, numbers: Any, regression: Any) -> None:
    stream = Terminal()
    display = Bar(stream, 2, steps)
    watch = pl.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)  # halts after every batch
    x, y = numbers
    model = regression()
    given = (x, y) if steps else ([(x[:50], y[:50]), (x[50:], y[50:])],)
    model.fit(*given, epochs=2, verbose=0, callbacks=[watch, display])
    display.close()
    shown = stream.getvalue()
    assert "Epoch 1/2" in shown
    assert ("━" in shown and "/4" in shown and "s left" in shown) if steps else "1 batches" in shown
    assert re.search(r"Epoch 2/2  \d\.\ds  loss \d", shown)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # the cursor is given back
    assert display.live is None


def test_the_terminal_is_given_back_when_training_breaks(
    numbers: Any, regression: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("TERM", "xterm")

    def fail(epoch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        regression().fit(*numbers, epochs=3, callbacks=pl.callbacks.LambdaCallback(on_epoch_end=fail))
    shown = stream.getvalue()
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0


def test_lists_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    model = pl.Sequential([pl.layers.Dense(2, activation="softmax", input_shape=(1,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["confusion_matrix", "accuracy"])
    model.fit(np.ones((4, 1)), [0, 1, 0, 1])
    assert re.search(r"s  loss \S+  accuracy 0\.5\n$", capsys.readouterr().out)
