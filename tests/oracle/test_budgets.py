"""However early an oracle is stopped, its bracket holds the supremum, and the whole run's bracket."""

import signal
import threading
import time

import numba
import numpy as np
import pytest
from oracles import brute
from oracles.families import NASTY

from measurelp._jit_kernels import compile_seconds
from measurelp.oracle import Budget, ConeOracle, SignOracle, choose_oracle
from measurelp.status import Scope, Termination
from oracle import functions

BIASES = ("none", "penalized", "free")
WHOLE = Budget(nodes=20_000)
LIMITED = (Termination.NODE_LIMIT, Termination.TIME_LIMIT)


def draw(family, bias, seed):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    kind = functions.ALPHAS[int(rng.integers(len(functions.ALPHAS)))]
    X = NASTY[family](rng, n, d)
    return functions.dual_function(X, functions.draw_alpha(kind, rng, n), bias), rng


def budgets(rng):
    """Of nodes, of time that is over or is over soon, of both."""
    now = time.perf_counter()
    yield from (Budget(nodes=k) for k in (1, 2, 3, int(rng.integers(4, 40))))
    yield Budget(deadline=now - 1.0)
    yield Budget(deadline=now)
    yield Budget(deadline=now + 10.0 ** rng.uniform(-5, -3))
    yield Budget(deadline=now - 1.0, nodes=1)


def check(family, bias, seed) -> int:
    """Every budget on one function, by every oracle; how often a budget ended the work."""
    dual, rng = draw(family, bias, seed)
    exact = brute.supremum(dual.problem.X, dual.alpha, bias)
    stopped = 0
    for name, oracle in functions.able(dual, cells=bias != "free").items():
        whole = oracle.maximise(dual, tolerance=1e-10, budget=WHOLE)
        for budget in budgets(rng):
            level = exact * float(rng.choice([0.0, 0.0, 0.5, 1.0, 1.1]))
            starts = rng.standard_normal((2, dual.space.rank)) if rng.random() < 0.3 else None
            tolerance = float(rng.choice([0.0, 1e-10, 1e-3]))
            part = oracle.maximise(
                dual, level=level, tolerance=tolerance, starts=starts, budget=budget
            )
            try:
                assert part.scope is Scope.COMPLETE
                functions.assert_proved(dual, part, exact=exact)
                functions.assert_agree(dual, {"the whole run": whole, "a part": part})
                if part.termination is Termination.CONVERGED:
                    allowed = max(level, part.lower * (1 + tolerance)) * (1 + 1e-7)
                    floor = 1e-11 * functions.size_of(dual) + functions.leak_of(dual)
                    assert family not in ("gaussian", "grid", "mirrored") or (
                        part.upper <= allowed + floor
                    )
                else:
                    assert part.termination in LIMITED
                    stopped += 1
            except AssertionError as error:
                raise AssertionError(f"{name}, seed {seed}, {budget}: {error}") from error
    return stopped


@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("family", NASTY)
def test_small_functions(family, bias):
    """4 functions for each of 30 kinds, each with eight budgets for two to four oracles."""
    stopped = sum(check(family, bias, seed) for seed in range(4))
    assert stopped > 0


@pytest.mark.slow
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("family", NASTY)
def test_more_small_functions(family, bias):
    for seed in range(100, 125):
        check(family, bias, seed)


LARGE = [(1000, 3), (300, 5), (100, 8), (40, 12), (60, 25)]


