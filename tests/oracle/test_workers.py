"""The bracket does not depend on who works, nor on who dies."""

import _thread
import functools
import os
import signal
import threading
import time

import numpy as np
import pytest

from measurelp.errors import InvalidProblem
from measurelp.oracle import Budget, ConeOracle, SignOracle, choose_oracle, tree_search, workers
from measurelp.status import Termination
from oracle.test_anytime import gaussian

joblib = pytest.importorskip("joblib", reason="several workers need joblib")

CASES = [
    (ConeOracle, 100, 5, "none"), (ConeOracle, 40, 3, "free"), (SignOracle, 40, 6, "none"),
    (SignOracle, 30, 3, "free"), (SignOracle, 40, 4, "penalized"),
]  # fmt: skip


@pytest.fixture
def small_shares(monkeypatch):
    """Let problems of a tenth of a second be split and shared like those of minutes."""
    monkeypatch.setattr(tree_search, "_MOST_WORK", 20_000)
    monkeypatch.setattr(tree_search, "_FIRST_NODES", 4)
    monkeypatch.setattr(tree_search, "_WORTH_SHARING", 0)


def facts(report):
    """Everything that a bracket is made of, to the last bit."""
    return (
        report.lower, report.upper, report.stats, report.termination, report.witness.tobytes(),
        report.peaks.tobytes(),
    )  # fmt: skip


@pytest.mark.parametrize(("oracle", "n", "d", "bias"), CASES)
def test_any_number_of_workers_gives_the_same_bracket(
    oracle, n, d, bias, small_shares, monkeypatch
):
    seen = set()
    visit = tree_search.visit

    def noted(*task):
        seen.add(threading.get_ident())
        return visit(*task)

    monkeypatch.setattr(tree_search, "visit", noted)
    dual = gaussian(n, d, bias)
    for nodes in (None, 1_500):
        alone = oracle(n_jobs=1).maximise(dual, tolerance=1e-8, budget=Budget(nodes=nodes))
        assert seen == {threading.get_ident()}
        for n_jobs in (2, 3):
            shared = oracle(n_jobs=n_jobs).maximise(
                dual, tolerance=1e-8, budget=Budget(nodes=nodes)
            )
            assert facts(shared) == facts(alone)
            assert len(seen) > 1
        seen.clear()


@pytest.mark.parametrize(("oracle", "n", "d", "bias"), CASES)
def test_one_worker_needs_no_joblib(oracle, n, d, bias, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "joblib", None)
    report = oracle().maximise(gaussian(n, d, bias), budget=Budget(nodes=2_000))
    assert report.lower <= report.upper


def dying(parent, marker, *task):
    """Visit a tree; the first process that is not the parent and finds no marker is killed."""
    if os.getpid() != parent:
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return tree_search.visit(*task)


def killed_once(monkeypatch, tmp_path):
    marker = tmp_path / "killed"
    visit = functools.partial(dying, os.getpid(), str(marker))

    def mapped(self, _, tasks, heavy):
        return original(self, visit, tasks, heavy)

    original = workers.Workers.map
    monkeypatch.setattr(workers.Workers, "map", mapped)
    return marker


def test_a_killed_process_of_loky(small_shares, monkeypatch, tmp_path):
    dual = gaussian(100, 5)
    alone = ConeOracle().maximise(dual, tolerance=1e-8)
    marker = killed_once(monkeypatch, tmp_path)
    with joblib.parallel_config(backend="loky"):
        shared = ConeOracle(n_jobs=2).maximise(dual, tolerance=1e-8)
    assert marker.exists()
    assert facts(shared) == facts(alone)


@pytest.mark.slow
@pytest.mark.parametrize("oracle", [ConeOracle, SignOracle])
def test_a_killed_worker_of_a_dask_cluster(oracle, small_shares, monkeypatch, tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra measurelp[distributed]")
    dual = gaussian(40, 5)
    alone = oracle().maximise(dual, tolerance=1e-6)
    marker = killed_once(monkeypatch, tmp_path)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        shared = oracle(n_jobs=2).maximise(dual, tolerance=1e-6)
    assert marker.exists()
    assert facts(shared) == facts(alone)


def test_an_error_of_the_work_itself_is_seen(small_shares, monkeypatch):
    def failing(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(tree_search, "visit", failing)
    with pytest.raises(ZeroDivisionError):
        ConeOracle(n_jobs=2).maximise(gaussian(40, 3, "free"))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupt_reaches_the_caller(n_jobs, small_shares, monkeypatch):
    dual = gaussian(100, 5)
    whole = ConeOracle(n_jobs=n_jobs).maximise(dual, tolerance=1e-8)
    visit, calls = tree_search.visit, []

    def interrupted(*task):
        calls.append(task)
        if len(calls) == 20:
            _thread.interrupt_main()
        return visit(*task)

    monkeypatch.setattr(tree_search, "visit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ConeOracle(n_jobs=n_jobs).maximise(dual, tolerance=1e-8)
    again = ConeOracle(n_jobs=n_jobs).maximise(dual, tolerance=1e-8)
    assert facts(again) == facts(whole)


def test_a_deadline_with_workers(small_shares):
    dual = gaussian(200, 7)
    budget = Budget(deadline=time.perf_counter() + 0.05)
    report = ConeOracle(n_jobs=2).maximise(dual, budget=budget)
    assert report.termination is Termination.TIME_LIMIT
    assert 0.0 < report.lower <= report.upper < np.inf


def test_oracles_are_chosen_with_workers():
    space = gaussian(10, 4).space
    assert choose_oracle("cones", space, n_jobs=2)[0].n_jobs == 2
    assert choose_oracle("signs", space, n_jobs=3)[0].n_jobs == 3
    assert choose_oracle("auto", space)[0].n_jobs == 1


@pytest.mark.parametrize("n_jobs", [0, -1, True, 1.5, "2"])
def test_workers_that_cannot_be(n_jobs):
    with pytest.raises(InvalidProblem, match="n_jobs"):
        ConeOracle(n_jobs=n_jobs)


def test_workers_without_joblib(monkeypatch):
    monkeypatch.setattr(workers.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InvalidProblem, match="joblib"):
        SignOracle(n_jobs=2)
    assert SignOracle(n_jobs=1).n_jobs == 1


@pytest.mark.parametrize(
    ("n", "d", "name"),
    [
        (100, 3, "cones"), (150, 4, "cones"), (100, 5, "signs"), (300, 5, "cones"),
        (250, 6, "signs"), (400, 6, "cones"), (50, 10, "signs"), (100, 2, "angles"),
    ],
)  # fmt: skip
def test_the_measured_choice(n, d, name):
    oracle, why = choose_oracle("auto", gaussian(n, d).space)
    assert getattr(oracle, "first", oracle.name) == name
    assert str(d if d > 2 else "rank 2") in why
