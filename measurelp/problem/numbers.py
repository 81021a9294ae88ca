"""Arguments as callers give them: numbers, arrays and words that are as they should be, or refused by name."""

from __future__ import annotations

import math
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.errors import InvalidProblem

_LEAST, _MOST = 1e-75, 1e75


def float_array(name: str, value: ArrayLike, what: str = "numbers") -> NDArray[np.float64]:
    """A C-ordered float64 copy of an array of any shape; complex numbers are refused."""
    try:
        given = np.asarray(value)
        if given.dtype.kind == "c":
            raise TypeError("complex numbers")
        return np.array(given, dtype=np.float64, order="C")
    except (
        TypeError,
        ValueError,
        OverflowError,
        RuntimeError,
    ) as error:  # RuntimeError: torch, with gradients
        raise InvalidProblem(
            f"{name}: expected {what}, found something that is not ({error})."
        ) from None


def positive_number(name: str, value: object) -> float:
    """A finite number > 0 as a float."""
    if isinstance(value, (bool, str)) or np.ndim(cast("ArrayLike", value)) != 0:
        raise InvalidProblem(f"{name}: expected a number > 0, found {value!r}.")
    try:
        number = float(cast("float", value))
    except OverflowError:
        raise InvalidProblem(f"{name}: expected a number > 0 that a double holds.") from None
    except (TypeError, ValueError):
        raise InvalidProblem(f"{name}: expected a number > 0, found {value!r}.") from None
    if not (math.isfinite(number) and number > 0.0):
        raise InvalidProblem(f"{name}: expected a finite number > 0, found {number}.")
    return number


def check_magnitude(name: str, values: ArrayLike) -> None:
    """Refuse numbers whose squares and products would overflow or vanish in double precision."""
    sizes = np.abs(values)
    size = float(sizes.max())
    if size and not _LEAST <= size <= _MOST:
        at = np.unravel_index(int(sizes.argmax()), sizes.shape)
        where = "".join(f", {word} {i}" for word, i in zip(("row", "column"), at, strict=False))
        raise InvalidProblem(
            f"{name}: the largest magnitude is {size:.3g}{where}, and squares and products of such numbers leave "
            f"the range of double precision; choose units in which it lies between {_LEAST:g} and {_MOST:g}."
        )


def whole_number(name: str, value: object, *, least: int = 1) -> int:
    """An integer that is large enough."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidProblem(f"{name}: expected an integer >= {least}, found {value!r}.")
    return int(value)


def finite_matrix(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """A copy of ``value`` as a non-empty finite C-ordered (n, d) float array, or InvalidProblem."""
    matrix = float_array(name, value, "numbers in a 2-D array")
    if matrix.ndim != 2:
        raise InvalidProblem(
            f"{name}: expected a 2-D array (rows = data points), found shape {matrix.shape}; "
            f"reshape a single feature with {name}.reshape(-1, 1)."
        )
    if matrix.size == 0:
        raise InvalidProblem(
            f"{name}: expected at least one row and one column, found shape {matrix.shape}."
        )
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        i, j = (int(v) for v in bad[0])
        raise InvalidProblem(
            f"{name}: {len(bad)} entries are NaN or infinite, the first at row {i}, column {j}; "
            "remove or impute them."
        )
    return matrix


def finite_targets(value: ArrayLike, *, n: int) -> NDArray[np.float64]:
    try:
        y = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidProblem(
            f"y: expected numbers, found something that is not ({error})."
        ) from None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] == 0):
        raise InvalidProblem(
            f"y: expected shape ({n},), one number a row of X, or ({n}, c) for c >= 1 outputs, found "
            f"shape {y.shape}."
        )
    if len(y) != n:
        raise InvalidProblem(f"y: expected {n} targets, one a row of X, found {len(y)}.")
    bad = np.argwhere(~np.isfinite(y))
    if len(bad):
        raise InvalidProblem(
            f"y: {len(bad)} targets are NaN or infinite, the first at row {int(bad[0][0])}."
        )
    return np.ascontiguousarray(y)


def sample_weights(value: ArrayLike | None, *, n: int) -> NDArray[np.float64]:
    if value is None:
        return np.ones(n)
    try:
        weights = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidProblem(
            f"sample_weight: expected numbers, found something that is not ({error})."
        ) from None
    if weights.shape != (n,):
        raise InvalidProblem(
            f"sample_weight: expected shape ({n},), one weight a row of X, found {weights.shape}."
        )
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0.0)))
    if len(bad):
        raise InvalidProblem(
            f"sample_weight: expected finite weights >= 0, found {weights[bad[0]]:g} at row {bad[0]}."
        )
    if not np.any(weights > 0.0):
        raise InvalidProblem("sample_weight: all weights are 0; there is nothing to fit.")
    return weights


def check_choice(name: str, value: object, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise InvalidProblem(f"{name}: expected one of {', '.join(accepted)}, found {value!r}.")
