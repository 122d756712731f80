"""Every kind of source and every kind of damage: right values, or one message that names the place and the repair."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.data.read import read
from pellucid.data.table import Table
from pellucid.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: str | bytes, name: str = "table.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return written


def cells(table: Table) -> dict[str, list[Any]]:
    return {
        name: [None if gap else value for value, gap in zip(c.values.tolist(), c.missing.tolist(), strict=True)]
        for name, c in table.columns.items()
    }


def test_csv(write: Write) -> None:
    table = read(write('a,b,c,when\n1,x,1.5,2024-01-31\n2,"y, z",,2024-02-01\n3,,2.5,\n'))
    assert [table[name].holds for name in table.names] == ["integer", "text", "float", "datetime"]
    assert cells(table) == {
        "a": [1, 2, 3],
        "b": ["x", "y, z", None],
        "c": [1.5, None, 2.5],
        "when": [datetime.datetime(2024, 1, 31), datetime.datetime(2024, 2, 1), None],
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(write: Write, delimiter: str) -> None:
    content = "a,b\n1,x\n2,y\n".replace(",", delimiter)
    assert cells(read(write(content))) == {"a": [1, 2], "b": ["x", "y"]}


def test_decimal_commas(write: Write) -> None:
    assert cells(read(write("a;b\n1,5;2\n3,25;4\n"))) == {"a": [1.5, 3.25], "b": [2, 4]}


def test_labels_stay_as_written(write: Write) -> None:
    assert cells(read(write("a,b\nyes,true\nno,false\n"))) == {"a": ["yes", "no"], "b": ["true", "false"]}


def test_time_zones_become_utc(write: Write) -> None:
    table = read(write("t,b\n2020-01-01 10:00:00+02,1\n2020-01-01 10:00:00+03,2\n"))
    assert [moment.hour for moment in cells(table)["t"]] == [8, 7]


@pytest.mark.parametrize("name", ["data[1].csv", "what?*.csv", "it's.csv", "mit leer.csv"])
def test_odd_file_names(write: Write, name: str) -> None:
    write("a,b\n9,9\n8,8\n", "whatever.csv")  # what the pattern of the second name would also match
    assert cells(read(write("a,b\n1,2\n3,4\n", name))) == {"a": [1, 3], "b": [2, 4]}


def test_gzip(write: Write) -> None:
    packed = gzip.compress("a,b\n1,é\n2,y\n".encode())
    assert cells(read(write(packed, "table.csv.gz"))) == {"a": [1, 2], "b": ["é", "y"]}
    with pytest.raises(DataError, match="damaged gzip"):
        read(write(packed[:20], "short.csv.gz"))


@pytest.mark.parametrize(
    ("encoding", "looks"),
    [("latin-1", "Latin-1"), ("cp1252", "Windows-1252"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE")],
)
@pytest.mark.parametrize("packed", [False, True])
def test_encodings(write: Write, encoding: str, looks: str, packed: bool) -> None:
    text = "name,b\ncafé,1\nZoë,2\n" if encoding != "cp1252" else "name,b\n“café”,1\n“Zoë”,2\n"
    content = text.encode(encoding)
    table = read(write(gzip.compress(content) if packed else content, "t.csv.gz" if packed else "t.csv"))
    assert cells(table)["name"] == [line.split(",")[0] for line in text.splitlines()[1:]]
    assert looks in table.notices[0]


def test_byte_order_mark(write: Write) -> None:
    assert read(write("a,b\n1,2\n3,4\n", encoding="utf-8-sig")).names == ("a", "b")


def test_late_text_is_kept(write: Write) -> None:
    table = read(write("a,b\n" + "1,2\n" * 30_000 + "abc,5\n"))
    assert table["a"].holds == "text"
    assert table["a"].values[-1] == "abc"
    assert table.where(30_000, "a").endswith("line 30002, column 'a'")


def test_lines_above_the_header(write: Write) -> None:
    table = read(write("Report of June\n\na,b,c\n1,2,3\n4,5,6\n7,8,9\n"))
    assert table.names == ("a", "b", "c")
    assert "header stands in line 3" in table.notices[0]
    assert "line 5" in table.where(1, "a")


def test_remarks_above_the_header_but_no_comments_within(write: Write) -> None:
    assert cells(read(write("# made by hand\n# a, b\na,b\n1,#2\n#3,4\n"))) == {"a": ["1", "#3"], "b": ["#2", "4"]}
    assert read(write("#a,b\n1,2\n3,4\n")).names == ("#a", "b")


def test_quoted_line_ends_do_not_shift_lines(write: Write) -> None:
    table = read(write('a,b\n"x\ny",1\nz,2\n'))
    assert "line 4" in table.where(1, "a")


def test_row_index_of_pandas(write: Write) -> None:
    table = read(write(",a\n0,5\n1,7\n2,9\n"))
    assert table.names == ("a",)
    assert "counts the rows" in table.notices[0]


def test_json_lines(write: Write) -> None:
    table = read(write('{"a":1,"b":"x"}\n{"a":2,"ok":true}\n{"a":null,"b":"z","c":[1,2]}\n', "t.jsonl"))
    assert cells(table) == {
        "a": [1, 2, None],
        "b": ["x", None, "z"],
        "ok": [None, True, None],
        "c": [None, None, "[1, 2]"],
    }
    assert cells(read(write('[{"a":1},{"a":2}]', "t.json"))) == {"a": [1, 2]}


def test_parquet(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "t.parquet"
    duckdb.sql(
        f"""copy (select * from (values
            (1, 1.5::decimal(5,2), 'x', true, date '2024-01-01', time '06:00:00', {{'k': 1}}),
            (null, 2.5, null, false, null, null, null)
        ) t(i, d, s, ok, day, clock, nested)) to '{path}'"""
    )
    assert cells(read(path)) == {
        "i": [1, None],
        "d": [1.5, 2.5],
        "s": ["x", None],
        "ok": [True, False],
        "day": [datetime.datetime(2024, 1, 1), None],
        "clock": [datetime.datetime(1970, 1, 1, 6), None],
        "nested": ["{'k': 1}", None],
    }


DAMAGED = {
    "empty": ("", "t.csv", "empty"),
    "blank": ("\n\n \n", "t.csv", "empty"),
    "header only": ("a,b,c\n", "t.csv", r"header \(a, b, c\) but no rows"),
    "short row": ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "t.csv", "line 3: 2 fields where the header names 3"),
    "long row": ("a,b,c\n1,2,3\n4,5,6\n6,7,8,9\n", "t.csv", "line 4: 4 fields where the header names 3"),
    "short header": ("a,b\n1,2,3\n4,5,6\n7,8,9\n", "t.csv", "line 2: 3 fields where the header names 2"),
    "late short row": ("a,b,c\n" + "1,2,3\n" * 50_000 + "4,5\n", "t.csv", "line 50002: 2 fields"),
    "open quote": ('a,b\n"x,1\n2,3\n4,5\n', "t.csv", "line 2: a quotation mark opens here and never closes"),
    "repeated header": ("a,b,a\n1,2,3\n4,5,6\n", "t.csv", "line 1: the header names columns 1 and 3 both 'a'"),
    "nameless column": ("a,,c\n1,2,3\n4,5,6\n", "t.csv", "line 1: the header has no name for column 2 of 3"),
    "nameless first": (",b,c\n7,2,3\n9,5,6\n", "t.csv", "line 1: the header has no name for column 1 of 3"),
    "no header": ("1.0,2.0,3\n4.,5,6\n7,8,9\n", "t.csv", "line 1: this looks like data, not like a header"),
    "NUL": (b"a,b\n1,2\n3,\x00\n5,6\n", "t.csv", "line 3: holds a NUL byte"),
    "binary": (bytes(range(1, 256)) * 40, "t.csv", "not text"),
    "workbook": (b"PK\x03\x04" + b"x" * 100, "t.csv", "Excel"),
    "Parquet as CSV": (b"PAR1" + b"x" * 100, "t.csv", "rename it to end in .parquet"),
    "unknown ending": ("a,b\n1,2\n", "t.xyz", "ending '.xyz' is not known"),
    "no ending": ("a,b\n1,2\n", "t", "ending 'none' is not known"),
    "bad Parquet": (b"PAR1abc", "t.parquet", "cannot be read"),
    "empty Parquet": (b"", "t.parquet", "empty"),
    "bad JSON": ('{"a":1}\n{"a":2\n{"a":3}\n', "t.jsonl", "line 2: not valid JSON"),
    "JSON numbers": ("1\n2\n", "t.jsonl", "line 1: not a JSON object"),
    "repeated key": ('{"a":1}\n{"a":2,"a":3}\n', "t.jsonl", "line 2: the key 'a' occurs twice"),
    "empty JSON": ("\n", "t.jsonl", "empty"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files(write: Write, case: str) -> None:
    content, name, message = DAMAGED[case]
    path = write(content, name)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert path.name in str(caught.value)
    assert len(str(caught.value)) < 600


def test_missing_file_offers_the_nearest(write: Write, tmp_path: Path) -> None:
    write("a,b\n1,2\n", "housing.csv")
    with pytest.raises(DataError, match=r"did you mean '.*housing\.csv'"):
        read(tmp_path / "hosing.csv")
    with pytest.raises(DataError, match="neither does its folder"):
        read(tmp_path / "nowhere" / "x.csv")
    with pytest.raises(DataError, match="is a folder"):
        read(tmp_path)


def test_dict_of_arrays() -> None:
    table = read(
        {
            "f": np.array([1.5, np.nan], np.float32),
            "i": [1, None],
            "u": np.array([1, 2], np.uint8),
            "s": ["x", ""],
            "b": [True, None],
            "d": [datetime.date(2024, 1, 1), None],
            "decimal": [Decimal("1.5"), None],
            "mixed": ["x", 3],
            "np": [np.float64(1.0), np.int64(2)],
            "masked": np.ma.MaskedArray([7, 8], [False, True]),
            "span": np.array([60, 90], "timedelta64[s]"),
        }
    )
    assert cells(table) == {
        "f": [1.5, None],
        "i": [1, None],
        "u": [1, 2],
        "s": ["x", None],
        "b": [True, None],
        "d": [datetime.datetime(2024, 1, 1), None],
        "decimal": [1.5, None],
        "mixed": ["x", "3"],
        "np": [1.0, 2.0],
        "masked": [7, None],
        "span": [60.0, 90.0],
    }


def test_list_of_dicts() -> None:
    assert cells(read([{"a": 1, "b": "x"}, {"a": 2}])) == {"a": [1, 2], "b": ["x", None]}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "no columns"),
        ({"a": []}, "no rows"),
        ({"a": [1, 2], "b": [1, 2], "c": [1]}, "column 'c' has 1 values where the others have 2"),
        ({"a": np.zeros((2, 2))}, "one-dimensional"),
        ({"a": 3}, "one int"),
        ({"a": np.zeros(2, complex)}, "complex"),
        ([], "empty list"),
        ([1, 2], "list that holds int"),
        (3, "cannot read a table from int"),
        (np.zeros((2, 2)), "cannot read a table from ndarray"),
    ],
)
def test_unusable_sources(source: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(source)


def test_unknown_column_offers_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'price'"):
        read({"price": [1.0], "size": [2]})["pirce"]


FRAME = {"i": [1, None, 3], "f": [0.5, 1.5, None], "s": ["x", None, "z"], "b": [True, False, True]}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames(library: str) -> None:
    module = pytest.importorskip(library)
    frame = module.table(FRAME) if library == "pyarrow" else module.DataFrame(FRAME)
    assert cells(read(frame)) == FRAME


def test_pandas_types() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "Int64": pandas.array([1, None], "Int64"),
            "boolean": pandas.array([True, None], "boolean"),
            "ordered": pandas.Categorical(["S", "L"], ["S", "M", "L"], ordered=True),
            "category": pandas.Categorical(["x", None]),
            "when": pandas.to_datetime(["2024-01-01 10:00", None]),
            "zone": pandas.to_datetime(["2024-01-01 10:00", "2024-01-01 11:00"]).tz_localize("Europe/Paris"),
            "object": np.array(["x", np.nan], object),
        },
        index=["r1", "r2"],
    )
    table = read(frame)
    assert cells(table) == {
        "Int64": [1, None],
        "boolean": [True, None],
        "ordered": ["S", "L"],
        "category": ["x", None],
        "when": [datetime.datetime(2024, 1, 1, 10), None],
        "zone": [datetime.datetime(2024, 1, 1, 9), datetime.datetime(2024, 1, 1, 10)],
        "object": ["x", None],
    }
    assert table["ordered"].order == ("S", "M", "L")
    with pytest.raises(DataError, match="share a name"):
        read(pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_polars_types() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"e": ["S", "L"], "t": [datetime.time(6), None]})
    frame = frame.with_columns(polars.col("e").cast(polars.Enum(["S", "M", "L"])))
    table = read(frame.lazy())
    assert table["e"].order == ("S", "M", "L")
    assert cells(table)["t"] == [datetime.datetime(1970, 1, 1, 6), None]


def test_nothing_heavy_is_imported_for_a_dict() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from pellucid.data.read import read; from pellucid.data.batches import as_arrays;"
        "read({'a': [1]}); as_arrays([[1.0]]);"
        "assert not {'duckdb', 'narwhals', 'pandas', 'polars', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
