"""`Glass`: the methods of a model that open it. Each is imported when it is called."""

from __future__ import annotations


class Glass:
    """What can be seen of a model."""
