"""Solutions as lam and label noise tend to 0: closed forms, rates, and the bordered system."""

import signal

import numpy as np
import pytest
from oracles.families import SETTINGS, TAME

import measurelp as mlp
from measurelp import StabilityVerdict
from measurelp.errors import InvalidProblem
from measurelp.paths import stability_paths


def gaussian(seed, n, d, **options):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    return mlp.MeasureProblem(X, y, lam=1.0, **options)


def test_one_interior_atom_with_noise():
    """X = I, y = (3, 4) + lam nu: w = y / |y| and c = |y| - lam."""
    problem = mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=1.0, bias="none")
    nu = np.array([0.6, -0.8])
    found = mlp.stability(problem, lams=[0.05, 0.5, 0.005], noises=[nu])
    assert found.verdict is StabilityVerdict.STABLE
    (path,) = found.paths
    assert found.atoms_stay and path.atoms_stay and path.settled_from == 0.5
    assert [step.lam for step in path.steps] == [0.5, 0.05, 0.005]
    first = path.steps[0].certificate
    assert first.primal_value == pytest.approx(2.316823089414956, rel=1e-9)
    for step in path.steps:
        targets = problem.y + step.lam * nu
        size = np.linalg.norm(targets)
        assert step.certificate.is_optimal and step.n_atoms == 1
        assert step.mass_error == pytest.approx(abs(size - step.lam - 5.0), abs=1e-10)
        place = np.linalg.norm(targets / size - problem.y / 5.0)
        assert step.location_error == pytest.approx(place, abs=1e-10)
        assert step.mass_error <= step.lam + step.lam * np.linalg.norm(nu)
        assert step.location_error <= step.lam / (5.0 - step.lam) * 1.0001
        # c = 5 + lam (<nu, w> - 1), w moves by lam (nu - <nu, w> w) / 5, to first order.
        assert step.mass_remainder < 0.2 * step.lam**2
        assert step.location_remainder < 0.2 * step.lam**2
    inner = float(nu @ problem.y) / 5.0
    np.testing.assert_allclose(path.limit.first_order.masses, [inner - 1.0], atol=1e-12)
    np.testing.assert_allclose(
        path.limit.first_order.atoms, [(nu - inner * problem.y / 5.0) / 5.0], atol=1e-12
    )


def test_three_interior_atoms_move_as_the_bordered_system_says():
    """Five Gaussian points in R^3: three atoms inside cells, and the system written out here."""
    problem = gaussian(0, 5, 3, bias="none")
    found = mlp.stability(problem, lams=[1e-2, 1e-3, 1e-4, 1e-5])
    assert found.verdict is StabilityVerdict.STABLE
    (path,) = found.paths
    limit = path.limit
    assert len(limit.masses) == 3 and limit.walls.tolist() == [0, 0, 0]
    X, w, c = problem.X, limit.atoms, limit.masses
    M = np.hstack([X * (X @ wk > 0.0)[:, None] for wk in w])
    s = np.sign(c)
    q0 = np.linalg.lstsq(M.T, np.concatenate([sk * wk for sk, wk in zip(s, w, strict=True)]))[0]
    np.testing.assert_allclose(limit.dual, q0, atol=1e-9)
    H = np.zeros((9, 9))
    for k in range(3):
        block = slice(3 * k, 3 * k + 3)
        H[block, block] = (np.eye(3) - np.outer(w[k], w[k])) / c[k]
    # v_k = c_k w_k with <D_k X>^T q = s_k w_k; (I - w w^T) dv / c is s_k times the change of s_k w_k.
    system = np.block([[M, np.zeros((5, 5))], [-H * np.repeat(s, 3)[:, None], M.T]])
    dv = np.linalg.lstsq(system, np.concatenate([-q0, np.zeros(9)]))[0][:9].reshape(3, 3)
    mass = np.einsum("kj,kj->k", dv, w)
    np.testing.assert_allclose(limit.first_order.masses, mass, atol=1e-8)
    np.testing.assert_allclose(
        limit.first_order.atoms, (dv - mass[:, None] * w) / c[:, None], atol=1e-8
    )
    at = path.steps[1]
    assert at.lam == 1e-3 and at.n_atoms == 3
    assert at.mass_remainder / at.mass_error < 1e-2
    assert at.location_remainder / at.location_error < 1e-2
    for rate, expected in (
        (path.mass_rate, 1.0), (path.location_rate, 1.0), (path.dual_rate, 1.0),
        (path.remainder_rate, 2.0), (path.rate("location_remainder"), 2.0),
    ):  # fmt: skip
        assert rate.n_points == 3 and rate.slope == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("seed", "n", "d", "options"), [
    (2, 5, 3, {"bias": "none"}), (3, 6, 3, {"bias": "none"}), (0, 8, 2, {}),
    (0, 6, 2, {"bias": "none", "skip": "constant"}), (1, 6, 2, {"bias": "free", "skip": "constant"}),
])  # fmt: skip
def test_atoms_on_walls_move_linearly_too(seed, n, d, options):
    found = mlp.stability(gaussian(seed, n, d, **options), noises=[0.0, 0.05])
    assert found.verdict is StabilityVerdict.STABLE, found
    for path in found.paths:
        assert path.limit.walls.max() > 0
        assert len(path.settled) >= 4
        assert path.mass_rate.slope == pytest.approx(1.0, abs=0.05)
        assert path.remainder_rate.slope == pytest.approx(2.0, abs=0.1) or (
            path.remainder_rate.n_points < 3
        )
        if path.limit.freedom.max() > 0 and np.abs(path.limit.first_order.atoms).max() > 1e-9:
            assert path.location_rate.slope == pytest.approx(1.0, abs=0.05)
        # At the last lam the residual is 1e-6 of the targets, and 1e-9 of it is their rounding.
        for step in path.steps:
            assert step.certificate.is_optimal or (
                step.lam < 1e-5 and step.certificate.relative_gap < 1e-8
            )


