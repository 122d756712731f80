"""PyTorch, eager, with its fused Adam; bfloat16 by autocast."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from workloads import ADAM, Workload

PRECISIONS = ("float32", "bfloat16")


def versions() -> dict[str, str]:
    return {"torch": torch.__version__}


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        torch.manual_seed(seed)
        self.work, self.mixed = work, precision == "bfloat16"
        layers: list[nn.Module] = []
        for a, b in zip(work.units, work.units[1:], strict=False):
            linear = nn.Linear(a, b)
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.ReLU()]
        self.model = nn.Sequential(*layers[:-1])
        self.loss = nn.functional.cross_entropy if work.classifies else nn.functional.mse_loss
        self.x, self.y = torch.tensor(work.x), torch.tensor(work.y)
        if work.classifies:
            self.y = self.y.long()
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=ADAM["learning_rate"],
            betas=(ADAM["beta_1"], ADAM["beta_2"]),
            eps=ADAM["epsilon"],
            fused=True,
        )

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

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            outputs: NDArray[np.float32] = self.model(torch.from_numpy(x)).numpy()
        return outputs
