"""Makes the helpers beside the tests importable by their own names."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in ("cli", "data", "execute", "native", "ops"):
    sys.path.append(str(Path(__file__).parent / folder))
