"""A certificate as plain data for programs: every digit, and None for what is unknown."""

from __future__ import annotations

import math
from typing import Any

from measurelp.certificate.certificate import Certificate


def certificate_facts(certificate: Certificate) -> dict[str, Any]:
    """The certificate's fields as JSON data; unknown numbers are None."""
    lower, upper = certificate.sup
    witness, better = certificate.witness, certificate.improvement
    return {
        "verdict": certificate.verdict.name,
        "message": certificate.message,
        "primal_value": number(certificate.primal_value),
        "dual_value": number(certificate.dual_value),
        "gap": number(certificate.gap),
        "relative_gap": number(certificate.relative_gap),
        "tol_gap": number(certificate.tol_gap),
        "sup": [number(lower), number(upper)],
        "limit": number(certificate.limit),
        "scope": certificate.scope.name,
        "witness": None if witness is None else [float(w) for w in witness],
        "improvement": None if better is None else {
            "weight": [float(w) for w in better.weight],
            "mass": better.mass if isinstance(better.mass, float) else better.mass.tolist(),
            "objective": float(better.objective),
        },
    }  # fmt: skip


def number(value: float | None) -> float | None:
    """A finite float, or None."""
    return None if value is None or not math.isfinite(value) else float(value)
