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
MAX_PENDING, MAX_STORED = 400, 10_000_000  # nodes that wait in a tree, and times its lines
MAX_WORK = 10**9  # neurons times data points, slices times these, records times lines
ONE = 2**30  # slopes of lines are integers over this
GRAIN = 32  # bits after the point of the bounds in trees over signs

UNIT = "a positive integer"
RATIONAL, VECTOR, MATRIX = (UNIT, int), (UNIT, [int]), (UNIT, [[int]])  # denominator, numerators
SHAPE = {
    "format": str, "version": int, "statement_sha256": str,
    "problem": {"loss": str, "parameter": RATIONAL, "bias": str, "skip": str, "lam": RATIONAL,
                "X": MATRIX, "y": VECTOR},
    "network": {"hidden": MATRIX, "output": VECTOR, "skip": VECTOR},
    "claim": {"gap": RATIONAL, "misfit": RATIONAL},
    "dual": VECTOR, "basis": MATRIX, "rows": MATRIX,
    "covers": [{"kind": str, "plus": [[int]], "minus": [[int]]}],
}  # fmt: skip


class Unreadable(Exception):
    """The file is no proof: not there, too large, cut off, not JSON of integers."""


class Rejected(Exception):
    """The file does not prove what it states."""


def need(condition: Any, reason: str) -> None:
    if not condition:
        raise Rejected(reason)


def dot(a: Any, b: Any) -> int:
    return sum(map(mul, a, b))


def plus(a: Any, factor: int, b: Any) -> list[int]:
    """The sum of a and factor times b."""
    return [x + factor * y for x, y in zip(a, b, strict=True)]


