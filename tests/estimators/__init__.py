"""Tests of the scikit-learn face."""
