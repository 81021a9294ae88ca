"""What a caller can catch.

Mistakes of the caller raise one of these at the door; mathematical outcomes (infeasible
data, a limit that was reached) are returned as values and never raised.
"""

from __future__ import annotations


class MeasurelpError(Exception):
    """Base of every error that measurelp raises on purpose."""


class InvalidProblem(MeasurelpError, ValueError):
    """An argument is not acceptable; the message names it, says what was found and what to do."""


class InvalidFile(MeasurelpError, ValueError):
    """A file is not what it says it is: unreadable, truncated, tampered with or of another kind."""


class BudgetExceeded(MeasurelpError, RuntimeError):
    """The work asked for is larger than the budget allows; refused before it is begun."""


class BackendError(MeasurelpError, RuntimeError):
    """A solver failed in a way that its status table does not describe."""


class MissingDependency(MeasurelpError, ImportError):
    """An optional package is needed; the message names the extra that installs it."""
