"""Known labels: read from a table, said as pairs, and held against answers and what the data shows."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from schemas.parameters import IngestParameters, SyntheticParameters
from stages.arrays.partition import connected
from stages.compare.baselines.attributes_file import read_attributes
from stages.constraints.answers_file import NamedSamples, read_answers
from stages.constraints.labels import OWN, labelled_pairs, read_labels
from stages.constraints.stage import AskedConstraints, make_constraints, read_constraints
from stages.errors import UsageError
from stages.ingest.known_later import read_known_later
from stages.ingest.stage import ingest
from stages.reporting import SILENT, Keeping
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.runs.store import Artifact
from stages.samples import TRAIN


class Dataset:
    """Six pictures, the last two of them no train pictures."""

    def read(self, name: str) -> Any:
        return {
            "path": np.array([f"{letter}.jpg" for letter in "abcdef"], dtype=object),
            "frame_start": np.arange(7),
            "split": np.array([0, 0, 0, 0, 1, 2]),
        }[name]

    def names(self) -> tuple[str, ...]:
        return ("frame_start", "path", "split")


class Unknown(Dataset):
    """The same, of nobody."""

    def read(self, name: str) -> Any:
        return np.full(6, -2) if name == "pid" else super().read(name)


def labels_of(folder: Path, *rows: str) -> list[int]:
    file = folder / "labels.csv"
    file.write_text("\n".join(["path,identity", *rows]) + "\n")
    return read_labels(file, cast(Artifact, Dataset()))[0].tolist()


def test_labels_are_numbered_by_their_first_train_sample(tmp_path: Path) -> None:
    assert labels_of(tmp_path, "d.jpg,adam", "b.jpg,zoe", "a.jpg,zoe", "c.jpg,NA") == [0, 0, -1, 1]
    assert labels_of(tmp_path, "c.jpg,7", "f.jpg,9") == [-1, -1, 0, -1]


def test_a_data_set_without_identities_has_no_labels_of_its_own() -> None:
    with pytest.raises(UsageError, match="are those of the data set, which has none"):
        read_labels(OWN, cast(Artifact, Unknown()))


def test_a_folder_that_is_called_identities_is_not_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "identities").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="are those of the data set, which has none"):
        read_labels(OWN, cast(Artifact, Unknown()))


def test_labels_of_no_train_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gives no train picture an identity"):
        labels_of(tmp_path, "e.jpg,adam")
    with pytest.raises(UsageError, match="which is no picture of the data set"):
        labels_of(tmp_path, "x.jpg,adam")


def test_labels_of_pictures_that_were_added_later_are_called_so(tmp_path: Path) -> None:
    class Before(Dataset):
        def read(self, name: str) -> Any:
            found = super().read(name)
            return found[:6] if name == "frame_start" else found[:5]

    file = tmp_path / "labels.csv"
    newer = [cast(Artifact, each) for each in (Before(), Dataset())]
    file.write_text("path,identity\nf.jpg,adam\n")
    with pytest.raises(
        UsageError, match="names pictures that were added after these clusters were made: 1, the first 'f"
    ):
        read_labels(file, *newer)
    file.write_text("path,identity\nf.jpg,adam\na.jpg,zoe\nx.jpg,tim\n")
    known, note, names = read_labels(file, *newer)
    assert names == ["zoe"]
    assert known.tolist() == [0, -1, -1, -1]
    assert "made: 1, the first 'f.jpg', left out here; dbc run takes them" in note
    assert "name no picture of the data set: 1, the first 'x.jpg'" in note


cells = st.sampled_from(
    [
        *("a.jpg", "b.jpg", "e.jpg", "x/c.jpg", "x", "NA", "same", "different", "unsure", "", "0", "-1", "007", "1_0"),
        *("\0", "\x1b[31m", "\u202e", '"', ";", "../a.jpg", "/etc/passwd", "9" * 5000, "path", "\ufeff"),
    ]
)
HEADERS = {
    "path,identity": read_labels,
    "path,pid,frame,left,top,width,height": read_known_later,
    "path_a,path_b,answer": lambda file, dataset: read_answers(file, NamedSamples(dataset)),
    "path,hat,bag": read_attributes,
}


@settings(max_examples=80, deadline=None)
@given(header=st.sampled_from(sorted(HEADERS)), rows=st.lists(st.lists(cells, max_size=8), max_size=4))
def test_any_table_of_what_is_known_is_read_or_refused_in_one_line(header: str, rows: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "known.csv"
        file.write_text("\n".join([header, *map(",".join, rows)]) + "\n", encoding="utf-8", newline="")
        try:
            HEADERS[header](file, cast(Artifact, Dataset()))
        except UsageError as error:
            assert str(error).isprintable()  # noqa: PT017


@pytest.mark.parametrize("seed", range(20))
def test_pairs_say_what_labels_do(seed: int) -> None:
    known = np.random.default_rng(seed).integers(-1, 4, 15)
    known = np.where(known < 0, -1, known)
    same, different = labelled_pairs(known)
    group = connected(15, same)
    apart = {frozenset(pair) for pair in group[different].tolist()}
    for a, b in itertools.combinations(range(15), 2):
        assert (group[a] == group[b]) == (known[a] == known[b] >= 0)
        if min(known[a], known[b]) >= 0 and known[a] != known[b]:
            assert frozenset((group[a], group[b])) in apart
    assert len(different) == len(set(known[known >= 0].tolist())) * (len(set(known[known >= 0].tolist())) - 1) // 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    folder = tmp_path_factory.mktemp("labels")
    drawn = SyntheticParameters(identities=4, cameras=2, images_per_camera=2)
    run = RunDirectory(folder)
    ingest(run, source=None, parameters=IngestParameters(height=16, width=8, synthetic=drawn))
    return run


def asked(folder: Path, rows: list[str], answers: list[str] | None = None) -> AskedConstraints:
    labels, file = folder / "labels.csv", folder / "answers.csv"
    labels.write_text("\n".join(["path,identity", *rows]) + "\n")
    file.write_text("\n".join(["path_a,path_b,answer", *(answers or [])]) + "\n")
    return AskedConstraints(file if answers else None, labels=labels)


def test_labels_are_kept_with_what_they_say(run: RunDirectory, tmp_path: Path) -> None:
    dataset = run.require("dataset")
    train = dataset.read("path")[dataset.read("split") == TRAIN].tolist()
    made = make_constraints(
        run, dataset, asked(tmp_path, [f"{train[0]},x", f"{train[1]},x", f"{train[3]},y"]), context=Context()
    )
    assert made is not None
    assert made.artifact is not None
    found = read_constraints(made.artifact)
    assert found.known is not None
    assert found.known[:4].tolist() == [0, 0, -1, 1]
    assert found.same.tolist() == [[0, 1]]
    assert found.different.tolist() == [[0, 3]]
    assert made.artifact.read("known_name").tolist() == ["x", "y"]
    kept = Keeping(SILENT)
    renamed = asked(tmp_path, [f"{train[0]},x", f"{train[1]},x", f"{train[3]},z"])
    again = make_constraints(run, dataset, renamed, context=Context(reporter=kept))
    assert again is not None
    assert again.status == "up to date"
    assert kept.warned == ["the same samples were labelled before by other names, which stay: 'y', not 'z'"]


def test_junk_that_would_be_one_individual_is_warned_of_once(run: RunDirectory, tmp_path: Path) -> None:
    dataset, kept = run.require("dataset"), Keeping(SILENT)
    train = dataset.read("path")[dataset.read("split") == TRAIN].tolist()
    labels = asked(tmp_path, [f"{train[0]},3", f"{train[1]},-1.0", f"{train[2]},-1.0"])
    for _ in range(2):
        make_constraints(run, dataset, labels, context=Context(reporter=kept))
    (warned,) = kept.warned
    assert warned.startswith("`labels`: identity -1 is one individual like any other; if it stands for junk")


def test_own_identities_that_only_added_pictures_have_are_told(tmp_path: Path) -> None:
    run, kept = RunDirectory(tmp_path / "run"), Keeping(SILENT)
    for number, names in enumerate((["Kira", "Zora"], ["Kira", "2024-05"])):
        for name in names:
            (folder := tmp_path / f"{number}" / name).mkdir(parents=True)
            Image.fromarray(np.full((8, 8), 99 * number + ord(name[0]), dtype=np.uint8)).save(folder / "1.png")
        size = {} if number else {"height": 8, "width": 8}
        asked = IngestParameters(format="folder", folder_identities=True, test_fraction=0, **size)  # type: ignore[arg-type]
        ingest(run, source=tmp_path / f"{number}", parameters=asked, add=number > 0)
        own = AskedConstraints(labels=OWN)
        make_constraints(run, run.require("dataset"), own, context=Context(reporter=kept))
    (warned,) = [line for line in kept.warned if "only added" in line]
    assert warned.startswith(
        "`labels`: identities that only added pictures have: 1 ('2024-05'), each of one cluster; if they"
    )


def test_labels_that_answers_contradict_are_refused_with_the_chain(run: RunDirectory, tmp_path: Path) -> None:
    dataset = run.require("dataset")
    train = dataset.read("path")[dataset.read("split") == TRAIN].tolist()
    rows = [f"{train[0]},x", f"{train[1]},y"]
    answers = [f"{train[0]},{train[2]},same", f"{train[2]},{train[1]},same"]
    with pytest.raises(
        UsageError, match=r"labels.csv' gives .* two identities, but .*answers.csv' says .*line 2.*line 3"
    ):
        make_constraints(run, dataset, asked(tmp_path, rows, answers), context=Context())
    with pytest.raises(UsageError, match=r"answers.csv' line 2 says that .* differ, but .* \(labels\)"):
        make_constraints(
            run,
            dataset,
            asked(tmp_path, [f"{train[0]},x", f"{train[1]},x"], [f"{train[0]},{train[1]},different"]),
            context=Context(),
        )
