"""Deep networks: layer by layer, and by what their layers hand on."""

from measurelp.deep.covariances import (
    CovariancePair,
    CovarianceRank,
    covariance_pair,
    covariance_rank,
)
from measurelp.deep.layers import LayerCertificate, LayerCertificates, certify_layers
from measurelp.deep.representations import (
    Forces,
    Representations,
    SplitWeights,
    representations,
    split_weights,
)

__all__ = [
    "CovariancePair", "CovarianceRank", "Forces", "LayerCertificate", "LayerCertificates",
    "Representations", "SplitWeights", "certify_layers", "covariance_pair", "covariance_rank",
    "representations", "split_weights",
]  # fmt: skip
