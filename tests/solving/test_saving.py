"""Round trips and damage of saved solutions."""

import hashlib
import json

import numpy as np
import pytest
from oracles.families import SETTINGS

import measurelp as mlp
from measurelp.errors import InvalidFile
from measurelp.network import read_folder, write_folder
from measurelp.solving import solution as saving


def solved(bias="penalized", skip="none", loss=None, seed=0, **limits):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((8, 2)), rng.standard_normal(8)
    return mlp.solve(mlp.MeasureProblem(X, y, lam=0.1, bias=bias, skip=skip, loss=loss), **limits)


@pytest.mark.parametrize("loss", [mlp.Squared(), mlp.Interpolation()])
@pytest.mark.parametrize(("bias", "skip"), SETTINGS)
def test_round_trip(bias, skip, loss, tmp_path):
    solution = solved(bias, skip, loss)
    solution.save(tmp_path / "s")
    back = mlp.load_solution(tmp_path / "s")
    np.testing.assert_array_equal(back.measure.atoms, solution.measure.atoms)
    np.testing.assert_array_equal(back.measure.masses, solution.measure.masses)
    np.testing.assert_array_equal(back.problem.X, solution.problem.X)
    assert back.certificate.verdict is solution.certificate.verdict
    assert back.termination is solution.termination
    if solution.certificate.verdict is mlp.Verdict.OPTIMAL:
        # Sums of loaded arrays may be taken in another order.
        assert back.certificate.primal_value == pytest.approx(
            solution.certificate.primal_value, rel=1e-14
        )
        X = np.random.default_rng(1).standard_normal((5, 2))
        np.testing.assert_array_equal(back.predict(X), solution.predict(X))


@pytest.mark.parametrize("limits", [{"max_rounds": 1}, {"time_limit": 1e-9}])
def test_unfinished_solutions_come_back_as_such(limits, tmp_path):
    solution = solved(**limits)
    solution.save(tmp_path / "s")
    back = mlp.load_solution(tmp_path / "s")
    assert back.certificate.primal_value == pytest.approx(
        solution.certificate.primal_value, rel=1e-12
    )
    assert back.termination is solution.termination


def test_infeasible_solutions_come_back_as_such(tmp_path):
    problem = mlp.MeasureProblem(
        [[1.0], [1.0]], [1.0, 2.0], loss=mlp.Interpolation(tolerance=1e-7), bias="none"
    )
    solution = mlp.solve(problem)
    solution.save(tmp_path / "s")
    back = mlp.load_solution(tmp_path / "s")
    assert back.certificate.verdict is mlp.Verdict.INFEASIBLE
    assert back.problem.loss.tolerance == 1e-7


def forge(folder, change):
    """Edit the document and mend its checksum, as somebody who means it would."""
    document, arrays = read_folder(folder)
    change(document, arrays)
    forged = folder.parent / "forged"
    write_folder(forged, document, arrays, kind="solution")
    return forged


def lower_objective(document, arrays):
    document["certificate"]["primal_value"] *= 0.9


def scaled_masses(document, arrays):
    arrays["masses"] = 1.1 * arrays["masses"]


def lost_dual(document, arrays):
    arrays["dual"] = np.full_like(arrays["dual"], np.nan)


def unknown_verdict(document, arrays):
    document["certificate"]["verdict"] = "PROVED"


def infeasible(document, arrays):
    document["certificate"]["verdict"] = "INFEASIBLE"


def other_lam(document, arrays):
    document["problem"]["lam"] = 0.2


def no_lam(document, arrays):
    del document["problem"]["lam"]


def other_targets(document, arrays):
    arrays["y"] = arrays["y"] + 1.0


def no_atoms(document, arrays):
    del arrays["atoms"]


def text_tolerance(document, arrays):
    document["certificate"]["tol_gap"] = "small"


def wide_tolerance(document, arrays):
    """Claims OPTIMAL for a measure that is not, at a tolerance that lets everything pass."""
    arrays["masses"] = 1.1 * arrays["masses"]
    document["certificate"]["tol_gap"] = 10.0


def other_termination(document, arrays):
    document["termination"] = "DONE"


def other_ball(document, arrays):
    document["problem"]["ball"] = "l1"


def short_mass(document, arrays):
    arrays["masses"] = arrays["masses"][:-1]


