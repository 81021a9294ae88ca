"""Pages of all public names, written from ``measurelp.__init__`` when the documentation is built.

What a name is called and where it lives is said there once. Here is only under which heading, and
in which order, a reader meets it. A build in which a public name got no entry fails.
"""

from __future__ import annotations

import enum
import importlib
from collections import Counter
from pathlib import Path

import measurelp
from measurelp import plotting

TITLES = {
    "problem": "Stating a problem",
    "solving": "Solving and certifying",
    "paths": "Paths and stability",
    "certificate": "What is proved",
    "status": "The words of an answer",
    "measure": "Measures",
    "network": "Networks",
    "plotting": "Pictures",
    "report": "The report",
    "estimators": "Estimators for scikit-learn",
    "training": "Training by gradients",
    "deep": "Deep networks",
    "sparse": "Sparse coding",
    "arrangement": "Cells of the data",
    "dictionary": "Finite dictionaries",
    "backends": "Solvers",
    "errors": "Errors",
    "cli.machine": "The machine",
}


def public_names() -> dict[str, list[str]]:
    """Every documented name, by the room that it comes from, in the order of the pages."""
    rooms = {
        home.removeprefix("measurelp."): sorted(set(names), key=str.lower)
        for home, names in measurelp._HOMES.items()
    }
    rooms["plotting"] = [f"plotting.{name}" for name in plotting.__all__]
    order = [*(room for room in TITLES if room in rooms), *sorted(set(rooms) - set(TITLES))]
    return {room: rooms[room] for room in order}


def purpose(room: str) -> str:
    """The first paragraph of the room's docstring."""
    text = importlib.import_module(f"measurelp.{room}").__doc__ or ""
    return " ".join(text.strip().partition("\n\n")[0].split())


def pages() -> dict[str, str]:
    """The texts of the pages in reStructuredText, by their names: an index and one a room."""
    index = ["Reference", "=========", "", "Every public name, as ``import measurelp as mlp``"]
    index += ["gives it: ``mlp.solve``, ``mlp.plotting.plot_fit`` and so on.", ""]
    texts = {}
    for room, names in public_names().items():
        title = TITLES.get(room, room)
        index += [f":doc:`{title} <{room}>`", f"    {purpose(room)}", ""]
        texts[room] = "\n".join(
            [title, "=" * len(title), "", ".. currentmodule:: measurelp", "", purpose(room), ""]
            + [".. autosummary::", "   :nosignatures:", "   :toctree: generated", ""]
            + [f"   {name}" for name in names]
        )
    index += [".. toctree::", "   :hidden:", "", *(f"   {room}" for room in texts)]
    return {"index": "\n".join(index), **texts}


def clashing_files() -> dict[str, str]:
    """File names for functions whose page would differ from a class's by case only."""
    names = [name for group in public_names().values() for name in group]
    count = Counter(name.lower() for name in names)
    clashing = [name for name in names if count[name.lower()] > 1 and name.islower()]
    return {f"measurelp.{name}": f"measurelp.{name}-function" for name in clashing}


def write_pages(app, config) -> None:
    """Before the sources are listed, so that autosummary finds the names in them."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    texts = {f"{name}.rst": f"{text}\n" for name, text in pages().items()}
    for file in folder.glob("*.rst"):
        if file.name not in texts:
            file.unlink()
    for name, text in texts.items():
        file = folder / name
        if not file.exists() or file.read_text() != text:
            file.write_text(text)


def chosen_member(app, what, name, obj, skip, options) -> bool | None:
    """Whether to skip a member; None leaves it to Sphinx.

    The members of an enumeration need no docstring, because their values are sentences. Setters
    of scikit-learn's metadata routing are described in its own documentation.
    """
    if isinstance(obj, enum.Enum):
        return False
    return True if name.startswith("set_") and name.endswith("_request") else None


def check_entries(app, env) -> None:
    described = {entry[0] for entry in env.get_domain("py").get_objects()}
    wanted = {f"measurelp.{name}" for names in public_names().values() for name in names}
    if missing := sorted(wanted - described):
        from sphinx.errors import ExtensionError

        raise ExtensionError(f"public names without an entry: {', '.join(missing)}")


def setup(app) -> dict[str, bool]:
    app.config.autosummary_filename_map = clashing_files()
    app.connect("config-inited", write_pages)
    app.connect("autodoc-skip-member", chosen_member)
    app.connect("env-check-consistency", check_entries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
