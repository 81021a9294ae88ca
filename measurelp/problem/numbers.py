"""Numbers as callers give them: real, finite where that is asked for, or refused by name."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem


def float_array(name: str, value: ArrayLike, what: str = "numbers") -> NDArray[np.float64]:
    """A C-ordered float64 copy of an array of any shape; complex numbers are refused."""
    try:
        given = np.asarray(value)
        if given.dtype.kind == "c":
            raise TypeError("complex numbers")
        return np.array(given, dtype=np.float64, order="C")
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: torch, with gradients
        raise InvalidProblem(
            f"{name}: expected {what}, found something that is not ({error})."
        ) from None


def positive_number(name: str, value: object) -> float:
    """A finite number > 0 as a float."""
    if isinstance(value, (bool, str)) or np.ndim(cast("ArrayLike", value)) != 0:
        raise InvalidProblem(f"{name}: expected a number > 0, found {value!r}.")
    try:
        number = float(cast("float", value))
    except (TypeError, ValueError):
        raise InvalidProblem(f"{name}: expected a number > 0, found {value!r}.") from None
    if not (math.isfinite(number) and number > 0.0):
        raise InvalidProblem(f"{name}: expected a finite number > 0, found {number}.")
    return number
