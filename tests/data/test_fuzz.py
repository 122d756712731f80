"""Whatever bytes a file holds, the outcome is arrays or an error of ours; whatever CSV writes, `read` gives back."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.data.encoder import Encoder
from pellucid.data.read import read
from pellucid.data.schema import Schema
from pellucid.errors import PellucidError

PIECES = [
    *(
        "a",
        "b",
        "1",
        "2.5",
        '"',
        ",",
        "\n",
        ";",
        "\t",
        "\r\n",
        " ",
        "é",
        "-3",
        "1e5",
        "nan",
        "inf",
        "2024-01-01",
        "true",
    ),
    *('""', "#", "|", "'", "\\", "NULL", "10:00", "日本", "\r", "1e400", "9999999999999999999", "2024-13-45", "\ufeff"),
]
FUZZ = settings(
    deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=50), ending=st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_any_text(tmp_path: Path, pieces: list[str], ending: str) -> None:
    path = tmp_path / ("t" + ending)
    path.write_bytes("".join(pieces).encode())
    with contextlib.suppress(PellucidError):
        table = read(path)
        schema = Schema.infer(table, table.names[-1])
        assert schema.target is not None
        labelled = schema.target.labelled(table, [])
        encoder = Encoder.fit(schema, labelled)
        assert all(len(array) == len(labelled) for array in encoder.features(labelled).values())
        assert Encoder.from_json(encoder.to_json()) == encoder


@FUZZ
@given(content=st.binary(max_size=200), ending=st.sampled_from([".csv", ".json", ".parquet", ".csv.gz"]))
def test_any_bytes(tmp_path: Path, content: bytes, ending: str) -> None:
    path = tmp_path / ("t" + ending)
    path.write_bytes(content)
    with contextlib.suppress(PellucidError):
        read(path)


WORD = st.text("abcxyz éß,;\"'|#.-", min_size=1, max_size=6).filter(lambda text: text.strip() == text)


@FUZZ
@given(
    rows=st.lists(st.tuples(WORD, st.integers(-1000, 1000), st.floats(-1e6, 1e6)), min_size=3, max_size=30),
    ends=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from(",;\t|"),
)
def test_what_csv_writes_is_read_back(
    tmp_path: Path, rows: list[tuple[str, int, float]], ends: str, delimiter: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ends)
    writer.writerows([("word", "whole", "real"), *rows])
    path = tmp_path / "t.csv"
    path.write_bytes(text.getvalue().encode())
    table = read(path)
    assert table.names == ("word", "whole", "real")
    assert table["word"].values.tolist() == [row[0] for row in rows]
    assert table["whole"].values.tolist() == [row[1] for row in rows]
    assert table["real"].values.tolist() == pytest.approx([row[2] for row in rows], rel=1e-15)
