"""Solutions on disk: what is loaded is what was saved, and claims are recomputed."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidFile
from measurelp.network import read_folder, write_folder


@pytest.fixture(scope="module")
def solution():
    rng = np.random.default_rng(7)
    X = rng.normal(size=(15, 2))
    return mlp.solve(mlp.MeasureProblem(X, np.abs(X[:, 0]) - X[:, 1], lam=0.1, skip="constant"))


def test_what_is_loaded_is_what_was_saved(solution, tmp_path):
    solution.save(tmp_path / "s")
    back = mlp.load_solution(tmp_path / "s")
    np.testing.assert_array_equal(back.measure.atoms, solution.measure.atoms)
    np.testing.assert_array_equal(back.measure.masses, solution.measure.masses)
    np.testing.assert_array_equal(back.problem.X, solution.problem.X)
    np.testing.assert_array_equal(back.problem.y, solution.problem.y)
    assert back.problem.lam == solution.problem.lam
    assert back.problem.bias == solution.problem.bias and back.problem.skip == solution.problem.skip
    assert back.certificate.verdict is mlp.Verdict.OPTIMAL
    assert back.certificate.primal_value == pytest.approx(
        solution.certificate.primal_value, rel=1e-12
    )
    X = np.random.default_rng(0).normal(size=(6, 2))
    np.testing.assert_allclose(back.predict(X), solution.predict(X), rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        mlp.load_network(tmp_path / "s").predict(X), solution.predict(X), rtol=0, atol=1e-12
    )


def test_an_existing_folder_is_kept(solution, tmp_path):
    solution.save(tmp_path / "s")
    with pytest.raises(InvalidFile, match="exists"):
        solution.save(tmp_path / "s")


def test_a_forged_measure_is_noticed_though_its_sums_fit(solution, tmp_path):
    solution.save(tmp_path / "s")
    document, arrays = read_folder(tmp_path / "s")
    forged = arrays | {"masses": 1.5 * arrays["masses"]}
    write_folder(tmp_path / "forged", document, forged, kind="solution")
    try:
        back = mlp.load_solution(tmp_path / "forged")
    except InvalidFile:
        return
    assert back.certificate.verdict is not mlp.Verdict.OPTIMAL
