"""How kernels are compiled: cached, without the interpreter's lock, with NumPy's division.

Wrappers cost an eighth of the first compilation, so only what Python calls has one.
"""

from __future__ import annotations

from functools import partial

from numba import njit

entry = partial(njit, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
inner = partial(entry, no_cpython_wrapper=True)
