"""How a table is learned: what the user said, and for the rest what suits the data, each choice with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pellucid.data import records
from pellucid.errors import ArgumentError
from pellucid.nn import activations, optimizers
from pellucid.nn.optimizers import Optimizer
from pellucid.nn.schedules import CosineDecay

_STEPS = 4_000  # of training in all, where the number of epochs is left open
# From so many rows on: units of two hidden layers, ranges per number, dropout. Chosen by held-out R² of several seeds.
_SUITED: tuple[tuple[int, tuple[int, int], int, float], ...] = (
    (5_000, (256, 64), 48, 0.2),
    (1_000, (128, 64), 16, 0.1),
    (200, (32, 32), 0, 0.0),
    (0, (16, 16), 0, 0.0),
)
_ADAPTIVE = ("adam", "adamw", "nadam", "adamax", "rmsprop")


@dataclass(frozen=True)
class Settings:
    """Everything that decides a training run, besides the data."""

    ranges: int
    hidden: tuple[int, ...]
    activation: str
    dropout: float
    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    patience: int
    validation: float
    seed: int
    precision: str
    executor: str

    def make_optimizer(self, steps: int) -> Optimizer:
        """The optimizer; its rate falls along half a cosine to 0 over the run's steps (Loshchilov & Hutter 2017)."""
        rate = CosineDecay(self.learning_rate, max(steps, 1))
        return optimizers.OPTIMIZERS[self.optimizer](learning_rate=rate, weight_decay=self.weight_decay or None)

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` reads back."""
        return {**asdict(self), "hidden": list(self.hidden)}

    @classmethod
    def from_json(cls, record: object) -> Settings:
        """The settings of a plain dict; raises `DataError` for a malformed one."""
        numbers = ("dropout", "learning_rate", "weight_decay", "validation")
        texts = ("activation", "optimizer", "precision", "executor")
        counts = ("ranges", "batch_size", "epochs", "patience", "seed")
        read = records.checked(
            record,
            "settings",
            hidden=lambda value: isinstance(value, list) and all(map(records.count, value)),
            **dict.fromkeys(numbers, records.real),
            **dict.fromkeys(texts, records.text),
            **dict.fromkeys(counts, records.count),
        )
        return cls(**{**read, "hidden": tuple(read["hidden"])})


def choose(rows: int, given: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """Settings for so many rows of training from what the user gave (`None` where left open), and what was chosen.

    Raises `ArgumentError` and `UnknownNameError` for what cannot be used.
    """
    _check(given)
    chosen: list[str] = []

    def pick(name: str, value: Any, text: str) -> Any:
        if given.get(name) is not None:
            return given[name]
        chosen.append(text)
        return value

    validation = given["validation"]
    if validation is None:
        validation = _share(rows)
    learned = rows - round(rows * validation)
    _, widths, ranges, share = next(suited for suited in _SUITED if learned >= suited[0])
    if ranges:
        chosen.append(f"{ranges} ranges per number")
    hidden = tuple(pick("hidden", widths, f"hidden layers of {widths[0]} and {widths[1]} units"))
    dropout = float(pick("dropout", share, f"dropout {share:g}"))
    optimizer = str(given["optimizer"]).lower()
    usual = 0.005 if optimizer in _ADAPTIVE else float(optimizers.get(optimizer).learning_rate)
    rate = float(pick("learning_rate", usual, f"learning rate {usual:g}"))
    best = min(1024, max(8, 2 ** round(math.log2(max(learned, 1) / 64)))) if learned else 8
    batch = int(pick("batch_size", min(best, learned), f"batches of {min(best, learned)}"))
    each = max(1, -(-learned // batch))
    many = min(200, max(20, round(_STEPS / each)))
    epochs = int(pick("epochs", many, f"up to {many} epochs"))
    settings = Settings(
        ranges=ranges,
        hidden=hidden,
        activation=str(given["activation"]),
        dropout=dropout,
        optimizer=optimizer,
        learning_rate=rate,
        weight_decay=0.1 if optimizer in _ADAPTIVE else 0.0,
        batch_size=min(batch, max(learned, 1)),
        epochs=epochs,
        patience=max(10, epochs // 2),
        validation=float(validation),
        seed=int(given["seed"]),
        precision=str(given["precision"]),
        executor=str(given["executor"]),
    )
    notices = [f"chosen for {rows:,} rows: {', '.join(chosen)}"] if chosen else []
    if validation and epochs > settings.patience:
        notices.append(
            f"{round(100 * validation)} % of these rows tell when to stop: after {settings.patience} epochs without a "
            "gain; the best weights are kept"
        )
    return settings, notices


def _share(rows: int) -> float:
    """What part of the training rows is to tell when learning no longer helps: enough of them to say something."""
    if rows < 50:
        return 0.0
    return 0.2 if rows < 1_000 else 0.1 if rows < 5_000 else 0.05


def _check(given: Mapping[str, Any]) -> None:
    """Raise where a choice of the user cannot be used, before anything is read into memory for it."""
    hidden: Sequence[int] | None = given["hidden"]
    if hidden is not None and not all(_is_count(units) for units in hidden):
        raise ArgumentError(f"hidden must be the units of each hidden layer, such as [64, 32], got {hidden!r}")
    for name in ("epochs", "batch_size"):
        if given[name] is not None and not _is_count(given[name]):
            raise ArgumentError(f"{name} must be a whole number of at least 1, got {given[name]!r}")
    rate, dropout, validation = given["learning_rate"], given["dropout"], given["validation"]
    if rate is not None and not (_is_number(rate) and 0 < rate < math.inf):
        raise ArgumentError(f"learning_rate must be a number above 0, got {rate!r}")
    for name, value in (("dropout", dropout), ("validation", validation)):
        if value is not None and not (_is_number(value) and 0 <= value < 1):
            raise ArgumentError(f"{name} must be at least 0 and below 1, got {value!r}")
    if not isinstance(given["optimizer"], str):
        raise ArgumentError(f"optimizer must be a name, such as 'adam', got {given['optimizer']!r}")
    optimizers.get(given["optimizer"])
    activations.get(given["activation"])


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