def test_locations_on_rays_are_frozen():
    """Two unit points at 45 degrees, y = (1, -1): atoms on the walls; masses move linearly."""
    half = np.sqrt(0.5)
    problem = mlp.MeasureProblem([[1.0, 0.0], [half, half]], [1.0, -1.0], lam=1.0, bias="none")
    (path,) = mlp.stability(problem).paths
    assert path.atoms_stay and path.limit.holds
    assert path.mass_rate.slope == pytest.approx(1.0, abs=1e-3)
    assert np.isnan(path.location_rate.slope) and path.location_rate.n_points == 0
    assert max(step.location_error for step in path.steps) < 1e-9


def test_noise_decides_whether_atoms_stay():
    """X = I, y = (1, 0): targets (1, t lam) need a second neuron or a tilt as soon as t > 0."""
    problem = mlp.MeasureProblem(np.eye(2), [1.0, 0.0], lam=1.0, bias="none")
    inside = mlp.stability(problem, noises=[[0.0, -0.5]])
    assert inside.verdict is StabilityVerdict.STABLE and inside.paths[0].atoms_stay
    beyond = mlp.stability(problem, noises=[[0.0, -1.5]])
    assert beyond.verdict is StabilityVerdict.DEGENERATE
    assert beyond.paths[0].atoms_stay is False
    assert all(step.n_atoms == 2 for step in beyond.paths[0].steps)
    both = mlp.stability(problem, noises=[[0.0, -0.5], [0.0, -1.5]])
    assert both.verdict is StabilityVerdict.DEGENERATE and len(both.paths) == 2
    assert inside.atoms_stay is True and both.atoms_stay is False


def test_a_teacher_whose_dual_vector_of_least_norm_is_no_certificate():
    """Two neurons are the limit, but every solution on the way has three: nothing else shows it."""
    rng = np.random.default_rng(0)
    X, W = rng.standard_normal((30, 2)), rng.standard_normal((2, 3))
    W /= np.linalg.norm(W, axis=1)[:, None]
    y = np.maximum(np.hstack([X, np.ones((30, 1))]) @ W.T, 0.0) @ rng.choice([-1.0, 1.0], 2)
    found = mlp.stability(mlp.MeasureProblem(X, y, lam=1.0), lams=[0.1, 0.02, 0.004])
    assert len(found.limit.measure) == 2
    assert found.limit.measure.total_variation == pytest.approx(2.0, rel=1e-8)
    assert found.verdict is StabilityVerdict.DEGENERATE and "exceeds the limit" in found.message
    (path,) = found.paths
    assert path.atoms_stay is False and [step.n_atoms for step in path.steps] == [3, 3, 3]
    assert np.isnan(path.limit.dual).all() and path.limit.first_order is None


