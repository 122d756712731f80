"""A network with two hidden layers learns y = 2x + 1 from noisy points: an introductory article's Keras program.

It is the article's text to the letter but for two words: `import tensorflow as tf` is now `import pellucid`, and
`tf.keras` is now `pellucid`. The first layer turns one number into ten, each max(0, w·x + b); the second turns those
into five; the last adds the five up, weighted. Adam takes 200 turns through the 100 points in batches of 32.

The picture at the end needs Matplotlib: pip install 'pellucid[plot]'.
"""

import numpy as np
import pellucid
import matplotlib.pyplot as plt

# Generating data
X = np.linspace(-1, 1, 100).reshape(-1, 1)
y = 2 * X + 1 + 0.1 * np.random.randn(100, 1)  # y = 2x + 1 with noise

# Defining the model
model = pellucid.Sequential([
    pellucid.layers.Dense(10, input_shape=(1,), activation='relu'),  # First hidden layer
    pellucid.layers.Dense(5, activation='relu'),  # Second hidden layer
    pellucid.layers.Dense(1, activation='linear')  # Output layer
])

# Compiling the model
model.compile(optimizer='adam', loss='mse')

# Training the model
model.fit(X, y, epochs=200, verbose=0)

# Predictions
predictions = model.predict(X)

# Visualizing results
plt.scatter(X, y, label="Actual Data")
plt.plot(X, predictions, color='red', label="Model Predictions")
plt.legend()
plt.show()
