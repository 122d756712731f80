"""Files made to break the reader: each is refused with ModelFileError, at once and in little memory.

Every crafted container carries the right checksum, so that only the planted fault can be what is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import random
import re
import socket
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.errors import ModelFileError
from pellucid.train import modelfile, strictjson

ZEROS = "0" * 64
COMPACT = (",", ":")


def sign(header: str | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    """A container of a header, whose zero checksum is filled in, and data."""
    raw = header.encode() if isinstance(header, str) else header
    raw = (len(raw) if length is None else length).to_bytes(8, "little") + raw
    digest = hashlib.sha256(raw + data).hexdigest()
    return raw.replace(ZEROS.encode(), digest.encode()) + data


def metadata(document: str = "{}", **changes: Any) -> dict[str, Any]:
    whole = {"format": "1", "pellucid": document, "sha256": ZEROS, "written_by": "0.1.0", **changes}
    return {key: value for key, value in whole.items() if value is not None}


def container(arrays: dict[str, Any], data: bytes = b"", **changes: Any) -> bytes:
    return sign(json.dumps({"__metadata__": metadata(**changes), **arrays}, separators=COMPACT), data)


def entry(dtype: Any = "F32", shape: Any = (2,), begin: Any = 0, end: Any = 8) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def document(text: str) -> bytes:
    return container({}, document=text)


def text(arrays: str, data: bytes = b"", start: str = "{", end: str = "}") -> bytes:
    """A container whose header is given letter by letter after its metadata."""
    return sign(f'{start}"__metadata__":{json.dumps(metadata(), separators=COMPACT)}{arrays}{end}', data)


W = '"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
EIGHT = bytes(8)
GOOD = container({"w": entry()}, EIGHT)


def zipped(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in members:
            archive.writestr(member, b"{}")
    return buffer.getvalue()


def numpy_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def ordinary_safetensors(**changes: str) -> bytes:
    raw = json.dumps({**({"__metadata__": changes} if changes else {}), "w": entry()}).encode()
    return len(raw).to_bytes(8, "little") + raw + EIGHT


NESTED = modelfile.MAX_HEADER // 4  # brackets enough to end any recursive parser
CASES: dict[str, tuple[bytes, str]] = {
    # the header's frame
    "empty": (b"", "is empty"),
    "one byte": (b"\x10", "ends after 1 bytes"),
    "length only": (GOOD[:8], "ends after 8 bytes"),
    "length zero": (bytes(8) + GOOD[8:], "length is given as 0"),
    "length one": (sign("{}", length=1), "length is given as 1"),
    "length beyond the file": (sign("{}", length=10_000), "cut short"),
    "length one too long": (sign("{}", length=3), "cut short"),
    "length one too short": (sign('{"a":1}', length=6), "not JSON"),
    "length huge": (sign("{}", length=2**63), "length is given as"),
    "length all ones": (sign("{}", length=2**64 - 1), "length is given as"),
    "length just over the cap": (sign("{}", length=modelfile.MAX_HEADER + 1), "length is given as"),
    "leading blank": (text("", start=" {"), "starts with"),
    "leading newline": (text("", start="\n{"), "starts with"),
    "byte order mark": (text("", start="\ufeff{"), "starts with"),
    "header is a list": (sign("[1,2,3]"), "starts with"),
    "header is a number": (sign("12345678"), "starts with"),
    "header is a disguised float": (sign('{"__float__":"nan"}'), "not an object"),
    "not UTF-8": (sign(b'{"\xff\xfe":1}'), "not ASCII"),
    "UTF-8 beyond ASCII": (text(',"é":{}'), "not ASCII"),
    "UTF-16": (sign('{"a":1}'.encode("utf-16-le")), "not JSON"),
    "NUL bytes": (sign(b"{" + bytes(15)), "not JSON"),
    "not JSON": (sign("{hello}"), "not JSON"),
    "single quotes": (sign("{'a':1}"), "not JSON"),
    "trailing comma": (text(","), "not JSON"),
    "comment": (text("/* */"), "not JSON"),
    "two JSON values": (text("", end="}{}"), "not JSON"),
    "unclosed": (text("", end=""), "not JSON"),
    "nested header": (sign('{"a":' * 2000 + "1" + "}" * 2000), "nested deeper|not a Pellucid"),
    "nested lists": (text(',"w":' + "[" * 2000 + "]" * 2000), "nested deeper"),
    "bracket bomb": (text(',"w":' + "[" * NESTED), "unpack"),
    "object bomb": (text(',"w":[' + "{}," * 3_000_000 + "0]"), "unpack"),
    "NaN in the header": (text(',"w":NaN'), "NaN"),
    # metadata
    "no metadata": (ordinary_safetensors(), "another program"),
    "another program's metadata": (ordinary_safetensors(format="pt"), "another program"),
    "metadata null": (sign('{"__metadata__":null}'), "another program"),
    "metadata a list": (sign('{"__metadata__":["pellucid"]}'), "another program"),
    "metadata a disguised float": (sign('{"__metadata__":{"__float__":"inf"}}'), "another program"),
    "metadata twice": (text(',"__metadata__":{}'), "twice"),
    "metadata number": (container({}, pellucid=1), "not strings"),
    "metadata null value": (sign(json.dumps({"__metadata__": {**metadata(), "format": None}})), "not strings"),
    "metadata object": (container({}, sha256={"a": "b"}), "not strings"),
    "metadata extra key": (container({}, extra="x"), "the keys"),
    "no checksum": (container({}, sha256=None), "the keys"),
    "no release": (container({}, written_by=None), "the keys"),
    "no format": (container({}, format=None), "not a version"),
    "format zero": (container({}, format="0"), "not a version"),
    "format a word": (container({}, format="one"), "not a version"),
    "format negative": (container({}, format="-1"), "not a version"),
    "format endless": (container({}, format="9" * 5000), "not a version"),
    "format newer": (
        container({}, format="2", written_by="7.3.1", extra="x"),
        r"format 2, written by Pellucid '7.3.1'.*Upgrade",
    ),
    "checksum short": (container({}, sha256="0" * 63), "hexadecimal"),
    "checksum upper case": (container({}, sha256="A" * 64), "hexadecimal"),
    "checksum wrong": (container({}, sha256="1" * 64), "checksum does not match"),
    # entries
    "array twice": (text(f",{W},{W}", EIGHT), "twice"),
    "array field twice": (text(f',{W[:-1]},"dtype":"I32"}}', EIGHT), "twice"),
    "array is a number": (container({"w": 8}, EIGHT), "not an object of"),
    "array is a list": (container({"w": ["F32", [2], [0, 8]]}, EIGHT), "not an object of"),
    "array without shape": (container({"w": {"dtype": "F32", "data_offsets": [0, 8]}}, EIGHT), "not an object of"),
    "array with unknown field": (container({"w": {**entry(), "device": "cpu"}}, EIGHT), "not an object of"),
    "dtype unknown": (container({"w": entry("F31")}, EIGHT), "unknown dtype"),
    "dtype bfloat16": (container({"w": entry("BF16")}, EIGHT), "unknown dtype"),
    "dtype lower case": (container({"w": entry("f32")}, EIGHT), "unknown dtype"),
    "dtype of Python objects": (container({"w": entry("|O", shape=[1])}, EIGHT), "unknown dtype"),
    "dtype a number": (container({"w": entry(32)}, EIGHT), "unknown dtype"),
    "dtype a list": (container({"w": entry(["F32"])}, EIGHT), "unknown dtype"),
    "shape negative": (container({"w": entry(shape=[-2])}, EIGHT), "the shape"),
    "shape negative twice": (container({"w": entry(shape=[-1, -2])}, EIGHT), "the shape"),
    "shape float": (container({"w": entry(shape=[2.0])}, EIGHT), "the shape"),
    "shape boolean": (container({"w": entry(shape=[True, 2])}, EIGHT), "the shape"),
    "shape string": (container({"w": entry(shape="2")}, EIGHT), "the shape"),
    "shape null": (container({"w": entry(shape=None)}, EIGHT), "the shape"),
    "shape nested": (container({"w": entry(shape=[[2]])}, EIGHT), "the shape"),
    "shape of 33 sizes": (container({"w": entry(shape=[1] * 32 + [2])}, EIGHT), "the shape"),
    "shape huge": (container({"w": entry(shape=[2**62])}, EIGHT), "absurd"),
    "shape beyond 64 bits": (text(f",{W.replace('[2]', '[' + '9' * 30 + ']')}", EIGHT), "64 bits"),
    "shape of a million digits": (text(f",{W.replace('[2]', '[' + '9' * 10**6 + ']')}", EIGHT), "64 bits"),
    "shape that overflows to the right size": (container({"w": entry(shape=[2**33, 2**31, 2])}, EIGHT), "absurd"),
    "shape empty but absurd": (container({"w": entry(shape=[0, 2**62], end=0)}), "absurd"),
    "shape too large for the bytes": (container({"w": entry(shape=[3])}, EIGHT), "needs 12 bytes"),
    "shape too small for the bytes": (container({"w": entry(shape=[1])}, EIGHT), "needs 4 bytes"),
    "empty shape with bytes": (container({"w": entry(shape=[0])}, EIGHT), "needs 0 bytes"),
    "dtype too wide for the bytes": (container({"w": entry("F64")}, EIGHT), "needs 16 bytes"),
    "terabytes claimed": (container({"w": entry(shape=[2**40], end=2**42)}, EIGHT), "cut short"),
    "offsets reversed": (container({"w": entry(begin=8, end=0)}, EIGHT), "hole"),
    "offsets negative": (container({"w": entry(begin=-8, end=0)}, EIGHT), "non-negative"),
    "offsets float": (container({"w": entry(end=8.0)}, EIGHT), "non-negative"),
    "offsets boolean": (container({"w": entry("U8", [1], False, True)}, b"\0"), "non-negative"),
    "offsets of three": (container({"w": {**entry(), "data_offsets": [0, 8, 8]}}, EIGHT), "non-negative"),
    "offsets beyond the file": (container({"w": entry(shape=[4], end=16)}, EIGHT), "cut short"),
    "offsets beyond 64 bits": (text(f",{W.replace('0,8', '0,18446744073709551624')}", EIGHT), "64 bits"),
    "overlap": (container({"a": entry(), "b": entry(begin=4, end=12)}, bytes(12)), "overlaps"),
    "same bytes twice": (container({"a": entry(), "b": entry()}, EIGHT), "overlaps"),
    "hole": (container({"a": entry(), "b": entry(begin=12, end=20)}, bytes(20)), "hole"),
    "hole at the start": (container({"a": entry(begin=4, end=12)}, bytes(12)), "hole"),
    "unordered": (container({"b": entry(begin=8, end=16), "a": entry()}, bytes(16)), "hole"),
    "trailing byte": (container({"w": entry()}, bytes(9)), "1 bytes follow"),
    "trailing data without arrays": (container({}, EIGHT), "8 bytes follow"),
    "polyglot zip at the end": (container({"w": entry()}, EIGHT + zipped("a")), "bytes follow"),
    "too many arrays": (
        container({f"w{i}": entry("U8", [0], 0, 0) for i in range(modelfile.MAX_ARRAYS + 1)}),
        "at most 10,000",
    ),
    "bool of two": (container({"w": entry("BOOL", [2], 0, 2)}, b"\1\2"), "other than 0 and 1"),
    # names
    "name empty": (container({"": entry()}, EIGHT), "name must be"),
    "name too long": (container({"w" * 257: entry()}, EIGHT), "name must be"),
    "name with NUL": (container({"w\0": entry()}, EIGHT), "unprintable"),
    "name with newline": (container({"w\n": entry()}, EIGHT), "unprintable"),
    "name with escape": (container({"\x1b[2J": entry()}, EIGHT), "unprintable"),
    "name with direction override": (container({"w\u202etxt": entry()}, EIGHT), "unprintable"),
    "name half a surrogate": (container({"w\ud800": entry()}, EIGHT), "Unicode"),
    "name climbs": (container({"../../w": entry()}, EIGHT), "path"),
    "name absolute": (container({"/etc/passwd": entry()}, EIGHT), "path"),
    "name with dot": (container({"a/./w": entry()}, EIGHT), "path"),
    "name with empty piece": (container({"a//w": entry()}, EIGHT), "path"),
    "name with backslash": (container({"..\\w": entry()}, EIGHT), "path"),
    # the document
    "document empty": (document(""), "not JSON"),
    "document not JSON": (document("{'a': 1}"), "not JSON"),
    "document cut": (document('{"a":[1,2'), "not JSON"),
    "document a list": (document("[]"), "not an object"),
    "document a string": (document('"x"'), "not an object"),
    "document a disguised float": (document('{"__float__":"nan"}'), "not an object"),
    "document key twice": (document('{"a":1,"a":1}'), "'a' twice"),
    "document key twice, deep": (document('{"a":[{"b":{"c":1,"\\u0063":2}}]}'), "'c' twice"),
    "document nested": (document('{"a":' + "[" * 64 + "]" * 64 + "}"), "nested deeper"),
    "document nested for a stack": (document('{"a":' + "[" * 100_000 + "]" * 100_000 + "}"), "nested deeper"),
    "document with NaN": (document('{"a":NaN}'), "NaN"),
    "document with Infinity": (document('{"a":-Infinity}'), "Infinity"),
    "document overflows": (document('{"a":1e999}'), "overflows"),
    "document with a huge integer": (document('{"a":18446744073709551616}'), "64 bits"),
    "document with a million digits": (document('{"a":' + "7" * 10**6 + "}"), "64 bits"),
    "document with a strange float": (document('{"a":{"__float__":"1.5"}}'), "__float__"),
    "document float with a neighbour": (document('{"a":{"__float__":"nan","b":1}}'), "__float__"),
    "document float unhashable": (document('{"a":{"__float__":[]}}'), "__float__"),
    "document half a surrogate": (document('{"a":"\\ud800"}'), "Unicode"),
    "document key half a surrogate": (document('{"\\udfff":1}'), "Unicode"),
    "document control character": (document('{"a":"\t"}'), "not JSON"),
    "document not ASCII": (container({}, document='{"a":"é"}'), "not ASCII"),
    "document bomb": (document('{"a":[' + "{}," * 3_000_000 + "0]}"), "unpack"),
    "document bomb in escapes": (
        text("").replace(b'"{}"', b'"' + b"\\u005b" * 500_000 + b'"'),
        "length|cut short|not JSON|unpack",
    ),
    "document of wide characters": (document('{"a":"\\ud83d\\ude00' + "x" * 15_000_000 + '"}'), "unpack"),
    # files of other kinds
    "Keras .h5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "Keras zip": (zipped("metadata.json", "config.json", "model.weights.h5"), "Keras"),
    "PyTorch zip": (zipped("model/data.pkl", "model/version"), "PyTorch.*pickle"),
    "NumPy zip": (zipped("arr_0.npy"), "npz"),
    "zip": (zipped("readme.txt"), "zip archive"),
    "pickle": (pickle.dumps({"weights": list(range(50))}), "pickle"),
    "old PyTorch pickle": (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "pickle"),
    "NumPy array": (numpy_file(), "NumPy"),
    "Parquet": (b"PAR1" + bytes(50), "Parquet"),
    "GGUF": (b"GGUF" + bytes(50), "GGUF"),
    "gzip": (b"\x1f\x8b\x08" + bytes(50), "gzip"),
    "CSV": ("größe,preis\n1,2\n3,4\n".encode(), "data rather than the model"),
    "JSON": (b'{"layers": [1, 2, 3]}', "data rather than the model"),
    "zeros": (bytes(4096), "length is given as 0"),
    "ones": (b"\xff" * 4096, "length is given as"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def test_the_frame_of_the_cases_is_sound(path: Path) -> None:
    path.write_bytes(GOOD)
    loaded, arrays = modelfile.read(path)
    assert loaded == {}
    assert arrays["w"].tolist() == [0.0, 0.0]
    path.write_bytes(text(f",{W}", EIGHT))
    assert modelfile.read(path)[1]["w"].shape == (2,)


@pytest.mark.parametrize("name", CASES)
def test_refused(path: Path, name: str) -> None:
    content, message = CASES[name]
    path.write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(ModelFileError) as caught:
        modelfile.read(path)
    assert time.perf_counter() - start < 1
    said = str(caught.value)
    assert said.startswith(str(path))
    assert re.search(message, said), said
    assert len(said) < 800


def measured_peak(read: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        read()
    except ModelFileError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "name", [name for name, (content, _) in CASES.items() if len(content) > 100_000 or "huge" in name]
)
def test_refused_within_memory(path: Path, name: str) -> None:
    content = CASES[name][0]
    path.write_bytes(content)
    assert measured_peak(lambda: modelfile.read(path)) < 2 * len(content) + (64 << 20)


@pytest.mark.parametrize("part", ["[],", "[[[[[[[[]]]]]]]],", '{"a":0},', '"ab",', "EMOJI"])
def test_the_densest_valid_documents_stay_within_memory(path: Path, part: str) -> None:
    def build(count: int) -> bytes:
        inner = f'"\\ud83d\\ude00{"x" * count}"' if part == "EMOJI" else f"[{part * count}0]"
        return document(f'{{"a":{inner}}}')

    def fits(content: bytes) -> bool:
        room = len(content) + (48 << 20)
        return len(content) <= modelfile.MAX_HEADER and strictjson.footprint(content[8:].decode()) < room

    count = 1 << 24 if part == "EMOJI" else 1 << 20
    content = build(count)
    while not fits(content):
        count = count * 7 // 8
        content = build(count)
    path.write_bytes(content)
    assert measured_peak(lambda: modelfile.read(path)) < 2 * len(content) + (64 << 20)
    assert "a" in modelfile.read(path)[0]


def test_large_arrays_stay_within_memory(path: Path) -> None:
    modelfile.write(path, {}, {"w": np.zeros(16 << 20, np.uint8), "v": np.zeros(8 << 20, np.float64)})
    size = path.stat().st_size
    assert measured_peak(lambda: modelfile.read(path)) < 1.1 * size


def test_mutants_with_a_valid_checksum_load_or_are_refused(path: Path) -> None:
    """Nothing but ModelFileError comes out, however the header is put together."""
    arrays = {"a": entry(), "b/c": entry("I64", [1, 1], 8, 16)}
    inner = json.dumps({"layers": [{"units": 3, "rate": {"__float__": "inf"}}], "labels": ["é", None, True, -1.5e3]})
    header = json.dumps({"__metadata__": metadata(inner), **arrays}, separators=COMPACT).encode()
    chance = random.Random(11)
    pieces = [
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"-",
        b"1",
        b"9" * 19,
        b"null",
        b"true",
        b"1e9",
        b"{}",
        b"\xff",
    ]
    loaded = 0
    for _ in range(3000):
        mutant = bytearray(header)
        for _ in range(chance.randint(1, 2)):
            start = chance.randrange(len(mutant))
            mutant[start : start + chance.choice([0, 1, 1, 2, 8])] = chance.choice(pieces)
        path.write_bytes(sign(bytes(mutant), bytes(16)))
        try:
            modelfile.read(path)
            loaded += 1
        except ModelFileError:
            pass
    assert loaded > 20, "every mutant was refused for the same early reason"


# What is no file at all


def test_missing_file_offers_the_nearest(tmp_path: Path) -> None:
    modelfile.write(tmp_path / "housing.safetensors", {}, {})
    with pytest.raises(ModelFileError, match=r"does not exist; did you mean 'housing.safetensors'\?"):
        modelfile.read(tmp_path / "huosing.safetensors")


def test_missing_file_in_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"does not exist; the folder .* holds no \.safetensors file"):
        modelfile.read(tmp_path / "model.safetensors")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist; neither does the folder"):
        modelfile.read(tmp_path / "models" / "model.safetensors")


def test_a_file_used_as_a_folder(path: Path) -> None:
    path.write_bytes(GOOD)
    with pytest.raises(ModelFileError, match="does not exist"):
        modelfile.read(path / "model.safetensors")


def test_folder(tmp_path: Path) -> None:
    modelfile.write(tmp_path / "housing.safetensors", {}, {})
    with pytest.raises(ModelFileError, match=r"is a folder.*housing\.safetensors"):
        modelfile.read(tmp_path)


@pytest.mark.parametrize("make", ["fifo", "device", "socket"])
def test_not_a_regular_file(tmp_path: Path, make: str) -> None:
    path = tmp_path / "m"
    if make == "fifo":
        os.mkfifo(path)
    elif make == "device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    with pytest.raises(ModelFileError, match="is a pipe, socket or device"):
        modelfile.read(path)


def test_symlink_is_followed(path: Path, tmp_path: Path) -> None:
    path.write_bytes(GOOD)
    (tmp_path / "link").symlink_to(path)
    assert modelfile.read(tmp_path / "link")[0] == {}


def test_symlink_to_itself(path: Path) -> None:
    path.symlink_to(path)
    with pytest.raises(ModelFileError, match="cannot be read"):
        modelfile.read(path)


def test_name_with_nul() -> None:
    with pytest.raises(ModelFileError, match="null"):
        modelfile.read("model\0.safetensors")


@pytest.mark.parametrize("size", [1 << 44, 1 << 62])
def test_sparse_giant(path: Path, size: int) -> None:
    path.write_bytes(GOOD)
    try:
        os.truncate(path, size)
    except OSError:
        pytest.skip("the file system holds no such file")
    with pytest.raises(ModelFileError, match="bytes follow"):
        modelfile.read(path)
