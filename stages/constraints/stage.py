"""The constraints of a run: what its file of answers says and what the data shows, checked and kept as an artifact."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np

from schemas.manifest import ConstraintsManifest, Execution
from schemas.parameters import ConstraintsParameters
from schemas.summaries import ConstraintsSummary
from stages.arguments import path_of, require_kind
from stages.arrays.partition import connected
from stages.constraints.answers_file import NO_ANSWERS, AnsweredPairs, NamedSamples, canonical, chain_told, read_answers
from stages.constraints.contradictions import first_contradiction
from stages.constraints.derived import Derived, derived_pairs, shows_different
from stages.constraints.labels import OWN, labelled_pairs, read_labels
from stages.errors import UsageError
from stages.ingest.formats.names import one_individual_note
from stages.reporting import Reporter
from stages.runs.context import Context
from stages.runs.lineage import dataset_of, grown_from, made_from
from stages.runs.making import Computed, Made, Request, make_artifact
from stages.runs.run_directory import RunDirectory, clusters_manifest, constraints_manifest, dataset_manifest
from stages.runs.source_names import names_of, only_names
from stages.runs.store import Artifact, Writer, readable_versions
from stages.samples import TRAIN
from stages.typing import BoolArray, Int64Array
from stages.wording import shortened, shown, so_many, with_first

FILE_NAME = "constraints.csv"
"""The file of answers in a run's folder, which is taken if it is there."""
NO_FILE = "none"
"""The name that stands for no file of answers."""


@dataclass(frozen=True)
class AskedConstraints:
    """Which constraints are asked for: by default the run's own file of answers, and what the data shows.

    `file` is another file of answers, or `NO_FILE`; `derived` says whether the data's own count; `labels` is a table of
    samples whose identity is known, in place of the `known` labels (n_train,) that clusters were made with. Both may also
    be given as text.
    """

    file: Path | None = None
    derived: bool = True
    labels: Path | None = None
    known: Int64Array | None = None

    def __post_init__(self) -> None:
        for name in ("file", "labels"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, path_of(name, value))


def asked_or_default(constraints: AskedConstraints | None) -> AskedConstraints:
    """`constraints`, or the default if they are None; UsageError if they are neither."""
    constraints = AskedConstraints() if constraints is None else constraints
    require_kind("constraints", constraints, AskedConstraints)
    return constraints


@dataclass(frozen=True)
class Constraints:
    """Pairs of train samples, by their place: `same` (s, 2) individuals and `different` (f, 2) ones, int64.

    `known` are labels (n_train,), −1 where unknown, which the pairs say as well; None if none were given.
    """

    same: Int64Array
    different: Int64Array
    known: Int64Array | None = None


def read_constraints(artifact: Artifact) -> Constraints:
    """The pairs that a constraints artifact holds."""
    pairs, is_different = artifact.read("pairs"), artifact.read("is_different")
    known = artifact.read("known") if "known" in artifact.names() else None
    return Constraints(pairs[~is_different], pairs[is_different], known)


def labels_of(run: RunDirectory, clusters: Artifact) -> Int64Array | None:
    """The labels (n_train,) that a person gave for the merge of `clusters`, −1 where unknown; None if none were given."""
    constraints = made_from(run, clusters, "constraints")
    return None if constraints is None else read_constraints(constraints).known


def names_of_individuals(run: RunDirectory, clusters: Artifact) -> dict[int, str]:
    """What a person calls the individuals of `clusters`, by label: by `labels`, else by the one identity of its samples.

    Numbers of identities are no names. Pictures that were added later do not count.
    """
    dataset, labels = dataset_of(run, clusters), clusters.read("labels").tolist()
    identity = names_of(dataset, "identity") if "identity" in dataset.names() else []
    is_train = (dataset.read("split") == TRAIN).tolist()
    found = only_names([*compress(identity, is_train)], labels)
    is_corrected = clusters_manifest(clusters).parameters.start == "reviewed"
    before = made_from(run, clusters, "clusters") if is_corrected else None
    for made in (before, clusters):
        told = None if made is None else made_from(run, made, "constraints")
        if told is not None and "known_name" in told.names():
            names = [*told.read("known_name").tolist(), None]
            found |= only_names([names[known] for known in told.read("known").tolist()], labels)
    return found


