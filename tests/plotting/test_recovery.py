"""The picture of sparse recovery: squares are rates, the line is the coherence bound."""

import numpy as np
import pytest

import measurelp as mlp
from measurelp.errors import InvalidProblem
from measurelp.sparse import RecoveryRates


def rates(d, m, sparsities, values, coherence, *, equal_norms=True):
    return RecoveryRates(np.array(sparsities), np.array(values), 10, coherence, (d, m), equal_norms)


def legend(ax):
    return [] if ax.get_legend() is None else [t.get_text() for t in ax.get_legend().get_texts()]


def test_squares_lines_and_axes():
    wide = [
        rates(8, 16, [1, 2, 4, 8], [1.0, 0.9, 0.1, 0.0], 0.5),
        rates(4, 16, [1, 2], [1.0, 0.8], 0.9),
    ]
    ax = mlp.plotting.plot_recovery(wide)
    (squares,) = (c for c in ax.collections if c.get_label() == "_rates")
    seen = {
        (x, y): rate
        for (x, y), rate in zip(squares.get_offsets(), squares.get_array(), strict=True)
    }
    assert seen == {
        (0.5, 0.125): 1.0, (0.5, 0.25): 0.9, (0.5, 0.5): 0.1, (0.5, 1.0): 0.0,
        (0.25, 0.25): 1.0, (0.25, 0.5): 0.8,
    }  # fmt: skip
    half, proved = ax.lines
    np.testing.assert_allclose(half.get_xdata(), [0.25, 0.5])
    np.testing.assert_allclose(half.get_ydata(), [np.nan, 0.375])  # 0.8 is not below one half
    np.testing.assert_allclose(proved.get_ydata(), [0.5 * (1 + 1 / 0.9) / 4, 1.5 / 8])
    other = mlp.plotting.plot_recovery(wide, against="coherence")
    np.testing.assert_allclose(other.lines[0].get_xdata(), [0.5, 0.9])
    other.figure.canvas.draw()


def test_only_lines_that_are_drawn_have_words():
    assert legend(mlp.plotting.plot_recovery([rates(8, 16, [1, 2], [1.0, 0.1], 0.5)])) == [
        "half of them found", "all of them below, by coherence",
    ]  # fmt: skip
    assert legend(mlp.plotting.plot_recovery([rates(8, 16, [1, 2], [1.0, 0.8], 0.5)])) == [
        "all of them below, by coherence"
    ]
    ax = mlp.plotting.plot_recovery([rates(8, 16, [1, 4], [0.9, 0.8], 0.5, equal_norms=False)])
    assert legend(ax) == [] and len(ax.lines) == 0
    assert ax.get_ylim() == (0.0, 1.05 * 0.5)
    mixed = [
        rates(8, 16, [1, 2], [1.0, 0.8], 0.5),
        rates(4, 16, [1, 2], [1.0, 0.8], 0.9, equal_norms=False),
    ]
    np.testing.assert_array_equal(
        mlp.plotting.plot_recovery(mixed).lines[0].get_ydata(), [np.nan, 0.1875]
    )


def test_what_is_proved_is_found():
    W = mlp.coherent_dictionary(12, 24, seed=0)
    found = mlp.recovery_rates(W, [1, 12], trials=4)
    assert found.shape == (12, 24) and found.proved_sparsity > 1.0 and found.rates[0] == 1.0


def test_mistakes_are_named():
    with pytest.raises(InvalidProblem, match="rates"):
        mlp.plotting.plot_recovery([])
    with pytest.raises(InvalidProblem, match="against"):
        mlp.plotting.plot_recovery([rates(2, 4, [1], [1.0], 0.5)], against="noise")
