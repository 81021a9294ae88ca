"""Run scnn (pyscnn) on one problem; started by `../convex_rivals.py` with the interpreter of scnn's own environment.

    python scnn_solve.py INPUT.npz OUTPUT.npz {defaults|unscaled|all|ecos}

Reads X (n, d), y, lam and gate weights (m, d); scnn minimises |f - y|^2/(2n) + lam/n |.|.  ``defaults`` is
`scnn.optimize.optimize` with 1000 sampled gates as a user would call it: single precision, and columns scaled to unit length, so
that it is another problem's optimum.  ``unscaled`` is the same on the data as they are, in double precision.  ``all`` gives its
augmented-Lagrangian solver a gate for every cell, to 1e-6, and ``ecos`` gives them to its program for CVXPY and ECOS.  Writes the
hidden and output weights of the network and the seconds of solving.
"""

import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from scnn.metrics import Metrics
from scnn.models import ConvexReLU
from scnn.optimize import optimize, optimize_model
from scnn.regularizers import NeuronGL1
from scnn.solvers import AL, CVXPYSolver

torch.set_num_threads(1)
given = np.load(sys.argv[1])
X, y, weights, lam = given["X"], given["y"], given["weights"], float(given["lam"])
n = len(X)
regularizer = NeuronGL1(lam / n)
unscaled = {"regularizer": regularizer, "unitize_data": False, "dtype": "float64"}
start = time.perf_counter()
if sys.argv[3] == "defaults":
    model, _ = optimize("relu", 1000, X, y[:, None], regularizer=regularizer)
elif sys.argv[3] == "unscaled":
    model, _ = optimize("relu", 1000, X, y[:, None], **unscaled)
else:
    model = ConvexReLU(weights.T.copy())
    solver = CVXPYSolver(model, "ecos") if sys.argv[3] == "ecos" else AL(model)
    model, _ = optimize_model(model, solver, Metrics(), X, y[:, None], **unscaled)
seconds = time.perf_counter() - start
first, second = (np.asarray(part, dtype=float) for part in model.parameters)
np.savez(sys.argv[2], hidden=first, output=second, seconds=seconds, version=version("pyscnn"))
