"""What takes long says how far it is."""

from __future__ import annotations

import pytest

from pellucid.plot import waiting


def test_it_speaks_every_few_seconds_and_only_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 0.0, 3.0, 6.0, 9.0, 12.0, 15.0])
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(clock))
    assert list(waiting.told("points", range(6))) == [*range(6)]
    assert capsys.readouterr().err.splitlines() == [
        "points: 2 of 6, about 12 s to go",
        "points: 4 of 6, about 6 s to go",
    ]
