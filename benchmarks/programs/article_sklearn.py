"""The article's job on scikit-learn: the same network, optimizer, batches and epochs, without early stopping."""

import warnings

import numpy as np
from sklearn.neural_network import MLPRegressor

X = np.linspace(-1, 1, 100).reshape(-1, 1)
y = (2 * X + 1 + 0.1 * np.random.randn(100, 1))[:, 0]

model = MLPRegressor(
    hidden_layer_sizes=(10, 5), solver="adam", batch_size=32, max_iter=200, tol=0.0, n_iter_no_change=np.inf
)
warnings.simplefilter("ignore")
model.fit(X, y)
predictions = model.predict(X)
print(float(np.mean((predictions - y) ** 2)))
