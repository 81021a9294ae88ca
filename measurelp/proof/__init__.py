"""Proofs in exact arithmetic, written for :mod:`measurelp.check_proof`."""

from measurelp.proof.document import DEFAULT_RECORDS, Proof, check_new_file, write_proof

__all__ = ["DEFAULT_RECORDS", "Proof", "check_new_file", "write_proof"]
