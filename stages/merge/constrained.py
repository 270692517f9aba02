"""The constraints of a merge: those of the run, and what views and encounters add to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from schemas.parameters import MergeParameters
from stages.arrays.partition import connected
from stages.constraints.known_encounters import doubtful_encounters, train_encounters
from stages.constraints.sample_names import sample_names
from stages.constraints.stage import AskedConstraints, labels_of, make_constraints, read_constraints
from stages.errors import DbcError, UsageError
from stages.features.mirror_images import views_known
from stages.features.prepared import needed_cameras
from stages.merge.selection.links import PairConstraints
from stages.runs.context import Context
from stages.runs.lineage import before_review
from stages.runs.making import Made
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact
from stages.samples import TRAIN, UNKNOWN
from stages.typing import Int32Array, Int64Array
from stages.wording import shown


@dataclass(frozen=True)
class KnownBefore:
    """The `constraints` of a merge, and `labels` (n_train,) that a person gave, −1 where unknown, or None.

    If encounters count, `n_joined` samples join others of theirs, `n_contradicted` do not because two of theirs differ, and
    `n_doubtful` because the name of their encounter says that it is not known.
    """

    constraints: PairConstraints
    labels: Int64Array | None = None
    n_joined: int | None = None
    n_contradicted: int = 0
    n_doubtful: int = 0

    def note(self, *, stage: int) -> str:
        """A line about encounters, "" if there is nothing to tell at `stage`."""
        if self.n_joined is None:
            return ""
        why = "because two in their encounter differ, by answers, labels or as two in one picture do"
        contradicted = f"; {self.n_contradicted} do not, {why}" if self.n_contradicted else ""
        apart = "" if self.constraints.view is None else "views are apart: "
        told = f"{apart}samples that join others of their encounter: {self.n_joined}{contradicted}"
        if self.n_doubtful:
            told += f"; {self.n_doubtful} do not, because their encounter has a name such as - or unknown"
        return told if contradicted or stage == 1 else ""


def made_for_merge(
    run: RunDirectory, dataset: Artifact, parameters: MergeParameters, asked: AskedConstraints, *, context: Context
) -> Made | None:
    """The constraints that a merge by `parameters` is `asked` for; None if there are none.

    Methods that make no merges take labels that a person gave, no pairs: UsageError if answers were given.
    """
    if parameters.clusterer == "dbc":
        return make_constraints(run, dataset, asked, context=context)
    made = make_constraints(run, dataset, replace(asked, derived=False), context=context)
    if made is not None and made.parameters["answers_digest"]:
        raise UsageError(
            f"`clusterer={parameters.clusterer!r}` makes no merges that answers could ask for or forbid; give "
            "`constraints='none'`, or `clusterer='dbc'`"
        )
    return made


def read_for_merge(dataset: Artifact, known: Artifact | None, parameters: MergeParameters) -> KnownBefore:
    """What the constraints artifact `known` says, or None, and what views and encounters of `dataset` add by `parameters`.

    Samples of one encounter are the same individual then, unless two of them are known to differ. DbcError if views or
    encounters are wanted and not known.
    """
    nothing = PairConstraints()
    told = None if known is None else read_constraints(known)
    same, different = (nothing.same, nothing.different) if told is None else (told.same, told.different)
    labels = None if told is None else told.known
    if not parameters.by_encounter:
        return KnownBefore(PairConstraints(same, different), labels)
    linked, views = known_from_source(dataset, parameters, same, different)
    n_linked = len(known_from_source(dataset, parameters, nothing.same, nothing.different)[0])
    constraints = PairConstraints(np.concatenate([same, linked]), different, views)
    n_doubtful = int((doubtful_encounters(dataset) & (dataset.read("split") == TRAIN)).sum())
    return KnownBefore(constraints, labels, len(linked), n_linked - len(linked), n_doubtful)


def known_from_source(
    dataset: Artifact, parameters: MergeParameters, same: Int64Array, different: Int64Array
) -> tuple[Int64Array, Int64Array | None]:
    """(pairs (p, 2) of one encounter, view (n_train,)) of train samples, as far as `same` and `different` allow.

    The view is None if a merge by `parameters` compares all views. DbcError if no view or encounter is known that it needs.
    """
    require_in_source(dataset, parameters)
    view = dataset.read("view")[dataset.read("split") == TRAIN].astype(np.int64) if parameters.view == "apart" else None
    return of_one_encounter(train_encounters(dataset), same, different), view


def require_in_source(dataset: Artifact, parameters: MergeParameters) -> None:
    """Raise DbcError if a merge by `parameters` needs views, encounters or cameras of train samples and they are not known."""
    needed_cameras(dataset, parameters)
    if parameters.view == "apart" and not views_known(dataset, dataset.read("split") == TRAIN):
        raise DbcError(
            f"`view='apart'` needs the views of pictures, and {dataset.path} has none; ingest a column view, or "
            "`view_pattern`"
        )
    if parameters.encounter == "joined" and not (train_encounters(dataset) != UNKNOWN).any():
        raise DbcError(
            f"`encounter='joined'` needs the encounters of pictures, and {dataset.path} has none; ingest a column encounter, "
            "or `encounter_gap`"
        )


def labels_kept(run: RunDirectory, stage: int) -> Int64Array | None:
    """The labels (n_train,) that the clusters of `stage` were made with, or those before a review; None if none were given.

    A review, a count and a correction keep to them.
    """
    known = labels_of(run, run.require("clusters", stage))
    return labels_of(run, before_review(run, stage)) if known is None else known


def of_one_encounter(encounter: Int32Array, same: Int64Array, different: Int64Array) -> Int64Array:
    """Pairs (p, 2) that link all samples of each known `encounter` (n,), but for encounters that answers contradict.

    These link, alone or with others and the pairs `same` (s, 2), two samples that are `different` (f, 2).
    """
    order = np.argsort(encounter, kind="stable")
    order = order[encounter[order] != UNKNOWN]
    while True:
        again = encounter[order[1:]] == encounter[order[:-1]]
        found = np.stack([order[:-1][again], order[1:][again]], axis=1).astype(np.int64)
        group = connected(len(encounter), np.concatenate([same, found]))
        wrong = group[different[group[different[:, 0]] == group[different[:, 1]], 0]]
        left = order[~np.isin(encounter[order], encounter[np.isin(group, wrong)])]
        if len(left) == len(order):
            return found
        order = left


def require_kept_apart(previous: Artifact, labels: Int64Array, constraints: PairConstraints, dataset: Artifact) -> None:
    """Raise DbcError if the clusters `labels` (n_train,) of `previous` hold different individuals together."""
    wrong = constraints.different[np.diff(labels[constraints.different], axis=1)[:, 0] == 0]
    if len(wrong):
        names = np.array(sample_names(dataset), dtype=object)[dataset.read("split") == TRAIN]
        first, second = (shown(name) for name in names[wrong[0]].tolist())
        raise DbcError(
            f"{previous.path} has {first} and {second} in one cluster, which are different individuals ({len(wrong)} such "
            "pairs); give `start='singletons'`, or merge again from stage 1"
        )
