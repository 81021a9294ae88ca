"""Each picture's artists against the definition of what they show."""

import io

import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.plotting._canvas import DARK, NEGATIVE, POSITIVE
from measurelp.plotting.cover import cover_of_proof
from measurelp.plotting.tracks import tracked_masses


def drawn(ax):
    """The picture as bytes; that it can be drawn at all, small, is part of every test."""
    ax.figure.set_size_inches(3.2, 2.4)
    stream = io.BytesIO()
    ax.figure.savefig(stream, format="png", dpi=80)
    return stream.getvalue()


def named(artists, label):
    return [artist for artist in artists if artist.get_label() == label]


def labelled(ax):
    return bool(ax.get_xlabel()) and bool(ax.get_ylabel())


# -- the fit ---------------------------------------------------------------------------------


def test_the_graph_is_the_network_and_bends_at_its_knots(line):
    ax = mlp.plotting.plot_fit(line)
    (graph,) = named(ax.lines, "network")
    x, f = graph.get_data()
    (knots,) = named(ax.collections, "knots")
    inside = np.linspace(x[0], x[-1], 301)
    np.testing.assert_allclose(np.interp(inside, x, f), line.predict(inside[:, None]), atol=1e-10)
    net = line.network()
    expected = np.sort(-net.hidden_bias / net.hidden_weights[:, 0])
    expected = expected[(expected >= x[0]) & (expected <= x[-1])]
    np.testing.assert_allclose(np.sort(knots.get_offsets()[:, 0]), expected, atol=1e-12)
    (data,) = named(ax.collections, "data")
    np.testing.assert_array_equal(
        data.get_offsets(), np.column_stack([line.problem.X[:, 0], line.problem.y])
    )
    assert labelled(ax) and drawn(ax)


def test_the_plane_shows_the_function_and_its_creases(plane):
    ax = mlp.plotting.plot_fit(plane)
    mesh = ax.collections[0]
    points = mesh.get_coordinates().reshape(-1, 2)
    np.testing.assert_allclose(
        np.asarray(mesh.get_array()).ravel(), plane.predict(points), atol=1e-10
    )
    creases = named(ax.lines, "_crease")
    net = plane.network()
    assert len(creases) == net.width
    for crease, w, b in zip(creases, net.hidden_weights, net.hidden_bias, strict=True):
        for point in (crease.get_xy1(), crease.get_xy2()):
            assert abs(w @ point + b) <= 1e-9 * np.linalg.norm(w)
    assert labelled(ax) and drawn(ax)


def test_a_network_needs_data_and_at_most_two_inputs(line):
    network = line.network()
    with pytest.raises(InvalidProblem, match="X, y: missing"):
        mlp.plotting.plot_fit(network)
    with pytest.raises(InvalidProblem, match="one or two inputs"):
        mlp.plotting.plot_fit(
            mlp.ReluNetwork(np.eye(3), output_weights=np.ones(3)), np.eye(3), np.ones(3)
        )
    with pytest.raises(InvalidProblem, match="expected shapes"):
        mlp.plotting.plot_fit(network, [[1.0], [2.0]], [1.0])
    flat = mlp.ReluNetwork(np.zeros((0, 1)), output_weights=np.zeros(0))
    ax = mlp.plotting.plot_fit(flat, [[1.0], [1.0]], [0.0, 2.0])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), 0.0)


# -- the certificate -------------------------------------------------------------------------


def test_the_curve_is_the_dual_function_and_stays_below_lam(line):
    ax = mlp.plotting.plot_certificate(line)
    (curve,) = named(ax.lines, r"$\eta$")
    angles, values = curve.get_data()
    problem, lam = line.problem, line.problem.lam
    lifted = np.column_stack([problem.X[:, 0], np.ones(problem.n)])
    w = np.column_stack([np.cos(angles), np.sin(angles)])
    expected = line.dual @ np.maximum(lifted @ w.T, 0.0)
    np.testing.assert_allclose(values, expected, atol=1e-12)
    assert np.abs(values).max() <= lam * (1 + 1e-5)
    # Every kink of eta is a vertex of the curve.
    kinks = np.arctan2(lifted[:, 0], -lifted[:, 1])
    assert np.abs(kinks[:, None] - angles[None, :]).min(axis=1).max() < 1e-12
    levels = [
        one.get_ydata()[0] for one in ax.lines if one.get_label() in (r"$\pm\lambda$", "_lower")
    ]
    assert sorted(levels) == [-lam, lam]
    (atoms,) = named(ax.collections, "atoms")
    found = atoms.get_offsets()
    np.testing.assert_allclose(
        found[:, 0], np.arctan2(line.measure.atoms[:, 1], line.measure.atoms[:, 0]), atol=1e-12
    )
    np.testing.assert_allclose(found[:, 1], np.sign(line.measure.masses) * lam, rtol=1e-4)
    assert labelled(ax) and drawn(ax)


