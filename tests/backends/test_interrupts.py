"""Ctrl-C while a solver works: it stops, and the interrupt is neither lost nor raised inside it."""

import os
import signal

import numpy as np
import pytest
from scipy import sparse

import measurelp as mlp
from measurelp.backends import ClarabelBackend, HighsBackend
from measurelp.interrupts import interruptible, remembered_interrupts
from measurelp.program import ConeProgram

SOLVERS = [HighsBackend(), ClarabelBackend()]


@pytest.fixture(scope="module")
def program():
    """min <c, x>, A x = b, x >= 0, which takes more than one iteration."""
    rng = np.random.default_rng(5)
    rows = rng.standard_normal((20, 60))
    A = sparse.csc_array(np.vstack([rows, -np.eye(60)]))
    b = np.append(rows @ rng.random(60), np.zeros(60))
    return ConeProgram(P=None, q=1.0 + rng.random(60), A=A, b=b, zero=20, nonneg=60)


@pytest.mark.parametrize("backend", SOLVERS, ids=lambda one: one.name)
def test_what_somebody_remembers_stops_the_solver(backend, program):
    assert backend.solve(program).termination is mlp.Termination.CONVERGED
    with remembered_interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        report = backend.solve(program)
        assert interrupts.requested
    assert report.termination is mlp.Termination.INTERRUPTED


@pytest.mark.parametrize("backend", SOLVERS, ids=lambda one: one.name)
def test_the_callers_own_handler_is_left_alone(backend, program):
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        assert backend.solve(program).termination is mlp.Termination.CONVERGED
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed


def test_what_nobody_remembers_is_raised_after_the_call():
    with pytest.raises(KeyboardInterrupt):
        press_inside()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def press_inside():
    with interruptible() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts()  # and not raised yet


def test_nothing_is_raised_where_nothing_was_pressed():
    with interruptible() as interrupts:
        pass
    assert not interrupts.requested
