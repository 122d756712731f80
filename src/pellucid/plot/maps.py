"""Two-dimensional maps of what a hidden layer, an embedding or an encoder makes of the examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from pellucid.errors import ArgumentError
from pellucid.plot.figure import COLOURS, SEQUENCE, Axes, axes, colours, dress, styled
from pellucid.plot.inputs import Array, layer_value, one_of, same_rows
from pellucid.plot.inputs import labels as as_labels

METHODS = ("pca", "tsne")
_NAMED = 20  # classes up to which each has a colour and its name on the map


@styled
def layer_map(
    source: Any,
    labels: Any = None,
    layer: str | None = None,
    method: str = "pca",
    classes: Sequence[Any] | None = None,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw each example as a point, so that those lie together that a layer sees alike; in the colour of its label.

    `source`: a trace from `model.trace(x)` and the `layer` (its last with more than two units, unless named), or values
    [examples, …]; two of them per example are drawn as they are. `labels`: a class or a number per example; `classes`:
    their names. `method`: "pca", the two directions in which the values spread most; or "tsne", which keeps neighbours
    together, but no distances (needs scikit-learn).
    Source: Pearson 1901 (principal components); van der Maaten and Hinton, "Visualizing data using t-SNE", 2008.

    >>> layer_map([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0], [0.0, 3.0, 6.0]]).get_xlabel()
    'first principal component, 100% of the spread'
    """
    one_of("method", method, METHODS)
    array, name = _values(source, layer)
    flat = array.reshape(len(array), -1)
    if len(flat) < 3 or flat.shape[1] < 2:
        raise ArgumentError(f"a map needs at least 3 examples of 2 values; got {len(flat)} of {flat.shape[1]}")
    points, words = _pca(flat) if method == "pca" else _tsne(flat, seed)
    ax = axes(ax, (5.6, 4.8))
    size = 16 if len(points) <= 500 else 6
    if labels is None:
        ax.scatter(*points.T, s=size, color=COLOURS[0], alpha=0.7, linewidths=0)
    else:
        shown = as_labels(labels, "labels")
        same_rows(source=points, labels=shown)
        _coloured(ax, points, shown, classes, size)
    title = f"{len(points):,} examples as {name or 'the layer'} sees them"
    dress(ax, title, *words, lines="")
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def _values(source: Any, layer: str | None) -> tuple[Array, str]:
    ranks = range(2, 6)
    if layer is None and hasattr(source, "layers"):
        wide = [one.name for one in source.layers.values() if one.activation.ndim > 1 and one.activation[0].size > 2]
        layer = wide[-1] if wide else None
    return layer_value(source, layer, "activation", ranks, "[examples, values]")


def _pca(values: Array) -> tuple[Array, tuple[str, str]]:
    """The two principal components, by singular values of what is left without the mean; two values as they are."""
    if values.shape[1] == 2:
        return values, ("first value", "second value")
    centred = values - values.mean(0)
    left, sizes, _ = numpy.linalg.svd(centred, full_matrices=False)
    shares = sizes**2 / max(float((sizes**2).sum()), 1e-300)
    first, second = (f"{word} principal component, {share:.0%} of the spread"
                     for word, share in zip(("first", "second"), shares[:2], strict=True))  # fmt: skip
    return left[:, :2] * sizes[:2], (first, second)


def _tsne(values: Array, seed: int) -> tuple[Array, tuple[str, str]]:
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ArgumentError(
            "method='tsne' needs scikit-learn; install it: pip install scikit-learn, or use method='pca'"
        ) from None
    perplexity = min(30.0, (len(values) - 1) / 3)
    found: Array = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(values)
    return found, ("t-SNE, first direction", "t-SNE, second direction")


def _coloured(ax: Axes, points: Array, labels: Array, classes: Sequence[Any] | None, size: float) -> None:
    """Few classes have a colour each and their name in their midst; numbers and many classes, a scale."""
    from matplotlib.patheffects import withStroke

    found = sorted(set(labels.tolist()))
    if len(found) > _NAMED:
        if labels.dtype.kind not in "iufb":
            raise ArgumentError(f"labels has {len(found)} classes; up to {_NAMED} can be told apart, or give numbers")
        shown = ax.scatter(*points.T, s=size, c=labels, cmap=colours(SEQUENCE[1:]), linewidths=0)
        bar = ax.figure.colorbar(shown, ax=ax, pad=0.02, aspect=30)
        bar.set_label("label")
        bar.outline.set_visible(False)
        return
    shades = [*COLOURS, *_more_colours(max(0, len(found) - len(COLOURS)))]
    for place, label in enumerate(found):
        mine = points[labels == label]
        ax.scatter(*mine.T, s=size, color=shades[place], alpha=0.75, linewidths=0, zorder=2)
    halo = [withStroke(linewidth=4, foreground="white")]
    middle = {"ha": "center", "va": "center", "fontsize": 14, "fontweight": "bold", "path_effects": halo, "zorder": 5}
    for place, label in enumerate(found):
        name = str(classes[int(label)]) if classes is not None and not isinstance(label, str) else str(label)
        ax.text(*numpy.median(points[labels == label], 0), name, color=shades[place], **middle)


def _more_colours(count: int) -> list[Any]:
    """More colours than the palette has, from Matplotlib's."""
    from matplotlib import colormaps

    return [colormaps["tab20b"](i) for i in range(count)]
