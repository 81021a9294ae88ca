"""Networks on which conversions are tried: ordinary and degenerate, one output and several."""

import numpy as np

from measurelp.measure import Skip
from measurelp.network import ReluNetwork

DEFECTS = ("none", "dead", "zero output", "cancelling", "duplicated", "no neurons", "tiny and huge")


def random_network(seed):
    """A random network; the seed decides sizes, bias, skip, outputs and the defect."""
    rng = np.random.default_rng(seed)
    d, k = int(rng.integers(1, 6)), int(rng.integers(1, 9))
    outputs = (None, 1, 2, 4)[seed % 4]
    bias = ("penalized", "none", "free")[seed % 3]
    defect = DEFECTS[seed % len(DEFECTS)]
    shape = (k,) if outputs is None else (k, outputs)
    hidden, output = rng.standard_normal((k, d)), rng.standard_normal(shape)
    constants = np.zeros(k) if bias == "none" else rng.standard_normal(k)
    if defect == "dead":  # never active on any input: no weights, and a bias that is not positive
        hidden[0], constants[0] = 0.0, -abs(constants[0])
    elif defect == "zero output":
        output[0] = 0.0
    elif defect == "cancelling":  # weights that sum to zero, neurons that cancel each other
        hidden = np.vstack([hidden, hidden])
        constants = np.concatenate([constants, constants])
        output = np.concatenate([output, -output])
    elif defect == "duplicated":
        hidden = np.vstack([hidden, 2.0 * hidden])
        constants = np.concatenate([constants, 2.0 * constants])
        output = np.concatenate([output, output])
    elif defect == "no neurons":
        hidden, constants, output = hidden[:0], constants[:0], output[:0]
    elif defect == "tiny and huge":
        hidden, constants, output = hidden * 1e-9, constants * 1e-9, output * 1e9
    skip = None
    if rng.random() < 0.4:
        skip = Skip(rng.standard_normal((d, *shape[1:])))
    return ReluNetwork(
        hidden, constants, output_weights=output, skip=skip, bias=bias,
        output_bias=rng.standard_normal(shape[1:]) if rng.random() < 0.5 else 0.0,
    )  # fmt: skip


def inputs_of(network, seed):
    return np.random.default_rng([seed, 1]).standard_normal((11, network.d))


def assert_same_function(found, network, X):
    """Predictions equal to 1e-12 of the size of what is added up."""
    active = np.maximum(X @ network.hidden_weights.T + network.hidden_bias, 0.0)
    output = np.abs(network.output_weights).reshape(network.width, network.outputs)
    size = 1.0 + active @ output + np.abs(network.output_bias)
    if network.skip is not None:
        size = size + np.abs(X) @ np.abs(network.skip.linear).reshape(network.d, -1)
    expected = network.predict(X).reshape(len(X), -1)
    found = np.asarray(found).reshape(len(X), -1)
    assert found.shape == expected.shape
    worst = np.abs(found - expected) / size
    assert worst.max() <= 1e-12, worst.max()
