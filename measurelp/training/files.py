"""Training runs on disk: one JSON document and one npz, no pickle."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any

import numpy as np

from measurelp.errors import InvalidFile, InvalidProblem
from measurelp.network import read_folder, write_folder
from measurelp.status import Termination
from measurelp.training.record import TrainingRecord
from measurelp.training.run import TrainingRun
from measurelp.training.settings import TrainingSettings

_KIND = "training"


def save_training(
    run: TrainingRun, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a run as a folder, whole or not at all."""
    document = {
        "settings": run.settings.document(), "fingerprint": run.fingerprint, "bias": run.bias,
        "step": run.step, "termination": run.termination.name,
    }  # fmt: skip
    arrays: dict[str, Any] = {
        "hidden": run.hidden,
        "output": run.output,
        "skip": run.skip,
        "diverged_at": run.diverged_at,
    }
    arrays |= {f"record.{f.name}": getattr(run.record, f.name) for f in fields(run.record)}
    arrays |= {f"memory.{name}": array for name, array in run.memory.items()}
    write_folder(folder, document, arrays, kind=_KIND, overwrite=overwrite)


def load_training(folder: str | os.PathLike[str]) -> TrainingRun:
    """The run that :meth:`TrainingRun.save` wrote.

    Raises
    ------
    InvalidFile
        If it is damaged, of another kind, or its parts do not fit together.
    """
    document, arrays = read_folder(folder, kind=_KIND)
    try:
        return _run(document, arrays)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, InvalidProblem) as error:
        raise InvalidFile(
            f"{folder}: not a training run as measurelp writes it ({error})."
        ) from None


def _run(document: dict[str, Any], arrays: dict[str, Any]) -> TrainingRun:
    given = dict(document["settings"])
    settings = TrainingSettings(**(given | {"seeds": tuple(given["seeds"])}))
    runs, hidden, output, skip = len(settings.seeds), *(arrays[name] for name in _WEIGHTS)
    d = hidden.shape[-1] - (document["bias"] != "none")
    record = TrainingRecord(*(arrays[f"record.{f.name}"] for f in fields(TrainingRecord)))
    shapes = [
        hidden.shape[:2] == (runs, settings.width) == output.shape[:2], hidden.ndim == 3,
        output.ndim in (2, 3), output.size > 0, skip.ndim == output.ndim,
        skip.shape[:1] + skip.shape[2:] == output.shape[:1] + output.shape[2:],
        skip.shape[1] in (0, 1, d + 1),
        arrays["diverged_at"].shape == (runs,), record.step.ndim == 1, len(record) > 0,
        record.seconds.shape == record.step.shape,
        *(
            getattr(record, f.name).shape == (len(record), runs)
            for f in fields(record) if f.name not in ("step", "seconds")
        ),
    ]  # fmt: skip
    if not all(shapes) or not all(np.isfinite(arrays[name]).all() for name in _WEIGHTS):
        raise ValueError("arrays of other shapes, or weights that are not finite")
    if document["bias"] not in ("penalized", "none") or int(document["step"]) != record.step[-1]:
        raise ValueError("bias or step")
    memory = {
        name.removeprefix("memory."): array
        for name, array in arrays.items() if name.startswith("memory.")
    }  # fmt: skip
    shape_of = {str(i): arrays[name].shape for i, name in enumerate(_WEIGHTS)}
    for name, array in memory.items():
        i, _, key = name.partition(".")
        like = shape_of[i]
        if key not in _MEMORY or array.shape != (() if key == "step" else like):
            raise ValueError(f"memory {name}")
    return TrainingRun(
        settings, str(document["fingerprint"]), document["bias"], int(document["step"]), hidden,
        output, skip, memory, record, arrays["diverged_at"], Termination[document["termination"]],
    )  # fmt: skip


_WEIGHTS = ("hidden", "output", "skip")
_MEMORY = ("step", "exp_avg", "exp_avg_sq", "momentum_buffer")
