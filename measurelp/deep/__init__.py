"""Deep networks, layer by layer."""

from measurelp.deep.layers import LayerCertificate, LayerCertificates, certify_layers

__all__ = ["LayerCertificate", "LayerCertificates", "certify_layers"]
