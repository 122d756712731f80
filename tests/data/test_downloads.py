"""Fetching: from a server of the test's own; the cache, checksums, broken connections, archives with hostile paths."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from archives import tar

from pellucid.data import downloads
from pellucid.data.downloads import Archive, File, GzipFile
from pellucid.errors import DataError

CONTENT = b"to be, or not to be" * 50_000  # several chunks


class Server:
    """Answers with `content` under every path; `cut` ends the connection before so many bytes at the end."""

    def __init__(self) -> None:
        self.content, self.cut, self.asked = CONTENT, 0, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                self.send_response(404 if self.path.endswith("absent") else 200)
                self.send_header("Content-Length", str(len(outer.content)))
                self.end_headers()
                self.wfile.write(outer.content[: len(outer.content) - outer.cut])

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server()
    yield running
    running.server.shutdown()
    running.server.server_close()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def all_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_fetched_once_and_announced(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    file = File("plays/play.txt", server.address + "play.txt", digest(CONTENT))
    assert file.read() == CONTENT
    assert file.read() == CONTENT
    assert server.asked == 1
    assert all_files(tmp_path / "cache") == ["plays/play.txt"]
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"Fetching {file.address} (0.9 MB)\n"


def test_progress_counts_on_a_terminal(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    File("play.txt", server.address, digest(CONTENT)).read()
    assert screen.getvalue().endswith("(0.9 MB): 100%\n")
    assert screen.getvalue().count("\r") >= 4


def test_the_named_folder_comes_before_the_cache(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "play.txt").write_bytes(CONTENT)
    assert File("play.txt", server.address, digest(CONTENT)).read() == CONTENT
    assert server.asked == 0


def test_a_wrong_checksum_is_refused(server: Server, tmp_path: Path) -> None:
    file = File("play.txt", server.address + "play.txt", digest(b"something else"))
    with pytest.raises(DataError, match=r"sent 950,000 bytes that are not play\.txt: their SHA-256 is not"):
        file.read()
    assert all_files(tmp_path) == []
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "play.txt").write_bytes(CONTENT)
    with pytest.raises(DataError, match=r"is damaged: .* delete it"):
        file.read()


def test_a_cut_connection_leaves_nothing(server: Server, tmp_path: Path) -> None:
    file = File("play.txt", server.address, digest(CONTENT))
    server.cut = 10
    with pytest.raises(DataError, match="ended after 949,990 of 950,000 bytes"):
        file.read()
    assert all_files(tmp_path) == []
    server.cut = 0
    assert file.read() == CONTENT


def test_an_interruption_while_writing_leaves_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    file = File("play.txt", server.address, digest(CONTENT))
    monkeypatch.setattr(downloads.atomic.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        file.read()
    assert all_files(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"a file where a folder should be")
    with pytest.warns(UserWarning, match="cannot be written, so it will be fetched again"):
        assert File("play.txt", server.address, digest(CONTENT)).read() == CONTENT


def test_what_cannot_be_reached_says_what_to_do(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = File("play.txt", server.address + "absent", digest(CONTENT))
    with pytest.raises(
        DataError, match=r"neither in .*cache, and .*absent cannot be reached \(HTTP Error 404"
    ) as caught:
        file.read()
    assert f"put the file into {tmp_path / 'cache' / 'play.txt'}, or as play.txt into a folder" in str(caught.value)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataError, match=r"neither in .*mine nor in .*cache") as caught:
        file.read()
    assert str(caught.value).endswith(f"put the file into {tmp_path / 'mine' / 'play.txt'}")
    server.server.server_close()
    with pytest.raises(DataError, match="cannot be reached"):
        File("play.txt", "http://127.0.0.1:1/", "").read()


def test_gzip_is_checked_by_its_content(server: Server) -> None:
    for level in (1, 9):
        server.content = gzip.compress(CONTENT, level)
        assert GzipFile(f"play{level}.gz", server.address, digest(CONTENT)).read() == CONTENT
    server.content = b"no gzip at all"
    with pytest.raises(DataError, match=r"not other\.gz"):
        GzipFile("other.gz", server.address, digest(CONTENT)).read()


FILES = {"a.txt": b"first", "b.txt": b"second"}


def archive(address: str, files: dict[str, bytes]) -> Archive:
    return Archive("set.tar.gz", address, digest(downloads.listing(files)), "set", "*.txt", r"set-\d/(\w\.txt)")


def test_an_archive_online_and_its_files_in_a_folder(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.content = tar({"set-1/a.txt": b"first", "set-1/README": b"", "set-1/b.txt": b"second"})
    found = archive(server.address, FILES)
    assert found.files() == FILES
    assert found.files() == FILES
    assert server.asked == 1
    assert all_files(tmp_path / "cache") == ["set.tar.gz"]
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path))
    folder = tmp_path / "set"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "README").write_bytes(b"more")
    assert found.files() == FILES
    (folder / "b.txt").write_bytes(b"changed")
    with pytest.raises(DataError, match="are not the files that were published"):
        found.files()


def test_an_archive_writes_to_no_path_that_it_names(server: Server, tmp_path: Path) -> None:
    hostile = {"../../set-1/a.txt": b"x", "/set-1/a.txt": b"x", "set-1/../a.txt": b"x", "set-1/a.txt/../b.txt": b"x"}
    server.content = tar({**hostile, "set-1/a.txt": b"first"}, links={"set-1/b.txt": "/etc/passwd"})
    assert archive(server.address, {"a.txt": b"first"}).files() == {"a.txt": b"first"}
    assert all_files(tmp_path) == ["cache/set.tar.gz"]
    server.content = tar({"set-1/a.txt": b"changed"})
    with pytest.raises(DataError, match="not other"):
        Archive("other", server.address, digest(b""), "other", "*", "(.*)").files()


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {}, "home/.cache/pellucid"),
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/pellucid"),
        ("darwin", {}, "home/Library/Caches/pellucid"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/pellucid/Cache"),
        ("linux", {"PELLUCID_CACHE": "/mine", "XDG_CACHE_HOME": "/x"}, "/mine"),
    ],
)
def test_the_cache_lies_where_the_platform_wants_it(
    platform: str, environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PELLUCID_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    assert downloads.cache_folder() == Path(expected)
