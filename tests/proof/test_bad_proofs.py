"""False proofs, tampered ones and files that are none: each refused with its reason, in one line."""

import copy
import json
import os
import re
import subprocess
import sys
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
    document["claim"]["gap"] = [1, 10**9]
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
    assert_rejected(document, "cover 0")


def test_coordinates_that_are_not_of_the_data_are_refused(proofs):
    document = copy.deepcopy(proofs["nearly dependent columns"])
    document["rows"][1][0][0] *= 2
    assert_rejected(document, "rows: too far|cover")
    document = copy.deepcopy(proofs["nearly dependent columns"])
    document["basis"][0] *= 2
    assert_rejected(document, "rows: too far|cover")


def test_a_free_bias_needs_a_dual_vector_without_sum(proofs):
    document = copy.deepcopy(proofs["free bias, affine"])
    document["dual"][1][0] += 1
    assert_rejected(document, "dual: its sum")
    document["dual"][1][1] -= 1
    assert_rejected(document, "dual: not orthogonal")


# ---- tampering with one thing


def closing(document):
    """A record of the first cover that closes a cone and lists a theta."""
    cover = document["covers"][0]
    return next(r for r in cover["plus"] + cover["minus"] if r[0] == 1 and len(r) > 5)


def splitting(document):
    return next(r for r in document["covers"][0]["plus"] if r[0] == 0)


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
    return lambda document: edit(document["covers"][0]["plus"])


