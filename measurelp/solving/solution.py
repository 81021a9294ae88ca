"""What solve returns: a measure, its certificate, and the way to a network and to disk."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp._display import compact, html_table
from measurelp.certificate import (
    Certificate,
    certify,
    infeasible_certificate,
    interpolation_obstacle,
)
from measurelp.certificate.certify import DEFAULT_NODES
from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.measure import AtomicMeasure, Skip
from measurelp.network import (
    ReluNetwork,
    network_from_measure,
    parts_from_network,
    read_folder,
    write_folder,
)
from measurelp.oracle import Budget
from measurelp.problem import (
    BALLS,
    LOSSES,
    Loss,
    MeasureProblem,
    activation_document,
    activation_from_document,
    finite_matrix,
)
from measurelp.proof import DEFAULT_RECORDS, Proof, write_proof
from measurelp.solving.limits import deadline_after
from measurelp.status import Termination, Verdict

_LEAST_SECONDS = 10.0  # for certifying a saved bracket again


@dataclass(frozen=True, eq=False)
class Solution:
    """A measure with its certificate.

    Attributes
    ----------
    problem : MeasureProblem
    measure : AtomicMeasure
        Merged, pruned to an extreme point; unit atoms, signed masses, the skip.
    dual : (n,) or (n, c) array
        The dual vector of the certificate.
    certificate : Certificate
        Minted for ``measure`` after everything else was done.
    termination : Termination
        Why the algorithm stopped.
    stats : dict
        Rounds, cells, oracle and why it was chosen, seconds.
    """

    problem: MeasureProblem
    measure: AtomicMeasure
    dual: NDArray[np.float64]
    certificate: Certificate
    termination: Termination
    stats: dict[str, Any] = field(default_factory=dict)
    units: ClassVar[str] = "neurons"
    floor: ClassVar[str] = "no network is below"

    @property
    def skip(self) -> Skip:
        """The unpenalised affine part, zero where the problem has none."""
        if self.measure.skip is not None:
            return self.measure.skip
        outputs = self.problem.y.shape[1:]
        return Skip(np.zeros((self.problem.d, *outputs)), np.zeros(outputs) if outputs else 0.0)

    @property
    def total_variation(self) -> float:
        """What the measure costs, before the factor lam: for separate outputs a sum of moduli."""
        return float(np.sum(self.problem.mass_norm(self.measure.masses)))

    @property
    def verdict_words(self) -> str:
        """What the verdict says."""
        return self.certificate.verdict.value

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """The network's outputs at new inputs, (n,) or (n, c)."""
        if self.problem.activation.is_homogeneous:
            return self.network().predict(X)
        inputs = finite_matrix("X", X)
        if inputs.shape[1] != self.problem.d:
            raise InvalidProblem(f"X: expected {self.problem.d} columns, found {inputs.shape[1]}.")
        inner = self.problem.lift(inputs) @ self.measure.atoms.T
        values = self.problem.activation.values(inner) @ self.measure.masses
        return np.asarray(values + self.skip.predict(inputs))

    def network(self) -> ReluNetwork:
        """The finite network, balanced, one neuron an atom.

        Threshold units have no length to be balanced by; use ``measure`` and :meth:`predict`.
        """
        if not self.problem.activation.is_homogeneous:
            raise InvalidProblem(
                "solution: threshold units do not scale with their weights, so there is no balanced "
                "network; use solution.measure and solution.predict."
            )
        return network_from_measure(
            self.measure, bias=self.problem.bias, activation=self.problem.activation
        )

    def save(
        self,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        request: dict[str, Any] | None = None,
    ) -> None:
        """Write the problem's data, the measure, the dual and the certificate to a folder.

        One JSON and one npz, no pickle, whole or not at all.  The network's weights are in it
        under plain names, so other programs can read them.

        Parameters
        ----------
        folder : path
        overwrite : bool
            Replace a folder that a solution was saved to.
        request : dict, optional
            What was asked, in words of JSON, kept beside the answer.
        """
        problem, certificate = self.problem, self.certificate
        document: dict[str, Any] = {}
        arrays: dict[str, NDArray[Any]] = {}
        if problem.activation.is_homogeneous:
            document, arrays = parts_from_network(self.network())
        document["problem"] = {
            "lam": problem.lam, "loss": problem.loss.name, "ball": problem.ball.name,
            "activation": activation_document(problem.activation), "bias": problem.bias, "skip": problem.skip,
            "outputs": problem.outputs,
            "loss_options": _loss_options(problem.loss),
        }  # fmt: skip
        document["certificate"] = {
            "verdict": certificate.verdict, "primal_value": certificate.primal_value,
            "dual_value": certificate.dual_value, "gap": certificate.gap,
            "relative_gap": certificate.relative_gap, "sup": list(certificate.sup),
            "limit": certificate.limit, "scope": certificate.scope,
            "tol_gap": certificate.tol_gap, "message": certificate.message,
        }  # fmt: skip
        document["termination"] = self.termination
        document["stats"] = self.stats
        if request is not None:
            document["request"] = request
        arrays |= {
            "X": problem.X, "y": problem.y, "atoms": self.measure.atoms,
            "masses": self.measure.masses, "dual": self.dual,
        }  # fmt: skip
        if problem.is_weighted:
            arrays["sample_weight"] = problem.sample_weight
        if self.measure.skip is not None:
            constant = np.broadcast_to(self.skip.constant, (1, *problem.y.shape[1:]))
            arrays["measure_skip"] = np.concatenate([self.skip.linear, constant])
        write_folder(folder, document, arrays, kind="solution", overwrite=overwrite)

    def proof(
        self,
        path: str | os.PathLike[str],
        *,
        max_records: int = DEFAULT_RECORDS,
        overwrite: bool = False,
    ) -> Proof:
        """Write a proof of optimality that ``measurelp check`` verifies in exact arithmetic.

        See :func:`measurelp.proof.write_proof`; the file is about :meth:`network`.

        Examples
        --------
        >>> import tempfile, measurelp as mlp
        >>> solution = mlp.solve(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     proof = solution.proof(f"{folder}/proof.json")
        >>> proof.primal_value <= 0.195 + 1e-6, proof.gap <= 1e-6
        (True, True)
        """
        return write_proof(
            path, self.problem, self.network(), self.certificate, max_records=max_records,
            overwrite=overwrite,
        )  # fmt: skip

    def __repr__(self) -> str:
        certificate = self.certificate
        if certificate.verdict is Verdict.INFEASIBLE:
            return f"Solution(INFEASIBLE: {certificate.message})"
        return (
            f"Solution({certificate.verdict.name}, objective={certificate.primal_value:.9g}, "
            f"relative_gap={certificate.relative_gap:.2g}, {len(self.measure)} atoms, "
            f"{self.termination.name}, {self.stats.get('seconds', float('nan')):.3g} s)"
        )

    def _repr_html_(self) -> str:
        certificate, measure = self.certificate, self.measure
        rows = [
            ("problem", repr(self.problem)),
            ("objective", compact(certificate.primal_value, 12)),
            (self.floor, compact(certificate.dual_value, 12)),
            (
                "relative gap",
                f"{certificate.relative_gap:.2e} (asked for {certificate.tol_gap:.0e})",
            ),
            (
                "network",
                f"{len(measure)} {self.units}, total variation {compact(measure.total_variation)}",
            ),
            ("stopped", self.termination.value),
        ]
        return html_table(f"{certificate.verdict.name}: {self.verdict_words}", rows)


