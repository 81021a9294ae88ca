"""Exact training of infinitely wide two-layer ReLU networks, with a proof of optimality.

>>> import measurelp as mlp
>>> mlp.MeasureProblem([[1.0, 0.0], [0.0, 1.0]], [3.0, 4.0], lam=0.5, bias="none")
MeasureProblem(n=2, d=2, lam=0.5, loss=squared, bias=none, skip=none)

Importing has no side effect and loads none of the modules below: a public name is imported
from its home when it is first asked for.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from measurelp._version import __version__

if TYPE_CHECKING:
    import measurelp.plotting as plotting
    from measurelp.arrangement import (
        Arrangement,
        Cells,
        count_cells,
        enumerate_cells,
        iter_cells,
    )
    from measurelp.backends import cvxpy_from_problem
    from measurelp.certificate import (
        Certificate,
        DictionaryDiagnostics,
        Nondegeneracy,
        SolutionSet,
        Uniqueness,
        UniquenessVerdict,
        dictionary_diagnostics,
        nondegeneracy,
        solution_set,
        uniqueness,
    )
    from measurelp.cli.machine import info
    from measurelp.deep import (
        CovarianceMinimum,
        CovariancePair,
        CovarianceRank,
        Forces,
        LayerCertificate,
        LayerCertificates,
        MatrixReport,
        Plateau,
        RepresentationCost,
        Representations,
        SplitWeights,
        WidthBounds,
        certify_layers,
        covariance_objective,
        covariance_pair,
        covariance_rank,
        matrix_report,
        minimise_covariances,
        plateau_curve,
        representation_cost,
        representations,
        split_weights,
        variation_network,
        width_bounds,
    )
    from measurelp.dictionary import Dictionary
    from measurelp.errors import (
        BackendError,
        BudgetExceeded,
        InvalidFile,
        InvalidProblem,
        MeasurelpError,
        MissingDependency,
    )
    from measurelp.estimators import MeasureClassifier, MeasureRegressor, MeasureRegressorCV
    from measurelp.measure import AtomicMeasure, Skip
    from measurelp.network import (
        BalanceReport,
        InputScaler,
        ReluChain,
        ReluNetwork,
        balance_report,
        chain_from_network,
        chain_from_onnx,
        chain_from_safetensors,
        chain_from_state_dict,
        chain_from_torch,
        compress,
        compress_layer,
        load_network,
        load_scaler,
        measure_from_network,
        network_from_chain,
        network_from_measure,
        network_from_onnx,
        network_from_safetensors,
        network_from_sklearn,
        network_from_state_dict,
        network_from_torch,
        onnx_from_network,
        prune_network,
        rebalance,
        safetensors_from_network,
        share_neurons,
        sharing_radius,
        sklearn_from_network,
        torch_from_chain,
        torch_from_network,
    )
    from measurelp.problem import (
        Absolute,
        AbsoluteValue,
        Hinge,
        Huber,
        Interpolation,
        L1Ball,
        L2Ball,
        LeakyReLU,
        LInfBall,
        Logistic,
        Loss,
        MeasureProblem,
        MultinomialLogistic,
        Poisson,
        Quantile,
        ReLU,
        Squared,
        SquaredHinge,
        Threshold,
        lam_from_weight_decay,
    )
    from measurelp.report import write_report
    from measurelp.solving import (
        Breakpoints,
        Diagnosis,
        EventKind,
        GatedRelaxation,
        PathEvent,
        PathSegment,
        Solution,
        SolutionPath,
        Stability,
        StabilityVerdict,
        certify,
        diagnose,
        fewest_knots,
        gated_relaxation,
        lam_max,
        lam_max_bracket,
        load_solution,
        path_breakpoints,
        solve,
        solve_path,
        stability,
    )
    from measurelp.status import PointKind, Scope, Standing, Termination, Verdict

_HOMES = {
    "measurelp.problem": (
        "Absolute", "AbsoluteValue", "Hinge", "Huber", "Interpolation", "L1Ball", "L2Ball", "LInfBall", "LeakyReLU", "Logistic", "Loss",
        "MeasureProblem", "Poisson", "Quantile", "ReLU", "Squared", "SquaredHinge",
        "Threshold",
        "MeasureProblem", "MultinomialLogistic", "Poisson", "Quantile", "ReLU", "Squared", "SquaredHinge",
        "lam_from_weight_decay",
    ),
    "measurelp.arrangement": (
        "Arrangement", "Cells", "count_cells", "enumerate_cells", "iter_cells",
    ),
    "measurelp.dictionary": ("Dictionary",),
    "measurelp.backends": ("cvxpy_from_problem",),
    "measurelp.measure": ("AtomicMeasure", "Skip"),
    "measurelp.network": (
        "BalanceReport", "InputScaler", "ReluChain", "ReluNetwork", "balance_report",
        "chain_from_network", "chain_from_onnx", "chain_from_safetensors", "chain_from_state_dict",
        "chain_from_torch", "compress", "compress_layer", "load_network", "load_scaler",
        "measure_from_network", "network_from_chain", "network_from_measure", "network_from_onnx",
        "network_from_safetensors", "network_from_sklearn", "network_from_state_dict",
        "network_from_torch", "onnx_from_network", "prune_network", "rebalance",
        "safetensors_from_network", "share_neurons", "sharing_radius", "sklearn_from_network",
        "torch_from_chain", "torch_from_network",
    ),
    "measurelp.deep": (
        "CovarianceMinimum", "CovariancePair", "CovarianceRank", "Forces", "LayerCertificate",
        "LayerCertificates", "MatrixReport", "Plateau", "RepresentationCost", "Representations",
        "SplitWeights", "WidthBounds", "certify_layers", "covariance_objective",
        "covariance_pair", "covariance_rank", "matrix_report", "minimise_covariances",
        "plateau_curve", "representation_cost", "representations", "split_weights",
        "variation_network", "width_bounds",
    ),
    "measurelp.certificate": (
        "Certificate", "DictionaryDiagnostics", "Nondegeneracy", "SolutionSet", "Uniqueness",
        "UniquenessVerdict", "dictionary_diagnostics", "nondegeneracy", "solution_set",
        "uniqueness",
    ),
    "measurelp.solving": (
        "Diagnosis", "Solution", "Stability", "StabilityVerdict", "certify", "diagnose", "lam_max",
        "load_solution", "solve", "stability",
        "Breakpoints", "Diagnosis", "EventKind", "GatedRelaxation", "PathEvent", "PathSegment", "Solution",
        "SolutionPath", "certify", "diagnose", "fewest_knots", "gated_relaxation", "lam_max", "lam_max_bracket", "load_solution",
        "path_breakpoints", "solve", "solve_path",
    ),
    "measurelp.status": ("PointKind", "Scope", "Standing", "Termination", "Verdict"),
    "measurelp.errors": (
        "BackendError", "BudgetExceeded", "InvalidFile", "InvalidProblem", "MeasurelpError",
        "MissingDependency",
    ),
    "measurelp.cli.machine": ("info",),
    "measurelp.report": ("write_report",),
    "measurelp.estimators": ("MeasureClassifier", "MeasureRegressor", "MeasureRegressorCV"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}
_ROOMS = ("plotting",)

# What a library owes to programs that do not configure logging: silence.
logging.getLogger("measurelp").addHandler(logging.NullHandler())

__all__ = [
    "Absolute",
    "AbsoluteValue",
    "Arrangement",
    "AtomicMeasure",
    "BackendError",
    "BalanceReport",
    "Breakpoints",
    "BudgetExceeded",
    "Cells",
    "Certificate",
    "CovarianceMinimum",
    "CovariancePair",
    "CovarianceRank",
    "Diagnosis",
    "Dictionary",
    "DictionaryDiagnostics",
    "EventKind",
    "Forces",
    "GatedRelaxation",
    "Hinge",
    "Huber",
    "InputScaler",
    "Interpolation",
    "InvalidFile",
    "InvalidProblem",
    "L1Ball",
    "L2Ball",
    "LInfBall",
    "LayerCertificate",
    "LayerCertificates",
    "LeakyReLU",
    "Logistic",
    "Loss",
    "MatrixReport",
    "MeasureClassifier",
    "MeasureProblem",
    "MeasureRegressor",
    "MeasureRegressorCV",
    "MeasurelpError",
    "MissingDependency",
    "MultinomialLogistic",
    "Nondegeneracy",
    "PathEvent",
    "PathSegment",
    "Plateau",
    "PointKind",
    "Poisson",
    "Quantile",
    "ReLU",
    "ReluChain",
    "ReluNetwork",
    "RepresentationCost",
    "Representations",
    "Scope",
    "Skip",
    "Solution",
    "SolutionPath",
    "SolutionSet",
    "SplitWeights",
    "Squared",
    "SquaredHinge",
    "Stability",
    "StabilityVerdict",
    "Standing",
    "Termination",
    "Threshold",
    "Uniqueness",
    "UniquenessVerdict",
    "Verdict",
    "WidthBounds",
    "__version__",
    "balance_report",
    "certify",
    "certify_layers",
    "chain_from_network",
    "chain_from_onnx",
    "chain_from_safetensors",
    "chain_from_state_dict",
    "chain_from_torch",
    "compress",
    "compress_layer",
    "count_cells",
    "covariance_objective",
    "covariance_pair",
    "covariance_rank",
    "cvxpy_from_problem",
    "diagnose",
    "dictionary_diagnostics",
    "enumerate_cells",
    "fewest_knots",
    "gated_relaxation",
    "info",
    "iter_cells",
    "lam_from_weight_decay",
    "lam_max",
    "lam_max_bracket",
    "load_network",
    "load_scaler",
    "load_solution",
    "matrix_report",
    "measure_from_network",
    "minimise_covariances",
    "network_from_chain",
    "network_from_measure",
    "network_from_onnx",
    "network_from_safetensors",
    "network_from_sklearn",
    "network_from_state_dict",
    "network_from_torch",
    "nondegeneracy",
    "onnx_from_network",
    "path_breakpoints",
    "plateau_curve",
    "plotting",
    "prune_network",
    "rebalance",
    "representation_cost",
    "representations",
    "safetensors_from_network",
    "share_neurons",
    "sharing_radius",
    "sklearn_from_network",
    "solution_set",
    "solve",
    "solve_path",
    "split_weights",
    "stability",
    "torch_from_chain",
    "torch_from_network",
    "uniqueness",
    "variation_network",
    "width_bounds",
    "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"measurelp.{name}")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'measurelp' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
