"""Slow and independent references that the tests compare with.  Nothing here imports the code under test."""
