"""Some recipes again in PyTorch: the same networks, first weights, optimizers, schedules, batches, numbers of steps.

Sizes and constants are those of the example itself, as `recipe` reads them. bfloat16 is autocast's, with weights and
optimizer in float32, as it is ours. Threads are as many as the process allows PyTorch.
"""

from __future__ import annotations

import math
import runpy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def recipe(name: str) -> SimpleNamespace:
    """The constants and functions of an example."""
    return SimpleNamespace(**runpy.run_path(str(EXAMPLES / f"{name}.py")))


# What all share


def computing(precision: str) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")


def half_cosine(step: int, steps: float, top: float, alpha: float = 0.0, warmup: float = 0.0) -> float:
    """The rate of `CosineDecay`: a straight rise over `warmup` steps, half a cosine over `steps`, then alpha·top."""
    if step < warmup:
        return top * step / warmup
    fallen = 0.5 * (1 + math.cos(math.pi * min((step - warmup) / steps, 1.0)))
    return top * ((1 - alpha) * fallen + alpha)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def start_as_keras(model: nn.Module) -> None:
    """First weights as Keras, and so this library, draws them; of an LSTM's two biases one stays zero."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.uniform_(module.weight, -0.05, 0.05)
        elif isinstance(module, nn.LSTM):
            nn.init.xavier_uniform_(module.weight_ih_l0)
            nn.init.orthogonal_(module.weight_hh_l0)
            nn.init.zeros_(module.bias_ih_l0)
            nn.init.zeros_(module.bias_hh_l0).requires_grad_(False)
            with torch.no_grad():
                module.bias_ih_l0[module.hidden_size : 2 * module.hidden_size] = 1.0  # the forget gate is open at first
    for module in model.modules():
        if isinstance(module, Block):
            module.start_attention_as_keras()


def classify(
    model: nn.Module,
    x: np.ndarray,
    y: np.ndarray,
    test: np.ndarray,
    epochs: int,
    batch: int,
    rate: Callable[[int, int], float],
    precision: str,
) -> np.ndarray:
    """Train on images [n, height, width, 1] by Adam at the rate of each step of so many; the logits for the test's."""
    start_as_keras(model)
    images, unseen = (torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2) for part in (x, test))
    labels = torch.from_numpy(y.astype(np.int64))
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7, fused=True)
    step, steps = 0, epochs * -(-len(images) // batch)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            set_rate(optimizer, rate(step, steps))
            optimizer.zero_grad()
            with computing(precision):
                loss = functional.cross_entropy(model(images[rows]).float(), labels[rows])
            loss.backward()
            optimizer.step()
            step += 1
    model.eval()
    with torch.inference_mode(), computing(precision):
        logits: np.ndarray = torch.cat([model(part).float() for part in unseen.split(1000)]).numpy()
    return logits


# Digits


class Seen(nn.Module):
    """In training, zooms, turns and moves each image at random, one after the other, on black ground."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        n, zero = len(x), torch.zeros(len(x))
        between = lambda limit: limit * (2 * torch.rand(n) - 1)  # noqa: E731
        one, zoom, turn = zero + 1, 1 + between(0.1), between(0.03) * 2 * math.pi
        right, down = between(2 * 0.07), between(2 * 0.07)  # -1…1 is the whole image
        for mode, entries in (
            ("bilinear", (zoom, zero, zero, zero, zoom, zero)),
            ("bilinear", (turn.cos(), turn.sin(), zero, -turn.sin(), turn.cos(), zero)),
            ("nearest", (one, zero, right, zero, one, down)),
        ):
            places = functional.affine_grid(torch.stack(entries, 1).view(n, 2, 3), list(x.shape), False)
            x = functional.grid_sample(x, places, mode, align_corners=False)
        return x


def mnist_convnet(
    x: np.ndarray, y: np.ndarray, test: np.ndarray, epochs: int | None = None, precision: str = "float32"
) -> np.ndarray:
    """Train on images [n, 28, 28, 1] from 0 to 255, with augmentation like ours; the logits for those of the test."""
    own = recipe("mnist_convnet")
    epochs = own.EPOCHS if epochs is None else epochs
    torch.manual_seed(own.SEED)
    convolution = lambda channels, filters: [  # noqa: E731
        nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters, 1e-3), nn.ReLU(),
    ]  # fmt: skip
    model = nn.Sequential(
        Seen(),
        *convolution(1, 16), *convolution(16, 16), nn.MaxPool2d(2),
        *convolution(16, 32), *convolution(32, 32), nn.MaxPool2d(2),
        *convolution(32, 64), *convolution(64, 64),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 49, 10),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    rate = lambda step, steps: half_cosine(step, 0.9 * steps, own.RATE, 0.0, steps // 10)  # noqa: E731
    x, test = (part.astype(np.float32) / 255 for part in (x, test))
    return classify(model, x, y, test, epochs, own.BATCH, rate, precision)


# Spoken digits


class Moved(nn.Module):
    """In training, moves each image by random parts of its height and width: `RandomTranslation`, filled with zeros."""

    def __init__(self, height_factor: float, width_factor: float) -> None:
        super().__init__()
        self.factors = torch.tensor([width_factor, height_factor])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        transform = torch.eye(2, 3).repeat(len(x), 1, 1)
        transform[:, :, 2] = 2 * self.factors * (2 * torch.rand(len(x), 2) - 1)  # -1…1 is the whole image
        return functional.grid_sample(x, functional.affine_grid(transform, list(x.shape), False), align_corners=False)


def spoken_digits(
    x: np.ndarray, y: np.ndarray, test: np.ndarray, epochs: int | None = None, precision: str = "float32"
) -> np.ndarray:
    """Train on spectrograms [recordings, pitches, moments, 1]; the logits for those of the test."""
    own = recipe("spoken_digits")
    epochs = own.EPOCHS if epochs is None else epochs
    torch.manual_seed(0)
    model = nn.Sequential(
        Moved(0.05, 0.1),
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * (own.PITCHES // 8) * (own.MOMENTS // 8), 10),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    rate = lambda step, steps: half_cosine(step, steps, own.RATE)  # noqa: E731
    return classify(model, x, y, test, epochs, own.BATCH, rate, precision)


# Shakespeare


class LongShortTermMemory(nn.Module):
    """The network of examples/shakespeare_lstm.py."""

    def __init__(self, vocabulary: int, units: int, dropout: float) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(vocabulary, 64), nn.LSTM(64, units, batch_first=True)
        self.dropout, self.out = nn.Dropout(dropout), nn.Linear(units, vocabulary)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(self.dropout(self.lstm(self.embedding(ids))[0]))
        return logits


class Block(nn.Module):
    """Causal attention with rotary positions, then two dense layers, each behind a norm and before dropout."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norm_1, self.norm_2 = nn.LayerNorm(width, eps=1e-3), nn.LayerNorm(width, eps=1e-3)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def start_attention_as_keras(self) -> None:
        """Keras counts the fans of a kernel of shape (width, heads, size of a head) as those of a convolution."""
        width = self.out.in_features
        size = width // self.heads
        for part, fans in (
            *[(one, width * (self.heads + size)) for one in (self.q, self.k, self.v)],
            (self.out, self.heads * (size + width)),
        ):
            limit = math.sqrt(6 / fans)
            nn.init.uniform_(part.weight, -limit, limit)

    def forward(self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        y = self.norm_1(x)
        q, k, v = (part(y).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.q, self.k, self.v))
        q, k = (one * cosine + torch.cat((-one.chunk(2, -1)[1], one.chunk(2, -1)[0]), -1) * sine for one in (q, k))
        y = functional.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
        x = x + self.dropout(self.out(y.transpose(1, 2).flatten(2)))
        result: torch.Tensor = x + self.dropout(self.down(functional.gelu(self.up(self.norm_2(x)))))
        return result


class Decoder(nn.Module):
    """The network of examples/shakespeare_gpt.py."""

    cosine: torch.Tensor
    sine: torch.Tensor

    def __init__(self, vocabulary: int, length: int, layers: int, heads: int, width: int, dropout: float) -> None:
        super().__init__()
        self.embedding, self.dropout = nn.Embedding(vocabulary, width), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm, self.out = nn.LayerNorm(width, eps=1e-3), nn.Linear(width, vocabulary)
        half = width // heads // 2
        angles = torch.outer(torch.arange(length), 10_000.0 ** -(torch.arange(half) / half)).repeat(1, 2)
        self.register_buffer("cosine", angles.cos())
        self.register_buffer("sine", angles.sin())

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.dropout(self.embedding(ids))
        for block in self.blocks:
            x = block(x, self.cosine, self.sine)
        logits: torch.Tensor = self.out(self.norm(x))
        return logits


def shakespeare_lstm(
    training: np.ndarray, held_out: np.ndarray, steps: int | None = None, precision: str = "float32"
) -> tuple[float, float]:
    """From the characters' numbers, of both parts of the text: the loss on `held_out`, and the seconds of training."""
    own = recipe("shakespeare_lstm")
    steps = own.STEPS if steps is None else steps
    torch.manual_seed(own.SEED)
    model = LongShortTermMemory(_vocabulary(training, held_out), own.UNITS, own.DROPOUT)
    start_as_keras(model)
    parameters = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.Adam(parameters, own.RATE, betas=(0.9, 0.99), eps=1e-7, fused=True)
    began = time.perf_counter()
    for step, windows in enumerate(_anywhere(training, own.LENGTH, own.BATCH, steps)):
        set_rate(optimizer, half_cosine(step, steps * 19 // 20, own.RATE, 0.02, steps // 20))
        optimizer.zero_grad()
        _loss(model, windows, precision).backward()
        for one in parameters:  # each by itself, as clipnorm does
            nn.utils.clip_grad_norm_(one, 1.0)
        optimizer.step()
    seconds = time.perf_counter() - began
    return _loss_of_all(model, held_out, own.LENGTH, precision), seconds


def shakespeare_gpt(
    training: np.ndarray, held_out: np.ndarray, steps: int | None = None, precision: str = "float32"
) -> tuple[float, float]:
    """From the characters' numbers, of both parts of the text: the loss on `held_out`, and the seconds of training."""
    own = recipe("shakespeare_gpt")
    steps = own.STEPS if steps is None else steps
    torch.manual_seed(own.SEED)
    sizes = own.LENGTH, own.LAYERS, own.HEADS, own.WIDTH, own.DROPOUT
    model = Decoder(_vocabulary(training, held_out), *sizes)
    start_as_keras(model)
    optimizer = torch.optim.AdamW(
        model.parameters(), own.RATE, betas=(0.9, 0.99), eps=1e-7, weight_decay=0.1, fused=True
    )
    began = time.perf_counter()
    for step, windows in enumerate(_anywhere(training, own.LENGTH, own.BATCH, steps)):
        set_rate(optimizer, half_cosine(step, steps * 19 // 20, own.RATE, 0.05, steps // 20))
        optimizer.zero_grad()
        _loss(model, windows, precision).backward()
        optimizer.step()
    seconds = time.perf_counter() - began
    return _loss_of_all(model, held_out, own.LENGTH, precision), seconds


def _vocabulary(*parts: np.ndarray) -> int:
    return int(max(part.max() for part in parts)) + 1


def _anywhere(ids: np.ndarray, length: int, batch: int, steps: int) -> Iterator[torch.Tensor]:
    """Batches of windows with the character after each, which begin anywhere, none twice while there are others."""
    windows = torch.from_numpy(ids).long().unfold(0, length + 1, 1)
    while True:
        for rows in torch.randperm(len(windows)).split(batch):
            if not steps:
                return
            steps -= 1
            yield windows[rows]


def _loss(model: nn.Module, windows: torch.Tensor, precision: str) -> torch.Tensor:
    with computing(precision):
        logits = model(windows[:, :-1])
    return functional.cross_entropy(logits.float().flatten(0, 1), windows[:, 1:].flatten())


def _loss_of_all(model: nn.Module, ids: np.ndarray, length: int, precision: str) -> float:
    """The mean loss over windows one after another."""
    windows = torch.from_numpy(ids).long().unfold(0, length + 1, length)
    model.eval()
    with torch.inference_mode():
        sums = [float(_loss(model, some, precision)) * len(some) for some in windows.split(64)]
    return sum(sums) / len(windows)
