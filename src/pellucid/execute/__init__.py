"""Executors: what turns a program into numbers.

`numpy` is the reference, `native` the default where it is built, `xla` compiles through JAX for processors, GPUs, TPUs.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from pellucid.errors import ExecutorError, UnknownNameError
from pellucid.execute.program import Executor

NAMES = ("native", "numpy", "xla")


@cache
def executor(name: str | None = None) -> Executor:
    """The executor of a name; without one, `native` where the extension is built, else `numpy`.

    Raises `UnknownNameError` for another name, `ExecutorError` where it is not available.
    """
    if name is None:
        name = "native" if find_spec("pellucid._native") else "numpy"
    if name == "numpy":
        from pellucid.execute.reference import Reference

        return Reference()
    if name == "native":
        if not find_spec("pellucid._native"):
            raise ExecutorError(
                "the native engine is not built: the install found no C++ compiler; "
                "install one and reinstall pellucid, or use executor='numpy'"
            )
        from pellucid.execute.native import Native

        return Native()
    if name == "xla":
        if not find_spec("jax"):
            raise ExecutorError("executor 'xla' needs JAX; install it with: pip install 'pellucid[xla]'")
        from pellucid.execute.xla import Xla

        return Xla()
    raise UnknownNameError("executor", name, NAMES)
