"""Recipes as data, and the rules of what goes together."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.choices import PUBLISHED_LAMBDA, CriterionName, RecipeName, Update, words_of
from schemas.parameters import EvaluateParameters, MergeParameters, TrainParameters
from schemas.recipes import DEFAULT_RECIPE, RECIPES, evaluation_of, extraction_of, merging_of, network_of
from schemas.rules import MERGE_RULES, TRAIN_RULES, argument, broken_rule, idle_options


def test_there_is_a_recipe_for_every_name() -> None:
    assert set(RECIPES) == set(words_of(RecipeName))
    assert DEFAULT_RECIPE == "tuned"
    assert PUBLISHED_LAMBDA["dbc"] == 0.1
    assert PUBLISHED_LAMBDA["buc"] == 0.005
    assert PUBLISHED_LAMBDA.keys() == set(words_of(CriterionName))


@pytest.mark.parametrize(
    ("recipe", "criterion", "update", "wanted"),
    [
        ("tuned", "dbc", None, (3, "exact", "singletons", "n2")),
        ("tuned", "dbc", "exact", (3, "exact", "singletons", "n2")),
        ("tuned", "dbc", "stale", (3, "stale", "previous", "n2")),
        ("tuned", "buc", None, (3, "stale", "previous", "n")),
        ("auto", "dbc", None, (0, "stale", "previous", "n")),
        ("paper", "dbc", "exact", (0, "stale", "previous", "n")),
    ],
)
def test_what_recipes_say_of_a_merge(recipe: RecipeName, criterion: str, update: str | None, wanted: tuple) -> None:
    said = merging_of(recipe, criterion=criterion, update=update)
    assert (said["whiten"], said["update"], said["start"], said["intra_normalizer"]) == wanted


@pytest.mark.parametrize("criterion", words_of(CriterionName))
@pytest.mark.parametrize("update", [None, *words_of(Update)])
def test_parameters_are_by_default_those_of_the_default_recipe(criterion: str, update: str | None) -> None:
    given: dict[str, Any] = {"criterion": criterion} | ({} if update is None else {"update": update})
    assert MergeParameters(**given) == MergeParameters(
        **merging_of(DEFAULT_RECIPE, criterion=criterion, update=update) | given
    )
    assert EvaluateParameters() == EvaluateParameters(**evaluation_of(DEFAULT_RECIPE))


@pytest.mark.parametrize("criterion", words_of(CriterionName))
def test_a_clusterer_that_makes_no_merges_takes_no_criterion_but_the_default(criterion: str) -> None:
    broken = broken_rule(MERGE_RULES, criterion=criterion, clusterer="dbscan")
    assert (broken is None) == (criterion == "dbc")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (lambda: merging_of("tnued"), "unknown `recipe` 'tnued': choose one of tuned, auto, paper, pul"),  # type: ignore[arg-type]
        (lambda: network_of("tnued"), "unknown `recipe`"),  # type: ignore[arg-type]
        (lambda: extraction_of("tnued"), "unknown `recipe`"),  # type: ignore[arg-type]
        (lambda: evaluation_of("tnued"), "unknown `recipe`"),  # type: ignore[arg-type]
        (lambda: merging_of("tuned", criterion="bcu"), "unknown `criterion` 'bcu': choose one of dbc, buc"),
        (lambda: merging_of("tuned", update="exakt"), "unknown `update` 'exakt': choose one of exact, stale"),
    ],
)
def test_a_misspelt_name_is_refused(asked: Callable[[], object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        asked()


def test_schedules_know_only_fields_of_training() -> None:
    for recipe in RECIPES.values():
        for schedule, stage in itertools.product((recipe.training, recipe.from_random), (0, 1)):
            fields = schedule.fields(stage, mean_size=9) | recipe.video
            assert TrainParameters(stage=stage, **fields).epochs == fields["epochs"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"start": "singletons", "update": "stale"},
            "`start='singletons'` needs `update='exact'`, got `update='stale'`",
        ),
        (
            {"metric": "jaccard", "criterion": "buc"},
            "`metric='jaccard'` needs `criterion='dbc'`, got `criterion='buc'`",
        ),
        (
            {"camera": "penalty", "metric": "jaccard"},
            "`camera='penalty'` needs `metric='sqeuclidean'`, `metric='euclidean'` or `metric='cosine'`, got",
        ),
        (
            {"camera": "penalty", "criterion": "buc"},
            "`camera='penalty'` needs `criterion='dbc'`, got `criterion='buc'`",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(options: dict[str, Any], told: str) -> None:
    assert str(broken_rule(MERGE_RULES, **options)).startswith(told)
    with pytest.raises(ValidationError, match="change one of them"):
        MergeParameters(**options)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"eps": "0.4,0.5"}, "`eps='0.4,0.5'` has no effect: it needs `clusterer='dbscan'`"),
        (
            {"clusterer": "dbscan", "update": "exact", "eps": 0.4},
            "`update='exact'` has no effect: it needs `clusterer='dbc'`",
        ),
        # the choice of a stage merges by it
        ({"clusterer": "dbscan", "lambda_": 0.3}, ""),
        ({"k1": 9}, "`k1=9` has no effect: it needs `metric='jaccard'` or `clusterer='dbscan'`"),
        ({"k1": 9, "clusterer": "dbscan"}, ""),
        (
            {"criterion": "buc", "start": "previous", "intra_normalizer": "n"},
            "`intra_normalizer='n'` has no effect: it needs",
        ),
        ({"camera": "auto", "camera_weight": 0.2}, "`camera_weight=0.2` has no effect: it needs `camera='penalty'`"),
        ({"clusterer": "hdbscan", "min_samples": 2}, ""),
    ],
)
def test_an_option_that_nothing_reads_is_told_and_changes_no_key(given: dict[str, Any], told: str) -> None:
    options = {name: value for name, value in given.items() if not isinstance(value, str) or "," not in value}
    parameters = MergeParameters(**options)
    found = idle_options(given, [dict(parameters)])
    assert len(found) == bool(told)
    assert "".join(found.values()).startswith(told)
    # it is idle only if it is in all settings, and nothing is known without settings
    read = {"clusterer": "dbscan", "metric": "jaccard", "criterion": "dbc", "camera": "penalty"}
    assert idle_options(given, [dict(parameters), {**read, "clusterer": "dbc"}, read]) == idle_options(given, []) == {}


def test_options_that_go_together_or_are_left_out_break_no_rule() -> None:
    assert broken_rule(MERGE_RULES, start="singletons", update="exact", camera="penalty") is None
    assert broken_rule(TRAIN_RULES, lr_schedule="cosine", decay_after=None) is None
    assert broken_rule(TRAIN_RULES, lr_schedule="cosine", decay_after=3) == (
        "`lr_schedule='cosine'` needs `decay_after=None`, got `decay_after=3`; change one of them"
    )


def test_a_digest_is_named_by_what_it_is_of() -> None:
    assert argument("weights_digest", "ab12" * 16) == "`weights` (ab12ab12ab12)"
    assert argument("labels_digest", "") == "no `labels`"
