"""Sparse coding: the lasso by ISTA and FISTA, their unrolled networks, recovery."""

from measurelp.sparse.lasso import LassoGap, lasso_gap, soft_threshold
from measurelp.sparse.proximal import Progress, SparseCodes, fista, ista
from measurelp.sparse.recovery import (
    RecoveryRates,
    coherent_dictionary,
    least_l1_code,
    recovery_rates,
)
from measurelp.sparse.unrolled import LearnedNetwork, UnrolledNetwork, learn_ista, unroll_ista

__all__ = [
    "LassoGap", "LearnedNetwork", "Progress", "RecoveryRates", "SparseCodes", "UnrolledNetwork",
    "coherent_dictionary", "fista", "ista", "lasso_gap", "learn_ista", "least_l1_code",
    "recovery_rates", "soft_threshold", "unroll_ista",
]  # fmt: skip
