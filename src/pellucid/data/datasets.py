"""Named data sets: one that ships with the package, and one that is found in a folder or fetched once.

Files are looked for in the folder that the environment variable PELLUCID_DATA names, then in the cache
(`$XDG_CACHE_HOME/pellucid`, by default `~/.cache/pellucid`), and fetched into the cache only when neither has them.
The content of every file is checked against its SHA-256.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .table import Table

Images = NDArray[np.uint8]

_MNIST_ADDRESS = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_MNIST = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def housing() -> Table:
    """California's census districts of 1990: 20,640 rows, nine features (one a category, one with gaps), and the target
    `median_house_value` in dollars.

    Source: Pace and Barry, "Sparse Spatial Autoregressions", 1997 (StatLib); the column `ocean_proximity` was added by
    A. Géron (handson-ml2, Apache-2.0).

    >>> len(housing())
    20640
    """
    from .read import read

    return read(housing_path())


def housing_path() -> Path:
    """The path of the shipped `housing.csv`."""
    return Path(__file__).with_name("housing.csv")


def mnist() -> tuple[tuple[Images, Images], tuple[Images, Images]]:
    """Handwritten digits: `(x_train, y_train), (x_test, y_test)`, uint8 images [60000, 28, 28] and labels [60000] 0…9.

    The test part has 10,000. Raises `DataError` when the files are neither present nor can be fetched, or are damaged.
    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits" (CC BY-SA 3.0).
    """
    train_images, train_labels, test_images, test_labels = (
        _idx(_find("mnist", name, _MNIST_ADDRESS + name, digest)) for name, digest in _MNIST.items()
    )
    return (train_images, train_labels), (test_images, test_labels)


def _find(folder: str, name: str, address: str, digest: str) -> bytes:
    """The checked content of the gzip file `folder/name`, fetched into the cache if it is nowhere.

    The digest is that of the decompressed bytes: mirrors compress alike data differently.
    """
    roots = [Path(given)] if (given := os.environ.get("PELLUCID_DATA")) else []
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid"
    for root in (*roots, cache):
        path = root / folder / name
        if path.is_file():
            content = _unpacked(path.read_bytes(), digest)
            if content is None:
                raise DataError(f"{path} is damaged: its content's SHA-256 is not {digest}; delete it")
            return content
    return _fetch(address, cache / folder / name, digest)


def _unpacked(packed: bytes, digest: str) -> bytes | None:
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None


def _fetch(address: str, path: Path, digest: str) -> bytes:
    import urllib.request

    named = os.environ.get("PELLUCID_DATA")
    looked = f"in {named} (PELLUCID_DATA)" if named else "(PELLUCID_DATA is not set)"
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            packed = answer.read()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path.name} was not found {looked} nor in the cache {path.parent}, and {address} cannot be reached "
            f"({error}); fetch it where there is a network and put it into that folder"
        ) from None
    content = _unpacked(packed, digest)
    if content is None:
        raise DataError(f"{address} sent {len(packed):,} bytes that are not the data set; try again later")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with open(handle, "wb") as file:
        file.write(packed)
    os.replace(temporary, path)
    return content


def _idx(content: bytes) -> Images:
    """The array in an IDX file: two zero bytes, type 8 (uint8), number of axes, their sizes (big-endian), the data."""
    axes = content[3]
    sizes = [int(size) for size in np.frombuffer(content, ">u4", axes, offset=4)]
    values: Images = np.frombuffer(content, np.uint8, offset=4 + 4 * axes).copy()
    return values.reshape(sizes)
