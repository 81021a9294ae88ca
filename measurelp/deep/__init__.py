"""Deep networks: layer by layer, and by what their layers hand on."""

from measurelp.deep.covariance_descent import (
    CovarianceMinimum,
    covariance_objective,
    minimise_covariances,
)
from measurelp.deep.covariances import (
    CovariancePair,
    CovarianceRank,
    covariance_pair,
    covariance_rank,
)
from measurelp.deep.instances import (
    StuckInstance,
    WideInstance,
    complete_bipartite,
    complete_bipartite_by_samples,
    narrow_local_minimum,
)
from measurelp.deep.interpolation_cost import RepresentationCost, representation_cost
from measurelp.deep.layer_values import (
    Forces,
    Representations,
    SplitWeights,
    representations,
    split_weights,
)
from measurelp.deep.layers import LayerCertificate, LayerCertificates, certify_layers
from measurelp.deep.plateau import Plateau, WidthBounds, plateau_curve, width_bounds
from measurelp.deep.variation import MatrixReport, matrix_report, variation_network

__all__ = [
    "CovarianceMinimum", "CovariancePair", "CovarianceRank", "Forces", "LayerCertificate",
    "LayerCertificates", "MatrixReport", "Plateau", "RepresentationCost", "Representations",
    "SplitWeights", "StuckInstance", "WideInstance", "WidthBounds", "certify_layers",
    "complete_bipartite", "complete_bipartite_by_samples", "covariance_objective",
    "covariance_pair", "covariance_rank", "matrix_report", "minimise_covariances",
    "narrow_local_minimum", "plateau_curve", "representation_cost", "representations",
    "split_weights", "variation_network", "width_bounds",
]  # fmt: skip
