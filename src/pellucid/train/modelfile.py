"""The container of a model file: named arrays and one JSON document in one safetensors file.

```
8 bytes   length of the header, little-endian
header    ASCII JSON, padded with blanks to a multiple of 8:
          "__metadata__": format      "1", the version of this layout
                          pellucid    the document, as strict JSON in a string
                          sha256      of the whole file, read with these 64 digits as zeros
                          written_by  the release of Pellucid that wrote it
          name:           dtype, shape, data_offsets
data      the arrays, little-endian, row-major, one after the other in the header's order
```

Equal content gives equal bytes. Whatever a later format changes, `format` and `written_by` stay, so that an old
release can say what to upgrade to. Any program that reads safetensors can read the arrays.

`read` trusts nothing: there is no code in the file, no pickle, no import by name; the header is checked in full before
an array is allocated, so memory stays below twice the file plus 64 MiB; every byte is under the checksum (which finds
damage, not forgery: it is no signature). The safetensors library itself is not needed: it accepts repeated keys,
leading blanks and absurd shapes, and orders metadata at random, where a file of ours has one valid form.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data import atomic
from pellucid.errors import ModelFileError, nearest
from pellucid.train import strictjson

Kinds = Mapping[str, "type | tuple[type, ...]"]

FORMAT = 1
SUFFIX = ".safetensors"
MAX_ARRAYS = 10_000
MAX_NAME = 256  # characters
MAX_HEADER = 16 << 20  # bytes
MAX_DIMENSIONS = 32  # what every supported NumPy can hold

_DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U32": "<u4", "U8": "|u1", "BOOL": "|b1"}
_NAMES = {np.dtype(numpy): name for name, numpy in _DTYPES.items()}
_METADATA = ["format", "pellucid", "sha256", "written_by"]
_MAX_ELEMENTS = 1 << 48
_ZEROS = b"0" * 64
_REPAIR = "The file is damaged or was not written by Pellucid: copy it again from where it was saved"

_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras's .h5"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"PAR1", "a Parquet table"),
    (b"GGUF", "a GGUF model"),
    (b"\x1f\x8b", "gzip-compressed"),
    (
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        "a Python pickle, such as PyTorch's older .pt or joblib's; it can run code and is never opened",
    ),
)
_ZIP = (
    (re.compile(rb"\.npy$"), "a NumPy archive (.npz)"),
    (re.compile(rb"^(metadata|config)\.json$|\.weights\.h5$"), "a Keras model (.keras)"),
    (re.compile(rb"data\.pkl$"), "a PyTorch model (.pt); it holds a Python pickle, can run code and is never opened"),
)


def write(path: str | os.PathLike[str], document: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Save a document and arrays; after a crash at any moment, `path` holds the old file or the new one, whole.

    Dict keys come back sorted and tuples as lists: an order that matters belongs in a list.

    Raises ModelFileError where the content cannot be stored (the part is named) or the file cannot be written.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> write(folder.name + "/m.safetensors", {"units": [3]}, {"kernel": np.ones((1, 3))})
    >>> read(folder.name + "/m.safetensors")
    ({'units': [3]}, {'kernel': array([[1., 1., 1.]])})
    >>> folder.cleanup()
    """
    shown = os.fspath(path)
    try:
        header, stored = _pack(document, arrays)
        atomic.replace(path, [header, *map(_bytes, stored)])
    except ValueError as error:
        raise ModelFileError(f"{shown} was not saved: {error}") from None
    except OSError as error:
        size = sum(array.nbytes for array in stored) + len(header)
        raise ModelFileError(f"{shown} was not saved ({size:,} bytes): {error.strerror}") from error


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Load the document and arrays of a model file that nobody vouches for.

    Raises ModelFileError, and nothing else, where it is missing, damaged, malformed, foreign or of a newer format.
    """
    shown = os.fspath(path)
    try:
        with _open(path) as file:
            return _unpack(file, os.fstat(file.fileno()).st_size)
    except ModelFileError as error:
        raise ModelFileError(f"{shown} {error}") from None
    except ValueError as error:
        raise ModelFileError(f"{shown} is not a valid model file: {error}. {_REPAIR}") from None
    except MemoryError:
        raise ModelFileError(f"{shown} needs more memory than this machine has") from None
    except OSError as error:
        raise ModelFileError(f"{shown} cannot be read: {error.strerror}") from error


def fields(value: object, kinds: Kinds, where: str) -> dict[str, Any]:
    """The value itself, once it is known to be an object with exactly these keys, each of its kind.

    bool is no int here, and an int serves as a float. Raises ModelFileError with the JSON path.

    >>> fields({"name": "dense", "units": 4}, {"name": str, "units": int}, "model.layers[0]")
    {'name': 'dense', 'units': 4}
    >>> fields({"name": "dense", "units": "4"}, {"name": str, "units": int}, "model.layers[0]")
    Traceback (most recent call last):
    pellucid.errors.ModelFileError: model.layers[0].units is a str; expected int
    """
    if not isinstance(value, dict):
        raise ModelFileError(f"{where} is a {type(value).__name__}; expected an object with {', '.join(kinds)}")
    for key in kinds:
        if key not in value:
            raise ModelFileError(f"{where}.{key} is missing")
    for key, item in value.items():
        if key not in kinds:
            raise ModelFileError(f"{where} has an unknown key {key[:80]!r}{nearest(key[:80], kinds)}")
        kind = kinds[key]
        allowed = kind if isinstance(kind, tuple) else (kind,)
        if type(item) not in allowed and not (type(item) is int and float in allowed):
            expected = " or ".join("None" if kind is type(None) else kind.__name__ for kind in allowed)
            raise ModelFileError(f"{where}.{key} is a {type(item).__name__}; expected {expected}")
    return value


# Writing


def _pack(document: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> tuple[bytes, list[np.ndarray]]:
    """The first bytes of the file, checksum included, and the arrays as they will lie behind them."""
    text = strictjson.encode(document, "document")
    if not isinstance(document, dict):
        raise ValueError(f"the document is a {type(document).__name__}; it must be a dict")
    if len(arrays) > MAX_ARRAYS:
        raise ValueError(f"{len(arrays):,} arrays; at most {MAX_ARRAYS:,} fit in one file")
    for name in arrays:
        _check_name(name)
    # The widest first keeps each array aligned to its own item size, as the safetensors library does.
    native = {name: _native(name, array) for name, array in arrays.items()}
    order = sorted(native, key=lambda name: (-native[name].itemsize, name))
    stored = [native[name] for name in order]
    metadata = {"format": str(FORMAT), "pellucid": text, "sha256": _ZEROS.decode(), "written_by": _release()}
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, array in zip(order, stored, strict=True):
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
        _check_shape(header[name]["shape"], f"array {name!r}")
    json_text = json.dumps(header, separators=(",", ":"))
    raw = json_text.encode("ascii")
    raw += b" " * (-len(raw) % 8)
    if len(raw) > MAX_HEADER or max(map(strictjson.footprint, (text, json_text))) > _memory(8 + len(raw) + end):
        raise ValueError(f"the document takes {len(text):,} bytes of JSON, too many to load safely; use arrays")
    raw = len(raw).to_bytes(8, "little") + raw
    digest = _digest(raw, stored)
    return raw.replace(b'"sha256":"%s"' % _ZEROS, b'"sha256":"%s"' % digest.encode(), 1), stored


def _native(name: str, array: np.ndarray) -> np.ndarray:
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _NAMES:
        known = ", ".join(np.dtype(numpy).name for numpy in _DTYPES.values())
        raise ValueError(f"array {name!r} has dtype {array.dtype}; convert it to one of {known}")
    return np.asarray(array, dtype=dtype, order="C")


def _digest(header: bytes, arrays: list[np.ndarray]) -> str:
    checksum = hashlib.sha256(header)
    for array in arrays:
        checksum.update(_bytes(array))
    return checksum.hexdigest()


def _bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _release() -> str:
    from importlib import metadata  # 16 ms to import, which only a save needs

    try:
        return metadata.version("pellucid")
    except metadata.PackageNotFoundError:
        return "a source tree"


# Reading


def _open(path: str | os.PathLike[str]) -> BufferedReader:
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ModelFileError(f"does not exist{_neighbours(Path(path))}") from None
    if stat.S_ISDIR(mode):
        raise ModelFileError(f"is a folder, not a model file{_neighbours(Path(path) / 'model')}")
    if not stat.S_ISREG(mode):
        raise ModelFileError("is a pipe, socket or device, not a model file; name a regular file")
    return open(path, "rb")


def _neighbours(path: Path) -> str:
    """The model files beside a name that has none, the nearest first."""
    try:
        names = [name for name in os.listdir(path.parent)[:1000] if name.endswith(SUFFIX)]
    except OSError:
        return f"; neither does the folder {path.parent}"
    return nearest(path.name, names) if names else f"; the folder {path.parent} holds no {SUFFIX} file"


def _unpack(file: BufferedReader, size: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    raw = _header(file, size)
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {8 + error.start:,} of the header is not ASCII") from None
    header = strictjson.decode(text, "the header", _memory(size))
    if not isinstance(header, dict):  # strict JSON's spelling of a float
        raise ValueError("the header is not an object")
    document, sha256 = _metadata(header.pop("__metadata__", None))
    layout = _layout(header, size - 8 - len(raw))
    del text, header
    checksum = hashlib.sha256(len(raw).to_bytes(8, "little"))
    checksum.update(raw.replace(sha256.encode(), _ZEROS))
    del raw
    arrays = {}
    for name, dtype, shape in layout:
        arrays[name] = array = np.empty(shape, dtype)
        if file.readinto(_bytes(array)) != array.nbytes:
            raise ValueError(f"it ended while array {name!r} was read")
        checksum.update(_bytes(array))
        if dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
            raise ValueError(f"array {name!r} is bool, but has bytes other than 0 and 1")
    if checksum.hexdigest() != sha256:
        raise ValueError("the checksum does not match, so some bytes have changed since it was written")
    value = strictjson.decode(document, "the document", _memory(size))
    if not isinstance(value, dict):
        raise ValueError(f"the document is a {type(value).__name__}, not an object")
    return value, arrays


def _memory(size: int) -> int:
    """What the document of a file of this size may unpack to."""
    return size + (48 << 20)


def _header(file: BufferedReader, size: int) -> bytes:
    """The bytes of the JSON header, once its length is plausible."""
    start = file.read(512)
    if not start:
        raise ValueError("it is empty")
    length = int.from_bytes(start[:8], "little")
    if len(start) < 9:
        raise ValueError(f"it ends after {len(start)} bytes, where the header should start")
    if length > MAX_HEADER or start[8:9] != b"{":
        _refuse_foreign(start)
    if not 2 <= length <= MAX_HEADER:
        raise ValueError(f"the header's length is given as {length:,} bytes; 2 to {MAX_HEADER:,} are possible")
    if length > size - 8:
        raise ValueError(f"the header should be {length:,} bytes long, but only {size - 8:,} follow; it was cut short")
    if start[8:9] != b"{":
        raise ValueError(f"the header starts with {start[8:9]!r}, not with '{{'")
    file.seek(8)
    raw = file.read(length)
    if len(raw) != length:
        raise ValueError("it ended while the header was read")
    return raw


def _refuse_foreign(start: bytes) -> None:
    """Name a file of another kind by its first bytes."""
    kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    if start.startswith(b"PK\x03\x04"):
        member = start[30 : 30 + int.from_bytes(start[26:28], "little")]
        kind = next((kind for pattern, kind in _ZIP if pattern.search(member)), "a zip archive")
    elif kind is None and _is_text(start):
        kind = "text; is it the data rather than the model?"
    if kind is not None:
        raise ModelFileError(f"is not a Pellucid model: it is {kind}")


def _is_text(start: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)  # its last character may be cut
    except UnicodeDecodeError:
        return False
    return all(character >= " " or character in "\t\n\r" for character in text)


def _metadata(metadata: object) -> tuple[str, str]:
    """The document's text and the checksum."""
    if not isinstance(metadata, dict) or "pellucid" not in metadata:
        raise ModelFileError(
            "is not a Pellucid model: it is a safetensors file of another program, or its metadata is lost"
        )
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("the metadata holds values that are not strings")
    version = metadata.get("format", "")
    if not re.fullmatch("[1-9][0-9]{0,5}", version):
        raise ValueError(f"the metadata's format is {version[:20]!r}, not a version number")
    if int(version) > FORMAT:
        release = metadata.get("written_by", "an unknown release")[:40]
        raise ModelFileError(
            f"has format {version}, written by Pellucid {release!r}; this one reads up to format {FORMAT}. "
            "Upgrade: pip install --upgrade pellucid"
        )
    if sorted(metadata) != _METADATA:
        raise ValueError(f"the metadata has the keys {sorted(metadata)!s:.200}, not {_METADATA}")
    if not re.fullmatch("[0-9a-f]{64}", metadata["sha256"]):
        raise ValueError("the metadata's sha256 is not 64 hexadecimal digits")
    if not metadata["pellucid"].isascii():
        raise ValueError("the document is not ASCII")
    return metadata["pellucid"], metadata["sha256"]


