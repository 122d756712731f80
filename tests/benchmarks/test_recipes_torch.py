"""The peers in PyTorch are the same networks: with our weights they give our numbers, and their rates are ours."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import recipes_torch  # noqa: E402

IDS = np.random.default_rng(0).integers(2, 9, (2, 12)).astype(np.int32)


@pytest.fixture(scope="module")
def vocabulary() -> pellucid.layers.TextVectorization:
    return pellucid.layers.TextVectorization(vocabulary=list("abcdefg"), standardize=None, split="character")


def spread(model: pellucid.Model) -> list[np.ndarray]:
    """Weights that are all unlike zero and one, so that none can be missed."""
    random = np.random.default_rng(1)
    model.set_weights([w + random.normal(0, 0.2, w.shape).astype(np.float32) for w in model.get_weights()])
    return model.get_weights()


def put(module: torch.nn.Module, *weights: np.ndarray) -> None:
    """Kernel [in, …] and bias of ours into a linear layer, or scale and offset into a norm."""
    kernel, bias = (torch.from_numpy(np.ascontiguousarray(w)) for w in weights)
    linear = isinstance(module, torch.nn.Linear)
    module.weight.data = kernel.reshape(module.in_features, -1).T.contiguous() if linear else kernel
    module.bias.data = bias.reshape(-1)


def same(ours: pellucid.Model, theirs: torch.nn.Module) -> None:
    theirs.eval()
    with torch.inference_mode():
        found = theirs(torch.from_numpy(IDS).long()).numpy()
    np.testing.assert_allclose(found, ours.predict(IDS), rtol=1e-4, atol=1e-4)
    trained = sum(one.numel() for one in theirs.parameters() if one.requires_grad)
    assert trained == sum(w.size for w in ours.get_weights())


def test_lstm(vocabulary):
    own = recipes_torch.recipe("shakespeare_lstm")
    model = own.language_model(vocabulary)
    embedding, kernel, recurrent, bias, *dense = spread(model)
    peer = recipes_torch.LongShortTermMemory(vocabulary.vocabulary_size(), own.UNITS, own.DROPOUT)
    recipes_torch.start_as_keras(peer)
    peer.embedding.weight.data = torch.from_numpy(embedding)
    peer.lstm.weight_ih_l0.data, peer.lstm.weight_hh_l0.data = torch.from_numpy(kernel.T), torch.from_numpy(recurrent.T)
    peer.lstm.bias_ih_l0.data = torch.from_numpy(bias)
    put(peer.out, *dense)
    same(model, peer)


def test_gpt(vocabulary):
    own = recipes_torch.recipe("shakespeare_gpt")
    own.language_model.__globals__.update(LENGTH=12, LAYERS=2, WIDTH=24, HEADS=3)
    model = own.language_model(vocabulary)
    embedding, *weights = spread(model)
    peer = recipes_torch.Decoder(vocabulary.vocabulary_size(), 12, 2, 3, 24, own.DROPOUT)
    peer.embedding.weight.data = torch.from_numpy(embedding)
    parts = [getattr(block, name) for block in peer.blocks
             for name in ("norm_1", "q", "k", "v", "out", "norm_2", "up", "down")]  # fmt: skip
    for module in (*parts, peer.norm, peer.out):
        put(module, weights.pop(0), weights.pop(0))
    assert not weights
    same(model, peer)


@pytest.mark.parametrize("warmup", [0, 5])
def test_rates(warmup):
    top = {"initial_learning_rate": 0.0, "warmup_target": 0.3} if warmup else {"initial_learning_rate": 0.3}
    schedule = pellucid.optimizers.schedules.CosineDecay(**top, decay_steps=20, alpha=0.1, warmup_steps=warmup)
    for step in range(0, 30, 3):
        assert recipes_torch.half_cosine(step, 20, 0.3, 0.1, warmup) == pytest.approx(schedule(step), rel=1e-5)


def test_images_are_moved(monkeypatch):
    """By whole pixels, at the far end of both ranges; what appears is zero."""
    image = np.random.default_rng(2).random((1, 8, 10, 1)).astype(np.float32)
    moved = recipes_torch.Moved(0.25, 0.2).train()
    monkeypatch.setattr(torch, "rand", lambda *shape: torch.ones(shape))
    found = moved(torch.from_numpy(image).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    expected = np.zeros_like(image)
    expected[:, :6, :8] = image[:, 2:, 2:]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.skipif(not os.environ.get("PELLUCID_DATA"), reason="the recordings are not here")
def test_spoken_digits_learns():
    own = recipes_torch.recipe("spoken_digits")
    (sounds, labels), _ = pellucid.datasets.spoken_digits()
    x, y = own.pictures(sounds[::9]), labels[::9]
    logits = recipes_torch.spoken_digits(x, y, x, epochs=10)
    assert logits.shape == (300, 10)
    assert (logits.argmax(1) == y).mean() > 0.4
