"""Examples in docstrings are tested everywhere but in modules that need a missing package."""

import importlib.util

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore += [
        "measurelp/deep/_torch_variation.py", "measurelp/network/_torch_layers.py",
        "measurelp/network/_torch_modules.py", "measurelp/sparse/_torch_lista.py",
        "measurelp/training/_torch_steps.py",
    ]  # fmt: skip
