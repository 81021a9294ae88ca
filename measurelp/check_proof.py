r"""Check, in exact arithmetic and trusting nothing, that a trained network is globally optimal.

Standard library only; may be copied anywhere: ``python check_proof.py FILE`` (docs/proof.md).
With x~ = (x, 1), or x where hidden units have no bias, the objective of a network is

    sum_i loss(f(x_i), y_i) + lam sum_k |v_k||w_k|,   f(x) = sum_k v_k (<w_k, x~>)_+ [+ skip(x)],

where interpolation is the loss 0 if f(x_i) = y_i for all i, and lam = 1.  If numbers alpha_i have

    (1)  sum_i alpha_i s(x_i) = 0 for every skip s, and
    (2)  |eta(w)| <= lam |w| for every w, where eta(w) = sum_i alpha_i (<x~_i, w>)_+,

then lam sum_k |v_k||w_k| >= sum_k v_k eta(w_k) = sum_i alpha_i f(x_i) for *every* network, so its
objective is at least D = sum_i min_t (loss(t, y_i) + alpha_i t).  Computed here are D and an upper
bound P of the objective of the network in the file; P - D <= gap.  (2) is made finite thus:

Coordinates.  If x~_i = B z_i + e_i, then <x~_i, w> = <z_i, u> + <e_i, w> with u = B^T w, and |u|^2
<= |B^T B||w|^2.  So F(u) <= limit |u| will do for both F = +-sum_i alpha_i (<z_i, u>)_+, where
limit |B^T B|^(1/2) = lam - sum_i |alpha_i||e_i|.

Slices.  A bias that is not counted in |w| can be anything.  But eta is piecewise linear in it, 0
far to the left, and by (1) constant far to the right.  So its extremes lie at kinks, bias = -<x_k,
w>: rows x_i - x_k, for every k, will do.  (Taking e_0 off all e_i only moves the bias.)

Cones.  All orthants are split along edges: a cone with generators r_1 .. r_p is the union of those
with a r_i + b r_j, a, b > 0, in the place of r_i and of r_j.  A cone is closed by a y, |y| <= limit,
<y, r_j> >= h_j, where h_j are values of a linear function above F on the cone: rows of one sign
are linear; a convex one is below its chord, a concave one below theta <z, u>, 0 <= theta <= 1.

Signs.  Or: suppose F(u) > limit, |u| <= 1.  Bounds low <= <z_i, u> <= high, at first +-|z_i|, give
lines above rows, so a lemma F(u) <= c + <y, u>, so <y, u> > m = limit - c: absurd if |y| <= m, else
a cap that narrows bounds.  A split is <z_i, u> >= 0 or <= 0; such facts may be added to others.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import re
import struct
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from operator import mul
from typing import Any, NamedTuple

MAX_BYTES, MAX_LISTS, MAX_NUMBERS, MAX_DIGITS = 64 * 2**20, 4_000_000, 12_000_000, 1000
MAX_BITS = 8192  # of a generator's entries, and of shifts
MAX_PENDING, MAX_STORED = 400, 2_000_000  # nodes that wait in a tree, and numbers kept for them
MAX_WORK = 10**9  # neurons times data points
ONE = 2**30  # slopes of lines are integers over this
GRAIN = 32  # bits after the point of the bounds in trees over signs

UNIT = "a positive integer"
RATIONAL, VECTOR, MATRIX = (UNIT, int), (UNIT, [int]), (UNIT, [[int]])  # denominator, numerators
SHAPE = {
    "format": str, "version": int,
    "problem": {"loss": str, "parameter": RATIONAL, "bias": str, "skip": str, "lam": RATIONAL,
                "X": MATRIX, "y": VECTOR},
    "network": {"hidden": MATRIX, "output": VECTOR, "skip": VECTOR},
    "claim": {"gap": RATIONAL, "misfit": RATIONAL},
    "statement_sha256": str, "dual": VECTOR, "basis": MATRIX, "rows": MATRIX,
    "covers": [{"kind": str, "plus": [[int]], "minus": [[int]]}],
}  # fmt: skip

# loss(t, y); min over t of loss(t, y) + a t, if a is in a range (below, above); c: the parameter.
LOSSES: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., bool]]] = {
    "squared": (lambda t, y, c: (t - y) ** 2 / 2, lambda a, y: a * y - a * a / 2,
                lambda a, y, c: True),
    "interpolation": (lambda t, y, c: 0, lambda a, y: a * y, lambda a, y, c: True),
}  # fmt: skip


class Unreadable(Exception):
    """The file is no proof: not there, too large, cut off, not JSON of integers."""


class Rejected(Exception):
    """The file does not prove what it states."""


def need(condition: Any, reason: str) -> None:
    """Raise Rejected unless the condition holds."""
    if not condition:
        raise Rejected(reason)


def dot(a: Any, b: Any) -> int:
    """The inner product."""
    return sum(map(mul, a, b))


def plus(a: Any, factor: int, b: Any) -> list[int]:
    """The sum of a and factor times b."""
    return [x + factor * y for x, y in zip(a, b, strict=True)]


def fraction(pair: list[int]) -> Fraction:
    """The rational number [denominator, numerator]."""
    return Fraction(pair[1], pair[0])


def root_above(square: int) -> Fraction:
    """A rational number that is at least the square root, by less than 2^-79."""
    return Fraction(math.isqrt(square << 160) + 1, 2**80) if square else Fraction(0)


def above(value: Fraction) -> float:
    """The least double that is not below the value."""
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -sys.float_info.max
    return number if Fraction(number) >= value else math.nextafter(number, math.inf)


# ---------------------------------------------------------------- reading


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON document in a file; limits come before anything that costs memory or time."""
    try:
        if not os.path.isfile(path):
            raise Unreadable("there is no such file")
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read ({error})") from None
    long = rb"(?<![0-9])[0-9]{%d}" % (MAX_DIGITS + 1)
    for found, what in (
        (len(raw) > MAX_BYTES, f"is larger than {MAX_BYTES} bytes"),
        (raw.count(b"[") + raw.count(b"{") > MAX_LISTS, f"has more than {MAX_LISTS} lists"),
        (raw.count(b",") > MAX_NUMBERS, f"has more than {MAX_NUMBERS} numbers"),
        (re.search(long, raw), f"has a number of more than {MAX_DIGITS} digits"),
    ):
        if found:
            raise Unreadable(what)
    try:
        document = json.loads(
            raw.decode(), parse_float=no_float, parse_constant=no_float, object_pairs_hook=unique
        )
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"is not JSON of integers, or is cut off ({error})") from None
    if not isinstance(document, dict) or document.get("format") != "measurelp-proof":
        raise Unreadable("is not a measurelp proof")
    if type(document.get("version")) is not int or document["version"] != 2:
        raise Unreadable("is of a version that this checker does not know")
    return document


def no_float(text: str) -> Any:
    raise ValueError(f"{text[:40]} is not an integer")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("an object has a repeated key")
    return dict(pairs)


def shaped(value: Any, shape: Any, name: str) -> None:
    """Check a JSON value against SHAPE: its keys, and integers nested as they should be."""
    if isinstance(shape, dict):
        need(type(value) is dict and value.keys() == shape.keys(), f"{name}: not the right keys")
        for key, inner in shape.items():
            shaped(value[key], inner, key)
    elif isinstance(shape, list | tuple):
        need(type(value) is list, f"{name}: a list is missing")
        need(isinstance(shape, list) or len(value) == len(shape), f"{name}: is not a pair")
        for entry, inner in zip(value, itertools.cycle(shape), strict=False):
            shaped(entry, inner, name)
    elif shape is UNIT:
        need(type(value) is int and value > 0, f"{name}: the denominator is not a positive integer")
    else:
        need(type(value) is shape, f"{name}: a value is not of type {shape.__name__}")
