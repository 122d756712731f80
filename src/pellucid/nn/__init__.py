"""Networks as graph builders: layers, activations, losses, metrics and optimizers make nodes and know no executor."""
