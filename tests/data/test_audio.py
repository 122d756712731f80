"""WAV files of every width, against SciPy and the standard library; spectrograms against sums written out."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from pellucid.data.audio import decode_wav, log_mel_spectrogram, mel_weights, read_wav, spectrogram
from pellucid.errors import ArgumentError, DataError


def wav(data: bytes, width: int, channels: int = 1, rate: int = 8000) -> bytes:
    """A WAV file of integers, as the standard library writes it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate, 0, "NONE", ""))
        writer.writeframes(data)
    return file.getvalue()


@pytest.mark.parametrize(
    ("width", "data", "expected"),
    [
        (1, bytes([0, 128, 192, 255]), [-1, 0, 0.5, 127 / 128]),
        (2, struct.pack("<4h", -(2**15), 0, 2**14, 1), [-1, 0, 0.5, 2**-15]),
        (3, b"\0\0\x80" + b"\0\0\0" + b"\0\0\x40" + b"\1\0\0", [-1, 0, 0.5, 2**-23]),
        (4, struct.pack("<4i", -(2**31), 0, 2**30, 2**8), [-1, 0, 0.5, 2**-23]),
    ],
)
def test_integers(width: int, data: bytes, expected: list[float]) -> None:
    samples, rate = decode_wav(wav(data, width), "x.wav")
    assert samples[:, 0].tolist() == expected
    assert (samples.shape, samples.dtype, rate) == ((4, 1), np.float32, 8000)
    stereo, _ = decode_wav(wav(data, width, channels=2), "x.wav")
    assert stereo.tolist() == [expected[:2], expected[2:]]


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "float64"])
def test_files_that_scipy_writes(kind: str, tmp_path: Path) -> None:
    wavfile = pytest.importorskip("scipy.io.wavfile")
    sound = np.sin(np.arange(101 * 2)).reshape(101, 2)
    scale = {"uint8": 127, "int16": 2**15 - 1, "int32": 2**31 - 1}.get(kind, 1)
    wavfile.write(tmp_path / "x.wav", 44_100, (sound * scale + 128 * (kind == "uint8")).astype(kind))
    samples, rate = read_wav(tmp_path / "x.wav")
    assert rate == 44_100
    np.testing.assert_allclose(samples, sound, atol={"uint8": 2e-2, "int16": 1e-4}.get(kind, 1e-6))


def test_the_extensible_form_and_parts_before_the_samples() -> None:
    plain = wav(struct.pack("<2h", 1, 2), 2)
    head = struct.pack("<HHIIHHHHIH14s", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 0, 1, b"")
    parts = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"fmt " + struct.pack("<I", len(head)) + head + plain[36:]
    content = b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WAVE" + parts
    assert decode_wav(content, "x.wav")[0].tolist() == decode_wav(plain, "x.wav")[0].tolist()


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    good = wav(struct.pack("<2h", 1, 2), 2)
    for content, message in [
        (b"", "x.wav is no WAV file"),
        (b"RIFF\0\0\0\0AVI ", "x.wav is no WAV file"),
        (good[:30], "x.wav is a damaged WAV file"),
        (good[:-1], "x.wav is cut short: 3 bytes"),
        (good[:20] + struct.pack("<H", 6) + good[22:], "x.wav: a WAV file of format 6 with 16 bits"),
    ]:
        with pytest.raises(DataError, match=message):
            decode_wav(content, "x.wav")
    with pytest.raises(DataError, match=r"absent\.wav cannot be read: No such file"):
        read_wav(tmp_path / "absent.wav")
    empty, _ = decode_wav(wav(b"", 2), "x.wav")
    assert empty.shape == (0, 1)


def test_spectrogram_is_the_sum_that_its_docstring_says() -> None:
    x = np.random.default_rng(0).normal(size=(2, 37)).astype(np.float32)
    length, step, size = 10, 4, 16
    found = spectrogram(x, length, step)
    n = np.arange(length)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / length)
    for row in range(2):
        for t in range(7):
            for f in range(9):
                waves = np.exp(-2j * np.pi * f * n / size)
                expected = abs((x[row, t * step : t * step + length] * window * waves).sum())
                assert found[row, t, f] == pytest.approx(expected, abs=1e-5)
    assert found.shape == (2, 7, 9)
    assert found.dtype == np.float32
    assert spectrogram(x[0, :10], 10, 4).shape == (1, 9)


def test_spectrogram_against_scipy() -> None:
    signal = pytest.importorskip("scipy.signal")
    x = np.random.default_rng(1).normal(size=1000).astype(np.float32)
    transform = signal.ShortTimeFFT(signal.windows.hann(256, sym=False), 128, 1.0)
    expected = np.abs(transform.stft(x, p0=1, p1=1 + (1000 - 256) // 128 + 1))  # its frames are centred
    np.testing.assert_allclose(spectrogram(x, 256, 128), expected.T, atol=1e-3)


def test_a_tone_is_where_its_pitch_is() -> None:
    rate, tone = 8000, 1000.0
    x = np.sin(2 * np.pi * tone * np.arange(rate) / rate)
    assert (spectrogram(x, 256, 128).argmax(-1) == 1000 * 256 // 8000).all()
    centres = np.linspace(0, 2595 * np.log10(1 + 4000 / 700), 42)[1:-1]
    nearest = abs(700 * (10 ** (centres / 2595) - 1) - tone).argmin()
    assert (log_mel_spectrogram(x, rate).argmax(-1) == nearest).all()
    assert log_mel_spectrogram(np.zeros(256), rate)[0].tolist() == pytest.approx([np.log(1e-6)] * 40)


def test_mel_weights_are_triangles_that_overlap_by_half() -> None:
    weights = mel_weights(10, 257, 16_000, 100.0, 7000.0)
    assert weights.shape == (257, 10)
    assert ((weights >= 0) & (weights <= 1)).all()
    frequencies = np.linspace(0, 8000, 257)
    mel = 2595 * np.log10(1 + frequencies / 700)
    edges = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (100.0, 7000.0)), 12)
    between = (mel >= edges[1]) & (mel <= edges[-2])
    np.testing.assert_allclose(weights[between].sum(1), 1, atol=1e-6)
    assert not weights[(mel <= edges[0]) | (mel >= edges[-1])].any()


def test_refusals() -> None:
    with pytest.raises(DataError, match="9 samples are fewer than a frame of 10"):
        spectrogram(np.zeros(9), 10)
    with pytest.raises(DataError, match="1 samples are fewer"):
        spectrogram(0.0)
    for options in ({"frame_length": 0}, {"frame_step": 0}, {"frame_length": 9, "fft_length": 8}):
        with pytest.raises(ArgumentError):
            spectrogram(np.zeros(100), **options)
    for options in ({"num_mel_bins": 0}, {"min_freq": 4000.0}, {"max_freq": 4001.0}, {"min_freq": -1.0}):
        with pytest.raises(ArgumentError, match="mel bins"):
            log_mel_spectrogram(np.zeros(300), 8000, **options)
