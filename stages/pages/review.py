"""Pairs of samples side by side, for a person to answer: as a file that gives answers as a download, or from a server."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from schemas.parameters import MergeParameters
from schemas.stage_names import stage_label
from stages.arrays.partition import members_of
from stages.constraints.derived import derived_pairs
from stages.constraints.labels import labelled_pairs
from stages.constraints.stage import tell_meant, train_samples
from stages.evaluate.report import Reported
from stages.evaluate.report import report as make_report
from stages.merge.constrained import labels_kept
from stages.pages.markup import element, joined, page
from stages.pages.merge_sides import merges_of
from stages.pages.originals import Originals
from stages.pages.pictures import thumbnails, webp
from stages.reporting import SILENT, Reporter
from stages.review.answer_book import AnswerBook
from stages.review.counting import Draws, drawn_pairs
from stages.review.order import (
    Answers,
    Groups,
    PairToSee,
    distance_between,
    groups_worth_a_look,
    pairs_worth_a_look,
)
from stages.review.sightings import Together, known_together, sightings_worth_a_look
from stages.runs.lineage import before_review
from stages.runs.run_directory import RunDirectory, clusters_manifest
from stages.runs.source_names import named_places
from stages.typing import Int64Array

OTHERS = 6
"""Other members of a sample's cluster that are shown beside it."""
FRAMES = 5
"""Frames of a tracklet that are shown."""
BATCH = 10
"""Pairs that a server gives at once: then it orders the others anew, by what was answered."""
STATIC_BYTES = 15_000_000
"""Bytes of the pictures of a page without a server."""
STORED_SHARE = 0.2
"""Of these bytes kept for stored images, which are small."""
STATIC_SIDE, SERVED_SIDE = 512, 1200
"""The longest side of an original on such a page, and on that of a server."""
QUALITY = 82


@dataclass(frozen=True)
class Review:
    """A stage's clusters and the book of answers about them; `cut` is D between the sides of the last merge, if any.

    With `draws` their pairs are asked about, for a count. `made_as`: how the clusters were merged, before any answer.
    `originals` are shown in place of stored images. `groups` are those that pairs are chosen from, if answers change none.
    """

    reported: Reported
    book: AnswerBook
    names: list[str]
    made_as: MergeParameters
    cut: float | None
    draws: Draws | None
    originals: Originals | None
    groups: list[Groups] | None
    reporter: Reporter

    def together(self) -> Together | None:
        """Samples that are together by their encounters, where answers do not contradict; None if encounters are not used."""
        if not self.made_as.by_encounter:
            return None
        answers, _ = self.book.known()
        same, different = answers.pairs[answers.is_same], answers.pairs[~answers.is_same]
        return known_together(self.reported.dataset, self.made_as, same, different)

    def next_pairs(self, n_pairs: int) -> list[PairToSee]:
        """At most `n_pairs` pairs that no answer decides yet, the one whose answer is worth most first."""
        answers, unsure = self.book.known()
        together = self.together()
        if self.draws is not None:
            if together is not None:
                is_same = np.append(answers.is_same, np.ones(len(together.same), dtype=bool))
                answers = Answers(np.concatenate([answers.pairs, together.same]), is_same)
            return drawn_pairs(self.draws, self.reported.labels, answers, unsure)[:n_pairs]
        look = partial(pairs_worth_a_look, groups=self.groups)
        if together is not None:
            look = partial(sightings_worth_a_look, together=together, reporter=self.reporter)
        return look(
            self.reported.features,
            self.reported.labels,
            n_pairs=n_pairs,
            answers=answers,
            seen=unsure,
            lambda_=self.made_as.lambda_,
            cut=self.cut,
        )


def open_review(run: RunDirectory, *, stage: int, file: Path, reporter: Reporter, draws: Draws | None = None) -> Review:
    """The review of the clusters of `stage`, with the answers that `file` has; raises what `AnswerBook` and `report` do."""
    reported = make_report(run, stage=stage, reporter=reporter)
    clusters = before_review(run, stage)
    samples = train_samples(run, reported.dataset)
    same, different = labelled_pairs(labels_kept(run, stage))
    book = AnswerBook(file, samples, np.concatenate([derived_pairs(reported.dataset).pairs, different]), same)
    tell_meant(book.found, reporter)
    parameters = clusters_manifest(clusters).parameters
    merges, cut = merges_of(run, clusters, most=2), None
    if merges:
        # computed anew: D of the stage may be of another normalizer, metric or criterion, and have a penalty for cameras
        cut = distance_between(reported.features, merges[-1].left, merges[-1].right, parameters.lambda_)
    start = reported.dataset.read("frame_start")
    images = np.concatenate([np.arange(start[sample], start[sample + 1]) for sample in reported.train])
    originals = Originals.of(reported.dataset, images.tolist(), reporter=reporter)
    groups = None
    if draws is None and not parameters.by_encounter:
        groups = groups_worth_a_look(reported.features, reported.labels, parameters.lambda_, reporter)
    return Review(reported, book, samples.names, parameters, cut, draws, originals, groups, reporter)


