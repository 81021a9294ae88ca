"""What a training run is: method, rate, penalty, width, seeds and start, checked at the door."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from measurelp.errors import InvalidProblem
from measurelp.problem import positive_number

Method = Literal["gd", "adam", "adamw", "lbfgs", "conic"]
Penalty = Literal["weight_decay", "balanced", "variation", "none"]
Start = Literal["standard", "mean_field"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    r"""How networks of one width are trained, one a seed.

    Parameters
    ----------
    method : {"gd", "adam", "adamw", "lbfgs", "conic"}
        "gd" is stochastic with a ``batch_size`` and has momentum with a ``momentum``.  "adamw"
        applies the penalty as decoupled decay :math:`p \leftarrow (1 - h\lambda)p`, "adam" in the
        gradient.  "lbfgs" has a strong Wolfe line search and clears its memory at every record.
        "conic" moves particles: :math:`m_k \leftarrow m_k e^{-h(\lambda - s_k\eta(w_k))}` for masses
        of fixed signs s, and unit directions along :math:`h\,s_k\nabla\eta(w_k)`, where
        :math:`\eta(w) = \langle\alpha, \langle\tilde x, w\rangle_+\rangle` and :math:`\alpha` is minus
        the gradient of the loss at the fit.  Masses of several outputs are :math:`m_k u_k` with unit
        vectors for signs: :math:`\eta = \langle u_k, F\rangle`, and :math:`u_k` moves along
        :math:`h(F - \langle u_k, F\rangle u_k)(w_k)`, back to unit length.
    width : int
        Neurons of each network, at least 1.
    seeds : sequence of int
        One network each; all are trained in one tensor program ("lbfgs": one after the other).
    steps : int
    learning_rate : float
        h.  The loss is a sum over samples, so stable rates shrink with their number.  A loss with
        kinks has subgradients that do not shrink near the optimum: what is reached is of order h.
    penalty : {"weight_decay", "balanced", "variation", "none"}
        :math:`\tfrac\lambda2\sum_k(|v_k|^2 + |w_k|^2)`; the same with neurons rescaled to
        :math:`|v_k| = |w_k|` after each step; :math:`\lambda\sum_k|v_k||w_k|`; nothing.
        "conic" is "variation" by nature.
    momentum : float
        In [0, 1); of "gd" only.
    batch_size : int, optional
        Samples a step, drawn without replacement; all if left out.
    label_noise : float
        Standard deviation of fresh normal noise on the targets in each step; for losses whose targets
        are numbers (squared, absolute, quantile, Huber).  Where the gradient does not depend on the
        size of the residual it acts only by carrying residuals over the kink.
    start : {"standard", "mean_field"}
        "standard": weights normal with variance 1/d', outputs with variance 1/width.
        "mean_field": directions uniform on the sphere, masses :math:`\pm` 1/width, of several outputs
        uniform on the sphere of that radius, balanced.
    scale : float
        Factor of the starting weights; of the masses for "mean_field".
    record_every : int
        Steps between entries of the record.

    Raises
    ------
    InvalidProblem
        For values out of range and for combinations that mean nothing.

    Examples
    --------
    >>> TrainingSettings(method="adam", width=50, steps=1000, seeds=(0, 1)).learning_rate
    0.01
    """

    method: Method
    width: int
    seeds: tuple[int, ...] = (0,)
    steps: int = 1000
    learning_rate: float = 0.01
    penalty: Penalty = "weight_decay"
    momentum: float = 0.0
    batch_size: int | None = None
    label_noise: float = 0.0
    start: Start = "standard"
    scale: float = 1.0
    record_every: int = 100

    def __post_init__(self) -> None:
        for name, kind in (("method", Method), ("penalty", Penalty), ("start", Start)):
            if getattr(self, name) not in get_args(kind):
                raise InvalidProblem(
                    f"{name}: expected one of {', '.join(get_args(kind))}, found "
                    f"{getattr(self, name)!r}."
                )
        for name, least in (("width", 1), ("steps", 0), ("record_every", 1)):
            object.__setattr__(self, name, _whole(name, getattr(self, name), least))
        if self.batch_size is not None:
            object.__setattr__(self, "batch_size", _whole("batch_size", self.batch_size, 1))
        try:
            seeds = tuple(_whole("seeds", seed, 0) for seed in self.seeds)
        except TypeError:
            raise InvalidProblem(
                f"seeds: expected several integers, found {self.seeds!r}."
            ) from None
        if not seeds or len(set(seeds)) < len(seeds):
            raise InvalidProblem(f"seeds: expected at least one, none twice, found {self.seeds!r}.")
        object.__setattr__(self, "seeds", seeds)
        for name in ("learning_rate", "scale"):
            object.__setattr__(self, name, positive_number(name, getattr(self, name)))
        if not 0.0 <= self.momentum < 1.0:
            raise InvalidProblem(f"momentum: expected 0 <= momentum < 1, found {self.momentum!r}.")
        if not (math.isfinite(self.label_noise) and self.label_noise >= 0.0):
            raise InvalidProblem(
                f"label_noise: expected a number >= 0, found {self.label_noise!r}."
            )
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.momentum and self.method != "gd":
            raise InvalidProblem(f'momentum: belongs to method="gd", found {self.method!r}.')
        if self.method == "lbfgs" and (self.batch_size is not None or self.label_noise):
            raise InvalidProblem(
                'method: "lbfgs" needs the same objective in every step; leave batch_size and '
                "label_noise out."
            )
        if self.method == "adamw" and self.penalty not in ("weight_decay", "balanced"):
            raise InvalidProblem(
                f'penalty: "adamw" decays weights; choose "weight_decay" or "balanced", found '
                f"{self.penalty!r}."
            )
        if self.method == "conic" and self.penalty != "variation":
            raise InvalidProblem(
                f'penalty: method="conic" penalises masses; choose "variation", found {self.penalty!r}.'
            )

    def document(self) -> dict[str, Any]:
        """Plain data that say everything."""
        return asdict(self) | {"seeds": list(self.seeds)}


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InvalidProblem(f"{name}: expected an integer >= {least}, found {value!r}.")
    return int(value)
