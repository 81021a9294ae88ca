"""False proofs, tampered ones and files that are none: each refused with its reason, in one line."""

import copy
import itertools
import json
import os
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import measurelp as mlp
import measurelp.check_proof as checker
from measurelp.errors import BudgetExceeded
from measurelp.network import ReluNetwork
from measurelp.proof import write_proof

from . import problems
from .test_mutants import restated


def proof_of(problem, folder):
    mlp.solve(problem).proof(folder / "proof.json", overwrite=True)
    return checker.read(folder / "proof.json")


@pytest.fixture(scope="module")
def proofs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proofs")
    return {
        name: proof_of(problems.problem(*problems.FAST[name]), folder)
        for name in (
            "rank 3",
            "free bias, affine",
            "nearly dependent columns",
            "interpolation",
            "signs, many rows",
        )
    }


def assert_rejected(document, words):
    with pytest.raises(checker.Rejected) as caught:
        checker.check(document)
    assert re.search(words, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


def test_assert_rejected_can_fail(proofs):
    with pytest.raises(pytest.fail.Exception):
        assert_rejected(proofs["rank 3"], "")


# ---- false proofs, forged with care


def test_a_network_that_is_not_optimal_is_refused(proofs):
    """Everything is consistent, but the network's last mass is a thousandth too large."""
    document = copy.deepcopy(proofs["rank 3"])
    output = document["network"]["output"]
    output[1] = [1000 * v for v in output[1]]
    output[0] *= 1000
    output[1][-1] = output[1][-1] * 1001 // 1000
    assert_rejected(restated(document), "gap: only")


@pytest.mark.parametrize("name", ["rank 3", "signs, many rows", "free bias, affine"])
@pytest.mark.parametrize("factor", [(1001, 1000), (2, 1)])
def test_a_dual_vector_that_is_too_large_is_refused(proofs, name, factor):
    """A larger alpha closes the gap of a worse network, but its eta exceeds lam."""
    document = copy.deepcopy(proofs[name])
    up, down = factor
    document["dual"] = [document["dual"][0] * down, [a * up for a in document["dual"][1]]]
    document["gap"] = [1, 10**9]
    assert_rejected(restated(document), "a vector (does not bound|is longer)|left over|incomplete")


def test_no_proof_is_made_of_a_dual_vector_that_is_not_feasible(tmp_path):
    problem = problems.problem(*problems.FAST["rank 3"])
    solution = mlp.solve(problem)
    certificate = copy.copy(solution.certificate)
    object.__setattr__(certificate, "sup", (0.0, 0.999 * certificate.sup[1]))
    with pytest.raises(BudgetExceeded, match="exceeds its limit"):
        write_proof(tmp_path / "p", problem, solution.network(), certificate)
    assert list(tmp_path.iterdir()) == []


def test_a_bracket_is_proved_as_wide_as_it_is(tmp_path):
    problem = problems.problem(*problems.FAST["rank 3"])
    solution = mlp.solve(problem)
    worse = ReluNetwork(
        solution.network().hidden_weights, output_weights=1.001 * solution.network().output_weights
    )
    certificate = copy.copy(mlp.certify(problem, worse, dual=solution.dual))
    object.__setattr__(certificate, "verdict", mlp.Verdict.BRACKETED)
    proof = write_proof(tmp_path / "p", problem, worse, certificate)
    assert proof.gap >= proof.primal_value - solution.certificate.primal_value > 0.0


def test_a_cover_of_another_problem_is_refused(proofs):
    document = copy.deepcopy(proofs["rank 3"])
    document["covers"] = proofs["interpolation"]["covers"]
    assert_rejected(document, "a vector|a cover")


def test_coordinates_that_are_not_of_the_data_are_refused(proofs):
    document = copy.deepcopy(proofs["nearly dependent columns"])
    document["rows"][0][0] *= 2
    assert_rejected(document, "rows: too far|a vector|a cover")
    document = copy.deepcopy(proofs["nearly dependent columns"])
    document["basis"][0] *= 2
    assert_rejected(document, "rows: too far|a vector|a cover")


def test_a_free_bias_needs_a_dual_vector_without_sum(proofs):
    document = copy.deepcopy(proofs["free bias, affine"])
    document["dual"][1][0] += 1
    assert_rejected(document, "dual: not orthogonal")
    document["dual"][1][1] -= 1
    assert_rejected(document, "dual: not orthogonal")


# ---- tampering with one thing


def closing(document):
    """A record of some cover that closes a cone and lists a slope: [1, c, Y, Y, Y, line, S]."""
    records = itertools.chain(*(cover["records"] for cover in document["covers"]))
    return next(r for r in records if r[0] == 1 and len(r) > 5)


def splitting(document):
    return next(r for r in document["covers"][0]["records"] if r[0] == 0)


def put(finder, at, value):
    def change(document):
        finder(document)[at] = value(finder(document)[at]) if callable(value) else value

    return change


def at(*path):
    def finder(document):
        for key in path:
            document = document[key]
        return document

    return finder


def record(edit):
    return lambda document: edit(document["covers"][0]["records"])


TAMPERED = {
    "a weight": (put(at("network", "weights", 1, 0), 0, lambda v: v + 1), "statement_sha256"),
    "a label": (put(at("problem", "y", 1), 3, lambda v: v + 1), "statement_sha256"),
    "an input": (put(at("problem", "X", 1, 2), 1, lambda v: -v), "statement_sha256"),
    "lam": (put(at("problem", "lam"), 1, lambda v: v + 1), "statement_sha256"),
    "the gap": (put(at("gap"), 1, 0), "statement_sha256"),
    "the digest": (put(at(), "statement_sha256", "0" * 64), "statement_sha256"),
    "no digest": (put(at(), "statement_sha256", None), "statement_sha256"),
    "the dual": (put(at("dual", 1), 0, 0), "gap|a vector|a cover"),
    "the dual's unit": (put(at("dual"), 0, 0), "not positive"),
    "a negative unit": (put(at("dual"), 0, lambda v: -v), "not positive"),
    "no unit": (put(at(), "dual", [[1]]), "dual: not a pair"),
    "a dual too short": (lambda d: d["dual"][1].pop(), "dual: of another size"),
    "a leaf missing": (record(lambda c: c.pop()), "incomplete"),
    "the first leaf missing": (record(lambda c: c.pop(0)), "a vector|a cover"),
    "a leaf twice": (record(lambda c: c.append(list(c[-1]))), "left over"),
    "a first leaf twice": (record(lambda c: c.insert(0, list(c[0]))), "a vector|a cover"),
    "reversed": (record(lambda c: c.reverse()), "a vector|a cover"),
    "an empty record": (record(lambda c: c.insert(0, [])), "an empty one"),
    "a record -1": (record(lambda c: c.append([-1])), "left over"),
    "an unknown record": (record(lambda c: c.insert(0, [5, 1, 0, 0, 0])), "unknown record"),
    "a short record": (record(lambda c: c.insert(0, [1, 1, 0, 0])), "unknown record"),
    "a slope of no line": (put(closing, -2, 10**6), "not there"),
    "a slope twice": (lambda d: closing(d).extend(closing(d)[-2:]), "twice"),
    "half a slope": (lambda d: closing(d).append(0), "missing"),
    "y zero": (lambda d: closing(d).__setitem__(slice(2, 5), [0, 0, 0]), "does not bound"),
    "y long": (put(closing, 2, lambda v: 9 * v), "longer"),
    "no denominator": (put(closing, 1, 0), "unknown record"),
    "a negative denominator": (put(closing, 1, lambda v: -v), "unknown record"),
    "a smaller denominator": (put(closing, 1, lambda v: v // 2), "longer|does not bound"),
    "half a split": (record(lambda c: c.insert(0, [0])), "unknown record"),
    "a split at an end": (put(splitting, 3, 0), "no point of an edge"),
    "a split at the other end": (put(splitting, 4, 0), "no point of an edge"),
    "a split beyond": (put(splitting, 4, lambda v: -v), "no point of an edge"),
    "a split before": (put(splitting, 3, lambda v: -v), "no point of an edge"),
    "a split of a vertex": (lambda d: splitting(d).__setitem__(1, splitting(d)[2]), "of an edge"),
    "a split elsewhere": (put(splitting, 1, 3), "of an edge"),
    "a split of no vertex": (put(splitting, 2, 3), "of an edge"),
    "a negative vertex": (put(splitting, 1, -1), "of an edge"),
    "a negative other vertex": (put(splitting, 2, -1), "of an edge"),
    "a huge split": (put(splitting, 3, 10**2700), "too large"),
    "a split with too many numbers": (lambda d: splitting(d).append(0), "unknown record"),
    "no cover": (put(at(), "covers", []), "covers: too few"),
    "a cover too few": (lambda d: d["covers"].pop(), "covers: too few"),
    "a cover too many": (lambda d: d["covers"].append(d["covers"][0]), "covers: too few"),
    "covers exchanged": (lambda d: d["covers"].reverse(), "a vector|a cover"),
    "a cover of another kind": (put(at("covers", 0), "kind", "balls"), "kind: is none of"),
    "a cover without records": (put(at("covers", 0), "records", []), "incomplete"),
    "a cover without lists": (put(at("covers", 0), "records", 1), "a list"),
    "a record that is a number": (record(lambda c: c.insert(0, 1)), "a list"),
    "a record of a word": (record(lambda c: c.insert(0, ["1"])), "records: is none of"),
    "a record of truths": (record(lambda c: c.insert(0, [True])), "records: is none of"),
    "a cover that is a number": (put(at("covers"), 0, 1), "keys"),
    "cones read as signs": (put(at("covers", 0), "kind", "signs"), "record|line|cover"),
    "covers of another kind": (put(at(), "covers", None), "a list"),
    "an extra key": (put(at(), "trust", 1), "keys"),
    "a missing key": (lambda d: d.pop("dual"), "keys"),
    "a basis of zeros": (put(at("basis"), 1, [[0] * 3] * 3), "too far"),
    "rows of zeros": (put(at(), "rows", [[0] * 3] * 15), "too far"),
    "a basis twice as long": (put(at("basis"), 1, [[2, 0, 0], [0, 2, 0], [0, 0, 2]]), "too far"),
    "a basis of another shape": (put(at("basis"), 1, [[1, 0, 0]] * 2), "basis, rows: of another"),
    "a basis too large": (
        lambda d: (put(at("basis"), 1, [[1] * 4] * 3)(d), [z.append(0) for z in d["rows"]]),
        "basis, rows: of another size",
    ),
    "a ragged basis": (put(at("basis"), 1, [[1], [0, 1], [1]]), "basis: of another size"),
    "a basis without columns": (put(at("basis"), 1, [[]] * 3), "basis: an empty list"),
    "coordinates without columns": (put(at(), "rows", [[]] * 15), "basis, rows: of another size"),
    "coordinates too few": (lambda d: d["rows"].pop(), "basis, rows: of another size"),
    "coordinates too many": (lambda d: d["rows"].append([0] * 3), "basis, rows: of another size"),
    "ragged coordinates": (lambda d: d["rows"][-1].pop(), "basis, rows: of another size"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_refused(proofs, name):
    document = copy.deepcopy(proofs["rank 3"])
    change, words = TAMPERED[name]
    change(document)
    assert_rejected(document, words)


def longest(document):
    return max((cover["records"] for cover in document["covers"]), key=len)


def lemma(document):
    """A lemma that lists a line: [1, c, line, S, ...]."""
    return next(r for r in longest(document) if r[0] == 1 and len(r) > 3)


def narrowing(document):
    """[2, line, c, line, s, ...]."""
    return next(r for r in longest(document) if r[0] == 2 and len(r) > 4)


def tree(edit):
    return lambda document: edit(longest(document))


SIGNS = {
    "a leaf missing": (tree(lambda t: t.pop()), "incomplete"),
    "a leaf twice": (tree(lambda t: t.append(list(t[-1]))), "left over"),
    "an empty record": (tree(lambda t: t.insert(0, [])), "an empty one"),
    "an unknown record": (tree(lambda t: t.insert(0, [3, 0, 1])), "unknown record"),
    "a lemma without a denominator": (tree(lambda t: t.insert(0, [1])), "unknown record"),
    "a lemma over 0": (put(lemma, 1, 0), "unknown record"),
    "a lemma over a negative number": (put(lemma, 1, lambda v: -v), "unknown record"),
    "half a pair": (lambda d: lemma(d).append(0), "missing"),
    "a slope of no line": (put(lemma, -2, 10**6), "not there"),
    "a slope of a negative line": (put(lemma, -2, -1), "not there"),
    "a slope twice": (lambda d: lemma(d).extend(lemma(d)[-2:]), "twice"),
    "a narrowing of 0": (put(narrowing, 2, 0), "unknown record"),
    "a narrowing of no line": (put(narrowing, 1, 10**6), "unknown record"),
    "a narrowing of a negative line": (put(narrowing, 1, -1), "unknown record"),
    "a narrowing by no line": (put(narrowing, 3, 10**6), "not there"),
    "a narrowing by a negative line": (put(narrowing, 3, -1), "not there"),
    "half a narrowing": (tree(lambda t: t.insert(0, [2, 0])), "unknown record"),
    "a split by no line": (tree(lambda t: t.insert(0, [0, 10**6])), "unknown record"),
    "a split by a negative line": (tree(lambda t: t.insert(0, [0, -1])), "unknown record"),
    "a split of another kind": (tree(lambda t: t.insert(0, [0, 0, 1, 1, 1])), "unknown record"),
    "half a split": (tree(lambda t: t.insert(0, [0])), "unknown record"),
    "splits for ever": (tree(lambda t: t.__setitem__(slice(None), [[0, 0]] * 10**5)), "memory"),
    "signs read as cones": (put(at("covers", 0), "kind", "cones"), "record|line"),
    "the other sign": (lambda d: d["covers"].reverse(), "cover"),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNS)
def test_tampering_with_signs_is_refused(proofs, name):
    document = copy.deepcopy(proofs["signs, many rows"])
    change, words = SIGNS[name]
    change(document)
    assert_rejected(document, words)


STATED = {
    "a bias": (put(at("problem"), "bias", "often"), "bias: is none of"),
    "another bias": (put(at("problem"), "bias", "penalized"), "basis, rows: of another size"),
    "a free bias": (put(at("problem"), "bias", "free"), "needs one"),
    "a skip": (put(at("problem"), "skip", "affine"), "dual: not orthogonal"),
    "a constant skip": (put(at("problem"), "skip", "constant"), "dual: not orthogonal"),
    "an unknown skip": (put(at("problem"), "skip", "cubic"), "skip: is none of"),
    "a loss": (put(at("problem"), "loss", "logistic"), "loss: is none of"),
    "a loss of labels": (put(at("problem"), "loss", "hinge"), "y: not 1 or -1"),
    "the absolute loss": (put(at("problem"), "loss", "absolute"), "out of the range|gap"),
    "huber without delta": (put(at("problem"), "loss", "huber"), "out of the range"),
    "a list for a word": (put(at("problem"), "bias", ["none"]), "bias: is none of"),
    "no lam": (put(at("problem"), "lam", None), "lam: not a pair"),
    "lam zero": (put(at("problem"), "lam", [1, 0]), "too far|gap"),
    "lam negative": (put(at("problem"), "lam", [1, -1]), "too far|gap"),
    "lam no double": (put(at("problem"), "lam", [3, 1]), "not doubles"),
    "a parameter that is no double": (put(at("problem"), "parameter", [3, 1]), "not doubles"),
    "a smaller lam": (put(at("problem", "lam"), 1, lambda v: v * 999 // 1000), "longer|bound|gap"),
    "a gap too small": (put(at("gap"), 1, 1), "gap: only"),
    "a gap of zero": (put(at("gap"), 1, 0), "gap: only"),
    "a negative gap": (put(at("gap"), 1, -1), "gap: only"),
    "a boolean": (put(at("problem", "y", 1), 0, True), "not an integer"),
    "a string": (put(at("problem", "y", 1), 0, "1"), "not an integer"),
    "a null": (put(at("problem", "y", 1), 0, None), "not an integer"),
    "a float": (put(at("problem", "y", 1), 0, 1.0), "not an integer"),
    "a list for a number": (put(at("problem", "y", 1), 0, [1]), "not an integer"),
    "a number for a list": (put(at("problem", "X", 1), 0, 1), "a list is missing"),
    "a word for a list": (put(at("problem", "X", 1), 0, "123"), "a list is missing"),
    "a boolean unit": (put(at("problem", "y"), 0, True), "not positive"),
    "a float unit": (put(at("problem", "y"), 0, 1.0), "not positive"),
    "no double": (put(at("problem", "y"), 0, 3), "not doubles"),
    "more than a double": (put(at("problem", "y", 1), 0, 10**900), "too large"),
    "a label too few": (lambda d: d["problem"]["y"][1].pop(), "y: of another size"),
    "a row too few": (lambda d: d["problem"]["X"][1].pop(), "y: of another size"),
    "a ragged row": (lambda d: d["problem"]["X"][1][0].pop(), "X: of another size"),
    "no data": (put(at("problem"), "X", [1, []]), "X: an empty list"),
    "no columns": (put(at("problem"), "X", [1, [[]] * 15]), "X: an empty list"),
    "a weight too many": (lambda d: d["network"]["weights"][1][0].append(1), "of another size"),
    "a neuron too few": (lambda d: d["network"]["output"][1].pop(), "output: of another size"),
    "a bias in the network": (put(at("network", "biases", 1), 0, 1), "biases: the problem has none"),
    "a constant in the network": (put(at("network", "constant"), 1, 1), "has no such skip"),
    "a skip in the network": (put(at("network", "linear", 1), 0, 1), "has no such skip"),
    "a network of another kind": (put(at(), "network", []), "keys"),
}  # fmt: skip


@pytest.mark.parametrize("name", STATED)
def test_a_false_statement_with_its_own_digest_is_refused(proofs, name):
    document = copy.deepcopy(proofs["rank 3"])
    change, words = STATED[name]
    change(document)
    assert_rejected(restated(document), words)


def test_a_linear_skip_in_the_network_needs_an_affine_one(tmp_path):
    document = proof_of(problems.problem(*problems.FAST["free bias, constant"]), tmp_path)
    checker.check(document)
    document["network"]["linear"][1][0] = 1
    assert_rejected(restated(document), "has no such skip")


def test_interpolation_counts_its_misfit(proofs):
    """A network that misses a target is not through the data, and what is said of it says so."""
    document = copy.deepcopy(proofs["interpolation"])
    before = checker.check(document)
    unit, output = document["network"]["output"]
    document["network"]["output"] = [10**6 * unit, [10**6 * v for v in output]]
    document["network"]["output"][1][0] -= output[0]
    assert_rejected(restated(document), "gap: only")
    document["gap"] = [1, 1]
    after = checker.check(restated(document))
    assert after["misfit"] > 1e-8 > before["misfit"] > 0.0
    assert after["near"] < before["near"] <= before["dual_value"] == after["dual_value"]


def test_a_network_that_does_not_fit_is_not_optimal(proofs):
    document = copy.deepcopy(proofs["interpolation"])
    d = len(document["problem"]["X"][1][0])
    document["network"] = {
        "weights": [1, []], "biases": [1, []], "output": [1, []], "linear": [1, [0] * d],
        "constant": [1, 0],
    }  # fmt: skip
    for gap in ([1, 0], [1000, -1000]):
        document["gap"] = gap
        assert_rejected(restated(document), "gap: only")


def test_interpolation_has_no_other_lam(proofs):
    document = copy.deepcopy(proofs["interpolation"])
    document["problem"]["lam"] = [1, 2]
    assert_rejected(restated(document), "lam: is 1")


LIMITS = {"MAX_WAITING": (1000, "too much memory"), "MAX_BITS": (1, "too large numbers")}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_memory_are_kept(proofs, name, monkeypatch):
    value, words = LIMITS[name]
    monkeypatch.setattr(checker, name, value)
    assert_rejected(proofs["rank 3"], words)


@pytest.mark.slow
def test_large_cones_do_not_fill_the_memory():
    """Generators of thousands of bits, and a tree that splits for ever."""
    p = 40
    records = [[0, j, 1, 1, 1] for j in (0, *range(2, p))]
    records += [[0, 0, 1, 1, 2**3300]] * 2 + [[0, 0, 1, 1, 2**1500]]
    records += [[0, 1, 2, 1, 1]] * 10_000
    tree = checker.Cones([0] * p, [], 1)
    tracemalloc.start()
    try:
        with pytest.raises(checker.Rejected, match="too much memory"):
            checker.replay(tree, records)
        assert tracemalloc.get_traced_memory()[1] < 2**29
    finally:
        tracemalloc.stop()


# ---- files that are no proofs

SMALL = b'{"format": "measurelp-proof 3", '
FILES = {
    "empty": (b"", "Expecting value"),
    "binary": (bytes(range(256)), "decode"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "BOM"),
    "another encoding": ('{"format": "ä"}'.encode("latin-1"), "decode"),
    "a list": (b"[]", "no measurelp proof"),
    "another format": (b'{"format": "other"}', "no measurelp proof"),
    "another version": (b'{"format": "measurelp-proof", "version": 2}', "version 3"),
    "truncated": (SMALL + b'"dual": [1, [2', "delimiter"),
    "a float": (SMALL + b'"dual": 0.5}', "0.5"),
    "an exponent": (SMALL + b'"dual": 1e999999999}', "1e999999999"),
    "NaN": (SMALL + b'"dual": NaN}', "NaN"),
    "infinity": (SMALL + b'"dual": -Infinity}', "Infinity"),
    "a repeated key": (SMALL + b'"format": "measurelp-proof 3"}', "repeated key"),
    "many digits": (SMALL + b'"dual": ' + b"9" * 5000 + b"}", "digits"),
    "millions of digits": (SMALL + b'"dual": ' + b"9" * 10**7 + b"}", "digits"),
    "deep lists": (b"[" * 100_000, "recursion"),
    "deep lists of pairs": (b"[1," * 100_000, "recursion"),
    "deep objects": (b'{"a":' * 100_000, "recursion"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_proof_is_unreadable(tmp_path, name, capsys):
    content, words = FILES[name]
    path = tmp_path / "file.json"
    path.write_bytes(content)
    assert checker.main([str(path)]) == 2
    line = capsys.readouterr().out
    assert line.startswith("UNREADABLE: ") and line.count("\n") == 1
    assert re.search(words, line), line


def test_every_truncation_is_unreadable(proofs, tmp_path):
    text = json.dumps(proofs["rank 3"])
    path = tmp_path / "file.json"
    for length in np.linspace(0, len(text) - 1, 40).astype(int):
        path.write_text(text[:length])
        with pytest.raises(ValueError, match="char"):
            checker.read(path)


def test_other_things_than_files_are_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "pipe", "/dev/zero", "nul\0byte"):
        with pytest.raises(checker.Rejected, match="no such file"):
            checker.read(path)


def test_a_file_of_a_gigabyte_is_not_read(tmp_path):
    path = tmp_path / "large.json"
    with open(path, "wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(checker.Rejected, match="no such file of up to"):
        checker.read(path)


BOMBS = {"numbers": b"999,", "digits": b"9,", "lists": b"[],", "objects": b'{"":0},'}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_memory_stays_bounded(tmp_path, name):
    path = tmp_path / "bomb.json"
    head, entry = b'{"format": "measurelp-proof 3", "x": [', BOMBS[name]
    count = (checker.MAX_BYTES - len(head) - 3) // len(entry)
    path.write_bytes(head + entry * count + b"0]}")
    code = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29));"
        f"sys.argv = ['check_proof', {str(path)!r}];"
        f"runpy.run_path({str(Path(checker.__file__))!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and done.stdout.startswith("NOT PROVED"), done.stderr
