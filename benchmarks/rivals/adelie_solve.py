"""Run adelie on one problem; started by `../convex_rivals.py` with the interpreter of adelie's own environment.

    python adelie_solve.py INPUT.npz OUTPUT.npz TOLERANCE

Reads X (n, d), y, lam and gates (n, m) as booleans; writes the weights of both signs (m, d) and the seconds of building and
solving.  min 1/(2n) |y - sum_i D_i X (u_i - v_i)|^2 + lam/n sum |u_i| + |v_i|, u_i and v_i in the cone of cell i.  The penalty
comes down a path of 50 values: asked for the last value alone, or along fewer, it gives up or stops early.
"""

import sys
import time
from importlib.metadata import version

import adelie
import numpy as np

given = np.load(sys.argv[1])
X, y, gates, lam = given["X"], given["y"], given["gates"], float(given["lam"])
(n, d), m = X.shape, gates.shape[1]
start = time.perf_counter()
matrix = adelie.matrix.convex_relu(np.asfortranarray(X), np.asfortranarray(gates))
sides = [np.ascontiguousarray(np.where(gates[:, i : i + 1], X, -X)) for i in range(m)]
lower, upper = np.zeros(n), np.full(n, 1e9)
# Each needs an object of its own.
constraints = [adelie.constraint.linear(side, lower, upper) for side in sides + sides]
state = adelie.grpnet(
    X=matrix, glm=adelie.glm.gaussian(y), constraints=constraints,
    groups=np.arange(0, 2 * m * d, d), penalty=np.ones(2 * m), lmda_path=np.geomspace(100.0 * lam / n, lam / n, 50),
    intercept=False, early_exit=False, progress_bar=False, n_threads=1, tol=float(sys.argv[3]),
)  # fmt: skip
seconds = time.perf_counter() - start
betas = state.betas
if betas.shape[0] == 0:
    raise SystemExit("adelie returned an empty path")
beta = np.asarray(betas[-1].todense()).ravel().reshape(2, m, d)
np.savez(
    sys.argv[2], positive=beta[0], negative=beta[1], seconds=seconds, version=version("adelie")
)
