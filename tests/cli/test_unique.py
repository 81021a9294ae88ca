"""``measurelp unique``: words, fields and exit codes."""

import pytest

import measurelp as mlp


@pytest.fixture
def folder(tmp_path):
    def save(problem):
        mlp.solve(problem, tol_gap=1e-9).save(tmp_path / "run")
        return tmp_path / "run"

    return save


def test_a_unique_solution(run, run_json, folder):
    saved = folder(mlp.MeasureProblem([[3.0, 4.0]], [2.0], lam=0.5, bias="none"))
    code, facts = run_json("unique", saved)
    assert code == facts["exit_code"] == 0
    assert facts["verdict"] == "UNIQUE" and facts["dimension"] == 0 and facts["search_complete"]
    assert len(facts["saturated"]) == len(facts["ranges"]) == facts["sparsest"] == 1
    result = run("unique", saved)
    assert result.exit_code == 0 and "UNIQUE" in result.stdout


def test_two_solutions_and_little_work(run_json, folder):
    saved = folder(
        mlp.MeasureProblem(
            [[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0], lam=0.1, bias="none", skip="affine"
        )
    )
    code, facts = run_json("unique", saved)
    assert code == 0 and facts["verdict"] == "NOT_UNIQUE"
    assert len(facts["alternatives"]) == 2
    assert (facts["dimension"], facts["sparsest"], facts["sparsest_bound"]) == (1, 1, 1)


def test_undecided_is_code_1_and_nonsense_code_2(run, run_json, folder, tmp_path):
    saved = folder(mlp.MeasureProblem([[3.0, 4.0], [1.0, -1.0]], [2.0, 1.0], lam=0.5))
    code, facts = run_json("unique", saved, "--max-work", "1")
    assert code == 1 and facts["verdict"] == "UNDECIDED"
    assert run("unique", saved, "--max-work", "0").exit_code == 2
    assert run("unique", tmp_path / "nothing").exit_code == 2
