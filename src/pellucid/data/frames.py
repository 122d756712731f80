"""Reading pandas, polars, Arrow and any other frame, with narwhals: the only file that imports it.

narwhals itself imports no frame library that the caller has not imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from .table import Column, Table, column


def is_frame(source: object) -> bool:
    """Does the object come from a library of frames? Told by its module, so that arrays never import narwhals."""
    if isinstance(source, (np.ndarray, np.generic, list, tuple, dict, str, bytes, int, float)) or source is None:
        return False
    root = type(source).__module__.partition(".")[0]
    return root in _LIBRARIES or hasattr(source, "__narwhals_dataframe__")


_LIBRARIES = ("pandas", "polars", "pyarrow", "modin", "cudf", "dask", "duckdb", "ibis", "pyspark", "narwhals")


def read_frame(source: object) -> Table:
    """The table in a frame (also a lazy one, or a single series); raises `DataError` for what is not a frame."""
    import narwhals as nw

    try:
        native: Any = nw.from_native(source, allow_series=True)  # type: ignore[call-overload,unused-ignore]
        if isinstance(native, nw.Series):
            native = native.to_frame()
        frame: Any = native.collect() if isinstance(native, nw.LazyFrame) else native
        series = {name: frame.get_column(name) for name in frame.columns}
    except TypeError:
        raise DataError(
            f"cannot read a table from {type(source).__module__}.{type(source).__name__}; give a frame, a path, a dict "
            "of arrays or a list of dicts"
        ) from None
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"two columns of the frame share a name; rename one ({' '.join(str(error).split())})") from None
    columns = {str(name): _column(str(name), cells) for name, cells in series.items()}
    if len(columns) < len(series):
        raise DataError("two columns of the frame share a name once written as text, such as 1 and '1'; rename one")
    if not columns:
        raise DataError("the frame has no columns; give at least one named column")
    return Table(columns, "frame")


def _column(name: str, series: Any) -> Column:
    import narwhals as nw

    kind = series.dtype
    order: tuple[str, ...] = ()
    if isinstance(kind, nw.Enum):
        order = tuple(str(category) for category in kind.categories)
    if isinstance(kind, (nw.Categorical, nw.Enum)):
        series = series.cast(nw.String)
    elif isinstance(kind, nw.Datetime) and kind.time_zone:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    elif isinstance(kind, nw.Decimal):
        series = series.cast(nw.Float64)
    missing = series.is_null().to_numpy().astype(bool)
    if not missing.any() and kind.is_numeric():
        return column(name, series.to_numpy(), order)
    if kind.is_numeric() and missing.any():
        filled = series.fill_null(0).cast(nw.Int64 if kind.is_integer() else nw.Float64).to_numpy()
        return column(name, np.ma.MaskedArray(filled, missing), order)
    if isinstance(kind, (nw.Datetime, nw.Duration)):
        return column(name, np.asarray(series.to_numpy()), order)
    return column(name, series.to_list(), order)
