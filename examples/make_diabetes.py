"""Write diabetes.csv from the copy of the data that scikit-learn carries.

Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least Angle Regression", Annals of
Statistics 32 (2004), 407-499: 442 people, ten measurements at the start (age in years, sex, body
mass index, mean blood pressure and six blood serum values), and a measure of how far the disease
had progressed one year later.  Raw units, nothing scaled.

    python examples/make_diabetes.py
"""

import csv
from pathlib import Path

from sklearn.datasets import load_diabetes


def main() -> None:
    data = load_diabetes(scaled=False)
    file = Path(__file__).with_name("diabetes.csv")
    with open(file, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*data.feature_names, "progression"])
        for inputs, target in zip(data.data, data.target, strict=True):
            writer.writerow([f"{value:.12g}" for value in (*inputs, target)])


if __name__ == "__main__":
    main()
