"""The constraints of a run: what its file of answers says and what the data shows, checked and kept as an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas.manifest import ConstraintsManifest, Execution
from schemas.parameters import ConstraintsParameters
from schemas.summaries import ConstraintsSummary
from stages.constraints.answers_file import NO_ANSWERS, AnsweredPairs, TrainSamples, canonical, chain_told, read_answers
from stages.constraints.contradictions import first_contradiction, same_groups
from stages.constraints.derived import derived_pairs
from stages.errors import UsageError
from stages.ingest.formats.names import shown
from stages.runs.context import Context
from stages.runs.making import Computed, Made, Request, make_artifact
from stages.runs.run_directory import RunDirectory, constraints_manifest
from stages.runs.store import Artifact, Writer
from stages.typing import BoolArray, Int64Array

FILE_NAME = "constraints.csv"
"""The file of answers in a run's folder, which is taken if it is there."""
NO_FILE = "none"
"""The name that stands for no file of answers."""


@dataclass(frozen=True)
class AskedConstraints:
    """Which constraints are asked for: by default the run's own file of answers, and what the data shows.

    `file` is another file of answers, or `NO_FILE`; `derived` says whether the data's own count.
    """

    file: Path | None = None
    derived: bool = True


@dataclass(frozen=True)
class Constraints:
    """Pairs of train samples, by their place: `same` (s, 2) individuals and `different` (f, 2) ones, int64."""

    same: Int64Array
    different: Int64Array


def read_constraints(artifact: Artifact) -> Constraints:
    """The pairs that a constraints artifact holds."""
    pairs, is_different = artifact.read("pairs"), artifact.read("is_different")
    return Constraints(pairs[~is_different], pairs[is_different])


def make_constraints(run: RunDirectory, dataset: Artifact, asked: AskedConstraints, *, context: Context) -> Made | None:
    """Make the constraints that are `asked` for, or find them up to date; None if there are none.

    Raises UsageError, one line, for a file that is missing or says what cannot be meant, and for answers that contradict each
    other or what the data shows, with the chain of paths that does.
    """
    samples = TrainSamples(dataset)
    file = _file_of(run, asked)
    answers = NO_ANSWERS if file is None else read_answers(file, samples)
    derived = derived_pairs(dataset) if asked.derived else NO_ANSWERS.pairs
    if file is not None and len(derived):
        _require_agreement(answers, derived, samples.names, file)
    if not len(answers.pairs) and not len(derived):
        return None
    parameters = ConstraintsParameters(answers_digest=answers.digest(), derived=bool(len(derived)))
    request = Request("constraints", 0, ConstraintsManifest, parameters, parents=(dataset,))

    def compute(writer: Writer) -> Computed:
        summary = _write(writer, answers, derived, n_samples=samples.n_samples)
        return Computed(summary, Execution(backend="numpy", device="cpu", precision="float64"))

    made = make_artifact(run, request, compute, context=context.without_force())
    if made.status == "created" and made.artifact is not None:
        unsure = f"; {answers.n_unsure} unsure ones say nothing" if answers.n_unsure else ""
        context.reporter.note(f"{told(constraints_manifest(made.artifact).summary)}{unsure}")
    return made


def told(summary: ConstraintsSummary) -> str:
    """The constraints in one line."""
    seen = f", {summary.n_derived} of them because they were seen at one time" if summary.n_derived else ""
    return f"constraints: {summary.n_same} pairs the same, {summary.n_different} different{seen}"


def _file_of(run: RunDirectory, asked: AskedConstraints) -> Path | None:
    if asked.file is None:
        own = run.root / FILE_NAME
        return own if own.is_file() else None
    if str(asked.file) == NO_FILE:
        return None
    if not asked.file.is_file():
        raise UsageError(
            f"`constraints` must be a file of answers, got {shown(asked.file)}, which is none; name another"
        )
    return asked.file


def _require_agreement(answers: AnsweredPairs, derived: Int64Array, names: list[str], file: Path) -> None:
    """Raise UsageError if answers say that two samples are the same that the data shows to be different."""
    pairs = np.concatenate([answers.pairs[answers.is_same], derived])
    is_same = np.arange(len(pairs)) < len(pairs) - len(derived)
    found = first_contradiction(len(names), pairs, is_same)
    if found is not None:
        first, last = shown(names[found.samples[0]]), shown(names[found.samples[-1]])
        chain = chain_told(found, names, answers.lines[answers.is_same])
        raise UsageError(
            f"{first} and {last} were seen at one time, so they differ, but {shown(file)} says {chain}; correct it, or give "
            "`derived_constraints=False`"
        )


def _write(writer: Writer, answers: AnsweredPairs, derived: Int64Array, *, n_samples: int) -> ConstraintsSummary:
    said = canonical(answers.pairs, answers.is_same)
    seen = canonical(derived, np.zeros(len(derived), dtype=bool))
    rows = np.unique(np.concatenate([said, seen]), axis=0)
    is_different: BoolArray = rows[:, 2] == 1
    writer.array("pairs", rows[:, :2])
    writer.array("is_different", is_different)
    return ConstraintsSummary(
        n_same=int((~is_different).sum()),
        n_different=int(is_different.sum()),
        n_derived=len(seen),
        n_joined=n_samples - int(same_groups(n_samples, rows[~is_different, :2]).max(initial=-1)) - 1,
    )
