"""A film of training: one page with a bar to scrub through the run, or an animated picture of it.

The page holds all of its numbers, rounded to what can be seen, and moves its own drawing: loss, diagram, histograms of
weights, and what the network answers (a region of decisions, a curve, or some examples) go together.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
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
_GIF_FRAMES, _GIF_MILLISECONDS, _GIF_COLOURS = 30, 150, 200
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
    drawn = list(_drawn(film, moments.tolist()))
    ends = pillow.fromarray(numpy.concatenate([drawn[0], drawn[len(drawn) // 2], drawn[-1]])).quantize(_GIF_COLOURS)
    pictures = [pillow.fromarray(pixels).quantize(palette=ends, dither=pillow.Dither.NONE) for pixels in drawn]
    times = [_GIF_MILLISECONDS] * (len(pictures) - 1) + [1500]
    content = BytesIO()
    pictures[0].save(content, "gif", save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=True)
    return content.getvalue()


def _drawn(film: Film, moments: Sequence[int]) -> Iterator[numpy.ndarray]:
    """Moments as pixels, [height, width, 3]. What stays (axes, ticks, the loss) is drawn once, what moves over it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from pellucid.plot.canvas import INCH, draw_on

    sheet = film.sheets[-1]
    width = max(sheet.width / INCH, 9.0)
    height = width * sheet.height / sheet.width
    figure = Figure(figsize=(width, height + 2.9), dpi=72, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    edges = {"left": 0.08, "right": 0.97, "bottom": 0.6 / (height + 2.9), "top": 1.0}
    columns = 1 if film.answers is None else 2
    grid = figure.add_gridspec(2, columns, height_ratios=[height, 2.6], wspace=0.2, hspace=0.05, **edges)
    network, losses = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0])
    network.axis("off")
    known = [(step, loss) for step, loss in zip(film.steps, film.losses, strict=True) if loss is not None]
    losses.plot([step for step, _ in known], [loss for _, loss in known], color=POSITIVE, linewidth=1.8)
    now = losses.axvline(film.steps[-1], color="#8A93A0", linewidth=1.2, animated=True)
    losses.set_xlabel("step")
    losses.set_ylabel("loss")
    losses.spines[["top", "right"]].set_visible(False)
    answer = None if film.answers is None else _Answering(figure.add_subplot(grid[1, 1]), film.answers)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    for moment in moments:
        canvas.restore_region(still)
        draw_on(network, film.sheets[moment])
        figure.draw_artist(network)
        for shape in [*network.patches, *network.texts, *network.images]:
            shape.remove()
        now.set_xdata([film.steps[moment]] * 2)
        figure.draw_artist(now)
        for moving in answer.at(moment) if answer else ():
            figure.draw_artist(moving)
        yield numpy.asarray(canvas.buffer_rgba())[..., :3].copy()


def _point_colour(answers: Answers, label: float) -> str:
    if answers.confidence is not None:
        return CLASSES[int(label) % len(CLASSES)]
    return POSITIVE if label > (float(answers.values.min()) + float(answers.values.max())) / 2 else NEGATIVE


class _Answering:
    """Axes that show what the network answers, moment by moment."""

    def __init__(self, axes: Any, answers: Answers) -> None:
        """Draw what stays."""
        self._answers, first = answers, answers.values[0]
        low, high = float(answers.values.min()), float(answers.values.max())
        self._single = answers.kind == "examples" and first.shape[-1] == 1
        if self._single:
            truths = [float(text) for text in answers.truths]
            self._moving = list(axes.barh(range(len(first)), first[:, 0], 0.6, color=POSITIVE, animated=True))
            axes.vlines(truths, *(numpy.arange(len(truths)) + end for end in (-0.4, 0.4)), color=OUTPUT, linewidth=3)
            left, right = min(low, *truths, 0.0), max(high, *truths, 0.0)
            axes.set_xlim(left - 0.04 * (right - left), right + 0.04 * (right - left))
            axes.set_yticks([])
            axes.invert_yaxis()
            axes.axvline(0.0, color=LIGHT["line"], linewidth=1)
            axes.set_xlabel("answer (bar) and truth (green)" if truths else "answer")
        elif answers.kind == "examples":
            self._moving = [axes.imshow(first, cmap="Greens", aspect="auto", vmin=low, vmax=high, animated=True)]
            axes.set_yticks(range(len(first)), [f"true: {text}" for text in answers.truths] or None)
            axes.set_xticks(range(first.shape[1]), [compact(float(i)) for i in range(first.shape[1])])
            axes.set_xlabel("output")
        elif answers.kind == "curve":
            points = [point for point in answers.points if len(point) > 1]
            axes.scatter([point[0] for point in points], [point[1] for point in points], 20, INPUT)
            left, right = answers.span
            places = numpy.linspace(left, right, len(first))
            self._moving = axes.plot(places, first, color=OUTPUT, linewidth=2, animated=True)
            axes.set_ylim(low, high)
            axes.set_xlabel(answers.names[0])
        else:
            from matplotlib.colors import LinearSegmentedColormap

            scale = LinearSegmentedColormap.from_list("diverging", [NEGATIVE, "#FFFFFF", POSITIVE])
            picture = axes.imshow(self._picture(0), extent=answers.span, origin="lower", aspect="auto", cmap=scale,
                                  vmin=low, vmax=high, animated=True)  # fmt: skip
            if answers.confidence is None:
                picture.set_alpha(0.8)
            colours = [_point_colour(answers, label[0]) if label else LIGHT["ink"] for _, _, *label in answers.points]
            x, y = ([point[i] for point in answers.points] for i in (0, 1))
            self._moving = [picture, axes.scatter(x, y, 40, colours, edgecolors="white", animated=True)]
            axes.set_xlabel(answers.names[0])
            axes.set_ylabel(answers.names[1])

    def at(self, moment: int) -> list[Any]:
        """What moves, the lowest first, as it was at a moment."""
        if self._single:
            for bar, value in zip(self._moving, self._answers.values[moment][:, 0], strict=True):
                bar.set_width(value)
        elif self._answers.kind == "curve":
            self._moving[0].set_ydata(self._answers.values[moment])
        else:
            self._moving[0].set_data(self._picture(moment))
        return self._moving

    def _picture(self, moment: int) -> numpy.ndarray:
        """The answers of a moment, for a region of classes in their colours."""
        confidence = self._answers.confidence
        values: numpy.ndarray = self._answers.values[moment]
        if confidence is None:
            return values
        from matplotlib.colors import to_rgb

        picture = numpy.ones((*values.shape, 4))
        picture[..., :3] = numpy.array([to_rgb(colour) for colour in CLASSES])[values.astype(int)]
        picture[..., 3] = 0.15 + 0.6 * confidence[moment]
        return picture
