"""Proofs in exact arithmetic and the checker that stands alone."""
