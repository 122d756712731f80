"""Training: models, the course of a fit, callbacks, and the file a model is saved in."""
