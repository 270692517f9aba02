"""What functions of arrays refuse: features that are no matrix, ids that are no integers."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace, is_array_api_obj, is_torch_array

from stages.errors import DbcError
from stages.typing import Array


def require_matrix(features: Array, *, what: str = "features", may_be_empty: bool = False) -> None:
    """Raise DbcError unless `features`, called `what`, are an array of real numbers of two dimensions.

    Neither may be 0, but for the rows of what `may_be_empty`.
    """
    if not is_array_api_obj(features):
        raise DbcError(
            f"{what} must be an array (n_samples, n_dimensions), such as NumPy's, got {type(features).__name__}; "
            "numpy.asarray may make one of it"
        )
    if isinstance(features, np.ma.MaskedArray):
        raise DbcError(f"{what} must be an array without a mask, got NumPy's MaskedArray; fill in what is masked")
    if is_torch_array(features) and (
        features.requires_grad or features.is_meta or str(features.layout) != "torch.strided"
    ):
        raise DbcError(
            f"{what} must be a dense tensor without gradient, got a tensor that has one, is sparse or has no values; "
            "give features.detach() or features.to_dense()"
        )
    if not array_namespace(features).isdtype(features.dtype, ("real floating", "integral")):
        raise DbcError(f"{what} must be real numbers, got an array of {features.dtype}; convert them")
    if features.ndim != 2 or 0 in features.shape[may_be_empty:]:
        least = "the second" if may_be_empty else "both"
        raise DbcError(
            f"{what} must have shape (n_samples, n_dimensions), {least} at least 1, got {tuple(features.shape)}; "
            "extract them again"
        )


def require_integers(**arrays: object) -> None:
    """Raise DbcError unless each of `arrays`, which are named plainly, is one of NumPy's, (n,) integers."""
    for name, values in arrays.items():
        if isinstance(values, np.ndarray) and not isinstance(values, np.ma.MaskedArray):
            if values.ndim == 1 and np.issubdtype(values.dtype, np.integer):
                continue
            got = f"{values.dtype} of shape {values.shape}"
        else:
            got = type(values).__name__
        raise DbcError(f"{name} must be a NumPy array (n,) of integers, got {got}; convert it")
