"""Folders on disk: one JSON document and one npz of arrays, written whole or not at all.

A folder holds ``measurelp.json`` and ``arrays.npz``.  The JSON names the format, its version,
the kind of thing stored ("network", "solution", ...), the SHA-256 of the npz file, the
SHA-256 of the document, and the document itself.  Arrays are plain numbers (no pickle).
The sums detect truncation and careless edits; they are no signature, so whoever loads a
solution recomputes what it claims.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from measurelp._version import __version__
from measurelp.errors import InvalidFile

DOCUMENT_FILE = "measurelp.json"
ARRAYS_FILE = "arrays.npz"
FORMAT_VERSION = 1
MAX_BYTES = 2**30
_OUR_FILES = {DOCUMENT_FILE, ARRAYS_FILE}


def check_new_folder(
    path: str | os.PathLike[str], *, overwrite: bool = False, ours: Collection[str] = _OUR_FILES,
    option: str | None = None,
) -> Path:  # fmt: skip
    """Check, before any work, that a folder with files named ``ours`` may be written to ``path``.

    ``option`` is what named it on the command line, for the words of errors.

    Returns
    -------
    Path
        The path, made absolute.

    Raises
    ------
    InvalidFile
        If it exists (with ``overwrite``: and is not a folder of such files only), or the
        folder that is to hold it does not exist or cannot be written to.
    """
    target = _named(path, "folder", option)
    if os.path.lexists(target):
        if not overwrite:
            raise _exists_already(path, option)
        if target.is_symlink() or not target.is_dir():
            raise InvalidFile(f"{path}: is not a folder, so it is not overwritten.")
        strangers = sorted(set(os.listdir(target)) - set(ours))
        if strangers:
            raise InvalidFile(
                f"{path}: holds other files ({strangers[0]!r}), so it is not overwritten; choose "
                "another name."
            )
    _check_place(target, path, os.mkdir, os.rmdir)
    return target


def check_new_file(
    path: str | os.PathLike[str], *, overwrite: bool = False, option: str | None = None
) -> None:
    """Check, before any work, that :func:`write_file` may write to ``path``.

    ``option`` is what named it on the command line, for the words of errors.

    Raises
    ------
    InvalidFile
        If it exists (with ``overwrite``: and is not a plain file), or the folder that is to hold it
        does not exist or cannot be written to.
    """
    target = _named(path, "file", option)
    if os.path.lexists(target) and (not overwrite or not target.is_file() or target.is_symlink()):
        raise _exists_already(path, option)
    _check_place(target, path, Path.touch, os.unlink)


def _named(path: str | os.PathLike[str], what: str, option: str | None) -> Path:
    """The absolute path of what is to be written."""
    if not str(path).strip():
        raise InvalidFile(f"{option or 'path'}: the name of the {what} to write is empty.")
    return Path(os.path.abspath(path))


def _exists_already(path: str | os.PathLike[str], option: str | None = None) -> InvalidFile:
    how = "overwrite=True, on the command line --force" if option is None else "--force"
    return InvalidFile(
        f"{path}: exists already and is not overwritten; choose another name or ask for it ({how})."
    )


def _check_place(
    target: Path, path: str | os.PathLike[str], make: Callable[[Path], None],
    remove: Callable[[Path], None],
) -> None:  # fmt: skip
    """Something can be made beside the target, as writing will; it is removed at once."""
    if not target.parent.is_dir():
        raise InvalidFile(f"{path}: the folder {target.parent} that is to hold it does not exist.")
    scratch = _scratch(target)
    try:
        make(scratch)
        remove(scratch)
    except OSError as error:
        raise InvalidFile(
            f"{path}: nothing can be written to the folder {target.parent} ({error.strerror})."
        ) from None


def _scratch(target: Path) -> Path:
    """A hidden name beside the target."""
    return target.parent / f".{target.name}.{uuid.uuid4().hex}.part"


def write_folder(
    path: str | os.PathLike[str],
    document: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    *,
    kind: str,
    overwrite: bool = False,
) -> None:
    """Write a document and arrays as a folder, whole or not at all.

    Everything is written to a hidden sibling folder, flushed to disk, and renamed into place.

    Parameters
    ----------
    path
        The folder to create; the folder that holds it must exist.
    document
        Nested dicts, lists, strings, numbers, booleans, None and enumeration members.  Floats
        are written with all their digits; NaN and infinities become null; enumeration members
        become their names.  Arrays belong into ``arrays``.
    arrays
        Arrays of numbers or booleans by name.
    kind
        What is stored, for example "solution"; checked on reading.
    overwrite
        Replace an existing folder that holds nothing but these two files.

    Raises
    ------
    InvalidFile
        If the folder exists or cannot be written.
    TypeError
        If the document or an array holds something that is not plain data.
    """
    plain = _plain(document)
    named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in named.items():
        if array.dtype.kind not in "biuf":
            raise TypeError(f"array {name!r} has dtype {array.dtype}, not numbers")
    buffer = io.BytesIO()
    np.savez(buffer, **named)
    packed = buffer.getvalue()
    envelope = {
        "format": "measurelp",
        "format_version": FORMAT_VERSION,
        "measurelp_version": __version__,
        "kind": kind,
        "arrays_sha256": hashlib.sha256(packed).hexdigest(),
        "document_sha256": _document_sum(kind, plain),
        "document": plain,
    }
    text = json.dumps(envelope, indent=1, allow_nan=False) + "\n"
    target = check_new_folder(path, overwrite=overwrite)
    scratch = _scratch(target)
    try:
        scratch.mkdir()
        _write_and_sync(scratch / ARRAYS_FILE, packed)
        _write_and_sync(scratch / DOCUMENT_FILE, text.encode())
        _sync_folder(scratch)
        _move_into_place(scratch, target, overwrite=overwrite)
        _sync_folder(target.parent)
    except OSError as error:
        raise InvalidFile(
            f"{path}: cannot be written ({error}); nothing was left there."
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_folder(
    path: str | os.PathLike[str], *, kind: str | tuple[str, ...] | None = None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read back what :func:`write_folder` wrote; numbers come back exactly, null as None.

    Parameters
    ----------
    path
        The folder.
    kind
        The kind, or kinds, that are acceptable; any when left out.

    Returns
    -------
    document, arrays

    Raises
    ------
    InvalidFile
        If anything is missing, unreadable, of another kind or a newer format, or does not
        have the SHA-256 that was stored with it.
    """
    folder = Path(path)
    if not os.path.isdir(path):
        found = "is a file, not a folder" if os.path.exists(path) else "does not exist"
        raise InvalidFile(f"{path}: expected a folder saved by measurelp, but it {found}.")
    raw = _read_bytes(folder / DOCUMENT_FILE)
    try:
        envelope = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidFile(
            f"{folder / DOCUMENT_FILE}: not valid JSON ({error}); the file is damaged."
        ) from None
    if not isinstance(envelope, dict) or envelope.get("format") != "measurelp":
        raise InvalidFile(f"{folder / DOCUMENT_FILE}: not a document that measurelp wrote.")
    version = envelope.get("format_version")
    if version != FORMAT_VERSION:
        raise InvalidFile(
            f"{folder / DOCUMENT_FILE}: format version {version!r}, but this measurelp "
            f"({__version__}) reads version {FORMAT_VERSION}; it was written by measurelp "
            f"{envelope.get('measurelp_version')!r}."
        )
    found_kind, document = envelope.get("kind"), envelope.get("document")
    try:
        intact = envelope.get("document_sha256") == _document_sum(str(found_kind), document)
    except (ValueError, RecursionError):
        intact = False
    if not intact or not isinstance(document, dict):
        raise InvalidFile(
            f"{folder / DOCUMENT_FILE}: its content does not have the SHA-256 stored with it; the "
            "file was changed or damaged after it was saved."
        )
    accepted = (kind,) if isinstance(kind, str) else kind
    if accepted is not None and found_kind not in accepted:
        raise InvalidFile(
            f"{path}: holds a {found_kind}, but a {' or '.join(accepted)} is expected here."
        )
    packed = _read_bytes(folder / ARRAYS_FILE)
    if hashlib.sha256(packed).hexdigest() != envelope.get("arrays_sha256"):
        raise InvalidFile(
            f"{folder / ARRAYS_FILE}: does not have the SHA-256 stored in {DOCUMENT_FILE}; the "
            "file was changed, truncated or damaged after it was saved."
        )
    return document, arrays_from_npz(packed, name=str(folder / ARRAYS_FILE))


