"""Named data sets: `pellucid.datasets.mnist()` and its like, each found in a folder or fetched once and checked.

Where files are looked for, and how they are fetched, stands in `downloads`. Every loader can also be called in Keras's
words, `mnist.load_data()`. Checksums are those of the files as published, or of their content where mirrors differ.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, UnknownNameError
from .downloads import Archive, File, GzipFile, members
from .table import Table

__all__ = [
    "cifar10",
    "cifar100",
    "daily_min_temperatures",
    "fashion_mnist",
    "housing",
    "housing_path",
    "imdb_reviews",
    "mnist",
    "monthly_sunspots",
    "multi30k",
    "sentence_polarity",
    "spoken_digits",
    "tiny_shakespeare",
]

Images = NDArray[np.uint8]
Labels = NDArray[np.uint8]
ImageSets = tuple[tuple[Images, Labels], tuple[Images, Labels]]
TextSets = tuple[tuple[list[str], Labels], tuple[list[str], Labels]]
Pairs = tuple[list[str], list[str]]

_T = TypeVar("_T")
_P = ParamSpec("_P")


class Loader(Protocol[_P, _T]):
    """A function that returns a data set, and that Keras's `load_data` names as well."""

    load_data: Callable[_P, _T]

    def __call__(self, *args: _P.args, **options: _P.kwargs) -> _T: ...


def loader(function: Callable[_P, _T]) -> Loader[_P, _T]:
    """The function, which from now on is its own `load_data` too."""
    made = cast("Loader[_P, _T]", function)
    made.load_data = function
    return made


# Tables


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
    """The path of the shipped `housing.csv`.

    >>> housing_path().name
    'housing.csv'
    """
    return Path(__file__).with_name("housing.csv")


# Images

_MNIST_PARTS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")

_MNIST = [
    GzipFile(f"mnist/{part}-ubyte.gz", f"https://storage.googleapis.com/cvdf-datasets/mnist/{part}-ubyte.gz", digest)
    for part, digest in zip(
        _MNIST_PARTS,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
        strict=True,
    )
]


@loader
def mnist() -> ImageSets:
    """Handwritten digits: `(x_train, y_train), (x_test, y_test)`, uint8 images [60000, 28, 28] and labels [60000] 0…9.

    The test part has 10,000. Raises `DataError` when the files are neither present nor can be fetched, or are damaged.
    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits" (CC BY-SA 3.0).

    >>> (x, y), (x_test, y_test) = mnist()  # doctest: +SKIP
    >>> x.shape, x_test.shape  # doctest: +SKIP
    ((60000, 28, 28), (10000, 28, 28))
    """
    train_images, train_labels, test_images, test_labels = (_idx(file.read()) for file in _MNIST)
    return (train_images, train_labels), (test_images, test_labels)


_FASHION = [
    File(
        f"fashion_mnist/{part}-ubyte.gz",
        f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{part}-ubyte.gz",
        digest,
    )
    for part, digest in zip(
        _MNIST_PARTS,
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        strict=True,
    )
]


@loader
def fashion_mnist() -> ImageSets:
    """Articles of clothing in the shapes of `mnist`: uint8 images [60000, 28, 28], labels [60000] 0…9; 10,000 to test.

    The classes are T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.
    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST", 2017 (Zalando SE, MIT).

    >>> (x, y), (x_test, y_test) = fashion_mnist()  # doctest: +SKIP
    """
    train_images, train_labels, test_images, test_labels = (_idx(gzip.decompress(file.read())) for file in _FASHION)
    return (train_images, train_labels), (test_images, test_labels)


