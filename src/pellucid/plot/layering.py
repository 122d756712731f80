"""Where the boxes of a graph stand: in columns by the longest path from the inputs, with few crossings and bends.

The steps are those of Sugiyama, Tagawa & Toda 1981: ranks by longest path; a waypoint in each rank that a long edge
passes; an order in each rank by barycentres; then places, as near to those of the neighbours as the order allows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

Edge = tuple[int, int]
Point = tuple[float, float]
_SWEEPS = 12
_FIRM = 1e9  # how much more a box clings to its place than a waypoint


@dataclass(frozen=True)
class Extent:
    """How much room a box takes: its width, and its height above and below the line through its middle."""

    width: float
    above: float
    below: float


@dataclass(frozen=True)
class Layout:
    """The middle of each box, and the points that each edge goes through between its ends."""

    ranks: list[int]
    places: list[Point]
    routes: dict[Edge, list[Point]]


def layered(
    extents: Sequence[Extent], edges: Sequence[Edge], gap: Callable[[int, int], float], apart: float = 26.0
) -> Layout:
    """The layout of boxes 0 … n−1, each of which stands after those that edges come from.

    `gap(i, j)` is the least distance between two boxes that an edge connects, `apart` that between two of a rank.
    """
    ranks = _ranks(len(extents), edges)
    sizes, pieces, chains = list(extents), list[Edge](), dict[Edge, list[int]]()
    all_ranks = list(ranks)
    for start, end in dict.fromkeys(edges):
        chain = [start]
        for rank in range(ranks[start] + 1, ranks[end]):
            chain.append(len(sizes))
            sizes.append(Extent(0.0, 5.0, 5.0))
            all_ranks.append(rank)
        chain.append(end)
        chains[start, end] = chain
        pieces += itertools.pairwise(chain)
    count = len(extents)
    order = _ordered(all_ranks, pieces, count)
    ys = _heights(order, pieces, sizes, count, apart)
    _straighten([chain[1:-1] for chain in chains.values()], order, sizes, ys)
    gaps = [max((gap(i, j) for i, j in chains if ranks[i] == rank == ranks[j] - 1), default=apart)
            for rank in range(max(ranks, default=0) + 1)]  # fmt: skip
    lefts, widths = _columns(all_ranks, sizes, gaps)
    places = [(lefts[rank] + widths[rank] / 2, ys[i]) for i, rank in enumerate(ranks)]
    routes = {}
    for edge, chain in chains.items():
        routes[edge] = [
            (lefts[all_ranks[i]] + side * widths[all_ranks[i]], ys[i]) for i in chain[1:-1] for side in (0.0, 1.0)
        ]
    return Layout(ranks, places, routes)


def _ranks(count: int, edges: Sequence[Edge]) -> list[int]:
    """The longest path from a box without predecessors to each box; edges go from smaller to larger numbers."""
    ranks = [0] * count
    for start, end in sorted(edges, key=lambda edge: edge[1]):
        ranks[end] = max(ranks[end], ranks[start] + 1)
    return ranks


def _neighbours(count: int, pieces: Sequence[Edge]) -> tuple[list[list[int]], list[list[int]]]:
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for start, end in pieces:
        before[end].append(start)
        after[start].append(end)
    return before, after


def _ordered(ranks: Sequence[int], pieces: Sequence[Edge], boxes: int) -> list[list[int]]:
    """The members of each rank from top to bottom, with as few crossings as some sweeps find; waypoints first."""
    order: list[list[int]] = [[] for _ in range(max(ranks, default=0) + 1)]
    for i in sorted(range(len(ranks)), key=lambda i: (i < boxes, i)):
        order[ranks[i]].append(i)
    before, after = _neighbours(len(ranks), pieces)
    best, fewest = [list(rank) for rank in order], _crossings(order, pieces)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        linked = before if down else after
        for number in range(1, len(order)) if down else range(len(order) - 2, -1, -1):
            fixed = {i: place for place, i in enumerate(order[number - 1 if down else number + 1])}
            now = {i: float(place) for place, i in enumerate(order[number])}
            centre = {i: float(numpy.mean([fixed[j] for j in linked[i]])) if linked[i] else now[i] for i in now}
            order[number].sort(key=lambda i, centre=centre, now=now: (centre[i], now[i]))  # type: ignore[misc]
        found = _crossings(order, pieces)
        if found < fewest:
            best, fewest = [list(rank) for rank in order], found
    return best


def _crossings(order: Sequence[Sequence[int]], pieces: Sequence[Edge]) -> int:
    place = {i: (rank, at) for rank, members in enumerate(order) for at, i in enumerate(members)}
    count = 0
    by_rank: dict[int, list[Edge]] = {}
    for start, end in pieces:
        by_rank.setdefault(place[start][0], []).append((place[start][1], place[end][1]))
    for ends in by_rank.values():
        for i, (a, b) in enumerate(ends):
            count += sum((a - c) * (b - d) < 0 for c, d in ends[:i])
    return count


def _heights(
    order: Sequence[Sequence[int]], pieces: Sequence[Edge], sizes: Sequence[Extent], boxes: int, apart: float
) -> list[float]:
    """The middle of each member: ranks take turns to move to the mean of their neighbours, as far as there is room."""
    before, after = _neighbours(len(sizes), pieces)
    ys = [0.0] * len(sizes)
    weight = [_FIRM if i < boxes else 1.0 for i in range(len(sizes))]
    for sweep in range(2 * _SWEEPS + 1):
        down = sweep % 2 == 0
        for members in order if down else reversed(order):
            wanted = []
            for i in members:
                near = (before[i] if down else after[i]) or (after[i] if sweep else [])
                firm = [j for j in near if i < boxes and j < boxes] or near  # beside boxes, waypoints do not count
                wanted.append(float(numpy.mean([ys[j] for j in firm])) if firm else ys[i])
            room = [sizes[i].below + sizes[j].above + apart for i, j in itertools.pairwise(members)]
            for i, y in zip(members, _spread(wanted, room, [weight[i] for i in members]), strict=True):
                ys[i] = y
    return ys


def _spread(wanted: Sequence[float], room: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The places nearest to those wanted, by weighted squares, that keep `room` between one and the next.

    Without the room it is isotonic regression, solved by pooling neighbours that are out of order (Ayer et al. 1955).

    >>> _spread([0.0, 0.0], [10.0], [1.0, 1.0])
    [-5.0, 5.0]
    """
    offsets = [0.0]
    for distance in room:
        offsets.append(offsets[-1] + distance)
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for target, offset, weight in zip(wanted, offsets, weights, strict=True):
        mean, total, members = target - offset, weight, 1
        while pools and pools[-1][0] > mean:
            other, own, count = pools.pop()
            mean = (mean * total + other * own) / (total + own)
            total, members = total + own, members + count
        pools.append((mean, total, members))
    flat = [mean for mean, _, members in pools for _ in range(members)]
    return [mean + offset for mean, offset in zip(flat, offsets, strict=True)]


