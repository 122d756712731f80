"""The ways from a weight to the loss, the largest first.

The derivative of the loss with respect to a value is known for every value on the way, so what a whole bundle of ways
that begin alike adds to the gradient is known too: the product of their local derivatives so far times the derivative
where they stand. The search goes on with the largest bundles alone, so that it is bounded in any network; in a small
one nothing is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.graph import Tensor
from pellucid.explain.chain_rule import ChainRule, Link
from pellucid.explain.naming import Index


@dataclass(frozen=True)
class _Bundle:
    """Ways that begin alike: the links so far, and the product of their local derivatives."""

    links: tuple[Link, ...]
    product: float

    @property
    def weight(self) -> float:
        """What all ways in it add to the gradient."""
        return self.product * self.links[-1].derivative if self.links else self.product


def largest_paths(chain: ChainRule, weight: Tensor, index: Index, width: int) -> tuple[list[tuple[Link, ...]], bool]:
    """The largest ways found, each as its links from the weight on, and whether these are all there are."""
    loss = chain.unfolding.opened.loss
    found: list[_Bundle] = []
    bundles, complete = [_Bundle((), 1.0)], True
    while bundles:
        further: list[_Bundle] = []
        for bundle in bundles:
            value, place = (bundle.links[-1].value, bundle.links[-1].index) if bundle.links else (weight, index)
            for link in chain.links(value, place):
                longer = _Bundle((*bundle.links, link), bundle.product * link.local.value)
                (found if link.value is loss else further).append(longer)
        ranked = sorted(further, key=lambda bundle: -abs(bundle.weight))
        bundles = ranked[:width]
        complete = complete and all(bundle.weight == 0.0 for bundle in ranked[width:])
    found.sort(key=lambda bundle: -abs(bundle.product))
    shown = [bundle for bundle in found if bundle.product] or found[:1]  # one way shows why nothing comes through
    return [bundle.links for bundle in shown[:width]], complete and len(shown) <= width
