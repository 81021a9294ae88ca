"""Proofs in exact arithmetic, written for :mod:`measurelp.check_proof`."""

from measurelp.proof.document import Proof, write_proof

__all__ = ["Proof", "write_proof"]
