"""Every combination of loss, ball, activation, bias, skip and outputs: tiny problems, and the page that tells what they do.

``python tests/solving/matrix.py`` writes docs/matrix.md anew.  ``test_matrix.py`` solves the combinations.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

import measurelp as mlp
from measurelp.problem import ACTIVATIONS, BALLS, LOSSES

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"
OPTIONS = {"quantile": {"tau": 0.3}, "huber": {"delta": 0.5}, "leaky_relu": {"slope": 0.2}}
LAM = 0.1
KINDS = ACTIVATIONS | {"gated_relu": mlp.GatedReLU}


class Combination(NamedTuple):
    """One entry of the matrix, by the words of the library."""

    loss: str
    ball: str
    activation: str
    bias: str
    skip: str
    outputs: str


FACTORS = {
    "loss": list(LOSSES),
    "ball": list(BALLS),
    "activation": list(KINDS),
    "bias": ["none", "penalized", "free"],
    "skip": ["none", "constant", "affine"],
    "outputs": ["one", "joint", "separate"],
}
PAIRS = list(itertools.product(FACTORS["bias"], FACTORS["skip"]))
EVERY = [Combination(*values) for values in itertools.product(*FACTORS.values())]


# ---- data ---------------------------------------------------------------------------------------------

# No affine function separates the labels of either column, so that every minimum is attained.
PLANE = {
    "X": np.array([[1.0, 0.4], [-0.6, 1.1], [-1.2, -0.5], [0.7, -1.3], [0.1, 0.2]]),
    "numbers": np.array([[1.0, 0.3], [-0.7, 1.1], [0.4, -0.8], [0.9, 0.5], [-1.2, 0.6]]),
    "labels": np.array([[1.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]),
    "counts": np.array([[2.0, 1.0], [0.0, 2.0], [3.0, 0.0], [1.0, 3.0], [4.0, 1.0]]),
    "classes": np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
    "weight": np.ones(5),
}
LINE = {
    "X": np.array([[-1.0], [-0.2], [0.5], [1.3]]),
    "numbers": np.array([[0.8, -0.6], [-0.5, 0.9], [1.1, 0.1], [0.2, -1.0]]),
    "labels": np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]),
    "counts": np.array([[1.0, 3.0], [4.0, 0.0], [0.0, 2.0], [2.0, 1.0]]),
    "classes": np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.1, 0.1, 0.8]]),
    "weight": np.array([1.0, 2.0, 1.0, 3.0]),
}
DATA = {"plane": PLANE, "line": LINE}


def targets(loss: str, where: str, outputs: str) -> np.ndarray:
    """Targets that suit the loss: (n,) for one output, else (n, c)."""
    kind = {
        "hinge": "labels", "squared_hinge": "labels", "logistic": "labels", "poisson": "counts",
        "multinomial_logistic": "classes",
    }.get(loss, "numbers")  # fmt: skip
    y = DATA[where][kind]
    return y[:, 0] if outputs == "one" else y


def problem_of(one: Combination, where: str = "plane") -> mlp.MeasureProblem:
    """The problem of a combination, or InvalidProblem where it is refused."""
    made = {
        name: kinds[word](**OPTIONS.get(word, {}))
        for name, kinds, word in (
            ("loss", LOSSES, one.loss), ("ball", BALLS, one.ball),
            ("activation", KINDS, one.activation),
        )
    }  # fmt: skip
    return mlp.MeasureProblem(
        DATA[where]["X"], targets(one.loss, where, one.outputs), lam=LAM, bias=one.bias,
        skip=one.skip, outputs="joint" if one.outputs == "one" else one.outputs,
        sample_weight=DATA[where]["weight"], **made,
    )  # fmt: skip


# ---- what becomes of them -------------------------------------------------------------------------------

COUPLED = (
    "multinomial_logistic: its labels stand for several outputs, so there is no problem of one."
)


def refusal(one: Combination) -> str | None:
    """Why a combination is refused, in the library's words without what it found; None where it is solved."""
    if one.outputs == "one" and LOSSES[one.loss].couples_outputs:
        return COUPLED
    try:
        problem_of(one)
    except mlp.InvalidProblem as error:
        return re.sub(r"found [\w()]+", "found …", str(error))
    return None


def sample() -> list[Combination]:
    """Few combinations that are solved, in which every two values of two factors meet that ever do."""
    solved = [one for one in EVERY if refusal(one) is None]
    places = range(len(FACTORS))

    def meetings(one):
        return {(i, one[i], j, one[j]) for i, j in itertools.combinations(places, 2)}

    left = set().union(*map(meetings, solved))
    chosen = []
    while left:
        best = max(solved, key=lambda one: len(meetings(one) & left))
        chosen.append(best)
        left -= meetings(best)
    return chosen


# ---- the page -----------------------------------------------------------------------------------------

