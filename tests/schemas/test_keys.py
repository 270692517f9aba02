"""The key of an artifact is what it was in every release, whatever defaults or fields came since."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from pydantic import ValidationError

from schemas import parameters as module
from schemas.first_release import FIELDS
from schemas.parameters import (
    STORED,
    AssignParameters,
    ConstraintsParameters,
    EvaluateParameters,
    ExtractParameters,
    IngestParameters,
    InitParameters,
    MergeParameters,
    Parameters,
    SyntheticParameters,
    TrainParameters,
)
from stages.runs.store.digests import canonical_json

PUBLISHED = {
    "merge_percent": 0.05,
    "update": "stale",
    "intra_normalizer": "n",
    "start": "previous",
    "whiten": 0,
    "camera": "ignored",
}
TUNED = PUBLISHED | {"update": "exact", "intra_normalizer": "n2", "start": "singletons", "whiten": 3}
LATER_TRAINING = {"whiten": 3, "memory_momentum": 0.1, "frames": 16, "recipe": "paper"}

GOLDEN: list[tuple[Parameters, str]] = [
    (SyntheticParameters(), "3b4bcba7b7db58e3"),
    (IngestParameters(), "c83bafb8bed7a4ce"),
    (IngestParameters(synthetic=SyntheticParameters(identities=3)), "528dbe08b707e86e"),
    (ConstraintsParameters(answers_digest="ab", derived=True), "415c76a401b28cb8"),
    (InitParameters(), "51d59d5bfee88b86"),
    (InitParameters(last_stride=1, pooling="gem"), "e34533e834539ee8"),
    (ExtractParameters(), "613258596bcd9a76"),
    (MergeParameters(**PUBLISHED), "667dc2f658dca9bb"),
    (MergeParameters(criterion="buc", **PUBLISHED), "1392539e209be7ae"),
    (MergeParameters(**TUNED), "959deccde6376ea7"),
    (MergeParameters(criterion="buc", **PUBLISHED | {"whiten": 3}), "a4075c607ad34601"),
    (MergeParameters(**PUBLISHED | {"camera": "penalty"}, camera_weight=0.2, k1=10), "11f219191548fdec"),
    (TrainParameters(stage=0, epochs=1, learning_rate=0.1), "fdc65d339d29b1d1"),
    (TrainParameters(stage=1, epochs=1, learning_rate=0.1, **LATER_TRAINING), "9d557aa881a88ee0"),
    (EvaluateParameters(whiten=0, camera="ignored"), "0768dca09744c287"),
    (EvaluateParameters(whiten=3, camera="ignored"), "6705edb281eb61f3"),
    (EvaluateParameters(whiten=0, camera="ignored", rerank=True, rerank_k1=5), "de05e9da4830c785"),
    (AssignParameters(threshold=0.7), "8a1ed50b6d1db894"),
]
"""Digests of requests as the first release with these fields had them: never to be replaced."""


@pytest.mark.parametrize(("parameters", "digest"), GOLDEN)
def test_a_request_is_what_it_was(parameters: Parameters, digest: str) -> None:
    assert hashlib.sha256(canonical_json(parameters.request())).hexdigest()[:16] == digest


def test_every_class_of_parameters_has_a_golden_request() -> None:
    classes = {value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Parameters)}
    assert classes - {Parameters} == {type(parameters) for parameters, _ in GOLDEN}


@pytest.mark.parametrize("name", FIELDS)
def test_a_request_of_the_first_release_has_its_fields_and_no_other(name: str) -> None:
    model: type[Parameters] = getattr(module, name)
    needed = {"stage": 0, "epochs": 1, "learning_rate": 0.1} if model is TrainParameters else {}
    stored = model.model_validate(needed, context=STORED)
    aliases = {field.alias or key for key, field in model.model_fields.items() if key in FIELDS[name]}
    assert stored.request().keys() == aliases
    assert {field: getattr(stored, field) for field in model.added_later} == dict(model.added_later)


def test_a_field_that_is_not_accounted_for_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match="Forgetful: haste must be a field and, if not of the first release, in `added"):

        class Forgetful(Parameters):
            haste: int = 3

    with pytest.raises(TypeError, match="haste"):

        class Mistaken(Parameters):
            added_later = {"haste": 3}  # noqa: RUF012


def test_what_an_artifact_of_the_first_release_does_not_say_is_not_taken_from_todays_defaults() -> None:
    old = MergeParameters.model_validate({"update": "stale", "intra_normalizer": "n"}, context=STORED)
    assert (old.start, old.whiten) == ("previous", 0)
    assert EvaluateParameters.model_validate({}, context=STORED).whiten == 0


def test_pictures_of_a_format_that_nobody_listed_are_all_trained_on() -> None:
    assert module._test_fraction({"format": "a new one"}) == 0
    assert {module._test_fraction({"format": name}) for name in ("folder", "csv", "yolo", "video")} == {0}
    assert {module._test_fraction({"format": name}) for name in ("synthetic", "market1501", "mars")} == {0.5}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"n_cluster": 5}, "Extra inputs"),
        ({"start": "revieved"}, "'previous', 'singletons' or 'reviewed'"),
        ({"merge_percent": 0}, "greater than 0"),
        ({"update": "stale"}, "`start='singletons'` needs `update='exact'`"),
    ],
)
def test_a_copy_with_other_values_is_checked_as_they_are_when_given_at_once(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        MergeParameters().model_copy(update=given)


def test_a_copy_is_what_it_was_beside_its_update() -> None:
    drawn = IngestParameters(synthetic=SyntheticParameters(), exclude="a")
    copied = drawn.model_copy(update={"exclude": "b"})
    assert (copied.synthetic, copied.exclude, copied.model_fields_set) == (
        drawn.synthetic,
        "b",
        {"synthetic", "exclude"},
    )
    assert drawn.model_copy() == drawn
    # λ by either of its names, and defaults that depend on the criterion stay
    merging = MergeParameters()
    assert merging.model_copy(update={"lambda": 0.3}) == merging.model_copy(update={"lambda_": 0.3})
    assert merging.model_copy(update={"criterion": "buc", "update": "exact"}).lambda_ == merging.lambda_