@pytest.mark.parametrize("name", ["plane", "rank_four"])
def test_the_map_is_the_dual_function_in_units_of_lam(name, request):
    solution = request.getfixturevalue(name)
    ax = mlp.plotting.plot_certificate(solution)
    assert ax.name == "mollweide"
    values = np.asarray(ax.collections[0].get_array())
    assert np.nanmax(np.abs(values)) == pytest.approx(1.0, abs=0.02)
    if name == "plane":
        latitude = np.linspace(-np.pi / 2, np.pi / 2, values.shape[0])[:, None]
        longitude = np.linspace(-np.pi, np.pi, values.shape[1])[None, :]
        w = np.stack(np.broadcast_arrays(
            np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude),
            np.sin(latitude)), axis=-1)  # fmt: skip
        inner = np.maximum(np.einsum("id,abd->iab", solution.problem.lifted, w), 0.0)
        expected = np.einsum("i,iab->ab", solution.dual, inner) / solution.problem.lam
        np.testing.assert_allclose(values, expected, atol=1e-10)
        assert len(named(ax.lines, "_wall")) == solution.problem.n
    (atoms,) = named(ax.collections, "atoms")
    longitude, latitude = np.asarray(atoms.get_offsets()).T
    rows = np.rint((latitude / np.pi + 0.5) * (values.shape[0] - 1)).astype(int)
    columns = np.rint((longitude / np.pi + 1.0) / 2.0 * (values.shape[1] - 1)).astype(int)
    assert np.abs(values[rows, columns]).min() > 0.9
    assert drawn(ax)


def test_where_the_level_is_exceeded_a_line_says_so(plane):
    small = mlp.plotting.plot_dual_function(plane.problem, 0.5 * plane.dual)
    large = mlp.plotting.plot_dual_function(plane.problem, 2.0 * plane.dual)
    assert len(large.collections) == len(small.collections) + 1
    assert small.get_title() == "Dual certificate on the unit weights"
    assert large.get_title() == "Dual function on the unit weights"
    ticks = mlp.plotting.plot_dual_function(plane.problem, 100.0 * plane.dual)
    assert len(ticks.figure.axes[-1].get_xticks()) >= 5 and drawn(ticks)


def test_masses_that_are_vectors_have_no_colour_of_a_sign():
    x = np.linspace(-2.0, 2.0, 8)
    problem = mlp.MeasureProblem(x[:, None], np.column_stack([np.abs(x), x]), lam=0.1)
    (atoms,) = named(mlp.plotting.plot_certificate(mlp.solve(problem)).collections, "atoms")
    assert {matplotlib.colors.to_hex(c).upper() for c in atoms.get_facecolors()} == {DARK}


def test_names_of_directions_stand_beside_atoms(rank_four):
    ax = mlp.plotting.plot_certificate(rank_four)  # whose heaviest atom is +u1
    ax.figure.canvas.draw()
    (atoms,) = named(ax.collections, "atoms")
    place = ax.transData.transform(atoms.get_offsets()[0])
    (name,) = (text for text in ax.texts if text.get_text() == "+u1")
    box = name.get_window_extent()
    radius = 0.5 * np.sqrt(atoms.get_sizes()[0]) * ax.figure.dpi / 72.0
    assert box.y0 > place[1] + radius or box.y1 < place[1] - radius


def test_projections_and_ranks_are_refused_with_a_word(line, plane):
    with pytest.raises(InvalidProblem, match='projection="mollweide"'):
        mlp.plotting.plot_certificate(plane, ax=plt.figure().add_subplot())
    with pytest.raises(InvalidProblem, match="'rectilinear'"):
        mlp.plotting.plot_certificate(line, ax=plt.figure().add_subplot(projection="mollweide"))
    with pytest.raises(InvalidProblem, match="rank 1"):
        mlp.plotting.plot_dual_function(
            mlp.MeasureProblem([[1.0], [2.0]], [1.0, 1.0], lam=1.0, bias="none"), [1.0, 1.0]
        )
    with pytest.raises(InvalidProblem, match="expected 12 numbers"):
        mlp.plotting.plot_dual_function(line.problem, [1.0])


# -- cells and covers ------------------------------------------------------------------------


