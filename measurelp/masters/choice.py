"""Which master solves the restricted programs of a problem."""

from __future__ import annotations

from measurelp.backends import Backend
from measurelp.masters.atom_master import AtomMaster
from measurelp.masters.conic_master import ConicMaster
from measurelp.masters.joint_master import JointMaster
from measurelp.masters.master import Master
from measurelp.masters.neurons import Matrix, Training
from measurelp.masters.newton_master import NewtonMaster
from measurelp.masters.sliding_master import SlidingMaster
from measurelp.problem import MeasureProblem

_RELU = (1.0, 0.0)


def choose_master(
    problem: MeasureProblem,
    training: Training,
    span: Matrix,
    backend: Backend,
    *,
    is_default_backend: bool,
) -> Master:
    """The fastest master that suits a problem; the conic one where a backend was named.

    ``span`` is an orthonormal basis of the training's skip columns.  A ball of flat faces has
    finitely many atoms; several outputs have masters of their own; one output of ReLUs slides, directly for
    the squared loss and by Newton's quadratic models for other smooth losses; cones suit the rest.
    """
    loss = problem.loss
    if problem.ball.fan is not None:
        return AtomMaster(training, None if is_default_backend else backend)
    if problem.is_vector and loss.is_smooth and not loss.is_quadratic:
        return NewtonMaster(training, backend)
    if problem.is_vector:
        return JointMaster(training, span, backend)
    slides = is_default_backend and loss.is_smooth and problem.activation.slopes == _RELU
    if slides and loss.is_quadratic:
        return SlidingMaster(training, span)
    return NewtonMaster(training, backend) if slides else ConicMaster(training, backend)
