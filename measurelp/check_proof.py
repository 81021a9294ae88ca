r"""Check, in exact arithmetic and trusting nothing, that a trained network is globally optimal.

This file uses Python's standard library only and can be copied anywhere:
``python check_proof.py FILE``.  The format is described in docs/proof.md.

What is proved.  With x~ = (x, 1), or x where hidden units have no bias, let

    objective(f) = 1/2 sum_i (f(x_i) - y_i)^2 + lam sum_k |v_k||w_k|,
    f(x) = sum_k v_k (<w_k, x~>)_+  [ + <c, x> + c0 ],

for a network of any width (for interpolation: sum_k |v_k||w_k| alone, subject to f(x_i) =
y_i, and below lam = 1).  The file holds data, one network, and numbers alpha_i.  If

    (1)  <alpha, skip> = 0 for what the bracket can add, and
    (2)  |eta(w)| <= lam |w| for every w, where eta(w) = sum_i alpha_i (<x~_i, w>)_+,

then <alpha, f> = sum_k v_k eta(w_k) <= lam sum_k |v_k||w_k| for *every* network f, hence
objective(f) >= <alpha, y> - 1/2 |alpha|^2 (interpolation: >= <alpha, y>).  That number, D, and
an upper bound P of the objective of the network in the file are computed here; P - D <= gap.

Condition (2) is about infinitely many w.  Three steps make it finite:

Coordinates.  If x~_i = B z_i + e_i then <x~_i, w> = <z_i, u> + <e_i, w> with u = B^T w, so it
suffices that |eta_z(u)| <= <y, u> for some y with |B y| <= lam - sum_i |alpha_i||e_i|, as
<y, u> = <B y, w>.  Without coordinates in the file B = 1 and e = 0.

Slices.  A bias that does not count in |w| can be anything.  But for fixed w, eta is piecewise
linear in the bias b, 0 far to the left, and constant far to the right because sum alpha = 0 by
(1).  So its extremes lie at kinks, b = -<x_k, w>: there eta is sum_i alpha_i (<x_i - x_k,
w>)_+, and it suffices to prove (2) for those rows, for every data point k.  In coordinates,
e_i may be replaced by e_i - e_0: that only moves the bias.

Cones.  Half of all orthants, each with its opposite, are split along edges: a cone with
generators r_1..r_p is the union of the two in which r_i or r_j is replaced by a r_i + b r_j,
a, b > 0.  On each cone C four problems are to be closed: F = +eta and -eta, on C and on -C,
by a vector y with <y, r_j> >= h_j for all j, where h_j are the values at the generators of a
linear function that lies above F on C: rows of one sign on C are linear there; a convex row
a (<z, u>)_+, a > 0, lies below its chord, a (<z, r_j>)_+ ; a concave one, a < 0, below
theta a <z, u> for any theta in [0, 1].  On -C, eta(-u) = eta(u) - <k, u>, k = sum alpha_i z_i.

Signs.  Where orthants are too many, F = +eta and F = -eta are each refuted instead of exceeding
the limit: suppose F(w) > limit, |w| <= 1.  Bounds of all <z_i, w> (at first +-|z_i|) give lines
above the rows, hence a lemma F(w) <= constant + <y, w>, so <y, w> > limit - constant, which
narrows the bounds or is absurd; and <z_i, w> is either >= 0 or <= 0, which is a split.

All of this is done in integers; there is no tolerance anywhere.
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
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

MAX_BYTES = 64 * 2**20  # of a file
MAX_LISTS = 4_000_000  # in a file
MAX_COMMAS = 12_000_000
MAX_NESTING = 8  # of lists
MAX_DIGITS = 1000  # of a number
MAX_DEPTH = 400  # of splits
MAX_BITS = 8192  # of a generator's entries, and of shifts
MAX_STORED = 2_000_000  # values kept for cones that are still to be looked at
MAX_WORK = 10**9  # neurons times data points
THETA = 2**20  # thetas are integers over this
FINE = 2**30  # and in trees over signs over this
GRAIN = 32  # bits after the point of bounds in trees over signs
SPLIT = 4  # the first number of a record that splits; 0..3 close a problem

Vector = tuple[int, ...]


class Unreadable(Exception):
    """The file is no proof: not there, too large, cut off, not of the format's kind."""