TAMPERED = {
    "a weight": (put(at("network", "hidden", 1, 0), 0, lambda v: v + 1), "statement_sha256"),
    "a label": (put(at("problem", "y", 1), 3, lambda v: v + 1), "statement_sha256"),
    "an input": (put(at("problem", "X", 1, 2), 1, lambda v: -v), "statement_sha256"),
    "lam": (put(at("problem", "lam"), 1, lambda v: v + 1), "statement_sha256"),
    "the gap": (put(at("claim", "gap"), 1, 0), "statement_sha256"),
    "the digest": (put(at(), "statement_sha256", "0" * 64), "statement_sha256"),
    "the dual": (put(at("dual", 1), 0, 0), "gap|cover"),
    "the dual's unit": (put(at("dual"), 0, 0), "not a positive"),
    "a negative unit": (put(at("dual"), 0, lambda v: -v), "not a positive"),
    "a leaf missing": (record(lambda c: c.pop()), "incomplete"),
    "the first leaf missing": (record(lambda c: c.pop(0)), "cover 0"),
    "a leaf twice": (record(lambda c: c.append(list(c[-1]))), "left over"),
    "a first leaf twice": (record(lambda c: c.insert(0, list(c[0]))), "cover 0"),
    "reversed": (record(lambda c: c.reverse()), "cover 0"),
    "an empty record": (record(lambda c: c.insert(0, [])), "unknown record"),
    "a record -1": (record(lambda c: c.append([-1])), "left over"),
    "an unknown record": (record(lambda c: c.insert(0, [5, 0, 0, 0, 0])), "unknown record"),
    "a negative theta": (put(closing, -1, -1), "outside"),
    "a theta above 1": (put(closing, -1, checker.ONE + 1), "outside"),
    "a theta of no line": (put(closing, -2, 10**6), "not there"),
    "a theta twice": (lambda d: closing(d).extend(closing(d)[-2:]), "twice"),
    "half a theta": (lambda d: closing(d).append(0), "missing"),
    "y zero": (lambda d: closing(d).__setitem__(slice(2, 5), [0, 0, 0]), "does not bound"),
    "y long": (put(closing, 2, lambda v: 9 * v), "longer"),
    "a huge shift": (put(closing, 1, 10**9), "shift"),
    "a negative shift": (put(closing, 1, -1), "shift"),
    "half a split": (record(lambda c: c.insert(0, [0])), "5 numbers"),
    "a split at an end": (put(splitting, 3, 0), "outside the edge"),
    "a split beyond": (put(splitting, 4, lambda v: -v), "outside the edge"),
    "a split of a vertex": (lambda d: splitting(d).__setitem__(1, splitting(d)[2]), "edge"),
    "a split elsewhere": (put(splitting, 1, 3), "edge"),
    "a negative vertex": (put(splitting, 1, -1), "edge"),
    "a huge split": (put(splitting, 3, 10**2700), "too large"),
    "a split with too many numbers": (lambda d: splitting(d).append(0), "5 numbers"),
    "splits for ever": (record(lambda c: c.__setitem__(slice(None), [[0, 0, 1, 1, 1]] * 999)), "too deep"),
    "no cover": (put(at(), "covers", []), "covers"),
    "two covers": (lambda d: d["covers"].append(d["covers"][0]), "covers"),
    "a cover of another kind": (put(at("covers", 0), "kind", "balls"), "unknown kind"),
    "a cover without records": (put(at("covers", 0), "minus", []), "incomplete"),
    "a cover without lists": (put(at("covers", 0), "minus", 1), "a list"),
    "a cover that is a number": (put(at("covers"), 0, 1), "keys"),
    "cones read as signs": (put(at("covers", 0), "kind", "signs"), "cover 0"),
    "covers of another kind": (put(at(), "covers", None), "a list"),
    "an extra key": (put(at(), "trust", 1), "keys"),
    "a missing key": (lambda d: d.pop("dual"), "keys"),
    "a basis of zeros": (put(at("basis"), 1, [[0] * 3] * 3), "too far"),
    "rows of zeros": (put(at("rows"), 1, [[0] * 3] * 15), "too far"),
    "a basis twice as long": (put(at("basis"), 1, [[2, 0, 0], [0, 2, 0], [0, 0, 2]]), "too far"),
    "a basis of another shape": (put(at("basis"), 1, [[1, 0, 0]] * 2), "no matrices"),
    "a ragged basis": (put(at("basis"), 1, [[1], [0, 1], [1]]), "no matrices"),
    "coordinates without columns": (put(at("rows"), 1, [[]] * 15), "no matrices"),
    "coordinates too few": (lambda d: d["rows"][1].pop(), "no matrices"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_refused(proofs, name):
    document = copy.deepcopy(proofs["rank 3"])
    change, words = TAMPERED[name]
    change(document)
    assert_rejected(document, words)


def longest(document):
    cover = document["covers"][0]
    return max(cover["plus"], cover["minus"], key=len)


def lemma(document):
    """A lemma that lists a line: [1, shift, coarse, line, number, ...]."""
    return next(r for r in longest(document) if r[0] == 1 and len(r) > 5)


def narrowing(document):
    """[2, line, sign, shift, line, number, ...]."""
    return next(r for r in longest(document) if r[0] == 2 and len(r) > 4)


def tree(edit):
    return lambda document: edit(longest(document))


def swap_sides(document):
    cover = document["covers"][0]
    cover["plus"], cover["minus"] = cover["minus"], cover["plus"]


SIGNS = {
    "a leaf missing": (tree(lambda t: t.pop()), "incomplete"),
    "a leaf twice": (tree(lambda t: t.append(list(t[-1]))), "left over"),
    "an empty record": (tree(lambda t: t.insert(0, [])), "unknown record"),
    "an unknown record": (tree(lambda t: t.insert(0, [3, 0, 0, 0])), "unknown record"),
    "a short lemma": (tree(lambda t: t.insert(0, [1, 0])), "shift"),
    "half a pair": (lambda d: lemma(d).append(0), "missing"),
    "a negative number": (put(lemma, -1, -1), "multiplier is negative|outside"),
    "a slope above 1": (tree(lambda t: t.insert(0, [1, 0, 0, 0, checker.ONE + 1])), "outside"),
    "a number of no row": (put(lemma, -2, 10**6), "not there"),
    "a number twice": (lambda d: lemma(d).extend(lemma(d)[-2:]), "twice"),
    "a huge shift": (put(lemma, 1, 10**9), "shift"),
    "a coarse shift": (put(lemma, 2, 31), "shift"),
    "a negative shift": (put(lemma, 1, -1), "shift"),
    "a narrowing without a sign": (put(narrowing, 2, 0), "sign"),
    "a narrowing times two": (put(narrowing, 2, 2), "sign"),
    "a narrowing shifted far": (put(narrowing, 3, 10**9), "shift"),
    "a narrowing of no row": (put(narrowing, 1, 10**6), "unknown record"),
    "a narrowing of a negative row": (put(narrowing, 1, -1), "unknown record"),
    "a negative share": (put(narrowing, 5, -1), "multiplier is negative"),
    "a share of no row": (put(narrowing, 4, 10**6), "not there"),
    "half a narrowing": (tree(lambda t: t.insert(0, [2, 0])), "sign"),
    "a split by no row": (tree(lambda t: t.insert(0, [0, 10**6])), "unknown record"),
    "a split of another kind": (tree(lambda t: t.insert(0, [0, 0, 1, 1, 1])), "2 numbers"),
    "splits for ever": (tree(lambda t: t.__setitem__(slice(None), [[0, 0]] * 10**6)), "deep|left"),
    "signs read as cones": (put(at("covers", 0), "kind", "cones"), "cover 0"),
    "the other sign": (swap_sides, "cover 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNS)
def test_tampering_with_signs_is_refused(proofs, name):
    document = copy.deepcopy(proofs["signs, many rows"])
    change, words = SIGNS[name]
    change(document)
    assert_rejected(document, words)


STATED = {
    "a bias": (put(at("problem"), "bias", "often"), "bias: unknown"),
    "another bias": (put(at("problem"), "bias", "penalized"), "another width"),
    "a free bias": (put(at("problem"), "bias", "free"), "needs one"),
    "a skip": (put(at("problem"), "skip", "affine"), "dual: its sum"),
    "a loss": (put(at("problem"), "loss", "logistic"), "loss: unknown"),
    "a loss of labels": (put(at("problem"), "loss", "hinge"), "y: not 1 or -1"),
    "the absolute loss": (put(at("problem"), "loss", "absolute"), "out of the range|gap"),
    "huber without delta": (put(at("problem"), "loss", "huber"), "out of the range"),
    "interpolation": (put(at("problem"), "loss", "interpolation"), "lam: not 1"),
    "a list for a word": (put(at("problem"), "bias", ["none"]), "bias: a value"),
    "no lam": (put(at("problem"), "lam", None), "lam"),
    "lam zero": (put(at("problem"), "lam", [1, 0]), "lam: not positive"),
    "lam negative": (put(at("problem"), "lam", [1, -1]), "lam: not positive"),
    "a smaller lam": (put(at("problem", "lam"), 1, lambda v: v * 999 // 1000), "longer|bound|gap"),
    "a gap too small": (put(at("claim", "gap"), 1, 1), "gap: only"),
    "a gap of zero": (put(at("claim", "gap"), 1, 0), "gap: only"),
    "a negative gap": (put(at("claim", "gap"), 1, -1), "gap: only"),
    "a misfit too small": (put(at("claim", "misfit"), 1, 1), "misfit: a target"),
    "a boolean": (put(at("problem", "y", 1), 0, True), "type int"),
    "a string": (put(at("problem", "y", 1), 0, "1"), "type int"),
    "a null": (put(at("problem", "y", 1), 0, None), "type int"),
    "a float": (put(at("problem", "y", 1), 0, 1.0), "type int"),
    "a boolean unit": (put(at("problem", "y"), 0, True), "not a positive integer"),
    "no double": (put(at("problem", "y"), 0, 3), "not a double"),
    "more than a double": (put(at("problem", "y", 1), 0, 10**900), "not a double"),
    "a label too few": (lambda d: d["problem"]["y"][1].pop(), "as many rows"),
    "a row too few": (lambda d: d["problem"]["X"][1].pop(), "as many rows"),
    "a ragged row": (lambda d: d["problem"]["X"][1][0].pop(), "not a matrix"),
    "no data": (put(at("problem"), "X", [1, []]), "not a matrix"),
    "no columns": (put(at("problem"), "X", [1, [[]] * 15]), "not a matrix"),
    "a weight too many": (lambda d: d["network"]["hidden"][1][0].append(1), "another width"),
    "a neuron too few": (lambda d: d["network"]["output"][1].pop(), "another shape"),
    "a skip in the network": (put(at("network", "skip", 1), 0, 1), "has no skip"),
    "a network of another kind": (put(at(), "network", []), "keys"),
}  # fmt: skip


@pytest.mark.parametrize("name", STATED)
def test_a_false_statement_with_its_own_digest_is_refused(proofs, name):
    document = copy.deepcopy(proofs["rank 3"])
    change, words = STATED[name]
    change(document)
    assert_rejected(restated(document), words)


def test_interpolation_states_its_misfit(proofs):
    document = copy.deepcopy(proofs["interpolation"])
    document["claim"]["misfit"] = [1, 0]
    assert_rejected(restated(document), "misfit: a target is missed")
    document = copy.deepcopy(proofs["interpolation"])
    document["problem"]["lam"] = [1, 2]
    assert_rejected(restated(document), "lam: not 1")


# ---- files that are no proofs

SMALL = '{"format": "measurelp-proof", "version": 2, '
FILES = {
    "empty": (b"", "not JSON"),
    "binary": (bytes(range(256)), "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "not JSON"),
    "another encoding": ('{"format": "ä"}'.encode("latin-1"), "not JSON"),
    "a list": (b"[]", "not a measurelp proof"),
    "another format": (b'{"format": "other"}', "not a measurelp proof"),
    "no version": (b'{"format": "measurelp-proof"}', "version"),
    "another version": (b'{"format": "measurelp-proof", "version": 1}', "version"),
    "version true": (b'{"format": "measurelp-proof", "version": true}', "version"),
    "truncated": (SMALL.encode() + b'"dual": [1, [2', "cut off"),
    "a float": (SMALL.encode() + b'"dual": 0.5}', "0.5"),
    "an exponent": (SMALL.encode() + b'"dual": 1e999999999}', "not an integer"),
    "NaN": (SMALL.encode() + b'"dual": NaN}', "NaN"),
    "infinity": (SMALL.encode() + b'"dual": -Infinity}', "Infinity"),
    "a repeated key": (SMALL.encode() + b'"version": 2}', "repeated key"),
    "many digits": (SMALL.encode() + b'"dual": ' + b"9" * 5000 + b"}", "digits"),
    "deep lists": (b"[" * 100_000, "nested"),
    "deep lists of pairs": (b"[1," * 100_000, "nested"),
    "deep objects": (b'{"a":' * 100_000, "nested"),
    "many lists": (b"[" + b"[]," * 4_000_001 + b"[]]", "lists"),
    "many numbers": (b"[" + b"0," * 12_000_001 + b"0]", "numbers"),
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
        with pytest.raises(checker.Unreadable):
            checker.read(path)


def test_other_things_than_files_are_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "pipe", "/dev/zero", "nul\0byte"):
        with pytest.raises(checker.Unreadable):
            checker.read(path)


def test_a_file_of_a_gigabyte_is_not_read(tmp_path):
    path = tmp_path / "large.json"
    with open(path, "wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(checker.Unreadable, match="larger than"):
        checker.read(path)


BOMBS = {
    "numbers": b'{"format": "measurelp-proof", "version": 2, "x": ['
    + b"999," * 11_999_000
    + b"9]}",
    "lists": b'{"format": "measurelp-proof", "version": 2, "x": [' + b"[]," * 3_999_000 + b"[]]}",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_memory_stays_bounded(tmp_path, name):
    path = tmp_path / "bomb.json"
    path.write_bytes(BOMBS[name])
    code = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30));"
        f"sys.argv = ['check_proof', {str(path)!r}];"
        f"runpy.run_path({str(Path(checker.__file__))!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and done.stdout.startswith("NOT PROVED"), done.stderr
