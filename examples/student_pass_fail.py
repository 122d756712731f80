"""Will a student pass? A network of 2 inputs, 2 hidden neurons and 1 output, with all nine of its gradients.

x₁ is hours studied, x₂ hours of sleep, y is 1 for a pass; ReLU(z) = max(0, z), σ(z) = 1/(1 + e⁻ᶻ). Forward pass:

    z₁ = w₁x₁ + w₂x₂ + b₁    h₁ = ReLU(z₁)
    z₂ = w₃x₁ + w₄x₂ + b₂    h₂ = ReLU(z₂)    z₃ = w₅h₁ + w₆h₂ + b₃    ŷ = σ(z₃)

The weights below start the first student, who failed, at ŷ = 0.633: the loss is -ln(1 - 0.633) = 1.002. Each gradient
is printed twice: by the chain rule written out in plain Python (`by_hand`), and by backpropagation, `gradients`, which
walks the network's graph from the loss back to the weights. Then gradient descent takes 1000 steps on all six students.
"""

from __future__ import annotations

import math

import numpy

import pellucid
from pellucid.core.autodiff import gradients
from pellucid.core.evaluate import evaluate
from pellucid.core.graph import tensor

X = numpy.array([[2, 5], [4, 6], [6, 7], [8, 8], [3, 4], [7, 6]], dtype="float32")
Y = numpy.array([[0], [0], [1], [1], [0], [1]], dtype="float32")
w1, w2, b1, w3, w4, b2, w5, w6, b3 = 0.5, 0.1, 0.0, -0.2, 0.3, 0.1, 0.7, -0.5, 0.0951

student = pellucid.Input(shape=(2,))
z = pellucid.layers.Dense(2)(student)
h = pellucid.layers.ReLU()(z)
z3 = pellucid.layers.Dense(1)(h)
passes = pellucid.layers.Activation("sigmoid")(z3)
model = pellucid.Model(student, passes)
model.set_weights([[[w1, w3], [w2, w4]], [b1, b2], [[w5], [w6]], [b3]])

# Forward pass, and one value of the loss: both are graphs over the weights.
loss = pellucid.losses.BinaryCrossentropy()(tensor(Y[:1]), model(tensor(X[:1])))
values = pellucid.Model(student, [z, h, z3, passes]).predict(X[:1])
for name, value in zip(["z₁", "z₂", "h₁", "h₂", "z₃", "ŷ "], numpy.concatenate(values, axis=1)[0], strict=True):
    print(f"{name} = {value:.6f}")
print(f"loss = {float(loss):.6f}\n")


def by_hand(x: list[float], y: float) -> list[float]:
    """The derivatives of the loss with respect to w₁ w₂ b₁ w₃ w₄ b₂ w₅ w₆ b₃, by the chain rule."""
    z1, z2 = w1 * x[0] + w2 * x[1] + b1, w3 * x[0] + w4 * x[1] + b2
    h1, h2 = max(0.0, z1), max(0.0, z2)
    d3 = 1 / (1 + math.exp(-(w5 * h1 + w6 * h2 + b3))) - y  # ∂L/∂z₃ = ŷ - y
    d1, d2 = d3 * w5 * (z1 > 0), d3 * w6 * (z2 > 0)  # ∂L/∂z₁, ∂L/∂z₂
    return [d1 * x[0], d1 * x[1], d1, d2 * x[0], d2 * x[1], d2, d3 * h1, d3 * h2, d3]


kernel, bias, kernel3, bias3 = evaluate(gradients(loss, [variable.tensor for variable in model.trainable_variables]))
found = [*kernel[:, 0], bias[0], *kernel[:, 1], bias[1], *kernel3[:, 0], bias3[0]]
names = ["w₁", "w₂", "b₁", "w₃", "w₄", "b₂", "w₅", "w₆", "b₃"]
print("gradient     by hand  backpropagation")
for name, hand, back in zip(names, by_hand([2.0, 5.0], 0.0), found, strict=True):
    print(f"∂L/∂{name}   {hand:9.6f}        {back:9.6f}")

model.compile(optimizer=pellucid.optimizers.SGD(learning_rate=0.1), loss="binary_crossentropy")
losses = model.fit(X, Y, batch_size="all", epochs=1000, verbose=0).history["loss"]
print("\nloss by epoch: " + ", ".join(f"{epoch}: {losses[epoch - 1]:.4f}" for epoch in (1, 10, 100, 1000)))
for (studied, slept), truth, chance in zip(X, Y, model.predict(X), strict=True):
    print(f"{studied:.0f} h studied, {slept:.0f} h of sleep: {chance[0]:6.1%}  ({'passed' if truth[0] else 'failed'})")
