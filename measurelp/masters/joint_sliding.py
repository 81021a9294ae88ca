r"""Sliding Newton for several outputs: neurons with masses in R^c move freely over walls.

Long because one step changes weights, masses, walls and the factored system together.

With balanced weights :math:`w_k` and outputs :math:`v_k` the squared problem at a fixed number of
neurons is

.. math:: \tfrac12\Bigl|\sum_k (Zw_k)_+ v_k^\top + SC - Y\Bigr|^2
          + \tfrac\lambda2\sum_k\bigl(|v_k|^2 + |w_k|^2\bigr),

which at its minima is the problem with :math:`\lambda\sum_k|v_k||w_k|`.  Inside cells it is smooth, with
a Hessian that is J'J plus, for each neuron, the block [λI, -G_k; -G_k', λI], where
:math:`G_k = \sum_i R_i x_i^\top` over its active rows, R the residual.  The kink of row i is convex in
:math:`w_k` where :math:`\langle R_i, v_k\rangle < 0`: there the neuron may come to rest, and the row becomes a wall
whose multiplier lies in :math:`[0, -\langle R_i, v_k\rangle]`.  As with one output (``sliding``) the problem is not
convex in these variables; what is found is a candidate.

The skip is projected out.  A step costs O(n (K r)^2) for the Gram matrix of active rows and the
solution of a system of K (c + r) unknowns.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from measurelp.masters._joint_kernels import group_masses, truncate
from measurelp.masters.neurons import Matrix, Vector

_ZERO = 1e-13  # relative: an inner product this small is none
_LEAST_SHIFT, _ATTEMPTS = 1e-6, 6  # of the Hessian, in units of lam
_FAILURES = 5
_CORRECTIONS = 4
_MERGE_EVERY, _MERGE_COSINE = 5, 0.98
_SCALES = (1.0, 0.3, 0.1, 0.01, 1e-3)


@dataclass(frozen=True, eq=False)
class JointSlid:
    """Where neurons slid to.

    Attributes
    ----------
    weights : (k, r) array
        Of unit norm.
    masses : (k, c) array
    residual : (n, c) array
        Target minus fit, orthogonal to the skip.
    error : float
        The largest projected gradient, relative.
    steps : int
    stuck : bool
        Whether it ended because no step found descent.
    """

    weights: Matrix
    masses: Matrix
    residual: Matrix
    error: float
    steps: int
    stuck: bool


@dataclass(eq=False)
class JointSlider:
    """Slides neurons over rows (n, r); ``basis`` (n, p) spans the skip orthonormally."""

    rows: Matrix
    basis: Matrix
    n_penalized: int
    sizes: Vector = field(init=False)

    def __post_init__(self) -> None:
        self.sizes = np.linalg.norm(self.rows, axis=1)

    def without_skip(self, columns: Matrix) -> Matrix:
        """Columns (n, ...) less their projection on the skip."""
        if not self.basis.shape[1]:
            return columns
        return columns - self.basis @ (self.basis.T @ columns)

    def features(self, weights: Matrix) -> Matrix:
        """The neurons' outputs on the data (n, k), orthogonal to the skip."""
        return self.without_skip(np.maximum(self.rows @ weights.T, 0.0))

    def norms(self, weights: Matrix) -> Vector:
        """The ball's norm of each weight."""
        return np.asarray(np.linalg.norm(weights[:, : self.n_penalized], axis=1))

    def masses(
        self, weights: Matrix, masses: Matrix, target: Matrix, lam: float, sweeps: int = 200
    ) -> Matrix:
        """Masses of unit weights by block coordinate descent from given ones; some become 0."""
        features = self.features(weights)
        found = np.array(masses, dtype=np.float64)
        group_masses(
            features.T @ features, features.T @ self.without_skip(target), lam, found, sweeps
        )
        return found

    def slide(
        self,
        weights: Matrix,
        masses: Matrix,
        target: Matrix,
        lam: float,
        *,
        tolerance: float = 1e-10,
        max_steps: int = 200,
        wall_tolerance: float = 1e-11,
        until: float = math.inf,
    ) -> JointSlid:
        """Step from unit ``weights`` with ``masses`` until the projected gradient is small."""
        run = _Run(self, self.without_skip(target), lam)
        run.begin(weights, masses, wall_tolerance)
        error, steps, failures = np.inf, 0, 0
        while len(run.w):
            run.look()
            if steps % _MERGE_EVERY == _MERGE_EVERY - 1:
                run.tidy()
                if not len(run.w):
                    break
            released = run.release()
            error = run.error()
            if error <= tolerance and not released:
                count = len(run.w)
                run.tidy()
                if len(run.w) == count:
                    break
                continue
            if steps >= max_steps or failures >= _FAILURES or time.perf_counter() >= until:
                break
            steps += 1
            failures = 0 if run.step() else failures + 1
        if not len(run.w):
            error = 0.0
            run.residual = run.target
        lengths = self.norms(run.w)
        return JointSlid(
            run.w / lengths[:, None], run.v * lengths[:, None], run.residual, float(error), steps,
            failures >= _FAILURES,
        )  # fmt: skip


