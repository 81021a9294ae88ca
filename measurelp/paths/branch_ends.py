"""How far a branch holds: following it along lam to the first condition that ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from measurelp.paths.branch import Branch, BranchPoint, Condition

HOLDS = -1e-10  # slack at which a condition still counts as holding
_STEPS = 6
_BISECTIONS = 60
_REPEATS = 8


def follow(
    branch: Branch, start: BranchPoint, lam: float, rival: Branch
) -> tuple[BranchPoint, bool]:
    """Follow a branch to ``lam``, or to where one of its conditions ends.

    The atoms of ``rival`` are peaks of the dual function that may reach lam.  Returns the last
    point that holds, to rounding, and whether the branch ended there.
    """
    here = start
    for goal in np.geomspace(start.lam, lam, _STEPS + 1)[1:]:
        point = branch.at(float(goal), here)
        if point is None or _worst(branch, point, rival)[0] < HOLDS:
            return _end_between(branch, here, float(goal), rival), True
        here = point
    return here, False


def holds(branch: Branch, point: BranchPoint) -> bool:
    """Whether the branch's own conditions hold at a point."""
    return _worst(branch, point, branch)[0] >= HOLDS


Key = tuple[Condition, int, int]


def _worst(branch: Branch, point: BranchPoint, rival: Branch) -> tuple[float, Key]:
    """The least slack and its condition."""
    least: tuple[float, Key] = (np.inf, (Condition.MASS, -1, -1))
    for condition, margins in branch.margins(point, rival).items():
        if margins.size:
            k, line = np.unravel_index(int(np.argmin(margins)), margins.shape)
            if margins[k, line] < least[0]:
                least = float(margins[k, line]), (condition, int(k), int(line))
    return least


def _slack(branch: Branch, point: BranchPoint, rival: Branch, key: Key) -> float:
    condition, k, line = key
    return float(branch.margins(point, rival)[condition][k, line])


def _end_between(branch: Branch, good: BranchPoint, bad: float, rival: Branch) -> BranchPoint:
    """Where the first condition ends between a point that holds and a lam that does not."""
    for _ in range(_BISECTIONS):  # until Newton's method reaches the bad end
        point = branch.at(bad, good)
        if point is not None and _worst(branch, point, rival)[0] < HOLDS:
            break
        middle = 0.5 * (good.lam + bad)
        halfway = branch.at(middle, good)
        if halfway is None:
            bad = middle
        elif _worst(branch, halfway, rival)[0] < HOLDS:
            bad, point = middle, halfway
            break
        else:
            good = halfway
    else:
        return good
    for _ in range(_REPEATS):
        assert point is not None
        _, key = _worst(branch, point, rival)
        found = _root(branch, good, point, key, rival)
        if found is None:
            return good
        slack, other = _worst(branch, found, rival)
        if slack >= HOLDS or other == key:
            return found
        point = found
    return good


def _root(
    branch: Branch, good: BranchPoint, bad: BranchPoint, key: Key, rival: Branch
) -> BranchPoint | None:
    """Where one slack changes sign."""
    latest = [good]

    def slack(lam: float) -> float:
        nearest = min((good, bad, latest[0]), key=lambda point: abs(point.lam - lam))
        point = branch.at(lam, nearest)
        if point is None:
            raise ArithmeticError
        latest[0] = point
        return _slack(branch, point, rival, key)

    shift = 0.0 if _slack(branch, good, rival, key) > 0.0 else -0.5 * HOLDS
    shifted: Callable[[float], float] = lambda lam: slack(lam) + shift  # noqa: E731
    try:
        lam = brentq(shifted, good.lam, bad.lam, xtol=1e-15 * good.lam, rtol=1e-15)
        slack(lam)
    except (ArithmeticError, ValueError):
        return None
    return latest[0]
