"""No step of a tree loses a point at which the function exceeds its limit, whatever the record.

Records are drawn at random, good and bad ones alike.  Points are integer vectors over a scale,
so that everything here is exact as well, and computed from definitions.
"""

import math
import random

import pytest

import measurelp.check_proof as checker

SCALE = 1000  # a point is an integer vector over this


def function(rng, p, n):
    """A random function with small integers, some of whose lines are equal or antiparallel."""
    points = {}
    for _ in range(n):
        row = tuple(rng.randrange(-4, 5) for _ in range(p))
        points[row] = points.get(row, 0) + rng.randrange(-5, 6)
    return checker.function_about(points, (0,) * p)


def value(F, sign, u):
    """F at a point times the scale."""
    total = sum(a * b for a, b in zip(F.linear, u, strict=True))
    for weight, row in F.lines:
        total += weight * max(0, sum(a * b for a, b in zip(row, u, strict=True)))
    return sign * total


def ball_points(rng, p, count):
    found = []
    while len(found) < count:
        u = [rng.randrange(-SCALE, SCALE + 1) for _ in range(p)]
        if sum(c * c for c in u) <= SCALE**2:
            found.append(u)
    return found


def holds(tree, node, u):
    """Whether all that a node of a tree over signs says is true of a point."""
    at = [sum(a * b for a, b in zip(row, u, strict=True)) for _, row in tree.lines]
    return (
        all(low * SCALE <= t for low, t in zip(node.low, at, strict=True))
        and all(t <= high * SCALE for high, t in zip(node.high, at, strict=True))
        and sum(a * b for a, b in zip(node.y, u, strict=True)) >= node.m * SCALE
    )


def random_signs_record(rng, tree):
    line = rng.randrange(len(tree.lines))
    pairs = []
    for k in rng.sample(range(len(tree.lines)), rng.randrange(min(4, len(tree.lines)) + 1)):
        pairs += [k, rng.choice((0, 1, rng.randrange(2**20), 2 ** rng.randrange(31), 3))]
    return rng.choice([
        [0, line],
        [1, rng.choice((0, 30, 60)), rng.choice((0, 10, 30)), *pairs],
        [1, 0, 0],
        [2, line, rng.choice((-1, 1)), rng.choice((0, 2, 12)), *pairs],
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_no_step_over_signs_loses_a_point_above_the_limit(seed):
    rng = random.Random(seed)
    taken = closed = 0
    for _ in range(6):
        p = rng.randrange(1, 4)
        F, sign = function(rng, p, rng.randrange(1, 7)), rng.choice((-1, 1))
        points = ball_points(rng, p, 60)
        top = max(value(F, sign, u) for u in points)
        if not F.lines or top <= 0:
            continue
        limit = int(top * rng.uniform(0.2, 1.0)) // SCALE
        above = [u for u in points if value(F, sign, u) > limit * SCALE]
        tree = checker.Signs(F, sign, limit)
        nodes = list(tree.roots())
        for _ in range(40):
            if not nodes:
                break
            at = rng.randrange(len(nodes))
            try:
                left = tree.step(nodes[at], *random_signs_record(rng, tree))
            except checker.Rejected:
                continue
            taken += 1
            closed += not left
            nodes[at : at + 1] = left
        for u in above:
            assert any(holds(tree, node, u) for node in nodes)
    assert taken > 50


def random_closing(rng, tree, cone):
    """A y near the gradient of F somewhere in the cone, often too short or too long."""
    r, linear, cut = cone
    p = len(linear)
    y = list(linear)
    for _, weight, row in cut:
        y = checker.plus(y, weight * rng.choice((0, 1, 1, 2)), row)
    if rng.random() < 0.5:
        y = [c + rng.randrange(-3, 4) for c in y]
    length = math.isqrt(sum(c * c for c in y)) + 1
    y = (
        [c * (tree.limit << 20) // length for c in y]
        if rng.random() < 0.5
        else [c << 20 for c in y]
    )
    y = [c >> 20 for c in y]
    thetas = []
    for index, weight, _ in cut:
        if weight < 0 and rng.random() < 0.5:
            thetas += [index, rng.choice((checker.ONE, rng.randrange(checker.ONE + 1)))]
    assert len(y) == p and r
    return [1, 0, *y, *thetas]


@pytest.mark.parametrize("seed", range(12))
def test_no_cone_is_closed_where_the_limit_is_exceeded(seed):
    rng = random.Random(seed)
    closed = 0
    for _ in range(8):
        p = rng.randrange(1, 4)
        F, sign = function(rng, p, rng.randrange(1, 7)), rng.choice((-1, 1))
        top = max(value(F, sign, u) for u in ball_points(rng, p, 60))
        tree = checker.Cones(F, sign, max(1, int(top * rng.uniform(0.3, 1.5)) // SCALE))
        stack = list(tree.roots())
        for _ in range(100):
            cone = rng.choice(stack)
            if p > 1 and rng.random() < 0.1:
                i, j = rng.sample(range(p), 2)
                children = tree.step(cone, 0, i, j, rng.randrange(1, 9), rng.randrange(1, 9))
                assert_covered(rng, cone, children)
                stack += children
                continue
            try:
                tree.step(cone, *random_closing(rng, tree, cone))
            except checker.Rejected:
                continue
            closed += 1
            for u in inner_points(rng, cone, 30):
                F_u = value(F, sign, u)
                assert F_u <= 0 or F_u**2 <= tree.limit**2 * sum(c * c for c in u)
    assert closed > 5


def inner_points(rng, cone, count):
    """Integer points of a cone, many of them on its faces."""
    generators = cone[0]
    for _ in range(count):
        shares = [rng.choice((0, 0, 1, rng.randrange(1, 50))) for _ in generators]
        yield [
            sum(s * r[c] for s, r in zip(shares, generators, strict=True))
            for c in range(len(generators[0]))
        ]


def assert_covered(rng, cone, children):
    """Points of a cone of rank 1 to 3 lie in one of its children, by Cramer's rule."""
    for u in inner_points(rng, cone, 10):
        assert any(inside(child[0], u) for child in children)


def inside(generators, u):
    whole = determinant(generators)
    return whole != 0 and all(
        determinant([*generators[:k], u, *generators[k + 1 :]]) * whole >= 0
        for k in range(len(generators))
    )


def determinant(rows):
    if len(rows) == 1:
        return rows[0][0]
    return sum(
        (-1) ** k * rows[0][k] * determinant([[*row[:k], *row[k + 1 :]] for row in rows[1:]])
        for k in range(len(rows))
    )
