"""What a saved folder remembers of the command line that made it."""

from __future__ import annotations

from typing import Any


def stored_names(document: dict[str, Any], d: int) -> tuple[list[str] | None, str]:
    """The names of the d inputs (None if it has none) and of the target, as they were asked for."""
    request = document.get("request")
    request = request if isinstance(request, dict) else {}
    features, target = request.get("features"), request.get("target")
    names = None
    if isinstance(features, list) and len(features) == d:
        names = [str(name) for name in features]
    if isinstance(target, list):
        target = ", ".join(str(name) for name in target)
    targets = target if isinstance(target, list) else [target]
    words = [name for name in targets if isinstance(name, str)]
    return names, ", ".join(words) or "y"
