"""scikit-learn estimators whose ``fit`` is a certified global optimum.

Importing this room imports scikit-learn; ``import measurelp`` alone does not.
"""

from measurelp._optional import require

require("sklearn", extra="sklearn")

from measurelp.estimators.classifier import MeasureClassifier  # noqa: E402
from measurelp.estimators.cross_validation import MeasureRegressorCV  # noqa: E402
from measurelp.estimators.regressor import MeasureRegressor  # noqa: E402

__all__ = ["MeasureClassifier", "MeasureRegressor", "MeasureRegressorCV"]
