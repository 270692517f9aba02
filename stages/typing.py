"""Array types with their element type, as the signatures of the numeric code use them."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Float64Array: TypeAlias = NDArray[np.float64]
Float32Array: TypeAlias = NDArray[np.float32]
Int64Array: TypeAlias = NDArray[np.int64]
Int32Array: TypeAlias = NDArray[np.int32]
UInt8Array: TypeAlias = NDArray[np.uint8]
BoolArray: TypeAlias = NDArray[np.bool_]

Array: TypeAlias = Any
"""An array of any array-API library: NumPy, CuPy or array-api-strict."""
