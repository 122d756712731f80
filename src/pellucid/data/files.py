"""Reading CSV, TSV, JSON lines and Parquet files, with DuckDB: the only file that imports it.

DuckDB's sniffer finds delimiter, quotation and types; this file adds what it does silently or not at all: other
encodings than UTF-8, honest column names, and a message that names the line.
"""

from __future__ import annotations

import difflib
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError
from . import inspection
from .inspection import Dialect, Scan
from .table import Column, Table, column

if TYPE_CHECKING:
    import duckdb

_DELIMITED = (".csv", ".tsv", ".txt", ".data")
_JSON = (".json", ".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
# Without BOOLEAN: "yes" and "no" would come back as True and False, and labels must come out as they went in.
_PLAIN = "'BIGINT', 'DOUBLE', 'VARCHAR'"
_DATES = "'TIME', 'DATE', 'TIMESTAMP', 'TIMESTAMPTZ'"
_NUMBERS = ("DECIMAL", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "BIGNUM")
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


def read_file(source: str | os.PathLike[str]) -> Table:
    """The table in a file; its ending says the format, `.gz` may follow. Raises `DataError` with file and line."""
    path = Path(source).expanduser()
    _check(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if ending in _PARQUET:
        return _read_parquet(path)
    if ending not in _DELIMITED + _JSON:
        raise DataError(
            f"{path}: the ending '{ending or 'none'}' is not known; rename the file to say what it is: "
            f"{' '.join(_DELIMITED + _JSON + _PARQUET)}, text ones also with .gz"
        )
    scan = inspection.scan(path)
    with _as_utf8(path, scan) as readable:
        table = _read_json(path, readable, scan) if ending in _JSON else _read_delimited(path, readable, scan)
    if scan.encoding == "utf-8":
        return table
    looks = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}.get(scan.encoding, scan.encoding.upper())
    notice = f"{path.name} is not UTF-8; it looks like {looks} and was read so. Save it as UTF-8 if letters look wrong."
    return Table(table.columns, table.name, line=table.line, notices=(notice, *table.notices))


def _check(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder; give a file in it")
    if path.exists():
        return
    folder = path.parent
    if not folder.is_dir():
        raise DataError(f"{path} does not exist, and neither does its folder {folder}; check the path")
    names = [entry.name for entry in folder.iterdir() if entry.is_file()]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    hint = f"did you mean '{folder / close[0]}'?" if close else f"check the name; {folder.resolve()} has no similar one"
    raise DataError(f"{path} does not exist; {hint}")


@contextmanager
def _as_utf8(path: Path, scan: Scan) -> Iterator[str]:
    """The path of the same text in UTF-8: the file itself, or a temporary copy."""
    if scan.encoding == "utf-8":
        yield _literal(path)
        return
    handle, copy = tempfile.mkstemp(suffix=".txt")
    try:
        with inspection.open_text(path, scan.encoding) as text, open(handle, "w", encoding="utf-8", newline="") as out:
            while chunk := text.read(1 << 20):
                out.write(chunk.removeprefix("\ufeff"))
        yield copy
    finally:
        os.unlink(copy)


def _connect() -> duckdb.DuckDBPyConnection:
    try:
        import duckdb
    except ImportError:
        raise DataError("reading files needs DuckDB; install it: pip install duckdb") from None
    # Never fetch an extension from the network because of what a file is called.
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    return duckdb.connect(config=settings)


def _read_delimited(path: Path, readable: str, scan: Scan) -> Table:
    import duckdb

    connection = _connect()
    compression = "gzip" if scan.gzipped and scan.encoding == "utf-8" else "none"
    common = f"compression='{compression}', header=true, comment=''"  # a '#' cell is not a comment
    try:
        dialect = _sniff(connection, path, readable, common, scan)
    except duckdb.Error as error:
        raise _refused(path, error) from None
    notices = _skipped(path, scan, dialect)
    names = inspection.header(path, scan.encoding, dialect)
    if len(names) == 1 and (delimiter := _likely_delimiter(path, scan)) in names[0]:
        # The sniffer takes a file whose rows disagree for one of a single column.
        problem = inspection.fault(path, scan.encoding, Dialect(delimiter, '"', dialect.skip))
        if problem:
            raise problem
    options = (
        f"{common}, delim={_quoted(dialect.delimiter)}, quote={_quoted(dialect.quote)}, skip={dialect.skip}, "
        f"null_padding=false, strict_mode=true"
    )
    if dialect.delimiter == ";":  # where ';' separates fields, ',' may be the decimal mark
        options += ", decimal_separator=','" if _decimal_commas(connection, readable, options) else ""
    try:
        fetched = _fetch_typed(connection, options, readable)
    except duckdb.Error as error:
        raise inspection.fault(path, scan.encoding, dialect) or _refused(path, error) from None
    if len(fetched) != len(names):
        raise inspection.fault(path, scan.encoding, dialect) or DataError(
            f"{path}: the header names {len(names)} columns but the rows have {len(fetched)}; correct the header"
        )
    columns = [column(name, values) for name, values in zip(names, fetched, strict=True)]
    if names[0] == "":
        columns = _without_index(path, columns)
        notices += (f"{path.name}: the first column has no name and only counts the rows; left out",)
    return _table(path, columns, notices, partial(_line, path, scan.encoding, dialect))


def _fetch_typed(connection: duckdb.DuckDBPyConnection, options: str, readable: str) -> list[Any]:
    """The columns, with types guessed from a sample; if a later row breaks the guess, from all rows."""
    import duckdb

    # The last resort knows no dates: DuckDB takes 'infinity' for one, which no array can hold.
    attempts = (f"[{_PLAIN}, {_DATES}]", f"[{_PLAIN}, {_DATES}], sample_size=-1", f"[{_PLAIN}], sample_size=-1")
    for i, attempt in enumerate(attempts):
        try:
            return _fetch(connection, f"read_csv(?, {options}, auto_type_candidates={attempt})", readable)
        except duckdb.ConversionException:
            if i == len(attempts) - 1:
                raise
    raise AssertionError("unreachable")


def _sniff(connection: duckdb.DuckDBPyConnection, path: Path, readable: str, common: str, scan: Scan) -> Dialect:
    import duckdb

    remarks = 0
    with inspection.open_text(path, scan.encoding) as file:
        while file.readline().startswith(("# ", "##", "#\n", "#\r")):
            remarks += 1
    above = f", skip={remarks}" if remarks else ""  # given, it keeps the sniffer from looking for titles

    def sniffed(quote: str) -> Dialect:
        query = f"select Delimiter, Quote, SkipRows from sniff_csv(?, {common}{above}{quote})"
        row = connection.execute(query, [readable]).fetchone()
        delimiter, quote, skip = row if row else (",", '"', 0)
        return Dialect(delimiter, "" if quote == "(empty)" else quote, int(skip))

    try:
        dialect = sniffed(", quote='\"'")  # left free, the sniffer takes an apostrophe for a quotation mark too soon
    except duckdb.Error:
        problem = inspection.fault(path, scan.encoding, Dialect(_likely_delimiter(path, scan), '"', remarks))
        if problem:
            raise problem from None
        dialect = sniffed("")
    if len(_first(path, scan, dialect)) == 1:  # with one column, any oddity looks like a title
        return replace(dialect, skip=remarks)
    return dialect


def _likely_delimiter(path: Path, scan: Scan) -> str:
    with inspection.open_text(path, scan.encoding) as file:
        first = file.readline(1 << 16)
    return max(",;\t|", key=first.count)


def _first(path: Path, scan: Scan, dialect: Dialect) -> list[str]:
    """The first record, which should be the header."""
    return next((record for _, record in inspection.records(path, scan.encoding, dialect)), [])


def _skipped(path: Path, scan: Scan, dialect: Dialect) -> tuple[str, ...]:
    """A notice of the lines above the header; an error if they look like the table's own."""
    if not dialect.skip:
        return ()
    with inspection.open_text(path, scan.encoding) as file:
        above = [file.readline().strip() for _ in range(dialect.skip)]
    width = len(_first(path, scan, dialect))
    for line in above:
        if line.count(dialect.delimiter) >= max(1, width - 2) and not line.startswith("#"):
            problem = inspection.fault(path, scan.encoding, Dialect(dialect.delimiter, dialect.quote or '"', 0))
            if problem:
                raise problem
    return (f"{path.name}: the header stands in line {dialect.skip + 1}; what is above it was passed over",)


def _decimal_commas(connection: duckdb.DuckDBPyConnection, readable: str, options: str) -> bool:
    def texts(more: str) -> int:
        reader = f"read_csv(?, {options}, auto_type_candidates=[{_PLAIN}]{more})"
        described = connection.execute(f"describe select * from {reader}", [readable])
        return sum(row[1] == "VARCHAR" for row in described.fetchall())

    return texts(", decimal_separator=','") < texts("")


def _without_index(path: Path, columns: list[Column]) -> list[Column]:
    """The columns without a nameless first one, which is fine only if it counts the rows, as pandas writes it."""
    values = columns[0].values
    steps = np.diff(values) if columns[0].holds == "integer" else np.zeros(1)
    if not np.all(steps == 1) or len(columns) == 1:
        raise DataError(f"{path}, line 1: the header has no name for column 1 of {len(columns)}; give it one")
    return columns[1:]


def _line(path: Path, encoding: str, dialect: Dialect, row: int) -> int | None:
    """The line at which a row of the file starts; None if the file has changed or gone since."""
    try:
        for number, (line, _) in enumerate(inspection.records(path, encoding, dialect)):
            if number == row + 1:
                return line
    except OSError:
        pass
    return None


def _read_json(path: Path, readable: str, scan: Scan) -> Table:
    import duckdb

    connection = _connect()
    compression = "gzip" if scan.gzipped and scan.encoding == "utf-8" else "uncompressed"
    reader = f"read_json(?, compression='{compression}', maximum_depth=2, sample_size=-1)"
    try:
        names = [row[0] for row in connection.execute(f"describe select * from {reader}", [readable]).fetchall()]
        fetched = _fetch(connection, reader, readable)
    except duckdb.Error as error:
        raise inspection.json_fault(path, scan.encoding) or _refused(path, error) from None
    if names == ["json"]:
        raise inspection.json_fault(path, scan.encoding) or DataError(
            f"{path}: holds no JSON objects; give one object per line, or an array of objects"
        )
    return _table(path, [column(name, values) for name, values in zip(names, fetched, strict=True)], ())


def _read_parquet(path: Path) -> Table:
    import duckdb

    connection = _connect()
    readable = _literal(path)
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty; write the table again")
    try:
        described = connection.execute("describe select * from read_parquet(?)", [readable]).fetchall()
        fetched = _fetch(connection, "read_parquet(?)", readable)
    except duckdb.Error as error:
        raise _refused(path, error) from None
    names = [str(row[0]) for row in described]
    return _table(path, [column(name, values) for name, values in zip(names, fetched, strict=True)], ())


def _fetch(connection: duckdb.DuckDBPyConnection, reader: str, readable: str) -> list[Any]:
    """All columns of `select * from reader`, each brought to a type that NumPy has."""
    described = connection.execute(f"describe select * from {reader}", [readable]).fetchall()
    names = ", ".join(f"c{i}" for i in range(len(described)))
    cells = ", ".join(_cell(f"c{i}", str(row[1])) for i, row in enumerate(described))
    arrays = connection.execute(f"select {cells} from {reader} as t({names})", [readable]).fetchnumpy()
    return list(arrays.values())


def _cell(name: str, kind: str) -> str:
    if kind == "DOUBLE" or kind in _INTEGERS or kind in ("VARCHAR", "BOOLEAN", "DATE"):
        return name
    if kind.startswith(_NUMBERS):
        return f"{name}::double as {name}"
    if kind == "TIMESTAMP WITH TIME ZONE":  # a cast would drop the zone instead of converting to UTC
        return f"make_timestamp(epoch_us({name})) as {name}"
    if kind.startswith("TIMESTAMP"):
        return f"{name}::timestamp as {name}"
    if kind == "TIME":
        return f"date '1970-01-01' + {name} as {name}"
    if kind == "INTERVAL":
        return f"epoch({name}) as {name}"
    return f"{name}::varchar as {name}"


def _table(path: Path, columns: list[Column], notices: tuple[str, ...], line: Any = None) -> Table:
    table = Table({made.name: made for made in columns}, str(path), line=line, notices=notices)
    if not len(table):
        raise DataError(f"{path} has a header ({', '.join(table.names[:5])}) but no rows; add at least three rows")
    return table


def _refused(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0].removeprefix("Invalid Input Error: ")
    return DataError(f"{path} cannot be read: {reason}; check that the file is complete and what its ending says")


def _literal(path: Path) -> str:
    """The absolute path for DuckDB, which would take '*' or '[1]' in a file's name for a pattern."""
    return glob.escape(str(path.resolve()))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
