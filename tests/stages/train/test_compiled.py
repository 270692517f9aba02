"""A compiled backbone trains alike, but for last bits."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny_training import tiny_model, trained


@pytest.mark.slow
def test_a_compiled_backbone_gives_the_losses_of_a_plain_one_to_rounding() -> None:
    plain, compiled = (
        trained(tiny_model(dropout=0.5), np.arange(20) % 7, options={"compiled": compiled}).loss
        for compiled in (False, True)
    )
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)
