"""No step of a tree loses a point at which the function exceeds its limit, whatever the record.

Records are drawn at random, good and bad ones alike.  Points are integer vectors, so that
everything here is exact as well, and computed from definitions.
"""

import math
import random

import pytest

import measurelp.check_proof as checker


def function(rng, p, n, side):
    """A random function with small integers, some of whose lines are equal or antiparallel."""
    points = {}
    for _ in range(n):
        row = tuple(rng.randrange(-4, 5) for _ in range(p))
        points[row] = points.get(row, 0) + 1000 * rng.randrange(-5, 6)
    return checker.function_about(points, (0,) * p, side, 1)


def value(F, u):
    """F at a point, from its definition."""
    total = sum(a * b for a, b in zip(F.linear, u, strict=True))
    for weight, row in F.lines:
        total += weight * abs(sum(a * b for a, b in zip(row, u, strict=True)))
    return total


def sphere_points(rng, p, count):
    """Points of the checker's radius R, or a little less: rounded towards 0."""
    found = []
    while len(found) < count:
        u = [rng.gauss(0.0, 1.0) for _ in range(p)]
        length = math.sqrt(sum(c * c for c in u))
        found.append([int(c / length * checker.RADIUS) for c in u])
    return found


def holds(tree, node, u):
    """Whether all that a node of a tree over signs says is true of a point."""
    bounds, y, m = node
    at = [sum(a * b for a, b in zip(row, u, strict=True)) for _, row in tree.lines]
    inside = all(low <= t <= high for (low, high), t in zip(bounds, at, strict=True))
    return inside and sum(a * b for a, b in zip(y, u, strict=True)) >= m


def random_signs_record(rng, tree):
    """Slopes and multiples of all sizes and signs: the checker trusts none of them."""
    line, unit = rng.randrange(len(tree.lines)), 2 ** rng.randrange(13)
    pairs = []
    for k in rng.sample(range(len(tree.lines)), rng.randrange(min(4, len(tree.lines)) + 1)):
        pairs += [
            k,
            rng.choice((0, unit, -unit, rng.randrange(-2 * unit, 2 * unit + 1), 99 * unit)),
        ]
    return rng.choice([
        [0, line],
        [1, unit, *pairs],
        [1, unit],
        [2, line, rng.choice((-unit, unit, 3)), *pairs],
    ])  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_no_step_over_signs_loses_a_point_above_the_limit(seed):
    rng = random.Random(seed)
    taken = closed = 0
    for _ in range(9):
        p = rng.randrange(1, 4)
        F = function(rng, p, rng.randrange(1, 7), rng.choice((-1, 1)))
        points = sphere_points(rng, p, 60)
        top = max(value(F, u) for u in points)
        if not F.lines or top <= 0:
            continue
        limit = int(top * rng.uniform(0.2, 1.0)) // checker.RADIUS
        above = [u for u in points if value(F, u) > limit * checker.RADIUS]
        tree = checker.Signs(F.linear, F.lines, limit)
        nodes = tree.roots()
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
    _, linear, cut = cone
    y = list(linear)
    for k in cut:
        weight, row = tree.lines[k]
        y = checker.plus(y, weight * rng.choice((-1, 0, 1, 2)), row)
    if rng.random() < 0.5:
        y = [c + rng.randrange(-3000, 3001) for c in y]
    unit = 2 ** rng.randrange(1, 21)
    length = math.sqrt(sum(c * c for c in y)) + 1e-9
    scale = unit / length if rng.random() < 0.5 else unit / tree.limit
    slopes = []
    for k in cut:
        if tree.lines[k][0] < 0 and rng.random() < 0.5:
            slopes += [k, rng.choice((unit, -3 * unit, rng.randrange(-unit, unit + 1)))]
    return [1, unit, *(int(c * scale) for c in y), *slopes]


@pytest.mark.parametrize("seed", range(12))
def test_no_cone_is_closed_where_the_limit_is_exceeded(seed):
    rng = random.Random(seed)
    closed = 0
    for _ in range(8):
        p = rng.randrange(1, 4)
        F = function(rng, p, rng.randrange(1, 7), rng.choice((-1, 1)))
        top = max(value(F, u) for u in sphere_points(rng, p, 60))
        limit = max(1, int(top * rng.uniform(0.3, 1.5)) // checker.RADIUS)
        tree = checker.Cones(F.linear, F.lines, limit)
        stack = tree.roots()
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
                F_u = value(F, u)
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


@pytest.mark.parametrize("p", [1, 2, 3])
def test_the_first_cones_cover_everything(p):
    rng = random.Random(p)
    roots = checker.Cones([0] * p, [], 1).roots()
    for _ in range(100):
        u = [rng.randrange(-3, 4) for _ in range(p)]
        assert any(inside(root[0], u) for root in roots)


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
