"""Run globoptiml's exact mode on one problem; started by `../rivals.py` with the interpreter of globoptiml's own environment.

    python globoptiml_solve.py INPUT.npz OUTPUT.npz

Reads X (n, d), y and lam; writes how many cells of the rows of X it lists where it lists "all", and then the seconds and the unit
weights (k, d + 1) and masses (k,) of its answer, or the error: the licence that comes with gurobipy allows only small programs.
min 1/2 |y - mean(y) - f|^2 + lam |f|, with biases that are penalised.
"""

import sys
import time
from importlib.metadata import version

import gurobipy
import numpy as np
import optiml
from optiml.convex import _enumerate_all_patterns

given = np.load(sys.argv[1])
X, y, lam = given["X"], given["y"], float(given["lam"])
found = {"version": version("globoptiml"), "listed": len(_enumerate_all_patterns(X))}
model = optiml.ConvexReLUNet(X.shape[1], 1)
start = time.perf_counter()
try:
    model.fit(X, y, beta=lam, exact=True, verbose=False)
except (gurobipy.GurobiError, RuntimeError) as error:
    found["error"] = f"{type(error).__name__}: {error}".split(";")[0]
else:
    found |= {
        "seconds": time.perf_counter() - start,
        "weights": np.column_stack([model._hidden_weights, model._hidden_bias]),
        "masses": model._output_weights[0],
    }
np.savez(sys.argv[2], **found)
