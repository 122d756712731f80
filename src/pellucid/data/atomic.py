"""Replacing a file so that a crash at any moment leaves the old one or the new one, whole.

The bytes go to a temporary file in the same folder, are synced to the disk and renamed onto the target, and the folder
is synced: a rename alone may reach the disk before the data, or not at all.

Source: Pillai et al., "Crash Consistency", ACM Queue 13(7), 2015.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable
from pathlib import Path

_STALE = 3600.0  # seconds without a write after which a temporary file belongs to nobody


def replace(path: str | os.PathLike[str], chunks: Iterable[bytes | memoryview]) -> None:
    """Write chunks of bytes as the new content of a file; a symlink stays one, an existing file's mode is kept.

    Raises OSError, whose `strerror` says what is left and what to do; the temporary file is gone, after Ctrl-C too.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        if target.exists() and not target.is_file():
            raise FileExistsError(errno.EEXIST, "The name is taken by a folder, pipe or device")
        _sweep(target)
        with open(temporary, "xb") as file:
            if target.exists():
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            intact = "; what was there before is intact" if target.exists() else ""
            raise OSError(error.errno, f"{error.strerror}{intact}. {_repair(error.errno)}") from error
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folder, and one may be writable without being readable
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such notion
            raise OSError(
                error.errno, f"{error.strerror}. The new file is in place, but a power cut may undo it: check the disk"
            ) from error
    finally:
        os.close(descriptor)


def _sweep(target: Path) -> None:
    """Remove what killed writers of the same file left behind long ago."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.tmp")
    with contextlib.suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) and entry.stat().st_mtime < time.time() - _STALE:
                os.unlink(entry.path)


def _repair(number: int | None) -> str:
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "Free some space, or save to another disk"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "Save to a folder where you may write"
    if number in (errno.ENOENT, errno.ENOTDIR):
        return "Create the folder first, or correct the path"
    return "Save again, or under another name"
