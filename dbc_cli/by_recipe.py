"""Parameters of merges and evaluations: the values given, and the recipe's for the others."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dbc_cli.command import Given, initial_fields, parse
from dbc_cli.flags.flag import DECLARED
from dbc_cli.flags.tables import CAMERA, EVALUATE, MERGE, SEED, WHITEN
from dbc_cli.flags.training import INITIAL
from schemas.choices import SEVERAL_LAYERS
from schemas.recipes import DEFAULT_RECIPE, evaluation_of, extraction_of, merging_of, network_of
from schemas.rules import argument, is_read
from schemas.stage_names import INIT_STAGE, stage_label
from stages.errors import UsageError

if TYPE_CHECKING:
    from schemas.parameters import EvaluateParameters, MergeParameters
    from stages.constraints.stage import AskedConstraints
    from stages.loop.plan import Plan
    from stages.runs.making import Made
    from stages.runs.run_directory import RunDirectory

COMPARES = (
    "criterion",
    "lambda_",
    "metric",
    "intra_normalizer",
    "k1",
    "k2",
    "whiten",
    "camera",
    "camera_weight",
)
"""What says how two clusters are compared."""


def initial_by_recipe(given: Given) -> dict[str, Any]:
    """The fields of `InitParameters` that are given, and those of the recipe."""
    return {**network_of(given.get("recipe", DEFAULT_RECIPE)), **initial_fields(given, SEED)}


def try_initial(given: Given, *plans: Plan) -> None:
    """Before a dry run ends at an initial model that is still to be made: refuse one of `plans` for which it cannot be, as a
    missing file of weights, or has no part that is to be frozen. Where none of its flags is given nothing is looked at:
    torch takes seconds to import.
    """
    from stages.nn.initial_agreement import new_initial

    run = given.run_directory
    if run.versions("model", INIT_STAGE) or not (given.fields_of(INITIAL) or given["freeze_through"]):
        return
    from stages.train.freeze import require_part

    tried: list[tuple[dict[str, Any], Made]] = []
    for plan in plans:
        asked = {name: value for name, value in plan.initial.items() if name != "seed"}
        made = next((made for before, made in tried if before == asked), None)
        if made is None:
            made = new_initial(run, asked, given.context())
            tried.append((asked, made))
        require_part(made, plan.freezes)


def tell_of_another_pooling(given: Given) -> None:
    """A note if a recipe is named that pools the last layer, and the run's network has several from another recipe."""
    from stages.runs.run_directory import model_manifest

    recipe, run = given["recipe"], given.run_directory
    model = None if recipe is None or network_of(recipe) or given["pooling"] else run.find("model", INIT_STAGE)
    if model is not None and model_manifest(model).initial.pooling in SEVERAL_LAYERS:
        given.note(
            f"the network of this run has features of several layers, which --recipe {recipe} does not take; "
            "begin another run, or give --pooling avg before anything is trained"
        )


def merge_parameters(given: Given) -> MergeParameters:
    """How to merge."""
    from schemas.parameters import MergeParameters

    recipe, criterion = given.get("recipe", DEFAULT_RECIPE), given.get("criterion", "dbc")
    by_recipe = merging_of(recipe, criterion=criterion, update=given["update"])
    values = {**by_recipe, **given.fields_of((*MERGE, *WHITEN, *CAMERA))}
    n_clusters = asked_n_clusters(given)
    # of merges it is for the last ones of a run
    values["n_clusters"] = n_clusters if values["clusterer"] == "pul" and isinstance(n_clusters, int) else None
    merges = values["clusterer"] == "dbc" and values["start"] != "reviewed"
    if recipe == DEFAULT_RECIPE and merges and given["merge_percent"] is None:
        values["merge_percent"] = _at_least_one_merge(given, values["merge_percent"])
    return parse(MergeParameters, values)


def as_made_before(given: Given, parameters: MergeParameters, made_as: MergeParameters) -> MergeParameters:
    """`parameters` of a correction, which compares as the clusters were `made_as` but for what this command names."""
    others = (
        given["recipe"] is not None and "recipe" not in given.configured,
        given["criterion"] not in (None, made_as.criterion),
    )
    kept = () if any(others) else (name for name in COMPARES if given[name] is None)
    return parameters.model_copy(update={name: getattr(made_as, name) for name in ("merge_percent", *kept)})


def _at_least_one_merge(given: Given, merge_percent: float) -> float:
    """The default `merge_percent`, or of few samples the least that merges one pair a stage, which is told."""
    from stages.merge.schedule import least_merge_percent, number_of_merges
    from stages.runs.run_directory import dataset_manifest

    dataset = given.run_directory.find("dataset")
    n_samples = 0 if dataset is None else dataset_manifest(dataset).summary.n_train
    if n_samples < 3 or number_of_merges(n_samples, merge_percent):
        return merge_percent
    least = least_merge_percent(n_samples)
    given.note(f"--merge-percent is {least}, not {merge_percent}: one merge a stage of {n_samples} train samples")
    return least