class _Run:
    """One call of :meth:`JointSlider.slide`: neurons, their walls, and what the last look saw."""

    def __init__(self, slider: JointSlider, target: Matrix, lam: float) -> None:
        self.slider, self.target, self.lam = slider, target, lam
        self.penalty = np.diag((np.arange(slider.rows.shape[1]) < slider.n_penalized).astype(float))
        self.residual = target
        self.shift, self.predicted = 0.0, -1.0

    def begin(self, weights: Matrix, masses: Matrix, wall_tolerance: float) -> None:
        """Balance what is given; rows that a neuron nearly touches are walls at first."""
        slider = self.slider
        size = np.linalg.norm(masses, axis=1)
        used = size > 0.0
        root = np.sqrt(size[used])[:, None]
        self.w, self.v = weights[used] * root, masses[used] / root
        count, r = self.w.shape
        self.walls: list[list[int]] = [[] for _ in range(count)]
        self.faces = np.tile(np.eye(r), (count, 1, 1))
        self.touched = np.zeros((count, len(slider.rows)), dtype=bool)
        scale = np.maximum(slider.sizes, 1e-300) * np.linalg.norm(self.w, axis=1)[:, None]
        distance = np.abs(self.w @ slider.rows.T) / np.maximum(scale, 1e-300)
        tilt = -(self.v @ self._residual().T)
        for k in range(count):
            near = np.flatnonzero(
                (distance[k] <= wall_tolerance) & (slider.sizes > 0.0) & (tilt[k] > 0.0)
            )
            for row in near[np.argsort(distance[k, near], kind="stable")][:16]:
                self.rest_on(k, int(row))

    def _residual(self) -> Matrix:
        return self.target - self.slider.features(self.w) @ self.v

    # -- walls ------------------------------------------------------------------------------

    def rest_on(self, k: int, row: int) -> bool:
        """Put neuron k on the wall of a row, if that leaves it a face."""
        slider, walls = self.slider, self.walls[k]
        r = slider.rows.shape[1]
        if row in walls or len(walls) >= r - 1:
            return False
        normals = slider.rows[[*walls, row]] / slider.sizes[[*walls, row], None]
        if np.linalg.svd(normals, compute_uv=False)[-1] <= 1e-8:
            return False
        walls.append(row)
        self._set_face(k)
        moved = self.faces[k] @ (self.faces[k].T @ self.w[k])
        if not np.linalg.norm(moved) > 0.1 * np.linalg.norm(self.w[k]):
            walls.pop()
            self._set_face(k)
            return False
        self.w[k] = moved
        self.touched[k, row] = False
        return True

    def _set_face(self, k: int) -> None:
        """An orthonormal basis of the face of neuron k, padded with zero columns."""
        slider, walls = self.slider, self.walls[k]
        r = slider.rows.shape[1]
        face = np.eye(r)
        if walls:
            normals = (slider.rows[walls] / slider.sizes[walls, None]).T
            full = np.linalg.qr(normals, mode="complete")[0]
            face = np.zeros((r, r))
            face[:, : r - len(walls)] = full[:, len(walls) :]
        self.faces[k] = face

    def release(self) -> bool:
        """Let each neuron leave its worst wall, on the side to which the objective falls."""
        slider, lam = self.slider, self.lam
        projected = np.linalg.norm(np.einsum("krs,kr->ks", self.faces, self.grad_w), axis=1)
        largest = float(projected.max(initial=0.0))
        any_released = False
        for k, walls in enumerate(self.walls):
            if not walls:
                continue
            normals = slider.rows[walls]
            multipliers = -np.linalg.lstsq(normals.T, self.grad_w[k], rcond=None)[0]
            room = -(self.residual[walls] @ self.v[k])
            lengths = slider.sizes[walls]
            inward, outward = -multipliers * lengths, (multipliers - room) * lengths
            excess = np.maximum(inward, outward)
            worst = int(np.argmax(excess))
            size = lam * float(np.linalg.norm(self.w[k]))
            if excess[worst] <= max(1e-9 * size, 0.3 * projected[k], 0.1 * largest):
                continue
            any_released = True
            row = walls.pop(worst)
            self._set_face(k)
            if outward[worst] > inward[worst]:
                self.touched[k, row] = True
                self.active[k, row] = True
                self.grad_w[k] -= (self.residual[row] @ self.v[k]) * slider.rows[row]
        if any_released:
            self._find_slopes()
        return any_released

    # -- what the data say about the neurons ---------------------------------------------------

    def look(self) -> None:
        """Inner products, active rows, residual and gradients."""
        slider = self.slider
        self.inner = self.w @ slider.rows.T
        scale = np.linalg.norm(self.w, axis=1)[:, None] * slider.sizes
        self.inner[np.abs(self.inner) <= _ZERO * scale] = 0.0
        for k, walls in enumerate(self.walls):
            self.inner[k, walls] = 0.0
        self.active = (self.inner > 0.0) | (self.touched & (self.inner == 0.0))
        self.features = slider.without_skip(np.maximum(self.inner, 0.0).T)
        self.residual = self.target - self.features @ self.v
        self._find_slopes()

    def _find_slopes(self) -> None:
        """G_k and the gradients with respect to outputs and weights."""
        c = self.target.shape[1]
        count, n = self.active.shape
        weighted = self.active[:, None, :] * self.residual.T  # (k, c, n)
        self.slopes = (weighted.reshape(count * c, n) @ self.slider.rows).reshape(count, c, -1)
        self.grad_v = self.lam * self.v - np.einsum("kcr,kr->kc", self.slopes, self.w)
        self.grad_w = self.lam * self.w @ self.penalty - np.einsum(
            "kcr,kc->kr", self.slopes, self.v
        )

    def error(self) -> float:
        """The largest projected gradient, over lam and the size of what it belongs to."""
        size = self.lam * np.linalg.norm(self.v, axis=1)
        on_face = np.einsum("krs,kr->ks", self.faces, self.grad_w)
        both = np.linalg.norm(self.grad_v, axis=1) + np.linalg.norm(on_face, axis=1)
        return float(np.max(both / size))

    # -- fewer neurons ----------------------------------------------------------------------

    def tidy(self) -> None:
        """Refit masses, and remove and merge neurons where the objective does not grow."""
        slider, lam = self.slider, self.lam
        lengths = slider.norms(self.w)
        masses = self.v * lengths[:, None]
        unit = self.features / lengths
        group_masses(unit.T @ unit, unit.T @ self.target, lam, masses, 5)
        self._keep(np.linalg.norm(masses, axis=1) > 0.0, masses)
        if not len(self.w):
            return
        k = 0
        while k < len(self.w):
            other = k + 1
            while other < len(self.w):
                if self._merge(k, other):
                    continue
                other += 1
            k += 1
        self.look()

    def _keep(self, kept: NDArray[np.bool_], masses: Matrix) -> None:
        """Go on with some of the neurons, at given masses."""
        size = np.linalg.norm(masses, axis=1)
        lengths = self.slider.norms(self.w)
        kept = kept & (size > 0.0) & (lengths > 0.0)
        root = np.sqrt(size[kept])[:, None]
        self.w, self.v = self.w[kept] / lengths[kept, None] * root, masses[kept] / root
        self.walls = [walls for walls, keep in zip(self.walls, kept, strict=True) if keep]
        self.faces, self.touched = self.faces[kept], self.touched[kept]

    def _merge(self, k: int, other: int) -> bool:
        """Put the mass of another neuron on top of k's, if they are close and it costs nothing."""
        p = self.slider.n_penalized
        pair = [k, other]
        lengths = np.linalg.norm(self.w[pair, :p], axis=1)
        if self.w[k, :p] @ self.w[other, :p] < _MERGE_COSINE * lengths[0] * lengths[1]:
            return False
        sizes = np.linalg.norm(self.v[pair], axis=1)
        weight = sizes @ self.w[pair]
        length = float(np.linalg.norm(weight[:p]))
        mass = lengths @ self.v[pair]
        size = float(np.linalg.norm(mass))
        if not (size > 0.0 and length > 0.0):
            return False
        residual = self._residual()
        before = self.slider.features(self.w[pair]) @ self.v[pair]
        after = self.slider.features(weight[None] / length) @ mass[None]
        change = after - before
        growth = -float(np.sum(residual * change)) + 0.5 * float(np.sum(change * change))
        if growth + self.lam * (size - float(lengths @ sizes)) > 0.0:
            return False
        walls = [row for row in self.walls[k] if row in self.walls[other]]
        root = math.sqrt(size)
        self.w[k], self.v[k] = weight / length * root, mass / root
        self.walls[k] = walls
        self._set_face(k)
        self.touched[k] &= self.touched[other]
        kept = np.arange(len(self.w)) != other
        self._keep(kept, self.v * self.slider.norms(self.w)[:, None])
        return True

    # -- a step ---------------------------------------------------------------------------------

    def step(self) -> bool:
        """Newton's step on the faces, cut where slopes turn; whether the objective went down."""
        for _ in range(_ATTEMPTS):
            for _ in range(_CORRECTIONS):
                move = self._direction(self.shift)
                if move is None:
                    break
                dw, dv, rate = move
                lengths, hits = self._lengths(dw, dv, rate)
                blocked = [k for k in np.flatnonzero(lengths <= 1e-12) if hits[k] >= 0]
                if not blocked or not any(self.rest_on(int(k), int(hits[k])) for k in blocked):
                    break
                self.look()
            if move is not None:
                gained = self._search(dw, dv, lengths, hits)
                if gained < 0.0:
                    if lengths.min() == 1.0:
                        ratio = gained / self.predicted
                        if ratio < 0.25:
                            self.shift = max(4.0 * self.shift, _LEAST_SHIFT)
                        elif ratio > 0.75:
                            self.shift = 0.25 * self.shift if self.shift > _LEAST_SHIFT else 0.0
                    return True
            self.shift = max(10.0 * self.shift, _LEAST_SHIFT)
        self.shift = 0.0
        return False

    def _direction(self, shift: float) -> tuple[Matrix, Matrix, Matrix] | None:
        """The step in weights and outputs and what it changes in the fit, to first order."""
        lam, v, faces = self.lam, self.v, self.faces
        count, c = v.shape
        n, r = self.slider.rows.shape
        active = np.einsum("kn,nr,krs->nks", self.active, self.slider.rows, faces, optimize=True)
        active = self.slider.without_skip(active.reshape(n, count * r))
        gram = (active.T @ active).reshape(count, r, count, r)
        w = np.einsum("krs,kr->ks", faces, self.w)
        slopes = self.slopes @ faces
        half = np.einsum("kr,krls->kls", w, gram)
        hessian = np.zeros((count, c + r, count, c + r))
        outputs = np.arange(c)
        hessian[:, outputs, :, outputs] = np.einsum("kls,ls->kl", half, w)
        mixed = np.einsum("lq,kls->kqls", v, half)
        hessian[:, :c, :, c:] = mixed
        hessian[:, c:, :, :c] = mixed.transpose(2, 3, 0, 1)
        hessian[:, c:, :, c:] = (v @ v.T)[:, None, :, None] * gram
        blocks = np.zeros((count, c + r, c + r))
        blocks[:, outputs, outputs] = lam
        blocks[:, :c, c:] = -slopes
        blocks[:, c:, :c] = -np.swapaxes(slopes, 1, 2)
        blocks[:, c:, c:] = lam * np.swapaxes(faces, 1, 2) @ self.penalty @ faces
        each = np.arange(count)
        for k in range(count):
            for column in range(r - len(self.walls[k]), r):
                blocks[k, c + column, c + column] += lam
        hessian[each, :, each, :] += blocks + shift * lam * np.eye(c + r)
        gradient = np.concatenate(
            [self.grad_v, np.einsum("krs,kr->ks", faces, self.grad_w)], axis=1
        )
        size = count * (c + r)
        try:
            factor = linalg.cho_factor(hessian.reshape(size, size), check_finite=False)
        except linalg.LinAlgError:
            lowest = np.minimum(np.linalg.eigvalsh(blocks)[:, 0], 0.0)
            convex = np.maximum(-lowest - shift * lam, 0.0) + _LEAST_SHIFT * lam
            hessian[each, :, each, :] += convex[:, None, None] * np.eye(c + r)
            try:
                factor = linalg.cho_factor(hessian.reshape(size, size), check_finite=False)
            except linalg.LinAlgError:
                return None
        step = -linalg.cho_solve(factor, gradient.ravel(), check_finite=False)
        self.predicted = 0.5 * float(gradient.ravel() @ step)
        if not np.isfinite(step).all():
            return None
        step = step.reshape(count, c + r)
        dv, on_face = step[:, :c], step[:, c:]
        moved = np.einsum("nks,ks->nk", active.reshape(n, count, r), on_face)
        return np.einsum("krs,ks->kr", faces, on_face), dv, moved @ v + self.features @ dv

    def _lengths(self, dw: Matrix, dv: Matrix, rate: Matrix) -> tuple[Vector, NDArray[np.int64]]:
        """How far each neuron goes, and the row that it then rests on."""
        change = dw @ self.slider.rows.T
        for k, walls in enumerate(self.walls):
            change[k, walls] = 0.0
        tilt = -(self.v @ self.residual.T)
        tilt_rate = self.v @ rate.T - dv @ self.residual.T
        slopes = np.einsum("kr,kr->k", self.grad_w, dw) + np.einsum("kc,kc->k", self.grad_v, dv)
        lengths, hits = np.empty(len(dw)), np.empty(len(dw), np.int64)
        truncate(self.inner, self.active, change, tilt, tilt_rate, slopes, lengths, hits)
        return lengths, hits

    def _search(self, dw: Matrix, dv: Matrix, lengths: Vector, hits: NDArray[np.int64]) -> float:
        """Take the neurons' own lengths, or fractions of a common one, if the objective falls.

        Returns the change of the objective, 0 where it does not.
        """
        fit = self.features @ self.v
        norms = float(self.slider.norms(self.w) @ np.linalg.norm(self.v, axis=1))
        common = float(lengths.min())
        for position, scale in enumerate((0.0, *_SCALES)):
            taken = lengths if position == 0 else np.full(len(lengths), scale * common)
            w, v = self.w + taken[:, None] * dw, self.v + taken[:, None] * dv
            change = self.slider.features(w) @ v - fit
            growth = -float(np.sum(self.residual * change)) + 0.5 * float(np.sum(change * change))
            sizes = self.slider.norms(w) * np.linalg.norm(v, axis=1)
            growth += self.lam * (float(sizes.sum()) - norms)
            if growth < 0.0 or (position == 0 and growth <= 1e-15 * self.lam * norms):
                break
        else:
            return 0.0
        self.w, self.v = w, v
        kept = sizes > 1e-13 * sizes.max(initial=0.0)
        masses = v * self.slider.norms(w)[:, None]
        rests = [(k, int(hits[k])) for k in range(len(w)) if position == 0 and hits[k] >= 0]
        for k, row in rests:
            self.rest_on(k, row)
        self._keep(kept, masses)
        return min(growth, -1e-300)
