"""The finite ReLU dictionary over given atoms."""

from measurelp.dictionary.relu_dictionary import Dictionary

__all__ = ["Dictionary"]
