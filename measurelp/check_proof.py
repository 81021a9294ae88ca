r"""Check, in exact arithmetic and trusting nothing, that a trained network is globally optimal.

Standard library only; may be copied anywhere: ``python check_proof.py FILE`` (docs/proof.md).
With x~ = (x, 1), or x where hidden units have no bias, the objective of a network is

    sum_i loss(f(x_i), y_i) + lam sum_k |v_k||w_k|,   f(x) = sum_k v_k (<w_k, x~>)_+ [+ skip(x)],

where loss(t, y) is the maximum of a (y - t) - q a^2 over the a in an interval, see ``conjugate``.
If numbers alpha_i in these intervals have

    (1)  sum_i alpha_i s(x_i) = 0 for every skip s, and
    (2)  |eta(w)| <= lam |w| for every w, where eta(w) = sum_i alpha_i (<x~_i, w>)_+,

then lam sum_k |v_k||w_k| >= sum_k v_k eta(w_k) = sum_i alpha_i f(x_i) for *every* network, so its
objective is at least D = sum_i (alpha_i y_i - q alpha_i^2).  Computed here are D and an upper
bound P of the objective of the network in the file; P - D <= gap.  (2) is made finite thus:

Coordinates.  If x~_i = B z_i + e_i, then <x~_i, w> = <z_i, u> + <e_i, w> with u = B^T w, and |u|^2
<= |B^T B||w|^2.  So sum_i alpha_i (<z_i, u>)_+ is in absolute value to be at most r |u|, where
r |B^T B|^(1/2) = lam - sum_i |alpha_i||e_i|.  As 2 (t)_+ = t + |t|, that is F(u) <= limit |u| with
F(u) = <l, u> + sum_i a_i |<z_i, u>|, l = sum_i a_i z_i, limit = 2 r, for a = alpha and a = -alpha.

Slices.  A bias that is not counted in |w| can be anything.  But eta is piecewise linear in it, 0
far to the left, and by (1) constant far to the right.  So its extremes lie at kinks, bias = -<x_k,
w>: rows x_i - x_k, for every k, will do.  (Taking e_0 off all e_i only moves the bias.)

Cones.  Space is the union of the cones spanned by all but one of e_1 .. e_p, -(e_1 + .. + e_p), and
cone(r_1 .. r_p) that of two with a r_i + b r_j, a, b > 0, in the place of r_i or of r_j.  A cone is
closed by a y, |y| <= limit, with <y, r_j> >= h(r_j) for a linear h >= F on it.  There a |t|, t =
<z, u>, is linear if t has one sign; if not, it is below the chord, |t| at every r_j, where a > 0,
and below a s t, |s| <= 1, where a < 0.

Signs.  Or: suppose F(u) > limit R, |u| <= R, and let low <= t_i <= high bound t_i = <z_i, u>, at
first by +-|z_i| R.  For any slopes s_i, a_i |t_i| - s_i t_i has its maximum k_i at low, 0 or high;
so F(u) <= k + <y, u>, k = sum_i k_i, y = l + sum_i s_i z_i, and <y, u> > m = limit R - k: absurd
if m >= |y| R, else a cap that narrows bounds; so do k_i where a_i = 0.  Splits: t_i >= 0 or <= 0.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import struct
import sys
from fractions import Fraction
from operator import mul
from typing import Any, NamedTuple

MAX_BYTES, MAX_DIGITS = 2**24, 1000  # of the file, and of a number in it
MAX_BITS, MAX_WAITING = 8192, 2**26  # of a generator's entries; digits that wait in a tree
RADIUS = 2**32  # R

# Objects with these keys, lists of such entries, some words, or [denominator, numerators]: these
# are nested as deep as there are letters, and a letter has the same length everywhere.
SHAPE: Any = {
    "format": str, "statement_sha256": str,
    "problem": {
        "loss": ("squared", "interpolation", "absolute", "quantile", "huber", "hinge",
                 "squared_hinge"),
        "bias": ("none", "penalized", "free"), "skip": ("none", "constant", "affine"),
        "parameter": "", "lam": "", "X": "nd", "y": "n",
    },
    "network": {"weights": "kd", "biases": "k", "output": "k", "linear": "d", "constant": ""},
    "gap": "", "dual": "n", "basis": "cp", "rows": [[int]],
    "covers": [{"kind": ("cones", "signs"), "records": [[int]]}],
}  # fmt: skip


class Rejected(ValueError):
    """The file does not prove what it states."""


def need(condition: bool, reason: str) -> None:
    if not condition:
        raise Rejected(reason)


def dot(a: Any, b: Any) -> Any:
    return sum(map(mul, a, b))


def plus(a: Any, factor: Any, b: Any) -> list[Any]:
    """The sum of a and factor times b."""
    return [x + factor * y for x, y in zip(a, b, strict=True)]


def root_above(square: Fraction) -> Fraction:
    """A rational number that is at least the square root, by at most 2^-80; 0 for 0."""
    number, unit = square.numerator * square.denominator << 160, square.denominator << 80
    return Fraction(math.isqrt(number) + (number > 0), unit)


def above(value: Fraction) -> float:
    """The least double that is not below the value."""
    need(abs(value) <= sys.float_info.max, "a number is too large")
    number = float(value)
    return number if number >= value else math.nextafter(number, math.inf)


def read(path: str | os.PathLike[str]) -> Any:
    """A file's JSON, without other numbers than integers; OSError, ValueError, RecursionError."""

    def integer(text: str) -> int:
        need(len(text) <= MAX_DIGITS, f"has a number of over {MAX_DIGITS} digits")
        return int(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), "has an object with a repeated key")
        return dict(pairs)

    fits = os.path.isfile(path) and os.path.getsize(path) <= MAX_BYTES
    need(fits, f"there is no such file of up to {MAX_BYTES} bytes")
    hooks: Any = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), integer)
    with open(path, encoding="utf-8") as file:
        document = json.load(file, object_pairs_hook=unique, **hooks)
    known = type(document) is dict and document.get("format") == "measurelp-proof 3"
    need(known, "is no measurelp proof of version 3")
    return document


