"""Pictures of comparisons: what the artists hold is what the comparison says."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.training import Comparison, TrainingSettings, compare

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def found():
    X = np.random.default_rng(0).standard_normal((8, 2))
    problem = mlp.MeasureProblem(X, np.abs(X[:, 0]) - 0.5 * X[:, 1], lam=0.2)
    methods = {
        "conic": TrainingSettings(
            method="conic", width=1, steps=60, learning_rate=0.02, penalty="variation", record_every=20
        ),
        "wild": TrainingSettings(
            method="gd", width=1, steps=60, learning_rate=50.0, record_every=20
        ),
    }  # fmt: skip
    return compare(problem, methods, [3, 6], range(3))


def line(ax, label):
    (one,) = (artist for artist in ax.lines if artist.get_label() == label)
    return np.array(one.get_data(), dtype=float)


def test_gaps_along_training_are_those_of_the_records(found):
    run = found.runs["conic", 6]
    bound = found.solution.certificate.dual_value
    middle = np.median((run.record.objective - bound) / run.record.objective, axis=1)
    for against in ("steps", "seconds"):
        ax = mlp.plotting.plot_training_gaps(found, against=against)
        at, gaps = line(ax, "conic, 6")
        np.testing.assert_allclose(gaps, middle, rtol=1e-6)
        np.testing.assert_array_equal(
            at, run.record.step if against == "steps" else run.record.seconds
        )
        assert len(line(ax, "wild, 3")[0]) < len(at)  # no point after it diverged
    with pytest.raises(InvalidProblem, match="against"):
        mlp.plotting.plot_training_gaps(found, against="epochs")


def test_final_gaps_are_those_of_the_endpoints(found):
    ax = mlp.plotting.plot_final_gaps(found)
    points = {tuple(p) for c in ax.collections for p in c.get_offsets()}
    ends = [e for e in found.endpoints if e.method == "conic"]
    assert points == {(e.width, e.relative_gap) for e in ends}
    at, middle = line(ax, "conic")
    assert at.tolist() == [3, 6]
    assert middle[0] == np.median([e.relative_gap for e in ends if e.width == 3])
    assert all(artist.get_label() != "wild" for artist in ax.lines)


def test_bars_are_the_shares(found):
    ax = mlp.plotting.plot_success(found)
    heights = np.array([[bar.get_height() for bar in group] for group in ax.containers])
    expected = [
        [found.fractions(*key)[limit] for key in found.runs] for limit in (1e-2, 1e-3, 1e-4)
    ]
    np.testing.assert_array_equal(heights, expected)
    assert [t.get_text() for t in ax.get_xticklabels()][:2] == ["conic, 3", "conic, 6"]


def test_neurons_stand_above_those_of_their_optimum(found):
    ax = mlp.plotting.plot_neurons_found(found)
    optimum = len(found.solution.measure)
    points = np.vstack([c.get_offsets() for c in ax.collections])
    np.testing.assert_allclose(points[:, 0], optimum, rtol=0.05)
    wanted = sorted(e.neurons for e in found.endpoints if e.neurons is not None)
    assert sorted(points[:, 1]) == wanted
    both = mlp.plotting.plot_neurons_found([found, found])
    assert sum(len(c.get_offsets()) for c in both.collections) == 2 * len(wanted)


def test_axes_are_taken_and_nothing_is_not_drawn(found):
    functions = (
        mlp.plotting.plot_training_gaps, mlp.plotting.plot_final_gaps, mlp.plotting.plot_success,
        mlp.plotting.plot_neurons_found,
    )  # fmt: skip
    _, axes = plt.subplots(1, 4)
    empty = Comparison(found.solution, (), {}, mlp.Termination.INTERRUPTED)
    for function, ax in zip(functions, axes, strict=True):
        assert function(found, ax=ax) is ax
        with pytest.raises(InvalidProblem, match="no run"):
            function(empty)
    axes[0].figure.canvas.draw()
