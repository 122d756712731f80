"""Ratings: those that are made follow their rule, and MovieLens is read as it was published."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import ratings
from pellucid.data.ratings import make_ratings
from pellucid.errors import ArgumentError, DataError


def test_made_ratings_follow_their_rule() -> None:
    rated, tastes = make_ratings(seed=3)
    assert rated.users.dtype == rated.items.dtype == np.int32
    assert rated.ratings.shape == tastes.expected.shape == (100_000,)
    assert (tastes.users.shape, tastes.items.shape, tastes.kinds.max()) == ((1000, 2), (400, 2), 4)
    assert len(rated.titles) == 400
    # What places do not explain is one number of the user and one of the item.
    left = tastes.expected - np.sum(tastes.users[rated.users] * tastes.items[rated.items], axis=1)
    columns = np.zeros((len(left), 1400), np.float32)
    columns[np.arange(len(left)), rated.users] = columns[np.arange(len(left)), 1000 + rated.items] = 1
    leanings = np.linalg.lstsq(columns.T @ columns, columns.T @ left, rcond=None)[0]
    assert np.abs(columns @ leanings - left).max() < 1e-2


def test_noise_is_as_large_as_it_was_said_to_be() -> None:
    for noise in (0.0, 0.5, 1.0):
        rated, tastes = make_ratings(noise=noise, ratings=40_000)
        chance = rated.ratings - tastes.expected
        assert chance.std() == pytest.approx(noise, rel=0.02)
        assert abs(chance.mean()) < 0.02


def test_pairs_are_rated_once_and_popular_items_often() -> None:
    rated, _ = make_ratings(users=50, items=40, ratings=1000)
    assert len(set(zip(rated.users.tolist(), rated.items.tolist(), strict=True))) == 1000
    counts = np.bincount(rated.items, minlength=40)
    assert counts.max() > 3 * counts.min()
    assert not np.array_equal(rated.users, np.sort(rated.users))
    everything, _ = make_ratings(users=5, items=4, ratings=20)
    assert sorted(zip(everything.users.tolist(), everything.items.tolist(), strict=True)) == [
        (user, item) for user in range(5) for item in range(4)
    ]


def test_kinds_stand_on_a_circle() -> None:
    _, tastes = make_ratings(items=4000, ratings=10, kinds=4)
    for kind, middle in enumerate([(1, 0), (0, 1), (-1, 0), (0, -1)]):
        np.testing.assert_allclose(tastes.items[tastes.kinds == kind].mean(axis=0), middle, atol=0.03)


def test_the_seed_decides() -> None:
    one, again, other = (make_ratings(ratings=100, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one.ratings, again.ratings)
    assert not np.array_equal(one.ratings, other.ratings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"users": 2, "items": 3, "ratings": 7}, "make 6 pairs, fewer than the 7 ratings"),
        ({"kinds": 0}, "kinds must be at least 1"),
        ({"noise": -1.0}, "cannot be below 0"),
    ],
)
def test_impossible_ratings_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_ratings(**options)


def test_movielens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    contents = {
        "_RATED": b"2\t3\t5\t881250949\n1\t1\t2\t891717742\n",
        "_FILMS": "1|Toy Story (1995)|\n2|Misérables, Les (1995)|\n3|Kolya (1996)|\n".encode("latin-1"),
    }
    (tmp_path / "ml-100k").mkdir()
    for name, raw in contents.items():
        file = replace(getattr(ratings, name), sha256=hashlib.sha256(raw).hexdigest(), address="file:///no")
        (tmp_path / file.path).write_bytes(raw)
        monkeypatch.setattr(ratings, name, file)
    users, items, stars, titles = ratings.movielens()
    assert (users.tolist(), items.tolist(), stars.tolist()) == ([1, 0], [2, 0], [5.0, 2.0])
    assert titles == ["Toy Story (1995)", "Misérables, Les (1995)", "Kolya (1996)"]
    assert ratings.movielens.load_data is ratings.movielens
    (tmp_path / "ml-100k" / "u.data").write_bytes(b"2\t3\t4\t881250949\n")
    with pytest.raises(DataError, match="is damaged"):
        ratings.movielens()
