"""Certificates: what is proved about a candidate, recomputed from the data."""

from measurelp.certificate.bounds import (
    admissible_dual,
    evaluate,
    orthonormal_span,
    skip_basis,
    without_skip,
)
from measurelp.certificate.certificate import Certificate, Improvement
from measurelp.certificate.certify import (
    candidate_measure,
    certificate_from_reports,
    certify,
    infeasible_certificate,
    report_from_certificate,
)
from measurelp.certificate.dictionary_diagnostics import (
    DictionaryDiagnostics,
    dictionary_diagnostics,
)
from measurelp.certificate.feasibility import interpolation_obstacle
from measurelp.certificate.first_order import FirstOrder
from measurelp.certificate.nondegeneracy import Nondegeneracy, nondegeneracy
from measurelp.certificate.solution_set import SolutionSet, Sparsest, solution_set
from measurelp.certificate.uniqueness import Uniqueness, UniquenessVerdict, first_dual, uniqueness

__all__ = [
    "Certificate", "DictionaryDiagnostics", "FirstOrder", "Improvement", "Nondegeneracy", "SolutionSet", "Sparsest",
    "Uniqueness", "UniquenessVerdict", "admissible_dual", "candidate_measure",
    "certificate_from_reports", "certify", "dictionary_diagnostics", "evaluate", "first_dual", "infeasible_certificate",
    "interpolation_obstacle", "nondegeneracy", "orthonormal_span", "report_from_certificate",
    "skip_basis", "solution_set", "uniqueness", "without_skip",
]  # fmt: skip
