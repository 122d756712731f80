"""What a file is before a parser sees it, and what is wrong with it after a parser refused it.

`scan` reads the bytes once: compression, encoding, NUL bytes, emptiness. `fault` and `json_fault` walk a file row by
row and are called only when DuckDB failed, to name the line. Nothing here imports more than the standard library.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import DataError

_CHUNK = 1 << 20
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save the sheet as CSV",
    b"%PDF": "a PDF document; export the table as CSV",
    b"PAR1": "a Parquet file; rename it to end in .parquet",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"ARROW1": "an Arrow file; read it with pyarrow or polars and pass the frame",
    b"(\xb5/\xfd": "compressed with zstd; decompress it, or compress it with gzip",
    b"BZh": "compressed with bzip2; decompress it, or compress it with gzip",
    b"\xfd7zXZ": "compressed with xz; decompress it, or compress it with gzip",
}
_WINDOWS = bytes(range(0x80, 0xA0))  # letters and quotation marks in Windows-1252, control codes in Latin-1
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1a"))


@dataclass(frozen=True)
class Scan:
    """What the bytes of a text file say: is it gzip, and in which encoding."""

    gzipped: bool
    encoding: str


@dataclass(frozen=True)
class Dialect:
    """How a delimited file is written."""

    delimiter: str
    quote: str
    skip: int


def open_bytes(path: Path) -> IO[bytes]:
    """The file's bytes, decompressed where they start like gzip."""
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if gzipped else path.open("rb")  # type: ignore[return-value]


def scan(path: Path) -> Scan:
    """Read all bytes once; raise `DataError` for a file that is empty, not text, or holds NUL bytes."""
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    try:
        with open_bytes(path) as file:
            return _scan(path, file, gzipped)
    except (EOFError, zlib.error, OSError) as error:
        if not gzipped:
            raise DataError(f"{path} cannot be read: {error}") from None
        raise DataError(f"{path} is a damaged gzip file ({error}); compress or download it again") from None


def _scan(path: Path, file: IO[bytes], gzipped: bool) -> Scan:
    head = file.read(_CHUNK)
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise DataError(f"{path} is empty; give a file with a header line and one line per row")
    for magic, meaning in _FOREIGN.items():
        if head.startswith(magic):
            raise DataError(f"{path} is not text: it is {meaning}")
    wide = _wide(head)
    if wide:
        return Scan(gzipped, wide)
    if len(head[:8192].translate(None, _CONTROL)) < 0.9 * len(head[:8192]):
        raise DataError(f"{path} is not text: it is full of control bytes; give CSV, TSV, JSON lines or Parquet")
    decode = codecs.getincrementaldecoder("utf-8")().decode
    utf8, lines, windows = True, 0, False
    chunk = head
    while chunk:
        nul = chunk.find(b"\x00")
        if nul >= 0:
            line = lines + chunk.count(b"\n", 0, nul) + 1
            raise DataError(f"{path}, line {line}: holds a NUL byte, which text cannot; remove it (tr -d '\\000')")
        lines += chunk.count(b"\n")
        if utf8:
            try:
                decode(chunk)
            except UnicodeDecodeError:
                utf8 = False
        windows = windows or len(chunk.translate(None, _WINDOWS)) < len(chunk)
        chunk = file.read(_CHUNK)
    try:
        decode(b"", True)
    except UnicodeDecodeError:
        utf8 = False
    if utf8:
        return Scan(gzipped, "utf-8")
    return Scan(gzipped, "cp1252" if windows else "latin-1")


def _wide(head: bytes) -> str:
    """The name of a two- or four-byte encoding, told by its byte order mark or by the zeros beside Latin letters."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:4096]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half and odd > 0.6 * half and even < 0.1 * half:
        return "utf-16-le"
    return "utf-16-be" if half and even > 0.6 * half and odd < 0.1 * half else ""


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """The file as text, line ends untouched, without a byte order mark."""
    return io.TextIOWrapper(
        open_bytes(path), "utf-8-sig" if encoding == "utf-8" else encoding, errors="replace", newline=""
    )


def records(path: Path, encoding: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The records of a delimited file with the line each starts at; blank lines are passed over."""
    csv.field_size_limit(1 << 27)
    with open_text(path, encoding) as file:
        for _ in range(dialect.skip):
            file.readline()
        if dialect.quote:
            reader = csv.reader(file, delimiter=dialect.delimiter, quotechar=dialect.quote)
        else:
            reader = csv.reader(file, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
        start = dialect.skip + 1
        for record in reader:
            if record:
                yield start, record
            start = dialect.skip + reader.line_num + 1


def header(path: Path, encoding: str, dialect: Dialect) -> list[str]:
    """The column names of a delimited file; raises `DataError` for missing, duplicate and absent ones."""
    line, names = next(records(path, encoding, dialect), (1, []))
    names = [name.strip() for name in names]
    place = f"{path}, line {line}"
    if names and all(_is_number(name) or not name for name in names) and any(names):
        raise DataError(
            f"{place}: this looks like data, not like a header ({', '.join(names[:5])}); add a first line that names "
            "the columns"
        )
    unnamed = [i for i, name in enumerate(names) if not name and i > 0]
    if unnamed:
        raise DataError(f"{place}: the header has no name for column {unnamed[0] + 1} of {len(names)}; give it one")
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        if name in first:
            raise DataError(
                f"{place}: the header names columns {first[name] + 1} and {i + 1} both '{name}'; rename one"
            )
        first[name] = i
    return names


def fault(path: Path, encoding: str, dialect: Dialect) -> DataError | None:
    """The first row whose number of fields differs from the header's, or a quotation mark that never closes."""
    rows = records(path, encoding, dialect)
    line, names = next(rows, (1, []))
    last = (line, names)
    for line, record in rows:
        last = (line, record)
        if len(record) != len(names):
            break
    else:
        return None
    line, record = last
    if dialect.quote and any("\n" in cell for cell in record[-1:]) and next(rows, None) is None:
        return DataError(f"{path}, line {line}: a quotation mark opens here and never closes; close or remove it")
    return DataError(
        f"{path}, line {line}: {len(record)} field{'s' * (len(record) != 1)} where the header names {len(names)} "
        f"columns; correct the row, or put quotation marks around a value that holds '{dialect.delimiter}'"
    )


def json_fault(path: Path, encoding: str) -> DataError | None:
    """The first line of a JSON lines file that is not one JSON object."""
    with open_text(path, encoding) as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                pairs = json.loads(text, object_pairs_hook=list)
            except (ValueError, RecursionError) as error:
                reason = getattr(error, "msg", type(error).__name__)
                return DataError(f"{path}, line {number}: not valid JSON ({reason}); each line holds one JSON object")
            if not text.lstrip().startswith("{"):
                return DataError(f'{path}, line {number}: not a JSON object; each line holds one, such as {{"age": 3}}')
            keys = [key for key, _ in pairs]
            repeated = next((key for key in keys if keys.count(key) > 1), None)
            if repeated is not None:
                return DataError(f"{path}, line {number}: the key '{repeated}' occurs twice; rename or remove one")
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.lower() not in ("nan", "inf", "infinity")
