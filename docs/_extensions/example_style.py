"""How the pictures of examples look: the same for all of them."""

from __future__ import annotations

import matplotlib as mpl

STYLE = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def reset(gallery_conf, fname) -> None:
    """Called by sphinx-gallery before each example."""
    mpl.rcParams.update(STYLE)