def static_page(review: Review, *, n_pairs: int, reporter: Reporter = SILENT) -> str:
    """A page of `n_pairs` pairs with their pictures in it, which gives the answers as a download."""
    data = page_data(review, review.next_pairs(n_pairs))
    reported = review.reported
    frames = {int(place): images for place, images in data["frames"].items()}
    pairs = dict.fromkeys(frames[pair[side]][0] for pair in data["pairs"] for side in ("first", "second"))
    large = _original_texts(review, list(pairs), reporter)
    left = [image for image in pairs if image not in large]
    large |= thumbnails(reported.dataset, left, most_bytes=_room(large), side=320, quality=QUALITY).of
    more = [image for images in frames.values() for image in images if image not in large]
    small = thumbnails(reported.dataset, more, most_bytes=_room(large), side=96).of
    data["pictures"] = {str(image): picture for image, picture in {**small, **large}.items()}
    return _page(review, data, connects=False)


def _room(pictures: Mapping[int, str]) -> int:
    return max(0, STATIC_BYTES - sum(map(len, pictures.values())))


def _original_texts(review: Review, images: Sequence[int], reporter: Reporter) -> dict[int, str]:
    """The originals of `images`, the most wanted first, in base64; as many as leave room for stored ones of the others."""
    found: dict[int, str] = {}
    if review.originals is None:
        return found
    with reporter.task("reading pictures", total=len(images), unit="pictures") as advance:
        for image in images:
            picture = review.originals.webp(image, side=STATIC_SIDE, quality=QUALITY)
            if picture is not None:
                found[image] = base64.b64encode(picture).decode()
            if _room(found) < STATIC_BYTES * STORED_SHARE:
                break
            advance(1, "")
    return found


def served_page(review: Review) -> str:
    """The page of a server: it asks for pictures and pairs, and tells answers."""
    told = {place for first, second, _ in review.book.rows() for place in (first, second)}
    return _page(review, page_data(review, review.next_pairs(BATCH), told), connects=True)


def page_data(review: Review, pairs: list[PairToSee], also: Set[int] = frozenset()) -> dict[str, Any]:
    """Data of `pairs` for the page's script, and of samples `also`. Samples are indices among the train samples."""
    reported = review.reported
    answers, _ = review.book.known()
    cameras, camera = named_places(reported.dataset, "camera")
    described = pair_rows(review, pairs)
    paired = {place for pair in described for place in (pair["first"], pair["second"])}
    others = {place for pair in described for place in (*pair["othersFirst"], *pair["othersSecond"])}
    mentioned = sorted(paired | others | also)
    start = reported.dataset.read("frame_start")
    frames = {place: _frames(start, reported.train[place], FRAMES if place in paired else 1) for place in mentioned}
    camera = camera[reported.train]
    return {
        "pairs": described,
        "labels": reported.labels.tolist(),
        "individuals": [row.individual for row in reported.report.clusters],
        "names": {str(row): review.names[row] for row in mentioned},
        "cameras": {str(row): cameras[camera[row]] for row in mentioned if camera[row] >= 0},
        "frames": {str(row): images for row, images in frames.items()},
        "apart": answers.pairs[~answers.is_same].tolist(),
        "together": [
            *([] if (together := review.together()) is None else together.same.tolist()),
            *review.book.shown.pairs[review.book.shown.is_same].tolist(),
        ],
        "told": [[first, second, answer] for first, second, answer in review.book.rows()],
        "file": review.book.file.name,
        "forCount": review.draws is not None,
    }


def pair_rows(review: Review, pairs: list[PairToSee]) -> list[dict[str, Any]]:
    """`pairs` as JSON holds them, each with other members of both clusters."""
    members = members_of(review.reported.labels)
    rows = []
    for pair in pairs:
        labels = review.reported.labels[[pair.first, pair.second]].tolist()
        shown = (pair.first, pair.second)
        others = [
            [member for member in members[label][: OTHERS + 2].tolist() if member not in shown][:OTHERS]
            for label in labels
        ]
        if labels[0] == labels[1]:
            others[1] = []
        rows.append(
            {
                "first": pair.first,
                "second": pair.second,
                "othersFirst": others[0],
                "othersSecond": others[1],
                "reason": pair.reason,
                "D": round(pair.distance, 5),
                "sizes": [pair.n_first, pair.n_second],
                "worth": round(pair.worth, 3),
            }
        )
    return rows


def picture_of(review: Review, image: int, *, stored: bool = False) -> bytes | None:
    """Image number `image` of the dataset as WebP, None if there is no such image: its original, else as it is `stored`."""
    images = review.reported.dataset.rows("images")
    if image >= len(images):
        return None
    original = None
    if review.originals is not None and not stored:
        original = review.originals.webp(image, side=SERVED_SIDE, quality=QUALITY)
    return webp(images[image : image + 1][0], quality=QUALITY) if original is None else original


def _frames(start: Int64Array, sample: int, most: int) -> list[int]:
    """The numbers of at most `most` images of a sample: the first, and others at equal steps."""
    first, last = int(start[sample]), int(start[sample + 1]) - 1
    return sorted(set(np.linspace(first, last, min(most, last - first + 1)).round().astype(int).tolist()))


def _page(review: Review, data: dict[str, Any], *, connects: bool) -> str:
    title = f"dbc review: stage {stage_label(review.reported.stage)}"
    data["key"] = hashlib.sha256("\n".join([str(data["labels"]), *review.names]).encode()).hexdigest()[:16]
    body = joined(
        element("header", element("h1", title), element("span", id="progress", class_="quiet", aria_live="polite")),
        element(
            "main",
            element("noscript", element("p", "This page needs scripts, which this browser does not run.")),
            element("div", id="review-root"),
        ),
    )
    return page(body, title=title, scripts=("common.js", "review.js"), data=data, connects=connects)
