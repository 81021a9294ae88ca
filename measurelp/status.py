"""The enumerations: why work stopped, what a vector is, what was proved, what was covered."""

from __future__ import annotations

from enum import Enum


class Termination(Enum):
    """Why an algorithm stopped; each value is a message to the user."""

    CONVERGED = "the requested accuracy was reached"
    INFEASIBLE = "no measure satisfies the constraints"
    TIME_LIMIT = "the time limit was reached"
    ROUND_LIMIT = "the limit on rounds or iterations was reached"
    NODE_LIMIT = "the limit on branch-and-bound nodes was reached"
    INTERRUPTED = "interrupted by the user"
    STALLED = "no further progress is possible in floating-point arithmetic"
    UNBOUNDED = "the objective is unbounded below"
    NUMERICAL = "a solver failed numerically"


class PointKind(Enum):
    """What the vector that a backend returns is claimed to be."""

    OPTIMAL = "an optimal point"
    APPROXIMATE = "a point that misses the backend's own tolerances"
    INFEASIBILITY_PROOF = "a certificate that no feasible point exists"
    UNBOUNDEDNESS_PROOF = "a direction along which the objective falls for ever"
    NOTHING = "no usable vector"


class Verdict(Enum):
    """What *we* proved about a candidate, recomputed from the data."""

    OPTIMAL = "globally optimal within the stated gap, proved over all of weight space"
    REFUTED = "not optimal: a weight vector is known whose addition lowers the objective"
    BRACKETED = "neither proved optimal nor refuted; the bracket on the optimum is proved"
    INFEASIBLE = "no measure satisfies the constraints, proved by a dual vector"
    UNVERIFIED = "no proof over all of weight space was made"


class Standing(Enum):
    """Where a trained network stands in its landscape."""

    OPTIMAL = "globally optimal within the stated gap"
    SPURIOUS = "stationary on its own cells, but a better network has neurons in other cells"
    UNFINISHED = "not stationary: moving its neurons within their cells lowers the objective"
    UNDECIDED = "not proved optimal, and not decided whether it could be improved and where"


class Scope(Enum):
    """How much of weight space a set of cells or an oracle's report covers."""

    COMPLETE = "all of weight space"
    SAMPLED = "a sample of weight space: proves nothing about the rest"
