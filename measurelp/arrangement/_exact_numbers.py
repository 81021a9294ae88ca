"""From floating-point data to exact integers, column by column.

A column is multiplied by the smallest power of ten (``"decimal"``) or two (``"binary"``) that makes all entries
integers, then divided by their greatest common divisor.  Positive factors of columns change no sign pattern's set:
they rescale the coordinates of w.

The decimal reading has to see through the noise of arithmetic: ``3 * 0.1`` and ``np.linspace(0, 1, 11)[3]`` print as
0.30000000000000004 and mean 0.3.  If *every* entry of a column lies within `NOISE` units in the last place of a decimal with at
most `DIGITS` significant digits, those decimals are meant; otherwise every entry is the shortest decimal that prints it.
Whole numbers below 2^53 and decimals of up to 14 digits always stand for themselves: from a decimal of 12 digits they
are farther than `NOISE` units away or they are that decimal.  A long decimal passes by chance once in about a thousand,
so that a column of n of them is taken for short ones with probability about ``1000^-n``.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, ulp
from numbers import Real

import numpy as np

from measurelp.errors import InvalidProblem

NUMBERS = ("decimal", "binary")
DIGITS = 12  # significant digits of a decimal that noise may hide
NOISE = 4  # units in the last place that count as noise
_TENS = np.array([float(f"1e{k}") for k in range(23)])  # all exact


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


def _near_decimals(column: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(m, p) with ``column = m * 10^p`` up to `NOISE` units in the last place and ``|m| <= 10^12``; else None.

    At most one decimal of `DIGITS` digits is that near to a normal double; columns with subnormal entries are left out, and
    so are those whose units in the last place overflow.  Where ``|p| <= 22`` both the integer and the
    power of ten are exact doubles, so that one product or quotient is the double nearest to the decimal.
    """
    size = np.abs(column)
    zero = size == 0.0
    if size[~zero].min() < np.finfo(np.float64).tiny or size.max() > 1e307:
        return None
    power = np.floor(np.log10(np.where(zero, 1.0, size))).astype(np.int64) - (DIGITS - 1)
    if np.abs(power).max() <= 22:
        ten = _TENS[np.abs(power)]
        small = power < 0
        mantissa = np.rint(np.where(small, column * ten, column / ten))
        decimal = np.where(small, mantissa / ten, mantissa * ten)
    else:
        texts = [f"{v:.{DIGITS - 1}e}" for v in column.tolist()]
        decimal = np.array([float(text) for text in texts])
        power = np.array([int(text.partition("e")[2]) for text in texts]) - (DIGITS - 1)
        mantissa = np.array([float(text.partition("e")[0].replace(".", "")) for text in texts])
    if not (np.abs(decimal - column) <= NOISE * np.spacing(size)).all():
        return None
    return mantissa.astype(np.int64), np.where(zero, power.max(), power)


def _decimals(column: np.ndarray) -> tuple[list[int], Fraction, bool]:
    """Integers and factor of the decimals that a column stands for; whether they are the short ones next to its entries.

    One entry rules out nearly all columns of long decimals.  Whole numbers below 2^53 stand for themselves.
    """
    probe = next(filter(None, column.tolist()))
    if abs(float(f"{probe:.{DIGITS - 1}e}") - probe) > NOISE * ulp(probe):
        return *_printed_decimals(column), False
    if np.abs(column).max() < 2.0**53 and (np.rint(column) == column).all():
        return column.astype(np.int64).tolist(), Fraction(1), False
    near = _near_decimals(column)
    if near is None:
        return *_printed_decimals(column), False
    mantissa, power = near
    low = int(power.min())
    shift = power - low
    if shift.max() <= 6:
        integers = (mantissa * 10**shift).tolist()
    else:
        integers = [
            m * 10**s if m else 0 for m, s in zip(mantissa.tolist(), shift.tolist(), strict=True)
        ]
    return integers, Fraction(10) ** low, True


def _printed_decimals(column: np.ndarray) -> tuple[list[int], Fraction]:
    """Integers and the positive factor whose products are the shortest decimals that print a column's doubles."""
    text = repr(column.tolist())[1:-1]
    if "e" not in text:
        lengths = [len(token) - token.index(".") - 1 for token in text.split(", ")]
        mantissas = map(int, text.replace(".", "").split(", "))
        most = max(lengths)
        if most == min(lengths):
            return list(mantissas), Fraction(1, 10**most)
        tens = [10 ** (most - k) for k in range(most + 1)]
        return [m * tens[k] for m, k in zip(mantissas, lengths, strict=True)], Fraction(1, 10**most)
    integers, exponents = [], []
    for token in text.split(", "):
        digits, _, power = token.partition("e")
        whole, _, fraction = digits.partition(".")
        integers.append(int(whole + fraction))
        exponents.append((int(power) if power else 0) - len(fraction))
    low = min(e for m, e in zip(integers, exponents, strict=True) if m)
    powers = {e: 10 ** (e - low) for e in set(exponents) if e >= low}
    return [m * powers[e] if m else 0 for m, e in zip(integers, exponents, strict=True)], Fraction(
        10
    ) ** low


def _binaries(column: np.ndarray) -> tuple[list[int], Fraction]:
    """Integers and the power of two whose products are exactly the doubles of a column."""
    mantissa, exponent = np.frexp(column)
    integers = [int(v) for v in (mantissa * 2.0**53).tolist()]
    shifts = (exponent - 53).tolist()
    low = min(e for m, e in zip(integers, shifts, strict=True) if m)
    return [m << (e - low) if m else 0 for m, e in zip(integers, shifts, strict=True)], Fraction(
        2
    ) ** low


def integer_column(column: np.ndarray, numbers: str) -> tuple[list[int], Fraction, bool]:
    """Coprime integers and a positive factor with ``column = factor * integers`` in the chosen reading.

    The flag says that the entries were read as the decimals of at most `DIGITS` digits next to them, see `exact_entry`.
    """
    if not column.any():
        return [0] * len(column), Fraction(1), False
    integers, factor, rounded = (
        (*_binaries(column), False) if numbers == "binary" else _decimals(column)
    )
    common = gcd(*integers)
    if common > 1:
        integers = [v // common for v in integers]
        factor *= common
    return integers, factor, rounded


def exact_entry(value: float, numbers: str, rounded: bool) -> Fraction:
    """The number that one double of a column stands for; ``rounded`` is the column's flag from `integer_column`."""
    if numbers == "binary":
        return Fraction(value)
    return Fraction(f"{value:.{DIGITS - 1}e}" if rounded else repr(value))