@pytest.mark.parametrize("change", [
    lower_objective, scaled_masses, lost_dual, unknown_verdict, infeasible, other_lam, no_lam,
    other_targets, no_atoms, text_tolerance, wide_tolerance, other_termination, other_ball, short_mass,
])  # fmt: skip
def test_forgeries_are_refused(change, tmp_path):
    solved().save(tmp_path / "s")
    with pytest.raises(InvalidFile):
        mlp.load_solution(forge(tmp_path / "s", change))


def test_a_refuted_measure_cannot_be_made_optimal(tmp_path):
    """A claim of OPTIMAL does not survive, whatever else was adapted to it."""
    solution = solved(max_rounds=1)
    assert solution.certificate.verdict is not mlp.Verdict.OPTIMAL
    solution.save(tmp_path / "s")

    def claim(document, arrays):
        document["certificate"]["verdict"] = "OPTIMAL"
        document["certificate"]["relative_gap"] = 0.0

    with pytest.raises(InvalidFile, match="OPTIMAL"):
        mlp.load_solution(forge(tmp_path / "s", claim))


def test_edits_by_hand_are_refused(tmp_path):
    solved().save(tmp_path / "s")
    file = tmp_path / "s" / "measurelp.json"
    text = file.read_text()
    for old, new in (
        ('"OPTIMAL"', '"REFUTED"'),
        ('"penalized"', '"none"'),
        ('"lam": 0.1', '"lam": 0.3'),
    ):
        assert old in text
        file.write_text(text.replace(old, new))
        with pytest.raises(InvalidFile):
            mlp.load_solution(tmp_path / "s")
    for cut in (0, 1, len(text) // 2, len(text) - 3):
        file.write_text(text[:cut])
        with pytest.raises(InvalidFile):
            mlp.load_solution(tmp_path / "s")


def test_any_flipped_byte_of_the_arrays_is_noticed(tmp_path):
    solved().save(tmp_path / "s")
    file = tmp_path / "s" / "arrays.npz"
    content = file.read_bytes()
    for position in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        file.write_bytes(bytes(damaged))
        with pytest.raises(InvalidFile):
            mlp.load_solution(tmp_path / "s")
    file.write_bytes(content)
    assert mlp.load_solution(tmp_path / "s").certificate.verdict is mlp.Verdict.OPTIMAL


def test_a_flipped_byte_with_a_mended_checksum_is_never_optimal_and_wrong(tmp_path):
    """Damage that the sum does not show is caught by the format or by certifying again."""
    solution = solved()
    solution.save(tmp_path / "s")
    array_file, json_file = tmp_path / "s" / "arrays.npz", tmp_path / "s" / "measurelp.json"
    content, envelope = array_file.read_bytes(), json.loads(json_file.read_text())
    for position in range(5, len(content), 211):
        damaged = bytearray(content)
        damaged[position] ^= 0x40
        array_file.write_bytes(bytes(damaged))
        envelope["arrays_sha256"] = hashlib.sha256(bytes(damaged)).hexdigest()
        json_file.write_text(json.dumps(envelope))
        try:
            back = mlp.load_solution(tmp_path / "s")
        except InvalidFile:
            continue
        # Only what does not enter the claim may differ: plain weights, the dual.
        assert back.certificate.primal_value == pytest.approx(
            solution.certificate.primal_value, rel=1e-8
        )


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_refused(name, tmp_path):
    (tmp_path / "file").write_text("{}")
    with pytest.raises(InvalidFile):
        mlp.load_solution(tmp_path / name)


def test_a_bracket_is_certified_again_no_longer_than_its_solve(tmp_path, monkeypatch):
    """What was not proved in an hour would not be in the next one either; what was, takes what it takes."""
    budgets = []

    def certify(*arguments, budget, **options):
        budgets.append(budget.seconds_left)
        return original(*arguments, budget=budget, **options)

    original = saving.certify
    monkeypatch.setattr(saving, "certify", certify)
    for name, limits in (("whole", {}), ("cut", {"max_rounds": 1})):
        solved(**limits).save(tmp_path / name)
        mlp.load_solution(tmp_path / name)
    assert budgets[0] == np.inf and 5.0 < budgets[1] <= 10.0


def test_nothing_is_proved_in_no_time(tmp_path):
    whole = solved()
    whole.save(tmp_path / "s")
    back = mlp.load_solution(tmp_path / "s", time_limit=0.0)
    assert back.certificate.verdict is not mlp.Verdict.OPTIMAL
    assert back.certificate.dual_value <= whole.certificate.primal_value
    assert back.certificate.primal_value == pytest.approx(whole.certificate.primal_value)
