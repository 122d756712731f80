"""Ratings of items by users, for recommendation: MovieLens, and ratings made by a rule, so that the truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError
from .datasets import loader
from .downloads import File

__all__ = ["Ratings", "Tastes", "make_ratings", "movielens"]

_ADDRESS = "https://files.grouplens.org/datasets/movielens/ml-100k/"
_RATED = File("ml-100k/u.data", f"{_ADDRESS}u.data", "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490")
_FILMS = File("ml-100k/u.item", f"{_ADDRESS}u.item", "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701")

# Of what `make_ratings` draws, in stars: the middle, and the standard deviations of leanings and of users' places; and
# of items' places from that of their kind, which lies 1 from the middle.
_MIDDLE, _LEANING, _TASTE, _WITHIN = 3.5, 0.3, 0.6, 0.2


class Ratings(NamedTuple):
    """Who gave which item how many stars: int32 `users` and `items`, numbered from 0, and float32 `ratings`, all
    [ratings]; `titles` of the items.

    >>> rated, _ = make_ratings(users=30, items=20, ratings=100)
    >>> rated._fields, rated.titles[:2]
    (('users', 'items', 'ratings', 'titles'), ['item 0', 'item 1'])
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32]
    titles: list[str]


class Tastes(NamedTuple):
    """What made ratings follow: `users` [users, 2] and `items` [items, 2] in the plane of tastes, `kinds` [items] of
    the items, and the `expected` rating of each pair [ratings], before chance was added.

    >>> _, tastes = make_ratings(users=30, items=20, ratings=100, kinds=3)
    >>> tastes.users.shape, sorted(set(tastes.kinds.tolist()))
    ((30, 2), [0, 1, 2])
    """

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    kinds: NDArray[np.int32]
    expected: NDArray[np.float32]


@loader
def movielens() -> Ratings:
    """Stars, 1 to 5, that 943 users gave to 1,682 films: MovieLens 100K, in the order of the file.

    Source: Harper and Konstan, "The MovieLens Datasets: History and Context", 2015 (GroupLens; for research, with that
    citation, not to be passed on, nor for commercial use).

    >>> users, items, ratings, titles = movielens()  # doctest: +SKIP
    >>> titles[items[0]], float(ratings[0])  # doctest: +SKIP
    ('Kolya (1996)', 3.0)
    """
    table = np.array([row.split("\t") for row in _RATED.read().decode().splitlines()], np.int32)
    titles = [row.split("|")[1] for row in _FILMS.read().decode("latin-1").splitlines()]
    return Ratings(table[:, 0] - 1, table[:, 1] - 1, table[:, 2].astype(np.float32), titles)


def make_ratings(
    users: int = 1000, items: int = 400, ratings: int = 100_000, kinds: int = 5, noise: float = 0.5, seed: int = 0
) -> tuple[Ratings, Tastes]:
    """Ratings made by a rule, and what they were made of: each user and each item has a leaning and a place in a plane.

    rating = 3.5 + user's leaning + item's leaning + user's place · item's place + `noise`·ε, all drawn from normal
    distributions. The places of items lie around those of their `kinds`, which stand on a circle of radius 1. No user
    rates an item twice, and popular items are rated more often. Stars are neither rounded nor cut off at 1 and 5, so
    that `noise` is the RMSE of the best predictions there can be. The same `seed` gives the same ratings.

    Raises `ArgumentError` for more ratings than there are pairs of a user and an item.

    >>> rated, tastes = make_ratings(users=30, items=20, ratings=100)
    >>> rated.ratings.shape, tastes.items.shape
    ((100,), (20, 2))
    """
    for name, count in {"users": users, "items": items, "ratings": ratings, "kinds": kinds}.items():
        if count < 1:
            raise ArgumentError(f"make_ratings: {name} must be at least 1, got {count}")
    if noise < 0:
        raise ArgumentError(f"make_ratings: noise is a standard deviation and cannot be below 0, got {noise}")
    if ratings > users * items:
        raise ArgumentError(
            f"make_ratings: {users:,} users and {items:,} items make {users * items:,} pairs, fewer than the "
            f"{ratings:,} ratings asked for"
        )
    random = np.random.default_rng(seed)
    kind = random.integers(kinds, size=items)
    angles = 2 * np.pi * kind / kinds
    item_places = np.stack([np.cos(angles), np.sin(angles)], axis=1) + random.normal(0, _WITHIN, (items, 2))
    user_places = random.normal(0, _TASTE, (users, 2))
    leanings = random.normal(0, _LEANING, users), random.normal(0, _LEANING, items)
    # The pairs with the largest log(weight) + Gumbel noise are a draw without repetition, by weight (Vieira 2014).
    keys = random.normal(0, 1, items) + random.gumbel(size=(users, items))
    pairs = np.argpartition(keys.ravel(), -ratings)[-ratings:]
    user, item = np.divmod(random.permutation(np.sort(pairs)), items)
    expected = _MIDDLE + leanings[0][user] + leanings[1][item] + np.sum(user_places[user] * item_places[item], axis=1)
    stars = expected + random.normal(0, noise, ratings)
    rated = Ratings(
        user.astype(np.int32), item.astype(np.int32), stars.astype(np.float32), [f"item {i}" for i in range(items)]
    )
    return rated, Tastes(
        user_places.astype(np.float32),
        item_places.astype(np.float32),
        kind.astype(np.int32),
        expected.astype(np.float32),
    )
