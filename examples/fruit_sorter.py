"""Sort fruit into apples, bananas and oranges by weight, colour, texture and size.

Text goes in and comes out: a colour is not a number, so each colour becomes an input of its own that is 1 or 0
(one-hot); small < medium < large is known as a scale and becomes one number. Two hidden layers of rectified linear
units, max(0, z), find what belongs together. The last layer has one unit per fruit, and softmax turns its three values
O into probabilities, Pᵢ = e^Oᵢ / Σⱼ e^Oⱼ, which add up to 1.
"""

from __future__ import annotations

import numpy

import pellucid

KINDS = {  # fruit: mean grams, colours, texture, sizes
    "apple": (170, ("red", "green", "yellow"), "smooth", ("small", "medium")),
    "banana": (130, ("yellow", "green"), "smooth", ("medium", "large")),
    "orange": (210, ("orange",), "rough", ("small", "medium", "large")),
}
COLUMNS = ("grams", "colour", "texture", "size")

random = numpy.random.default_rng(3)


def pick(fruit: str) -> tuple[int, str, str, str]:
    """One fruit from the tree; now and then a smooth orange or a rough apple."""
    grams, colours, texture, sizes = KINDS[fruit]
    other = "rough" if texture == "smooth" else "smooth"
    surface = other if random.random() < 0.05 else texture
    return round(random.normal(grams, 20)), str(random.choice(colours)), surface, str(random.choice(sizes))


fruits = [str(random.choice(list(KINDS))) for _ in range(450)]
rows = [pick(fruit) for fruit in fruits]
table = {name: [row[i] for row in rows] for i, name in enumerate(COLUMNS)}
table["fruit"] = fruits

model = pellucid.TableModel.train(table, target="fruit", hidden=(8, 8), seed=3, verbose=0)
model.summary()
assert model.test_metrics is not None
print(f"right for {model.test_metrics['accuracy']:.1%} of {model.test_metrics['rows']} fruits held out\n")

basket = [(165, "red", "smooth", "small"), (120, "yellow", "smooth", "large"), (215, "orange", "rough", "medium")]
unseen = {name: [row[i] for row in basket] for i, name in enumerate(COLUMNS)}
labels, chances = model.predict(unseen), model.predict_proba(unseen)
for row, label, chance in zip(basket, labels, chances, strict=True):
    shares = ", ".join(f"{name} {share:.3f}" for name, share in zip(model.target.classes, chance, strict=True))
    print(f"{row[0]} g, {row[1]}, {row[2]}, {row[3]}: {label}  ({shares})")
