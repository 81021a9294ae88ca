"""One number changed, or one record dropped, doubled or moved: no such file proves something else.

A mutant may be accepted only if its statement (problem, network, gap) is the original one and
true of what the file now says, as when a multiplier changes within its slack.
"""

import copy
import hashlib
import json
import random

import pytest

import measurelp as mlp
import measurelp.check_proof as checker

from . import problems
from .checks import assert_true

BASES = (
    "rank 3", "free bias, affine", "nearly dependent columns", "interpolation, bias",
    "signs, many rows",
)  # fmt: skip
CONES = slice(0, 4)  # where no record can be spared; a lemma of a tree over signs sometimes can
SECTIONS = (
    "problem", "network", "gap", "dual", "basis", "rows", "covers", "covers", "covers",
)  # fmt: skip


@pytest.fixture(scope="module")
def proofs(tmp_path_factory):
    documents = []
    for name in BASES:
        path = tmp_path_factory.mktemp("proofs") / "proof.json"
        mlp.solve(problems.problem(*problems.FAST[name])).proof(path)
        documents.append(checker.read(path))
    return documents


def leaves(value, path=()):
    """The paths of all integers in a JSON value."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from leaves(entry, (*path, index))
    elif isinstance(value, int):
        yield path


def changed(value, rng):
    """Another integer: near, of other sign, size or bits."""
    new = rng.choice([
        value + rng.choice((-1, 1)), -value, 0, 1, 2 * value, value // 2, value * 10**30,
        value ^ (1 << rng.randrange(max(1, value.bit_length() + 2))), value + rng.randrange(-99, 99),
    ])  # fmt: skip
    return new if new != value else value + 1


def covers(document):
    """All lists of records."""
    return [cover["records"] for cover in document["covers"]]


def parent(document, path):
    for key in path[:-1]:
        document = document[key]
    return document


def number_changed(document, rng):
    """A mutant in one number of a section chosen at random."""
    mutant = copy.deepcopy(document)
    section = rng.choice(SECTIONS)
    path = (section, *rng.choice(list(leaves(document[section]))))
    home = parent(mutant, path)
    home[path[-1]] = changed(home[path[-1]], rng)
    return mutant


def record_changed(document, rng):
    """A mutant in which a record is dropped or doubled."""
    mutant = copy.deepcopy(document)
    cover = rng.choice([c for c in covers(mutant) if len(c) > 1])
    at = rng.randrange(len(cover))
    cover[at : at + 1] = rng.choice(([], [cover[at], list(cover[at])]))
    return mutant


def records_swapped(document, rng):
    """A mutant in which two neighbours change places."""
    mutant = copy.deepcopy(document)
    cover = rng.choice([c for c in covers(mutant) if len(c) > 1])
    at = rng.randrange(len(cover) - 1)
    cover[at : at + 2] = cover[at : at + 2][::-1]
    return mutant


def entry_changed(document, rng):
    """A mutant in which an entry of some list is dropped or doubled."""
    mutant = copy.deepcopy(document)
    home = parent(mutant, rng.choice(list(leaves(document))))
    if isinstance(home, list):
        at = rng.randrange(len(home))
        home[at : at + 1] = rng.choice(([], [home[at]] * 2))
    return mutant


def accepted(document):
    try:
        checker.check(document)
    except checker.Rejected:
        return False
    return True


def statement(document):
    return [document[key] for key in ("problem", "network", "gap")]


def assert_honest(original, mutant):
    """A mutant is rejected, or states and proves the same; returns whether it was accepted."""
    if mutant == original or not accepted(mutant):
        return False
    assert statement(mutant) == statement(original)
    assert_true(mutant)
    return True


def attack(proofs, make, count, seed):
    rng = random.Random(seed)
    survivors = 0
    for number in range(count):
        original = proofs[number % len(proofs)]
        survivors += assert_honest(original, make(original, rng))
    return survivors


def test_changed_numbers(proofs):
    assert attack(proofs, number_changed, 60, seed=0) < 60


def test_changed_records(proofs):
    assert attack(proofs[CONES], record_changed, 30, seed=1) == 0
    assert attack(proofs[4:], record_changed, 20, seed=1) < 20
    assert attack(proofs, records_swapped, 30, seed=1) < 30  # either may do in both places


def test_changed_entries(proofs):
    assert attack(proofs, entry_changed, 25, seed=2) == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_many_mutants(proofs, seed):
    attack(proofs, number_changed, 70, seed=100 + seed)
    assert attack(proofs[CONES], record_changed, 30, seed=200 + seed) == 0
    attack(proofs[4:], record_changed, 20, seed=200 + seed)
    attack(proofs, records_swapped, 30, seed=400 + seed)
    assert attack(proofs, entry_changed, 20, seed=300 + seed) == 0


def restated(document):
    """The document with the digest that its statement should have."""
    text = json.dumps(statement(document), sort_keys=True)
    document["statement_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    return document


def forged(document, rng):
    """A mutant of the statement whose digest was computed anew."""
    mutant = copy.deepcopy(document)
    section = rng.choice(("problem", "network", "gap"))
    path = (section, *rng.choice(list(leaves(document[section]))))
    home = parent(mutant, path)
    home[path[-1]] = changed(home[path[-1]], rng)
    return restated(mutant)


def attack_with_forgeries(proofs, count, seed):
    rng = random.Random(seed)
    for number in range(count):
        mutant = forged(proofs[number % len(proofs)], rng)
        if accepted(mutant):
            assert_true(mutant)


def test_a_forged_statement_is_rejected_or_true(proofs):
    attack_with_forgeries(proofs, 60, seed=3)


@pytest.mark.slow
def test_many_forged_statements(proofs):
    attack_with_forgeries(proofs, 600, seed=4)


def test_the_data_digest_tells_forged_data(proofs):
    original = proofs[0]
    mutant = copy.deepcopy(original)
    mutant["problem"]["y"][1][0] = 0
    mutant["gap"] = [1, 10**6]
    digests = [checker.check(document)["data_sha256"] for document in (original, restated(mutant))]
    assert digests[0] != digests[1]


def test_assert_honest_can_fail(proofs):
    loose = copy.deepcopy(proofs[0])
    loose["gap"][1] *= 2
    with pytest.raises(AssertionError):
        assert_honest(proofs[0], restated(loose))


def test_mutants_are_mutants(proofs):
    rng = random.Random(5)
    for make in (number_changed, record_changed, entry_changed, forged):
        texts = {json.dumps(make(proofs[0], rng)) for _ in range(10)}
        assert len(texts) > 5