def test_sectors_are_the_cells_of_the_plane():
    X = np.array([[1.0, 0.0], [1.0, 1.0], [-2.0, -2.0], [0.3, -1.0], [0.0, 0.0]])
    ax = mlp.plotting.plot_cells(X)
    assert len(ax.patches) == mlp.count_cells(X) == 6
    assert ax.get_title() == "3 hyperplanes, 6 cells"
    total = 0.0
    for wedge in ax.patches:
        turn = (wedge.theta2 - wedge.theta1) % 360.0
        total += turn
        inside = np.radians(wedge.theta1 + turn * np.array([0.01, 0.5, 0.99]))
        signs = X @ np.array([np.cos(inside), np.sin(inside)]) > 0.0
        assert (signs == signs[:, :1]).all()
        assert wedge.get_label() == f"_{signs[:, 0].sum()}"
    assert total == pytest.approx(360.0)
    assert labelled(ax) and drawn(ax)


def test_the_map_counts_active_rows():
    X = np.random.default_rng(0).standard_normal((7, 3))
    ax = mlp.plotting.plot_cells(X)
    counts = np.asarray(ax.collections[0].get_array())
    a, b = counts.shape
    for i, j in [(0, 0), (90, 200), (180, 360), (300, 700)]:
        latitude, longitude = np.pi * (i / (a - 1) - 0.5), np.pi * (2.0 * j / (b - 1) - 1.0)
        w = [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ]
        assert counts[i, j] == np.sum(X @ w > 0.0)
    assert ax.get_title() == f"7 hyperplanes, {mlp.count_cells(X)} cells"
    assert drawn(ax)


def test_rows_of_lower_rank_are_drawn_in_their_span():
    X = np.outer([1, 2, 3], [1, 0, 2, 1])
    with pytest.raises(InvalidProblem, match="rank 1"):
        mlp.plotting.plot_cells(X)
    Y = np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0], [1.0, 1.0, 3.0]])
    ax = mlp.plotting.plot_cells(Y)
    assert ax.name == "rectilinear" and len(ax.patches) == 6
    with pytest.raises(InvalidProblem, match="rank 4"):
        mlp.plotting.plot_cells(np.eye(4))


@pytest.mark.parametrize("name", ["line", "plane"])
def test_the_cones_of_a_proof_tile_weight_space(name, request, tmp_path):
    solution = request.getfixturevalue(name)
    solution.proof(tmp_path / "proof.json")
    cover = cover_of_proof(tmp_path / "proof.json")
    if name == "line":
        angles = np.arccos(np.clip(np.einsum("qd,qd->q", *cover.cones.transpose(1, 0, 2)), -1, 1))
        assert angles.sum() == pytest.approx(2.0 * np.pi, rel=1e-9)
    else:
        a, b, c = cover.cones.transpose(1, 0, 2)  # solid angles, van Oosterom and Strackee
        up = np.abs(np.linalg.det(cover.cones))
        down = 1.0 + (a * b).sum(1) + (b * c).sum(1) + (a * c).sum(1)
        assert 2.0 * np.arctan2(up, down).sum() == pytest.approx(4.0 * np.pi, rel=1e-9)
    # The file's neurons are the solution's atoms.
    products = cover.atoms @ solution.measure.atoms.T
    assert (products.max(axis=1) > 1.0 - 1e-9).all() and len(cover.atoms) == len(solution.measure)
    ax = mlp.plotting.plot_cover(tmp_path / "proof.json")
    assert f"{len(cover.cones)} cones" in ax.get_title()
    assert len(ax.collections[0].get_array()) >= len(cover.cones)
    assert drawn(ax)


def test_every_direction_of_the_map_lies_in_a_drawn_cone(plane, tmp_path):
    plane.proof(tmp_path / "proof.json")
    ax = mlp.plotting.plot_cover(tmp_path / "proof.json")
    ax.figure.canvas.draw()
    z = np.linspace(-0.99, 0.99, 60)
    longitude, latitude = np.meshgrid(np.linspace(-3.1, 3.1, 120), np.arcsin(z))
    to_paper = ax.transProjection.transform
    points = to_paper(np.column_stack([longitude.ravel(), latitude.ravel()]))
    drawn_in = np.zeros(len(points), dtype=int)
    for path in ax.collections[0].get_paths():
        outline = type(path)(to_paper(path.vertices))
        drawn_in += outline.contains_points(points)
    assert np.mean(drawn_in == 1) > 0.999  # sides are drawn as chords, which may leave slivers


