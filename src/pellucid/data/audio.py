"""Sound as numbers: WAV files, folders of them, spectrograms and log-mel spectrograms. NumPy alone is needed.

Source: the WAVE format as in Microsoft and IBM, "Multimedia Programming Interface", 1991, and its extensible form.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError, DataError
from .folders import Folder
from .sequences import pad_sequences

Samples = NDArray[np.float32]

_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE  # the format's number for what the samples are


def read_wav(path: str | os.PathLike[str]) -> tuple[Samples, int]:
    """The samples of a WAV file [samples, channels], float32 in -1…1, and how many there are in a second.

    Integers of 8, 16, 24 and 32 bits and floats of 32 and 64 are read; an integer is divided by the largest power of
    two of its kind, so that full scale is -1. Raises `DataError` with the file's name for anything else.

    >>> import wave, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with wave.open(f"{folder}/a.wav", "wb") as file:
    ...         file.setparams((1, 2, 8000, 0, "NONE", ""))
    ...         file.writeframes(bytes(8000))
    ...     samples, rate = read_wav(f"{folder}/a.wav")
    >>> samples.shape, rate
    ((4000, 1), 8000)
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{os.fspath(path)} cannot be read: {error.strerror}") from None
    return decode_wav(content, os.fspath(path))


def decode_wav(content: bytes, name: str) -> tuple[Samples, int]:
    """As `read_wav`, from bytes; `name` is for messages."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise DataError(f"{name} is no WAV file: it does not begin with RIFF and WAVE")
    chunks = _chunks(content)
    head, data = chunks.get(b"fmt "), chunks.get(b"data")
    if head is None or len(head) < 16 or data is None:
        raise DataError(f"{name} is a damaged WAV file: its format or its samples are missing")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head)
    if kind == _EXTENSIBLE and len(head) >= 26:
        (kind,) = struct.unpack_from("<H", head, 24)
    width = bits // 8
    if (kind, bits) not in {(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64)} or not channels or not rate:
        raise DataError(
            f"{name}: a WAV file of format {kind} with {bits} bits and {channels} channels cannot be read; convert it "
            "to 16-bit PCM"
        )
    if len(data) % (width * channels):
        raise DataError(f"{name} is cut short: {len(data)} bytes are no whole number of {width * channels}-byte frames")
    return _numbers(data, kind, bits).reshape(-1, channels), rate


def _chunks(content: bytes) -> dict[bytes, bytes]:
    """The parts of a RIFF file by name; of several with one name the first counts."""
    place, found = 12, dict[bytes, bytes]()
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        found.setdefault(name, content[place + 8 : place + 8 + size])
        place += 8 + size + size % 2  # parts begin at even places
    return found


def _numbers(data: bytes, kind: int, bits: int) -> Samples:
    if kind == _FLOATS:
        return np.frombuffer(data, f"<f{bits // 8}").astype(np.float32)
    if bits == 8:  # the one width that is unsigned
        data = (np.frombuffer(data, np.uint8) ^ 0x80).tobytes()
    if bits == 24:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data, bits = wide.tobytes(), 32  # 24 bits are the upper ones of 32
    samples = np.frombuffer(data, f"<i{bits // 8}").astype(np.float32)
    samples *= 2.0 ** (1 - bits)
    return samples


def audio_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Batches of recordings and their labels from a folder of WAV files: a `Stream`, or two with `subset="both"`.

    `directory` has a folder for each class, or `labels` a number for each file in order of paths. Recordings are
    float32 [batch, samples, 1] in -1…1, channels averaged, cut or filled up with zeros to `output_sequence_length`, or
    filled up to the longest of their batch. All must have one `sampling_rate`, that of the first one read unless given:
    nothing is resampled. Labels are int32 numbers [batch]; float32 [batch, 1] with `label_mode="binary"`; one-hot
    [batch, classes] with `"categorical"`; None gives the recordings alone. To train on pictures of the sound, `map` a
    spectrogram over the stream: `stream.map(lambda x, y: (log_mel_spectrogram(x[..., 0], 8000), y))`.
    Raises `DataError` with the name of a file that is damaged or has another rate.

    >>> training = audio_dataset_from_directory("sounds", sampling_rate=8000)  # doctest: +SKIP
    """
    expected = sampling_rate

    def read(paths: list[str]) -> Samples:
        nonlocal expected
        recordings = []
        for path in paths:
            samples, rate = read_wav(path)
            expected = rate if expected is None else expected
            if rate != expected:
                raise DataError(f"{path} has {rate} samples a second where {expected} are expected; convert it")
            recordings.append(samples.mean(-1, keepdims=True))
        return pad_sequences(recordings, output_sequence_length, "float32", padding="post", truncating="post")

    folder = Folder(
        directory, labels, label_mode, class_names, batch_size, shuffle, seed, validation_split, subset, follow_links,
        verbose,
    )  # fmt: skip
    return folder.stream([".wav"], read)


