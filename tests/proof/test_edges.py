"""Rounding, ranges and scales of the checker, each on the smallest example that shows it."""

import math
import random
from fractions import Fraction

import pytest

import measurelp.check_proof as checker

from .test_mutants import restated


def smallest(**changes):
    """A proof about one point, at 0: eta = 0, so any alpha is feasible; the network is zero."""
    document = {
        "format": "measurelp-proof 3", "statement_sha256": "",
        "problem": {
            "loss": "squared", "bias": "none", "skip": "none", "parameter": [1, 0], "lam": [1, 1],
            "X": [1, [[0]]], "y": [1, [1]],
        },
        "network": {
            "weights": [1, []], "biases": [1, []], "output": [1, []], "linear": [1, [0]],
            "constant": [1, 0],
        },
        "gap": [1, 0], "dual": [1, [1]], "basis": [1, [[1]]], "rows": [[0]],
        "covers": [{"kind": "cones", "records": [[1, 1, 1], [1, 1, -1]]} for _ in range(2)],
    }  # fmt: skip
    for key, value in changes.items():
        home = next((document[k] for k in ("problem", "network") if key in document[k]), document)
        home[key] = value
    return restated(document)


def rejected(words, document):
    with pytest.raises(checker.Rejected, match=words):
        checker.check(document)


def test_the_least_proof_is_one():
    assert checker.check(smallest())["dual_value"] == 0.5


# loss, parameter, y, alpha that closes the gap, entries out of the range
RANGES = [
    ("absolute", [1, 0], 5, [1, 1], [[2, 3], [2, -3]]),
    ("absolute", [1, 0], -5, [1, -1], [[2, 3], [2, -3]]),
    ("quantile", [4, 1], 4, [4, 1], [[2, 1], [1, -1]]),
    ("quantile", [4, 1], -4, [4, -3], [[2, 1], [1, -1]]),
    ("huber", [2, 1], 4, [2, 1], [[1, 1], [1, -1]]),
    ("huber", [2, 1], -4, [2, -1], [[1, 1], [1, -1]]),
    ("hinge", [1, 0], 1, [1, 1], [[8, 9], [8, -1]]),
    ("hinge", [1, 0], -1, [1, -1], [[8, 1], [8, -9]]),
    ("squared_hinge", [1, 0], 1, [1, 2], [[8, -1]]),
    ("squared_hinge", [1, 0], -1, [1, -2], [[8, 1]]),
]


@pytest.mark.parametrize(("loss", "parameter", "y", "best", "out"), RANGES)
def test_the_range_of_a_dual_entry(loss, parameter, y, best, out):
    stated = {"loss": loss, "parameter": parameter, "y": [1, [y]]}
    checker.check(smallest(**stated, dual=[best[0], [best[1]]]))
    for unit, a in out:
        rejected("out of the range", smallest(**stated, dual=[unit, [a]], gap=[1, 99]))


@pytest.mark.parametrize("delta", [[1, -1], [1, 0]])
def test_huber_with_no_or_a_negative_delta(delta):
    stated = {"loss": "huber", "parameter": delta, "gap": [1, 99]}
    for a in (1, -1, 0):
        if a or delta[1]:
            rejected("out of the range", smallest(**stated, dual=[1, [a]]))


def test_the_bias_of_a_neuron_counts():
    """|(3, 4)| = 5; P = 5 + (1 - 4)^2 / 2."""
    neuron = {"weights": [1, [[3]]], "biases": [1, [4]], "output": [1, [1]]}
    stated = {"bias": "penalized", "basis": [1, [[1], [0]]], "rows": [[0]], "lam": [1, 2]}
    proved = checker.check(smallest(**stated, **neuron, dual=[1, [0]], gap=[1, 15]))
    assert proved["primal_value"] >= 14.5
    rejected("gap: only", smallest(**stated, **neuron, dual=[1, [0]], gap=[1, 14]))


def test_what_the_coordinates_miss_is_lost():
    """sup |eta| = 2 > lam = 15/8, but half a point is not seen by rows and basis."""
    document = smallest(
        X=[1, [[1]]], lam=[8, 15], dual=[1, [2]], basis=[4, [[3]]], rows=[[1]], gap=[1, 9]
    )
    rejected("does not bound", document)
    checker.check(smallest(
        X=[1, [[1]]], lam=[8, 17], dual=[1, [2]], basis=[4, [[3]]], rows=[[1]], gap=[1, 9]
    ))  # fmt: skip


def test_a_basis_of_zeros_is_refused_whatever_alpha():
    rejected("too far", smallest(basis=[1, [[0]]], dual=[1, [0]], gap=[1, 1]))


def test_the_limit_is_that_of_the_coordinates():
    """limit |u| <= 2 lam |w| for u = B^T w, also where the columns of B are not orthogonal."""
    rng = random.Random(0)
    for _ in range(100):
        p, c = rng.randrange(1, 4), 3
        B = [[Fraction(rng.randrange(-4, 5)) for _ in range(p)] for _ in range(c)]
        z = [rng.randrange(-9, 10) for _ in range(p)]
        problem = {"bias": "none", "lam": Fraction(1000), "X": [[checker.dot(b, z) for b in B]]}
        if not any(map(any, B)):
            continue
        for F in checker.functions_of(problem, [Fraction(1)], B, [z]):
            longest = problem["X"][0]  # the direction in which a row is longest
            for w in (longest, *[[rng.randrange(-9, 10) for _ in range(c)] for _ in range(20)]):
                u = [checker.dot(column, w) for column in zip(*B, strict=True)]
                assert F.limit**2 * checker.dot(u, u) <= 2000**2 * checker.dot(w, w)


