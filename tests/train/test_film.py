"""The page that scrubs through a recording: its numbers are the run's, and in a browser it works by itself."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.callbacks import Recorder, Recording
from pellucid.layers import Conv2D, Dense, Flatten, Input
from pellucid.train.filming import film_of


def decisions(classes: int = 1) -> Recording:
    """Two inputs; a region of decisions."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(60, 2)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]).astype(np.int32) + (classes > 2) * (x[:, 0] > 0)
    last = Dense(1, "sigmoid", name="above") if classes == 1 else Dense(classes, "softmax", name="above")
    model = pellucid.Sequential(
        [Input((2,), name="place"), Dense(3, "tanh", name="hidden"), last], seed=1, name="plane"
    )
    loss = "binary_crossentropy" if classes == 1 else "sparse_categorical_crossentropy"
    model.compile(pellucid.optimizers.Adam(0.05), loss)
    recorder = Recorder(every=4, examples=(x[:20], y[:20]))
    model.fit(x, y, batch_size=20, epochs=8, verbose=0, validation_split=0.2, callbacks=recorder)
    return recorder.recording


def digits() -> Recording:
    """Images, whose diagram has pictures; answers for examples."""
    draw = np.random.default_rng(1)
    x, y = draw.random((24, 8, 8, 1), np.float32), draw.integers(0, 3, 24)
    layers = [Input((8, 8, 1)), Conv2D(4, 3, activation="relu"), Flatten(), Dense(3, "softmax")]
    model = pellucid.Sequential(layers, seed=1)
    model.compile("adam", "sparse_categorical_crossentropy")
    recorder = Recorder(every=2, examples=(x[:3], y[:3]))
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=recorder)
    return recorder.recording


def line(labelled: bool = True) -> Recording:
    """One input; a curve."""
    x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    model = pellucid.Sequential([Input((1,), name="x"), Dense(4, "relu"), Dense(1, name="y")], seed=1)
    model.compile("adam", "mse")
    recorder = Recorder(every=1, examples=(x, 2 * x + 1) if labelled else x)
    model.fit(x, 2 * x + 1, epochs=3, verbose=0, callbacks=recorder)
    return recorder.recording


def prices() -> Recording:
    """Three inputs and a number: a bar for each example."""
    x = np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)
    model = pellucid.Sequential([Input((3,)), Dense(1)], seed=1)
    model.compile("adam", "mse")
    recorder = Recorder(every=1, examples=(x[:4], x[:4].sum(axis=1)))
    model.fit(x, x.sum(axis=1), epochs=2, verbose=0, callbacks=recorder)
    return recorder.recording


def record(recording: Recording) -> dict[str, Any]:
    """The numbers that the page holds."""
    (text,) = re.findall(r'<script type="application/json" id="film">(.*?)</script>', recording.html(), re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


def test_the_page_has_the_numbers_of_the_run() -> None:
    recording = decisions()
    found = record(recording)
    assert found["steps"] == recording.steps
    assert found["losses"] == [frame.loss for frame in recording.frames.kept]
    assert len(found["validation"]) == 8
    diagram = found["diagram"]
    values = np.frombuffer(base64.b64decode(diagram["values"]), "<i2").reshape(-1, len(found["steps"]))
    moment = recording.at(8)
    for name, i, j in (("hidden", 0, 2), ("above", 2, 0)):
        row = diagram["keys"].index(f"w:{name}:{i}:{j}")
        weight = values[row, recording.steps.index(8)] * diagram["scales"][row]
        assert weight == pytest.approx(moment.weights[f"{name}/kernel"][i, j], abs=2e-5 + abs(diagram["scales"][row]))
    row = diagram["keys"].index("v:above:0")
    assert values[row, 2] * diagram["scales"][row] == pytest.approx(moment.trace["above"].activation[0, 0], abs=1e-4)


def test_a_region_is_what_the_network_decides() -> None:
    recording = decisions(3)
    film = film_of(recording)
    assert film.answers is not None
    left, right, bottom, top = film.answers.span
    assert film.answers.values.shape == (len(recording), 40, 40)
    x = np.array([[left, bottom], [right, bottom], [left, top]], np.float32)
    expected = recording.at(10**6).model.predict(x).argmax(axis=1)
    corners = film.answers.values[-1]
    assert [corners[0, 0], corners[0, -1], corners[-1, 0]] == expected.tolist()


def test_a_curve_and_examples() -> None:
    film = film_of(line())
    assert film.answers is not None
    assert film.answers.kind == "curve"
    assert film.answers.points[0] == (-1.0, -1.0)
    found = film_of(digits()).answers
    assert found is not None
    assert found.values.shape[1:] == (3, 3)
    assert len(found.pictures) == 3


def test_long_recordings_are_thinned_and_small() -> None:
    recording = decisions()
    frame = recording.frames.kept[0]
    recording.frames.kept = [type(frame)(step, 0, 1.0, frame.weights, frame.optimizer) for step in range(190)]
    film = film_of(recording)
    assert len(film.steps) == 120
    assert (film.steps[0], film.steps[-1]) == (0, 189)
    assert len(recording.html().encode()) < 500_000


def test_without_examples_there_are_weights_alone() -> None:
    x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    model, recorder = pellucid.Sequential([Input((1,)), Dense(1)], seed=1), Recorder(every=1)
    model.compile("sgd", "mse")
    model.fit(x, x, verbose=0, callbacks=recorder)
    assert record(recorder.recording)["answers"] is None


PROBE = """<script>
window.addEventListener("error", event => document.body.dataset.error = event.message);
const press = key => document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const line = document.querySelector("#diagram [data-key^='w:']");
const state = () => [scrub.value, now.textContent, line?.getAttribute("stroke-width")];
const seen = [];
for (const key of ["Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End"]) { press(key); seen.push(state()); }
press(" ");
seen.push([play.textContent]);
press(" ");
document.body.dataset.seen = JSON.stringify(seen);
const asked = performance.getEntriesByType("resource").filter(one => !one.name.startsWith("data:"));
document.body.dataset.requests = String(asked.length);
</script></body>"""


@pytest.mark.parametrize(
    "make",
    [decisions, lambda: decisions(3), digits, line, prices],
    ids=["region", "classes", "images", "curve", "number"],
)
def test_it_works_in_a_browser_by_keyboard(make: Any, tmp_path: Path, open_page: Callable[[Path], str]) -> None:
    recording = make()
    path = tmp_path / "run.html"
    recording.save(path)
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", PROBE), encoding="utf-8")
    document = open_page(path)
    assert "data-error" not in document
    (text,) = re.findall(r'data-seen="(.*?)"', document)
    seen = json.loads(text.replace("&quot;", '"'))
    last = str(len(recording.steps) - 1)
    assert [one[0] for one in seen[:5]] == ["0", "1", "2", "1", last]
    assert seen[0][1].startswith(f"step {recording.steps[0]}  ·  loss ")
    assert re.match(rf"step {recording.steps[1]}\b.*loss", seen[1][1])
    if seen[0][2] is not None:
        assert len({one[2] for one in seen[:3]}) > 1  # lines move
    assert seen[5] == ["❚❚"]
    assert 'data-requests="0"' in document


def test_an_animated_picture_is_written(tmp_path: Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    recording = line(labelled=False)
    path = tmp_path / "run.gif"
    recording.save(path)
    with pillow.open(path) as picture:
        assert picture.n_frames == len(recording)
        assert picture.size[0] == 648