def shaped(value: Any, shape: Any, name: str, sizes: dict[str, int], unit: int = 0) -> Any:
    """The value, with fractions for numbers, if it has its SHAPE; letters get their lengths."""
    if isinstance(shape, dict):
        need(type(value) is dict and value.keys() == shape.keys(), f"{name}: not the right keys")
        return {key: shaped(value[key], shape[key], key, sizes) for key in shape}
    if isinstance(shape, str) and not unit:
        need(type(value) is list and len(value) == 2, f"{name}: not a pair")
        need(type(value[0]) is int and value[0] > 0, f"{name}: the denominator is not positive")
        return shaped(value[1], shape, name, sizes, value[0])
    if shape == "":
        need(type(value) is int, f"{name}: a number is not an integer")
        return Fraction(value, unit)
    if isinstance(shape, list | str):
        need(type(value) is list, f"{name}: a list is missing")
        if unit:
            need(value != [] or shape[0] == "k", f"{name}: an empty list")
            need(sizes.setdefault(shape[0], len(value)) == len(value), f"{name}: of another size")
        inner = shape[1:] if unit else shape[0]
        return [shaped(entry, inner, name, sizes, unit) for entry in value]
    known = value in shape if isinstance(shape, tuple) else type(value) is shape
    need(known, f"{name}: is none of {shape}")
    return value


