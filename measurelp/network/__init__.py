"""Finite networks: weights and measures, one into the other, and both on disk."""

from measurelp.network.conversion import measure_from_network, network_from_measure
from measurelp.network.files import check_new_folder, read_folder, write_folder
from measurelp.network.input_scaler import InputScaler
from measurelp.network.relu_network import ReluNetwork
from measurelp.network.weight_files import (
    load_network,
    load_scaler,
    network_from_parts,
    parts_from_network,
    scaler_from_document,
)

__all__ = [
    "InputScaler", "ReluNetwork", "check_new_folder", "load_network", "load_scaler",
    "measure_from_network", "network_from_measure", "network_from_parts", "parts_from_network",
    "read_folder", "scaler_from_document", "write_folder",
]  # fmt: skip
