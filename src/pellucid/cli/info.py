"""`pellucid info`: what runs networks on this machine, and with which versions."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import click

from pellucid._version import __version__
from pellucid.cli import console, options
from pellucid.explain.numbers import columns

_PACKAGES = ("numpy", "duckdb", "narwhals", "click", "rich", "jax", "matplotlib")
_REPAIR = (
    "the native engine is not built, so networks run on NumPy, many times slower: install a C++20 compiler "
    "(Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install) "
    "and then: pip install --force-reinstall --no-cache-dir pellucid"
)


@click.command("info")
@options.JSON
def command(as_json: bool) -> None:
    """Show executors, threads, instruction set and versions."""
    native = _native()
    versions = {name: found for name in _PACKAGES if (found := _version(name))}
    record = {
        "pellucid": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "executors": [*(["native"] if native else []), "numpy", *(["xla"] if find_spec("jax") else [])],
        "default_executor": "native" if native else "numpy",
        "native": native,
        "versions": versions,
    }
    if as_json:
        console.document(record)
        return
    console.out(columns(_lines(record), indent="", left=(0, 1)))
    if not native:
        console.note(_REPAIR)


def _lines(record: dict[str, Any]) -> list[tuple[str, str]]:
    native = record["native"]
    lines = [
        ("pellucid", record["pellucid"]),
        ("python", record["python"]),
        ("system", record["system"]),
        ("executors", f"{', '.join(record['executors'])} (default: {record['default_executor']})"),
    ]
    if native:
        lines += [
            ("threads", f"up to {native['threads']} (PELLUCID_THREADS sets another number)"),
            ("instructions", native["isa"]),
            ("bfloat16", native["bfloat16"]),
            ("oneDNN", native["onednn"] or "none; the engine's own kernels are used"),
        ]
    return lines + [(name, version) for name, version in record["versions"].items()]


def _native() -> dict[str, Any] | None:
    """What the engine says of itself; none where it is not built."""
    if not find_spec("pellucid._native"):
        return None
    from pellucid import _native

    found: dict[str, Any] = _native.info()
    asked = os.environ.get("PELLUCID_THREADS", "")
    return {**found, "threads": int(asked) if asked.isdigit() and int(asked) else found["threads"]}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
