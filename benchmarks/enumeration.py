"""Cells per second of `enumerate_cells`, against an incremental tree of linear programs in the same run.

    python benchmarks/enumeration.py [--repeats 5] [--quick] [--output benchmarks/results/enumeration.json]

Times are end to end (exact reading of the data, merging of lines, search, packed sign vectors in memory), without
compilation; the best of the repeats is reported together with the median, and ratios are between the best of both sides; for
a rival, which takes seconds, that is the less of wall and processor time, so that other work on the machine does not count
against it.  The rival grows sign vectors row by row
and asks HiGHS whether a child is feasible (Rada and Cerny, 2018): it keeps an interior point of every node, so only
the child on the other side of the new hyperplane costs a linear program, and the same HiGHS model is reused.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from math import comb
from pathlib import Path

import highspy
import numpy as np
from _record import RESULTS, machine, timed, write
from scipy.optimize import linprog

from measurelp.arrangement import count_cells, enumerate_cells


def gaussian(n: int, d: int) -> np.ndarray:
    return np.random.default_rng(1000 * n + d).standard_normal((n, d))


def grid(values, d: int) -> np.ndarray:
    points = np.array(list(itertools.product(values, repeat=d)), dtype=float)
    return np.hstack([points, np.ones((len(points), 1))])


def cover(n: int, d: int) -> int:
    return 2 * sum(comb(n - 1, k) for k in range(d))


INSTANCES = {
    "gaussian 1000 x 3": (lambda: gaussian(1000, 3), cover(1000, 3)),
    "gaussian 300 x 4": (lambda: gaussian(300, 4), cover(300, 4)),
    "gaussian 81 x 5": (lambda: gaussian(81, 5), cover(81, 5)),
    "grid {0,.5,1}^4 + bias (81 x 5)": (lambda: grid((0, 0.5, 1), 4), 797682),
    "grid 31 x 31 + bias (961 x 3)": (lambda: grid(np.arange(31) / 10, 2), 561834),
    "resonance 6 (63 x 6)": (
        lambda: np.array(list(itertools.product((0, 1), repeat=6)), dtype=float)[1:],
        1066044,
    ),
    "threshold 6 (64 x 7)": (lambda: grid((0, 1), 6), 15028134),
}


def tree_of_linear_programs(X: np.ndarray) -> tuple[int, int]:
    """Cells and linear programs of the incremental sign feasibility tree, up to sign by fixing the first sign.

    max t subject to s_j <x_j, w> >= t, |w_q| <= 1, t <= 1: feasible with an interior iff the optimum is positive.
    """
    n, d = X.shape
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    infinity = highspy.kHighsInf
    for _ in range(d):
        model.addVar(-1.0, 1.0)
    model.addVar(-infinity, 1.0)
    model.changeColCost(d, -1.0)
    index = np.arange(d + 1, dtype=np.int32)
    programs = cells = 0

    def descend(i: int, point: np.ndarray) -> None:
        nonlocal programs, cells
        if i == n:
            cells += 2
            return
        value = float(X[i] @ point)
        here = 1.0 if value > 0 else -1.0
        for sign in (here, -here):
            model.addRow(0.0, infinity, d + 1, index, np.append(sign * X[i], -1.0))
            if sign == here:
                descend(i + 1, point)
            else:
                programs += 1
                model.run()
                solution = model.getSolution().col_value
                if solution[d] > 1e-9:
                    descend(i + 1, np.array(solution[:d]))
            model.deleteRows(1, np.array([model.getNumRow() - 1], dtype=np.int32))

    model.addRow(0.0, infinity, d + 1, index, np.append(X[0], -1.0))
    descend(1, X[0])
    return cells, programs


def tree_of_fresh_programs(X: np.ndarray) -> tuple[int, int]:
    """The same tree with one `scipy.optimize.linprog` (HiGHS dual simplex) a candidate child and no model to reuse."""
    n, d = X.shape
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    cost = np.zeros(d)
    programs = cells = 0

    def descend(i: int, rows: list[np.ndarray], point: np.ndarray) -> None:
        nonlocal programs, cells
        if i == n:
            cells += 2
            return
        here = 1.0 if X[i] @ point > 0 else -1.0
        descend(i + 1, [*rows, here * X[i]], point)
        other = [*rows, -here * X[i]]
        programs += 1
        found = linprog(
            cost,
            A_ub=-np.array(other),
            b_ub=-np.ones(len(other)),
            bounds=[(None, None)] * d,
            method="highs-ds",
        )
        if found.status == 0:
            descend(i + 1, other, found.x)

    descend(1, [X[0]], X[0])
    return cells, programs


RIVALS = [  # name, function, n, d, repeats
    ("tree with one reused HiGHS model", tree_of_linear_programs, 30, 4, 5),
    ("tree with one reused HiGHS model", tree_of_linear_programs, 60, 4, 1),
    ("tree with one scipy linprog a candidate", tree_of_fresh_programs, 30, 4, 1),
]


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="leave out the largest instance")
    parser.add_argument("--output", type=Path, default=RESULTS / "enumeration.json")
    options = parser.parse_args(arguments)

    start = time.perf_counter()
    enumerate_cells(gaussian(8, 3), witness=True)
    count_cells(gaussian(8, 3))
    compiled = time.perf_counter() - start
    print(f"first calls (compilation or its cache): {compiled:.2f} s")

    results = []
    print(
        f"{'instance':34} {'cells':>10} {'best s':>9} {'median s':>9} {'Mcells/s':>9} {'count s':>8} {'2 threads s':>11}"
    )
    for name, (make, expected) in INSTANCES.items():
        if options.quick and expected > 10_000_000:
            continue
        X = make()
        cells, one = timed(lambda X=X: enumerate_cells(X), options.repeats)
        if len(cells) != expected:
            raise SystemExit(f"{name}: found {len(cells)} cells where theory says {expected}")
        stored = cells.nbytes
        del cells
        _, two = timed(lambda X=X: len(enumerate_cells(X, n_jobs=2)), options.repeats)
        _, count = timed(lambda X=X: count_cells(X), options.repeats)
        entry = {
            "instance": name, "cells": expected, "seconds_best": min(one), "seconds_median": statistics.median(one),
            "cells_per_second": expected / min(one), "packed_bytes": stored, "count_seconds_best": min(count),
            "two_threads_seconds_best": min(two), "two_threads_speed_up": min(one) / min(two),
        }  # fmt: skip
        results.append(entry)
        rate = expected / min(one) / 1e6
        print(
            f"{name:34} {expected:10d} {min(one):9.4f} {statistics.median(one):9.4f} {rate:9.1f} {min(count):8.4f} {min(two):11.4f}"
        )

    rivals = []
    for name, tree, n, d, repeats in RIVALS:
        X = gaussian(n, d)
        ours, seconds = timed(lambda X=X: enumerate_cells(X), 20 * options.repeats)
        start = time.process_time()
        (cells, programs), elapsed = timed(lambda tree=tree, X=X: tree(X), repeats)
        processor = (time.process_time() - start) / repeats
        best, rival = min(seconds), min(*elapsed, processor)
        if not cells == len(ours) == cover(n, d):
            raise SystemExit(
                f"{name}: found {cells} cells, we found {len(ours)}, theory says {cover(n, d)}"
            )
        rivals.append(
            {
                "name": name,
                "instance": f"gaussian {n} x {d}",
                "cells": cells,
                "linear_programs": programs,
                "repeats": repeats,
                "seconds_wall": elapsed,
                "seconds_processor_mean": processor,
                "seconds_best": rival,
                "cells_per_second": cells / rival,
                "ours_seconds_best": best,
                "ours_seconds_median": statistics.median(seconds),
                "ours_cells_per_second": cells / best,
                "ratio": rival / best,
            }
        )
        print(
            f"gaussian {n} x {d}, {cells} cells: {best:.5f} s here; {name}: {rival:.2f} s "
            f"for {programs} programs, {cells / rival:.0f} cells/s: {rival / best:.0f} times"
        )

    report = {
        "command": " ".join(
            [
                "python",
                "benchmarks/enumeration.py",
                *(sys.argv[1:] if arguments is None else arguments),
            ]
        ),
        "machine": machine(),
        "first_calls_seconds": compiled,
        "instances": results,
        "rivals": rivals,
    }
    write(report, options.output)


if __name__ == "__main__":
    main()