_CIFAR10 = File(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
_CIFAR100 = File(
    "cifar-100-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
)


@loader
def cifar10() -> ImageSets:
    """Small photographs: uint8 images [50000, 32, 32, 3] and labels [50000, 1] 0…9; 10,000 to test.

    The classes are airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck.
    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; free to use, with that citation.

    >>> (x, y), (x_test, y_test) = cifar10()  # doctest: +SKIP
    """
    files = members(_CIFAR10.read(), r"cifar-10-batches-bin/(\w+_batch(?:_\d)?)\.bin")
    train = b"".join(files[f"data_batch_{number}"] for number in range(1, 6))
    return _cifar(train, 1, 0), _cifar(files["test_batch"], 1, 0)


@loader
def cifar100(label_mode: str = "fine") -> ImageSets:
    """Small photographs, as `cifar10`, of 100 classes, or of 20 with `label_mode="coarse"`.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; free to use, with that citation.

    >>> (x, y), (x_test, y_test) = cifar100()  # doctest: +SKIP
    """
    if label_mode not in ("fine", "coarse"):
        raise ArgumentError(f'label_mode must be "fine" or "coarse", got {label_mode!r}')
    files = members(_CIFAR100.read(), r"cifar-100-binary/(train|test)\.bin")
    label = 1 if label_mode == "fine" else 0
    return _cifar(files["train"], 2, label), _cifar(files["test"], 2, label)


def _cifar(content: bytes, labels: int, label: int) -> tuple[Images, Labels]:
    """Records of some label bytes and then an image's red, green and blue plane; the label in one place is taken."""
    records = np.frombuffer(content, np.uint8).reshape(-1, labels + 3072)
    planes = records[:, labels:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, label : label + 1].copy()


def _idx(content: bytes) -> Images:
    """The array in an IDX file: two zero bytes, type 8 (uint8), number of axes, their sizes (big-endian), the data."""
    axes = content[3]
    sizes = [int(size) for size in np.frombuffer(content, ">u4", axes, offset=4)]
    values: Images = np.frombuffer(content, np.uint8, offset=4 + 4 * axes).copy()
    return values.reshape(sizes)


# Texts

_SHAKESPEARE = File(
    "tinyshakespeare.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


@loader
def tiny_shakespeare() -> str:
    """Plays by Shakespeare as one text of 1,115,394 characters, 65 of them distinct.

    Source: A. Karpathy, char-rnn, 2015; public domain.

    >>> tiny_shakespeare()[:14]  # doctest: +SKIP
    'First Citizen:'
    """
    return _SHAKESPEARE.read().decode()


class _Polarity(Archive):
    """The archive has the two files in Latin-1 and under other names."""

    def unpack(self, raw: bytes) -> dict[str, bytes]:
        names = {"pos": "positive.txt", "neg": "negative.txt"}
        return {names[end]: content.decode("latin-1").encode() for end, content in super().unpack(raw).items()}


_POLARITY = _Polarity(
    path="rt-polaritydata.tar.gz",
    address="https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz",
    sha256="aea8069e123c9a041baac7e27b8ed7770296135b5a9222f1f55b472ebc9da73d",
    folder="sentiment",
    names="*.txt",
    pattern=r"(?:.*/)?rt-polarity\.(pos|neg)",
)


@loader
def sentence_polarity() -> TextSets:
    """Sentences of film reviews, lower case and split at blanks, with labels 1 for praise and 0 for blame.

    Of the 5,331 of each, every tenth is for testing: 9,596 to train and 1,066 to test, praise and blame by turns.
    Source: Pang and Lee, "Seeing stars", 2005 (movie-review-data, sentence polarity v1.0; for research).

    >>> (texts, labels), (test_texts, test_labels) = sentence_polarity()  # doctest: +SKIP
    >>> len(texts), len(test_texts)  # doctest: +SKIP
    (9596, 1066)
    """
    files = _POLARITY.files()
    praise, blame = (files[name].decode().rstrip("\n").split("\n") for name in ("positive.txt", "negative.txt"))
    sentences = [sentence.strip() for pair in zip(praise, blame, strict=True) for sentence in pair]
    places = np.arange(len(sentences))
    labels, tested = (places % 2 == 0).astype(np.uint8), places // 2 % 10 == 9
    return (
        ([sentences[i] for i in places[~tested]], labels[~tested]),
        ([sentences[i] for i in places[tested]], labels[tested]),
    )


_IMDB = File(
    "aclImdb_v1.tar.gz",
    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
)


@loader
def imdb_reviews() -> TextSets:
    """Film reviews as they were written, 25,000 to train and 25,000 to test, with labels 1 for praise and 0 for blame.

    Praise comes first: shuffle before holding rows out. Reading takes a while, as each review is a file of its own.
    Source: Maas et al., "Learning Word Vectors for Sentiment Analysis", 2011 (for research, with that citation).

    >>> (texts, labels), (test_texts, test_labels) = imdb_reviews()  # doctest: +SKIP
    """
    files = members(_IMDB.read(), r"aclImdb/((?:train|test)/(?:pos|neg)/\d+_\d+\.txt)")
    sets = []
    for part in ("train", "test"):
        texts = [[files[n].decode() for n in sorted(files) if n.startswith(f"{part}/{end}/")] for end in ("pos", "neg")]
        sets.append((texts[0] + texts[1], np.repeat(np.array([1, 0], np.uint8), [len(one) for one in texts])))
    return sets[0], sets[1]


_MULTI30K = {
    name: GzipFile(
        f"translation/{name}.gz",
        f"https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/{name}.gz",
        digest,
    )
    for name, digest in {
        "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
        "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
        "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
        "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
        "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
        "test_2016_flickr.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
    }.items()
}


@loader
def multi30k() -> tuple[Pairs, Pairs, Pairs]:
    """Captions of photographs in English and German: `(en_train, de_train), (en_val, de_val), (en_test, de_test)`.

    There are 29,000, 1,014 and 1,000 pairs. Source: Elliott et al., "Multi30K", 2016 (for research and teaching).

    >>> (english, german), validation, test = multi30k()  # doctest: +SKIP
    >>> len(english)  # doctest: +SKIP
    29000
    """
    train, validation, test = (
        (_lines(_MULTI30K[f"{part}.en"]), _lines(_MULTI30K[f"{part}.de"]))
        for part in ("train", "val", "test_2016_flickr")
    )
    return train, validation, test


def _lines(file: File) -> list[str]:
    return [line.strip() for line in file.read().decode().rstrip("\n").split("\n")]


# Sound

_SPOKEN = Archive(
    path="free-spoken-digit-dataset-1.0.10.tar.gz",
    address="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
    sha256="1801eae019c063377d98f831d3f93574f259475df7332bb0e3d1b080fb5e6959",
    folder="spoken_digits",
    names="*.wav",
    pattern=r"[^/]+/recordings/(\d_\w+_\d+\.wav)",
)

Sounds = tuple[list[NDArray[np.float32]], Labels]


@loader
def spoken_digits(test_speaker: str | None = None) -> tuple[Sounds, Sounds]:
    """English digits by six speakers: recordings of different lengths, float32 in -1…1 at 8,000 a second, and labels.

    The recordings numbered 0 to 4 are for testing, as their makers say: 2,700 to train and 300 to test, sorted by name.
    `test_speaker`: rather all 500 by one speaker are for testing, and those by the other five to train: `george`,
    `jackson`, `lucas`, `nicolas`, `theo` or `yweweler`. Raises `UnknownNameError` for another.
    Source: Jackson et al., Free Spoken Digit Dataset v1.0.10 (CC BY-SA 4.0).

    >>> (sounds, labels), (test_sounds, test_labels) = spoken_digits()  # doctest: +SKIP
    >>> len(sounds), len(test_sounds)  # doctest: +SKIP
    (2700, 300)
    """
    from .audio import decode_wav

    sets: list[tuple[list[NDArray[np.float32]], list[int]]] = [([], []), ([], [])]
    speakers = set()
    for name, content in sorted(_SPOKEN.files().items()):
        digit, speaker, number = name.removesuffix(".wav").split("_")
        speakers.add(speaker)
        sounds, labels = sets[int(number) < 5 if test_speaker is None else speaker == test_speaker]
        sounds.append(decode_wav(content, name)[0][:, 0])
        labels.append(int(digit))
    if test_speaker is not None and test_speaker not in speakers:
        raise UnknownNameError("speaker", test_speaker, speakers)
    train, test = ((sounds, np.array(labels, np.uint8)) for sounds, labels in sets)
    return train, test


# Series over time

_SERIES = "https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
_SUNSPOTS = File(
    "monthly-sunspots.csv",
    f"{_SERIES}monthly-sunspots.csv",
    "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
)
_TEMPERATURES = File(
    "daily-min-temperatures.csv",
    f"{_SERIES}daily-min-temperatures.csv",
    "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
)

Series = tuple[NDArray[np.datetime64], NDArray[np.float32]]


@loader
def monthly_sunspots() -> Series:
    """Mean numbers of sunspots by month, 1749 to 1983: the months, and 2,820 float32 numbers.

    Source: Andrews and Herzberg, "Data", 1985, from the Sunspot Index Data Center (WDC-SILSO).

    >>> dates, spots = monthly_sunspots()  # doctest: +SKIP
    >>> dates[0], float(spots[0])  # doctest: +SKIP
    (np.datetime64('1749-01'), 58.0)
    """
    return _series(_SUNSPOTS)


@loader
def daily_min_temperatures() -> Series:
    """The lowest temperature of each day in Melbourne, 1981 to 1990, in °C: the days, and 3,650 float32 numbers.

    Source: Australian Bureau of Meteorology. The two 31 December of leap years are not in it.

    >>> dates, degrees = daily_min_temperatures()  # doctest: +SKIP
    >>> dates[0], float(degrees[0])  # doctest: +SKIP
    (np.datetime64('1981-01-01'), 20.700000762939453)
    """
    return _series(_TEMPERATURES)


def _series(file: File) -> Series:
    """The two columns of a file with a header: a date in quotes, and a number."""
    rows = [line.split(",") for line in file.read().decode().split("\n")[1:] if line]
    return np.array([row[0].strip('"') for row in rows], np.datetime64), np.array([row[1] for row in rows], np.float32)
