"""A comparison that is under way, in one file.

The file is a zip of what solutions and runs save themselves as, a folder each, and of a list of
them.  Unpacked, :func:`measurelp.load_solution` and :func:`measurelp.load_training` read it.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Protocol

from measurelp.errors import InvalidFile
from measurelp.network import check_new_file
from measurelp.network.files import (
    ARRAYS_FILE,
    DOCUMENT_FILE,
    MAX_BYTES,
    read_file,
    write_file,
)
from measurelp.solving import Solution, load_solution
from measurelp.training.files import load_training
from measurelp.training.run import TrainingRun

_LIST, _KIND, _OPTIMUM = "comparison.json", "measurelp comparison 1", "optimum"


class _Saveable(Protocol):
    def save(self, folder: str | os.PathLike[str]) -> None: ...


class ComparisonFile:
    """The solution and the runs that a file keeps; it is made when the first of them is kept.

    Parameters
    ----------
    path : path
        Read if it exists.
    tol_gap : float
        For a new file.

    Attributes
    ----------
    tol_gap : float
        What the comparison in the file was made with.
    solution : Solution or None
        Certified again.
    runs : dict of (method, width) to TrainingRun

    Raises
    ------
    InvalidFile
        If the file is damaged or something else (it is left as it is), or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], tol_gap: float) -> None:
        self.path, self.tol_gap = path, tol_gap
        self.solution: Solution | None = None
        self.runs: dict[tuple[str, int], TrainingRun] = {}
        self._parts: dict[str, bytes] = {}
        self._folders: dict[tuple[str, int], str] = {}
        check_new_file(path, overwrite=True)
        if os.path.exists(path):
            try:
                self._read()
            except _UNREADABLE as error:
                raise InvalidFile(
                    f"{path}: not a comparison as measurelp keeps it, or damaged ({error}); it is "
                    "left as it is, choose another file."
                ) from None

    def keep_solution(self, solution: Solution) -> None:
        """Write the file with this solution."""
        self.solution = solution
        self._keep(_OPTIMUM, solution)

    def keep_run(self, key: tuple[str, int], run: TrainingRun) -> None:
        """Write the file with this run, in place of what it had for this method and width."""
        self.runs[key] = run
        folder = self._folders.setdefault(key, f"run{len(self._folders)}")
        self._keep(folder, run)

    def _keep(self, folder: str, thing: _Saveable) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            thing.save(Path(scratch, folder))
            for name in (DOCUMENT_FILE, ARRAYS_FILE):
                self._parts[f"{folder}/{name}"] = Path(scratch, folder, name).read_bytes()
        document = {
            "kind": _KIND, "tol_gap": self.tol_gap,
            "runs": [[*key, name] for key, name in self._folders.items()],
        }  # fmt: skip
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(_LIST, json.dumps(document))
            for name, content in self._parts.items():
                archive.writestr(name, content)
        write_file(self.path, stream.getvalue(), overwrite=True)

    def _read(self) -> None:
        with zipfile.ZipFile(io.BytesIO(read_file(self.path))) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > MAX_BYTES:
                raise ValueError(f"it unpacks to {unpacked:,} bytes, {MAX_BYTES:,} are allowed")
            document = json.loads(archive.read(_LIST))
            if document["kind"] != _KIND:
                raise ValueError(f"of kind {document['kind']!r}")
            self.tol_gap = float(document["tol_gap"])
            self._folders = {
                (str(method), int(width)): f"run{number}"
                for number, (method, width, _) in enumerate(document["runs"])
            }
            folders = [_OPTIMUM, *self._folders.values()]
            names = [
                f"{folder}/{name}" for folder in folders for name in (DOCUMENT_FILE, ARRAYS_FILE)
            ]
            self._parts = {name: archive.read(name) for name in names}
        with tempfile.TemporaryDirectory() as scratch:
            for name, content in self._parts.items():
                file = Path(scratch, name)
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(content)
            try:
                self.solution = load_solution(Path(scratch, _OPTIMUM))
                runs = {
                    key: load_training(Path(scratch, folder))
                    for key, folder in self._folders.items()
                }
            except InvalidFile as error:
                raise ValueError(str(error).replace(f"{scratch}{os.sep}", "")) from None
        for (method, width), run in runs.items():
            if run.settings.width != width:
                raise ValueError(f"{method}: a width of {run.settings.width} under {width}")
        self.runs = runs


_UNREADABLE = (
    ValueError, TypeError, KeyError, AttributeError, RuntimeError, EOFError, zipfile.BadZipFile,
    zlib.error, NotImplementedError,
)  # fmt: skip
