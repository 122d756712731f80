"""Files of named data sets: found in a folder or in the cache, or fetched once; never used unless their SHA-256 fits.

They are looked for in the folder that PELLUCID_DATA names, then in the cache: PELLUCID_CACHE, or else `pellucid` in the
platform's folder for caches. What is fetched is checked in memory and written under a temporary name first, so that no
interruption leaves a broken file. Archives are read in memory too: nothing is unpacked to a path that one names.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import sys
import tarfile
import warnings
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..errors import DataError
from . import atomic

_T = TypeVar("_T")

_CHUNK = 1 << 18
_PATIENCE = 30  # seconds without a byte, after which a server counts as unreachable


@dataclass(frozen=True)
class File:
    """One file: its path below a folder of data sets, its address, and the SHA-256 of its bytes."""

    path: str
    address: str
    sha256: str

    def read(self) -> bytes:
        """The content; raises `DataError` where it is damaged, or neither present nor to be fetched."""
        return _found(self, self._opened)

    def _opened(self, raw: bytes) -> bytes | None:
        return raw if hashlib.sha256(raw).hexdigest() == self.sha256 else None


class GzipFile(File):
    """A file compressed by gzip. The SHA-256 is that of the content: mirrors compress the same bytes differently."""

    def _opened(self, raw: bytes) -> bytes | None:
        return super()._opened(gzip.decompress(raw))


@dataclass(frozen=True)
class Archive(File):
    """Files kept in one archive online, and in a folder of their own offline; the SHA-256 is that of their `listing`.

    `pattern` fits the paths in the archive, and its group is a file's name; in `folder`, `names` fits the files' names.
    """

    folder: str
    names: str
    pattern: str

    def files(self) -> dict[str, bytes]:
        """The content of each file, by name; raises `DataError` as `read` does."""
        for root in roots():
            folder = root / self.folder
            if folder.is_dir():
                found = {path.name: path.read_bytes() for path in folder.glob(self.names)}
                if not self._fits(found):
                    raise DataError(
                        f"{folder}/{self.names} are not the files that were published: their listing's SHA-256 is not "
                        f"{self.sha256}; empty that folder and fetch them again"
                    )
                return found
        return _found(self, self._unpacked)

    def unpack(self, raw: bytes) -> dict[str, bytes]:
        """The archive's files as they stand in the folder."""
        return members(raw, self.pattern)

    def _unpacked(self, raw: bytes) -> dict[str, bytes] | None:
        found = self.unpack(raw)
        return found if self._fits(found) else None

    def _fits(self, files: Mapping[str, bytes]) -> bool:
        return hashlib.sha256(listing(files)).hexdigest() == self.sha256


def listing(files: Mapping[str, bytes]) -> bytes:
    """What `sha256sum *` prints for some files.

    >>> listing({"empty": b""}).decode()
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty\\n'
    """
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)).encode()


def members(raw: bytes, pattern: str) -> dict[str, bytes]:
    """The regular files of a tar archive whose whole path fits a pattern, by the pattern's first group."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        for member in archive:
            match = re.fullmatch(pattern, member.name)
            if match and member.isreg() and (file := archive.extractfile(member)):
                found[match[1]] = file.read()
    return found


def cache_folder() -> Path:
    """Where fetched files are kept: PELLUCID_CACHE, or `pellucid` in the platform's folder for caches."""
    if named := os.environ.get("PELLUCID_CACHE"):
        return Path(named)
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "pellucid"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pellucid"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "pellucid" / "Cache"
    return Path.home() / ".cache" / "pellucid"


def roots() -> list[Path]:
    """The folders where files of data sets are looked for, in this order."""
    named = os.environ.get("PELLUCID_DATA")
    return [*([Path(named)] if named else []), cache_folder()]


def _found(file: File, opened: Callable[[bytes], _T | None]) -> _T:
    """What `opened` makes of the file in the first folder that has it, or of what its address sends."""
    for root in roots():
        path = root / file.path
        if path.is_file():
            result = _open(opened, path.read_bytes())
            if result is None:
                raise DataError(
                    f"{path} is damaged: its SHA-256 is not {file.sha256}; delete it, so that it is fetched"
                )
            return result
    raw = _fetched(file)
    result = _open(opened, raw)
    if result is None:
        raise DataError(
            f"{file.address} sent {len(raw):,} bytes that are not {file.path}: their SHA-256 is not {file.sha256}; "
            f"try again later, or put the file into {_offline(file)}"
        )
    path = cache_folder() / file.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.replace(path, [raw])
    except OSError as error:
        warnings.warn(f"{path} cannot be written, so it will be fetched again next time: {error}", stacklevel=4)
    return result


def _open(opened: Callable[[bytes], _T | None], raw: bytes) -> _T | None:
    try:
        return opened(raw)
    except (OSError, EOFError, zlib.error, tarfile.TarError):  # not even the format is right
        return None


def _fetched(file: File) -> bytes:
    """What the address sends, with progress on standard error."""
    import urllib.request
    from http.client import HTTPException

    try:
        with urllib.request.urlopen(file.address, timeout=_PATIENCE) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            progress = Progress(file.address, size)
            raw = bytearray()
            while chunk := answer.read(_CHUNK):
                raw += chunk
                progress.show(len(raw))
            progress.end()
            if len(raw) < size:
                raise OSError(f"the connection ended after {len(raw):,} of {size:,} bytes")
            return bytes(raw)
    except (OSError, ValueError, HTTPException) as error:
        raise DataError(
            f"{file.path} is neither in {' nor in '.join(map(str, roots()))}, and {file.address} cannot be reached "
            f"({error}). Fetch that address where there is a network and put the file into {_offline(file)}"
        ) from None


def _offline(file: File) -> str:
    """Where a person may put the file."""
    if named := os.environ.get("PELLUCID_DATA"):
        return str(Path(named) / file.path)
    return f"{cache_folder() / file.path}, or as {file.path} into a folder that PELLUCID_DATA names (it is not set)"


class Progress:
    """How much of a file has come: a line that counts on a terminal, one line in all elsewhere."""

    def __init__(self, address: str, size: int) -> None:
        self.size, self.text = size, f"Fetching {address}" + f" ({size / 1e6:,.1f} MB)" * bool(size)
        self.live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._write(self.text if self.live else f"{self.text}\n")

    def show(self, done: int) -> None:
        """So many bytes have come."""
        if self.live:
            self._write(
                f"\r{self.text}: {done / self.size:4.0%}" if self.size else f"\r{self.text}: {done / 1e6:,.1f} MB"
            )

    def end(self) -> None:
        """All have come."""
        if self.live:
            self._write("\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
