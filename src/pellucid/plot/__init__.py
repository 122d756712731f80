"""`pellucid.plot`: pictures of networks, their training and their answers, drawn with Matplotlib.

Every function draws into `ax`, or makes a figure of its own, and returns the Axes it drew into (an array of them where
there are several). Matplotlib is loaded at the first call.

>>> axes = learning_curves({"loss": [4.0, 2.0, 1.0]})
>>> axes.get_xlabel(), axes.get_ylabel()
('epoch', 'loss')
"""

from __future__ import annotations

from pellucid.plot.classification import confusion_matrix, precision_recall, roc
from pellucid.plot.curves import learning_curves
from pellucid.plot.functions import activation
from pellucid.plot.regression import predicted, residuals

__all__ = ["activation", "confusion_matrix", "learning_curves", "precision_recall", "predicted", "residuals", "roc"]