def some_problem(seed):
    """Plain and degenerate data, targets at random or from a teacher of two neurons."""
    rng = np.random.default_rng(seed)
    bias, skip = SETTINGS[(seed // 4) % len(SETTINGS)]
    if skip == "affine" and seed % 3:  # no measure is unique with an affine skip
        skip = "constant" if bias == "free" else "none"
    X = TAME[list(TAME)[seed % 4]](rng, int(rng.integers(3, 9)), int(rng.integers(1, 4)))
    y = rng.standard_normal(len(X))
    if seed % 5 == 0:
        rows = X if bias == "none" else np.hstack([X, np.ones((len(X), 1))])
        weights = rng.standard_normal((2, rows.shape[1]))
        y = np.maximum(rows @ weights.T, 0.0) @ rng.choice([-1.0, 1.0], 2)
    return mlp.MeasureProblem(X, y, lam=1.0, bias=bias, skip=skip)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_what_is_proved_about_the_limit_is_seen_on_the_way(part):
    proved = 0
    for seed in range(part, 120, 8):
        problem = some_problem(seed)
        size = float(np.linalg.norm(problem.y)) or 1.0
        found = mlp.stability(
            problem, lams=size * 10.0 ** np.arange(-2, -8, -1), noises=[0.0, 0.2], max_work=1e7
        )
        for path in found.paths:
            if path.limit.holds is not True:
                continue
            proved += 1
            last = [step for step in path.steps if step.same_atoms is not None][-1]
            assert last.same_atoms is True, (seed, path)
            np.testing.assert_allclose(last.dual_error, 0.0, atol=0.1, err_msg=f"{seed}")
            for name, slope in (
                ("mass_error", 1.0), ("dual_error", 1.0), ("mass_remainder", 2.0),
                ("location_error", 1.0), ("location_remainder", 2.0),
            ):  # fmt: skip
                rate = path.rate(name)
                if rate.n_points >= 3:
                    assert rate.slope > slope - 0.2, (seed, name, rate)
    assert proved >= 3


def test_scaled_targets_scale_everything():
    problem = gaussian(3, 6, 3, bias="none")
    lams, nu = np.array([1e-3, 1e-4, 1e-5]), np.linspace(-0.1, 0.1, 6)
    first = mlp.stability(problem, lams=lams, noises=[nu]).paths[0]
    larger = mlp.MeasureProblem(problem.X, 8.0 * problem.y, lam=1.0, bias="none")
    second = mlp.stability(larger, lams=8.0 * lams, noises=[nu]).paths[0]
    np.testing.assert_allclose(second.limit.dual, first.limit.dual, atol=1e-8)
    for a, b in zip(first.steps, second.steps, strict=True):
        assert b.mass_error == pytest.approx(8.0 * a.mass_error, rel=1e-5)
        assert b.location_error == pytest.approx(a.location_error, rel=1e-5)


def test_limits_that_are_none():
    infeasible = mlp.stability(mlp.MeasureProblem([[1.0], [1.0]], [0.0, 1.0], lam=1.0, bias="none"))
    assert infeasible.verdict is StabilityVerdict.INFEASIBLE and infeasible.paths == ()
    corner = mlp.MeasureProblem(
        [[-1.0], [0.0], [1.0]], [1.0, 0.0, 1.0], lam=0.1, bias="none", skip="affine"
    )
    found = mlp.stability(corner)
    assert found.verdict is StabilityVerdict.DEGENERATE and "not unique" in found.message
    zero = mlp.stability(mlp.MeasureProblem(np.eye(2), [0.0, 0.0], lam=1.0, bias="none"))
    assert zero.verdict is StabilityVerdict.STABLE and zero.paths[0].atoms_stay


def test_nothing_is_claimed_about_what_was_not_solved():
    problem = gaussian(0, 8, 2)
    late = mlp.stability(problem, lams=[1e-2, 1e-3], noises=[0.0, 0.1], time_limit=1e-6)
    assert late.verdict is StabilityVerdict.UNDECIDED
    rough = mlp.stability(problem, lams=[1e-2, 1e-3], tol_gap=1e-9, max_work=10.0)
    assert rough.verdict is StabilityVerdict.UNDECIDED and "max_work" in rough.message
    from measurelp.paths.stability_steps import compared

    limit = mlp.stability(problem, lams=[1e-3]).paths[0].limit
    short = mlp.solve(problem.with_lam(1e-3), tol_gap=1e-12, max_rounds=1)
    assert not short.certificate.is_optimal
    step = compared(short, limit)
    assert step.same_atoms is None and np.isnan(step.mass_error) and np.isnan(step.dual_error)


def test_steps_that_were_not_proved_take_no_part_in_rates():
    """Far below the roundoff of the fit a gap of 1e-13 is out of reach."""
    problem = gaussian(0, 5, 3, bias="none")
    lams = np.array([1e-3, 1e-4, 1e-5, 1e-13])
    (path,) = mlp.stability(problem, lams=lams, tol_gap=1e-10).paths
    *proved, last = path.steps
    assert not last.certificate.is_optimal and last.same_atoms is None
    assert np.isnan(last.mass_error) and path.atoms_stay is None
    assert [step.lam for step in path.settled] == [step.lam for step in proved]
    assert path.mass_rate.n_points == 3 and path.mass_rate.slope == pytest.approx(1.0, abs=0.01)


def test_words():
    found = mlp.stability(gaussian(0, 5, 3, bias="none"), lams=[1e-2, 1e-3, 1e-4])
    assert "STABLE" in repr(found) and "mass rate" in repr(found.paths[0])
    table = found.table().splitlines()
    assert len(table) == 1 + 3 + 1 and "OPTIMAL" in table[1] and "rate" in table[-1]
    assert len({len(line) for line in table}) == 1


@pytest.mark.parametrize(("options", "words"), [
    ({"lams": []}, "lams"), ({"lams": [0.0]}, "lams"), ({"lams": [np.inf]}, "lams"),
    ({"lams": "small"}, "lams"), ({"lams": 0.1}, "lams"), ({"noises": []}, "noises"),
    ({"noises": [-1.0]}, "noises"), ({"noises": [[1.0, 2.0]]}, "noises"),
    ({"noises": [np.nan]}, "noises"), ({"tol_gap": 0.0}, "tol_gap"),
    ({"max_work": -1.0}, "max_work"), ({"time_limit": 0.0}, "time_limit"),
])  # fmt: skip
def test_refusals(options, words):
    with pytest.raises(InvalidProblem, match=words):
        mlp.stability(gaussian(0, 5, 3, bias="none"), **options)


def test_what_is_no_problem_of_this_kind_is_refused():
    for options in ({"loss": mlp.Absolute()}, {"sample_weight": [1.0, 2.0]}):
        with pytest.raises(InvalidProblem, match="problem: stability"):
            mlp.stability(mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=1.0, **options))
    with pytest.raises(InvalidProblem, match="problem"):
        mlp.stability(np.eye(2))


def pressed_at(number, monkeypatch):
    """Ctrl-C after this many solves."""

    def solve(*arguments, **options):
        done.append(arguments)
        if len(done) == number:
            signal.raise_signal(signal.SIGINT)
        return original(*arguments, **options)

    done, original = [], stability_paths.solve
    monkeypatch.setattr(stability_paths, "solve", solve)
    return done


@pytest.mark.parametrize("number", [1, 3])
def test_ctrl_c_leaves_what_is_known(number, monkeypatch):
    problem = mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=1.0, bias="none")
    lams = [0.4, 0.2, 0.1, 0.05]
    whole = mlp.stability(problem, lams=lams, noises=[0.0, 0.1])
    assert whole.termination is mlp.Termination.CONVERGED
    done = pressed_at(number, monkeypatch)
    cut = mlp.stability(problem, lams=lams, noises=[0.0, 0.1])
    assert len(done) == number and cut.termination is mlp.Termination.INTERRUPTED
    assert cut.verdict is StabilityVerdict.UNDECIDED and "interrupted" in cut.message
    assert [len(path.steps) for path in cut.paths] == ([] if number == 1 else [2])


def test_ctrl_c_between_solves_leaves_what_is_known(monkeypatch):
    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    problem = mlp.MeasureProblem(np.eye(2), [3.0, 4.0], lam=1.0, bias="none")
    monkeypatch.setattr(stability_paths, "nondegeneracy", interrupted)
    cut = mlp.stability(problem, lams=[0.1])
    assert cut.termination is mlp.Termination.INTERRUPTED and not cut.paths
    assert cut.limit.certificate.is_optimal and cut.verdict is StabilityVerdict.UNDECIDED
