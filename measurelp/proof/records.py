"""Records of a proof as they are found, within a budget."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import BudgetExceeded

Array = NDArray[np.float64]


class Records(list[list[int]]):
    """A list of records that ends the search with BudgetExceeded once there are too many."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def append(self, record: list[int]) -> None:
        if len(self) >= self.most:
            raise BudgetExceeded(
                f"the exact proof needs more than {self.most} records; allow more of them or a "
                "larger gap."
            )
        super().append(record)
