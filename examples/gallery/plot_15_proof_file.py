r"""
A proof that anybody can check
==============================

``solution.proof`` writes the certificate as integers: a dual vector, and cones that cover all of weight space with a
bound on each. ``measurelp check``, one file of plain Python without dependencies, verifies it in exact arithmetic. The
picture shows the cones on the sphere of unit weights, and how often each had to be split.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import measurelp as mlp
from measurelp import check_proof

rng = np.random.default_rng(0)
X = rng.standard_normal((20, 2))
y = np.maximum(X @ [1.0, 0.5], 0.0) - np.maximum(X @ [-0.5, 1.0], 0.0)
solution = mlp.solve(mlp.MeasureProblem(X, y, lam=0.3))

figure = plt.figure(figsize=(9.8, 3.6), layout="constrained")
left, right = figure.add_gridspec(1, 2)
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "proof.json"
    proof = solution.proof(file)
    print(
        f"{proof.size} bytes; proved in exact arithmetic: the gap is at most {float(proof.gap):.1e}"
    )
    check_proof.main([str(file)])
    mlp.plotting.plot_cover(file, ax=figure.add_subplot(right, projection="mollweide"))
mlp.plotting.plot_certificate(solution, ax=figure.add_subplot(left, projection="mollweide"))
plt.show()
