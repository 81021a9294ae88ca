"""Proofs in exact arithmetic, written for :mod:`measurelp.check_proof`."""

from measurelp.proof.document import DEFAULT_RECORDS, Proof, write_proof

__all__ = ["DEFAULT_RECORDS", "Proof", "write_proof"]