def asked_n_clusters(given: Given) -> int | Literal["auto", "schedule"] | None:
    """The value of --n-clusters, None if it is not given; UsageError if it is neither a number from 1 on nor such a word."""
    value: int | str | None = given["n_clusters"]
    if value is None or value in ("auto", "schedule"):
        return value  # type: ignore[return-value]
    if isinstance(value, str) and not (value.isascii() and value.removeprefix("-").isdigit()):
        raise UsageError(f"--n-clusters must be a whole number, auto or schedule, got {value}")
    DECLARED["n_clusters"].require_bounds(int(value))
    return int(value)


def tell_of_another_recipe(given: Given, *, decides: Collection[str] = ()) -> None:
    """A note if no recipe is named, and the newest model was trained with another one than the default.

    `decides` are the options that a recipe decides on, if they are few: none is told if all of them are given.
    """
    from schemas.parameters import TrainParameters
    from stages.runs.run_directory import model_manifest

    run = given.run_directory
    named = given["recipe"] is not None or (decides and all(given[name] is not None for name in decides))
    trained = [] if named else run.stages("model")
    model = run.find("model", trained[-1]) if trained else None
    parameters = None if model is None else model_manifest(model).parameters
    if isinstance(parameters, TrainParameters) and parameters.recipe != DEFAULT_RECIPE:
        given.note(
            f"stage {parameters.stage} was trained with --recipe {parameters.recipe}, this goes by --recipe {DEFAULT_RECIPE}; "
            f"to keep the first, write recipe = '{parameters.recipe}' in the run's config.toml"
        )


def tell_of_another_extraction(given: Given) -> None:
    """A note if a recipe is named whose features are extracted in another way than those that this merge reads."""
    from stages.features.mirror_images import mirrored
    from stages.runs.lineage import dataset_of
    from stages.runs.run_directory import features_manifest

    recipe, run = given["recipe"], given.run_directory
    features = None if recipe is None else run.newest_up_to("features", (given.stage or sys.maxsize) - 1)
    if recipe is None or features is None:
        return
    manifest, asked = features_manifest(features), extraction_of(recipe)
    normed = bool(manifest.summary.norm_strength)
    is_flipped = mirrored(asked["flip"], dataset_of(run, features))
    if manifest.parameters.flip != is_flipped or (normed and asked["camera_norm"] == "off"):
        given.note(
            "the features are those of another recipe (mirror images, statistics for each camera); for those of this one: "
            f"dbc extract --stage {stage_label(manifest.summary.stage)} --recipe {recipe}"
        )


def tell_of_another_merge(given: Given, run: RunDirectory, stage: int, parameters: MergeParameters) -> None:
    """A note if `stage`, or the one before it, has clusters that were made otherwise than by `parameters`.

    A merge that ends the run may end it with another number than the one before. A correction compares anew, and no more.
    """
    from stages.runs.lineage import before_review
    from stages.runs.run_directory import clusters_manifest

    there = run.stages("clusters")
    unread = ("n_clusters", "merge_percent") if parameters.ends_run else ()
    reviewed = parameters.start == "reviewed"
    compared = COMPARES if reviewed else [name for name in type(parameters).model_fields if name not in unread]
    for before in (stage,) if reviewed else (stage, stage - 1):
        made_as = clusters_manifest(before_review(run, before)).parameters if before in there else parameters
        differing = [name for name in compared if getattr(made_as, name) != getattr(parameters, name)]
        names = [name for name in differing if any(is_read(name, dict(each)) for each in (made_as, parameters))]
        if names:
            told = ", ".join(argument(name, getattr(made_as, name)) for name in names)
            anew = "" if before == stage else "; dbc merge --stage 1, or dbc run, begins with these"
            given.note(f"stage {before} has clusters that were made with {told}; these are made otherwise{anew}")
            return


def asked_constraints(given: Given) -> AskedConstraints:
    """Which pairs are known to be one individual, or two: runs that are compared with this one take its file, too."""
    from stages.constraints.labels import OWN
    from stages.constraints.stage import AskedConstraints, own_file

    file = own_file(given.run) if given["constraints"] is None else Path(given["constraints"])
    labels = None if given["labels"] is None else Path(given["labels"])
    if labels is not None and labels != OWN and not labels.is_file():
        raise UsageError(
            f"--labels must be a table of path,identity, got {labels}, which is no file; name another, or say identities for "
            "those that the data set came with"
        )
    return AskedConstraints(file, derived=not given.flag("no_derived_constraints"), labels=labels)


def evaluate_parameters(given: Given) -> EvaluateParameters:
    """How to evaluate."""
    from schemas.parameters import EvaluateParameters

    by_recipe = evaluation_of(given.get("recipe", DEFAULT_RECIPE))
    values = {**by_recipe, **given.fields_of((*EVALUATE, *WHITEN, *CAMERA))}
    # centring and penalties are ways to merge
    values["camera"] = "auto" if values["camera"] == "auto" else "ignored"
    return parse(EvaluateParameters, values)
