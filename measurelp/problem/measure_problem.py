"""What is asked: the data, the loss, the norm and the parts that are not penalised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurelp._display import compact, html_table
from measurelp.errors import InvalidProblem
from measurelp.problem.activations import NO_MEASURE, Activation, GatedReLU, ReLU
from measurelp.problem.balls import Ball, L2Ball, UnitCount
from measurelp.problem.losses import Loss, Squared
from measurelp.problem.numbers import float_array, positive_number

Bias = Literal["none", "penalized", "free"]
Skip = Literal["none", "constant", "affine"]
Outputs = Literal["joint", "separate"]


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
        for name, value, kind in (
            ("loss", loss, Loss), ("ball", ball, Ball), ("activation", activation, Activation)
        ):  # fmt: skip
            if isinstance(value, type) or not isinstance(value, kind):
                raise InvalidProblem(
                    f"{name}: expected an instance such as mlp.{_EXAMPLES[name]}, found {value!r}."
                )
        if not activation.is_homogeneous:
            if not isinstance(ball, (L2Ball, UnitCount)):
                raise InvalidProblem(
                    f"ball: a {activation.name} unit does not depend on the length of its weight, so "
                    f"no norm enters; leave ball out, found {ball!r}."
                )
            ball = UnitCount()
        elif isinstance(ball, UnitCount):
            raise InvalidProblem(
                f"ball: {activation.name} units grow with their weights, which must have a norm; "
                "choose L2Ball(), L1Ball() or LInfBall()."
            )
        inputs = finite_matrix("X", X)
        targets = loss.prepared_targets(_finite_targets(y, n=len(inputs)))
        _choice("bias", bias, get_args(Bias))
        _choice("skip", skip, get_args(Skip))
        _choice("outputs", outputs, get_args(Outputs))
        if isinstance(activation, GatedReLU):
            _check_gated(activation, ball, bias, targets, inputs)
        if targets.ndim == 2 and outputs == "joint":
            _check_joint(loss, ball, activation)
        if outputs == "separate" and loss.couples_outputs:
            raise InvalidProblem(
                f'outputs: "separate" solves one problem an output, and the {loss.name} loss couples '
                'them; use outputs="joint".'
            )
        weights = _sample_weights(sample_weight, n=len(inputs))
        if loss.is_hard_constraint and not np.all(weights > 0.0):
            raise InvalidProblem(
                f"sample_weight: some weights are 0, and the {loss.name} loss is a constraint, which "
                "has no weight; leave these rows out instead."
            )
        if bias == "free" and skip == "none":
            if not activation.is_homogeneous:
                raise InvalidProblem(
                    f'bias="free" with skip="none": a {activation.name} unit has no norm in which its '
                    'bias could count; bias="penalized" is the same problem.'
                )
            raise InvalidProblem(
                'bias="free" with skip="none": the infimum is not attained (a constant is the '
                "limit of units whose kinks run off to infinity, at a cost that tends to 0). "
                'Choose skip="constant" or skip="affine", or bias="penalized".'
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


_EXAMPLES = {"loss": "Squared()", "ball": "L2Ball()", "activation": "ReLU()"}


def finite_matrix(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """A copy of ``value`` as a non-empty finite C-ordered (n, d) float array, or InvalidProblem."""
    matrix = float_array(name, value, "numbers in a 2-D array")
    if matrix.ndim != 2:
        raise InvalidProblem(
            f"{name}: expected a 2-D array (rows = data points), found shape {matrix.shape}; "
            f"reshape a single feature with {name}.reshape(-1, 1)."
        )
    if matrix.size == 0:
        raise InvalidProblem(
            f"{name}: expected at least one row and one column, found shape {matrix.shape}."
        )
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        i, j = (int(v) for v in bad[0])
        raise InvalidProblem(
            f"{name}: {len(bad)} entries are NaN or infinite, the first at row {i}, column {j}; "
            "remove or impute them."
        )
    return matrix


def _finite_targets(value: ArrayLike, *, n: int) -> NDArray[np.float64]:
    try:
        y = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidProblem(
            f"y: expected numbers, found something that is not ({error})."
        ) from None
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] == 0):
        raise InvalidProblem(
            f"y: expected shape ({n},), one number a row of X, or ({n}, c) for c >= 1 outputs, found "
            f"shape {y.shape}."
        )
    if len(y) != n:
        raise InvalidProblem(f"y: expected {n} targets, one a row of X, found {len(y)}.")
    bad = np.argwhere(~np.isfinite(y))
    if len(bad):
        raise InvalidProblem(
            f"y: {len(bad)} targets are NaN or infinite, the first at row {int(bad[0][0])}."
        )
    return np.ascontiguousarray(y)


def check_measures(problem: MeasureProblem) -> None:
    """Refuse a problem whose networks are no measures on weights."""
    if problem.is_gated:
        raise InvalidProblem(NO_MEASURE)


def _check_gated(
    activation: GatedReLU, ball: Ball, bias: Bias, targets: NDArray[np.float64],
    inputs: NDArray[np.float64],
) -> None:  # fmt: skip
    """Refuse what the gated model is not stated for."""
    if ball.name != "l2":
        raise InvalidProblem(
            f"ball: gated units are a group lasso in the l2 norm; use mlp.L2Ball(), found {ball.name}."
        )
    if targets.ndim == 2:
        raise InvalidProblem(
            f"y: gated units are solved for one output, found {targets.shape[1]} columns; solve them one by one."
        )
    if bias == "free":
        raise InvalidProblem(
            "bias: behind a fixed gate a bias outside the norm costs nothing, so gates would fit "
            'steps for free; choose bias="penalized" or bias="none".'
        )
    width = inputs.shape[1] + (bias == "penalized")
    if activation.gates is not None and activation.gates.shape[1] != width:
        raise InvalidProblem(
            f"gates: expected {width} columns, as many as hidden weights have entries, found "
            f"{activation.gates.shape[1]}."
        )


def _check_joint(loss: Loss, ball: Ball, activation: Activation) -> None:
    """Refuse what joint outputs have no proof or no algorithm for."""
    if activation.name != "relu":
        raise InvalidProblem(
            f"activation: joint outputs are solved for mlp.ReLU() only, found {activation.name}; use "
            'it or outputs="separate".'
        )
    if ball.name != "l2":
        raise InvalidProblem(
            f"ball: joint outputs are bounded over the l2 ball only, found {ball.name}; use mlp.L2Ball() "
            'or outputs="separate".'
        )
    if not (loss.is_smooth or loss.is_hard_constraint):
        raise InvalidProblem(
            f"loss: joint outputs are solved for smooth losses and mlp.Interpolation(), found {loss.name}, "
            'which has kinks; use one of them or outputs="separate".'
        )


def _sample_weights(value: ArrayLike | None, *, n: int) -> NDArray[np.float64]:
    if value is None:
        return np.ones(n)
    try:
        weights = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidProblem(
            f"sample_weight: expected numbers, found something that is not ({error})."
        ) from None
    if weights.shape != (n,):
        raise InvalidProblem(
            f"sample_weight: expected shape ({n},), one weight a row of X, found {weights.shape}."
        )
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0.0)))
    if len(bad):
        raise InvalidProblem(
            f"sample_weight: expected finite weights >= 0, found {weights[bad[0]]:g} at row {bad[0]}."
        )
    if not np.any(weights > 0.0):
        raise InvalidProblem("sample_weight: all weights are 0; there is nothing to fit.")
    return weights


def _choice(name: str, value: object, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise InvalidProblem(f"{name}: expected one of {', '.join(accepted)}, found {value!r}.")
