"""What a run of all stages is asked for, whether its data allows it, and how much there is to do; torch is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from schemas.choices import BAG_OF_WORDS, NO_WEIGHTS
from schemas.parameters import EvaluateParameters, ExtractParameters, MergeParameters
from schemas.recipes import DEFAULT_RECIPE, RECIPES, VIDEO_FRAMES
from schemas.stage_names import INIT_STAGE
from schemas.summaries import DatasetSummary
from stages.arguments import require_kind
from stages.constraints.stage import AskedConstraints
from stages.errors import UsageError
from stages.merge.checks import require_whole
from stages.merge.constrained import require_in_source
from stages.merge.schedule import last_stage, least_merge_percent, number_of_merges, require_fewer_clusters
from stages.nn.initial_agreement import require_initial
from stages.runs.run_directory import RunDirectory, dataset_manifest
from stages.train.recipes import recipe_parameters
from stages.wording import so_many

AS_FEATURES_ASK: Final = "auto"
"""In place of a number of clusters: one that is found in the features."""
NumberAsked = int | Literal["auto"]


@dataclass(frozen=True)
class Plan:
    """What a run of all stages is asked for; fields as the stages take them.

    `train` and `initial` hold fields of `TrainParameters`, but for `stage`, and `InitParameters`; `stage0_epochs`
    are the epochs of stage 0 where they differ. `stages` is the last stage, by default ⌊1/merge_percent⌋ − 1.
    `merge_only` trains nothing: from stage 1 on the initial features are merged again and again, and there is no stage 0.
    `n_clusters` ends the run with a merge to so many clusters, which nothing is trained on; `AS_FEATURES_ASK`: to the
    fewest that the chosen features ask for (`Separation.likely_clusters`). None ends it with the last stage.
    `constraints` say where to find pairs that are known to be one individual, or two.
    """

    merge: MergeParameters
    extract: ExtractParameters
    evaluate: EvaluateParameters
    train: Mapping[str, Any] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    stages: int | None = None
    stage0_epochs: int | None = None
    merge_only: bool = False
    n_clusters: NumberAsked | None = None
    constraints: AskedConstraints = field(default_factory=AskedConstraints)

    @property
    def last_stage(self) -> int:
        """The stage the run ends with."""
        return last_stage(self.merge.merge_percent) if self.stages is None else self.stages

    @property
    def trains(self) -> bool:
        """Whether any stage may train: not with 0 epochs, nor with a bag of words, which has no weights."""
        return self.train.get("epochs") != 0 and self.initial.get("backbone") != BAG_OF_WORDS

    @property
    def freezes(self) -> str | None:
        """The part up to which training is asked to keep the network's weights; None also if nothing trains."""
        return self.train.get("freeze_through") if self.trains and not self.merge_only else None

    @property
    def stage_numbers(self) -> list[int]:
        """The stages the run has, in order."""
        return [INIT_STAGE, *range(1 if self.merge_only else 0, self.last_stage + 1)]


_KINDS: Mapping[str, type] = {
    "merge": MergeParameters,
    "extract": ExtractParameters,
    "evaluate": EvaluateParameters,
    "train": Mapping,
    "initial": Mapping,
    "constraints": AskedConstraints,
}


@dataclass(frozen=True)
class StageWork:
    """What a stage has to do beside merging: images to train on, all epochs together, and images to extract features of."""

    stage: int
    trained: int
    extracted: int


def planned_work(plan: Plan, data: DatasetSummary) -> list[StageWork]:
    """The work of every stage of `plan` on `data`, if nothing of it is done; an estimate where clusters are not merged."""
    found = []
    has_new_weights = True
    for stage in plan.stage_numbers:
        epochs = _epochs(plan, stage, data)
        has_new_weights = stage == INIT_STAGE or epochs > 0
        is_video = data.n_images > data.n_samples
        frames = (plan.train.get("frames") or VIDEO_FRAMES) if is_video else 1
        found.append(StageWork(stage, epochs * data.n_train * frames, data.n_images if has_new_weights else 0))
    return found if plan.n_clusters is None else [*found, StageWork(plan.last_stage + 1, 0, 0)]


def trained_beside_recipe(plan: Plan, data: DatasetSummary) -> list[int]:
    """The stages that `plan` trains because it gives `epochs`, and its recipe would not."""
    by_recipe = replace(plan, train={name: value for name, value in plan.train.items() if name != "epochs"})
    both = zip(planned_work(plan, data), planned_work(by_recipe, data), strict=True)
    return [asked.stage for asked, said in both if asked.trained and not said.trained]


