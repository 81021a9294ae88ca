"""Reading a CSV file into columns of finite numbers, with errors that name line and column."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from measurelp.errors import InvalidFile, InvalidProblem


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file as text, not yet numbers.

    Attributes
    ----------
    path : str
        As given.
    names : tuple of str
        Of the columns; c1, c2, ... when the file has no header line.
    rows : list of list of str
        One list a line of data, all as long as ``names``.
    lines : list of int
        The line of the file on which each row ends.
    has_header : bool
        Whether the first line was read as names.
    """

    path: str
    names: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    has_header: bool

    def position(self, name: str, *, option: str) -> int:
        """The position of a column, or InvalidProblem naming the option that asked for it."""
        hint = "" if self.has_header else (
            " (the first line holds numbers only, so it was read as data; pass --header if it "
            "names the columns)"
        )  # fmt: skip
        return position_of(self.names, name, path=self.path, option=option, hint=hint)

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """The named columns as finite numbers, (rows, len(names)).

        Raises
        ------
        InvalidFile
            Naming the column, the line and the value that is no finite number.
        """
        positions = [self.names.index(name) for name in names]
        matrix = np.empty((len(self.rows), len(names)))
        for i, row in enumerate(self.rows):
            for j, position in enumerate(positions):
                matrix[i, j] = self._number(row[position], names[j], self.lines[i])
        return matrix

    def _number(self, text: str, name: str, line: int) -> float:
        word = text.strip()
        where = f"{self.path}, line {line}, column {name!r}"
        if not word:
            raise InvalidFile(f"{where}: the value is missing; remove the line or fill it in.")
        value = _number_from_text(word)
        if value is None:
            shown = word if len(word) <= 40 else word[:37] + "..."
            raise InvalidFile(
                f"{where}: {shown!r} is not a number; encode the column as numbers or leave it "
                "out (--features lists the columns to use)."
            )
        if not math.isfinite(value):
            raise InvalidFile(
                f"{where}: {word!r} is not a finite number; remove the line or impute the value."
            )
        return value


def read_table(path: str, *, header: bool | None = None, delimiter: str = ",") -> Table:
    """Read a CSV file: UTF-8 with or without byte order mark, blank lines ignored.

    Parameters
    ----------
    path
        The file.
    header
        Whether the first line names the columns.  None: yes, unless every cell of it is a
        number.
    delimiter
        One character, or ``tab`` or ``\\t`` as it is typed.

    Raises
    ------
    InvalidFile
        If the file cannot be read, is not text, is empty, has a ragged line (named), or names
        a column twice or not at all.
    """
    delimiter = {"tab": "\t", r"\t": "\t"}.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise InvalidProblem(f"--delimiter: expected one character or tab, found {delimiter!r}.")
    if os.path.isdir(path):
        raise InvalidFile(f"{path}: is a folder; expected a CSV file.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            lines = [(reader.line_num, row) for row in reader if any(c.strip() for c in row)]
    except FileNotFoundError:
        raise InvalidFile(f"{path}: does not exist.") from None
    except UnicodeDecodeError as error:
        raise InvalidFile(
            f"{path}: is not a text file in UTF-8 (byte {error.start} cannot be decoded); export "
            "it as CSV in UTF-8."
        ) from None
    except csv.Error as error:
        raise InvalidFile(f"{path}, line {reader.line_num}: is not valid CSV ({error}).") from None
    except OSError as error:
        raise InvalidFile(f"{path}: cannot be read ({error.strerror}).") from None
    if not lines:
        raise InvalidFile(
            f"{path}: is empty; expected a line of column names and lines of numbers."
        )
    if any("\0" in cell for _, row in lines for cell in row):
        raise InvalidFile(f"{path}: holds NUL bytes, so it is not a text file.")
    first = [cell.strip() for cell in lines[0][1]]
    if header is None:
        header = any(_number_from_text(cell) is None for cell in first)
    names = tuple(first) if header else tuple(f"c{j + 1}" for j in range(len(first)))
    if header:
        _check_names(path, names, delimiter)
        lines = lines[1:]
    if not lines:
        raise InvalidFile(f"{path}: has column names but no line of data.")
    for number, row in lines:
        if len(row) != len(names):
            raise InvalidFile(
                f"{path}, line {number}: expected {len(names)} values, as many as the first line, "
                f"found {len(row)}."
            )
    return Table(path, names, [row for _, row in lines], [number for number, _ in lines], header)


def position_of(names: Sequence[str], name: str, *, path: str, option: str, hint: str = "") -> int:
    """Where a name is, or InvalidProblem that says which there are."""
    if name in names:
        return list(names).index(name)
    raise InvalidProblem(f"{option}: {path} has no column {name!r}; it has {listed(names)}{hint}.")


def listed(names: Sequence[str]) -> str:
    """The names in a message, the first twenty of them."""
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def split_names(option: str, text: str) -> list[str]:
    """Names in a comma-separated option; empty and repeated ones are refused."""
    names = [name.strip() for name in next(csv.reader([text]), [])]
    if not names or "" in names:
        raise InvalidProblem(
            f"{option}: expected column names separated by commas, found {text!r}."
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InvalidProblem(f"{option}: the column {twice[0]!r} is named twice.")
    return names


def _check_names(path: str, names: tuple[str, ...], delimiter: str) -> None:
    for j, name in enumerate(names):
        if not name:
            raise InvalidFile(f"{path}: column {j + 1} has no name in the first line.")
        if name in names[:j]:
            raise InvalidFile(
                f"{path}: two columns are named {name!r}; give each column its own name."
            )
    if len(names) == 1:
        for other in ";\t|":
            if other != delimiter and other in names[0]:
                raise InvalidFile(
                    f"{path}: the first line holds {other!r} but no {delimiter!r}; pass "
                    f"--delimiter {other!r} if that is what separates the columns."
                )


def _number_from_text(word: str) -> float | None:
    """The double nearest to a decimal, or None; no underscores, inf and nan as such."""
    if "_" in word:
        return None
    try:
        return float(word)
    except ValueError:
        return None
