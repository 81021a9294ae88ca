"""Run a multitask lasso of sklearn or skglm; started by `../compress_layer.py`, for skglm in an environment of its own.

    python multitask_lasso.py INPUT.npz OUTPUT.npz {sklearn|skglm} TOLERANCE

Reads features (K, N), outputs (D, N) and lam; writes the weights (D, K), and the wall and processor seconds of `fit`.
min 1/(2N) |Psi - V Phi|^2 + lam/N sum |v_k|.  A fit of a tiny problem before compiles what is compiled.
"""

import sys
import time
import warnings
from importlib.metadata import version

import numpy as np

given = np.load(sys.argv[1])
X, Y, lam = given["features"].T.copy(), given["outputs"].T.copy(), float(given["lam"])
X = np.asfortranarray(X)
tol = float(sys.argv[4])


def model(alpha: float):
    if sys.argv[3] == "sklearn":
        from sklearn.linear_model import MultiTaskLasso

        return MultiTaskLasso(alpha=alpha, fit_intercept=False, tol=tol, max_iter=10**7)
    from skglm import MultiTaskLasso

    return MultiTaskLasso(
        alpha=alpha, fit_intercept=False, tol=tol, max_iter=1000, max_epochs=10**6
    )


warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
model(0.1).fit(np.asfortranarray(rng.standard_normal((20, 5))), rng.standard_normal((20, 3)))
asked = model(lam / len(X))
wall, processor = time.perf_counter(), time.process_time()
asked.fit(X, Y)
wall, processor = time.perf_counter() - wall, time.process_time() - processor
np.savez(
    sys.argv[2], weights=asked.coef_, wall=wall, processor=processor,
    version=version("scikit-learn" if sys.argv[3] == "sklearn" else "skglm"),
)  # fmt: skip
