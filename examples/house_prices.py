"""The price of a house from its age, location, square footage and number of storeys.

A network learns from examples: houses whose price is known. These 600 are made up by a rule, so that what the network
finds can be compared with the truth (with ± 10,000 of chance, which nobody can predict):

    price = (50,000 + 150 · square feet + 20,000 · storeys) · factor of the location - 800 · age

The table goes in as it is: numbers are standardised, the location becomes one input per place, and the price is what
`target` names. A fifth of the houses is held out and never seen in training: R² on those says how well the network does
on houses it does not know (1 is perfect, 0 is guessing the mean price).
"""

from __future__ import annotations

import numpy

import pellucid

FACTORS = {"centre": 1.6, "suburb": 1.1, "village": 0.8}


def rule(age: int, location: str, square_feet: int, storeys: int) -> float:
    """The price without chance."""
    return (50_000 + 150 * square_feet + 20_000 * storeys) * FACTORS[location] - 800 * age


random = numpy.random.default_rng(7)
houses = [
    (
        int(random.integers(0, 100)),
        str(random.choice(list(FACTORS))),
        int(random.integers(500, 4000)),
        int(random.integers(1, 4)),
    )
    for _ in range(600)
]
columns = ["age", "location", "square_feet", "storeys"]
table = {name: [house[i] for house in houses] for i, name in enumerate(columns)}
table["price"] = [round(rule(*house) + random.normal(0, 10_000)) for house in houses]

model = pellucid.TableModel.train(table, target="price", hidden=(32, 16), dropout=0, seed=7, verbose=0)
assert model.test_metrics is not None
print(f"on {model.test_metrics['rows']} houses held out: R² {model.test_metrics['r2']:.3f}, "
      f"mean error {model.test_metrics['mae']:,.0f}")  # fmt: skip

new = [(10, "centre", 1800, 2), (10, "village", 1800, 2), (60, "centre", 1800, 2), (10, "centre", 3000, 3)]
predicted = model.predict({name: [house[i] for house in new] for i, name in enumerate(columns)})
print("\nage  location  square feet  storeys  predicted    by the rule")
for house, price in zip(new, predicted, strict=True):
    print(f"{house[0]:3}  {house[1]:8}  {house[2]:11,}  {house[3]:7}  {price:9,.0f}  {rule(*house):13,.0f}")
