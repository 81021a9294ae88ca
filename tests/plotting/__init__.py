"""Tests of the pictures: what the artists hold is the mathematics."""
