"""Things that go wrong during a solve, on purpose."""

from __future__ import annotations

import inspect
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import measurelp as mlp
from measurelp.backends import backend_from_name
from measurelp.errors import BackendError
from measurelp.oracle import Budget, choose_oracle
from measurelp.problem import row_space
from measurelp.status import PointKind, Termination

ROOT = str(Path(mlp.__file__).parent)


# ---- backends that fail or lie --------------------------------------------------------------


def nothing(report, rng):
    return replace(
        report, x=None, z=None, kind=PointKind.NOTHING, termination=Termination.NUMERICAL
    )


def not_numbers(report, rng):
    return replace(report, x=np.full_like(report.x, np.nan), z=np.full_like(report.z, np.nan))


def one_not_a_number(report, rng):
    x, z = report.x.copy(), report.z.copy()
    x[rng.integers(len(x))], z[rng.integers(len(z))] = np.nan, np.inf
    return replace(report, x=x, z=z)


def zeros(report, rng):
    return replace(report, x=np.zeros_like(report.x), z=np.zeros_like(report.z))


def noise(report, rng):
    """Says OPTIMAL, and is off in the third digit."""
    x, z = report.x, report.z
    return replace(
        report, x=x * (1 + 1e-3 * rng.standard_normal(len(x))),
        z=z * (1 + 1e-3 * rng.standard_normal(len(z))),
    )  # fmt: skip


def garbage(report, rng):
    return replace(
        report, x=1e3 * rng.standard_normal(len(report.x)),
        z=1e3 * rng.standard_normal(len(report.z)),
    )  # fmt: skip


def huge(report, rng):
    return replace(report, x=1e150 * report.x, z=1e150 * report.z)


def infeasible(report, rng):
    """A proof of infeasibility that is none."""
    return replace(
        report, x=None, kind=PointKind.INFEASIBILITY_PROOF, termination=Termination.INFEASIBLE
    )


def unbounded(report, rng):
    return replace(
        report, z=None, kind=PointKind.UNBOUNDEDNESS_PROOF, termination=Termination.UNBOUNDED
    )


def stopped(report, rng):
    """Usable, and says that it ran out of time."""
    return replace(report, kind=PointKind.APPROXIMATE, termination=Termination.TIME_LIMIT)


LIES = (
    nothing, not_numbers, one_not_a_number, zeros, noise, garbage, huge, infeasible, unbounded,
    stopped,
)  # fmt: skip


class FaultyBackend:
    """Clarabel, whose report at some calls (or at all: ``at`` None) is spoilt."""

    def __init__(self, lie, *, at=None, seed=0):
        self.inner, self.lie, self.at = backend_from_name("clarabel"), lie, at
        self.rng, self.calls = np.random.default_rng(seed), 0

    name = "faulty"

    def supports(self, program):
        return self.inner.supports(program)

    def solve(self, program, **options):
        self.calls += 1
        report = self.inner.solve(program, **options)
        if report.x is None or report.z is None or (self.at and self.calls not in self.at):
            return report
        return self.lie(report, self.rng)


class RaisingBackend(FaultyBackend):
    """Clarabel, which raises the library's own error at some calls."""

    def solve(self, program, **options):
        self.calls += 1
        if self.at is None or self.calls in self.at:
            raise BackendError("faulty: a status that nobody knows")
        return self.inner.solve(program, **options)


# ---- oracles that may do little ---------------------------------------------------------------


class StarvedOracle:
    """An oracle with a budget of its own for every question."""

    def __init__(self, name, problem, *, nodes=None, deadline=float("inf")):
        self.inner, _ = choose_oracle(name, row_space(problem))
        self.nodes, self.deadline = nodes, deadline
        self.name = self.inner.name

    def maximise(self, dual, *, budget=None, **options):
        deadline = self.deadline if budget is None else min(self.deadline, budget.deadline)
        return self.inner.maximise(
            dual, budget=Budget(deadline=deadline, nodes=self.nodes), **options
        )


class InterruptedOracle(StarvedOracle):
    """An oracle in which Ctrl-C is pressed at the k-th question, before or after the answer."""

    def __init__(self, name, problem, *, at, before):
        super().__init__(name, problem)
        self.at, self.before, self.calls = at, before, 0

    def maximise(self, dual, **options):
        self.calls += 1
        if self.calls == self.at and self.before:
            signal.raise_signal(signal.SIGINT)
        report = self.inner.maximise(dual, **options)
        if self.calls == self.at and not self.before:
            signal.raise_signal(signal.SIGINT)
        return report


# ---- Ctrl-C at a moment -------------------------------------------------------------------------


class PressAt:
    """A tracer that presses Ctrl-C when the package calls its k-th function since row_space began.

    Generators are left out: what is raised while one is being closed is lost by the interpreter.
    ``calls`` counts, and ``where`` names the function.
    """

    def __init__(self, k=0):
        self.k, self.calls, self.where, self.counts = k, 0, None, False

    def __call__(self, frame, event, arg):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(ROOT):
            return
        self.counts = self.counts or code is row_space.__code__
        if not self.counts or code.co_flags & inspect.CO_GENERATOR:
            return
        self.calls += 1
        if self.calls == self.k:
            self.where = code.co_qualname
            signal.raise_signal(signal.SIGINT)

    def run(self, function):
        before = sys.gettrace()
        sys.settrace(self)
        try:
            return function()
        finally:
            sys.settrace(before)
