"""PyTorch, eager, with its fused Adam and, for images, channels last; bfloat16 by autocast."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from networks import Convolutional, Dense, Network, Recurrent, Transformer
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from workloads import ADAM, Workload

PRECISIONS = ("float32", "bfloat16")
NETWORKS: tuple[type[Network], ...] = (Dense, Convolutional, Recurrent, Transformer)


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


def dense(*units: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in pairwise(units):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return layers[:-1]


class LastState(nn.Module):
    """An LSTM's last state to a dense layer."""

    def __init__(self, network: Recurrent) -> None:
        super().__init__()
        self.lstm = nn.LSTM(network.features, network.units, batch_first=True)
        self.out = nn.Linear(network.units, network.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.out(self.lstm(x)[0][:, -1])
        return outputs


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm_1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(b, t, d))
        result: torch.Tensor = x + self.down(functional.gelu(self.up(self.norm_2(x))))
        return result


class Language(nn.Module):
    def __init__(self, network: Transformer) -> None:
        super().__init__()
        width = network.width
        self.token = nn.Embedding(network.vocabulary, width)
        self.place = nn.Parameter(0.02 * torch.randn(network.length, width))
        self.blocks = nn.Sequential(*(Block(width, network.heads) for _ in range(network.layers)))
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, network.vocabulary)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.out(self.norm(self.blocks(self.token(ids) + self.place)))
        return logits


def build(network: Network) -> nn.Module:
    if isinstance(network, Dense):
        return nn.Sequential(*dense(*network.units))
    if isinstance(network, Recurrent):
        return LastState(network)
    if isinstance(network, Transformer):
        return Language(network)
    layers: list[nn.Module] = []
    for a, b, _ in network.shapes():
        padding = network.window // 2 if network.padding == "same" else 0
        layers += [nn.Conv2d(a, b, network.window, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*layers, nn.Flatten(), *dense(network.flat(), *network.units))
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def initialize(module: nn.Module) -> None:
    """Start as `networks.py` says."""
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    elif isinstance(module, nn.LSTM):
        nn.init.xavier_uniform_(module.weight_ih_l0)
        nn.init.orthogonal_(module.weight_hh_l0)
        nn.init.zeros_(module.bias_ih_l0)
        nn.init.zeros_(module.bias_hh_l0)
        with torch.no_grad():
            module.bias_ih_l0[module.hidden_size : 2 * module.hidden_size] = 1.0


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        torch.manual_seed(seed)
        self.work, self.mixed = work, precision == "bfloat16"
        self.model = build(work.network).apply(initialize)
        self.x, self.y = self.tensor(work.x), torch.tensor(work.y)
        if work.classifies:
            self.y = self.y.long()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=ADAM["learning_rate"],
            betas=(ADAM["beta_1"], ADAM["beta_2"]),
            eps=ADAM["epsilon"],
            fused=True,
        )

    def tensor(self, x: NDArray[np.generic]) -> torch.Tensor:
        """Data as the network reads them: images with the channel in front, which is stored last."""
        values = torch.tensor(x)
        return values.permute(0, 3, 1, 2) if isinstance(self.work.network, Convolutional) else values

    def loss(self, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.work.classifies:
            return functional.cross_entropy(outputs.flatten(0, -2), y.flatten())
        return functional.mse_loss(outputs, y)

    def train(self) -> None:
        value = torch.zeros(())
        for _ in range(self.work.epochs):
            for rows in torch.randperm(len(self.x)).split(self.work.batch):
                self.optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=self.mixed):
                    value = self.loss(self.model(self.x[rows]), self.y[rows])
                value.backward()
                self.optimizer.step()
        value.item()

    def predict(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        with torch.inference_mode():
            outputs: NDArray[np.float32] = self.model(self.tensor(x)).numpy()
        return outputs
