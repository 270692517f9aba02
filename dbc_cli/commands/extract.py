"""`dbc extract`: features of every sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbc_cli.by_recipe import initial_by_recipe, tell_of_another_pooling, tell_of_another_recipe
from dbc_cli.command import Given, command, parse
from dbc_cli.flags.flag import NETWORK, WHERE, Flag, pins, stage_flag
from dbc_cli.flags.tables import COMMON, DEVICE, MAKING, SEED
from dbc_cli.flags.training import AMP, COMPILE, INITIAL, RECIPE
from dbc_cli.outcome import show_outcome
from schemas.choices import CameraNormUse
from schemas.recipes import DEFAULT_RECIPE, extraction_of

if TYPE_CHECKING:
    from schemas.parameters import ExtractParameters

EXTRACT = (Flag("extract_batch_size", int, "Images in each forward pass.", "64", WHERE, spelled="--batch-size"),)
FEATURES = (
    Flag(
        "flip",
        bool,
        "Average the features of an image and of its mirror image.",
        "by recipe: tuned does unless views are known, others do not",
        NETWORK,
        spelled="--flip/--no-flip",
    ),
    Flag(
        "camera_norm",
        CameraNormUse,
        "Statistics of the first batch norm for each camera: auto (if its pictures look alike), or off.",
        "by recipe: tuned auto, else off",
        NETWORK,
    ),
)


@command(
    "extract",
    stage_flag("init, 0, 1, 2, …", "the newest with a model"),
    COMMON,
    MAKING,
    pins("dataset", "model"),
    order=20,
    configurable=(*EXTRACT, *FEATURES, *RECIPE, *INITIAL, *SEED, *AMP, *COMPILE, *DEVICE),
    tables=("extract",),
    works=True,
)
def extract(given: Given) -> None:
    """Extract the features of every sample with the newest model.

    Before any training, that is the initial model (stage init). Merging and retrieval use the pooled features of the backbone,
    the look-up table uses the embeddings of the head.
    """
    from stages.extract.stage import extract as run_extract

    parameters = extract_parameters(given)
    tell_of_another_pooling(given)
    tell_of_another_recipe(given, decides=[flag.name for flag in FEATURES])
    outcome = run_extract(
        given.run_directory,
        stage=given.stage,
        parameters=parameters,
        initial=initial_by_recipe(given),
        context=given.context(),
    )
    given.remember()
    show_outcome(outcome, given)


def extract_parameters(given: Given) -> ExtractParameters:
    """The parameters of extraction; `dbc run` gives no batch size, its `--batch-size` is that of training.

    A recipe's statistics for each camera belong to `--camera auto`: another `--camera` of `dbc run` leaves them out.
    """
    from schemas.parameters import ExtractParameters

    by_recipe = extraction_of(given.get("recipe", DEFAULT_RECIPE))
    if given.get("camera", "auto") != "auto":
        by_recipe["camera_norm"] = "off"
    fields = {**by_recipe, **given.fields_of((*AMP, *FEATURES))}
    if given["extract_batch_size"] is not None:
        fields["batch_size"] = given["extract_batch_size"]
    return parse(ExtractParameters, fields)