HEAD = """\
# Which combinations are solved

Written by `python tests/solving/matrix.py`; a test compares this page with what the library does, and
`pytest -m slow tests/solving/test_matrix.py` solves every combination that is not refused.

A combination is a loss, a ball, an activation, a hidden bias, a skip, and one or several outputs: {all} in all, of which
{solved} are solved and {refused} are refused with a reason. **Solved** means: on tiny data (five points of the plane and, with
sample weights, four of the line) the verdict is OPTIMAL, and value and bound agree to 10⁻⁶ with a program that knows nothing of
this library's algorithms:

* l2 ball, one output: CVXPY's cone program over all sign patterns of the data, found by linear programs, with the activation's
  slopes in every cell;
* l1 and linf ball: CVXPY's linear, quadratic or cone program over all rays of the data's hyperplanes and the norm's, in rational numbers;
* threshold: CVXPY's program over all 0/1 vectors for which a linear program finds a weight;
* gated ReLU, with the gates of all cells: the cone program without its walls;
* separate outputs: the sum of these over the outputs;
* joint outputs, for which no finite program is exact: CVXPY's group lasso over directions, to which all candidates for the maximum of
  |F| are added until none exceeds λ by more than 10⁻⁸ of it.

Where no network interpolates (one input without a bias), the program is infeasible and the verdict is INFEASIBLE.
{bracketed}

✓ is solved and a letter is refused, for the reason below, with every pair of bias and skip but the one that the last table refuses;
"but" names pairs bias/skip with another mark.
"""


def page() -> str:
    """The page, from what the library does."""
    reasons = {one: refusal(one) for one in EVERY}
    letters: dict[str, str] = {}
    for reason in reasons.values():
        if reason is not None and reason not in letters:
            letters[reason] = chr(ord("a") + len(letters))
    marks = {one: "✓" if why is None else letters[why] for one, why in reasons.items()}
    solved = [one for one in EVERY if marks[one] == "✓"]
    lines = [
        HEAD.format(
            all=len(EVERY), solved=len(solved), refused=len(EVERY) - len(solved),
            bracketed=_bracketed(),
        )
    ]  # fmt: skip
    usual = _pair_marks(marks, solved)
    columns = list(itertools.product(FACTORS["activation"], FACTORS["ball"]))
    for outputs in FACTORS["outputs"]:
        lines.append(f"## Outputs: {outputs}\n")
        lines.append("| loss | " + " | ".join(f"{a}, {b}" for a, b in columns) + " |")
        lines.append("|---" * (1 + len(columns)) + "|")
        for loss in FACTORS["loss"]:
            row = []
            for activation, ball in columns:
                found = {
                    (bias, skip): marks[Combination(loss, ball, activation, bias, skip, outputs)]
                    for bias, skip in PAIRS
                }
                row.append(_short(found, usual))
            lines.append(f"| {loss} | " + " | ".join(row) + " |")
        lines.append("")
    lines += ["## Bias and skip\n", "| bias | " + " | ".join(f"skip {s}" for s in FACTORS["skip"])]
    lines[-1] += " |"
    lines.append("|---" * (1 + len(FACTORS["skip"])) + "|")
    lines += [
        f"| {bias} | " + " | ".join(usual[bias, skip] for skip in FACTORS["skip"]) + " |"
        for bias in FACTORS["bias"]
    ]
    lines += ["", "## Reasons\n"]
    lines += [f"* **{letter}**: {reason}" for reason, letter in letters.items()]
    return "\n".join(lines) + "\n"


def _pair_marks(marks, solved) -> dict[tuple[str, str], str]:
    """The commonest marks of the pairs of bias and skip, among what some pair solves."""
    seen = Counter(
        tuple(marks[one._replace(bias=bias, skip=skip)] for bias, skip in PAIRS)
        for one in dict.fromkeys(one._replace(bias="none", skip="none") for one in solved)
    )
    return dict(zip(PAIRS, seen.most_common(1)[0][0], strict=True))


def _short(found, usual) -> str:
    """One mark, and the pairs of bias and skip that have neither it nor the usual one."""
    main = Counter(found.values()).most_common(1)[0][0]
    others = {
        pair: mark
        for pair, mark in found.items()
        if mark != main and not mark == usual[pair] != "✓"
    }
    told = [
        f"{kind}: " + ", ".join(f"{b}/{s}" for (b, s), mark in others.items() if mark == kind)
        for kind in dict.fromkeys(others.values())
    ]
    return f"{main} but " + "; ".join(told) if told else main


def _bracketed() -> str:
    if not BRACKETED:
        return "No combination is only bracketed."
    return "Bracketed on these data, not proved: " + "; ".join(
        f"{', '.join(one)} ({where})" for one, where in sorted(BRACKETED)
    )


BRACKETED: set[tuple[Combination, str]] = set()
"""Combinations whose bracket does not close on these data; their bracket holds the optimum."""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
