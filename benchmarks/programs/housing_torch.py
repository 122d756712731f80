"""A plain 64-32 network in PyTorch on the housing file: `python housing_torch.py CSV SEED` prints its R².

Numbers are standardised by the training rows (a missing one takes their median), the category is one-hot, the target is
standardised; Adam(1e-3), batches of 64, 100 epochs. The fifth held out is that of `pellucid train --seed SEED`.
"""

import csv
import sys

import numpy as np
import torch
from torch import nn

from pellucid.data.split import split

TARGET, CATEGORY, BATCH, EPOCHS = "median_house_value", "ocean_proximity", 64, 100

path, seed = sys.argv[1], int(sys.argv[2])
with open(path, newline="") as file:
    rows = list(csv.DictReader(file))
numeric = [name for name in rows[0] if name not in (TARGET, CATEGORY)]
train, test = split(len(rows), 0.2, seed)

numbers = np.array([[float(row[name] or "nan") for name in numeric] for row in rows])
numbers = np.where(np.isnan(numbers), np.nanmedian(numbers[train], axis=0), numbers)
numbers = (numbers - numbers[train].mean(axis=0)) / numbers[train].std(axis=0)
kinds = sorted({row[CATEGORY] for row in rows})
one_hot = np.array([[row[CATEGORY] == kind for kind in kinds] for row in rows])
x = torch.tensor(np.hstack([numbers, one_hot]), dtype=torch.float32)
target = np.array([float(row[TARGET]) for row in rows])
centre, scale = target[train].mean(), target[train].std()
y = torch.tensor((target - centre) / scale, dtype=torch.float32)[:, None]

torch.manual_seed(seed)
model = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
train_x, train_y = x[train], y[train]
for _ in range(EPOCHS):
    for batch in torch.randperm(len(train)).split(BATCH):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(train_x[batch]), train_y[batch]).backward()
        optimizer.step()

with torch.inference_mode():
    predicted = model(x[test])[:, 0].numpy() * scale + centre
residual = float(np.sum((target[test] - predicted) ** 2))
print(1 - residual / float(np.sum((target[test] - target[test].mean()) ** 2)))
