"""Archives for the tests of named data sets."""

from __future__ import annotations

import io
import tarfile


def tar(members: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    """A compressed archive of files, and of symbolic links."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return packed.getvalue()
