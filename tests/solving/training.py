"""Networks trained in torch: by L-BFGS, Adam and SGD, well and badly."""

import numpy as np


def data(seed, n=10, d=2):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def torch_objective(torch, module, X, y, lam):
    """1/2 sum (f - y)^2 + lam/2 sum of squares of all weights but the output bias."""
    fit = module(torch.tensor(X))[:, 0]
    decay = sum(
        (p**2).sum() for name, p in module.named_parameters() if name != "2.bias"
    )  # fmt: skip
    return 0.5 * ((fit - torch.tensor(y)) ** 2).sum() + 0.5 * lam * decay


def trained(torch, X, y, lam, *, width, how, steps, seed, output_bias=False):
    """Linear, ReLU, Linear in double precision."""
    torch.manual_seed(seed)
    module = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], width), torch.nn.ReLU(),
        torch.nn.Linear(width, 1, bias=output_bias),
    ).double()  # fmt: skip
    parameters = list(module.parameters())
    if how == "lbfgs":
        optimiser = torch.optim.LBFGS(
            parameters, max_iter=steps, history_size=20, line_search_fn="strong_wolfe",
            tolerance_grad=1e-12, tolerance_change=1e-16,
        )  # fmt: skip
    else:
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[how]
        optimiser = kind(parameters, lr={"adam": 1e-2, "sgd": min(3e-3, 0.6 / width)}[how])

    def closure():
        optimiser.zero_grad()
        value = torch_objective(torch, module, X, y, lam)
        value.backward()
        return value

    for _ in range(1 if how == "lbfgs" else steps):
        optimiser.step(closure)
    return module
