"""From floating-point data to exact integers, column by column.

A column is multiplied by the smallest power of ten (``"decimal"``) or two (``"binary"``) that makes all entries
integers, then divided by their greatest common divisor.  Positive factors of columns change no sign pattern's set:
they rescale the coordinates of w.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from numbers import Real

import numpy as np

from measurelp.errors import InvalidProblem

NUMBERS = ("decimal", "binary")


def checked_matrix(X, name: str = "X", numbers: str = "decimal") -> np.ndarray:
    """A finite, nonempty two-dimensional float64 copy of X; integers beyond 2^53 are refused.

    Raises
    ------
    InvalidProblem
        Naming the argument, what was found and what to do.
    """
    try:
        found = np.asarray(X)
    except ValueError as error:
        raise InvalidProblem(
            f"{name} must be a matrix of numbers, but it cannot be read as an array: {error}"
        ) from error
    if found.ndim != 2:
        raise InvalidProblem(
            f"{name} must be two-dimensional (rows are data points), but it has shape {found.shape}; reshape it"
        )
    if found.size == 0:
        raise InvalidProblem(
            f"{name} must not be empty, but it has shape {found.shape}; pass at least one row and one column"
        )
    if found.dtype.kind not in "biufO":
        raise InvalidProblem(
            f"{name} must hold real numbers, but its dtype is {found.dtype}; convert it to float"
        )
    if found.dtype.kind == "O" and not all(isinstance(v, Real) for v in found.ravel()):
        raise InvalidProblem(
            f"{name} must hold real numbers, but it is an array of other objects; convert it to float"
        )
    if numbers == "decimal" and found.dtype.kind == "f" and found.dtype.itemsize < 8:
        found = found.astype(
            str
        )  # the shortest decimal that prints a float32 is a decimal of double precision
    try:
        matrix = np.array(found, dtype=np.float64, order="C")
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidProblem(
            f"{name} must hold real numbers, but some entries cannot be converted: {error}"
        ) from error
    if not np.isfinite(matrix).all():
        i, j = np.argwhere(~np.isfinite(matrix))[0]
        raise InvalidProblem(
            f"{name} must be finite, but entry ({i}, {j}) is {matrix[i, j]}; remove or impute such rows"
        )
    if found.dtype.kind in "iuO":
        for i, j in np.argwhere(np.abs(matrix) >= 2.0**53):
            if isinstance(found[i, j], (int, np.integer)) and int(matrix[i, j]) != int(found[i, j]):
                raise InvalidProblem(
                    f"{name} has an integer that float64 cannot hold at ({i}, {j}): {found[i, j]}; rescale the column"
                )
    matrix.setflags(write=False)
    return matrix


def checked_numbers(numbers: str) -> str:
    """``numbers`` itself, or InvalidProblem."""
    if numbers not in NUMBERS:
        raise InvalidProblem(f"numbers must be one of {NUMBERS}, but it is {numbers!r}")
    return numbers


def _short_decimals(column: np.ndarray) -> tuple[list[int], int] | None:
    """(m, k) with ``column = m / 10^k`` read as decimals, when k <= 12 and all |m| < 10^15 do; else None.

    Decimals of at most 15 digits are printed back by their double, so a correctly rounded quotient ``m / 10^k``
    that equals the double identifies its shortest decimal.
    """
    if np.abs(column).max() >= 1e15:
        return None
    for k in (0, 1, 2, 3, 4, 6, 8, 10, 12):
        scaled = np.rint(column * 10.0**k)
        if np.abs(scaled).max() >= 1e15:
            return None
        if (scaled / 10.0**k == column).all():
            return [int(v) for v in scaled.tolist()], k
        if k == 2 and np.rint(column[0] * 1000000000000.0) / 1000000000000.0 != column[0]:
            return None
    return None


def _decimals(column: np.ndarray) -> tuple[list[int], Fraction]:
    """Integers and the positive factor whose products are the shortest decimals of a column."""
    short = _short_decimals(column)
    if short is not None:
        return short[0], Fraction(1, 10 ** short[1])
    mantissas, exponents = [], []
    for value in column.tolist():
        digits, _, power = repr(value).partition("e")
        whole, _, fraction = digits.partition(".")
        if fraction == "0":
            fraction = ""
        mantissas.append(int(whole + fraction))
        exponents.append((int(power) if power else 0) - len(fraction))
    low = min(e for m, e in zip(mantissas, exponents, strict=True) if m)
    powers = {e: 10 ** (e - low) for e in set(exponents) if e >= low}
    integers = [m * powers[e] if m else 0 for m, e in zip(mantissas, exponents, strict=True)]
    return integers, Fraction(10) ** low


def _binaries(column: np.ndarray) -> tuple[list[int], Fraction]:
    """Integers and the power of two whose products are exactly the doubles of a column."""
    mantissa, exponent = np.frexp(column)
    integers = [int(v) for v in (mantissa * 2.0**53).tolist()]
    shifts = (exponent - 53).tolist()
    low = min(e for m, e in zip(integers, shifts, strict=True) if m)
    return [m << (e - low) if m else 0 for m, e in zip(integers, shifts, strict=True)], Fraction(
        2
    ) ** low


def integer_column(column: np.ndarray, numbers: str) -> tuple[list[int], Fraction]:
    """Coprime integers and a positive factor with ``column = factor * integers`` in the chosen reading."""
    if not column.any():
        return [0] * len(column), Fraction(1)
    integers, factor = _decimals(column) if numbers == "decimal" else _binaries(column)
    common = gcd(*integers)
    if common > 1:
        integers = [v // common for v in integers]
    return integers, factor * common
