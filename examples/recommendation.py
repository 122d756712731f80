"""What will this user think of that item? Learned from ratings alone, by embeddings: matrix factorisation.

Each user and each item gets an embedding, a few numbers that training finds. Their dot product says how well the two
suit each other; what a user gives, and an item gets, on the whole stands in two biases:

    rating = mean + user's bias + item's bias + user's taste · item's taste

Nothing is known of users and items but who rated what. The 100,000 ratings are made up by such a rule, with chance of a
known size (0.5 stars), so that there is a best figure there can be and a true map of tastes to compare with. A tenth of
the ratings is held out for the test, a tenth of the others for validation, which decides how many numbers a taste has
and how strongly large ones are penalised (seed 0).

    python examples/recommendation.py                  about 3 seconds
    python examples/recommendation.py --movielens      real ones: 100,000 ratings of films, fetched once
    python examples/recommendation.py --quick          without choosing: one network

Source of the idea: Koren, Bell, Volinsky, "Matrix factorization techniques for recommender systems", 2009.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import Any

import numpy as np

import pellucid
from pellucid.layers import Add, Dot, Embedding, Input, Rescaling

FACTORS, PENALTIES = (1, 2, 4), (1e-5, 1e-4)
EPOCHS, BATCH, RATE = 15, 512, 0.01
SHOWN = 15  # films on the map
TITLE: dict[str, Any] = {"loc": "left", "fontsize": 10.5, "fontweight": "bold"}


def network(users: int, items: int, mean: float, factors: int, penalty: float) -> pellucid.Model:
    def embedding(name: str, count: int, width: int) -> Embedding:
        start = pellucid.initializers.RandomNormal(stddev=0.1)
        return Embedding(count, width, start, pellucid.regularizers.L2(penalty), name=name)

    user, item = Input((), dtype="int32", name="user"), Input((), dtype="int32", name="item")
    suits = Dot(axes=1)([embedding("user_taste", users, factors)(user), embedding("item_taste", items, factors)(item)])
    x = Add()([suits, embedding("user_bias", users, 1)(user), embedding("item_bias", items, 1)(item)])
    return pellucid.Model([user, item], Rescaling(1.0, offset=mean)(x), seed=0)


def main(quick: bool = False, precision: str = "float32", movielens: bool = False) -> dict[str, float]:
    rated, tastes = (pellucid.datasets.movielens(), None) if movielens else pellucid.datasets.make_ratings(seed=0)
    x, y = np.stack([rated.users, rated.items], axis=1), rated.ratings
    test, validation, training = np.split(np.random.default_rng(0).permutation(len(y)), [len(y) // 10, len(y) // 5])

    def error(rows: np.ndarray, guess: Any) -> float:
        return float(np.sqrt(np.mean((guess - y[rows]) ** 2)))

    def predict(model: pellucid.Model, rows: np.ndarray) -> np.ndarray:
        return model.predict([x[rows, 0], x[rows, 1]])[:, 0]

    found: dict[float, pellucid.Model] = {}
    for factors, penalty in [(2, 1e-5)] if quick else product(FACTORS, PENALTIES):
        model = network(*(x.max(axis=0) + 1), float(y[training].mean()), factors, penalty)
        rate = pellucid.optimizers.schedules.CosineDecay(RATE, EPOCHS * -(-len(training) // BATCH))
        model.compile(pellucid.optimizers.Adam(rate), "mse", precision=precision)
        model.fit([x[training, 0], x[training, 1]], y[training], batch_size=BATCH, epochs=EPOCHS, verbose=0)
        found[error(validation, predict(model, validation))] = model
        print(f"tastes of {factors}, penalty {penalty:g}: RMSE {list(found)[-1]:.4f} on ratings for validation")
    model = found[min(found)]

    guess = predict(model, test)
    figures = {"rmse": error(test, guess), "rmse_of_the_mean": error(test, y[training].mean())}
    print(f"RMSE {figures['rmse']:.4f} stars on {len(test):,} unseen ratings; always the mean: "
          f"{figures['rmse_of_the_mean']:.4f}")  # fmt: skip
    if tastes is None:
        print("matrix factorisation in Surprise (Hug 2020) has 0.934 here, five-fold")
    else:
        floor = figures["noise"] = error(test, tastes.expected[test])
        figures["rmse_over_noise"] = figures["rmse"] / floor
        print(f"the best there can be, chance alone: {floor:.4f}; {figures['rmse_over_noise'] - 1:.1%} above it")
    model.save("recommendation.safetensors")
    draw(y[test], guess, model.get_layer("item_taste").get_weights()[0], rated, tastes)
    print("saved as recommendation.safetensors and recommendation.png")
    return figures


def draw(truth: np.ndarray, guess: np.ndarray, learned: np.ndarray, rated: Any, tastes: Any) -> None:
    """Predicted against true ratings, and the map of tastes that was learned, beside the true one where it is known."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3 if tastes else 2, figsize=(11.5 if tastes else 9.5, 4.0), layout="constrained")
    pellucid.plot.predicted(truth, guess, "rating, stars", ax=axes[0])
    if tastes:
        # No rating tells how the map is turned and stretched: u·v is the same for u·A and A⁻¹·v.
        turned = learned @ np.linalg.lstsq(learned, tastes.items, rcond=None)[0]
        names = [f"kind {letter}" for letter in "ABCDE"]
        for ax, places, title in ((axes[1], turned, "as learned, turned"), (axes[2], tastes.items, "in truth")):
            pellucid.plot.layer_map(places, tastes.kinds, classes=names, ax=ax)
            ax.set(xlabel="", ylabel="")
            ax.set_title(f"The tastes of {len(places)} items, {title}", **TITLE)
    else:
        often = np.bincount(rated.items).argsort()[-SHOWN:]
        pellucid.plot.layer_map(learned[often], ax=axes[1])
        axes[1].set_title(f"The tastes of the {SHOWN} films most rated", **TITLE)
        for place, item in zip(axes[1].collections[0].get_offsets(), often, strict=True):
            axes[1].annotate(rated.titles[item], place, fontsize=7, xytext=(4, 2), textcoords="offset points")
    figure.savefig("recommendation.png", dpi=130)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one network, nothing chosen: a second or two")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--movielens", action="store_true", help="MovieLens 100K in place of ratings made up")
    main(**vars(parser.parse_args()))