def test_what_is_no_proof_is_refused(tmp_path, rank_four):
    (tmp_path / "p.json").write_text("{}")
    for file in ("p.json", "missing.json"):
        with pytest.raises(InvalidProblem, match="not a proof"):
            mlp.plotting.plot_cover(tmp_path / file)
    rank_four.proof(tmp_path / "four.json")
    with pytest.raises(InvalidProblem, match="rank 4"):
        mlp.plotting.plot_cover(tmp_path / "four.json")


# -- curves ----------------------------------------------------------------------------------


def test_masses_along_the_path_add_up_to_the_total_variation(plane):
    top = mlp.lam_max(plane.problem)
    path = [mlp.solve(plane.problem.with_lam(top * t)) for t in (1.0, 0.5, 0.25, 0.1, 0.03)]
    ax = mlp.plotting.plot_path(path)
    lams = [one.problem.lam for one in path]
    sums = dict.fromkeys(lams, 0.0)
    for curve in ax.lines[1:]:
        for lam, mass in zip(*curve.get_data(), strict=True):
            sums[lam] += abs(mass)
        assert curve.get_color() == (POSITIVE if max(curve.get_ydata()) > 0 else NEGATIVE)
    for solution in path:
        assert sums[solution.problem.lam] == pytest.approx(solution.measure.total_variation)
    assert ax.get_xlim() == (lams[0], lams[-1]) and ax.get_xscale() == "log"
    assert labelled(ax) and drawn(ax)
    with pytest.raises(InvalidProblem, match="path"):
        mlp.plotting.plot_path([])


def test_a_neuron_is_followed_by_direction_and_sign():
    def at(*pairs):
        return mlp.AtomicMeasure(
            np.array([[np.cos(a), np.sin(a)] for a, _ in pairs]).reshape(-1, 2),
            np.array([c for _, c in pairs]),
        )

    tracks = tracked_masses([at(), at((0.0, 1.0)), at((1.5, -1.0), (0.1, 2.0)), at((1.6, -2.0))])
    found = sorted((t.steps.tolist(), t.masses.tolist()) for t in tracks)
    assert found == [([0, 1, 2, 3], [0.0, 1.0, 2.0, 0.0]), ([1, 2, 3], [0.0, -1.0, -2.0])]
    # Another sign is another neuron.
    tracks = tracked_masses([at((0.0, 1.0)), at((0.0, -1.0))])
    assert sorted(t.masses.tolist() for t in tracks) == [[0.0, -1.0], [1.0, 0.0]]


def test_the_gap_is_what_the_callback_saw_and_what_was_proved(plane):
    history = []
    solution = mlp.solve(plane.problem, callback=history.append, backend="clarabel")
    certificate = solution.certificate
    ax = mlp.plotting.plot_gap(history, solution)
    seen = [(p.seconds, p.primal, p.gap) for p in history]
    seen.append((solution.stats["seconds"], certificate.primal_value, certificate.relative_gap))
    (gaps,) = named(ax.lines, "proved gap")
    expected = [(t, gap) for t, _, gap in seen if np.isfinite(gap) and gap > 0.0]
    assert list(zip(*gaps.get_data(), strict=True)) == expected
    bound = certificate.dual_value
    (excess,) = named(ax.lines, "objective above the final bound")
    expected = [(t, (p - bound) / max(abs(p), abs(bound))) for t, p, _ in seen]
    expected = [pair for pair in expected if pair[1] > 0.0]
    np.testing.assert_allclose(np.column_stack(excess.get_data()), expected)
    (asked,) = named(ax.lines, "asked for")
    assert asked.get_ydata()[0] == certificate.tol_gap
    assert labelled(ax) and drawn(ax)


def test_no_training_is_drawn_below_the_floor():
    ax = mlp.plotting.plot_widths([8, 2], [[1.1, np.nan], [1.5, 1.2]], floor=1.0)
    (median,) = named(ax.lines, "median of the runs")
    np.testing.assert_allclose(median.get_data(), [[2, 8], [1.35, 1.1]])
    (floor,) = named(ax.lines, "proved floor, every width")
    assert set(floor.get_ydata()) == {1.0}
    (runs,) = named(ax.collections, "trained networks")
    points = np.ma.filled(runs.get_offsets(), np.nan)
    assert {tuple(p) for p in points if np.isfinite(p).all()} == {(2, 1.5), (2, 1.2), (8, 1.1)}
    assert labelled(ax) and drawn(ax)
    for widths, objectives, floor_ in (
        ([1], [1, 2], 0),
        ([0], [1], 0),
        ([1], [1], np.inf),
        ([], [], 0),
    ):
        with pytest.raises(InvalidProblem):
            mlp.plotting.plot_widths(widths, objectives, floor=floor_)


