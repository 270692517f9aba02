"""Whitening by camera: the features of each camera by their own covariance, so that its look tells images apart no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from stages.arrays.exact_sums import halving_sum
from stages.arrays.row_blocks import by_blocks
from stages.features.whitening import NothingToWhitenError, Whitening, fit_whitening, whitened
from stages.samples import cameras_with_enough
from stages.typing import Float32Array, Float64Array, Int32Array, Int64Array

Fit = Callable[[Float32Array, int | None], Whitening]
"""Fits a whitening on train features (m, d): those of a camera, by its id, or of all cameras, by None."""

HALF_TRUSTED = 100
"""Train samples of a camera at which its own whitening weighs as much as the shared one.

The own one of few samples drives these apart, those of one identity too: clusters of 20 to 80 samples a camera agreed best
with identities at shares of 0.25 to 0.5, those of 200 to 300 at 0.7 to 1 (drawn people, eth80-market).
"""


_BLOCK = 64
"""Rows that are mixed at once, while they are in cache."""


@dataclass(frozen=True)
class OwnWhitening:
    """The whitening of a camera and the share (0 to 1) that it has beside the one shared by all cameras."""

    whitening: Whitening
    share: float


@dataclass(frozen=True)
class Whitenings:
    """The whitening `shared` by all samples and, by camera id, those of cameras that have their `own`."""

    shared: Whitening
    own: Mapping[int, OwnWhitening] = field(default_factory=dict)

    def of(self, features: Float32Array, camid: Int32Array) -> Float32Array:
        """`features` (n, d) of cameras `camid` (n,), whitened by all and by their camera, mixed: float32, unit length."""
        return self.parts(features, camid).mixed(1.0)

    def parts(self, features: Float32Array, camid: Int32Array, shared: Float32Array | None = None) -> Parts:
        """`features` whitened by all and by their camera, not yet mixed; `shared` is the first of these, if it is known."""
        shared = whitened(features, self.shared) if shared is None else shared
        return _parts(features, camid, shared, {camera: one.share for camera, one in self.own.items()}, self._own_of)

    def _own_of(self, camera: int, _rows: Int64Array) -> Whitening:
        return self.own[camera].whitening

    def of_held_out(self, features: Float32Array, camid: Int32Array, n_there: int, *, ridge: float) -> Float32Array:
        """`of` by whitenings of the same shares fitted on the first `n_there` `features` (n, d) alone.

        One is held at a time, because those of many cameras may take more memory than all else. A camera whose features
        are all the same, or that has none, does without its own.
        """

        def fitted(_camera: int, rows: Int64Array) -> Whitening:
            return fit_whitening(features[rows[rows < n_there]], ridge=ridge)

        shared = whitened(features, fit_whitening(features[:n_there], ridge=ridge))
        shares = {camera: one.share for camera, one in self.own.items()}
        return _parts(features, camid, shared, shares, fitted).mixed(1.0)

    def scaled(self, strength: float) -> Whitenings:
        """These whitenings with every camera's share multiplied by `strength` (0 to 1)."""
        own = {camera: OwnWhitening(one.whitening, strength * one.share) for camera, one in self.own.items()}
        return Whitenings(self.shared, own)


@dataclass(frozen=True)
class Parts:
    """Features whitened by the `shared` whitening and by each camera's `own` (n, d), of which each row has `share` (n,)."""

    shared: Float32Array
    own: Float32Array
    share: Float64Array

    def of(self, rows: Int64Array) -> Parts:
        """The parts of these `rows` (m,) alone."""
        return Parts(self.shared[rows], self.own[rows], self.share[rows])

    def mixed(self, strength: float) -> Float32Array:
        """Both mixed with `strength` (0 to 1) times the shares: (n, d) float32 of unit length."""
        share = self.share * strength
        if not share.any():
            return self.shared
        result = np.empty_like(self.shared)

        def mix(starts: range) -> None:
            for start in starts:
                rows = slice(start, start + _BLOCK)
                of_own = share[rows, None]
                mixed = np.multiply(self.own[rows], of_own, dtype=np.float64)
                mixed += np.multiply(self.shared[rows], 1 - of_own, dtype=np.float64)
                length = np.sqrt(halving_sum(np.square(mixed)))[:, None]
                mixed /= np.where(length > 0, length, 1)
                # rows without a share of their own stay as they are, to the last bit
                result[rows] = np.where(of_own > 0, mixed, self.shared[rows])

        by_blocks(mix, len(result), _BLOCK)
        return result


def _parts(
    features: Float32Array,
    camid: Int32Array,
    shared: Float32Array,
    shares: Mapping[int, float],
    own_of: Callable[[int, Int64Array], Whitening],
) -> Parts:
    """`features` (n, d) of cameras `camid` (n,) whitened by all (`shared`), and by `own_of` a camera and its rows.

    A camera of `shares` that has nothing to whiten by does without.
    """
    if not shares:
        return Parts(shared, shared, np.zeros(len(features)))
    own, share = shared.copy(), np.zeros(len(features))
    for camera, of_camera in shares.items():
        rows = np.flatnonzero(camid == camera)
        if len(rows):
            with suppress(NothingToWhitenError):
                own[rows] = whitened(features[rows], own_of(camera, rows))
                share[rows] = of_camera
    return Parts(shared, own, share)


def fit_by_camera(features: Float32Array, camid: Int32Array, shared: Whitening, fit: Fit) -> Whitenings:
    """`shared` and a whitening for each camera that took enough of the train `features` (n, d).

    `camid` (n,) are their cameras. A camera of m samples has the share m / (m + `HALF_TRUSTED`) of its own. No label is
    used. Raises what `fit` raises, but a camera whose features are all the same keeps the shared whitening.
    """
    own = {}
    for camera in cameras_with_enough(camid):
        rows = features[camid == camera]
        try:
            whitening = fit(rows, camera)
        except NothingToWhitenError:
            continue
        own[camera] = OwnWhitening(whitening, len(rows) / (len(rows) + HALF_TRUSTED))
    return Whitenings(shared, own)