def load_solution(folder: str | os.PathLike[str], *, time_limit: float | None = None) -> Solution:
    """Read a saved solution and certify it again from its own data.

    The file's verdict is a claim like any other: it is not believed but recomputed, and a
    file whose numbers do not follow from its data is refused.

    Parameters
    ----------
    folder : path
    time_limit : float, optional
        Seconds for the certification.  By default there is no limit for what says OPTIMAL, and a
        bracket gets as long as its solve took, or 10 seconds.  What is not proved in time is
        BRACKETED; with 0 nothing is looked at but the objective.

    Raises
    ------
    InvalidFile
        If the folder is unreadable, truncated, edited, of another kind, or its objective or
        verdict is not what its data give.
    """
    document, arrays = read_folder(folder, kind="solution")
    try:
        stated, claimed = document["problem"], document["certificate"]
        activation = stated["activation"]
        if activation == "relu":  # as it was written before there were others
            activation = {"name": "relu"}
        loss = LOSSES[stated["loss"]](**stated["loss_options"])
        problem = MeasureProblem(
            arrays["X"], arrays["y"], lam=stated["lam"], loss=loss, bias=stated["bias"],
            ball=None if stated["ball"] == "count" else BALLS[stated["ball"]](),
            activation=activation_from_document(activation),
            skip=stated["skip"], outputs=stated.get("outputs", "joint"),
            sample_weight=arrays.get("sample_weight"),
        )  # fmt: skip
        skip = None
        if "measure_skip" in arrays:
            linear, constant = arrays["measure_skip"][:-1], arrays["measure_skip"][-1]
            skip = Skip(linear, float(constant) if constant.ndim == 0 else constant)
        measure = AtomicMeasure(arrays["atoms"], arrays["masses"], skip)
        tol_gap = claimed["tol_gap"]
        termination = Termination[document["termination"]]
        stats = dict(document["stats"])
        verdict, primal = Verdict[claimed["verdict"]], claimed["primal_value"]
        if verdict is Verdict.INFEASIBLE:
            q = interpolation_obstacle(problem)
            if q is None:
                raise InvalidFile(f"{folder}: says INFEASIBLE, but its data can be interpolated.")
            certificate = infeasible_certificate(problem, q)
        else:
            if time_limit is None and verdict is not Verdict.OPTIMAL:
                time_limit = max(_LEAST_SECONDS, float(stats.get("seconds") or 0.0))
            budget = Budget(deadline=deadline_after(time_limit), nodes=DEFAULT_NODES)
            certificate = certify(
                problem, measure, dual=arrays["dual"], tol_gap=tol_gap, budget=budget
            )
    except (KeyError, TypeError, InvalidProblem) as error:
        raise InvalidFile(f"{folder}: is not a complete saved solution ({error}).") from error
    found = certificate.primal_value
    same = (
        primal is None
        if np.isinf(found)
        else (primal is not None and abs(primal - found) <= 1e-9 * max(abs(found), abs(primal)))
    )
    if not same:
        raise InvalidFile(
            f"{folder}: says its objective is {primal}, but its data give {found:.17g}."
        )
    if verdict is Verdict.OPTIMAL and time_limit is None and not certificate.is_optimal:
        raise InvalidFile(
            f"{folder}: says OPTIMAL, but certifying it again gives {certificate.verdict.name}."
        )
    return Solution(problem, measure, certificate.dual, certificate, termination, stats)


def _loss_options(loss: Loss) -> dict[str, Any]:
    """The parameters of a loss."""
    options: dict[str, Any] = asdict(loss)  # type: ignore[call-overload]
    return options
