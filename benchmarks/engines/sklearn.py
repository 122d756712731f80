"""scikit-learn's multilayer perceptron: NumPy and BLAS in a Python loop, float32 only."""

from __future__ import annotations

import warnings

import numpy as np
import sklearn
from networks import Dense, Network
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor
from workloads import ADAM, Workload

PRECISIONS = ("float32",)
NETWORKS: tuple[type[Network], ...] = (Dense,)


def versions() -> dict[str, str]:
    return {"scikit-learn": sklearn.__version__}


class Trainer:
    def __init__(self, work: Workload, precision: str, seed: int) -> None:
        assert isinstance(work.network, Dense)
        self.work = work
        self.model = (MLPClassifier if work.classifies else MLPRegressor)(
            hidden_layer_sizes=work.network.units[1:-1],
            solver="adam",
            alpha=0.0,
            batch_size=work.batch,
            learning_rate_init=ADAM["learning_rate"],
            beta_1=ADAM["beta_1"],
            beta_2=ADAM["beta_2"],
            epsilon=ADAM["epsilon"],
            max_iter=work.epochs,
            tol=0.0,
            n_iter_no_change=np.inf,
            random_state=seed,
            warm_start=True,
        )

    def train(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self.work.x, self.work.y if self.work.classifies else self.work.y[:, 0])

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        if self.work.classifies:
            return np.log(np.maximum(self.model.predict_proba(x), 1e-30))
        return np.asarray(self.model.predict(x))[:, None]
