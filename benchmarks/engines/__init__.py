"""One module per engine, each with the same four names:

    PRECISIONS                             what it can compute in
    NETWORKS                               the kinds of networks it has (see networks.py)
    versions()                             what ran, by name
    Trainer(work, precision, seed)         the job's network, compiled as far as it can be without data
        .train()                           the job once: all its epochs, ending when the weights are final
        .predict(x)                        the outputs (logits for classes) of some rows

Only the engine's own process imports the module (see `worker.py`). Threads come from the environment.
"""

from __future__ import annotations

from importlib.util import find_spec

NEEDS = {
    "pellucid": ("pellucid",),
    "torch": ("torch",),
    "jax": ("jax", "optax"),
    "keras": ("keras", "tensorflow"),
    "sklearn": ("sklearn",),
}
OURS = "pellucid"


def missing(engine: str) -> list[str]:
    """The packages that an engine needs and that are not installed."""
    return [package for package in NEEDS[engine] if find_spec(package) is None]