def spectrogram(
    samples: ArrayLike, frame_length: int = 256, frame_step: int = 128, fft_length: int | None = None
) -> Samples:
    """How much of each frequency there is over time: magnitudes of Fourier transforms of overlapping frames.

    `S[t, f] = |Σₙ x[t·step + n]·w[n]·exp(-2πi·f·n/N)|` with Hann's window `w[n] = ½ - ½·cos(2πn/length)`.

    Shapes: samples [..., n] → [..., 1 + (n - frame_length) // frame_step, 1 + fft_length // 2]; what fills no
    frame is left out. `fft_length` is the smallest power of two that holds a frame. Column f stands for
    f·rate/fft_length hertz.
    Raises `DataError` where the samples are fewer than a frame.

    >>> spectrogram(np.sin(2 * np.pi * 0.25 * np.arange(16)), frame_length=8, frame_step=4)[0].round(2).tolist()
    [0.0, 1.0, 2.0, 1.0, 0.0]
    """
    x = np.asarray(samples, np.float32)
    for name, value in (("frame_length", frame_length), ("frame_step", frame_step)):
        if value < 1:
            raise ArgumentError(f"{name} must be at least 1, got {value}")
    size = 1 << (frame_length - 1).bit_length() if fft_length is None else fft_length
    if size < frame_length:
        raise ArgumentError(f"fft_length must hold a frame of {frame_length} samples, got {size}")
    if not x.ndim or x.shape[-1] < frame_length:
        raise DataError(
            f"{x.shape[-1] if x.ndim else 1} samples are fewer than a frame of {frame_length}; pad them, or give a "
            "smaller frame_length"
        )
    frames = np.lib.stride_tricks.sliding_window_view(x, frame_length, axis=-1)[..., ::frame_step, :]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame_length) / frame_length)
    return np.abs(np.fft.rfft(frames * window.astype(np.float32), size)).astype(np.float32)


def log_mel_spectrogram(
    samples: ArrayLike,
    sample_rate: int,
    frame_length: int = 256,
    frame_step: int = 128,
    fft_length: int | None = None,
    num_mel_bins: int = 40,
    min_freq: float = 0.0,
    max_freq: float | None = None,
) -> Samples:
    """A spectrogram by pitch as it is heard, on a logarithmic scale: `log(S·M + 10⁻⁶)`.

    M's columns are triangles that overlap by half, evenly spaced between `min_freq` and `max_freq` (half the sample
    rate) on the mel scale, `2595·log₁₀(1 + f/700)`. Shapes: samples [..., n] → [..., frames, num_mel_bins].
    Source: O'Shaughnessy, "Speech Communication", 1987; Young et al., "The HTK Book", 5.4.

    >>> log_mel_spectrogram(np.zeros(400), 8000, num_mel_bins=3).shape
    (2, 3)
    """
    magnitudes = spectrogram(samples, frame_length, frame_step, fft_length)
    weights = mel_weights(num_mel_bins, magnitudes.shape[-1], sample_rate, min_freq, max_freq)
    result: Samples = np.log(magnitudes @ weights + np.float32(1e-6))
    return result


def mel_weights(
    num_mel_bins: int, num_spectrogram_bins: int, sample_rate: int, min_freq: float = 0.0, max_freq: float | None = None
) -> Samples:
    """The triangles of `log_mel_spectrogram` [num_spectrogram_bins, num_mel_bins]; the constant part counts nowhere."""
    highest = sample_rate / 2 if max_freq is None else max_freq
    if num_mel_bins < 1 or not 0 <= min_freq < highest <= sample_rate / 2:
        raise ArgumentError(
            f"{num_mel_bins} mel bins between {min_freq} and {highest} Hz cannot be made at {sample_rate} samples a "
            "second: give at least one bin, and frequencies that rise up to half the sample rate"
        )
    edges = np.linspace(_mel(np.array(min_freq)), _mel(np.array(highest)), num_mel_bins + 2)
    place = _mel(np.linspace(0, sample_rate / 2, num_spectrogram_bins))[:, None]
    rising = (place - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - place) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0, np.minimum(rising, falling))
    weights[0] = 0
    return weights.astype(np.float32)


def _mel(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = 2595 * np.log10(1 + frequency / 700)
    return result
