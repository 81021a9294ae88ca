"""What results share whose certificate is not about measures and their total variation."""

from __future__ import annotations

from typing import ClassVar

from measurelp.certificate import Certificate
from measurelp.status import Verdict


class OtherModel:
    """A proved bracket on the optimum of ``model``, in its own words.

    A subclass has a ``certificate`` and says what else its optimum must not be taken for.
    """

    certificate: Certificate
    model: ClassVar[str]
    unlike: ClassVar[str]
    floor = "proved lower bound"

    @property
    def value(self) -> float:
        """The objective that was reached."""
        return self.certificate.primal_value

    @property
    def lower(self) -> float:
        """A proved lower bound on the optimum of this model."""
        return self.certificate.dual_value

    @property
    def relative_gap(self) -> float:
        """That of the certificate."""
        return self.certificate.relative_gap

    @property
    def message(self) -> str:
        """What is proved, in a sentence."""
        return self.certificate.message

    @property
    def verdict_words(self) -> str:
        """What the verdict says, and of what."""
        if self.certificate.verdict is Verdict.OPTIMAL:
            words = f"optimal for {self.model} within the stated gap, proved"
        elif self.certificate.verdict is Verdict.BRACKETED:
            words = (
                f"the bracket on the optimum of {self.model} is proved, and wider than asked for"
            )
        else:
            return self.certificate.verdict.value
        return f"{words}; nothing is said of {self.unlike}"