# -- weights ---------------------------------------------------------------------------------


@pytest.fixture
def network():
    rng = np.random.default_rng(5)
    return mlp.ReluNetwork(
        rng.standard_normal((6, 3)), rng.standard_normal(6), output_weights=rng.standard_normal(6)
    )


def test_balance_shows_both_norms(network):
    ax = mlp.plotting.plot_balance(network)
    points = ax.collections[0].get_offsets()
    weights = np.column_stack([network.hidden_weights, network.hidden_bias])
    np.testing.assert_allclose(points[:, 0], np.sqrt((weights**2).sum(axis=1)))
    np.testing.assert_allclose(points[:, 1], np.abs(network.output_weights))
    balanced = mlp.plotting.plot_balance(network.balanced()).collections[0].get_offsets()
    np.testing.assert_allclose(balanced[:, 0], balanced[:, 1], rtol=1e-12)
    assert labelled(ax) and drawn(ax)
    half = mlp.ReluNetwork([[1.0], [1.0]], output_weights=[0.0, 1.0])
    assert mlp.plotting.plot_balance(half).get_title() == "1 neuron; 1 with one side zero"


def test_singular_values_are_those_of_the_matrices(network):
    ax = mlp.plotting.plot_singular_values(network)
    gram = np.linalg.eigvalsh(network.hidden_weights.T @ network.hidden_weights)
    np.testing.assert_allclose(np.array(ax.lines[0].get_ydata()) ** 2, gram[::-1])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [np.linalg.norm(network.output_weights)])
    assert labelled(ax) and drawn(ax)
    with pytest.raises(InvalidProblem, match="chain_from_torch"):
        mlp.plotting.plot_singular_values("net")


def test_the_matrix_is_sorted_by_norm(network):
    ax = mlp.plotting.plot_weights(network, most=4)
    table = np.asarray(ax.images[0].get_array())
    assert table.shape == (4, 5)
    sizes = np.abs(table[:, -1])
    np.testing.assert_allclose(np.linalg.norm(table[:, :-1], axis=1), sizes)  # balanced
    assert (np.diff(sizes) <= 0).all()
    full = np.asarray(mlp.plotting.plot_weights(network).images[0].get_array())
    # The rows still are the network: |v| v_sign relu(<w, x>) summed.
    x = np.array([0.3, -1.0, 0.7])
    value = np.maximum(full[:, :3] @ x + full[:, 3], 0.0) @ full[:, 4]
    assert value == pytest.approx(network.predict(x[None, :])[0])
    assert ax.get_title() == "4 of 6 neurons" and drawn(ax)
    small = mlp.plotting.plot_weights(mlp.ReluNetwork([[1.0]], output_weights=[2.0]))
    values = mlp.plotting.plot_singular_values(mlp.ReluNetwork([[1.0]], output_weights=[2.0]))
    for picture, axis in ((small, small.yaxis), (values, values.xaxis)):
        picture.figure.canvas.draw()
        low, high = sorted(axis.get_view_interval())
        ticks = [
            t for t in axis.get_ticklabels() if low <= t.get_position()[axis is small.yaxis] <= high
        ]
        assert [t.get_text() for t in ticks] == ["1"]
    label, page = small.yaxis.label.get_window_extent(), small.figure.bbox
    assert page.y0 <= label.y0 and label.y1 <= page.y1
    with pytest.raises(InvalidProblem, match="no neuron"):
        mlp.plotting.plot_weights(mlp.ReluNetwork(np.zeros((0, 1)), output_weights=np.zeros(0)))


# -- all of them -----------------------------------------------------------------------------


def test_axes_that_are_given_are_used_and_nothing_global_changes(line, network):
    before = dict(plt.rcParams)
    figure, axes = plt.subplots(1, 6)
    assert mlp.plotting.plot_fit(line, ax=axes[0]) is axes[0]
    assert mlp.plotting.plot_certificate(line, ax=axes[1]) is axes[1]
    assert mlp.plotting.plot_cells(np.eye(2), ax=axes[2]) is axes[2]
    assert mlp.plotting.plot_balance(network, ax=axes[3]) is axes[3]
    assert mlp.plotting.plot_singular_values(network, ax=axes[4]) is axes[4]
    assert mlp.plotting.plot_weights(network, ax=axes[5]) is axes[5]
    assert plt.get_fignums() == [figure.number] and dict(plt.rcParams) == before
