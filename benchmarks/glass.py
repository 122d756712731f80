"""What it costs to be watched, and whether that is within its bars: doctor, recorder, guard against NaN, a diagram.

`python benchmarks/glass.py [--repeats 9]`. The job `mlp` (784-128-10, batch 128) is trained for ten epochs of 400
steps, with and without in turn, so that both meet the same machine; of each the median of the processor time on one
thread counts, and the cost is the ratio of the medians less 1. First comes the same run against itself, which shows
what the machine alone makes of two equal runs. The diagram is that of the job's network with one digit's contributions.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ["PELLUCID_THREADS"] = "1"

import workloads
from engines.pellucid import build

import pellucid
from pellucid.train.array_course import ArrayCourse

EPOCHS = 10
BARS = {"watched by Doctor()": 3.0, "guard against NaN": 3.0, "recorded by Recorder()": 10.0}  # percent at most


def make() -> tuple[pellucid.Model, Any, Any]:
    """The mlp job with a compiled model."""
    work = workloads.make("mlp", digits=workloads.load_digits()[0])
    model = build(work.network, seed=0)
    loss = pellucid.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(pellucid.optimizers.Adam(**workloads.ADAM), loss)
    model.fit(work.x, work.y, batch_size=work.batch, verbose=0)  # plans are made
    return model, work.x, work.y


def cost(a: Callable[[], None], b: Callable[[], None], repeats: int) -> tuple[float, float, float]:
    """Median seconds of `a`, run in turn with `b`; those of `b`; and b / a - 1."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats):
        for place in (0, 1) if turn % 2 else (1, 0):  # each comes first as often as the other
            began = time.process_time()
            (a, b)[place]()
            times[place].append(time.process_time() - began)
    first, second = map(statistics.median, times)
    return first, second, second / first - 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    model, x, y = make()

    def fit(*callbacks: pellucid.callbacks.Callback) -> None:
        model.fit(x, y, batch_size=128, epochs=EPOCHS, verbose=0, callbacks=list(callbacks))

    def loop(guarded: bool) -> None:
        course = ArrayCourse(model, model.examples(x, y), 128, EPOCHS, shuffle=True)
        spec = course.spec if guarded else replace(course.spec, loss=None, watch=[])
        running = model.programs.loop(spec)
        while running.advance(0.1, EPOCHS) == "time":
            pass

    quiet = pellucid.callbacks.Callback
    pairs: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "the same twice": (lambda: fit(quiet()), lambda: fit(quiet())),
        "watched by Doctor()": (lambda: fit(quiet()), lambda: fit(pellucid.callbacks.Doctor())),
        "recorded by Recorder()": (lambda: fit(quiet()), lambda: fit(pellucid.callbacks.Recorder())),
        "recorded with 8 examples": (
            lambda: fit(quiet()),
            lambda: fit(pellucid.callbacks.Recorder(examples=(x[:8], y[:8]))),
        ),
        "a callback against none": (lambda: fit(), lambda: fit(quiet())),
        "guard against NaN": (lambda: loop(False), lambda: loop(True)),
    }
    for name, (a, b) in pairs.items():
        without, with_it, found = cost(a, b, repeats)
        line = f"{name:26} {1e3 * without:8.1f} ms without {1e3 * with_it:8.1f} ms with  cost {100 * found:+5.2f} %"
        print(line + (f"  {verdict(100 * found, BARS[name])} %" if name in BARS else ""), flush=True)
    trace = model.trace(x[:1], y[:1])
    began = time.perf_counter()
    picture = model.diagram(trace, "contributions").svg().encode()
    seconds = time.perf_counter() - began
    print(f"diagram of 784-128-10: {seconds:.2f} s  {verdict(seconds, 1.0)} s, {len(picture) / 1e3:.0f} kB  "
          f"{verdict(len(picture) / 1e3, 300.0)} kB")  # fmt: skip


def verdict(found: float, most: float) -> str:
    """Whether a figure is within its bar, in words."""
    return f"{'met' if found <= most else 'MISSED'}: at most {most:g}"


if __name__ == "__main__":
    main()
