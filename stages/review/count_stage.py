"""The number of individuals of a stage: which pairs to answer for it, and what the answers say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stages.constraints.answers_file import NO_ANSWERS
from stages.constraints.labels import labelled_pairs
from stages.constraints.stage import AskedConstraints, answers_of, train_samples
from stages.errors import DbcError
from stages.features.prepared import compared_features
from stages.ingest.near_copies import told_empty
from stages.merge.constrained import labels_kept
from stages.reporting import SILENT, Reporter
from stages.review.counting import (
    INNER,
    LEAST_DRAWN,
    Count,
    Draws,
    answered,
    count,
    draw,
    expected_width,
    shown_by_answers,
)
from stages.review.sightings import draw_sightings, known_together
from stages.runs.lineage import before_review, dataset_of, made_from, parent_of
from stages.runs.run_directory import RunDirectory, clusters_manifest, constraints_manifest
from stages.runs.store import Artifact, open_artifact
from stages.typing import Int64Array

FORETOLD = (100, 300, 1000)
"""Numbers of answers for which the width of the interval is told."""


@dataclass(frozen=True)
class Counting:
    """How far the count of a stage is.

    `n_given` answers are in the file, and `n_answers` of the drawn pairs are answered, by `n_told` answers about them or
    because it follows from others, from the data, or from their being drawn twice; `to_ask` (p, 2) are those of the draws
    asked for that are not, by place among train samples, whose `names` there are. `found` is None while too few are answered;
    `widths` says about how wide the interval is after so many answers. `n_unsure` drawn pairs are unsure, and `n_blind` have
    no view in common, which counts as different; the interval reaches down to unsure pairs being the same. `n_named` is the
    number of individuals where every sample has a label: there is nothing to estimate then, and `found` is None.
    """

    stage: int
    n_clusters: int
    names: list[str]
    n_given: int
    n_answers: int
    n_told: int
    n_unsure: int
    n_blind: int
    to_ask: Int64Array
    found: Count | None
    widths: dict[int, float]
    n_named: int | None = None


def draws_of(run: RunDirectory, stage: int, *, n_answers: int, seed: int, reporter: Reporter = SILENT) -> Draws:
    """The pairs that `n_answers` answers are about, drawn by the clusters of `stage` as they were before answers.

    If these took pictures of one encounter for one individual, encounters are drawn. Raises DbcError if there are no clusters,
    or they are of fewer than two samples.
    """
    clusters = clusters_before(run, stage)
    features, parameters = made_from(run, clusters, "features"), clusters_manifest(clusters).parameters
    if features is None:
        raise DbcError(f"{clusters.path}: no features among its parents, wanted some; merge again")
    labels = clusters.read("labels")
    if len(labels) < 2:
        raise DbcError(f"{clusters.path} has {len(labels)} sample, and a count needs at least 2; ingest more")
    dataset = dataset_of(run, clusters)
    rows = compared_features(features, dataset, parameters)
    n_drawn = max(LEAST_DRAWN, -(-n_answers // INNER))
    together = known_together(dataset, parameters, NO_ANSWERS.pairs, NO_ANSWERS.pairs)
    if together is not None:
        return draw_sightings(rows, labels, together, n_drawn=n_drawn, seed=seed, reporter=reporter)
    return draw(rows, labels, n_drawn=n_drawn, seed=seed, reporter=reporter)


def clusters_before(run: RunDirectory, stage: int) -> Artifact:
    """The newest clusters of `stage` made without answers, else those before a review; DbcError if there are none.

    So the same pairs are drawn however often answers make new clusters.
    """
    newest = run.require("clusters", stage)
    directory = run.directory("clusters", stage)
    for version in reversed([version for version in run.versions("clusters", stage) if version <= newest.version]):
        clusters = open_artifact(directory, version)
        same_data = parent_of(clusters, "dataset") == parent_of(newest, "dataset")
        is_corrected = clusters_manifest(clusters).parameters.start == "reviewed"
        if same_data and not is_corrected and not _made_with_answers(run, clusters):
            return clusters
    return before_review(run, stage)


def _made_with_answers(run: RunDirectory, clusters: Artifact) -> bool:
    """Whether a person answered about pairs before `clusters` were made; what the data shows, and labels, are no answers."""
    known = made_from(run, clusters, "constraints")
    return known is not None and constraints_manifest(known).parameters.answers_digest != ""


def counting(
    run: RunDirectory, stage: int, *, file: Path | None, n_answers: int, seed: int, reporter: Reporter
) -> Counting:
    """What the answers in `file` (default: the run's own) say of the number of individuals at `stage`.

    Drawn samples count in their order, up to the first that is not answered about in full, so that which answers are there
    does not decide which samples count. Raises what `draws_of` does, and UsageError for a file that says what cannot be meant.
    """
    draws = draws_of(run, stage, n_answers=n_answers, seed=seed, reporter=reporter)
    clusters = run.require("clusters", stage)
    dataset = dataset_of(run, clusters)
    for warning in told_empty(run, clusters, dataset):
        reporter.warn(warning)
    samples = train_samples(run, dataset)
    told, derived = answers_of(run, dataset, samples, AskedConstraints(file), reporter=reporter)
    labels = labels_kept(run, stage)
    n_named = int(labels.max()) + 1 if labels is not None and (labels >= 0).all() else None
    same, different = labelled_pairs(labels)
    same = np.concatenate([same, told.pairs[told.is_same]])
    different = np.concatenate([different, told.pairs[~told.is_same], derived.pairs])
    made_as = clusters_manifest(clusters_before(run, stage)).parameters
    together = known_together(dataset, made_as, same, different)
    if together is not None:
        same = np.concatenate([same, together.same])
    is_firm, is_same = answered(draws, same, different)
    is_known, _ = answered(draws, same, np.concatenate([different, told.unsure]))
    is_blind = draws.blind & ~is_known
    n_complete = int(np.logical_and.accumulate((is_known | is_blind).all(axis=1)).sum())
    found, widths = None, {}
    if n_complete >= LEAST_DRAWN and n_named is None:
        possible = shown_by_answers(samples.n_samples, same, different)
        first, may_be = draws.first(n_complete), is_same | (is_known & ~is_firm)
        found = count(first, is_same[:n_complete], possible=possible)
        fewest = count(first, may_be[:n_complete], possible=possible).low
        unsure = max(found.low - fewest, 0)  # which more answers do not make less
        widths = {n: expected_width(found, n_drawn=n // INNER) + unsure for n in FORETOLD}
        found = replace(found, low=found.low - unsure)
    return Counting(
        stage=stage,
        n_clusters=clusters_manifest(clusters).summary.n_clusters,
        names=samples.names,
        n_given=len(told.pairs) + len(told.unsure),
        n_answers=int(is_known.sum()),
        n_told=len({*_drawn(draws, np.concatenate([told.pairs, told.unsure]))}),
        n_unsure=len(_drawn(draws, told.unsure)),
        n_blind=int(is_blind.sum()),
        to_ask=draws.to_ask(is_known),
        found=found,
        widths=widths,
        n_named=n_named,
    )


def _drawn(draws: Draws, pairs: Int64Array) -> list[tuple[int, int]]:
    """The drawn pairs that are among `pairs` (p, 2), in either order, as often as they were drawn."""
    wanted = {(min(pair), max(pair)) for pair in pairs.tolist()}
    ordered = ((min(pair), max(pair)) for pair in draws.pairs().reshape(-1, 2).tolist())
    return [pair for pair in ordered if pair in wanted]