class Rejected(Exception):
    """The file is a proof by its form, but does not prove what it states."""


class Problem(NamedTuple):
    """A problem, its data as integers over x_unit and y_unit; lam is None for interpolation."""

    loss: str
    bias: str
    skip: str
    lam: Fraction | None
    x_unit: int
    X: tuple[Vector, ...]
    y_unit: int
    y: Vector
    data_sha256: str

    @property
    def lifted(self) -> tuple[Vector, ...]:
        """The rows that hidden units see."""
        return self.X if self.bias == "none" else tuple((*row, self.x_unit) for row in self.X)


class Statement(NamedTuple):
    """What an accepted proof proves: objective(network) <= primal, every objective >= dual."""

    problem: Problem
    neurons: int
    primal: Fraction
    dual: Fraction
    gap: Fraction
    misfit: Fraction | None
    dual_size: Fraction
    statement_sha256: str
    records: int


# ---------------------------------------------------------------- reading


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON document in a file, within limits on everything that costs memory."""
    try:
        if not os.path.isfile(path):
            raise Unreadable("there is no such file")
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read ({error})") from None
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"is larger than {MAX_BYTES} bytes")
    if raw.count(b"[") + raw.count(b"{") > MAX_LISTS:
        raise Unreadable(f"has more than {MAX_LISTS} lists")
    if raw.count(b",") > MAX_COMMAS:
        raise Unreadable(f"has more than {MAX_COMMAS} numbers")
    if re.search(rb"[0-9]{%d}" % (MAX_DIGITS + 1), raw):
        raise Unreadable(f"has a number of more than {MAX_DIGITS} digits")
    depth = 0
    for bracket in re.finditer(rb"[][{}]", raw):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_NESTING:
            raise Unreadable("is nested too deeply")
    try:
        document = json.loads(
            raw.decode(), parse_float=_no_float, parse_constant=_no_float,
            object_pairs_hook=_no_duplicates,
        )  # fmt: skip
    except ValueError as error:
        raise Unreadable(f"is not JSON, or is cut off ({error})") from None
    if not isinstance(document, dict) or document.get("format") != "measurelp-proof":
        raise Unreadable("is not a measurelp proof")
    if type(document.get("version")) is not int or document["version"] != 1:
        raise Unreadable("is of a version that this checker does not know")
    return document


def _no_float(text: str) -> Any:
    raise Unreadable(f"has the number {text[:40]}, which is not an integer")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise Unreadable("has an object with a repeated key")
    return dict(pairs)


def need(condition: bool, reason: str) -> None:
    """Raise Rejected unless the condition holds."""
    if not condition:
        raise Rejected(reason)


def entries(value: Any, name: str, *keys: str) -> list[Any]:
    """The values of an object that has exactly these keys."""
    need(isinstance(value, dict) and set(value) == set(keys), f"{name}: not the keys {keys}")
    return [value[key] for key in keys]


def integers(value: Any, name: str, *shape: int | None) -> Any:
    """Nested lists of integers of a shape, as tuples; None is any length."""
    if not shape:
        need(type(value) is int, f"{name}: an integer is missing")
        return value
    need(isinstance(value, list), f"{name}: a list is missing")
    need(shape[0] in (None, len(value)), f"{name}: {len(value)} entries, not {shape[0]}")
    return tuple(integers(entry, name, *shape[1:]) for entry in value)


def rationals(value: Any, name: str, *shape: int | None) -> tuple[int, Any]:
    """A pair [denominator, nested lists of numerators]."""
    need(isinstance(value, list) and len(value) == 2, f"{name}: not [denominator, numerators]")
    need(integers(value[0], name) > 0, f"{name}: the denominator is not positive")
    return value[0], integers(value[1], name, *shape)


def fraction(value: Any, name: str) -> Fraction:
    """A pair [denominator, numerator]."""
    denominator, numerator = rationals(value, name)
    return Fraction(numerator, denominator)


def dot(a: Vector, b: Vector) -> int:
    """The inner product."""
    return sum(map(int.__mul__, a, b))


def plus(a: Vector, factor: int, b: Vector) -> Vector:
    """The sum of a and factor times b."""
    return tuple([x + factor * y for x, y in zip(a, b, strict=True)])


def root_above(square: int) -> Fraction:
    """A rational number that is at least the square root, by less than 2^-79."""
    return Fraction(math.isqrt(square << 160) + 1, 2**80) if square else Fraction(0)


# ---------------------------------------------------------------- the statement


def check(document: dict[str, Any]) -> Statement:
    """Check a whole document; raise Rejected with the first reason why it proves nothing."""
    _, _, stated, network, claim, digest, dual, coordinates, covers = entries(
        document, "document", "format", "version", "problem", "network", "claim",
        "statement_sha256", "dual", "coordinates", "covers",
    )  # fmt: skip
    found = digest_of([stated, network, claim])
    need(digest == found, "statement_sha256: is not that of problem, network and claim")
    problem = problem_of(stated)
    neurons, primal, missed = bounds_of_network(problem, network)
    gap_entry, misfit_entry = entries(claim, "claim", "gap", "misfit")
    gap = fraction(gap_entry, "gap")
    misfit = None if problem.lam is not None else fraction(misfit_entry, "misfit")
    need(misfit is not None or misfit_entry is None, "misfit: belongs to interpolation")
    need(misfit is None or missed <= misfit, f"misfit: a target is missed by {above(missed)}")
    a_unit, alpha = rationals(dual, "dual", len(problem.y))
    reached = bound_of_dual(problem, a_unit, alpha)
    need(primal - reached <= gap, f"gap: only {above(primal - reached)} is shown")
    rows, centres, ball, _ = supremum_of(problem, a_unit, alpha, coordinates)
    need(isinstance(covers, list), "covers: a list is missing")
    need(len(covers) == len(centres), f"covers: {len(covers)}, not {len(centres)}")
    count = 0
    for k, (centre, records) in enumerate(zip(centres, covers, strict=True)):
        try:
            count += check_part(part_of(rows, centre), ball, records)
        except Rejected as error:
            raise Rejected(f"cover {k}: {error}") from None
    return Statement(
        problem, neurons, primal, reached, gap, misfit, Fraction(sum(map(abs, alpha)), a_unit),
        found, count,
    )  # fmt: skip


def check_part(part: Part, ball: Ball, entry: Any) -> int:
    """Check one cover, by cones or by signs, and return the number of its records."""
    if not isinstance(entry, dict):
        check_cover(part, ball, stream(entry))
        return len(entry)
    above_limit, below_limit = entries(entry, "signs", "plus", "minus")
    check_signs(*signs_of(part, ball, 1), stream(above_limit))
    check_signs(*signs_of(part, ball, -1), stream(below_limit))
    return len(above_limit) + len(below_limit)


def stream(records: Any) -> Iterator[Vector]:
    """Records, each checked to be a list of integers when it is reached."""
    need(isinstance(records, list), "a list is missing")
    return (integers(record, "record", None) for record in records)


def digest_of(statement: Any) -> str:
    """The SHA-256 of a JSON value without spaces and with sorted keys."""
    text = json.dumps(statement, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def problem_of(entry: Any) -> Problem:
    """The problem that a document states, with the digest of its data."""
    keys = ("loss", "bias", "skip", "lam", "X", "y")
    loss, bias, skip, lam_entry, X_entry, y_entry = entries(entry, "problem", *keys)
    need(loss in ("squared", "interpolation"), "loss: unknown")
    need(bias in ("none", "penalized", "free"), "bias: unknown")
    need(skip in ("none", "constant", "affine"), "skip: unknown")
    need(bias != "free" or skip != "none", "skip: a free bias needs one")
    x_unit, X = rationals(X_entry, "X", None, None)
    need(len(X) > 0 and len(X[0]) > 0 and len(set(map(len, X))) == 1, "X: not a matrix")
    y_unit, y = rationals(y_entry, "y", len(X))
    data = hashlib.sha256()
    for row, unit in [*((row, x_unit) for row in X), (y, y_unit)]:
        for value in row:
            number = above(Fraction(value, unit))
            need(abs(number) < math.inf and Fraction(number) * unit == value, "data: not a double")
            data.update(struct.pack("<d", number))
    lam = None if loss == "interpolation" else fraction(lam_entry, "lam")
    need(lam is not None or lam_entry is None, "lam: does not enter interpolation")
    need(lam is None or 0 < above(lam) == lam, "lam: not positive, or not a double")
    return Problem(loss, bias, skip, lam, x_unit, X, y_unit, y, data.hexdigest())


def bounds_of_network(problem: Problem, entry: Any) -> tuple[int, Fraction, Fraction]:
    """The number of neurons, an upper bound of the objective, and the largest |f(x_i) - y_i|."""
    hidden_entry, output_entry, skip_entry = entries(entry, "network", "hidden", "output", "skip")
    x_unit, rows, d = problem.x_unit, problem.lifted, len(problem.X[0])
    w_unit, hidden = rationals(hidden_entry, "hidden", None, len(rows[0]))
    v_unit, output = rationals(output_entry, "output", len(hidden))
    s_unit, affine = rationals(skip_entry, "network.skip", d + 1)
    need(problem.skip != "none" or not any(affine), "network: the problem has no skip")
    need(problem.skip == "affine" or not any(affine[:d]), "network: the skip is no constant")
    need(len(rows) * len(hidden) <= MAX_WORK, "network: too large")
    total, worst = Fraction(0), Fraction(0)
    for row, target in zip(rows, problem.y, strict=True):
        neurons = sum(v * max(0, dot(w, row)) for v, w in zip(output, hidden, strict=True))
        plain = dot(affine, (*row[:d], x_unit))
        fit = Fraction(neurons, v_unit * w_unit * x_unit) + Fraction(plain, s_unit * x_unit)
        residual = fit - Fraction(target, problem.y_unit)
        total, worst = total + residual * residual, max(worst, abs(residual))
    variation = Fraction(0)
    for v, w in zip(output, hidden, strict=True):
        penalized = w[:d] if problem.bias == "free" else w
        variation += abs(v) * root_above(dot(penalized, penalized))
    variation /= v_unit * w_unit
    primal = variation if problem.lam is None else total / 2 + problem.lam * variation
    return len(hidden), primal, worst


def bound_of_dual(problem: Problem, a_unit: int, alpha: Vector) -> Fraction:
    """D, once alpha is orthogonal to the skip; that |eta| <= lam |w| is not checked here."""
    need(problem.skip == "none" or sum(alpha) == 0, "dual: its sum is not 0")
    for column in zip(*problem.X, strict=True) if problem.skip == "affine" else ():
        need(dot(alpha, column) == 0, "dual: not orthogonal to the linear skip")
    reached = Fraction(dot(alpha, problem.y), a_unit * problem.y_unit)
    if problem.lam is not None:
        reached -= Fraction(dot(alpha, alpha), 2 * a_unit * a_unit)
    return reached


# ---------------------------------------------------------------- the supremum


class Ball(NamedTuple):
    """The vectors y with |B y|^2 <= square; None stands for B = 1."""

    basis: Any
    square: int

    def holds(self, y: Vector) -> bool:
        """Whether y is one of them."""
        image = y if self.basis is None else tuple(dot(row, y) for row in self.basis)
        return dot(image, image) <= self.square


class Part(NamedTuple):
    """eta(u) = <linear, u> + sum of weight (<row, u>)_+ over lines; eta(-u) = eta(u) - <k, u>."""

    linear: Vector
    lines: list[tuple[int, Vector]]
    k: Vector


class Cone(NamedTuple):
    """A simplicial cone; ``values`` at the generators are of the part of eta linear on it.

    ``cut`` holds (weight, index of the line, its values at the generators) of all lines that
    take both signs, ``open`` the problems that are still to be closed.
    """

    generators: tuple[Vector, ...]
    values: Vector
    cut: list[tuple[int, int, Vector]]
    open: frozenset[int]
    depth: int


def supremum_of(
    problem: Problem, a_unit: int, alpha: Vector, coordinates: Any
) -> tuple[list[tuple[Vector, int]], list[Vector], Ball, Fraction]:
    """What condition (2) asks for, in integers: rows with their alpha, the centres of the
    slices, and the ball in which the vectors y must lie.

    From here on y is in units of 1 / (a_unit unit); the last thing returned is the limit on
    its length, as a vector of u-space, in these units.
    """
    sliced = problem.bias == "free"
    rows = problem.X if sliced else problem.lifted
    limit = Fraction(1) if problem.lam is None else problem.lam
    unit, b_unit, basis = problem.x_unit, 1, None
    if coordinates is not None:
        basis_entry, rows_entry = entries(coordinates, "coordinates", "basis", "rows")
        b_unit, basis = rationals(basis_entry, "basis", len(rows[0]), None)
        p = len(basis[0])
        need(p > 0 and set(map(len, basis)) == {p}, "basis: not a matrix")
        unit, z = rationals(rows_entry, "coordinates", len(rows), p)
        lost = Fraction(0)
        first = None
        for a, xi, zi in zip(alpha, rows, z, strict=True):
            # e_i = x_i - B z_i, in units of 1 / (x_unit b_unit unit).
            image = tuple(dot(b, zi) for b in basis)
            e = plus(tuple(x * b_unit * unit for x in xi), -problem.x_unit, image)
            first = first or e
            e = plus(e, -1, first) if sliced else e
            lost += abs(a) * root_above(dot(e, e))
        limit -= lost / (a_unit * problem.x_unit * b_unit * unit)
        need(limit > 0, "coordinates: too far from the data")
        rows = z
    points: dict[Vector, int] = {}
    for a, row in zip(alpha, rows, strict=True):
        points[row] = points.get(row, 0) + a
    used = [(row, a) for row, a in points.items() if a]
    centres = [row for row, _ in used] if sliced else [(0,) * len(rows[0])]
    radius = limit * (a_unit * unit)
    return used, centres, Ball(basis, math.floor((radius * b_unit) ** 2)), radius


def part_of(rows: list[tuple[Vector, int]], centre: Vector) -> Part:
    """Eta for the rows less a centre.  Rows on one line act as one: (-t)_+ = (t)_+ - t."""
    weights: dict[Vector, int] = {}
    linear = k = (0,) * len(centre)
    for point, a in rows:
        row = plus(point, -1, centre)
        size = math.gcd(*row)
        if size == 0:
            continue
        if next(c for c in row if c) < 0:
            linear = plus(linear, a, row)
            row = tuple(-c for c in row)
        line = tuple(c // size for c in row)
        weights[line] = weights.get(line, 0) + a * size
    lines = [(weight, line) for line, weight in weights.items() if weight]
    for weight, line in lines:
        k = plus(k, weight, line)
    return Part(linear, lines, plus(k, 2, linear))


def orthants(part: Part) -> Iterator[Cone]:
    """Half of all orthants; the others are their opposites."""
    p = len(part.linear)
    for signs in itertools.product((1, -1), repeat=p - 1):
        corner = (1, *signs)
        generators = tuple((0,) * j + (s,) + (0,) * (p - j - 1) for j, s in enumerate(corner))
        values = tuple(map(int.__mul__, part.linear, corner))
        lines = [
            (weight, index, tuple(map(int.__mul__, line, corner)))
            for index, (weight, line) in enumerate(part.lines)
        ]
        yield settled(Cone(generators, values, lines, frozenset(range(4)), 0))


def settled(cone: Cone) -> Cone:
    """The cone once lines of one sign on it have joined the linear part."""
    values, cut = cone.values, []
    for line in cone.cut:
        weight, _, v = line
        if min(v) >= 0:
            values = plus(values, weight, v)
        elif max(v) > 0:
            cut.append(line)
    return cone._replace(values=values, cut=cut)


def divided(cone: Cone, i: int, j: int, a: int, b: int, shift: int) -> tuple[Cone, Cone]:
    """The two cones with a r_i + b 2^shift r_j in the place of r_i and in that of r_j."""
    a, b = a << max(0, -shift), b << max(0, shift)
    generator = plus(tuple(a * c for c in cone.generators[i]), b, cone.generators[j])
    value = a * cone.values[i] + b * cone.values[j]
    lines = [(weight, index, v, a * v[i] + b * v[j]) for weight, index, v in cone.cut]

    def child(at: int) -> Cone:
        def put(v: Any, middle: Any) -> Any:
            return (*v[:at], middle, *v[at + 1 :])

        cut = [(weight, index, put(v, middle)) for weight, index, v, middle in lines]
        generators, values = put(cone.generators, generator), put(cone.values, value)
        return settled(Cone(generators, values, cut, cone.open, cone.depth + 1))

    return child(i), child(j)


def majorant(part: Part, cone: Cone, problem: int, y: Vector, thetas: dict[int, int]) -> Vector:
    """Values h_j, times THETA, of a linear function above F on the cone.

    F is eta (problems 0, 1) or -eta (2, 3), on the cone (0, 2) or its opposite (1, 3).
    Thetas that are not listed are 1 where <row, y> > 0 and 0 elsewhere.
    """
    sign, h = (1 if problem < 2 else -1), cone.values
    if problem % 2:
        h = plus(h, -1, tuple(dot(part.k, r) for r in cone.generators))
    h = tuple(sign * THETA * value for value in h)
    for weight, index, v in cone.cut:
        factor = sign * weight
        if factor > 0:
            h = plus(h, factor * THETA, tuple([max(0, c) for c in v]))
        else:
            positive = dot(part.lines[index][1], y) > 0
            h = plus(h, factor * thetas.get(index, THETA if positive else 0), v)
    return h


def check_cover(part: Part, ball: Ball, records: Iterator[Vector]) -> None:
    """Replay the splits and closings of one cover, in preorder."""
    p = len(part.linear)
    for orthant in orthants(part):
        stack, stored = [orthant], 0
        while stack:
            cone = stack.pop()
            stored -= len(cone.cut) * p
            last = -1
            while cone.open:
                record = next(records, None)
                if record is None:
                    raise Rejected("it is incomplete")
                if record[:1] == (SPLIT,):
                    children = split(cone, record)
                    stack += children
                    stored += sum(len(child.cut) for child in children) * p
                    need(stored <= MAX_STORED, "it needs too much memory")
                    break
                close(part, ball, cone, record)
                need(record[0] > last, "two records of one cone are out of order")
                last = record[0]
                cone = cone._replace(open=cone.open - {last})
    need(next(records, None) is None, "it has records left over")


def split(cone: Cone, record: Vector) -> tuple[Cone, Cone]:
    """Check one splitting record: SPLIT, i, j, a, b, shift; the first child comes last."""
    p = len(cone.generators)
    need(len(record) == 6, "a split has not 6 numbers")
    _, i, j, a, b, shift = record
    need(0 <= i < p and 0 <= j < p and i != j, "a split of an edge that is not there")
    need(a > 0 and b > 0, "a split at a point outside the edge")
    need(abs(shift) <= MAX_BITS, "a shift is out of range")
    need(cone.depth < MAX_DEPTH, f"it is deeper than {MAX_DEPTH} splits")
    first, second = divided(cone, i, j, a, b, shift)
    largest = max(map(abs, first.generators[i]))
    need(largest.bit_length() <= MAX_BITS, "a split with too large numbers")
    return second, first


def close(part: Part, ball: Ball, cone: Cone, record: Vector) -> None:
    """Check one closing record: problem, shift, y 2^-shift, and pairs of a line and its theta."""
    p = len(cone.generators)
    need(len(record) >= 2 + p and (len(record) - p) % 2 == 0, "a record of a wrong length")
    problem, shift = record[:2]
    need(problem in cone.open, "a record closes a problem that is not open")
    need(0 <= shift <= MAX_BITS, "a shift is out of range")
    y = tuple(c << shift for c in record[2 : 2 + p])
    listed = record[2 + p :: 2]
    thetas = dict(zip(listed, record[3 + p :: 2], strict=True))
    need(len(thetas) == len(listed), "a theta is given twice")
    concave = {index for weight, index, _ in cone.cut if (weight < 0) == (problem < 2)}
    need(thetas.keys() <= concave, "a theta for a line that has none")
    need(all(0 <= t <= THETA for t in thetas.values()), "a theta outside [0, 1]")
    need(ball.holds(y), "a vector is longer than the limit")
    h = majorant(part, cone, problem, y, thetas)
    for r, value in zip(cone.generators, h, strict=True):
        need(dot(y, r) * THETA >= value, "a vector does not bound the function on its cone")


# ---------------------------------------------------------------- signs


class Signs(NamedTuple):
    """F = <linear, w> + sum of weight (<row, w>)_+ is to be at most ``limit`` on the unit ball."""

    linear: Vector
    rows: list[tuple[int, Vector, int]]  # weight, row, its squared length
    limit: int


class Ends(NamedTuple):
    """Bounds of <row, w> for every w of the node with F(w) > limit, and the y of a lemma."""

    low: Vector
    high: Vector
    y: Vector


def signs_of(part: Part, ball: Ball, sign: int) -> tuple[Signs, Ends]:
    """F = sign eta in the original coordinates, and what is known of the whole ball."""

    def image(v: Vector) -> Vector:
        v = v if ball.basis is None else tuple(dot(row, v) for row in ball.basis)
        return tuple(c << GRAIN for c in v)

    lines = [(sign * weight, image(line)) for weight, line in part.lines]
    rows = [(weight, row, dot(row, row)) for weight, row in lines]
    high = tuple(math.isqrt(square) + 1 for _, _, square in rows)
    linear = tuple(sign * FINE * c for c in image(part.linear))
    problem = Signs(linear, rows, math.isqrt(ball.square) * FINE << GRAIN)
    return problem, Ends(tuple(-t for t in high), high, (0,) * len(linear))


def lemma(problem: Signs, node: Ends, record: Vector) -> tuple[int, Vector]:
    """A constant and a y with F(w) <= constant + <y, w> for every w in question."""
    need(len(record) >= 4 and len(record) % 2 == 0, "a record of a wrong length")
    _, shift, coarse, count = record[:4]
    need(0 <= shift <= MAX_BITS and 0 <= coarse <= 30, "a shift is out of range")
    need(0 <= 2 * count <= len(record) - 4, "a count is out of range")
    walls, listed = record[4 : 4 + 2 * count], record[4 + 2 * count :]
    thetas = {index: t << coarse for index, t in zip(listed[::2], listed[1::2], strict=True)}
    need(2 * len(thetas) == len(listed), "a theta is given twice")
    need(all(0 <= i < len(problem.rows) for i in thetas), "a theta for a line that has none")
    need(all(0 <= t <= FINE for t in thetas.values()), "a theta outside [0, 1]")
    constant, y = 0, problem.linear
    for index, (weight, row, _) in enumerate(problem.rows):
        low, high = node.low[index], node.high[index]
        if high <= 0:
            continue
        slope = FINE
        if low < 0 < weight:
            slope = high * FINE // (high - low)
            constant += weight * max(-slope * low, (FINE - slope) * high)
        elif low < 0:
            slope = thetas.get(index, FINE if dot(row, node.y) > 0 else 0)
        if slope:
            y = plus(y, slope * weight, row)
    for index, rho in zip(walls[::2], walls[1::2], strict=True):
        need(0 <= index < len(problem.rows) and rho >= 0, "a multiplier is negative")
        fixed = (node.low[index] >= 0) - (node.high[index] <= 0)
        y = plus(y, (rho << shift) * fixed, problem.rows[index][1])
    return constant, y


def tightened(problem: Signs, node: Ends, constant: int, y: Vector) -> Ends | None:
    """What a lemma leaves of a node: None if no w is left.

    F(w) > limit only where <y, w> >= m = limit - constant.  Over that cap of the unit ball,
    <row, w> is at most |row| if the row's direction is in the cap, and else (<row, y> m +
    sqrt((|row|^2 |y|^2 - <row, y>^2) (|y|^2 - m^2))) / |y|^2.
    """
    m, square = problem.limit - constant, dot(y, y)
    if square <= m * m:
        return None if m >= 0 else node._replace(y=y)
    low, high = list(node.low), list(node.high)
    for index, (_, row, length) in enumerate(problem.rows):
        if low[index] < 0 < high[index]:
            along = dot(row, y)
            root = math.isqrt((length * square - along * along) * (square - m * m)) + 1
            inside = m * abs(m) * length
            if along * abs(along) < inside:
                high[index] = min(high[index], -((-along * m - root) // square))
            if -along * abs(along) < inside:
                low[index] = max(low[index], (along * m - root) // square)
            if low[index] > high[index]:
                return None
    return Ends(tuple(low), tuple(high), y)


def halves(node: Ends, index: int) -> tuple[Ends, Ends]:
    """The node where the row is >= 0, and where it is <= 0."""
    low, high = list(node.low), list(node.high)
    low[index], high[index] = max(0, low[index]), min(0, high[index])
    return node._replace(low=tuple(low)), node._replace(high=tuple(high))


def check_signs(problem: Signs, root: Ends, records: Iterator[Vector]) -> None:
    """Replay a tree over signs of rows, in preorder."""
    stack: list[Ends] = [root]
    while stack:
        node: Ends | None = stack.pop()
        while node is not None:
            record = next(records, None)
            if record is None:
                raise Rejected("it is incomplete")
            if record[:1] == (SPLIT,):
                need(len(record) == 2, "a split has not 2 numbers")
                need(0 <= record[1] < len(problem.rows), "a split by a row that is not there")
                need((len(stack) + 2) * len(problem.rows) <= MAX_STORED, "it needs too much memory")
                first, second = halves(node, record[1])
                stack += [second, first]
                break
            need(record[:1] == (0,), "an unknown record")
            node = tightened(problem, node, *lemma(problem, node, record))
    need(next(records, None) is None, "it has records left over")


# ---------------------------------------------------------------- words


def above(value: Fraction) -> float:
    """The least double that is not below the value."""
    try:
        number = float(value)
    except OverflowError:
        return math.inf if value > 0 else -sys.float_info.max
    return number if Fraction(number) >= value else math.nextafter(number, math.inf)


def below(value: Fraction) -> float:
    """The greatest double that is not above the value."""
    return -above(-value)


def sentences(proved: Statement) -> list[str]:
    """What was proved, for people; every number is rounded to the safe side."""
    problem = proved.problem
    words = f"{len(problem.X)} points, {len(problem.X[0])} inputs, {problem.loss} loss"
    if problem.lam is not None:
        words += f", lam {float(problem.lam)!r}"
    lines = [
        f"problem: {words}, bias {problem.bias}, skip {problem.skip}",
        f"data sha256: {problem.data_sha256}",
        f"statement sha256: {proved.statement_sha256}",
        f"network: {proved.neurons} neurons",
    ]
    least, most, gap = below(proved.dual), above(proved.primal), above(proved.gap)
    if proved.misfit is None:
        return [
            *lines,
            f"every network, of any width, has an objective of at least {least!r}",
            f"the network in the file has one of at most {most!r}, so it is optimal up to {gap!r}",
        ]
    near = below(proved.dual - proved.misfit * proved.dual_size)
    return [
        *lines,
        f"every network through the data, of any width, has a path norm of at least {least!r}",
        f"the network in the file misses no target by more than {above(proved.misfit)!r}",
        f"its path norm is at most {most!r}, that is at most {gap!r} more",
        f"every network that misses none by more than that has at least {near!r}",
    ]


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
