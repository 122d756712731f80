"""Grad-CAM: where in an image (or sequence) a convolutional network saw what speaks for a class.

Each feature map A_k of a convolution is weighed by how much the class's score y rises with it, α_k = mean over places
of ∂y/∂A_k; the map is relu(Σ_k α_k·A_k), brought to the size of the input. The score is the weighted sum before softmax
or sigmoid. Selvaraju et al. 2017. It is at its best in front of global average pooling: behind a Flatten the network
treats each place in its own way, of which α knows only the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy

from pellucid import ops
from pellucid.core.autodiff import gradients
from pellucid.core.graph import Program, Tensor, order
from pellucid.core.sources import feed
from pellucid.core.spec import known
from pellucid.errors import ArgumentError, ShapeError, UnknownNameError
from pellucid.execute.program import Executor
from pellucid.explain.numbers import columns
from pellucid.explain.pixels import gray, picture
from pellucid.explain.rendered import Rendered
from pellucid.explain.why import as_fed, choose, one_example, predict
from pellucid.explain.why_text import rounded
from pellucid.nn.calling import Call
from pellucid.nn.construction import Construction, constructing
from pellucid.nn.layers import convolution, depthwise
from pellucid.nn.network import Network

_HEAT = numpy.array([0.89, 0.48, 0.07])


@dataclass(frozen=True, eq=False, repr=False)
class GradCam(Rendered):
    """The map of one class: `coarse` as the layer has it, `map` in the size of the input; 0 where nothing does.

    `weights` are the α of the layer's feature maps.
    """

    what: str
    prediction: float
    layer: str
    image: numpy.ndarray
    coarse: numpy.ndarray
    map: numpy.ndarray
    weights: numpy.ndarray

    @property
    def title(self) -> str:
        return f"Where {self.layer} saw what speaks for {self.what}"

    def text(self) -> str:
        """Where the map is largest."""
        ranked = numpy.argsort(-self.coarse, axis=None)[:8]
        places = [numpy.unravel_index(i, self.coarse.shape) for i in ranked if self.coarse.flat[i] > 0]
        rows = [[", ".join(map(str, at)), rounded(float(self.coarse[at]))] for at in places]
        head = (
            f"{self.what}: {rounded(self.prediction)}; {self.layer}, {' × '.join(map(str, self.coarse.shape))} places"
        )
        return f"{head}\n\n" + (columns([["place", "strength"], *rows]) if rows else "nothing speaks for it")

    def body(self) -> str:
        """The image, and the image under its map."""
        images = self.image if self.image.ndim == 3 else self.image.T[..., None]
        heat = self.map if self.map.ndim == 2 else numpy.repeat(self.map[None], len(images), axis=0)
        given, seen = picture(gray(images), "the input as it was given"), picture(warm(images, heat), "where it looked")
        lead = f'<p class="lead">predicted: {rounded(self.prediction)}; orange: what speaks for it</p>'
        return f'{lead}\n<div style="display:flex;gap:1.5rem;flex-wrap:wrap">{given}{seen}</div>'

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "what": self.what, "prediction": self.prediction, "layer": self.layer, "coarse": self.coarse.tolist(),
            "map": self.map.tolist(), "weights": self.weights.tolist(),
        }  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw it: `pellucid.plot.grad_cam`."""
        import pellucid

        return pellucid.plot.grad_cam(self, ax=ax)


def grad_cam(
    network: Network,
    executor: Executor,
    arrays: list[numpy.ndarray],
    output: Any = None,
    layer: str | None = None,
    classes: Sequence[str] | None = None,
) -> GradCam:
    """The map of one class for one example: see `Model.grad_cam`."""
    one_example(arrays)
    arrays = as_fed(network, arrays)
    predicted = predict(network, executor, arrays)
    chosen = choose(network, output, classes, lambda: predicted)
    inputs = [feed(array.shape, value.dtype) for array, value in zip(arrays, network.inputs, strict=True)]
    with constructing(Construction()) as construction:
        outputs = network.forward(inputs)
    name, call = _seen(construction.calls, layer)
    maps = call.outputs[0]
    score = _score(outputs[chosen.output])
    value = ops.reshape(score, (prod(known(score.shape)),))[chosen.index]
    (slope,) = gradients(value, [maps])
    run = executor.compile(Program(tuple(inputs), (maps, slope)))
    features, rising = run(*arrays)
    weights = rising[0].reshape(-1, rising.shape[-1]).mean(axis=0)
    coarse = numpy.maximum(features[0] @ weights, 0.0)
    image = next((array[0] for array in arrays if array.ndim == maps.rank), None)
    if image is None:
        raise ShapeError(
            f"no input of the network has the {maps.rank} axes of {name}; name a layer that sees the image"
        )
    fine = resized(coarse, image.shape[: coarse.ndim])
    prediction = float(predicted[chosen.output].ravel()[chosen.index])
    return GradCam(chosen.words, prediction, name, image, coarse, fine, weights)


def warm(image: numpy.ndarray, heat: numpy.ndarray) -> numpy.ndarray:
    """An image in grey under orange, the warmer the larger the map; colours [height, width, 3]."""
    share = (heat / (float(heat.max()) or 1.0))[..., None] ** 0.8 * 0.75
    paper = numpy.repeat(gray(image).mean(axis=-1, keepdims=True), 3, axis=-1)
    return numpy.asarray((1.0 - share) * paper + share * _HEAT)


def resized(coarse: numpy.ndarray, shape: tuple[int, ...]) -> numpy.ndarray:
    """An array stretched to another shape, axis by axis, by linear interpolation between the centres of its places."""
    for axis, size in enumerate(shape):
        old = coarse.shape[axis]
        at = numpy.clip((numpy.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        below = at.astype(int)
        share = (at - below).reshape(-1, *(1,) * (coarse.ndim - axis - 1))
        above = numpy.minimum(below + 1, old - 1)
        coarse = coarse.take(below, axis) * (1 - share) + coarse.take(above, axis) * share
    return coarse


def _seen(calls: Sequence[Call], wanted: str | None) -> tuple[str, Call]:
    """The layer whose feature maps are looked at: the last convolution, or the one that is named."""
    named = {"/".join(call.path): call for call in calls}
    with_maps = {name: call for name, call in named.items() if call.outputs[0].rank in (3, 4)}
    if wanted is not None and with_maps:
        if wanted not in with_maps:
            raise UnknownNameError("layer with feature maps", wanted, with_maps)
        return wanted, with_maps[wanted]
    modules = (convolution.__name__, depthwise.__name__)
    found = [name for name, call in with_maps.items() if type(call.layer).__module__ in modules]
    if not found:
        kinds = ", ".join(dict.fromkeys(type(call.layer).__name__ for call in calls))
        raise ArgumentError(f"Grad-CAM looks at a convolution, and the network has none; it has: {kinds}")
    return found[-1], with_maps[found[-1]]


def _score(output: Tensor) -> Tensor:
    """The weighted sums behind an output: what its last layer calls its pre-activation, else itself."""
    sums = [
        value
        for node in order([output])
        for value in node.outputs
        if value.label == "pre_activation" and node.scope == output.node.scope and value.shape == output.shape
    ]
    return sums[-1] if sums else output
