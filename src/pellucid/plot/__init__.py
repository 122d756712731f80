"""`pellucid.plot`: pictures of networks, their training and their answers, drawn with Matplotlib.

Every function draws into `ax`, or makes a figure of its own, and returns the Axes it drew into (an array of them where
there are several). Matplotlib is loaded at the first call.

>>> axes = learning_curves({"loss": [4.0, 2.0, 1.0]})
>>> axes.get_xlabel(), axes.get_ylabel()
('epoch', 'loss')
"""

from __future__ import annotations

from pellucid.plot.classification import confusion_matrix, precision_recall, roc
from pellucid.plot.contributions import contributions, grad_cam, importance, partial_dependence, words
from pellucid.plot.curves import learning_curves
from pellucid.plot.descent import learning_rates, race
from pellucid.plot.distributions import gradient_flow, gradient_through_time, histograms
from pellucid.plot.forecasts import forecast
from pellucid.plot.functions import activation
from pellucid.plot.images import boxes, feature_maps, filters, images
from pellucid.plot.maps import layer_map
from pellucid.plot.regions import decision_regions
from pellucid.plot.regression import predicted, residuals
from pellucid.plot.sequences import attention, gates, surprise
from pellucid.plot.surface import loss_surface, paraboloid
from pellucid.plot.tables import table_kinds, table_plot

__all__ = [
    "activation",
    "attention",
    "boxes",
    "confusion_matrix",
    "contributions",
    "decision_regions",
    "feature_maps",
    "filters",
    "forecast",
    "gates",
    "grad_cam",
    "gradient_flow",
    "gradient_through_time",
    "histograms",
    "images",
    "importance",
    "layer_map",
    "learning_curves",
    "learning_rates",
    "loss_surface",
    "paraboloid",
    "partial_dependence",
    "precision_recall",
    "predicted",
    "race",
    "residuals",
    "roc",
    "surprise",
    "table_kinds",
    "table_plot",
    "words",
]
