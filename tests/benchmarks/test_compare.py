"""The comparison runs from end to end on tiny jobs, and its arithmetic is right. Nothing here is a measurement."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


SMALL: dict[str, tuple[str, Any]] = {
    "mlp": ("Dense", {"units": (784, 16, 10)}),
    "cnn": ("Convolutional", {"size": 28, "channels": (4, 3), "window": 3, "padding": "same", "units": (8, 10)}),
    "lenet": ("Convolutional", {"size": 28, "channels": (2, 3), "window": 5, "padding": "valid", "units": (8, 10)}),
    "lstm": ("Recurrent", {"steps": 28, "features": 28, "units": 8, "classes": 10}),
    "gpt_small": ("Transformer", {"vocabulary": 65, "length": 64, "layers": 1, "heads": 2, "width": 16}),
}


def tiny(name: str) -> Any:
    import networks
    import workloads

    characters = np.tile(np.arange(65, dtype=np.int32), 40)
    work = workloads.make(name, workloads.stand_in(512), characters, share=1e-9)
    if name == "seed":
        return replace(work, epochs=20)
    kind, sizes = SMALL[name]
    return replace(work, x=work.x[:48], y=work.y[:48], network=networks.KINDS[kind](**sizes), batch=12, epochs=5)


def test_jobs_are_what_they_say() -> None:
    import workloads

    digits = workloads.stand_in(60_000)
    characters = np.arange(1000, dtype=np.int32) % 65
    jobs = {name: workloads.make(name, digits, characters) for name in workloads.NAMES}
    seed, mlp, wide = jobs["seed"], jobs["mlp"], jobs["mlp_wide"]
    assert [job.steps for job in jobs.values()] == [800, 400, 40, 40, 40, 40, 60, 6]
    assert jobs["cnn"].x.shape == (5120, 28, 28, 1)
    assert jobs["lstm"].x.shape == (5120, 28, 28)
    assert jobs["gpt_small"].x.shape == jobs["gpt_small"].y.shape == (720, 64)
    np.testing.assert_array_equal(jobs["gpt_small"].x[:, 1:], jobs["gpt_small"].y[:, :-1])  # the next character
    assert (seed.steps_per_epoch, mlp.batch, wide.batch) == (4, 128, 512)
    # 784·128 twice (no gradient to the input), 128·10 three times, for 128 rows, a multiplication and an addition each
    assert mlp.gflop_per_step == pytest.approx(2e-9 * 128 * (2 * 784 * 128 + 3 * 128 * 10))
    assert workloads.make("mlp", digits, share=0.02).steps == 8
    # 28²·9 products for each of 32 channels, twice; 14²·9·32 for each of 64, three times; then 3136·128 and 128·10
    first, others = 28 * 28 * 9 * 32, 14 * 14 * 9 * 32 * 64 + 3136 * 128 + 128 * 10
    assert jobs["cnn"].gflop_per_step == pytest.approx(2e-9 * 128 * (2 * first + 3 * others))


def test_weights_are_counted_as_the_layers_have_them() -> None:
    from engines.pellucid import build
    from networks import NETWORKS

    for name, network in NETWORKS.items():
        assert network.weights() == build(network, seed=0).count_params(), name


def test_bound_is_the_longer_of_products_and_memory() -> None:
    import report

    seed, mlp = tiny("seed"), tiny("mlp")
    slow_products = {"float32": 1e-3, "memory": 1e9}
    assert report.bound(mlp, "float32", slow_products) == pytest.approx(1e9 * mlp.gflop_per_step)
    slow_memory = {"float32": 1e9, "memory": 1e-3}
    assert report.bound(seed, "float32", slow_memory) == pytest.approx(1e9 * 1e-9 * (28 * 81 + 25 * 4))
    assert report.bound(seed, "float32", {}) is None


def test_stand_in_is_the_same_every_time() -> None:
    import workloads

    (x, y), (again, labels) = workloads.stand_in(100), workloads.stand_in(100)
    assert x.shape == (100, 784)
    assert x.dtype == np.float32
    assert 0.1 < np.mean(x > 0) < 0.25  # MNIST: 0.19
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, labels)


def test_jobs_survive_the_file(tmp_path: Path) -> None:
    import workloads

    for name in ("seed", *SMALL):
        work = tiny(name)
        work.save(tmp_path / "job.npz")
        read = workloads.Workload.read(tmp_path / "job.npz")
        assert (read.name, read.network, read.batch, read.epochs) == (name, work.network, work.batch, work.epochs)
        np.testing.assert_array_equal(read.x, work.x)
        np.testing.assert_array_equal(read.y, work.y)


def test_losses_by_hand() -> None:
    import workloads

    classes, line = tiny("mlp"), tiny("seed")
    assert workloads.loss(classes, np.full((48, 10), 1000.0)) == pytest.approx(math.log(10))
    assert workloads.loss(line, line.y + 3) == pytest.approx(9)


@pytest.mark.parametrize("engine", ["pellucid", "torch", "jax", "sklearn", "keras"])
def test_every_engine_learns(engine: str, tmp_path: Path) -> None:
    import engines
    from processes import Engine, EngineError

    if absent := engines.missing(engine):
        pytest.skip(f"{', '.join(absent)} not installed")
    running = Engine(engine, threads=1)
    try:
        for name in ("seed", *SMALL):
            work = tiny(name)
            if not running.takes(work.network, "float32"):
                continue
            work.save(tmp_path / "job.npz")
            for precision in running.precisions:
                running.ask("prepare", job=str(tmp_path / "job.npz"), precision=precision, seed=1)
                running.ask("train")
                before = running.ask("loss")["loss"]
                assert running.ask("train")["seconds"] > 0
                assert running.ask("loss")["loss"] < before
                assert len(running.ask("predict", calls=20)["seconds"]) == 2
        with pytest.raises(EngineError, match="cannot prepare"):
            running.ask("prepare", job=str(tmp_path / "absent.npz"), precision="float32", seed=0)
    finally:
        running.close()


def test_an_engine_that_cannot_start_says_so() -> None:
    from processes import Engine, EngineError

    with pytest.raises(EngineError, match="no_such_engine ended"):
        Engine("no_such_engine", threads=1)


def results() -> Any:
    """Ours takes 2 µs a step, JAX 8, PyTorch 100; nothing else was measured."""
    from bars import Results
    from training import Timing

    found = Results(peak={"float32": 100.0, "memory": 50.0})
    for engine, each in (("pellucid", 2e-6), ("jax", 8e-6), ("torch", 100e-6)):
        timing = Timing(job="seed", precision="float32", engine=engine, steps=800)
        for slow, other in ((1, 0.0), (1, 0.05), (1.5, 0.0), (90, 0.5), (90, 0.5), (90, 0.5), (90, 0.5)):
            timing.add(each * 800 * slow, each * 800, other)  # the disturbed rounds do not count
        found.training.append(timing)
    return found


def test_bars_are_judged_by_ratios_of_medians() -> None:
    from bars import BARS, Bar, faster

    found = results()
    verdicts = {bar.judge(found)[1]: bar.judge(found)[2:] for bar in BARS if bar.job == "seed float32"}
    assert verdicts["≥ 2.5 × JAX"] == ("4", "4", "met")
    assert verdicts["≥ 80 × PyTorch"] == ("50", "50", "MISSED")
    assert verdicts["≥ 2000 × Keras"] == ("–", "", "not measured")
    found.memory = {"seed": {"pellucid": 1 << 20, "torch": 0}, "mlp": {"pellucid": 1 << 20, "torch": 4 << 20}}
    verdicts = {bar.job: bar.judge(found)[2:] for bar in BARS if bar.job.endswith("memory")}
    assert verdicts["seed memory"] == ("–", "", "not measured")
    assert verdicts["mlp memory"] == ("0.25", "", "met")
    best = faster("seed", "float32", 4.5, "× best", ("torch", "float32"), ("jax", "float32"))
    assert best.judge(found)[4] == "MISSED"
    assert Bar("help", "s", 0.1, lambda _: 0.05, at_most=True).judge(found)[1:] == ("≤ 0.1 s", "0.05", "", "met")


def test_report_shows_every_part() -> None:
    import report
    from times import Times
    from whole import Housing

    def took(seconds: float) -> Times:
        return Times(seconds=[seconds], cpu_seconds=[seconds], others=[0.0])

    found = results()
    found.losses = {"seed float32": {"pellucid": [0.1, 0.2], "jax": [0.1, 0.2]}}
    found.article = {"pellucid": took(0.2)}
    found.startup = {"import numpy": took(0.1), "import pellucid": took(0.12)}
    found.memory = {"seed": {"pellucid": 3 << 20, "torch": 5 << 20}}
    found.predict, found.first_predict = {"pellucid": took(2e-6)}, {"pellucid": 1e-3}
    found.housing = {"pellucid": Housing(seconds=[3.0], cpu_seconds=[3.0], others=[0.0], r2=[0.82])}
    text = report.whole(found, {"seed": tiny("seed")})
    for expected in ("8.00 (4)", "0.6", "+0.0", "0.200", "2.0", "0.8200"):
        assert expected in text, expected
    assert "20" in next(line for line in text.splitlines() if "beyond NumPy's" in line)


def test_the_program_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import compare

    pytest.importorskip("pellucid._native")
    monkeypatch.setattr(compare, "limit_processors", lambda threads: None)
    monkeypatch.setattr(compare.machine, "peak", lambda wait: {"float32": 100.0, "bfloat16": 200.0, "memory": 50.0})
    out = tmp_path / "results.json"
    compare.main(
        [
            "--quick",
            "--jobs",
            "seed,losses,predict,article",
            "--engines",
            "sklearn",
            "--rounds",
            "1",
            "--json",
            str(out),
        ]
    )
    printed = capsys.readouterr().out
    assert "Training, µs per step" in printed
    assert "Final loss" in printed
    saved = json.loads(out.read_text())
    ours = next(timing for timing in saved["training"] if timing["engine"] == "pellucid")
    assert ours["steps"] == 16
    assert 1 <= len(ours["seconds"]) <= 3
    assert min(saved["predict"]["pellucid"]["seconds"]) > 0


def test_unknown_parts_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    import compare

    with pytest.raises(SystemExit):
        compare.arguments(["--jobs", "seed,speed"])
    assert "unknown: speed" in capsys.readouterr().err
    assert sys.path[0] == str(BENCHMARKS)
