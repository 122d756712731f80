"""The table of a network: rows, totals, connections, narrow lines."""

from __future__ import annotations

import pytest

from pellucid import ops
from pellucid.errors import ArgumentError
from pellucid.nn.layers import Add, Dense, Dropout, Input, Normalization
from pellucid.nn.network import Network
from pellucid.nn.summary import summarize, summary


def nested() -> Network:
    u = Input(shape=(3,), name="u")
    inner = Network(u, Dense(2, name="deep")(Normalization(name="scaled")(u)), name="inner")
    a, b = Input(shape=(3,), name="a"), Input(shape=(3,), name="b")
    shared = Dense(3, name="shared", trainable=False)
    return Network([a, b], ops.tanh(Add(name="joined")([inner(shared(a)), inner(shared(b))]) * 2.0), name="outer")


def test_rows_and_totals() -> None:
    table = summarize(nested(), expand_nested=True)
    found = [(row.depth, row.name, row.kind, row.shape, row.parameters, row.connected) for row in table.rows]
    assert found == [
        (0, "a", "Input", "(None, 3)", 0, ()),
        (0, "b", "Input", "(None, 3)", 0, ()),
        (0, "shared", "Dense", "(None, 3)", 12, ("a", "b")),
        (0, "inner", "Network", "(None, 2)", 15, ("shared", "shared")),
        (1, "u", "Input", "(None, 3)", 0, ()),
        (1, "scaled", "Normalization", "(None, 3)", 7, ("u",)),
        (1, "deep", "Dense", "(None, 2)", 8, ("scaled",)),
        (0, "joined", "Add", "(None, 2)", 0, ("inner", "inner")),
        (0, "multiply", "op", "(None, 2)", 0, ("joined",)),
        (0, "tanh", "op", "(None, 2)", 0, ("multiply",)),
    ]
    assert [row.trainable for row in table.rows if row.parameters] == [False, True, True, True]
    assert (table.total, table.trainable, table.non_trainable) == (27, 8, 19)
    assert len(summarize(nested()).rows) == 7


def test_a_chain_needs_no_connections() -> None:
    x = Input(shape=(4,), name="x")
    text = summarize(Network(x, Dense(2)(Dropout(0.5)(Dense(100)(x))), name="chain")).text()
    assert "Connected to" not in text
    assert "dense (Dense)" in text
    assert "Total params: 702 (2.74 KB)" in text
    assert "Connected to" in summarize(nested()).text()


@pytest.mark.parametrize("length", [30, 50, 70])
def test_a_narrow_table_breaks_cells_and_loses_nothing(length: int) -> None:
    lines = summarize(nested()).text(length).split("\n")
    table = [line for line in lines if "params" not in line and "Model" not in line]
    assert max(map(len, table)) <= length
    assert "shared" in "".join("".join(table).split())


def test_print_fn_gets_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    summary(nested(), print_fn=lines.append)
    assert "".join(lines).startswith('Model: "outer"')
    summary(nested())
    assert capsys.readouterr().out == lines[0] + "\n"
    with pytest.raises(ArgumentError, match="line_length"):
        summary(nested(), line_length=3)
