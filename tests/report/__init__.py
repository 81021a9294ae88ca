"""Tests of the report: its numbers, and how it behaves in a real browser."""
