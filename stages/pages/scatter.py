"""Features as points on a plane, near each other if they are alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.choices import PageMap
from stages.errors import UsageError
from stages.typing import Float32Array, Float64Array

PLAIN_DIMENSIONS = 50
"""Principal components that t-SNE and UMAP start from."""
SEED = 0


def positions(features: Float32Array, method: PageMap) -> Float64Array:
    """Points (n, 2) in [0, 1] of `features` (n, d) by `method`: 'tsne', 'umap' or 'pca', which fewer than 6 samples get.

    All are in the middle if no two samples differ. UsageError if 'umap' is asked for and not installed.
    """
    if not len(features) or (features == features[0]).all():
        return np.full((len(features), 2), 0.5)
    components = _principal(features, PLAIN_DIMENSIONS)
    if method == "pca" or len(features) < 6:
        points = components[:, :2]
    elif method == "tsne":
        points = _tsne(components)
    else:
        points = _umap(components)
    if points.shape[1] < 2:
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    low, high = points.min(axis=0), points.max(axis=0)
    # one scale for both axes, because distances count
    span = float((high - low).max()) or 1.0
    return np.asarray((points - (low + high) / 2) / span + 0.5, dtype=np.float64)


def _principal(features: Float32Array, most: int) -> Float64Array:
    """The first principal components (n, ≤ most)."""
    from sklearn.decomposition import PCA

    n_components = min(most, *features.shape)
    solver = "full" if min(features.shape) <= most else "randomized"
    found = PCA(n_components=n_components, svd_solver=solver, random_state=SEED).fit_transform(features)
    return np.asarray(found, dtype=np.float64)


def _tsne(components: Float64Array) -> Float64Array:
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(components) - 1) / 3)
    method: Any = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", max_iter=500, random_state=SEED)
    return np.asarray(method.fit_transform(components), dtype=np.float64)


def _umap(components: Float64Array) -> Float64Array:
    try:
        from umap import UMAP
    except ImportError as error:
        raise UsageError(
            "`map='umap'` needs the package umap-learn, which is not installed: pip install \".[umap]\", or give `map='tsne'`"
        ) from error
    n_neighbors = min(15, len(components) - 1)
    return np.asarray(
        UMAP(n_neighbors=n_neighbors, random_state=SEED, n_jobs=1).fit_transform(components), dtype=np.float64
    )
