"""Known labels as constraints: samples of one identity are the same, those of two are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.arrays.partition import relabel
from stages.errors import UsageError
from stages.ingest.known_later import KnownLater, read_known_later
from stages.runs.source_names import names_of
from stages.runs.store import Artifact
from stages.samples import TRAIN
from stages.typing import Int64Array
from stages.wording import shown, so_many

OWN = Path("identities")
"""The name that stands for the identities that the data set came with."""


def read_labels(file: Path, dataset: Artifact, newest: Artifact | None = None) -> tuple[Int64Array, str, list[str]]:
    """(known labels (n_train,) 0..I−1, −1 where unknown; a line about them; their names (I)), from a table of identities.

    Labels come in order of each identity's first train sample. `OWN`, unless it is a file, is those of `dataset`. Rows about
    what only the `newest` dataset has are counted.
    UsageError, one line, if the table names no train sample.
    """
    is_train = dataset.read("split") == TRAIN
    found = _own(dataset) if file == OWN and not file.is_file() else read_known_later(file, dataset, newest)
    pid = found.pid[is_train].astype(np.int64)
    is_known = pid > 0
    if not is_known.any():
        raise UsageError(f"{shown(file)} gives no train picture an identity; only those are clustered")
    known = np.full(len(pid), -1, dtype=np.int64)
    known[is_known] = relabel(pid[is_known])
    name_of = dict(zip(known.tolist(), (found.names[sample] for sample in np.flatnonzero(is_train)), strict=True))
    names = [name_of[label] for label in range(int(known.max()) + 1)]
    return known, found.note.replace("identities by", "labels by", 1), names


def _own(dataset: Artifact) -> KnownLater:
    names = [name or "" for name in names_of(dataset, "identity")]
    n_known, n_named = sum(name != "" for name in names), len({*names} - {""})
    if not n_known:
        raise UsageError(
            "`labels` 'identities' are those of the data set, which has none; give a table of path,identity"
        )
    note = f"identities by the data set: {n_known} of {so_many(len(names), 'sample')}, {so_many(n_named, 'identity')}"
    return KnownLater(dataset.read("pid"), "", note, names)


def labelled_pairs(known: Int64Array | None) -> tuple[Int64Array, Int64Array]:
    """(same (s, 2), different (f, 2)) pairs of samples that say what the labels `known` (n,) do.

    Every sample is the same as the next one of its label, and the first samples of all labels differ. None says nothing.
    """
    known = np.empty(0, dtype=np.int64) if known is None else known
    samples = np.flatnonzero(known >= 0)
    order = samples[np.argsort(known[samples], kind="stable")]
    again = known[order[1:]] == known[order[:-1]]
    first = order[np.concatenate([[True], ~again])] if len(order) else order
    different = first[np.stack(np.triu_indices(len(first), 1), axis=1)]
    return np.stack([order[:-1][again], order[1:][again]], axis=1), different
