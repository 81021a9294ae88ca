"""Networks and graphs of known cost."""

from itertools import pairwise

import numpy as np

import measurelp as mlp


def random_chain(rng, widths, *, biased=True):
    weights = [rng.standard_normal((m, n)) for n, m in pairwise(widths)]
    return mlp.ReluChain(weights, [0.3 * biased * rng.standard_normal(m) for m in widths[1:]])


def incidence(m):
    """Vertices by edges of the complete bipartite graph on m and m vertices."""
    edges = [(i, m + j) for i in range(m) for j in range(m)]
    E = np.zeros((2 * m, len(edges)))
    for k, (i, j) in enumerate(edges):
        E[i, k] = E[j, k] = 1.0
    return E
