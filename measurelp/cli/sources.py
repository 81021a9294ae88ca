"""Where tables come from: CSV, Parquet and npz files, and the data sets of scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from measurelp._optional import require
from measurelp.cli.data import position_of, read_table
from measurelp.errors import InvalidFile

_SKLEARN = "sklearn:"


class Source(Protocol):
    """What the commands need of a table."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def has_header(self) -> bool: ...

    def position(self, name: str, *, option: str) -> int: ...

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]: ...


@dataclass(frozen=True, eq=False)
class ArrayTable:
    """Named columns that are arrays already.

    Attributes
    ----------
    path : str
        As given.
    columns : mapping of str to (n,) array
        All of one length; what is not numeric is refused when it is asked for.
    """

    path: str
    columns: Mapping[str, NDArray[Any]]
    has_header: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(self.columns)

    def position(self, name: str, *, option: str) -> int:
        """The position of a column, or InvalidProblem naming the option that asked for it."""
        return position_of(self.names, name, path=self.path, option=option)

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The named columns as finite numbers, (rows, len(names))."""
        matrix = np.empty((len(next(iter(self.columns.values()))), len(names)))
        for j, name in enumerate(names):
            column = self.columns[name]
            if column.dtype.kind not in "biuf":
                raise InvalidFile(
                    f"{self.path}, column {name!r}: its type is {column.dtype}, not a number; encode "
                    "the column as numbers or leave it out (--features lists the columns to use)."
                )
            matrix[:, j] = column
            bad = np.flatnonzero(~np.isfinite(matrix[:, j]))
            if len(bad):
                raise InvalidFile(
                    f"{self.path}, column {name!r}: {len(bad)} values are missing or not finite, the "
                    f"first in row {int(bad[0]) + 1}; remove these rows or impute the values."
                )
        return matrix


def read_source(path: str, *, header: bool | None = None, delimiter: str = ",") -> Source:
    """The table in a file (CSV, .parquet, .npz) or in scikit-learn (``sklearn:diabetes``).

    Raises
    ------
    InvalidFile, InvalidProblem
        If it cannot be read, with what was found and what to do.
    MissingDependency
        If the package that reads it is not installed.
    """
    lowered = path.lower()
    if lowered.startswith(_SKLEARN):
        from measurelp.estimators.datasets import dataset_columns

        return ArrayTable(path, dataset_columns(path[len(_SKLEARN) :]))
    if lowered.endswith((".parquet", ".pq")):
        return _from_parquet(path)
    if lowered.endswith(".npz"):
        return _from_npz(path)
    return read_table(path, header=header, delimiter=delimiter)


def _from_npz(path: str) -> ArrayTable:
    """1-D arrays are columns; a 2-D array ``X`` is the columns X1, X2, ..."""
    from measurelp.network.files import arrays_from_npz, read_file

    arrays = arrays_from_npz(read_file(path), name=path)
    columns: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            columns[name] = array
        elif array.ndim == 2:
            columns |= {f"{name}{j + 1}": array[:, j] for j in range(array.shape[1])}
    return _checked(path, columns)


def _from_parquet(path: str) -> ArrayTable:
    pa = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    from measurelp.network.files import check_file_size

    check_file_size(path, 1 << 30)
    try:
        table = parquet.read_table(path)
        columns = {
            name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names
        }
    except (pa.ArrowException, OSError) as error:
        raise InvalidFile(f"{path}: is not a readable Parquet file ({error}).") from None
    return _checked(path, columns)


def _checked(path: str, columns: dict[str, NDArray[Any]]) -> ArrayTable:
    lengths = {name: len(column) for name, column in columns.items()}
    if not lengths or not max(lengths.values()):
        raise InvalidFile(f"{path}: holds no column with values.")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name}: {length}" for name, length in list(lengths.items())[:8])
        raise InvalidFile(f"{path}: its columns have different lengths ({told}).")
    return ArrayTable(path, columns)