def large(n, d, seed):
    """A Gaussian function, and one of the kind that a solve meets: large only near some peaks."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    if seed % 2:
        X = np.round(X)
    return functions.dual_function(X, rng.standard_normal(n), "none"), rng


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("n", "d"), LARGE)
def test_sampled_ascent_finds_nothing_higher(n, d, seed):
    """Beyond what can be enumerated: whatever the budget, nothing that ascent meets exceeds the bound."""
    dual, rng = large(n, d, seed)
    value, where = functions.sampled_ascent(dual.problem.X, dual.alpha, rng)
    found = float(brute.eta(dual.problem.X, dual.alpha, where)[0])
    assert abs(found) == pytest.approx(value, rel=1e-12)
    chosen, _ = choose_oracle("auto", dual.space)
    for oracle in (ConeOracle(), SignOracle(), chosen):
        uppers = []
        for nodes in (1, 10, 300):
            report = oracle.maximise(dual, tolerance=1e-6, budget=Budget(nodes=nodes))
            assert not brute.exceeds_exactly(dual.problem.X, dual.alpha, where, d, report.upper)
            assert report.lower <= report.upper < np.inf
            uppers.append(report.upper)
        late = oracle.maximise(dual, budget=Budget(deadline=time.perf_counter() + 0.01))
        assert not brute.exceeds_exactly(dual.problem.X, dual.alpha, where, d, late.upper)
        # The triangle inequality is what a bound without any work is.
        either = np.abs(dual.alpha) * np.linalg.norm(dual.problem.X, axis=1)
        simple = max(either[dual.alpha > 0].sum(), either[dual.alpha < 0].sum())
        assert uppers[-1] <= simple * (1 + 1e-9)


@pytest.mark.parametrize("oracle", [ConeOracle, SignOracle])
def test_brackets_of_longer_runs_are_nested_up_to_rounding(oracle):
    """More nodes never make what was proved before wrong: all brackets share a point."""
    rng = np.random.default_rng(2)
    dual = functions.dual_function(rng.standard_normal((40, 5)), rng.standard_normal(40))
    reports = {
        f"{nodes} nodes": oracle().maximise(dual, tolerance=1e-9, budget=Budget(nodes=nodes))
        for nodes in (1, 3, 10, 30, 100, 1000, 100_000)
    }
    functions.assert_agree(dual, reports)
    uppers = [report.upper for report in reports.values()]
    assert uppers[-1] <= uppers[0]
    assert len({report.termination for report in reports.values()}) > 1


def interrupt_soon(seconds):
    """Ctrl-C for the main thread after some seconds; again every five, as one may be lost in a destructor.

    Until the event that is returned is set.
    """
    main, caught = threading.main_thread().ident, threading.Event()

    def press():
        wait = seconds
        while not caught.wait(wait):
            signal.pthread_kill(main, signal.SIGINT)
            wait = 5.0

    threading.Thread(target=press, daemon=True).start()
    return caught


@pytest.mark.parametrize("oracle", [ConeOracle, SignOracle])
def test_an_interrupted_oracle_can_be_asked_again(oracle):
    """Ctrl-C in the middle leaves nothing behind: the next answer is the same as without."""
    rng = np.random.default_rng(7)
    dual = functions.dual_function(rng.standard_normal((300, 9)), rng.standard_normal(300))
    small = functions.dual_function(rng.standard_normal((12, 3)), rng.standard_normal(12))
    before = oracle().maximise(small, tolerance=1e-9)
    instance = oracle()

    def endless():
        while True:  # whether or not the oracle is faster than the signal
            instance.maximise(dual, tolerance=1e-12, budget=Budget(nodes=100_000))

    for delay in (0.02, 0.05, 0.1):
        caught = interrupt_soon(delay)
        with pytest.raises(KeyboardInterrupt):
            endless()
        caught.set()
        after = instance.maximise(small, tolerance=1e-9)
        assert (after.lower, after.upper) == (before.lower, before.upper)
        assert after.stats == before.stats


def test_what_is_compiled_after_a_budget_was_made_puts_its_deadline_off():
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")
    budget = Budget(deadline=time.perf_counter() + 1000.0)
    before = compile_seconds()

    @numba.njit
    def called(x):
        return x + 1.0

    @numba.njit
    def calls(x):
        return called(x) * 2.0

    calls(1.0)
    now = time.perf_counter()
    took = compile_seconds() - before
    assert took > 0.0
    assert budget.seconds_left == pytest.approx(budget.deadline + took - now, abs=0.1)
    assert not budget.time_is_up


def test_nested_compilation_counts_once():
    if numba.config.DISABLE_JIT:
        pytest.skip("nothing is compiled")

    @numba.njit
    def called(x):
        return x - 1.0

    @numba.njit
    def calls(x):
        return called(x) * 3.0

    began, before = time.perf_counter(), compile_seconds()
    calls(1.0)
    assert compile_seconds() - before <= time.perf_counter() - began


@pytest.mark.parametrize("scale", [1.0, 2.0**40])
def test_a_proof_under_way_reports_bounds_that_hold(scale, monkeypatch):
    from measurelp.oracle import tree_search

    monkeypatch.setattr(tree_search, "_BETWEEN_REPORTS", 0.0)
    rng = np.random.default_rng(3)
    points, alpha = rng.standard_normal((40, 4)), scale * rng.standard_normal(40)
    dual = functions.dual_function(points, alpha, "none")
    said = []
    for oracle in (ConeOracle(), SignOracle()):
        said.clear()
        budget = Budget(report=lambda nodes, upper: said.append((nodes, upper)))
        report = oracle.maximise(dual, tolerance=1e-9, budget=budget)
        nodes, uppers = zip(*said, strict=True)
        assert len(said) > 1
        assert list(nodes) == sorted(nodes)
        assert list(uppers) == sorted(uppers, reverse=True)
        assert min(uppers) >= report.lower
        assert uppers[-1] == pytest.approx(report.upper, rel=1e-6)
