"""Mint certificates: everything is recomputed from the data, nothing is taken on trust."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp.certificate.bounds import (
    Evaluation,
    admissible_dual,
    dual_bound,
    evaluate,
    skip_basis,
    unit_atoms,
)
from measurelp.certificate.certificate import Certificate, gap_between, relative
from measurelp.certificate.improvement import best_improvement
from measurelp.dictionary.patterns import all_patterns
from measurelp.errors import InvalidProblem
from measurelp.measure import AtomicMeasure
from measurelp.network import ReluNetwork, measure_from_network, network_from_candidate
from measurelp.oracle import Budget, DualFunction, Oracle, OracleReport, choose_oracle
from measurelp.problem import Interpolation, MeasureProblem, RowSpace, row_space
from measurelp.status import Scope, Termination, Verdict

DEFAULT_NODES = 3_000_000
DualReport = tuple[NDArray[np.float64], OracleReport]


def certify(
    problem: MeasureProblem,
    candidate: AtomicMeasure | ReluNetwork | Any,
    *,
    dual: ArrayLike | None = None,
    tol_gap: float = 1e-6,
    oracle: str | Oracle | None = None,
    space: RowSpace | None = None,
    budget: Budget | None = None,
) -> Certificate:
    r"""The certificate of a candidate from its own residual and from ``dual``.

    Arguments and verdicts are those of :func:`measurelp.certify`, which also looks for a
    better dual vector where these two do not suffice.
    """
    measure = candidate_measure(problem, candidate)
    space = row_space(problem) if space is None else space
    chosen, _ = choose_oracle(oracle, space, problem=problem)
    budget = budget or Budget(nodes=DEFAULT_NODES)
    current = evaluate(problem, measure)
    basis = skip_basis(problem)

    duals: list[NDArray[np.float64]] = []
    if dual is not None:
        duals.append(admissible_dual(problem, _dual_vector(dual, problem.y.shape), basis))
    own = problem.dual_from_fit(current.fit)
    if own is None and not duals:
        own = _least_dual(problem, current)
    if own is not None:
        duals.append(admissible_dual(problem, own, basis))

    starts = space.coordinates(measure.atoms)
    starts = starts[np.linalg.norm(starts, axis=1) > 0.0]
    reports: list[DualReport] = []
    for alpha in duals:
        report = chosen.maximise(
            DualFunction(problem, space, alpha), tolerance=1e-10, starts=starts, budget=budget
        )
        reports.append((alpha, report))
        certificate = certificate_from_reports(problem, current, reports, tol_gap=tol_gap)
        if certificate.verdict is Verdict.OPTIMAL:
            break
    return certificate


def certificate_from_reports(
    problem: MeasureProblem,
    current: Evaluation,
    reports: list[DualReport],
    *,
    tol_gap: float,
    directions: NDArray[np.float64] | None = None,
) -> Certificate:
    """The certificate that the best of some dual vectors with their oracle reports gives.

    A neuron that lowers the objective is looked for at the reports' witnesses, at the atoms
    and at the unit weights ``directions`` (q, d').  At the atoms of a better measure with the
    same skip one is found, because the objective is convex in the measure.
    """
    best: tuple[float, float, NDArray[np.float64], OracleReport] | None = None
    for alpha, report in reports:
        value, scale = -math.inf, 1.0
        if report.scope is Scope.COMPLETE:
            value, scale = dual_bound(problem, alpha, report.upper)
        if best is None or value > best[0]:
            best = (value, scale, alpha, report)
    assert best is not None
    value, scale, alpha, report = best
    # What a fit that is off by rounding may pretend to gain.
    slack = _interpolation_slack(problem, current, alpha * scale)
    gap = gap_between(current.objective, value) + slack
    relative_gap = relative(gap, current.objective, value)
    improvement = None
    if report.scope is not Scope.COMPLETE:
        verdict = Verdict.UNVERIFIED
    elif relative_gap <= tol_gap:
        verdict = Verdict.OPTIMAL
    else:
        verdict = Verdict.BRACKETED
    if verdict is not Verdict.OPTIMAL:
        witnesses = np.array([report.witness for _, report in reports])
        if directions is not None:
            witnesses = np.vstack([witnesses, directions])
        improvement = best_improvement(problem, current, witnesses)
        if improvement is not None and improvement.objective < current.objective - 1e-13 * abs(
            current.objective
        ):
            verdict = Verdict.REFUTED
        else:
            improvement = None
    return Certificate(
        verdict=verdict, primal_value=current.objective, dual_value=value, gap=gap,
        relative_gap=relative_gap, sup=(report.lower, report.upper), limit=problem.lam,
        scope=report.scope, witness=report.witness, improvement=improvement, dual=alpha,
        tol_gap=tol_gap, message=_sentence(problem, current, verdict, relative_gap, report),
    )  # fmt: skip


def report_from_certificate(certificate: Certificate) -> DualReport:
    """A certificate's dual vector with the bracket that was proved for it."""
    lower, upper = certificate.sup
    assert certificate.witness is not None
    return certificate.dual, OracleReport(
        lower=lower, upper=upper, witness=certificate.witness, peaks=np.zeros((0, 0)),
        peak_values=np.zeros(0), scope=certificate.scope, termination=Termination.CONVERGED,
    )  # fmt: skip


def infeasible_certificate(problem: MeasureProblem, q: NDArray[np.float64]) -> Certificate:
    """The certificate that no measure interpolates: eta_q vanishes and <q, y> > 0."""
    return Certificate(
        verdict=Verdict.INFEASIBLE, primal_value=math.inf, dual_value=math.inf, gap=math.nan,
        relative_gap=math.nan, sup=(0.0, 0.0), limit=problem.lam, scope=Scope.COMPLETE, witness=q,
        improvement=None, dual=q, tol_gap=math.nan,
        message=(
            "no network interpolates these targets: every network f satisfies <q, f(X)> = 0 for "
            f"the vector q in `witness`, but <q, y> = {float(np.sum(q * problem.y)):.6g}; data points "
            f"involved: {', '.join(str(i) for i in np.unique(np.nonzero(q)[0])[:8])}"
        ),
    )  # fmt: skip


def candidate_measure(problem: MeasureProblem, candidate: Any) -> AtomicMeasure:
    """A candidate as a measure with unit atoms in the problem's own weight space."""
    network = network_from_candidate(candidate)
    if network is not None:
        candidate = measure_from_network(network, problem)
    if not isinstance(candidate, AtomicMeasure):
        raise InvalidProblem(
            "candidate: expected an AtomicMeasure, a ReluNetwork, a torch.nn.Module or a fitted MLP "
            f"of scikit-learn, found {type(candidate).__name__}."
        )
    width = problem.lifted.shape[1]
    if candidate.atoms.shape[1] != width:
        raise InvalidProblem(
            f"candidate: its atoms have {candidate.atoms.shape[1]} entries, the problem's hidden "
            f"weights {width} ({problem.d} inputs, bias={problem.bias})."
        )
    outputs = problem.y.shape[1:]
    if candidate.masses.shape[1:] != outputs:
        raise InvalidProblem(
            f"candidate: its masses have shape {candidate.masses.shape}, but the problem has "
            + (f"{problem.n_outputs} outputs." if outputs else "one output.")
        )
    skip = candidate.skip
    if skip is not None:
        if skip.linear.shape != (problem.d, *outputs):
            raise InvalidProblem(
                f"candidate: the linear part of its skip has shape {skip.linear.shape}, expected "
                f"{(problem.d, *outputs)}."
            )
        allowed = {"none": skip.is_zero, "constant": not np.any(skip.linear), "affine": True}
        if not allowed[problem.skip]:
            raise InvalidProblem(
                f"candidate: it has an unpenalised affine part, but the problem has "
                f'skip="{problem.skip}"; state the problem with the skip that was trained.'
            )
    if not problem.activation.is_homogeneous and len(candidate):
        known = all_patterns(problem).contains(problem.features(candidate.atoms).T > 0.0)
        if not known.all():
            raise InvalidProblem(
                f"candidate: what atom {int(np.argmin(known))} makes of the data is a matter of "
                "rounding: no weight has this pattern in exact arithmetic."
            )
    return unit_atoms(problem, candidate)


def _dual_vector(dual: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    alpha = np.array(dual, dtype=np.float64)
    if alpha.shape != shape or not np.isfinite(alpha).all():
        raise InvalidProblem(
            f"dual: expected finite numbers of shape {shape}, found shape {alpha.shape}."
        )
    return alpha


def _interpolation_slack(
    problem: MeasureProblem, current: Evaluation, alpha: NDArray[np.float64]
) -> float:
    if not isinstance(problem.loss, Interpolation):
        return 0.0
    return abs(float(np.sum(alpha * (current.fit - problem.y))))


def _least_dual(problem: MeasureProblem, current: Evaluation) -> NDArray[np.float64]:
    """The shortest alpha of a loss with kinks for which every atom is stationary on its own face.

    Where the fit is off the kinks alpha is known.  An atom w with mass c asks for
    sum_i alpha_i D_i x_i = lam sign(c) w, up to the walls that pass through it.  Any alpha gives
    a valid bound; this one is exact at a non-degenerate optimum.
    """
    if problem.is_vector:
        return _least_dual_of_outputs(problem, current)
    lifted = problem.lifted
    equations, right = [], []
    size = np.linalg.norm(lifted, axis=1)
    for w, mass in zip(current.measure.atoms, current.measure.masses, strict=True):
        inner = lifted @ w
        on_wall = np.abs(inner) <= 1e-7 * size * float(np.linalg.norm(w))
        active = (inner > 0.0) & ~on_wall
        target = np.append(w[: problem.n_penalized], np.zeros(len(w) - problem.n_penalized))
        if on_wall.any():
            _, singular, rows = np.linalg.svd(lifted[on_wall], full_matrices=True)
            face = rows[int(np.sum(singular > 1e-9 * max(singular[0], 1e-300))) :]
        else:
            face = np.eye(len(w))
        equations.append(face @ (lifted * active[:, None]).T)
        right.append(face @ target * problem.lam * math.copysign(1.0, mass))
    low, high = _ends_around(problem, current)
    alpha = np.clip(0.0, low, high)
    free = high > low
    basis = skip_basis(problem)
    if not free.any() or not (equations or basis.shape[1]):
        return alpha
    system = np.vstack([*equations, basis.T])
    values = np.concatenate([*right, np.zeros(basis.shape[1])])
    rest = values - system[:, ~free] @ alpha[~free]
    found = np.linalg.lstsq(system[:, free], rest, rcond=1e-12)[0]
    alpha[free] = np.clip(found, low[free], high[free])
    return alpha


def _least_dual_of_outputs(problem: MeasureProblem, current: Evaluation) -> NDArray[np.float64]:
    """The shortest alpha (n, c) with F(w) = lam times the mass's direction at every atom.

    Any alpha gives a valid bound; this one uses the masses alone.
    """
    masses = current.measure.masses
    if problem.outputs == "joint":
        sizes = problem.mass_norm(masses)[:, None]
        wanted = problem.lam * masses / np.where(sizes > 0.0, sizes, 1.0)
    else:
        wanted = problem.lam * np.sign(masses)
    basis = skip_basis(problem)
    system = np.vstack([current.features.T, basis.T])
    values = np.vstack([wanted, np.zeros((basis.shape[1], masses.shape[1]))])
    return np.asarray(np.linalg.lstsq(system, values, rcond=1e-12)[0])


def _ends_around(
    problem: MeasureProblem, current: Evaluation
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of minus the subdifferential; a fit within rounding of a kink is at it."""
    size = max(1e-300, float(np.abs(np.append(current.fit, problem.y)).max()))
    near = 1e-8 * size
    low, _ = problem.loss.dual_ends(current.fit + near, problem.y, problem.sample_weight)
    _, high = problem.loss.dual_ends(current.fit - near, problem.y, problem.sample_weight)
    return low, high


def _sentence(
    problem: MeasureProblem, current: Evaluation, verdict: Verdict, gap: float, report: OracleReport
) -> str:
    if verdict is Verdict.OPTIMAL:
        return f"proved globally optimal to a relative gap of {gap:.2g}"
    if isinstance(problem.loss, Interpolation) and math.isinf(current.objective):
        misfit = problem.loss.misfit(current.fit, problem.y)
        return (
            f"the candidate does not interpolate: it misses a target by {misfit:.2g} (relative; "
            f"at most {problem.loss.tolerance:g} counts as a fit)"
        )
    if verdict is Verdict.REFUTED:
        return (
            "not optimal: adding the neuron in `improvement` lowers the objective; the optimum "
            f"is at most {100 * min(gap, 1.0):.3g} % below"
        )
    if verdict is Verdict.UNVERIFIED:
        return "only a sample of weight space was searched: nothing is proved"
    return (
        f"neither proved nor refuted: the relative gap is {gap:.2g}, sup|eta| lies in "
        f"[{report.lower:.9g}, {report.upper:.9g}] against {problem.lam:.9g}"
    )