def fraction(pair: Any) -> Fraction:
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

    def refused(text: str) -> Any:
        raise ValueError(f"{text[:40]} is not an integer")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("an object has a repeated key")
        return dict(pairs)

    try:
        document = json.loads(
            raw.decode(), parse_float=refused, parse_constant=refused, object_pairs_hook=unique
        )
    except RecursionError:
        raise Unreadable("is nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"is not JSON of integers, or is cut off ({error})") from None
    known = isinstance(document, dict) and document.get("format") == "measurelp-proof"
    if not (known and type(document.get("version")) is int and document["version"] == 2):
        raise Unreadable("is not a measurelp proof of version 2")
    return document


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


# ---------------------------------------------------------------- the statement


def losses(c: Fraction) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """With parameter c: loss(t, y), and min over t of loss(t, y) + a t, None where it is -inf."""
    return {
        "squared": (lambda t, y: (t - y) ** 2 / 2, lambda a, y: a * y - a * a / 2),
        "interpolation": (lambda t, y: 0 * t * y, lambda a, y: a * y),
        "absolute": (lambda t, y: abs(t - y), lambda a, y: a * y if abs(a) <= 1 else None),
        "quantile": (lambda t, y: max(c * (y - t), (1 - c) * (t - y)),
                     lambda a, y: a * y if c - 1 <= a <= c else None),
        "huber": (lambda t, y: min(abs(t - y), c) * (abs(t - y) - min(abs(t - y), c) / 2),
                  lambda a, y: a * y - a * a / 2 if abs(a) <= c else None),
        "hinge": (lambda t, y: max(1 - t * y, 0), lambda a, y: a * y if 0 <= a * y <= 1 else None),
        "squared_hinge": (lambda t, y: max(1 - t * y, 0) ** 2,
                          lambda a, y: a * y - (a * y) ** 2 / 4 if a * y >= 0 else None),
    }  # fmt: skip


def check(document: Any) -> dict[str, Any]:
    """What a document proves; raise Rejected with the first reason why it does not.

    Every objective is >= dual, and that of the network <= primal; it misses no target by more than
    misfit, and those that miss none by more than that have an objective >= near.
    """
    shaped(document, SHAPE, "document")
    problem, network, claim = (document[key] for key in ("problem", "network", "claim"))
    digest = digest_of([problem, network, claim])
    need(document["statement_sha256"] == digest, "statement_sha256: not of problem, network, claim")
    data_digest, gap, misfit = data_of(problem), fraction(claim["gap"]), fraction(claim["misfit"])
    primal, missed = primal_of(problem, network)
    need(missed <= misfit, f"misfit: a target is missed by {above(missed)}")
    alpha = document["dual"]
    dual = dual_of(problem, alpha)
    need(primal - dual <= gap, f"gap: only {above(primal - dual)} is shown")
    functions, limit = functions_of(problem, alpha, document["basis"], document["rows"])
    need(len(document["covers"]) == len(functions), f"covers: not {len(functions)} of them")
    for k, (F, cover) in enumerate(zip(functions, document["covers"], strict=True)):
        need(cover["kind"] in TREES, "covers: of an unknown kind")
        for side, sign in (("plus", 1), ("minus", -1)):
            try:
                replay(TREES[cover["kind"]](F, sign, limit), cover[side])
            except Rejected as error:
                raise Rejected(f"cover {k}, {side}: {error}") from None
    return {
        "problem": problem, "neurons": len(network["output"][1]), "primal": primal, "dual": dual,
        "gap": gap, "misfit": misfit, "data_sha256": data_digest, "statement_sha256": digest,
        "near": dual - misfit * Fraction(sum(map(abs, alpha[1])), alpha[0]),
        "records": sum(len(cover["plus"]) + len(cover["minus"]) for cover in document["covers"]),
    }  # fmt: skip


def digest_of(value: Any) -> str:
    """The SHA-256 of a JSON value without spaces and with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def is_matrix(rows: Any, height: int, width: int) -> bool:
    """Whether nested lists are a matrix of this shape, with at least one entry."""
    return 0 < height == len(rows) and width > 0 and {len(row) for row in rows} == {width}


def data_of(problem: dict[str, Any]) -> str:
    """The SHA-256 of X, row by row, and y as doubles, if the problem is one that makes sense."""
    (x_unit, X), (y_unit, y), lam = problem["X"], problem["y"], fraction(problem["lam"])
    need(problem["loss"] in losses(Fraction(0)), "loss: unknown")
    need(problem["bias"] in ("none", "penalized", "free"), "bias: unknown")
    need(problem["skip"] in ("none", "constant", "affine"), "skip: unknown")
    need(problem["bias"] != "free" or problem["skip"] != "none", "skip: a free bias needs one")
    need(is_matrix(X, len(y), len(X[0]) if X else 0), "X: not a matrix with as many rows as y")
    need(0 < above(lam) == lam, "lam: not positive, or not a double")
    need(problem["loss"] != "interpolation" or lam == 1, "lam: not 1, as for interpolation")
    is_label = "hinge" not in problem["loss"] or all(abs(v) == y_unit for v in y)
    need(is_label, "y: not 1 or -1")
    digest = hashlib.sha256()
    for row, unit in [*((row, x_unit) for row in X), (y, y_unit)]:
        for value in row:
            number = above(Fraction(value, unit))
            need(abs(number) < math.inf and Fraction(number) * unit == value, "data: not a double")
            digest.update(struct.pack("<d", number))
    return digest.hexdigest()


def hidden_rows(problem: dict[str, Any]) -> list[list[int]]:
    """What hidden units see, in units of X."""
    unit, X = problem["X"]
    return X if problem["bias"] == "none" else [[*row, unit] for row in X]


def primal_of(problem: dict[str, Any], network: dict[str, Any]) -> tuple[Fraction, Fraction]:
    """An upper bound of the objective of the network, and its largest |f(x_i) - y_i|."""
    (unit, X), (y_unit, y), rows = problem["X"], problem["y"], hidden_rows(problem)
    (w_unit, hidden), (v_unit, output) = network["hidden"], network["output"]
    (s_unit, skip), d = network["skip"], len(X[0])
    loss, _ = losses(fraction(problem["parameter"]))[problem["loss"]]
    need(len(hidden) == len(output) and len(skip) == d + 1, "network: of another shape")
    need(all(len(w) == len(rows[0]) for w in hidden), "network: hidden has another width")
    need(problem["skip"] != "none" or not any(skip), "network: the problem has no skip")
    need(problem["skip"] == "affine" or not any(skip[:d]), "network: the skip is no constant")
    need(len(rows) * len(hidden) <= MAX_WORK, "network: too large")
    total, missed, size = Fraction(0), Fraction(0), Fraction(0)
    for x, row, value in zip(X, rows, y, strict=True):
        active = sum(v * max(0, dot(w, row)) for v, w in zip(output, hidden, strict=True))
        fit = Fraction(active, v_unit * w_unit * unit)
        fit += Fraction(dot(skip, [*x, unit]), s_unit * unit)
        target = Fraction(value, y_unit)
        total, missed = total + loss(fit, target), max(missed, abs(fit - target))
    for v, w in zip(output, hidden, strict=True):
        counted = w[:d] if problem["bias"] == "free" else w
        size += abs(v) * root_above(dot(counted, counted))
    return total + fraction(problem["lam"]) * size / (v_unit * w_unit), missed


def dual_of(problem: dict[str, Any], dual: Any) -> Fraction:
    """D, once (1) holds."""
    (unit, alpha), (y_unit, y), X = dual, problem["y"], problem["X"][1]
    need(len(alpha) == len(y), "dual: not as long as y")
    need(problem["skip"] == "none" or sum(alpha) == 0, "dual: its sum is not 0")
    for column in zip(*X, strict=True) if problem["skip"] == "affine" else ():
        need(dot(alpha, column) == 0, "dual: not orthogonal to the linear skip")
    total, (_, least) = Fraction(0), losses(fraction(problem["parameter"]))[problem["loss"]]
    for a, value in zip(alpha, y, strict=True):
        term = least(Fraction(a, unit), Fraction(value, y_unit))
        need(term is not None, "dual: an entry is out of the range of the loss")
        total += term
    return total


# ---------------------------------------------------------------- the supremum


class Function(NamedTuple):
    """F(u) = <linear, u> + sum of weight (<row, u>)_+ over lines (weight, row)."""

    linear: list[int]
    lines: list[tuple[int, list[int]]]


def functions_of(
    problem: dict[str, Any], dual: Any, basis: Any, coordinates: Any
) -> tuple[list[Function], int]:
    """F, such that |F(u)| <= limit |u| for all of them proves (2); units of 1 / (a_unit z_unit)."""
    (a_unit, alpha), (b_unit, B), (z_unit, Z) = dual, basis, coordinates
    unit, sliced = problem["X"][0], problem["bias"] == "free"
    rows, p = problem["X"][1] if sliced else hidden_rows(problem), len(Z[0]) if Z else 0
    need(is_matrix(B, len(rows[0]), p) and is_matrix(Z, len(rows), p), "basis, rows: no matrices")
    errors = [
        plus([b_unit * z_unit * x for x in row], -unit, [dot(b, z) for b in B])
        for row, z in zip(rows, Z, strict=True)
    ]
    if sliced:
        errors = [plus(e, -1, errors[0]) for e in errors]
    lost = sum(map(mul, map(abs, alpha), (root_above(dot(e, e)) for e in errors)), Fraction(0))
    room = fraction(problem["lam"]) - lost / (a_unit * unit * b_unit * z_unit)
    columns = list(zip(*B, strict=True))
    stretch = max(sum(abs(dot(b, c)) for c in columns) for b in columns)  # at least |B^T B|
    need(room > 0 and stretch > 0, "basis, rows: too far from the data")
    limit = math.isqrt(math.floor((room * a_unit * z_unit * b_unit) ** 2 / stretch))
    points: dict[tuple[int, ...], int] = {}
    for a, z in zip(alpha, Z, strict=True):
        points[tuple(z)] = points.get(tuple(z), 0) + a
    centres = [z for z, a in points.items() if a] if sliced else [(0,) * p]
    need(len(centres) * len(points) <= MAX_WORK, "rows: too many slices")
    return [function_about(points, centre) for centre in centres], limit


def function_about(points: dict[tuple[int, ...], int], centre: tuple[int, ...]) -> Function:
    """F for the points less a centre; those on one line act as one, as (-t)_+ = (t)_+ - t."""
    weights: dict[tuple[int, ...], int] = {}
    linear = [0] * len(centre)
    for point, a in points.items():
        row = plus(point, -1, centre)
        size = math.gcd(*row)
        if size and next(c for c in row if c) < 0:
            linear, size = plus(linear, a, row), -size
        if size:
            line = tuple([c // size for c in row])
            weights[line] = weights.get(line, 0) + a * abs(size)
    return Function(linear, [(weight, list(line)) for line, weight in weights.items() if weight])


def replay(tree: Any, records: list[list[int]]) -> None:
    """Go through a tree in preorder; a step says what is left to be shown of a node."""
    need(len(records) * len(tree.lines) <= MAX_WORK, "it needs too much time")
    following = iter(records)
    for root in tree.roots():
        pending = [root]
        while pending:
            record = next(following, None)
            need(record is not None, "it is incomplete")
            pending += tree.step(pending.pop(), *(record or [-1]))
            need(len(pending) <= MAX_PENDING, "it is too deep")
            need(len(pending) * len(tree.lines) <= MAX_STORED, "it needs too much memory")
    need(next(following, None) is None, "it has records left over")


def listed(numbers: tuple[int, ...], lines: Any) -> dict[int, int]:
    """Pairs of a line and its number."""
    pairs = dict(zip(numbers[::2], numbers[1::2], strict=False))
    need(2 * len(pairs) == len(numbers), "a line is listed twice, or a number is missing")
    need(all(0 <= index < len(lines) for index in pairs), "a line that is not there")
    return pairs


class Cones:
    """Trees over the orthants: nodes are generators, and F as <linear, .> + lines of two signs."""

    def __init__(self, function: Function, sign: int, limit: int) -> None:
        self.linear, self.limit = [sign * c for c in function.linear], limit
        self.lines = [(k, sign * w, row) for k, (w, row) in enumerate(function.lines)]

    def roots(self) -> Iterator[Any]:
        for signs in itertools.product((1, -1), repeat=len(self.linear)):
            unit = [[s * (i == j) for j in range(len(signs))] for i, s in enumerate(signs)]
            yield self.cone(unit, self.linear, self.lines)

    def cone(self, generators: list[list[int]], linear: list[int], lines: Any) -> Any:
        """A node; lines of one sign on it are linear there."""
        cut = []
        for line in lines:
            values = [dot(line[2], r) for r in generators]
            if min(values) >= 0:
                linear = plus(linear, line[1], line[2])
            elif max(values) > 0:
                cut.append(line)
        return generators, linear, cut

    def step(self, cone: Any, kind: int, *numbers: int) -> list[Any]:
        """Records [0, i, j, a, b] split, [1, shift, y_1 .. y_p, line, theta, ..] close."""
        (r, linear, cut), p = cone, len(self.linear)
        if kind == 0:
            need(len(numbers) == 4, "a split has not 5 numbers")
            i, j, a, b = numbers
            need(0 <= i < p and 0 <= j < p and i != j, "a split of an edge that is not there")
            need(a > 0 and b > 0, "a split at a point outside the edge")
            new = plus([a * c for c in r[i]], b, r[j])
            need(max(map(abs, new)).bit_length() <= MAX_BITS, "a split with too large numbers")
            children = ([*r[:at], new, *r[at + 1 :]] for at in (j, i))
            return [self.cone(child, linear, cut) for child in children]
        need(kind == 1 and len(numbers) > p, "an unknown record")
        need(0 <= numbers[0] <= MAX_BITS, "a shift is out of range")
        y = [c << numbers[0] for c in numbers[1 : 1 + p]]
        thetas = listed(numbers[1 + p :], self.lines)
        need(all(0 <= theta <= ONE for theta in thetas.values()), "a theta outside [0, 1]")
        need(dot(y, y) <= self.limit**2, "a vector is longer than the limit")
        room = [ONE * (dot(y, g) - dot(linear, g)) for g in r]
        for index, weight, row in cut:
            values = [dot(row, g) for g in r]
            if weight > 0:
                room = plus(room, -ONE * weight, [max(0, v) for v in values])
            else:  # unless theta is listed, it is 0 or 1
                room = plus(room, -thetas.get(index, ONE * (dot(row, y) > 0)) * weight, values)
        need(min(room) >= 0, "a vector does not bound the function on its cone")
        return []


class Bounds(NamedTuple):
    """What holds where F(u) > limit, |u| <= 1: low <= <row, u> <= high for rows, and <y, u> >= m."""

    low: list[int]
    high: list[int]
    y: list[int]
    m: int

    def highest(self, v: list[int]) -> int:
        """An upper bound of <v, u>, |u| <= 1, <y, u> >= m."""
        along, square, length, m = dot(self.y, v), dot(self.y, self.y), dot(v, v), self.m
        if along * abs(along) >= m * abs(m) * length:  # v / |v| is such a u
            return math.isqrt(length) + 1
        root = math.isqrt((length * square - along**2) * (square - m**2)) + 1
        return -((-along * m - root) // square)

    def narrowed(self, index: int, low: int, high: int) -> list[Bounds]:
        """With further bounds of one row; nothing is left where bounds pass each other."""
        low, high = max(low, self.low[index]), min(high, self.high[index])
        lows = [*self.low[:index], low, *self.low[index + 1 :]]
        highs = [*self.high[:index], high, *self.high[index + 1 :]]
        return [self._replace(low=lows, high=highs)] if low <= high else []


class Signs:
    """A tree over the signs of lines; rows here are lines times 2^GRAIN."""

    def __init__(self, function: Function, sign: int, limit: int) -> None:
        self.linear = [sign * ONE * c << GRAIN for c in function.linear]
        self.lines = [(sign * w, [c << GRAIN for c in row]) for w, row in function.lines]
        self.limit = limit * ONE << GRAIN
        self.sizes = [math.isqrt(dot(row, row)) + 1 for _, row in self.lines]

    def roots(self) -> Iterator[Bounds]:
        yield Bounds([-size for size in self.sizes], self.sizes, [0] * len(self.linear), -1)

    def step(self, node: Bounds, kind: int, *numbers: int) -> list[Bounds]:
        """Records [0, line] split; for [1, ..] see lemma, for [2, ..] see narrowing."""
        if kind == 1:
            return self.lemma(node, *numbers)
        need(kind in (0, 2) and 0 <= (numbers or (-1,))[0] < len(self.lines), "an unknown record")
        if kind == 2:
            return self.narrowing(node, *numbers)
        need(len(numbers) == 1, "a split has not 2 numbers")
        index, size = numbers[0], self.sizes[numbers[0]]
        return node.narrowed(index, -size, 0) + node.narrowed(index, 0, size)

    def raised(self, v: list[int], node: Bounds, pairs: dict[int, int], shift: int) -> list[int]:
        """V plus 2^shift numbers times rows of known sign, turned so that they are >= 0."""
        need(0 <= shift <= MAX_BITS, "a shift is out of range")
        need(min(pairs.values(), default=0) >= 0, "a multiplier is negative")
        for index, number in pairs.items():
            sign = (node.low[index] >= 0) - (node.high[index] <= 0)
            v = plus(v, (number << shift) * sign, self.lines[index][1])
        return v

    def narrowing(self, node: Bounds, index: int, sign: int = 0, shift: int = 0, *rest: int) -> Any:
        """[2, line, sign, shift, line, number, ..]: an end of the first line from others' signs."""
        need(abs(sign) == 1 and 0 <= shift <= MAX_BITS, "a sign or shift is out of range")
        v = [sign * c << shift for c in self.lines[index][1]]
        end = -(-node.highest(self.raised(v, node, listed(rest, self.lines), 0)) >> shift)
        size = self.sizes[index]
        return node.narrowed(index, *((-size, end) if sign > 0 else (-end, size)))

    def lemma(self, node: Bounds, shift: int = -1, coarse: int = -1, *rest: int) -> list[Bounds]:
        """[1, shift, coarse, line, number, ..]: slopes number 2^coarse of lines without a sign.

        Others are those of chords, or 0 or 1 for concave lines.  The rest see in ``raised``.
        """
        need(0 <= coarse <= 30, "a shift is out of range")
        pairs, constant, y = listed(rest, self.lines), 0, self.linear
        for index, (weight, row) in enumerate(self.lines):
            low, high = node.low[index], node.high[index]
            slope = ONE if low >= 0 else 0
            if low < 0 < high:
                chord = ONE * high // (high - low)
                slope = chord if weight > 0 else ONE * (dot(row, node.y) > 0)
                slope = pairs.pop(index) << coarse if index in pairs else slope
                need(0 <= slope <= ONE, "a slope outside [0, 1]")
            constant += max(0, weight) * max(-slope * low, (ONE - slope) * high)
            y = plus(y, slope * weight, row) if slope else y
        y, m = self.raised(y, node, pairs, shift), self.limit - constant
        if dot(y, y) <= m * m:
            return [] if m >= 0 else [node]
        cap = Bounds([*node.low], [*node.high], y, m)
        for index, (_, row) in enumerate(self.lines):
            if cap.low[index] < 0 < cap.high[index]:
                cap.low[index] = max(cap.low[index], -cap.highest([-c for c in row]))
                cap.high[index] = min(cap.high[index], cap.highest(row))
                if cap.low[index] > cap.high[index]:
                    return []
        return [cap]


TREES = {"cones": Cones, "signs": Signs}


# ---------------------------------------------------------------- words


def sentences(proved: dict[str, Any]) -> list[str]:
    """What was proved, for people; every number is rounded to the safe side."""
    problem, (_, X) = proved["problem"], proved["problem"]["X"]
    most, gap, misfit = (repr(above(proved[key])) for key in ("primal", "gap", "misfit"))
    least, near = (repr(-above(-proved[key])) for key in ("dual", "near"))
    parts = [f"{len(X)} points", f"{len(X[0])} inputs", f"{proved['neurons']} neurons"]
    parts += [f"{key} {problem[key]}" for key in ("loss", "bias", "skip")]
    parts += [f"{key} {above(fraction(problem[key]))!r}" for key in ("parameter", "lam")]
    lines = ["problem: " + ", ".join(parts)]
    lines += [f"{key}: {proved[key]}" for key in ("data_sha256", "statement_sha256")]
    which = "network through the data" if problem["loss"] == "interpolation" else "network"
    lines += [f"every {which}, of any width, has an objective of at least {least}"]
    lines += [f"that in the file has at most {most}, so it is optimal up to {gap}"]
    if problem["loss"] == "interpolation":
        lines += [f"it misses no target by more than {misfit}, and every network"]
        lines += [f"that misses none by more than that has an objective of at least {near}"]
    return lines


def main(arguments: list[str]) -> int:
    """Check the file named on the command line; 0 proved, 1 not proved, 2 unreadable."""
    try:
        if len(arguments) != 1:
            raise Unreadable("usage: python check_proof.py FILE")
        lines, code = ["PROVED", *sentences(check(read(arguments[0])))], 0
    except Rejected as error:
        lines, code = [f"NOT PROVED: {error}"], 1
    except Unreadable as error:
        lines, code = [f"UNREADABLE: {error}"], 2
    sys.stdout.write("\n".join([*lines, ""]))
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
