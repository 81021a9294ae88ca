r"""
Is my torch network optimal?
============================

Train a network in torch with weight decay, state the problem that this training minimises, and ask. Half-way through,
the network is refuted: the certificate names a neuron whose addition lowers the objective. At the end it is
proved to be near the optimum of all widths, and how near.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

import measurelp as mlp

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 2))
y = np.abs(X[:, 0]) - np.maximum(X[:, 1], 0.0) + 0.05 * rng.standard_normal(60)
decay = 0.02
lam = mlp.lam_from_weight_decay(decay, n=len(X), loss="mean", penalty="half_squares")
problem = mlp.MeasureProblem(X, y, lam=lam)
print(f"MSELoss with weight_decay={decay} on {len(X)} rows: lam = {lam:g}")

torch.manual_seed(0)
model = torch.nn.Sequential(
    torch.nn.Linear(2, 40), torch.nn.ReLU(), torch.nn.Linear(40, 1, bias=False)
).double()
optimiser = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=decay)
data, target = torch.tensor(X), torch.tensor(y)[:, None]
certificates, networks = {}, {}
for step in range(3001):
    if step in (100, 300, 1000, 3000):
        certificates[step] = mlp.certify(problem, model, tol_gap=1e-3)
        networks[step] = mlp.network_from_torch(model)
    if step == 1500:
        optimiser.param_groups[0]["lr"] = 0.001
    optimiser.zero_grad()
    torch.nn.functional.mse_loss(model(data), target).backward()
    optimiser.step()
for step, certificate in certificates.items():
    print(
        f"step {step:4d}: objective {certificate.primal_value:.5f}, proved optimum at least "
        f"{certificate.dual_value:.5f}: {certificate.verdict.name}"
    )

# %%
# The dual function of the residual on the sphere of unit weights, with the network's neurons. At step 100 it exceeds the
# level inside the black lines: neurons are missing there. At the end what exceeds it is worth next to nothing.

early = certificates[100]
print(
    "a neuron to add at step 100:",
    np.round(early.improvement.weight, 3),
    f"mass {early.improvement.mass:+.3f}",
)

figure = plt.figure(figsize=(9.8, 3.6), layout="constrained")
for place, step in enumerate((100, 3000), start=1):
    ax = figure.add_subplot(1, 2, place, projection="mollweide")
    measure = mlp.measure_from_network(networks[step])
    mlp.plotting.plot_dual_function(problem, y - networks[step].predict(X), measure=measure, ax=ax)
    ax.set_title(f"step {step}: {certificates[step].verdict.name}", pad=10)
plt.show()
