"""From a candidate and its dual vector to a proof file, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

import measurelp.check_proof as checker
from measurelp.certificate import Certificate
from measurelp.errors import BudgetExceeded, InvalidProblem
from measurelp.network import ReluNetwork, measure_from_network
from measurelp.network.files import check_new_file, write_file
from measurelp.problem import MeasureProblem, row_space
from measurelp.proof.cones import record_cones
from measurelp.proof.exact import exact_dual, rationals, shortened
from measurelp.proof.records import Records
from measurelp.proof.signs import record_signs
from measurelp.status import Verdict

DEFAULT_RECORDS = 250_000
_MANY_COORDINATES, _FEW_LINES = 5, 250  # where signs took fewer records than cones


@dataclass(frozen=True)
class Proof:
    """What a proof file states, as read off the checker's own statement.

    Attributes
    ----------
    path : Path
    primal_value : float
        Upper bound of the network's objective.
    dual_value : float
        Lower bound of every network's objective.
    gap : float
        What the first is proved to exceed the second by, at most.
    misfit : float
        By how much the network misses a target, at most.
    data_sha256, statement_sha256 : str
        Digests of the data, and of problem, network and claim; ``measurelp check`` prints them.
    records, size : int
        Records of the covers, bytes of the file.
    """

    path: Path
    primal_value: float
    dual_value: float
    gap: float
    misfit: float
    data_sha256: str
    statement_sha256: str
    records: int
    size: int


def write_proof(
    path: str | os.PathLike[str],
    problem: MeasureProblem,
    network: ReluNetwork,
    certificate: Certificate,
    *,
    max_records: int = DEFAULT_RECORDS,
    overwrite: bool = False,
) -> Proof:
    r"""Write a proof that a network is optimal, for ``measurelp check`` and every sceptic.

    The dual vector of the certificate is made exact: orthogonal to the skip and scaled so that
    :math:`|\eta|` stays a little below lam; how much below is half of what the certificate's
    gap leaves of its ``tol_gap``.  Then weight space is covered by two trees, each node with a
    record that exact arithmetic checks.  The whole is checked before it is written.

    Parameters
    ----------
    path
        The file to write.
    problem : MeasureProblem
    network : ReluNetwork
        The candidate that ``certificate`` is about.
    certificate : Certificate
        Verdict OPTIMAL or BRACKETED.
    max_records : int
        Work at most so much.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Proof

    Raises
    ------
    InvalidProblem
        If the certificate brackets nothing, the skip cannot be made exact, or the problem is none
        that the checker knows: the losses that it knows are those whose dual objective is rational,
        with one output, no sample weights, the l2 ball and the ReLU.
    BudgetExceeded
        If more than ``max_records`` are needed; nothing is written.
    InvalidFile
        If the file exists or cannot be written.

    Notes
    -----
    With cones the number of records grows about sevenfold with each dimension and mildly with n;
    with signs it depends on n more than on the dimension.  What is proved holds for the network's
    weights and the data as the doubles they are.
    """
    check_new_file(path, overwrite=overwrite)
    document = proof_document(problem, network, certificate, max_records=max_records)
    text = json.dumps(document, separators=(",", ":"))
    if len(text) > checker.MAX_BYTES:
        raise BudgetExceeded(f"the proof has {len(text)} bytes, more than the checker reads.")
    try:
        proved = checker.check(document)
    except checker.Rejected as error:  # pragma: no cover - a bug, never written
        raise InvalidProblem(f"the proof does not hold in exact arithmetic: {error}.") from None
    write_file(path, (text + "\n").encode(), overwrite=overwrite)
    names = (field.name for field in fields(Proof) if field.name in proved)
    return Proof(path=Path(path), size=len(text) + 1, **{name: proved[name] for name in names})


def proof_document(
    problem: MeasureProblem, network: ReluNetwork, certificate: Certificate, *, max_records: int
) -> dict[str, Any]:
    """The proof as plain data."""
    if certificate.verdict not in (Verdict.OPTIMAL, Verdict.BRACKETED):
        raise InvalidProblem(
            f"the verdict is {certificate.verdict.name}: there is nothing to prove exactly."
        )
    losses = checker.SHAPE["problem"]["loss"]
    known = problem.loss.name in losses and not problem.is_vector and not problem.is_weighted
    if not known or problem.ball.name != "l2" or problem.activation.name != "relu":
        raise InvalidProblem(
            f"problem: exact proofs are for the losses {', '.join(losses)} with one output, "
            "no sample weights, the l2 ball and the ReLU."
        )
    measure_from_network(network, problem)  # refuse what is no candidate, in its words
    biases = network.hidden_bias if problem.has_bias else np.zeros(network.width)
    linear = np.zeros(problem.d) if network.skip is None else network.skip.linear.reshape(-1)
    parameter = getattr(problem.loss, "tau", getattr(problem.loss, "delta", 0.0))
    problem_entry = {
        "loss": problem.loss.name,
        "bias": problem.bias,
        "skip": problem.skip,
        "parameter": rationals(np.array(parameter)),
        "lam": rationals(np.array(problem.lam)),
        "X": rationals(problem.X),
        "y": rationals(problem.y),
    }
    network_entry = {
        "weights": rationals(network.hidden_weights),
        "biases": rationals(biases),
        "output": rationals(network.output_weights.reshape(-1)),
        "linear": rationals(linear),
        "constant": rationals(np.array(float(np.squeeze(network.output_bias)))),
    }
    dual = list(exact_dual(problem, certificate.dual * _factor(problem, certificate)))
    basis, rows = _coordinates(problem)
    parts = {"problem": problem_entry, "network": network_entry, "dual": dual, "basis": basis}
    shapes = {key: checker.SHAPE[key] for key in parts}
    stated = checker.shaped(parts, shapes, "document", {})
    try:
        primal, least, misfit = checker.values_of(
            stated["problem"], stated["network"], stated["dual"]
        )
        functions = checker.functions_of(stated["problem"], stated["dual"], stated["basis"], rows)
    except checker.Rejected as error:
        raise InvalidProblem(f"the dual vector cannot be made exact: {error}.") from None
    if problem.loss.is_hard_constraint:  # among networks that miss no target by more
        least -= misfit * sum(map(abs, stated["dual"]))
    gap = _rounded_up(primal - least)
    text = json.dumps([problem_entry, network_entry, gap], sort_keys=True)
    covers: list[Any] = []
    left = max_records
    for function in functions:
        covers.append(_cover(function, most=left))
        left -= len(covers[-1]["records"])
    return {
        "format": "measurelp-proof 3",
        "statement_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "problem": problem_entry,
        "network": network_entry,
        "gap": gap,
        "dual": dual,
        "basis": basis,
        "rows": rows,
        "covers": covers,
    }


def _cover(function: checker.Function, *, most: int) -> dict[str, Any]:
    """A cover by cones or, for many coordinates and few rows, by signs."""
    records = Records(most)
    if len(function.linear) >= _MANY_COORDINATES and len(function.lines) <= _FEW_LINES:
        record_signs(checker.Signs(*function), records)
        return {"kind": "signs", "records": list(records)}
    record_cones(checker.Cones(*function), records)
    return {"kind": "cones", "records": list(records)}


def _factor(problem: MeasureProblem, certificate: Certificate) -> float:
    """What alpha is multiplied by, so that the covers have some room below the limit."""
    upper, tol = certificate.sup[1], certificate.tol_gap
    room = max(0.5 * (tol - certificate.relative_gap), 0.05 * tol)
    largest = problem.lam * (1.0 - room) / upper if upper > 0.0 else 1.0
    return problem.best_scale(certificate.dual, largest)


def _coordinates(problem: MeasureProblem) -> tuple[Any, Any]:
    """A basis of the row space, and integers for rows in it; axes where the data have full rank."""
    space = row_space(problem)
    p = space.n_penalized
    basis, rows = np.eye(p), problem.lifted[:, : problem.n_penalized]
    if p < space.basis.shape[0]:
        basis, rows = space.basis, space.rows[:, :p]
    (unit, numerators), (row_unit, integers) = rationals(basis), rationals(shortened(rows))
    return [unit * row_unit, numerators], integers


def _rounded_up(value: Fraction) -> list[int]:
    """A decimal fraction of three digits that is at least the value."""
    if value <= 0:
        return [1, 0]
    size = value.numerator.bit_length() - value.denominator.bit_length()
    digits = max(0, 3 - math.floor(size * math.log10(2.0)))
    return [10**digits, math.ceil(value * 10**digits)]
