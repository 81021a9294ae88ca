"""scikit-learn's MLPs from and to networks.  sklearn is imported inside the functions."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp._optional import require
from measurelp.errors import InvalidProblem
from measurelp.network.chain import ReluChain, network_from_chain
from measurelp.network.relu_network import Form, ReluNetwork
from measurelp.problem.combinations import Bias

Matrix = NDArray[np.float64]


def is_sklearn_network(candidate: object) -> bool:
    """Whether an object is an MLP of scikit-learn, which is not imported to find out."""
    module = sys.modules.get("sklearn.neural_network")
    return module is not None and isinstance(candidate, (module.MLPRegressor, module.MLPClassifier))


def network_from_sklearn(estimator: Any, *, bias: Bias | None = None) -> ReluNetwork:
    """The network of a fitted ``MLPRegressor`` or ``MLPClassifier`` with one hidden ReLU layer.

    Parameters
    ----------
    estimator : MLPRegressor or MLPClassifier
        Fitted, ``activation="relu"``.  Of a classifier the network gives what goes into the
        logistic function or the softmax.
    bias : {"penalized", "none", "free"}, optional
        What the hidden bias is; left out, "penalized", or "none" if it is zero.  scikit-learn
        itself does not penalise biases ("free").

    Raises
    ------
    InvalidProblem
        If it is not fitted, or not of this form.
    """
    require("sklearn.neural_network", extra="sklearn")
    if not is_sklearn_network(estimator):
        raise InvalidProblem(
            "estimator: expected an MLPRegressor or MLPClassifier, found "
            f"{type(estimator).__name__}."
        )
    if not hasattr(estimator, "coefs_"):
        raise InvalidProblem("estimator: it is not fitted; call fit first.")
    if estimator.activation != "relu":
        raise InvalidProblem(
            f"estimator: expected activation='relu', found {estimator.activation!r}."
        )
    output = getattr(estimator, "out_activation_", "identity")
    link = _LINKS.get(output)
    if link is None:
        raise InvalidProblem(
            f"estimator: its output passes through {output!r}, which is not known here."
        )
    chain = ReluChain([w.T for w in estimator.coefs_], estimator.intercepts_)
    if bias is None:
        bias = "penalized" if np.any(chain.biases[0]) else "none"
    network = network_from_chain(chain, bias=bias)
    inputs = np.random.default_rng(20240).standard_normal((16, network.d))
    with warnings.catch_warnings():
        # Fitted on a data frame, it would like names for the columns.
        warnings.simplefilter("ignore", UserWarning)
        ask = getattr(estimator, "predict_proba", estimator.predict)
        found = np.asarray(ask(inputs), dtype=np.float64)
    expected = link(network.predict(inputs).reshape(16, -1))
    if not np.allclose(found.reshape(expected.shape), expected, rtol=1e-9, atol=1e-9):
        raise InvalidProblem(
            "estimator: at random inputs its predictions are not those of its weights."
        )
    return network


def sklearn_from_network(
    network: ReluNetwork, *, classes: ArrayLike | None = None, form: Form = "balanced"
) -> Any:
    """The network as a fitted ``MLPRegressor``, or with ``classes`` an ``MLPClassifier``.

    Parameters
    ----------
    network : ReluNetwork
        scikit-learn has no skip: a linear one becomes ReLU neurons, which then cost twice its
        nuclear norm (:meth:`ReluNetwork.skip_as_neurons`).
    classes : array_like, optional
        The labels in increasing order: two for one output, one an output for several.
    form : {"balanced", "unit", "as is"}
        As for :func:`measurelp.torch_from_network`.

    Returns
    -------
    MLPRegressor or MLPClassifier
        It predicts, and can be fitted on with ``warm_start``; what records a training
        (``loss_curve_``) is not there.  A network without neurons gets one dead neuron.
    """
    home = require("sklearn.neural_network", extra="sklearn")
    network.require_relu("scikit-learn's relu")
    network = network.skip_as_neurons().in_form(form)
    c = network.outputs
    hidden, hidden_bias = network.hidden_weights, network.hidden_bias
    output = network.output_weights.reshape(network.width, c)
    if not network.width:
        hidden, hidden_bias, output = np.zeros((1, network.d)), np.zeros(1), np.zeros((1, c))
    options = {"hidden_layer_sizes": (len(hidden),), "activation": "relu"}
    estimator: Any
    if classes is None:
        estimator = home.MLPRegressor(**options)
        estimator.out_activation_ = "identity"
    else:
        preprocessing = require("sklearn.preprocessing", extra="sklearn")
        labels = np.unique(np.asarray(classes))
        if labels.shape != ((2,) if c == 1 else (c,)):
            raise InvalidProblem(
                f"classes: expected {2 if c == 1 else c} distinct labels for {c} output(s), found "
                f"{len(labels)}."
            )
        estimator = home.MLPClassifier(**options)
        estimator.out_activation_ = "logistic" if c == 1 else "softmax"
        estimator._label_binarizer = preprocessing.LabelBinarizer().fit(labels)
        estimator.classes_ = labels
    estimator.coefs_ = [hidden.T.copy(), output.copy()]
    estimator.intercepts_ = [hidden_bias.copy(), np.atleast_1d(network.output_bias).copy()]
    estimator.n_layers_ = 3
    estimator.n_outputs_ = c
    estimator.n_features_in_ = network.d
    estimator.n_iter_ = estimator.t_ = 0
    return estimator


def _logistic(values: Matrix) -> Matrix:
    with np.errstate(over="ignore"):
        one = 1.0 / (1.0 + np.exp(-values))
    return np.hstack([1.0 - one, one])


def _softmax(values: Matrix) -> Matrix:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


_LINKS = {"identity": lambda values: values, "logistic": _logistic, "softmax": _softmax}
