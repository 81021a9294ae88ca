"""The one loop: what ends it, what it keeps, and that every kind of column keeps its promises when it is cut short."""

import math
import time

import numpy as np
import pytest

import measurelp as mlp
from measurelp.solving.generation import Bound, Columns, Found, Generation
from measurelp.solving.limits import Limits
from measurelp.status import Termination


class Steps(Columns):
    """A list of what successive programs find: (objective, bound) pairs, the first without a program."""

    problem = mlp.MeasureProblem([[1.0]], [1.0], lam=1.0)

    def __init__(self, steps, columns=100, persistent=0):
        self.steps, self.waiting, self.persistent = list(steps), columns, persistent
        self.in_play = 0

    @property
    def n_cells(self):
        return self.in_play

    def begin(self):
        return self.solve(None)

    def solve(self, time_limit):
        if not self.steps:
            return []
        objective, bound = self.steps.pop(0)
        return [Found("point", objective, np.array([bound]))]

    def bound(self, dual, run):
        return Bound(float(dual[0]), dual, None)

    def add(self, bound):
        new = min(1, self.waiting)
        self.waiting, self.in_play = self.waiting - new, self.in_play + new
        return new

    def persists(self, found, run):
        self.persistent -= 1
        return self.persistent >= 0


def test_it_goes_on_until_the_gap_closes_and_keeps_the_best():
    run = Generation(Steps([(9.0, 1.0), (5.0, 3.0), (6.0, 2.0), (4.0, 4.0), (0.0, 9.0)]), Limits())
    assert run.run() is Termination.CONVERGED
    assert (run.rounds, run.best_value, run.bound, run.proofs) == (3, 4.0, 4.0, 4)


def test_worse_candidates_and_bounds_do_not_replace_better_ones():
    run = Generation(Steps([(5.0, 3.0), (6.0, 2.0), (math.inf, -math.inf)]), Limits(max_rounds=2))
    assert run.run() is Termination.ROUND_LIMIT
    assert (run.best_value, run.bound) == (5.0, 3.0)
    assert run.proof.dual == [3.0]


@pytest.mark.parametrize(
    ("columns", "limits", "expected", "rounds"),
    [
        (Steps([(5.0, 1.0)] * 3, columns=0), {}, Termination.STALLED, 0),
        (Steps([(5.0, 1.0)] * 9, columns=0, persistent=4), {}, Termination.STALLED, 4),
        (Steps([(5.0, 1.0)] * 2), {}, Termination.NUMERICAL, 2),
        (Steps([(5.0, 1.0)] * 9), {"max_rounds": 3}, Termination.ROUND_LIMIT, 3),
        (Steps([(5.0, 1.0)] * 9), {"deadline": 0.0}, Termination.TIME_LIMIT, 0),
    ],
)
def test_what_ends_it(columns, limits, expected, rounds):
    run = Generation(columns, Limits(**limits))
    assert run.run() is expected
    assert run.rounds == rounds
    assert (run.best_value, run.bound) == (5.0, 1.0)


def test_a_remembered_interrupt_ends_it_after_the_round():
    limits = Limits()
    limits.interrupts.requested = True
    run = Generation(Steps([(5.0, 1.0)] * 9), limits)
    assert run.run() is Termination.INTERRUPTED
    assert run.bound == 1.0


# ---- every kind of column ----------------------------------------------------------------------------

RNG = np.random.default_rng(11)
X, Y = RNG.standard_normal((14, 2)), RNG.standard_normal(14)
KINDS = {
    "cells": mlp.MeasureProblem(X, Y, lam=0.05),
    "rays": mlp.MeasureProblem(X, Y, lam=0.05, ball=mlp.L1Ball()),
    "patterns": mlp.MeasureProblem(X, Y, lam=0.05, activation=mlp.Threshold()),
    "gates": mlp.MeasureProblem(X, Y, lam=0.05, activation=mlp.GatedReLU()),
    "active sets": mlp.MeasureProblem(X, Y, lam=0.002),
}


def solved(kind, **options):
    how = mlp.label_noise_optimum if kind == "active sets" else mlp.solve
    return how(KINDS[kind], **options)


class StopAt:
    """Ctrl-C at the k-th call."""

    def __init__(self, k):
        self.k, self.calls = k, 0

    def __call__(self, progress):
        self.calls += 1
        if self.calls == self.k:
            raise KeyboardInterrupt


def assert_holds(answer, optimum, allowed):
    certificate = answer.certificate
    assert certificate.dual_value <= optimum * (1 + 1e-9)
    assert certificate.primal_value >= optimum * (1 - 2e-6)
    if certificate.verdict is mlp.Verdict.OPTIMAL:
        assert answer.termination is mlp.Termination.CONVERGED
        assert certificate.primal_value <= optimum * (1 + 2e-6)
    else:
        assert certificate.verdict is mlp.Verdict.BRACKETED
        assert answer.termination is allowed


@pytest.mark.parametrize("kind", KINDS)
def test_cut_short(kind):
    seen = StopAt(0)
    whole = solved(kind, callback=seen)
    optimum = whole.certificate.primal_value
    assert_holds(whole, optimum, None)
    assert seen.calls >= 2
    for k in range(1, seen.calls + 1, max(1, seen.calls // 5)):
        assert_holds(solved(kind, callback=StopAt(k)), optimum, mlp.Termination.INTERRUPTED)
    for rounds in (1, 2):
        answer = solved(kind, max_rounds=rounds)
        assert_holds(answer, optimum, mlp.Termination.ROUND_LIMIT)
        assert answer.stats["rounds"] <= rounds
    assert_holds(solved(kind, time_limit=1e-9), optimum, mlp.Termination.TIME_LIMIT)


@pytest.mark.parametrize("kind", KINDS)
def test_progress_and_statistics_are_the_same_for_all(kind):
    seen = []
    answer = solved(kind, callback=seen.append)
    assert {p.message for p in seen} == {"generating cells", "proving"}
    assert [p.primal for p in seen] == sorted((p.primal for p in seen), reverse=True)
    assert [p.dual for p in seen] == sorted(p.dual for p in seen)
    assert seen[-1].round == answer.stats["rounds"]
    common = {"rounds", "cells", "oracle", "oracle_calls", "backend", "seconds"}
    assert common <= set(answer.stats)
    parts = sum(v for k, v in answer.stats.items() if k.startswith("seconds_"))
    assert parts <= answer.stats["seconds"]


def test_separate_outputs_end_like_one():
    problem = mlp.MeasureProblem(X, np.column_stack([Y, -Y]), lam=0.05, outputs="separate")
    whole = mlp.solve(problem)
    assert whole.termination is mlp.Termination.CONVERGED
    began = time.perf_counter()
    cut = mlp.solve(problem, time_limit=1e-9)
    assert time.perf_counter() - began < 30.0  # a guard against hanging
    assert_holds(cut, whole.certificate.primal_value, mlp.Termination.TIME_LIMIT)
