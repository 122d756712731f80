"""One neuron finds the line y = 2x + 1 by gradient descent.

A linear unit computes ŷ = w·x + b. Here it sees eleven points of a line and is not told w = 2 and b = 1. Each epoch:

1. forward pass: ŷ for every point;
2. loss: the mean squared error L = 1/n · Σ (ŷ - y)²;
3. backpropagation: ∂L/∂w = 2/n · Σ (ŷ - y)·x and ∂L/∂b = 2/n · Σ (ŷ - y);
4. gradient descent: w ← w - 0.1 · ∂L/∂w, b ← b - 0.1 · ∂L/∂b.

`batch_size="all"` is pure gradient descent: one step per epoch, on all points. The loss of this network is a bowl over
the plane of w and b, so descent ends at its bottom; it stops when the loss falls under a threshold.
"""

from __future__ import annotations

import numpy

import pellucid
from pellucid.callbacks import LambdaCallback, StopAt

x = numpy.linspace(-1, 1, 11).reshape(-1, 1)
y = 2 * x + 1

unit = pellucid.layers.Dense(1, input_shape=(1,))
model = pellucid.Sequential([unit])
model.compile(optimizer=pellucid.optimizers.SGD(learning_rate=0.1), loss="mse")
model.set_weights([[[-1.0]], [0.0]])  # a start far off: w = -1, b = 0


def show(epoch: int, logs: dict[str, float]) -> None:
    """Print w and b now and then. The loss is that of the forward pass, before the step."""
    if epoch in (0, 1, 2, 5, 10, 20, 50, 100) or model.stop_training:
        kernel, bias = unit.get_weights()
        print(f"{epoch + 1:5}  {logs['loss']:12.8f}  {kernel[0, 0]:9.6f}  {bias[0]:9.6f}")


print("epoch          loss          w          b")
listeners = [StopAt("loss", 1e-6), LambdaCallback(on_epoch_end=show)]
history = model.fit(x, y, batch_size="all", epochs=1000, verbose=0, callbacks=listeners)

kernel, bias = unit.get_weights()
print(f"stopped after {len(history.epoch)} epochs: y = {kernel[0, 0]:.3f}·x + {bias[0]:.3f}")
print(f"for x = 10 it predicts {model.predict([[10.0]])[0, 0]:.2f}")
