"""The article's Keras program without its plot, on Keras or on Pellucid: `python article.py keras|pellucid`."""

import sys

import numpy as np

if sys.argv[1] == "keras":
    import tensorflow as tf

    keras = tf.keras
else:
    import pellucid as keras

X = np.linspace(-1, 1, 100).reshape(-1, 1)
y = 2 * X + 1 + 0.1 * np.random.randn(100, 1)

model = keras.Sequential(
    [
        keras.layers.Dense(10, input_shape=(1,), activation="relu"),
        keras.layers.Dense(5, activation="relu"),
        keras.layers.Dense(1, activation="linear"),
    ]
)
model.compile(optimizer="adam", loss="mse")
model.fit(X, y, epochs=200, verbose=0)
predictions = model.predict(X)
print(float(np.mean((predictions - y) ** 2)))
