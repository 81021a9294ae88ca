r"""Sliding Newton: neurons move freely over walls until the objective is stationary.

The squared problem in the weights :math:`u_k` of a fixed number of neurons,

.. math:: \tfrac12\Bigl|\sum_k s_k (Zu_k)_+ + Sc - y\Bigr|^2 + \lambda\sum_k\|u_k\|,

is smooth inside cells and has kinks on their walls.  Where :math:`s_k r_i > 0` (r the
residual fit - y) the kink of row i is convex in :math:`u_k` and the neuron may come to rest
on it: the row becomes a *wall*, and the neuron stays in its face.  Elsewhere it is concave
and is crossed.  A step is Newton's on the faces, cut for each neuron where its own slope
turns; a wall is released when its multiplier leaves :math:`[0, s_k r_i]`.  The function is
not convex in the weights, so this finds stationary points; whether one is the optimum is for
the certificate to say.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from measurelp.solving._sliding_kernels import slide_lengths
from measurelp.solving.neurons import Matrix, Neurons, Training, Vector

_SNAP = 1e-13
_UNSEEN = 1e-11


class Slider:
    """Neurons on their faces, and the steps that move them."""

    def __init__(self, training: Training, neurons: Neurons, *, wall_tolerance: float) -> None:
        self.training = training
        self.size = np.linalg.norm(training.rows, axis=1)
        self.weights = np.array(neurons.weights)
        self.signs = np.array(neurons.signs)
        self.skip = np.array(neurons.skip)
        self.walls: list[list[int]] = [[] for _ in self.signs]
        self.faces: list[Matrix] = [np.eye(training.rows.shape[1]) for _ in self.signs]
        self.damping = 0.0
        self._find_walls(wall_tolerance)

    @property
    def neurons(self) -> Neurons:
        """Where the neurons are."""
        return Neurons(self.weights, self.signs, self.skip)

    def run(self, tolerance: float = 1e-12, max_steps: int = 60) -> float:
        """Slide until the projected gradient is ``tolerance`` times lam; what it is then."""
        last = np.inf
        for step in range(max_steps):
            if len(self.signs) == 0:
                return 0.0
            last = self._step()
            if last <= tolerance:
                break
            if step % 5 == 4:
                self._merge()
        self._merge()
        return last

    # -- one step ---------------------------------------------------------------------------

    def _inner(self) -> Matrix:
        inner = self.training.rows @ self.weights.T
        norms = np.linalg.norm(self.weights, axis=1)
        inner[np.abs(inner) <= _SNAP * self.size[:, None] * norms] = 0.0
        for k, rows in enumerate(self.walls):
            inner[rows, k] = 0.0
        return inner

    def _residual(self, inner: Matrix, skip: Vector) -> Vector:
        active = np.maximum(inner, 0.0)
        training = self.training
        return np.asarray(active @ self.signs + training.skip_columns @ skip - training.y)

    def _step(self) -> float:
        """One step; returns the size of the projected gradient over lam before it."""
        training, p = self.training, self.training.n_penalized
        inner = self._inner()
        residual = self._residual(inner, self.skip)
        active = inner > 0.0
        norms = training.norms(self.weights)
        units = self.weights[:, :p] / norms[:, None]
        gradients = self.signs[:, None] * ((active * residual[:, None]).T @ training.rows)
        gradients[:, :p] += training.lam * units
        active = self._release(inner, active, gradients, residual)
        projected = [face.T @ g for face, g in zip(self.faces, gradients, strict=True)]
        skip_gradient = training.skip_columns.T @ residual
        error = max(float(np.linalg.norm(g)) for g in projected) / training.lam
        if error <= 1e-14:
            return error

        columns = np.hstack(
            [
                s * (active[:, k, None] * (training.rows @ face))
                for k, (s, face) in enumerate(zip(self.signs, self.faces, strict=True))
            ]
            + [training.skip_columns]
        )
        gram = columns.T @ columns
        starts = np.concatenate([[0], np.cumsum([face.shape[1] for face in self.faces])])
        for k, face in enumerate(self.faces):
            block = slice(starts[k], starts[k + 1])
            along = face[:p].T @ units[k]
            gram[block, block] += (training.lam / norms[k]) * (
                face[:p].T @ face[:p] - np.outer(along, along)
            )
        mean = float(np.trace(gram)) / len(gram)
        gram[np.diag_indices_from(gram)] += (self.damping + 1e-15) * mean
        right = -np.concatenate([*projected, skip_gradient])
        try:
            step = np.linalg.solve(gram, right)
        except np.linalg.LinAlgError:
            step = np.linalg.lstsq(gram, right, rcond=1e-12)[0]
        moves = np.array(
            [face @ step[starts[k] : starts[k + 1]] for k, face in enumerate(self.faces)]
        )
        skip_move = step[starts[-1] :]
        slopes = np.einsum("kr,kr->k", gradients, moves)
        if not (np.isfinite(step).all() and float(slopes.sum() + skip_gradient @ skip_move) < 0.0):
            self.damping = max(10.0 * self.damping, 1e-8)
            return error
        self._move(inner, active, residual, moves, skip_move, slopes)
        return error

    def _move(
        self,
        inner: Matrix,
        active: NDArray[np.bool_],
        residual: Vector,
        moves: Matrix,
        skip_move: Vector,
        slopes: Vector,
    ) -> None:
        training = self.training
        change = training.rows @ moves.T
        scale = self.size[:, None] * np.linalg.norm(moves, axis=1)
        change[np.abs(change) <= _SNAP * scale] = 0.0
        for k, rows in enumerate(self.walls):
            change[rows, k] = 0.0
        residual_change = (active * change) @ self.signs + training.skip_columns @ skip_move
        lengths = np.ones(len(moves))
        hits = np.full(len(moves), -1, dtype=np.int64)
        downhill = np.minimum(slopes, -1e-300)
        slide_lengths(inner, change, residual, residual_change, self.signs, downhill, lengths, hits)
        before = self._objective(inner, self.weights, self.skip)
        # A gain below the rounding of the objective cannot be seen in it: trust the model.
        negligible = bool(np.all(lengths == 1.0)) and -float(slopes.sum()) <= _UNSEEN * before
        for factor in (1.0, 0.4, 0.1):
            lengths_now = factor * lengths
            weights = self.weights + lengths_now[:, None] * moves
            skip = self.skip + factor * float(lengths.min()) * skip_move
            if np.all(lengths == 1.0):
                skip = self.skip + factor * skip_move
            now = inner + lengths_now * change
            if negligible or self._objective(now, weights, skip) < before:
                self._accept(weights, skip, hits if factor == 1.0 else None)
                self.damping /= 10.0 if factor == 1.0 else 1.0
                if self.damping < 1e-12:
                    self.damping = 0.0
                return
        # All at once along the joint direction, by bisection on the true slope.
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = 0.5 * (low + high)
            if self._slope(inner, change, moves, skip_move, middle) < 0.0:
                low = middle
            else:
                high = middle
        self.damping = max(10.0 * self.damping, 1e-8)
        weights = self.weights + low * moves
        skip = self.skip + low * skip_move
        if low > 0.0 and self._objective(inner + low * change, weights, skip) < before:
            crossing = (inner + low * change) * (inner + (high + 1e-9) * change) < 0.0
            hits = np.array([int(np.argmax(c)) if c.any() else -1 for c in crossing.T])
            rests = self.signs * residual[np.maximum(hits, 0)] > 0.0
            self._accept(weights, skip, np.where(rests, hits, -1))

    def _objective(self, inner: Matrix, weights: Matrix, skip: Vector) -> float:
        residual = self._residual(inner, skip)
        norms = self.training.norms(weights)
        return 0.5 * float(residual @ residual) + self.training.lam * float(norms.sum())

    def _slope(
        self, inner: Matrix, change: Matrix, moves: Matrix, skip_move: Vector, t: float
    ) -> float:
        p = self.training.n_penalized
        now = inner + t * change
        residual = self._residual(now, self.skip + t * skip_move)
        rate = (np.where(now > 0.0, change, 0.0)) @ self.signs
        rate = rate + self.training.skip_columns @ skip_move
        weights = (self.weights + t * moves)[:, :p]
        norms = np.maximum(np.linalg.norm(weights, axis=1), 1e-300)
        radial = np.einsum("kp,kp->k", weights, moves[:, :p]) / norms
        return float(residual @ rate) + self.training.lam * float(radial.sum())

    def _accept(self, weights: Matrix, skip: Vector, hits: NDArray[np.int64] | None) -> None:
        p = self.training.n_penalized
        turned = np.einsum("kp,kp->k", weights[:, :p], self.weights[:, :p]) <= 0.0
        norms = self.training.norms(weights)
        gone = turned | (norms <= 1e-12 * float(norms.max(initial=0.0)))
        self.weights, self.skip = weights, skip
        if hits is not None:
            for k in np.flatnonzero((hits >= 0) & ~gone):
                self._add_wall(int(k), int(hits[k]))
        if gone.any():
            self._keep(~gone)

    def _keep(self, kept: NDArray[np.bool_]) -> None:
        self.weights, self.signs = self.weights[kept], self.signs[kept]
        self.walls = [w for w, keep in zip(self.walls, kept, strict=True) if keep]
        self.faces = [f for f, keep in zip(self.faces, kept, strict=True) if keep]

    # -- walls ------------------------------------------------------------------------------

    def _add_wall(self, k: int, row: int) -> None:
        """Put neuron k on the wall of a row, if that leaves it a face."""
        face = self.faces[k]
        normal = face.T @ self.training.rows[row]
        length = float(np.linalg.norm(normal))
        if length <= 1e-8 * self.size[row] or face.shape[1] == 1:
            return
        self.walls[k].append(row)
        self.faces[k] = _without(face, normal / length)
        self.weights[k] = self.faces[k] @ (self.faces[k].T @ self.weights[k])

    def _set_walls(self, k: int, rows: list[int]) -> None:
        self.walls[k] = []
        self.faces[k] = np.eye(self.training.rows.shape[1])
        for row in rows:
            self._add_wall(k, row)

    def _find_walls(self, tolerance: float) -> None:
        inner = self.training.rows @ self.weights.T
        norms = np.linalg.norm(self.weights, axis=1)
        relative = np.abs(inner) / np.maximum(self.size[:, None] * norms, 1e-300)
        relative[self.size == 0.0] = np.inf
        for k in range(len(self.signs)):
            near = np.flatnonzero(relative[:, k] <= tolerance)
            for row in near[np.argsort(relative[near, k], kind="stable")][:16]:
                self._add_wall(k, int(row))

    def _release(
        self,
        inner: Matrix,
        active: NDArray[np.bool_],
        gradients: Matrix,
        residual: Vector,
    ) -> NDArray[np.bool_]:
        """Let each neuron leave its worst wall, and count the row on the side it leaves to."""
        lam = self.training.lam
        sizes = [float(np.linalg.norm(f.T @ g)) for f, g in zip(self.faces, gradients, strict=True)]
        largest = max(sizes)
        for k, rows in enumerate(self.walls):
            if not rows:
                continue
            normals = self.training.rows[rows]
            multipliers = -np.linalg.lstsq(normals.T, gradients[k], rcond=None)[0]
            room = self.signs[k] * residual[rows]
            to_inactive = -multipliers * self.size[rows]
            to_active = (multipliers - room) * self.size[rows]
            excess = np.maximum(to_inactive, to_active)
            worst = int(np.argmax(excess))
            enough = max(1e-9 * lam, 0.3 * sizes[k], 0.1 * largest)
            if excess[worst] <= enough:
                continue
            row = rows[worst]
            if to_active[worst] > to_inactive[worst]:
                active[row, k] = True
                gradients[k] += self.signs[k] * residual[row] * self.training.rows[row]
                inner[row, k] = 1e-300
            else:
                inner[row, k] = -1e-300
            self._set_walls(k, [other for other in rows if other != row])
        return active

    # -- fewer neurons ----------------------------------------------------------------------

    def _merge(self) -> None:
        """Delete and merge neurons where a difference formula says that it costs nothing."""
        training, p = self.training, self.training.n_penalized
        inner = self._inner()
        residual = self._residual(inner, self.skip)
        outputs = np.maximum(inner, 0.0)
        norms = training.norms(self.weights)
        k = 0
        while k < len(self.signs):
            output = outputs[:, k] * self.signs[k]
            if 0.5 * float(output @ output) - float(residual @ output) <= training.lam * norms[k]:
                residual = residual - output
                kept = np.arange(len(self.signs)) != k
                self._keep(kept)
                outputs, norms = outputs[:, kept], norms[kept]
                continue
            other = k + 1
            while other < len(self.signs):
                a, b = self.weights[k], self.weights[other]
                close = float(a[:p] @ b[:p]) > 0.98 * norms[k] * norms[other]
                if self.signs[k] != self.signs[other] or not close:
                    other += 1
                    continue
                together = np.maximum(training.rows @ (a + b), 0.0)
                change = self.signs[k] * (together - outputs[:, k] - outputs[:, other])
                saved = norms[k] + norms[other] - float(np.linalg.norm((a + b)[:p]))
                if float(change @ (residual + 0.5 * change)) > training.lam * saved + 1e-300:
                    other += 1
                    continue
                residual = residual + change
                common = [row for row in self.walls[k] if row in self.walls[other]]
                self.weights[k] = a + b
                self._set_walls(k, common)
                kept = np.arange(len(self.signs)) != other
                self._keep(kept)
                outputs, norms = outputs[:, kept], norms[kept]
                outputs[:, k] = np.maximum(training.rows @ self.weights[k], 0.0)
                norms[k] = float(np.linalg.norm(self.weights[k, :p]))
            k += 1


def _without(face: Matrix, normal: Vector) -> Matrix:
    """An orthonormal basis of the face's vectors orthogonal to face @ normal."""
    _, _, right = np.linalg.svd(normal[None, :], full_matrices=True)
    return np.ascontiguousarray(face @ right[1:].T)