def _epochs(plan: Plan, stage: int, data: DatasetSummary) -> int:
    if stage == INIT_STAGE or plan.merge_only or not plan.trains:
        return 0
    if stage == 0 and plan.stage0_epochs is not None:
        return plan.stage0_epochs
    if plan.train.get("epochs") is not None:
        return int(plan.train["epochs"])
    recipe = RECIPES[plan.train.get("recipe", DEFAULT_RECIPE)]
    schedule = recipe.from_random if plan.initial.get("weights") == NO_WEIGHTS else recipe.training
    n_clusters = max(1, data.n_train - stage * number_of_merges(data.n_train, plan.merge.merge_percent))
    fields = schedule.fields(stage, mean_size=data.n_train / n_clusters)
    if data.n_images > data.n_samples and stage and fields["epochs"]:
        fields |= recipe.video
    return int(fields["epochs"])


def _check_fields(plan: Plan) -> None:
    """Raise UsageError for a field of `plan` that is of another kind or out of bounds, or says what another one says."""
    require_kind("plan", plan, Plan)
    for name, kind in _KINDS.items():
        require_kind(name, getattr(plan, name), kind)
    require_initial(plan.initial)
    for name, least in (("stages", 0), ("stage0_epochs", 0), ("n_clusters", 1)):
        value = getattr(plan, name)
        if value is not None and (name, value) != ("n_clusters", AS_FEATURES_ASK):
            require_whole(name, value)
            if value < least:
                raise UsageError(f"`{name}` must be at least {least}, got {value}")
    if "stage" in plan.train:
        raise UsageError(
            f"`train` must not name `stage`, as a plan has several, got {plan.train['stage']!r}; leave it out"
        )
    if plan.merge.ends_run:
        raise UsageError(
            f"`merge` must not name `n_clusters`, to which it would merge every stage, got {plan.merge.n_clusters}; give it "
            "to the plan"
        )
    if plan.n_clusters is not None and plan.merge.clusterer != "dbc":
        raise UsageError(f"`n_clusters` ends a run by merges, which `clusterer={plan.merge.clusterer!r}` does not make")


def check_plan(run: RunDirectory, plan: Plan) -> None:
    """Raise, before anything is made, what the data set of `run` does not allow `plan` to do.

    UsageError if a field is of another kind, a value out of bounds or the stages would merge more clusters than there are,
    DbcError if camera ids, views or encounters are needed and not known.
    """
    _check_fields(plan)
    if plan.merge.start == "reviewed":
        raise UsageError(
            "`start='reviewed'` corrects the clusters of one stage: it is for dbc merge; give another `start`"
        )
    dataset = run.require("dataset")
    summary = dataset_manifest(dataset).summary
    n_samples = summary.n_train
    n_merges = number_of_merges(n_samples, plan.merge.merge_percent)
    percent = plan.merge.merge_percent
    if plan.last_stage > 0 and n_merges == 0 and plan.merge.clusterer == "dbc":
        by_recipe = RECIPES[plan.train.get("recipe", DEFAULT_RECIPE)].merging.merge_percent
        which = " (the default)" if percent == by_recipe else ""
        raise UsageError(
            f"`merge_percent={percent}`{which} makes no merge among {so_many(n_samples, 'train sample')}; "
            + (f"give {least_merge_percent(n_samples)} or more" if n_samples > 1 else "ingest more")
        )
    if not plan.merge_only:
        # values out of bounds are told before any stage is made
        recipe_parameters(
            plan.last_stage,
            n_samples=n_samples,
            n_clusters=max(1, n_samples),
            recipe=plan.train.get("recipe", DEFAULT_RECIPE),
            is_video=summary.n_images > summary.n_samples,
            overrides={name: value for name, value in plan.train.items() if name != "recipe"},
        )
    if plan.last_stage > 0 and plan.merge.clusterer == "dbc" and n_samples - plan.last_stage * n_merges < 1:
        raise UsageError(
            f"`stages` must be at most {(n_samples - 1) // n_merges}, got {plan.last_stage}: every stage makes "
            f"{so_many(n_merges, 'merge')} (`merge_percent={percent}`) among {so_many(n_samples, 'train sample')}"
        )
    if plan.n_clusters is not None and plan.n_clusters != AS_FEATURES_ASK:
        left = n_samples if plan.merge.start == "singletons" else n_samples - plan.last_stage * n_merges
        what = "train samples" if left == n_samples else f"clusters that stage {plan.last_stage} leaves"
        require_fewer_clusters(plan.n_clusters, left, what)
    if plan.last_stage > 0:
        require_in_source(dataset, plan.merge)
