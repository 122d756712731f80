"""`Report`: one offline page on a table model: its data, its training, how good it is, where it errs, and why.

The numbers are gathered here, as plain values; `report_page` lays them out.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from pellucid._version import __version__
from pellucid.core.spec import DTYPES as _DTYPES
from pellucid.data.atomic import write
from pellucid.data.schema import Field
from pellucid.data.table import Column, Table
from pellucid.errors import ArgumentError
from pellucid.train import table_figures

if TYPE_CHECKING:
    from pellucid.train.tabular import TableModel

_BARS = 24  # of a column's small picture
_WORST = 10  # rows that are shown