def _layout(header: dict[str, Any], size: int) -> list[tuple[str, np.dtype[Any], list[int]]]:
    """Name, dtype and shape of every array, once they tile the data exactly, in order."""
    if len(header) > MAX_ARRAYS:
        raise ValueError(f"it has {len(header):,} arrays; at most {MAX_ARRAYS:,} are allowed")
    layout = []
    position = 0
    for name, entry in header.items():
        _check_name(name)
        where = f"array {name!r}"
        if not isinstance(entry, dict) or sorted(entry) != ["data_offsets", "dtype", "shape"]:
            raise ValueError(f"{where} is not an object of dtype, shape and data_offsets alone")
        if not isinstance(entry["dtype"], str) or entry["dtype"] not in _DTYPES:
            raise ValueError(f"{where} has the unknown dtype {str(entry['dtype'])[:20]!r}; known: {', '.join(_DTYPES)}")
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        needed = _check_shape(entry["shape"], where) * dtype.itemsize
        offsets = entry["data_offsets"]
        if not isinstance(offsets, list) or len(offsets) != 2 or any(type(o) is not int or o < 0 for o in offsets):
            raise ValueError(f"{where} has data_offsets that are not two non-negative integers")
        begin, end = offsets
        if begin != position:
            fault = "overlaps the one before, or is out of order" if begin < position else "leaves a hole before it"
            raise ValueError(f"{where} starts at byte {begin:,} of the data, not at {position:,}: it {fault}")
        if end - begin != needed:
            raise ValueError(f"{where} of shape {entry['shape']} needs {needed:,} bytes, but has {end - begin:,}")
        if end > size:
            raise ValueError(f"{where} ends at byte {end:,} of the data, which has {size:,}; it was cut short")
        layout.append((name, dtype, entry["shape"]))
        position = end
    if position != size:
        raise ValueError(f"{size - position:,} bytes follow the last array")
    return layout


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or name == "__metadata__":
        raise ValueError(f"an array's name must be 1 to {MAX_NAME} characters, not {str(name)[:40]!r}")
    if not name.isprintable() or "\\" in name or any(piece in ("", ".", "..") for piece in name.split("/")):
        raise ValueError(f"the array name {name!r} has unprintable characters or looks like a path out of the file")


def _check_shape(shape: object, where: str) -> int:
    """The number of elements; the cap on it, taken with zeros as ones, keeps out what NumPy cannot index."""
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or any(type(n) is not int or n < 0 for n in shape):
        shown = f"{shape!s:.80}"
        raise ValueError(f"{where} has the shape {shown}; it must list at most {MAX_DIMENSIONS} non-negative integers")
    if math.prod(max(n, 1) for n in shape) > _MAX_ELEMENTS:
        raise ValueError(f"{where} has the absurd shape {shape}")
    return math.prod(shape)
