"""Examples in docstrings of public functions do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

MERGE = [
    "stages.merge.full_linkage",
    "stages.merge.jaccard.merge_stage",
    "stages.merge.linkage",
    "stages.merge.merge_stage",
    "stages.merge.schedule",
]
OTHERS = [
    "stages.evaluate.clusters.agreement",
    "stages.evaluate.clusters.compactness",
    "stages.evaluate.retrieval.metrics",
    "stages.nn.model.network",
    "stages.train.recipes",
]


@pytest.mark.parametrize("name", [*MERGE, *OTHERS])
def test_examples_give_what_they_show(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0


def test_every_public_function_of_the_merge_has_an_example() -> None:
    import stages.merge

    functions = [getattr(stages.merge, name) for name in stages.merge.__all__ if name != "StageMerges"]
    assert [function.__name__ for function in functions if ">>> " not in (function.__doc__ or "")] == []
    assert {function.__module__ for function in functions} == set(MERGE)