def make_constraints(run: RunDirectory, dataset: Artifact, asked: AskedConstraints, *, context: Context) -> Made | None:
    """Make the constraints that are `asked` for, or find them up to date; None if there are none.

    Raises UsageError, one line, for a file that is missing or says what cannot be meant, and for answers that contradict each
    other or what the data shows, with the chain of paths that does.
    """
    file = _file_of(run, asked)
    known, note, names = asked.known, "", list[str]()
    if file is None and known is None and asked.labels is None and not (asked.derived and shows_different(dataset)):
        return None
    samples = train_samples(run, dataset)
    answers, derived = answers_of(run, dataset, samples, asked, reporter=context.reporter)
    if asked.labels is not None:
        known, note, names = read_labels(asked.labels, dataset, newer_than(run, dataset))
    said = _Said(answers, *labelled_pairs(known), derived.pairs)
    said.require_agreement(samples.names, file, asked.labels)
    if not len(said.pairs) and known is None:
        return None
    parameters = ConstraintsParameters(
        answers_digest=answers.digest(),
        derived=bool(len(derived.pairs)),
        spared=derived.spared,
        labels_digest="" if known is None else hashlib.sha256(known.tobytes()).hexdigest(),
    )
    request = Request("constraints", 0, ConstraintsManifest, parameters, parents=(dataset,))

    def compute(writer: Writer) -> Computed:
        if known is not None:
            writer.array("known", known)
        # a run that is to be shown keeps none
        if names and not dataset_manifest(dataset).parameters.anonymize:
            writer.array("known_name", np.array(names, dtype=object))
        summary = _write(writer, said, n_samples=samples.n_samples)
        return Computed(summary, Execution(backend="numpy", device="cpu", precision="float64"))

    made = make_artifact(run, request, compute, context=context.without_force())
    _tell_renamed(made, names, context.reporter)
    if made.status == "created" and made.artifact is not None:
        for doubt in _doubts(run, dataset, names, is_own=asked.labels == OWN):
            context.reporter.warn(f"`labels`: {doubt}")
        unsure = f"; unsure ones, which say nothing: {answers.n_unsure}" if answers.n_unsure else ""
        labelled = f"; {note}" if note else ""
        if known is not None and (known >= 0).all():
            labelled += "; they say all clusters, so merges have nothing to decide"
        meant = "".join(f"; {line}" for line in answers.meant)
        context.reporter.note(f"{told(constraints_manifest(made.artifact).summary)}{unsure}{meant}{labelled}")
    return made


def _doubts(run: RunDirectory, dataset: Artifact, names: list[str], *, is_own: bool) -> list[str]:
    """Lines about labels `names` that may be no individuals; `is_own` if they are the identities of `dataset`."""
    told, first = [one_individual_note(names)], dataset
    while is_own and (before := grown_from(run, first)) is not None:
        first = before
    added = [] if first is dataset else sorted({*names}.difference(map(str, names_of(first, "identity"))))
    if added:
        told.append(
            f"identities that only added pictures have: {len(added)} ({shortened([*map(shown, added)])}), each of one "
            "cluster; if they are days or places, give a table of path,identity in place of 'identities'"
        )
    return [line for line in told if line]


def _tell_renamed(made: Made, names: list[str], reporter: Reporter) -> None:
    kept = made.artifact.read("known_name").tolist() if made.artifact and "known_name" in made.artifact.names() else []
    old, new = next(((old, new) for old, new in zip(kept, names, strict=False) if old != new), ("", ""))
    if new:
        reporter.warn(
            f"the same samples were labelled before by other names, which stay: {shown(old)}, not {shown(new)}"
        )


def train_samples(run: RunDirectory, dataset: Artifact) -> NamedSamples:
    """Train samples of `dataset`. Files may also name pictures that only the newest dataset of `run` has."""
    return NamedSamples(dataset, newer_than(run, dataset), _ingested_before(run, dataset))


def newer_than(run: RunDirectory, dataset: Artifact) -> Artifact | None:
    """The newest dataset of the run, None if that is `dataset`."""
    newest = RunDirectory(run.root).find("dataset")
    return None if newest is None or newest.manifest.id == dataset.manifest.id else newest


def _ingested_before(run: RunDirectory, dataset: Artifact) -> list[Artifact]:
    """Earlier datasets, newest first; without one that `--add` extended, because the extended one holds its pictures."""
    found = readable_versions(run.directory("dataset", 0))[::-1]
    grown_from = {parent.id for each in [*found, dataset] for parent in each.manifest.parents}
    return [each for each in found if each.manifest.id not in {*grown_from, dataset.manifest.id}]


