"""One door for every source of a table: a path, a frame, a dict of arrays, a list of dicts."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ..errors import DataError
from .table import Table


def read(source: object) -> Table:
    """Read a table from a path (CSV, TSV, JSON lines, Parquet), a frame, a dict of arrays or a list of dicts.

    Paths go through DuckDB (`.gz` may follow the ending of a text file), frames (pandas, polars, Arrow, …) through
    narwhals; neither is imported before it is needed. Raises `DataError` naming file, line, column, value and repair.

    >>> read({"x": [1, 2, 3], "y": [3.0, 5.0, 7.0]}).names
    ('x', 'y')
    >>> read([{"x": 1, "y": "a"}, {"x": 2}])["y"].missing.tolist()
    [False, True]
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, (str, os.PathLike)):
        from .files import read_file

        return read_file(source)
    if isinstance(source, Mapping):
        return _with_rows(Table.of(source))
    if isinstance(source, (list, tuple)):
        odd = next((row for row in source if not isinstance(row, Mapping)), None)
        if not source or odd is not None:
            found = "an empty list" if not source else f"a list that holds {type(odd).__name__}"
            raise DataError(f"a table as a list needs one dict per row, found {found}")
        names = dict.fromkeys(str(key) for row in source for key in row)
        return _with_rows(Table.of({name: [row.get(name) for row in source] for name in names}))
    from .frames import is_frame, read_frame

    if is_frame(source):
        return _with_rows(read_frame(source))
    raise DataError(
        f"cannot read a table from {type(source).__name__}; give a path, a frame, a dict of arrays or a list of dicts"
    )


def _with_rows(table: Table) -> Table:
    if not len(table):
        raise DataError(f"{table.name} has columns ({', '.join(table.names[:5])}) but no rows; give at least one row")
    return table
