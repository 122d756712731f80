"""The graph and what can be done to it without knowing any op: shapes, order, derivatives, checks, random numbers."""
