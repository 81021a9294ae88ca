"""Finite networks: weights and measures, one into the other, in other libraries and on disk."""

from measurelp.network._onnx import chain_from_onnx, network_from_onnx, onnx_from_network
from measurelp.network._safetensors import (
    chain_from_safetensors,
    network_from_safetensors,
    safetensors_from_network,
)
from measurelp.network._sklearn import network_from_sklearn, sklearn_from_network
from measurelp.network._torch import (
    chain_from_state_dict,
    chain_from_torch,
    network_from_state_dict,
    network_from_torch,
    torch_from_chain,
    torch_from_network,
)
from measurelp.network.balance import (
    BalanceReport,
    CountedBias,
    Rebalanced,
    balance_report,
    incoming_norms,
    rebalance,
)
from measurelp.network.candidates import network_from_candidate
from measurelp.network.chain import ReluChain, chain_from_network, network_from_chain
from measurelp.network.conversion import measure_from_network, network_from_measure
from measurelp.network.files import check_new_file, check_new_folder, read_folder, write_folder
from measurelp.network.input_scaler import InputScaler
from measurelp.network.layer_compression import CompressedLayer, compress_layer
from measurelp.network.model_compression import CompressedModel, LayerReport, compress
from measurelp.network.model_files import check_chain_path, load_chain, save_chain
from measurelp.network.pruning import PrunedLayer, prune_layer, prune_network
from measurelp.network.relu_network import ReluNetwork
from measurelp.network.sharing import Shared, share_neurons, sharing_radius
from measurelp.network.weight_files import (
    load_network,
    load_scaler,
    network_from_parts,
    parts_from_network,
    scaler_from_document,
)

__all__ = [
    "BalanceReport", "CompressedLayer", "CompressedModel", "CountedBias", "InputScaler",
    "LayerReport", "PrunedLayer", "Rebalanced", "ReluChain", "ReluNetwork", "Shared",
    "balance_report", "chain_from_network", "chain_from_onnx", "chain_from_safetensors",
    "chain_from_state_dict", "chain_from_torch", "check_chain_path", "check_new_file", "check_new_folder",
    "compress", "compress_layer", "incoming_norms", "load_chain", "load_network", "load_scaler",
    "measure_from_network", "network_from_candidate", "network_from_chain",
    "network_from_measure", "network_from_onnx", "network_from_parts",
    "network_from_safetensors", "network_from_sklearn", "network_from_state_dict",
    "network_from_torch", "onnx_from_network", "parts_from_network", "prune_layer",
    "prune_network", "read_folder", "rebalance", "safetensors_from_network", "save_chain",
    "scaler_from_document", "share_neurons", "sharing_radius", "sklearn_from_network",
    "torch_from_chain", "torch_from_network", "write_folder",
]  # fmt: skip
