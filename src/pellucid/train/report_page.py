"""A report as a page: what it found first, then data, training, errors, reasons, the network, and how to repeat it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from pellucid.explain.page import escape, fold, table
from pellucid.explain.why_html import bar
from pellucid.explain.why_text import largest, rounded, signed
from pellucid.train.table_figures import LABELS, meaning, written

if TYPE_CHECKING:
    from pellucid.explain.why import Why
    from pellucid.train.report import ColumnSummary, Mistake, Report

_REASONS, _REACH = 4, 5.5  # contributions of a row that are shown, and em of their bars to each side
_LARGE = 150_000  # bytes of a vector picture above which it is kept as dots
STYLE = """
.pellucid .cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1.2rem 0}
.pellucid .card{flex:1 1 9rem;border:1px solid var(--line);border-radius:10px;padding:.7rem 1rem;
background:var(--panel)}
.pellucid .card b{display:block;font-size:1.7rem;line-height:1.25;font-variant-numeric:tabular-nums}
.pellucid .card span{color:var(--faint);font-size:.86rem}
.pellucid .reasons .card{flex:1 1 21rem}
.pellucid .reasons h3{margin:0 0 .2rem;font-size:.95rem}
.pellucid .reasons table{width:100%;margin:.4rem 0 0;font-size:.86rem}
.pellucid .reasons td{border:0;padding:.1rem .3rem}
.pellucid .pictures{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
.pellucid .pictures figure{flex:1 1 24rem;margin:.4rem 0;background:#fff;border-radius:10px;padding:.5rem;
border:1px solid var(--line)}
.pellucid .pictures svg,.pellucid .pictures img{width:100%;height:auto;display:block}
.pellucid .wide td,.pellucid .wide th{white-space:nowrap}
.pellucid .bars{vertical-align:middle;max-width:none}
.pellucid .bars rect{fill:var(--accent);opacity:.8}
"""


def body(report: Report) -> str:
    """Everything between the page's title and its end."""
    parts = [
        f"<style>{STYLE}</style>",
        _opening(report),
        _figures(report),
        _section("How it was trained", _training(report)),
        _section("Where it is right, and where it errs", _errors(report)),
        _section("What it rests on", report.importance.body()),
        _section("The rows it is most wrong about", _mistakes(report.mistakes)),
        _section("What the doctor finds", _diagnosis(report)),
        _section("The data", _data(report)),
        _section("The network", _network(report)),
        _section("To repeat it", _provenance(report)),
    ]
    return "\n".join(part for part in parts if part)


def _section(title: str, inside: str) -> str:
    return f"<h2>{title}</h2>\n{inside}" if inside else ""


def _opening(report: Report) -> str:
    model, rows = report.model, report.model.source["rows"]
    kind = "a number" if model.target.task == "regression" else f"one of {len(model.target.classes)} classes"
    return (
        f'<p class="lead">A network predicts <b>{escape(model.target.name)}</b>, {kind}, from '
        f"{len(model.schema.features)} columns. It was trained on {rows['train']:,} rows and tested on "
        f"{report.rows_tested:,} that it had not seen. {escape(report.made)}.</p>"
    )


def _figures(report: Report) -> str:
    cards = []
    for name, value in report.figures.items():
        bounds = [written(name, bound) for bound in report.intervals.get(name, ())]
        between = f"95 % between {bounds[0]} and {bounds[1]}. " if bounds else ""
        said = f"{between}{_sentence(meaning(name, report.model.target))}"
        cards.append(
            f'<div class="card">{escape(_capital(LABELS[name]))}<b>{written(name, value)}</b>'
            f"<span>{escape(said)}</span></div>"
        )
    return f'<div class="cards">{"".join(cards)}</div>'


def _sentence(words: str) -> str:
    return f"{_capital(words)}."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _training(report: Report) -> str:
    from pellucid import plot

    history = report.model.history
    if history is None or not history.epoch:
        return ""
    figure = "rmse" if "rmse" in history.history else "accuracy"
    drawn = [_picture(lambda: plot.learning_curves(history), "Loss by epoch")]
    drawn.append(_picture(lambda: plot.learning_curves(history, figure), f"{_capital(LABELS[figure])} by epoch"))
    return _pictures(drawn)


def _errors(report: Report) -> str:
    from pellucid import plot

    target, truth, outputs = report.model.target, report.truth.ravel(), report.outputs
    if target.task == "regression":
        guess = report.model.encoder.decode(outputs)
        return _pictures(
            [
                _picture(lambda: plot.predicted(truth, guess, target.name), "Predicted against true"),
                _picture(lambda: plot.residuals(truth, guess, target.name), "Residuals"),
            ]
        )
    names, chances = [str(name) for name in target.classes], report.model.probabilities(outputs)
    true = numpy.array(names, object)[truth.astype(int)]
    draw: list[str] = [_picture(lambda: plot.confusion_matrix(true, chances, names), "Confusion matrix")]
    if len(numpy.unique(truth)) > 1 and len(names) <= 10:
        scores = chances[:, 1] if target.task == "binary" else chances
        draw.append(_picture(lambda: plot.roc(true, scores, names), "ROC"))
    return _pictures(draw)


def _mistakes(mistakes: Sequence[Mistake]) -> str:
    if not mistakes:
        return "<p>It is right about every row.</p>"
    names = list(mistakes[0].cells)
    rows = [
        [
            escape(one.place),
            f"<b>{escape(one.true)}</b>",
            f"<b>{escape(one.predicted)}</b>",
            *(escape(one.cells[name]) for name in names),
        ]
        for one in mistakes
    ]
    return table(rows, ["", "true", "predicted", *map(escape, names)]) + _reasons(mistakes)


def _reasons(mistakes: Sequence[Mistake]) -> str:
    """What made each of these predictions: the largest contributions, all bars on one scale."""
    most = max(float(abs(share.contributions).max()) for one in mistakes for share in one.why.inputs) or 1.0
    cards = "".join(f'<div class="card"><h3>{_head(one)}</h3>{_contributions(one.why, most)}</div>' for one in mistakes)
    return (
        "<h3>Why it predicted so</h3>\n"
        '<p class="note">What the columns of each row add to what a usual row gives, and take from it.</p>\n'
        f'<div class="cards reasons">{cards}</div>'
    )


def _head(one: Mistake) -> str:
    return f"{escape(one.predicted)}, truly {escape(one.true)} <span>{escape(one.place)}</span>"


def _contributions(why: Why, most: float) -> str:
    (share,) = why.inputs
    places, rest, others = largest(share, _REASONS)
    values = [float(share.contributions[i]) for i in places]
    rows = [
        [f"{escape(share.labels[i])} = {escape(share.shown[i])}", bar(value / most, _REACH), signed(value)]
        for i, value in zip(places, values, strict=True)
    ]
    if others and rest:
        rows.append([f"{others} other{'s' * (others > 1)}", bar(rest / most, _REACH), signed(rest)])
    usual = f"In a usual row {why.what} is {rounded(why.baseline)}."
    return f"<span>{escape(usual)}</span>{table(rows)}"


def _diagnosis(report: Report) -> str:
    none = "" if report.diagnosis.findings else "<p>Nothing: data, network and course of training look healthy.</p>\n"
    return none + report.diagnosis.body()


def _data(report: Report) -> str:
    rows = [
        [escape(one.name), escape(one.kind), _bars(one), f"{one.missing:,}" if one.missing else "–",
         f"{one.distinct:,}", escape(one.values)]
        for one in report.columns
    ]  # fmt: skip
    head = ["column", "kind", "", "missing", "distinct", "values"]
    notices = "".join(f"<li>{escape(notice)}</li>" for notice in report.model.notices)
    told = fold("What was chosen, and what was left out", f"<ul>{notices}</ul>") if notices else ""
    return table(rows, head, left=(0, 1, 5)) + told


def _bars(column: ColumnSummary) -> str:
    """A column's values as bars in 120 by 26 pixels."""
    if not column.bars:
        return ""
    largest, wide = max(column.bars) or 1, 120 / len(column.bars)
    bars = "".join(
        f'<rect x="{i * wide:.1f}" y="{26 - 26 * count / largest:.1f}" width="{max(wide - 1, 0.6):.1f}" '
        f'height="{26 * count / largest:.1f}"/>'
        for i, count in enumerate(column.bars)
        if count
    )
    return f'<svg class="bars" width="120" height="26" role="img" aria-label="how often each value is">{bars}</svg>'


def _network(report: Report) -> str:
    model = report.model.model
    return (
        f"<p>{model.count_params():,} weights. Lines show weights: blue above 0, red below, as thick as they are "
        f"large.</p>\n{report.model.diagram().svg()}"
    )


def _provenance(report: Report) -> str:
    command = f"<pre>{escape(report.command)}</pre>" if report.command else ""
    settings = report.model.settings.to_json()
    rows = [[escape(name), escape(value)] for name, value in {**report.provenance, **settings}.items()]
    return command + fold("Settings and versions", table(rows, left=(0, 1)))


def _pictures(drawn: Sequence[str]) -> str:
    return f'<div class="pictures">{"".join(drawn)}</div>'


def _picture(draw: Callable[[], Any], words: str) -> str:
    """What a plot draws, as part of the page: vectors, or dots where these would be large."""
    from pellucid.plot.figure import pyplot

    figure = draw().figure
    try:
        vectors = io.BytesIO()
        figure.savefig(vectors, format="svg", metadata={"Date": None})
        text = vectors.getvalue().decode()
        inside = text[text.index("<svg") :]
        if len(inside) > _LARGE:
            dots = io.BytesIO()
            figure.savefig(dots, format="png", dpi=160)
            inside = (
                f'<img alt="{escape(words)}" src="data:image/png;base64,{base64.b64encode(dots.getvalue()).decode()}">'
            )
    finally:
        pyplot().close(figure)
    return f"<figure>{inside}</figure>"