def answers_of(
    run: RunDirectory, dataset: Artifact, samples: NamedSamples, asked: AskedConstraints, *, reporter: Reporter
) -> tuple[AnsweredPairs, Derived]:
    """What the file that is `asked` for says of `samples`, and the pairs that the data shows to differ."""
    file = _file_of(run, asked)
    answers = NO_ANSWERS if file is None else read_answers(file, samples)
    tell_meant(answers, reporter)
    return answers, derived_pairs(dataset) if asked.derived else Derived(NO_ANSWERS.pairs)


@dataclass(frozen=True)
class _Said:
    """Everything that is said of pairs: answers, what labels say is the same and different, and what the data shows."""

    answers: AnsweredPairs
    same: Int64Array
    different: Int64Array
    derived: Int64Array

    @property
    def pairs(self) -> Int64Array:
        """All pairs (p, 2)."""
        return np.concatenate([self.answers.pairs, self.same, self.different, self.derived])

    @property
    def is_same(self) -> BoolArray:
        """Which of `pairs` are the same individual (p,)."""
        others = (np.ones(len(self.same)), np.zeros(len(self.different)), np.zeros(len(self.derived)))
        return np.concatenate([self.answers.is_same, *others]).astype(bool)

    def require_agreement(self, names: list[str], file: Path | None, labels: Path | None) -> None:
        """Raise UsageError, with the chain of paths, if it cannot all be right."""
        found = first_contradiction(len(names), self.pairs, self.is_same)
        if found is None:
            return
        first, last = shown(names[found.samples[0]]), shown(names[found.samples[-1]])
        n_answers, n_labels = len(self.answers.pairs), len(self.same) + len(self.different)
        lines = np.concatenate([self.answers.lines, np.zeros(n_labels + len(self.derived), dtype=np.int64)])
        if found.different < n_answers:
            why = f"{shown(file or FILE_NAME)} line {lines[found.different]} says that {first} and {last} differ"
        elif found.different < n_answers + n_labels:
            by = "the table of labels that these clusters were made with" if labels is None else shown(labels)
            why = f"{by} gives {first} and {last} two identities"
        else:
            why = f"{first} and {last} were seen at one time, so they differ"
        source = f"{shown(file)} says " if found.different >= n_answers and file is not None else ""
        advice = ", or give `no_derived_constraints=True`" if found.different >= n_answers + n_labels else ""
        raise UsageError(f"{why}, but {source}{chain_told(found, names, lines)}; correct it{advice}")


def tell_meant(answers: AnsweredPairs, reporter: Reporter) -> None:
    """Say how many answers are left out because their pictures are in no cluster, and what names were taken to mean."""
    if answers.n_later:
        reporter.note(
            f"answers about pictures that were added after these clusters were made: {answers.n_later}, left out here; "
            "dbc run takes them"
        )
    if answers.n_gone:
        reporter.note(f"answers about pictures that were taken out of the data set: {answers.n_gone}, left out")
    if answers.renamed:
        reporter.note(
            f"answers name pictures as they were called before, found by their content: {with_first(answers.renamed)}"
        )
    if answers.reused:
        reporter.warn(
            f"names in answers that were another picture's in an earlier data set of this run: "
            f"{with_first(answers.reused)}; they are taken as the pictures of now: take out answers that were given before"
        )


def told(summary: ConstraintsSummary) -> str:
    """The constraints in one line."""
    seen = f", {summary.n_derived} of them because they were seen at one time" if summary.n_derived else ""
    return f"constraints: {so_many(summary.n_same, 'pair')} the same, {summary.n_different} different{seen}"


def own_file(root: Path) -> Path | None:
    """The file of answers of the run at `root`, None if nothing is there; a folder of that name is not passed over."""
    return root / FILE_NAME if os.path.lexists(root / FILE_NAME) else None


def _file_of(run: RunDirectory, asked: AskedConstraints) -> Path | None:
    file = own_file(run.root) if asked.file is None else asked.file
    if file is None or str(asked.file) == NO_FILE:
        return None
    if not file.is_file():
        raise UsageError(f"`constraints` must be a file of answers, got {shown(file)}, which is none; name another")
    return file


def _write(writer: Writer, said: _Said, *, n_samples: int) -> ConstraintsSummary:
    rows = canonical(said.pairs, said.is_same)
    is_different: BoolArray = rows[:, 2] == 1
    writer.array("pairs", rows[:, :2])
    writer.array("is_different", is_different)
    return ConstraintsSummary(
        n_same=int((~is_different).sum()),
        n_different=int(is_different.sum()),
        n_derived=len(canonical(said.derived, np.zeros(len(said.derived), dtype=bool))),
        n_joined=n_samples - int(connected(n_samples, rows[~is_different, :2]).max(initial=-1)) - 1,
    )
