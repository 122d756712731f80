"""Saving over a file: killed, interrupted or refused by the system, it leaves the old file or the new one, whole.

Tested through the model file, whose checksum tells a whole file from a torn one.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pellucid.data import atomic
from pellucid.errors import ModelFileError
from pellucid.train import modelfile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


KILLS = """
import os, random, signal, sys, time
import numpy as np
from pellucid.train import modelfile
path, kills = sys.argv[1], int(sys.argv[2])
def save(version):
    modelfile.write(path, {"version": version}, {"w": np.full(20_000, version, np.float32)})
save(0)
chance, seen = random.Random(3), set()
for _ in range(kills):
    child = os.fork()
    if not child:
        for version in range(1_000_000):
            save(version)
    time.sleep(chance.uniform(0.002, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    document, arrays = modelfile.read(path)
    assert (arrays["w"] == document["version"]).all() and arrays["w"].size == 20_000
    seen.add(document["version"])
print(len(seen))
"""


def in_new_process(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    source = str(Path(modelfile.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    command = [*options.pop("prefix", []), sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, **options)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_while_saving(path: Path) -> None:
    result = in_new_process(KILLS, path, 100)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 1, "no kill came after a save: the test saw nothing"


@pytest.mark.parametrize("step", ["open", "chmod", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
def test_a_failing_system_call(path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int) -> None:
    modelfile.write(path, {"version": 1}, {})

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "somewhere")

    with monkeypatch.context() as patch:
        if step == "open":
            patch.setattr(atomic, "open", fail, raising=False)
        else:
            patch.setattr(atomic.os, step, fail)
        with pytest.raises(ModelFileError) as caught:
            modelfile.write(path, {"version": 2}, {})
    assert str(caught.value).startswith(f"{path} was not saved")
    assert os.strerror(number) in str(caught.value)
    assert "what was there before is intact" in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert modelfile.read(path)[0] == {"version": 1}
    assert os.listdir(path.parent) == [path.name]


def test_interrupted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modelfile.write(path, {"version": 1}, {})

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            modelfile.write(path, {"version": 2}, {})
    assert modelfile.read(path)[0] == {"version": 1}
    assert os.listdir(path.parent) == [path.name]


def test_the_folder_cannot_be_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fsync, []

    def fail_second(descriptor: int) -> None:
        calls.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        if calls[-1]:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", fail_second)
        with pytest.raises(ModelFileError, match="power cut"):
            modelfile.write(path, {}, {})
    assert calls == [False, True]
    assert modelfile.read(path)[0] == {}


SAVE_LARGE = """
import os, sys
import numpy as np
from pellucid.errors import ModelFileError
from pellucid.train import modelfile
path = sys.argv[1]
exec(sys.argv[2])
modelfile.write(path, {"version": 1}, {})
try:
    modelfile.write(path, {"version": 2}, {"w": np.zeros(1 << 19)})
except ModelFileError as error:
    print(error)
assert modelfile.read(path)[0] == {"version": 1}
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
"""


def test_file_size_limit(path: Path) -> None:
    pytest.importorskip("resource")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))"
    result = in_new_process(SAVE_LARGE, path, limit)
    assert result.returncode == 0, result.stderr
    assert "File too large" in result.stdout
    assert "Free some space" in result.stdout


def test_disk_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    prefix = ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=1m none "{disk}" && exec "$@"', "sh"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no small disk can be mounted here")
    result = in_new_process(SAVE_LARGE, disk / "model.safetensors", "", prefix=prefix)
    assert result.returncode == 0, result.stderr
    assert "No space left on device" in result.stdout
    assert "Free some space" in result.stdout


def test_no_right_to_write(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(ModelFileError, match=r"Permission denied.*where you may write"):
        modelfile.write(folder / "model.safetensors", {}, {})


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"No such file or directory\. Create the folder"):
        modelfile.write(tmp_path / "missing" / "model.safetensors", {}, {})


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_the_name_is_taken(path: Path, kind: str) -> None:
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(ModelFileError, match="taken by a folder, pipe or device"):
        modelfile.write(path, {}, {})
    assert os.listdir(path.parent) == [path.name]


def test_a_symlink_stays_one(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "real")
    modelfile.write(path, {"version": 1}, {})
    modelfile.write(path, {"version": 2}, {})
    assert path.is_symlink()
    assert modelfile.read(tmp_path / "real")[0] == {"version": 2}


def test_the_mode_of_an_existing_file_is_kept(path: Path) -> None:
    modelfile.write(path, {}, {})
    path.chmod(0o600)
    modelfile.write(path, {}, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_killed_saves_left_is_swept_once_old(path: Path) -> None:
    left = {
        name: path.with_name(name)
        for name in (f".{path.name}.0123abcd.tmp", f".{path.name}.4567abcd.tmp", ".other.tmp")
    }
    for file in left.values():
        file.touch()
    old, young, other = left.values()
    os.utime(old, (0, 0))
    os.utime(other, (0, 0))
    modelfile.write(path, {}, {})
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)