def arrays_from_npz(packed: bytes, *, name: str) -> dict[str, NDArray[Any]]:
    """All arrays of an npz file's bytes, without pickle, or InvalidFile."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            arrays = {}
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > MAX_BYTES:
                raise ValueError(f"it unpacks to {unpacked:,} bytes, {MAX_BYTES:,} are allowed")
            for entry in archive.namelist():
                with archive.open(entry) as stream:
                    key = entry.removesuffix(".npy")
                    arrays[key] = np.lib.format.read_array(stream, allow_pickle=False)
            return arrays
    except _UNREADABLE as error:
        raise InvalidFile(
            f"{name}: not a readable npz archive of plain arrays ({error})."
        ) from None


def read_file(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's bytes, or InvalidFile if it is missing, unreadable or larger than allowed."""
    check_file_size(path, max_bytes)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read ({error.strerror}).") from None


def write_file(path: str | os.PathLike[str], content: bytes, *, overwrite: bool = False) -> None:
    """Write a file, whole or not at all; InvalidFile if it exists or cannot be written."""
    target = Path(os.path.abspath(path))
    if os.path.isdir(target) or (os.path.lexists(target) and not overwrite):
        raise _exists_already(path)
    scratch = _scratch(target)
    try:
        _write_and_sync(scratch, content)
        os.replace(scratch, target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise InvalidFile(f"{path}: cannot be written ({error.strerror}).") from error


def not_a_file(path: str | os.PathLike[str]) -> str:
    """What is found in place of a file."""
    if os.path.isdir(path):
        return "is a folder, not a file"
    return "is not a file" if os.path.exists(path) else "does not exist"


def check_file_size(path: str | os.PathLike[str], max_bytes: int) -> None:
    """Raise InvalidFile unless ``path`` is a file of at most ``max_bytes`` bytes."""
    if not os.path.isfile(path):
        raise InvalidFile(f"{path}: {not_a_file(path)}.")
    size = os.path.getsize(path)
    if size > max_bytes:
        raise InvalidFile(
            f"{path}: has {size:,} bytes, more than the {max_bytes:,} allowed; pass a larger "
            "max_bytes if that is what it should have."
        )


_UNREADABLE = (
    ValueError, TypeError, OSError, EOFError, KeyError, MemoryError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def _plain(value: object) -> Any:
    """JSON data from plain Python and numpy scalars; TypeError on anything else."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"keys of the document must be strings, found {key!r}")
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    raise TypeError(f"{type(value).__name__} is not plain data; arrays belong into the npz file")


def _document_sum(kind: str, document: object) -> str:
    text = json.dumps([kind, document], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _read_bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise InvalidFile(f"{file}: missing; the folder is not one that measurelp saved.") from None
    except OSError as error:
        raise InvalidFile(f"{file}: cannot be read ({error}).") from None


def _write_and_sync(file: Path, content: bytes) -> None:
    with open(file, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _move_into_place(scratch: Path, target: Path, *, overwrite: bool) -> None:
    """Rename; an old folder is set aside first and put back if the rename fails."""
    if not (overwrite and target.exists()):
        os.rename(scratch, target)
        return
    aside = target.parent / f".{target.name}.{uuid.uuid4().hex}.old"
    os.rename(target, aside)
    try:
        os.rename(scratch, target)
    except OSError:
        os.rename(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)
