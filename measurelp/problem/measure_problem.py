"""What is asked: the data, the loss, the norm and the parts that are not penalised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp._display import compact, html_table
from measurelp.errors import InvalidProblem
from measurelp.problem.activations import NO_MEASURE, Activation, GatedReLU, ReLU
from measurelp.problem.balls import Ball, L2Ball
from measurelp.problem.combinations import (
    Bias,
    Outputs,
    Skip,
    ball_of_units,
    check_combination,
    check_instances,
)
from measurelp.problem.losses import Loss, Squared
from measurelp.problem.numbers import (
    check_choice,
    check_magnitude,
    finite_matrix,
    finite_targets,
    positive_number,
    sample_weights,
)


@dataclass(frozen=True, init=False, eq=False)
class MeasureProblem:
    r"""Training of an infinitely wide two-layer ReLU network as a problem over measures.

    .. math:: \min_{\mu,\, c,\, c_0}\; L\bigl(f(x_1), \dots, f(x_n)\bigr) + \lambda\,|\mu|_{TV},
              \qquad f(x) = \int \langle w, \tilde x\rangle_+ \,d\mu(w)
              \;[\,+\, \langle c, x\rangle + c_0\,]

    over signed measures on the unit ball of hidden weights.  With ``bias="penalized"``,
    :math:`\tilde x = (x, 1)` and the bias is the last weight and inside the ball; with
    ``bias="free"`` it is the last weight and does not count in the norm.  The part in
    brackets is there with ``skip="affine"`` (``skip="constant"``: only :math:`c_0`) and
    costs nothing.

    Parameters
    ----------
    X : (n, d) array_like
        Inputs, finite.
    y : (n,) or (n, c) array_like
        Targets, finite; with c > 1 columns masses are in R^c.  (n, 1) is (n,).  Losses of two classes read labels 0 and 1 as -1 and 1.
    lam : float
        Factor of the total variation, > 0.  For the squared loss the objective is
        :math:`\tfrac12\sum_i(f(x_i)-y_i)^2 + \lambda|\mu|_{TV}`: a sum, not a mean.  May be
        left out for :class:`~measurelp.Interpolation`, where it does not enter.
    loss : Loss
        :class:`~measurelp.Squared` (default), :class:`~measurelp.Interpolation`,
        :class:`~measurelp.Absolute`, :class:`~measurelp.Quantile`, :class:`~measurelp.Huber`,
        :class:`~measurelp.Hinge`, :class:`~measurelp.SquaredHinge`,
        :class:`~measurelp.Logistic` or :class:`~measurelp.Poisson`.
    ball : Ball
        Norm of the hidden weights; :class:`~measurelp.L2Ball` (default),
        :class:`~measurelp.L1Ball` or :class:`~measurelp.LInfBall`.
    activation : Activation
        :class:`~measurelp.ReLU` (default), :class:`~measurelp.LeakyReLU`,
        :class:`~measurelp.AbsoluteValue` or :class:`~measurelp.Threshold`, for which the norm
        does not enter.  :class:`~measurelp.GatedReLU` is another model, for :func:`~measurelp.solve` only.
    bias : {"penalized", "none", "free"}
        See above.
    skip : {"none", "constant", "affine"}
        See above.
    outputs : {"joint", "separate"}
        How the columns of a (n, c) target share neurons.  "joint": a mass costs its Euclidean norm,
        the penalty is :math:`\sum_k|v_k|_2|w_k|_2`, that of weight decay.  "separate": it costs
        the sum of its moduli, and the problem is c problems of one output.
    sample_weight : (n,) array_like, optional
        Factors :math:`s_i \ge 0` of the samples in the loss, :math:`L = \sum_i s_i\,\ell(f(x_i), y_i)`;
        a weight of 2 is the sample given twice.  1 if left out.

    Raises
    ------
    InvalidProblem
        With the name of the argument, what was found and what to do.  ``bias="free"`` with
        ``skip="none"`` is refused because its infimum is not attained: a constant is the
        limit of pairs of units whose kinks run off to infinity, at a cost that tends to 0.

    Examples
    --------
    >>> problem = MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none")
    >>> problem.n, problem.d, problem.lifted.shape
    (1, 2, (1, 2))
    """

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    lam: float
    loss: Loss
    ball: Ball
    activation: Activation
    bias: Bias
    skip: Skip
    outputs: Outputs
    sample_weight: NDArray[np.float64]

    def __init__(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        lam: float | None = None,
        loss: Loss | None = None,
        ball: Ball | None = None,
        activation: Activation | None = None,
        bias: Bias = "penalized",
        skip: Skip = "none",
        outputs: Outputs = "joint",
        sample_weight: ArrayLike | None = None,
    ) -> None:
        loss = Squared() if loss is None else loss
        ball = L2Ball() if ball is None else ball
        activation = ReLU() if activation is None else activation
        check_instances(loss, ball, activation)
        ball = ball_of_units(ball, activation)
        inputs = finite_matrix("X", X)
        targets = loss.prepared_targets(finite_targets(y, n=len(inputs)))
        check_choice("bias", bias, get_args(Bias))
        check_choice("skip", skip, get_args(Skip))
        check_choice("outputs", outputs, get_args(Outputs))
        check_combination(loss, ball, activation, bias, skip, outputs, inputs, targets)
        weights = sample_weights(sample_weight, n=len(inputs))
        if loss.is_hard_constraint and not np.all(weights > 0.0):
            raise InvalidProblem(
                f"sample_weight: some weights are 0, and the {loss.name} loss is a constraint, which "
                "has no weight; leave these rows out instead."
            )
        if loss.is_hard_constraint:
            strength = 1.0
            if lam is not None:
                positive_number("lam", lam)
        elif lam is None:
            raise InvalidProblem(
                f"lam: missing; the {loss.name} loss needs a factor > 0 of the total variation "
                "(mlp.lam_max(problem) is the value from which the zero measure is optimal)."
            )
        else:
            strength = positive_number("lam", lam)
        for name, numbers in (
            ("X", inputs),
            ("y", targets),
            ("lam", strength),
            ("sample_weight", weights),
        ):
            check_magnitude(name, numbers)
        inputs.setflags(write=False)
        targets.setflags(write=False)
        weights.setflags(write=False)
        fields: dict[str, object] = {
            "X": inputs,
            "y": targets,
            "lam": strength,
            "loss": loss,
            "ball": ball,
            "activation": activation,
            "bias": bias,
            "skip": skip,
            "outputs": outputs,
            "sample_weight": weights,
        }
        for name, field in fields.items():
            object.__setattr__(self, name, field)

    @property
    def n(self) -> int:
        """Number of data points."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """Number of input features, without the bias."""
        return int(self.X.shape[1])

    @property
    def is_vector(self) -> bool:
        """Whether targets are (n, c) and masses (k, c)."""
        return self.y.ndim == 2

    @property
    def n_outputs(self) -> int:
        """Number of outputs c."""
        return int(self.y.shape[1]) if self.is_vector else 1

    @cached_property
    def is_weighted(self) -> bool:
        """Whether some sample weight is not 1."""
        return bool(np.any(self.sample_weight != 1.0))

    @property
    def is_polyhedral(self) -> bool:
        """Whether finitely many hidden weights, known beforehand, suffice: a finite dictionary."""
        return self.ball.fan is not None or not self.activation.is_homogeneous

    @property
    def is_gated(self) -> bool:
        """Whether units stand behind fixed gates, so that networks are no measures on weights."""
        return isinstance(self.activation, GatedReLU)

    @property
    def has_bias(self) -> bool:
        """Whether hidden weights carry a bias as their last entry."""
        return self.bias != "none"

    @property
    def n_penalized(self) -> int:
        """How many leading entries of a hidden weight count in its norm."""
        return self.d + 1 if self.bias == "penalized" else self.d

    @cached_property
    def lifted(self) -> NDArray[np.float64]:
        """The inputs that hidden units see, (n, d) or (n, d + 1) with a last column of ones."""
        return self.lift(self.X)

    @cached_property
    def skip_columns(self) -> NDArray[np.float64]:
        """The columns of the unpenalised part, (n, 0), (n, 1) ones or (n, d + 1) = (X, ones)."""
        return self.skip_features(self.X)

    def lift(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Append the column of ones that the hidden bias multiplies, if there is one."""
        if not self.has_bias:
            return X
        return np.hstack([X, np.ones((len(X), 1))])

    def skip_features(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """The columns that the skip's coefficients multiply at inputs ``X``."""
        ones = np.ones((len(X), 1))
        if self.skip == "none":
            return ones[:, :0]
        return ones if self.skip == "constant" else np.hstack([X, ones])

    def weight_norm(self, atoms: NDArray[np.float64]) -> NDArray[np.float64]:
        """The ball's norm of each hidden weight, the free bias left out."""
        return self.ball.norm(atoms[:, : self.n_penalized])

    def features(self, atoms: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""The dictionary columns :math:`\langle x_i, w_k\rangle_+`, shape (n, k)."""
        return self.activation.values(self.lifted @ atoms.T)

    def mass_norm(self, masses: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each mass costs: its modulus, or the norm of its row that couples outputs, (k,)."""
        if masses.ndim == 1:
            return np.abs(masses)
        order = 2 if self.outputs == "joint" else 1
        return np.asarray(np.linalg.norm(masses, order, axis=1))

    def loss_value(self, fit: NDArray[np.float64]) -> float:
        """The weighted loss of a fit; inf outside its domain."""
        return self.loss.value(fit, self.y, self._weight)

    def dual_value(self, alpha: NDArray[np.float64]) -> float:
        """The dual objective of a dual vector; -inf outside its domain."""
        return self.loss.dual_value(alpha, self.y, self._weight)

    def dual_from_fit(self, fit: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Minus the gradient of the loss at a fit, or None where there is none."""
        return self.loss.dual_from_fit(fit, self.y, self._weight)

    def best_scale(self, alpha: NDArray[np.float64], largest: float) -> float:
        """The factor in [0, largest] with the greatest dual objective."""
        return self.loss.best_scale(alpha, self.y, largest, self._weight)

    @property
    def _weight(self) -> NDArray[np.float64] | None:
        return self.sample_weight if self.is_weighted else None

    def column(self, j: int) -> MeasureProblem:
        """The problem of one output alone."""
        return replace(self, y=self.y if self.y.ndim == 1 else self.y[:, j])

    def with_lam(self, lam: float) -> MeasureProblem:
        """The same problem at another lam."""
        return replace(self, lam=lam)

    def __repr__(self) -> str:
        lam = "" if self.loss.is_hard_constraint else f", lam={self.lam:g}"
        weighted = ", weighted" if self.is_weighted else ""
        several = f", c={self.n_outputs} {self.outputs}" if self.is_vector else ""
        return (
            f"MeasureProblem(n={self.n}, d={self.d}{several}{lam}, loss={self.loss.name}{weighted}, "
            f"bias={self.bias}, skip={self.skip})"
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                "data",
                f"{self.n} rows, {self.d} inputs" + (", weighted" if self.is_weighted else ""),
            ),
            ("loss", self.loss.name),
            ("lam", "does not enter" if self.loss.is_hard_constraint else compact(self.lam)),
            ("bias, skip", f"{self.bias}, {self.skip}"),
            ("ball, activation", f"{self.ball.name}, {self.activation.name}"),
        ]
        return html_table("Problem over measures", rows)


def check_problem(problem: object) -> None:
    """Refuse what is no problem."""
    if not isinstance(problem, MeasureProblem):
        raise InvalidProblem(f"problem: expected a MeasureProblem, found {type(problem).__name__}.")


def check_measures(problem: MeasureProblem) -> None:
    """Refuse a problem whose networks are no measures on weights, and what is no problem."""
    check_problem(problem)
    if problem.is_gated:
        raise InvalidProblem(NO_MEASURE)