def test_a_slope_is_at_most_one():
    """F exceeds the limit 2 at a generator, where a slope of 2 would have it below."""
    for linear, y, slope in (([4, -3], (1, 0), 2), ([-3, 4], (0, 1), -2)):
        tree = checker.Cones(linear, [(-1, [1, -1])], 2)
        with pytest.raises(checker.Rejected, match="does not bound"):
            tree.step(tree.roots()[-1], 1, 1, *y, 0, slope)


def test_a_vector_is_not_a_little_longer():
    tree = checker.Cones([0, 0], [], 1)
    for record in ([1, 7, 5, 5], [1, 1, 1, 1], [1, 10**9, 10**9, 1]):
        with pytest.raises(checker.Rejected, match="longer"):
            tree.step(tree.roots()[-1], *record)
    assert tree.step(tree.roots()[-1], 1, 5, 3, 4) == []


def test_roots_are_rounded_up():
    for square in (
        Fraction(2),
        Fraction(1, 3),
        Fraction(1, 10**300),
        Fraction(10**300 + 1),
        Fraction(4, 9),
    ):
        root = checker.root_above(square)
        assert root**2 >= square
        assert (root - Fraction(1, 2**80)) ** 2 <= square or root <= Fraction(1, 2**80)
    assert checker.root_above(Fraction(0)) == 0


def test_doubles_are_rounded_up():
    rng = random.Random(0)
    for _ in range(200):
        value = Fraction(rng.randrange(-(10**20), 10**20), rng.randrange(1, 10**30))
        double = checker.above(value)
        assert math.nextafter(double, -math.inf) < value <= double


def test_values_are_on_their_safe_sides():
    """y = 1/2, alpha = 1/3: D = 1/6 for interpolation, near = 1/6 - 1/6 of a network without units."""
    for unit, a, b in ((3, 1, 1), (7, 2, 5), (10, -3, 3), (10**40, 123456789, 987654321)):
        proved = checker.check(
            smallest(loss="interpolation", y=[2, [b]], dual=[unit, [a]], gap=[1, 99])
        )
        dual, lost = Fraction(a * b, 2 * unit), Fraction(abs(a) * b, 2 * unit)
        assert Fraction(proved["dual_value"]) <= dual
        assert Fraction(proved["near"]) <= dual - lost


def points_of(rng, p, radius, count):
    """Rational points of a ball, many of them on its sphere."""
    for _ in range(count):
        t = [Fraction(rng.randrange(-60, 61), rng.randrange(1, 40)) for _ in range(p - 1)]
        square, sign = sum(c * c for c in t), rng.choice((-1, 1))
        unit = [2 * c / (1 + square) for c in t] + [(1 - square) / (1 + square)]
        yield [sign * radius * rng.choice((1, 1, Fraction(rng.randrange(9), 9))) * c for c in unit]


@pytest.mark.parametrize("radius", [1, 3, 8])
def test_a_cap_of_a_small_ball(radius, monkeypatch):
    """Where R is small, what is rounded the wrong way shows."""
    monkeypatch.setattr(checker, "RADIUS", radius)
    rng, dot = random.Random(radius), checker.dot
    for _ in range(600):
        p = rng.randrange(1, 4)
        v, y = ([rng.randrange(-5, 6) for _ in range(p)] for _ in range(2))
        most = math.isqrt(dot(y, y) * radius**2)
        m = rng.randrange(-2 * most - 2, most + (most**2 < dot(y, y) * radius**2))
        top = checker.highest(v, y, m)
        assert all(dot(v, u) <= top for u in points_of(rng, p, radius, 20) if dot(y, u) >= m)


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_narrowings_in_a_small_ball_are_rounded_outwards(radius, monkeypatch):
    monkeypatch.setattr(checker, "RADIUS", radius)
    rng, dot = random.Random(radius), checker.dot
    for _ in range(400):
        p = rng.randrange(1, 3)
        lines = [(1, [rng.randrange(-3, 4) for _ in range(p)]) for _ in range(2)]
        tree = checker.Signs([0] * p, lines, 0)
        (bounds, _, _), points = tree.roots()[0], list(points_of(rng, p, radius, 20))
        y = [rng.randrange(-3, 4) for _ in range(p)]
        m = rng.randrange(-math.isqrt(dot(y, y) * radius**2) - 1, 1)
        node = tree.step((bounds, y, m), 2, 0, rng.choice((-7, -3, 3, 7)), 1, rng.randrange(-4, 5))
        for u in points:
            if dot(y, u) >= m:
                assert node and node[0][0][0][0] <= dot(lines[0][1], u) <= node[0][0][0][1]


def test_numbers_have_at_most_a_thousand_digits(tmp_path):
    path = tmp_path / "file.json"
    for digits, words in ((1000, "no measurelp proof"), (1001, "over 1000 digits")):
        path.write_text('{"format": 1, "x": ' + "9" * digits + "}")
        with pytest.raises(checker.Rejected, match=words):
            checker.read(path)


def test_one_file_is_named(tmp_path, capsys):
    for arguments in ([], ["a", "b"]):
        assert checker.main(arguments) == 2
        assert capsys.readouterr().out.startswith("UNREADABLE: usage")