def check(document: Any) -> dict[str, Any]:
    """What a document proves; raise Rejected with the first reason why it does not.

    Every objective is >= dual_value, and that of the network <= primal_value; it misses no target
    by more than misfit, and those that miss none by more than that have an objective >= near.
    The gap is that of primal_value and dual_value or, for interpolation, near.
    """
    sizes: dict[str, int] = {}
    stated = shaped(document, SHAPE, "document", sizes)
    problem, gap, alpha, covers = (stated[key] for key in ("problem", "gap", "dual", "covers"))
    text = json.dumps([document[key] for key in ("problem", "network", "gap")], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    need(document["statement_sha256"] == digest, "statement_sha256: not of problem, network, gap")
    doubles = [problem["parameter"], problem["lam"], *itertools.chain(*problem["X"]), *problem["y"]]
    need(all(above(value) == value for value in doubles), "parameter, lam, X, y: not doubles")
    primal, dual, misfit = values_of(problem, stated["network"], alpha)
    near = dual - misfit * sum(map(abs, alpha))
    shown = primal - (near if problem["loss"] == "interpolation" else dual)
    need(shown <= gap, f"gap: only {above(shown)} is shown")
    functions = functions_of(problem, alpha, stated["basis"], stated["rows"])
    for F, cover in itertools.zip_longest(functions, covers):
        need(bool(F and cover), "covers: too few or too many")
        replay((Cones if cover["kind"] == "cones" else Signs)(*F), cover["records"])
    parameter, lam, *data = map(float, doubles)
    return {
        "n": sizes["n"], "d": sizes["d"], "loss": problem["loss"], "parameter": parameter,
        "bias": problem["bias"], "skip": problem["skip"], "lam": lam, "neurons": sizes["k"],
        "primal_value": above(primal), "dual_value": -above(-dual), "gap": above(gap),
        "misfit": above(misfit), "near": -above(-near),
        "data_sha256": hashlib.sha256(struct.pack(f"<{len(data)}d", *data)).hexdigest(),
        "statement_sha256": digest, "records": sum(len(cover["records"]) for cover in covers),
    }  # fmt: skip


def conjugate(problem: dict[str, Any], y: Fraction) -> tuple[Any, Any, Any]:
    """The low, high, q for which loss(t, y) = max of a (y - t) - q a^2 over low <= a <= high."""
    c, inf = problem["parameter"], math.inf
    return {
        "squared": (-inf, inf, Fraction(1, 2)),
        "interpolation": (-inf, inf, 0),
        "absolute": (-1, 1, 0),
        "quantile": (c - 1, c, 0),
        "huber": (-c, c, Fraction(1, 2)),
        "hinge": (min(0, y), max(0, y), 0),  # y is 1 or -1
        "squared_hinge": (0 if y > 0 else -inf, inf if y > 0 else 0, Fraction(1, 4)),
    }[problem["loss"]]


def values_of(problem: Any, network: Any, alpha: Any) -> tuple[Fraction, Fraction, Fraction]:
    """P, D once (1) holds, and the largest |f(x_i) - y_i|, which for interpolation is not in P."""
    X, loss, bias, skip = (problem[key] for key in ("X", "loss", "bias", "skip"))
    weights, biases, output, linear, constant = network.values()
    need(bias != "none" or not any(biases), "biases: the problem has none")
    need(skip != "none" or bias != "free", "skip: a free bias needs one")
    need(loss != "interpolation" or problem["lam"] == 1, "lam: is 1 for interpolation")
    seen = {"none": 0, "constant": 1, "affine": 1 + len(linear)}[skip]  # entries of (1, x)
    need(not any([constant, *linear][seen:]), "linear, constant: the problem has no such skip")
    columns = zip(*[[1, *x][:seen] for x in X], strict=True)
    need(not any(dot(alpha, column) for column in columns), "dual: not orthogonal to the skip")
    primal = dual = missed = Fraction(0)
    for x, y, a in zip(X, problem["y"], alpha, strict=True):
        need("hinge" not in loss or abs(y) == 1, "y: not 1 or -1")
        active = [max(0, dot(w, x) + b) for w, b in zip(weights, biases, strict=True)]
        r = y - dot(output, active) - dot(linear, x) - constant
        low, high, q = conjugate(problem, y)
        need(low <= a <= high, "dual: an entry is out of the range of the loss")
        best = max(low, min(high, r / (2 * q))) if q else high if r > 0 else low
        primal += 0 if loss == "interpolation" else best * r - q * best**2
        dual += a * y - q * a**2
        missed = max(missed, abs(r))
    for w, b, v in zip(weights, biases, output, strict=True):
        counted = w if bias == "free" else [*w, b]
        primal += problem["lam"] * abs(v) * root_above(dot(counted, counted))
    return primal, dual, missed


class Function(NamedTuple):
    """F(u) = <linear, u> + sum of a |<z, u>| over lines (a, z), to be at most limit |u|."""

    linear: list[int]
    lines: list[tuple[int, list[int]]]
    limit: int


def functions_of(problem: Any, alpha: Any, B: Any, Z: Any) -> Any:
    """All F that have to be below their limits for (2), as integers over one unit."""
    free, columns, p = problem["bias"] == "free", list(zip(*B, strict=True)), len(B[0])
    rows = [[*x, 1] for x in problem["X"]] if problem["bias"] == "penalized" else problem["X"]
    fits = len(Z) == len(rows) and {len(z) for z in Z} == {p} and p <= len(B) == len(rows[0])
    need(fits, "basis, rows: of another size")
    errors = [plus(x, -1, [dot(b, z) for b in B]) for x, z in zip(rows, Z, strict=True)]
    if free:
        errors = [plus(e, -1, errors[0]) for e in errors]
    lost = sum(abs(a) * root_above(dot(e, e)) for a, e in zip(alpha, errors, strict=True))
    stretch = max(sum(abs(dot(b, c)) for c in columns) for b in columns)  # at least |B^T B|
    need(lost < problem["lam"] and stretch > 0, "basis, rows: too far from the data")
    unit, points = math.lcm(*[a.denominator for a in alpha]), dict[tuple[int, ...], int]()
    limit = math.isqrt(math.floor((2 * (problem["lam"] - lost) * unit) ** 2 / stretch))
    for a, z in zip(alpha, Z, strict=True):
        points[tuple(z)] = points.get(tuple(z), 0) + int(a * unit)
    centres = [z for z, a in points.items() if a] if free else [(0,) * p]
    return (function_about(points, x, side, limit) for x in centres for side in (1, -1))


def function_about(points: Any, centre: Any, side: int, limit: int) -> Function:
    """F for a = side alpha and the points less a centre; those on one line act as one."""
    linear, weights = [0] * len(centre), dict[tuple[int, ...], int]()
    for point, alpha in points.items():
        row, a = plus(point, -1, centre), side * alpha
        linear, size = plus(linear, a, row), math.gcd(*row)
        if size:
            line = tuple([c // size for c in max(row, [-c for c in row])])
            weights[line] = weights.get(line, 0) + a * size
    return Function(linear, [(a, list(line)) for line, a in weights.items() if a], limit)


def replay(tree: Any, records: list[list[int]]) -> None:
    """Go through a tree in preorder; a step says what is left to be shown of a node."""
    pending = [(node, len(str(node))) for node in tree.roots()]
    for record in records:
        need(bool(pending and record), "a cover has records left over, or an empty one")
        left = tree.step(pending.pop()[0], *record)
        pending += [(node, len(str(node))) for node in left]
        need(sum(digits for _, digits in pending) <= MAX_WAITING, "a cover takes too much memory")
    need(not pending, "a cover is incomplete")


def listed(numbers: Any, lines: Any) -> dict[int, int]:
    """Pairs of a line and its number."""
    pairs = dict(zip(numbers[::2], numbers[1::2], strict=False))
    need(2 * len(pairs) == len(numbers), "a line is listed twice, or a number is missing")
    need(all(0 <= k < len(lines) for k in pairs), "a line that is not there")
    return pairs


class Cones(Function):
    """Trees over cones; nodes: generators, <linear, .>, and lines of two signs there."""

    def roots(self) -> list[Any]:
        p, lines = len(self.linear), range(len(self.lines))
        rays = [[int(i == j) for j in range(p)] for i in range(p)] + [[-1] * p]
        return [self.node(rays[:k] + rays[k + 1 :], self.linear, lines) for k in range(p + 1)]

    def node(self, generators: list[list[int]], linear: list[int], among: Any) -> Any:
        """A node; lines of one sign are linear there."""
        cut = []
        for k in among:
            a, z = self.lines[k]
            values = [dot(z, r) for r in generators]
            if min(values) < 0 < max(values):
                cut.append(k)
            else:
                linear = plus(linear, a if min(values) >= 0 else -a, z)
        return generators, linear, cut

    def step(self, node: Any, kind: int, *numbers: int) -> list[Any]:
        """[0, i, j, a, b] splits.  [1, c, Y_1 .. Y_p, k, S, ..] closes with y = limit Y / c, and
        s = S / c for line k; where it is not listed, s is the sign of <z, y>."""
        (r, linear, cut), p = node, len(self.linear)
        if kind == 0 and len(numbers) == 4:
            i, j, a, b = numbers
            inside = 0 <= i < p and 0 <= j < p and i != j and a > 0 and b > 0
            need(inside, "a split at no point of an edge")
            new = plus([a * x for x in r[i]], b, r[j])
            need(max(map(abs, new)).bit_length() <= MAX_BITS, "a split with too large numbers")
            return [self.node([*r[:at], new, *r[at + 1 :]], linear, cut) for at in (i, j)]
        need(kind == 1 and len(numbers) > p and numbers[0] > 0, "an unknown record")
        c, y, slopes = numbers[0], numbers[1 : 1 + p], listed(numbers[1 + p :], self.lines)
        need(dot(y, y) <= c * c, "a vector is longer than the limit")
        room = [self.limit * dot(y, g) - c * dot(linear, g) for g in r]
        for k in cut:
            a, z = self.lines[k]
            slope = max(-c, min(c, slopes.get(k, c if dot(z, y) > 0 else -c)))
            values = [dot(z, g) for g in r]
            room = plus(room, -a, [c * abs(t) if a > 0 else slope * t for t in values])
        need(min(room) >= 0, "a vector does not bound the function on its cone")
        return []


def highest(v: Any, y: Any, m: int) -> int:
    """An upper bound of <v, u> over |u| <= R, <y, u> >= m."""
    along, square, length = dot(y, v), dot(y, y), dot(v, v)
    if along * abs(along) * RADIUS**2 >= m * abs(m) * length:  # R v / |v| is such a u
        return RADIUS * (math.isqrt(length) + 1)
    root = math.isqrt((length * square - along**2) * (square * RADIUS**2 - m**2)) + 1
    return int(-((-along * m - root) // square))


class Signs(Function):
    """A tree over the signs of lines; nodes: low and high of every line, y, and m."""

    def roots(self) -> list[Any]:
        sizes = [RADIUS * (math.isqrt(dot(z, z)) + 1) for _, z in self.lines]
        return [([(-size, size) for size in sizes], [0] * len(self.linear), -1)]

    def step(self, node: Any, kind: int, k: int = -1, *numbers: int) -> list[Any]:
        """[0, k] splits by the sign of t_k.  [1, c, ..] is a lemma.  [2, k, c, i, s, ..] narrows
        t_k: its multiple c t_k is <c z_k + sum_i s_i z_i, u> - sum_i s_i t_i."""
        if kind == 1 and k > 0:
            return self.lemma(node, k, listed(numbers, self.lines))
        known = [kind, *numbers] == [0] or (kind == 2 and any(numbers[:1]))
        need(known and 0 <= k < len(self.lines), "an unknown record")
        (bounds, y, m), (low, high), z = node, node[0][k], self.lines[k][1]
        ends = [(max(low, 0), high), (low, min(high, 0))]
        if kind == 2:
            c, *others = numbers
            v, top = [c * x for x in z], 0
            for i, s in listed(others, self.lines).items():
                v, top = plus(v, s, self.lines[i][1]), top + max(-s * t for t in bounds[i])
            top += highest(v, y, m)
            ends = [(low, min(high, -(-top // c))) if c > 0 else (max(low, top // c), high)]
        return [([*bounds[:k], end, *bounds[k + 1 :]], y, m) for end in ends if end[0] <= end[1]]

    def lemma(self, node: Any, c: int, slopes: dict[int, int]) -> list[Any]:
        """[1, c, i, S, ..]: s_i = a_i S / c.  Where it is not listed, S / c is that of the chord,
        or, if a line of two signs has a < 0, the sign of <z, y> for the y before."""
        (bounds, before, _), total, y = node, 0, [c * x for x in self.linear]
        for i, ((a, z), (low, high)) in enumerate(zip(self.lines, bounds, strict=True)):
            slope = c * (abs(high) - abs(low)) // max(1, high - low)
            if a < 0 and low < 0 < high:
                slope = c if dot(z, before) > 0 else -c
            slope = slopes.get(i, slope)
            total += max(a * (c * abs(t) - slope * t) for t in (low, high, max(low, min(0, high))))
            y = plus(y, a * slope, z)
        m = c * self.limit * RADIUS - total
        if m >= 0 and dot(y, y) * RADIUS**2 <= m**2:
            return []
        ends = [
            (max(low, -highest([-x for x in z], y, m)), min(high, highest(z, y, m)))
            for (low, high), (_, z) in zip(bounds, self.lines, strict=True)
        ]
        return [(ends, y, m)] if all(low <= high for low, high in ends) else []


def main(arguments: list[str]) -> int:
    """Check the file named on the command line; 0 proved, 1 not proved, 2 unreadable."""
    words, code = "UNREADABLE", 2
    try:
        need(len(arguments) == 1, "usage: python check_proof.py FILE")
        document = read(arguments[0])
        words, code = "NOT PROVED", 1
        text, code = "PROVED\n" + json.dumps(check(document), indent=1), 0
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        text = f"{words}: {str(error) or type(error).__name__}"
    sys.stdout.write(text + "\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
