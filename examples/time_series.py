"""What a series does next, said by three recurrent networks: a plain one, an LSTM and a GRU.

Each reads a window of the past, step by step, and keeps in its state what may matter later. From the state after the
last step a dense layer says how far each of the next values will lie from the last one. Inside the network a window is
brought to mean 0, for the Sun's cycles differ in height, and the highest are the latest; the unit is the deviation of
all that training sees.

    series                                     reads         says
    sunspots by month, 1749 to 1983            132 months    the next 12 months
    lowest temperature by day, 1981 to 1990    30 days       the next 7 days

The last fifth of each series is the test, the tenth before it is for validation, which tells when to stop. Errors
(RMSE, over all steps ahead) stand beside two guesses that need no network: the last value goes on (persistence), and
the value of a season ago, 11 years or 365 days, comes again (seasonal-naive); and beside least squares on the same
windows (linear autoregression), which series as short as these cannot beat by much, or at all. Why not only the very
next value? Most of that step is chance: least squares gets 9 % below persistence on sunspots, 11 % on temperatures.
Scaling, units and rate were chosen within the first eight tenths, learning from the first three to seven of them and
judging by the next. The picture shows, too, how the gradient fades on its way back through the steps: what the networks
can learn of long ago.

    python examples/time_series.py             some seconds
    python examples/time_series.py --quick     a few epochs, to see it run

Source: Chung et al., "Empirical evaluation of gated recurrent neural networks", 2014 (the comparison).
"""

from __future__ import annotations

import argparse

import numpy as np

import pellucid
from pellucid import ops
from pellucid.layers import GRU, LSTM, Dense, Input, Reshape, SimpleRNN

UNITS, EPOCHS, BATCH, RATE = 16, 20, 32, 5e-3
KINDS = {"RNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}
# name: what it is, season, what is read and said, and how many steps of the test the picture shows
SERIES = {
    "monthly_sunspots": ("sunspots by month", 132, 132, 12, 264),
    "daily_min_temperatures": ("lowest temperature by day, °C", 365, 30, 7, 140),
}


def network(layer: type, reads: int, says: int, deviation: float) -> pellucid.Model:
    x = Input((reads,))
    middle = ops.mean(x, axis=1, keepdims=True)
    steps = Reshape((reads, 1))((x - middle) / deviation)
    said = steps[:, -1] + Dense(says, kernel_initializer="zeros")(layer(UNITS)(steps))
    return pellucid.Model(x, said * deviation + middle, seed=0)


def rmse(guess: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((guess - truth) ** 2)))


def main(quick: bool = False, precision: str = "float32") -> dict[str, float]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11.5, 7), width_ratios=(3, 2), layout="constrained")
    figures, epochs = {"below_persistence": 1.0, "below_seasonal_naive": 1.0}, 3 if quick else EPOCHS
    for (name, (title, season, reads, says, shown)), row in zip(SERIES.items(), axes, strict=True):
        dates, values = getattr(pellucid.datasets, name)()
        windows = np.lib.stride_tricks.sliding_window_view(values, reads + says)
        x, y = windows[:, :reads], windows[:, reads:]
        first = np.arange(len(x)) + reads  # where the values that are to be said begin
        held, test = (len(values) * tenths // 10 for tenths in (7, 8))
        learn, check, unseen = first + says <= held, (first >= held) & (first + says <= test), first >= test
        truth, ahead = y[unseen], first[unseen, None] + np.arange(says)
        naive = {"persistence": x[unseen, -1:], "seasonal_naive": values[ahead - season]}
        past = np.insert(x, 0, 1.0, axis=1)
        linear = past[unseen] @ np.linalg.lstsq(past[learn], y[learn], rcond=None)[0]
        errors = {guess: rmse(said, truth) for guess, said in naive.items()}
        print(f"\n{title}, the next {says}: RMSE on {len(truth)} unseen windows:",
              ", ".join(f"{guess.replace('_', '-')} {error:.2f}" for guess, error in errors.items()),
              f"(linear autoregression {rmse(linear, truth):.2f})")  # fmt: skip

        said, traces, deviation = {}, {}, float(values[:held].std())
        for kind, layer in KINDS.items():
            model = network(layer, reads, says, deviation)
            rate = pellucid.optimizers.schedules.CosineDecay(RATE, epochs * -(-learn.sum() // BATCH))
            unit = deviation**-2  # the loss is 1 where the mean is said always
            model.compile(pellucid.optimizers.Adam(rate), "mse", loss_weights=[unit], precision=precision)
            stop = pellucid.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
            model.fit(x[learn], y[learn], batch_size=BATCH, epochs=epochs, validation_data=(x[check], y[check]),
                      callbacks=[stop], verbose=0)  # fmt: skip
            said[kind], traces[kind] = model.predict(x[unseen]), model.trace(x[unseen][::5], truth[::5])
            figures[f"{name}_{kind}"] = error = rmse(said[kind], truth)
            below = {guess: 1 - error / other for guess, other in errors.items()}
            for guess, share in below.items():  # of two series and three networks, the worst counts
                figures[f"below_{guess}"] = min(figures[f"below_{guess}"], share)
            next_one = 1 - rmse(said[kind][:, 0], truth[:, 0]) / rmse(naive["persistence"], truth[:, :1])
            print(f"  {kind:4} {error:5.2f}: below persistence by {below['persistence']:.1%}, "
                  f"below seasonal-naive by {below['seasonal_naive']:.1%}; "
                  f"for the very next value, below persistence by {next_one:.1%}")  # fmt: skip
            if kind == "LSTM" and name == "monthly_sunspots":
                model.save("time_series.safetensors")
        pellucid.plot.forecast(values[test:], said, dates[test:], last=shown, name=title, ax=row[0])
        pellucid.plot.gradient_through_time(traces, ax=row[1])
    figure.savefig("time_series.png", dpi=120)
    print("\nsaved the LSTM for sunspots as time_series.safetensors, and time_series.png")
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few epochs: seconds, to see it run")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    main(**vars(parser.parse_args()))
