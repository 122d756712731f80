"""Opening a network: what each value, and each prediction, is made of."""
