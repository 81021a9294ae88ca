"""The data sets that scikit-learn carries, as named columns; nothing is downloaded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from measurelp.errors import InvalidProblem

_NAMES = ("diabetes", "iris", "wine", "breast_cancer", "digits")
_TARGETS = {"diabetes": "progression"}


def dataset_columns(name: str) -> dict[str, NDArray[Any]]:
    """The inputs by their names and the target, last, as ``target`` (diabetes: ``progression``).

    Examples
    --------
    >>> columns = dataset_columns("diabetes")  # in its own units, not scaled
    >>> list(columns)[:4], len(columns["progression"])
    (['age', 'sex', 'bmi', 'bp'], 442)
    """
    if name not in _NAMES:
        raise InvalidProblem(
            f"sklearn:{name}: expected one of {', '.join('sklearn:' + known for known in _NAMES)}."
        )
    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    inputs = np.asarray(bunch.data, dtype=np.float64)
    names = [str(feature).replace(" ", "_") for feature in bunch.feature_names]
    columns = dict(zip(names, inputs.T, strict=True))
    columns[_TARGETS.get(name, "target")] = np.asarray(bunch.target, dtype=np.float64)
    return columns