def _straighten(
    chains: Sequence[Sequence[int]], order: Sequence[Sequence[int]], sizes: Sequence[Extent], ys: list[float]
) -> None:
    """Put all waypoints of an edge on one height, where that leaves the order of every rank as it is."""
    near = {i: (members[at - 1 : at] if at else [], members[at + 1 : at + 2])
            for members in order for at, i in enumerate(members)}  # fmt: skip

    def fits(i: int, y: float) -> bool:
        above, below = near[i]
        return all(ys[j] + sizes[j].below + sizes[i].above <= y for j in above) and all(
            y + sizes[i].below + sizes[j].above <= ys[j] for j in below
        )

    for chain in chains:
        heights = [ys[i] for i in chain]
        for y in (min(heights, default=0.0), max(heights, default=0.0)):
            if all(fits(i, y) for i in chain):
                for i in chain:
                    ys[i] = y
                break


def _columns(ranks: Sequence[int], sizes: Sequence[Extent], gaps: Sequence[float]) -> tuple[list[float], list[float]]:
    """The left edge and the width of each rank."""
    widths = [0.0] * (max(ranks, default=0) + 1)
    for rank, size in zip(ranks, sizes, strict=True):
        widths[rank] = max(widths[rank], size.width)
    lefts, x = [], 0.0
    for width, gap in zip(widths, gaps, strict=True):
        lefts.append(x)
        x += width + gap
    return lefts, widths
