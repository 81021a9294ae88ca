"""Comparisons with the proved optimum: gaps, verdicts, words and files."""

import csv
import io
import json

import numpy as np
import pytest
from click.testing import CliRunner

import measurelp as mlp
from measurelp.cli.app import app
from measurelp.errors import InvalidProblem
from measurelp.training import TrainingSettings, compare, method_settings

pytest.importorskip("torch")


def small(n=8, lam=0.2):
    X = np.random.default_rng(0).standard_normal((n, 2))
    return mlp.MeasureProblem(X, np.abs(X[:, 0]) - 0.5 * X[:, 1], lam=lam)


@pytest.fixture(scope="module")
def found():
    problem = small()
    return compare(problem, ["gd", "lbfgs", "conic"], [1, 20], range(2), steps=300)


def test_endpoints_are_what_the_runs_ended_in(found):
    problem, bound = found.solution.problem, found.solution.certificate.dual_value
    assert found.solution.certificate.is_optimal
    assert len(found.endpoints) == 3 * 2 * 2 and len(found.runs) == 6
    for end in found.endpoints:
        run = found.runs[end.method, end.width]
        network = run.networks()[end.seed]
        value = (
            0.5 * np.sum((network.predict(problem.X) - problem.y) ** 2) + 0.2 * network.path_norm
        )
        assert end.objective == pytest.approx(value, rel=1e-9)
        assert bound <= value * (1 + 1e-9)
        assert end.relative_gap == pytest.approx((value - bound) / value, rel=1e-6, abs=1e-7)
        assert end.relative_gap >= 0.0
        if end.verdict == "REFUTED":
            # The neuron's mass added, to a neuron of its direction if there is one.
            better = end.improvement
            measure = mlp.measure_from_network(network, problem)
            twin = measure.atoms @ better.weight > 1.0 - 1e-12
            masses = np.append(measure.masses[~twin], measure.masses[twin].sum() + better.mass)
            atoms = np.vstack([measure.atoms[~twin], better.weight])
            fit = np.maximum(problem.lifted @ atoms.T, 0.0) @ masses
            after = 0.5 * np.sum((fit - problem.y) ** 2) + 0.2 * np.abs(masses).sum()
            assert np.linalg.norm(better.weight) == pytest.approx(1.0)
            assert after == pytest.approx(better.objective, rel=1e-9)
            assert after < value
        else:
            assert end.verdict in ("OPTIMAL", "BRACKETED")
    widths = {w: min(e.relative_gap for e in found.endpoints if e.width == w) for w in (1, 20)}
    assert (
        widths[20] < widths[1] and widths[1] > 1e-3
    )  # one neuron cannot do it, and is not said to


def test_fractions_tables_and_files(found):
    shares = found.fractions("lbfgs", 20)
    gaps = [e.relative_gap for e in found.endpoints if (e.method, e.width) == ("lbfgs", 20)]
    assert shares == {t: np.mean([g <= t for g in gaps]) for t in (1e-2, 1e-3, 1e-4)}
    assert found.table().count("\n") == 7 and "OPTIMAL" in found.table()
    rows = list(csv.DictReader(io.StringIO(found.csv())))
    assert [float(row["objective"]) for row in rows] == [e.objective for e in found.endpoints]
    assert json.loads(json.dumps(found.facts(), allow_nan=False)) == found.facts()


def test_divergence_is_a_word_and_not_a_number():
    wild = TrainingSettings(method="gd", width=1, steps=200, learning_rate=50.0, record_every=1)
    done = compare(small(), {"wild": wild}, [5], [0, 1])
    assert [e.verdict for e in done.endpoints] == ["DIVERGED", "DIVERGED"]
    assert all(fact["objective"] is fact["relative_gap"] is None for fact in done.facts())
    assert set(done.fractions("wild", 5).values()) == {0.0}
    assert "nan" not in done.table() and "nan" not in done.csv()


def test_every_word_trains():
    problem = small()
    solution = mlp.solve(problem)
    words = list(method_settings(problem))
    done = compare(problem, words, [6], [0], steps=60, solution=solution)
    assert [e.method for e in done.endpoints] == words
    for run in done.runs.values():
        assert run.record.objective[-1, 0] < run.record.objective[0, 0]


def test_mistakes_and_interruptions():
    problem = small()
    solution = mlp.solve(problem)
    for arguments, word in (
        ((["sgdd"], [3], [0]), "methods"), ((["gd"], [0], [0]), "width"), ((["gd"], [], [0]), "widths"),
        ((["gd"], [3], []), "seeds"), ((["gd"], 3, [0]), "widths"), ((["gd"], [3], 2), "seeds"),
        ((["gd"], [2.5], [0]), "width"), (({"a": "gd"}, [3], [0]), "methods"),
    ):  # fmt: skip
        with pytest.raises(InvalidProblem, match=word):
            compare(problem, *arguments)
    with pytest.raises(InvalidProblem, match="another problem"):
        compare(problem.with_lam(0.3), ["gd"], [3], [0], solution=solution)

    def interrupt(progress):
        if progress.task.startswith("adam"):
            raise KeyboardInterrupt

    done = compare(
        problem, ["gd", "adam"], [3], [0], steps=10, solution=solution, callback=interrupt
    )
    assert done.termination is mlp.Termination.INTERRUPTED and len(done.endpoints) == 1


def test_the_command(tmp_path):
    problem = small()
    file, out = tmp_path / "table.csv", tmp_path / "out.csv"
    rows = np.column_stack([problem.X, problem.y]).tolist()
    file.write_text("a,b,y\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows))
    words = [
        "compare",
        str(file),
        "--target",
        "y",
        "--lam",
        "0.2",
        "--methods",
        "gd,adam",
        "--widths",
        "4",
    ]
    words += ["--seeds", "2", "--steps", "40"]
    done = CliRunner().invoke(app, [*words, "--json", "--csv", str(out)])
    facts = json.loads(done.stdout)
    assert done.exit_code == facts["exit_code"] == 0
    assert facts["optimum"]["verdict"] == "OPTIMAL" and len(facts["runs"]) == 4
    assert len(out.read_text().splitlines()) == 5
    assert CliRunner().invoke(app, [*words, "--csv", str(out)]).exit_code == 2
    drawn, kept = tmp_path / "drawn", tmp_path / "kept"
    done = CliRunner().invoke(
        app, [*words, "--json", "--pictures", str(drawn), "--resume", str(kept)]
    )
    again = json.loads(done.stdout)
    assert again["runs"] == facts["runs"] and again["resume"] == str(kept)
    assert sorted(file.name for file in drawn.iterdir()) == [
        "final-gaps.png", "gaps-seconds.png", "gaps-steps.png", "neurons.png", "success.png",
    ]  # fmt: skip
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in drawn.iterdir())
    assert CliRunner().invoke(app, [*words, "--pictures", str(drawn)]).exit_code == 2
    other = CliRunner().invoke(app, [*words, "--tol", "1e-5", "--resume", str(kept)])
    assert other.exit_code == 2 and "tol_gap" in other.stderr
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0 and "adam" in shown.stdout and "refuted" in shown.stdout
    for wrong in (["--widths", "a"], ["--methods", "x"], ["--widths", "0"], ["--tol", "-1"]):
        assert CliRunner().invoke(app, [*words, *wrong]).exit_code == 2, wrong
