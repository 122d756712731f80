"""A film of training: one page with a bar to scrub through the run, or an animated picture of it.

The page holds all of its numbers, rounded to what can be seen, and moves its own drawing: loss, diagram, histograms of
weights, and what the network answers (a region of decisions, a curve, or some examples) go together.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import numpy

from pellucid.errors import ArgumentError
from pellucid.explain.colours import HIDDEN, INPUT, LIGHT, NEGATIVE, OUTPUT, POSITIVE
from pellucid.explain.page import data, escape, page
from pellucid.plot.diagram_columns import compact, fullness, stroke
from pellucid.plot.shapes import Box, Circle, Curve, Image, Shape, Sheet
from pellucid.plot.svg import image_address, to_svg

CLASSES = (POSITIVE, INPUT, OUTPUT, HIDDEN[1], HIDDEN[2], HIDDEN[3], HIDDEN[4], HIDDEN[5], HIDDEN[6], HIDDEN[7])
_GIF_FRAMES, _GIF_MILLISECONDS = 30, 150
_LOOKS, _MOVES = Path(__file__).with_suffix(".css"), Path(__file__).with_suffix(".js")


@dataclass(frozen=True)
class Answers:
    """What the network answers, moment by moment: `values` [moments, …].

    "region": classes or numbers over a square of two inputs, [moments, rows, columns]; "curve": outputs over one input,
    [moments, places]; "examples": outputs for some examples, [moments, examples, outputs].
    """

    kind: str
    values: numpy.ndarray
    span: tuple[float, ...] = ()  # from … to of each input
    points: tuple[tuple[float, ...], ...] = ()  # examples: inputs, then the label
    names: tuple[str, ...] = ()  # of the inputs, of the curve's output, or of the outputs
    truths: tuple[str, ...] = ()  # labels of examples
    confidence: numpy.ndarray | None = None  # of the classes in a region, 0 to 1
    pictures: tuple[str, ...] = ()  # of examples that are images, as addresses


@dataclass(frozen=True)
class Film:
    """The moments of a run: steps, losses, the same diagram at each, histograms of weights, and answers."""

    title: str
    summary: str
    steps: tuple[int, ...]
    losses: tuple[float | None, ...]
    validation: tuple[tuple[int, float], ...]  # steps and validation losses
    sheets: tuple[Sheet, ...]
    histograms: tuple[tuple[str, float, float, numpy.ndarray], ...]  # name, from, to, counts [moments, bins]
    answers: Answers | None = None


def page_of(film: Film) -> str:
    """The page, which opens offline and works by mouse and by keyboard."""
    last = film.sheets[-1]
    record = {
        "steps": film.steps,
        "losses": film.losses,
        "validation": film.validation,
        "diagram": _series(film.sheets),
        "histograms": [{"name": name, "from": low, "to": high, "counts": _bytes(counts)}
                       for name, low, high, counts in film.histograms],
        "answers": None if film.answers is None else _answers(film.answers),
        "classes": CLASSES, "positive": POSITIVE, "negative": NEGATIVE,
    }  # fmt: skip
    style, script = (path.read_text(encoding="utf-8") for path in (_LOOKS, _MOVES))
    body = _BODY.format(
        title=escape(film.title),
        summary=escape(film.summary),
        diagram=to_svg(last, keys=True),
        last=len(film.steps) - 1,
        heading=escape(_headings(film.answers)),
        data=data("film", record),
    )
    return page(film.title, body, script, style)


_BODY = """<h1>{title}</h1>
<p class="lead">{summary}</p>
<div class="bar" role="group" aria-label="Scrub through training">
<button id="play" aria-label="Play or pause (space)">▶</button>
<input id="scrub" type="range" min="0" max="{last}" value="{last}" step="1" aria-label="Moment of training">
<output id="now" aria-live="polite"></output>
</div>
<p class="note keys">Space plays, ← → go one moment, Home and End to the first and the last.</p>
<section class="card"><h2>Network</h2><div class="wide" id="diagram">{diagram}</div></section>
<div class="cards">
<section class="card"><h2>Loss</h2><div id="loss"></div></section>
<section class="card" id="answers-card"><h2>{heading}</h2><div id="answers"></div></section>
</div>
<section class="card"><h2>Weights</h2><div id="weights" class="small"></div></section>
{data}
"""


def _headings(answers: Answers | None) -> str:
    kind = "" if answers is None else answers.kind
    return {"region": "What it decides", "curve": "What it has learned", "examples": "What it answers"}.get(kind, "")


def _series(sheets: Sequence[Sheet]) -> dict[str, Any]:
    """What changes in the diagram: for each key its values, as whole numbers of 16 bits and a scale; pictures apart."""
    keys = [shape.key for shape in sheets[-1].shapes if not isinstance(shape, (Box, Image)) and shape.key]
    found = [{shape.key: shape.value for shape in sheet.shapes if not isinstance(shape, (Box, Image)) and shape.key}
             for sheet in sheets]  # fmt: skip
    values = numpy.array([[moment.get(key, 0.0) for moment in found] for key in keys]).reshape(len(keys), len(sheets))
    values = numpy.nan_to_num(values, posinf=0.0, neginf=0.0)
    scales = numpy.maximum(numpy.abs(values).max(axis=1, initial=0.0), 1e-30) / 32767
    whole = numpy.rint(values / scales[:, None]).astype("<i2")
    pictures: dict[str, list[str]] = {}
    for sheet in sheets:
        for shape in sheet.shapes:
            if isinstance(shape, Image) and shape.key:
                pictures.setdefault(shape.key, []).append(image_address(shape))
    moving = {key: listed for key, listed in pictures.items() if len(listed) == len(sheets) and len(set(listed)) > 1}
    return {"keys": keys, "scales": [float(f"{scale:.6g}") for scale in scales],
            "values": b64encode(whole.tobytes()).decode(), "pictures": moving}  # fmt: skip


def _answers(answers: Answers) -> dict[str, Any]:
    low, high = float(answers.values.min()), float(answers.values.max())
    record: dict[str, Any] = {
        "kind": answers.kind, "span": answers.span, "points": answers.points, "names": answers.names,
        "truths": answers.truths, "pictures": answers.pictures, "shape": answers.values.shape[1:],
    }  # fmt: skip
    if answers.confidence is not None:
        return {**record, "classes": _raw(answers.values), "confidence": _bytes(answers.confidence, 1.0)}
    scaled, record = (answers.values - low) / ((high - low) or 1.0), {**record, "from": low, "to": high}
    if answers.kind == "region":
        return {**record, "values": _bytes(scaled, 1.0)}
    whole = numpy.rint(scaled * 65535).astype("<u2")
    return {**record, "values": b64encode(whole.tobytes()).decode()}


def _bytes(values: numpy.ndarray, largest: float | None = None) -> str:
    """Numbers from 0 to the largest as bytes."""
    most = float(values.max(initial=0.0)) if largest is None else largest
    return _raw(numpy.clip(values / (most or 1.0), 0.0, 1.0) * 255)


def _raw(values: numpy.ndarray) -> str:
    return b64encode(numpy.rint(values).astype(numpy.uint8).tobytes()).decode()


def on_one_scale(sheets: Sequence[Sheet]) -> list[Sheet]:
    """The sheets with thickness and fullness beside the largest number of all moments, so that growth is seen."""
    largest: dict[str, float] = {}
    for sheet in sheets:
        for shape in sheet.shapes:
            if isinstance(shape, (Circle, Curve)) and shape.key and isfinite(shape.value):
                group = shape.key.rsplit(":", 2 if isinstance(shape, Curve) else 1)[0]
                largest[group] = max(largest.get(group, 0.0), abs(shape.value))

    def scaled(shape: Shape) -> Shape:
        if isinstance(shape, Curve) and shape.key:
            width, opacity = stroke(_share(shape.value, largest.get(shape.key.rsplit(":", 2)[0], 0.0)))
            return replace(shape, width=width, opacity=opacity)
        if isinstance(shape, Circle) and shape.key:
            return replace(shape, fill=fullness(_share(shape.value, largest.get(shape.key.rsplit(":", 1)[0], 0.0))))
        return shape

    return [replace(sheet, shapes=tuple(map(scaled, sheet.shapes))) for sheet in sheets]


def _share(value: float, largest: float) -> float:
    return abs(value) / largest if largest > 0 and isfinite(value) else 0.0


# The animated picture


def gif_of(film: Film) -> bytes:
    """An animated picture of up to 30 moments: diagram, loss and answers; Pillow makes it."""
    try:
        from PIL import Image as pillow  # noqa: N813
    except ImportError as error:
        raise ArgumentError("a GIF is written by Pillow, which is not installed: pip install pillow") from error
    count = len(film.steps)
    moments = numpy.unique(numpy.linspace(0, count - 1, min(count, _GIF_FRAMES)).round().astype(int))
    pictures = [pillow.fromarray(_drawn(film, int(moment))).quantize(128) for moment in moments]
    times = [_GIF_MILLISECONDS] * (len(pictures) - 1) + [1500]
    content = BytesIO()
    pictures[0].save(content, "gif", save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=True)
    return content.getvalue()


def _drawn(film: Film, moment: int) -> numpy.ndarray:
    """One moment as pixels, [height, width, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from pellucid.plot.canvas import draw_on

    sheet = film.sheets[moment]
    columns = 1 if film.answers is None else 2
    height = min(max(9.0 * sheet.height / sheet.width, 2.5), 6.0)
    figure = Figure(figsize=(9.0, height + 2.9), dpi=72, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    edges = {"left": 0.08, "right": 0.97, "bottom": 0.6 / (height + 2.9), "top": 1.0}
    grid = figure.add_gridspec(2, columns, height_ratios=[height, 2.6], wspace=0.2, hspace=0.05, **edges)
    draw_on(figure.add_subplot(grid[0, :]), sheet)
    axes = figure.add_subplot(grid[1, 0])
    known = [(step, loss) for step, loss in zip(film.steps, film.losses, strict=True) if loss is not None]
    axes.plot([step for step, _ in known], [loss for _, loss in known], color=POSITIVE, linewidth=1.8)
    axes.axvline(film.steps[moment], color="#8A93A0", linewidth=1.2)
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.spines[["top", "right"]].set_visible(False)
    if film.answers is not None:
        _draw_answers(figure.add_subplot(grid[1, 1]), film.answers, moment)
    canvas.draw()
    pixels: numpy.ndarray = numpy.asarray(canvas.buffer_rgba())[..., :3].copy()
    return pixels


def _point_colour(answers: Answers, label: float) -> str:
    if answers.confidence is not None:
        return CLASSES[int(label) % len(CLASSES)]
    return POSITIVE if label > (float(answers.values.min()) + float(answers.values.max())) / 2 else NEGATIVE


def _draw_answers(axes: Any, answers: Answers, moment: int) -> None:
    from matplotlib.colors import LinearSegmentedColormap, to_rgb

    values = answers.values[moment]
    if answers.kind == "region":
        left, right, bottom, top = answers.span
        if answers.confidence is not None:
            picture = numpy.ones((*values.shape, 4))
            picture[..., :3] = numpy.array([to_rgb(colour) for colour in CLASSES])[values.astype(int)]
            picture[..., 3] = 0.15 + 0.6 * answers.confidence[moment]
            axes.imshow(picture, extent=(left, right, bottom, top), origin="lower", aspect="auto")
        else:
            scale = LinearSegmentedColormap.from_list("diverging", [NEGATIVE, "#FFFFFF", POSITIVE])
            axes.imshow(values, extent=(left, right, bottom, top), origin="lower", aspect="auto", cmap=scale,
                        alpha=0.8, vmin=float(answers.values.min()), vmax=float(answers.values.max()))  # fmt: skip
        colours = [_point_colour(answers, label[0]) if label else LIGHT["ink"] for _, _, *label in answers.points]
        x, y = ([point[i] for point in answers.points] for i in (0, 1))
        axes.scatter(x, y, 40, colours, edgecolors="white")
        axes.set_xlabel(answers.names[0])
        axes.set_ylabel(answers.names[1])
    elif answers.kind == "curve":
        points = [point for point in answers.points if len(point) > 1]
        axes.scatter([point[0] for point in points], [point[1] for point in points], 20, INPUT)
        low, high = answers.span
        axes.plot(numpy.linspace(low, high, len(values)), values, color=OUTPUT, linewidth=2)
        axes.set_ylim(float(answers.values.min()), float(answers.values.max()))
        axes.set_xlabel(answers.names[0])
    else:
        axes.imshow(values, cmap="Greens", aspect="auto", vmin=float(answers.values.min()),
                    vmax=float(answers.values.max()))  # fmt: skip
        axes.set_yticks(range(len(values)), [f"true: {text}" for text in answers.truths] or None)
        axes.set_xticks(range(values.shape[1]), [compact(float(i)) for i in range(values.shape[1])])
        axes.set_xlabel("output")
