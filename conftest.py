"""What all tests need: a Ctrl-C that works, and no examples from modules that need a missing package."""

import importlib.util
import signal

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore += [
        "measurelp/deep/_torch_variation.py", "measurelp/network/_torch_layers.py",
        "measurelp/network/_torch_modules.py", "measurelp/sparse/_torch_lista.py",
        "measurelp/training/_torch_steps.py",
    ]  # fmt: skip


def pytest_configure() -> None:
    """Take back SIGINT, which a shell has its jobs in the background ignore, and their children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
