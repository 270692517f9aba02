"""A dataset with pictures added holds what one has that was made of all at once, and only new ones are decoded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from dbc_cli.console import RichReporter
from schemas.parameters import IngestParameters, SyntheticParameters
from stages.errors import DbcError, UsageError
from stages.extract.added_samples import rows_before
from stages.ingest import as_before, stage
from stages.ingest.decode import pixels
from stages.ingest.formats.format import Findings
from stages.ingest.stage import ingest
from stages.ingest.whereabouts import find_pictures
from stages.ingest.writing import Written
from stages.reporting import SILENT
from stages.runs.context import Context
from stages.runs.kept_source import read_source
from stages.runs.lasting import train_keys, train_places
from stages.runs.lineage import share_dataset
from stages.runs.making import Made
from stages.runs.run_directory import RunDirectory, dataset_manifest
from stages.runs.store import Artifact


def draw(folder: Path, names: list[str], *, seed: int) -> Path:
    generator = np.random.default_rng(seed)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (12, 9, 3), dtype=np.uint8)).save(folder / name)
    return folder


def ingested(run: Path, source: Path, **given: object) -> Made:
    fields = {key: given.pop(key) for key in ("height", "width", "seed", "folder_identities") if key in given}
    if not given.get("add"):
        fields = {"height": 8, "width": 8} | fields
    return ingest(RunDirectory(run), source=source, parameters=IngestParameters(format="folder", **fields), **given)  # type: ignore[arg-type]


def dataset_of(made: Made) -> Artifact:
    assert made.artifact is not None
    return made.artifact


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the files that are decoded."""
    seen: list[int] = []
    real = pixels.decode_image

    def counted(data: bytes, **size: int) -> bytes:
        seen.append(len(data))
        return real(data, **size)

    monkeypatch.setattr(pixels, "decode_image", counted)
    return seen


def test_it_holds_what_one_has_that_was_made_at_once(tmp_path: Path, decoded: list[int]) -> None:
    first = draw(tmp_path / "card1", [f"ann/{i}.png" for i in range(9)] + ["bo/1.png"], seed=0)
    second = draw(tmp_path / "card2", [f"bo/{i}.png" for i in range(5)] + ["cy/1.png"], seed=1)
    together = tmp_path / "all"
    for source in (first, second):
        for file in source.rglob("*.png"):
            place = together / file.parent.name / f"{source.name}-{file.name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    ingested(tmp_path / "run", first)
    decoded.clear()
    made = ingested(tmp_path / "run", second, add=True)
    assert len(decoded) == 6
    added, at_once = dataset_of(made), dataset_of(ingested(tmp_path / "other", together))
    for name in ("images", "frame_start", "pid", "camid", "tracklet", "split", "identity"):
        np.testing.assert_array_equal(added.read(name), at_once.read(name), err_msg=name)
    for path, other in zip(added.read("path"), at_once.read("path"), strict=True):
        file = Path((first / path).as_posix()).resolve()
        assert f"{file.parent.parent.name}-{file.name}" == Path(other).name
    assert added.damaged() == ()
    assert (dataset_manifest(added).summary.n_copied, [p.kind for p in added.manifest.parents]) == (10, ["dataset"])


def test_the_same_folder_with_more_in_it_keeps_its_paths(tmp_path: Path, decoded: list[int]) -> None:
    folder = draw(tmp_path / "photos", ["a.png", "b.png"], seed=0)
    ingested(tmp_path / "run", folder)
    nothing = ingested(tmp_path / "run", folder, add=True)
    assert (nothing.status, dataset_of(nothing).version, nothing.there) == ("up to date", 1, ())
    draw(folder, ["c.png"], seed=1)
    shutil.copy(folder / "a.png", folder / "copy of a.png")
    decoded.clear()
    made = ingested(tmp_path / "run", folder, add=True)
    assert sorted(dataset_of(made).read("path")) == ["a.png", "b.png", "c.png"]
    assert len(decoded) == 1
    assert [path for path, _ in made.there] == ["copy of a.png"]
    assert ingested(tmp_path / "run", folder, add=True).status == "up to date"


def test_copies_that_were_told_are_not_told_again(tmp_path: Path) -> None:
    def told(*names: str) -> list[str]:
        draw(folder, [names[0]], seed=ord(names[0][0]))
        for name in names[1:]:
            shutil.copy(folder / names[0], folder / name)
        said: list[str] = []
        reporter = Mock(wraps=SILENT, warn=said.append)
        made = ingested(run, folder, add=run.exists(), context=Context(reporter=reporter))
        assert any("byte for byte" in note for note in dataset_of(made).manifest.notes)
        return [line.partition(", the")[0] for line in said]

    run, folder = tmp_path / "run", tmp_path / "photos"
    copies = "pictures that are there before, byte for byte"
    assert [told("a.png", "b.png"), told("c.png"), told("d.png")] == [[f"{copies}: 1"], [], []]
    assert told("e.png", "f.png") == [f"{copies}: 2"]


def test_only_new_pictures_are_told_to_be_dark_or_of_several_pages(tmp_path: Path) -> None:
    def told() -> list[str]:
        said: list[str] = []
        reporter = Mock(wraps=SILENT, warn=said.append)
        ingested(run, folder, add=run.exists(), context=Context(reporter=reporter))
        return [line.partition(": ")[2].partition(", the")[0] for line in said if "16 bits" in line or "pages" in line]

    run, folder = tmp_path / "run", draw(tmp_path / "photos", ["a.png"], seed=1)
    Image.fromarray(np.full((8, 8), 1023, dtype=np.uint16)).save(folder / "dark.png")
    with Image.open(folder / "a.png") as page:
        page.save(folder / "pages.tif", save_all=True, append_images=[page.rotate(90)])
    assert len(told()) == 2
    draw(folder, ["b.png"], seed=2)
    assert [told(), told()] == [[], []]
    Image.fromarray(np.full((8, 8), 900, dtype=np.uint16)).save(folder / "night.png")
    (line,) = told()
    assert line.startswith("no pixel of 1 of the 1 looked at")


def test_paths_of_added_pictures_start_where_the_others_lie_now(tmp_path: Path) -> None:
    here = tmp_path / "here"
    draw(here / "day1", ["1.png", "2.png"], seed=0)
    ingested(here / "run", here / "day1")
    there = here.rename(tmp_path / "there")
    draw(there / "day2", ["1.png", "2.png"], seed=1)
    found = dataset_of(ingested(there / "run", there / "day2", add=True))
    assert sorted(found.read("path")) == ["../day2/1.png", "../day2/2.png", "1.png", "2.png"]
    kept = read_source(found)
    assert kept is not None
    assert kept.root == there / "day1"


def test_renamed_pictures_are_told_if_they_come_again(tmp_path: Path) -> None:
    folder = draw(tmp_path / "photos", ["day1/1.png", "day1/2.png"], seed=0)
    ingested(tmp_path / "run", folder, folder_identities=False)
    (folder / "day1").rename(folder / "old")
    draw(folder, ["day2/1.png"], seed=1)
    told: list[str] = []
    reporter = Mock(wraps=SILENT, note=told.append)
    made = ingested(tmp_path / "run", folder, add=True, folder_identities=False, context=Context(reporter=reporter))
    assert any("elsewhere in SOURCE now: 2, the first 'day1/1.png' as 'old/1.png'" in line for line in told)
    pictures = find_pictures(dataset_of(made), dataset_of(made).read("path").tolist())
    assert pictures.elsewhere == {"day1/1.png": "old/1.png", "day1/2.png": "old/2.png"}


@pytest.mark.parametrize("linked", ["", "first", "second", "above"])
def test_paths_of_added_pictures_lead_to_them_also_through_links(tmp_path: Path, linked: str) -> None:
    above = tmp_path / "above"
    if linked == "above":
        (tmp_path / "far").mkdir()
        above.symlink_to(tmp_path / "far")
    for name, seed in (("first", 0), ("second", 1)):
        draw((tmp_path / "elsewhere" / "deep" if name == linked else above) / name, ["a.png"], seed=seed)
    if linked in ("first", "second"):
        above.mkdir(exist_ok=True)
        (above / linked).symlink_to(tmp_path / "elsewhere" / "deep" / linked)
    # where `..` leads behind the link
    draw(tmp_path / "elsewhere" / "deep" / "second", ["b.png"], seed=2)
    ingested(tmp_path / "run", above / "first")
    found = dataset_of(ingested(tmp_path / "run", above / "second", add=True)).read("path").tolist()
    there = {path.read_bytes() for name in ("first", "second") for path in (above / name).iterdir()}
    assert {(above / "first" / path).read_bytes() for path in found} == there
    assert ("../second/a.png" in found) == (linked != "first")


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    folder = draw(tmp_path / "photos", ["a.png", "b.png"], seed=0)
    with pytest.raises(DbcError, match="no dataset found"):
        ingested(tmp_path / "run", folder, add=True)
    ingested(tmp_path / "run", folder)
    with pytest.raises(UsageError, match=r"`height=9` must be that of the run, 8"):
        ingested(tmp_path / "run", folder, add=True, height=9)
    draw(folder, ["a.png", "c.png"], seed=5)
    with pytest.raises(UsageError, match=r"a\.png was ingested before with other content"):
        ingested(tmp_path / "run", folder, add=True)
    for kept in (tmp_path / "run" / "dataset").glob(".checkpoint-*"):
        shutil.rmtree(kept)
    with pytest.raises(UsageError, match="does not know the content of its files"):
        ingested(tmp_path / "run", folder, add=True)
    assert RunDirectory(tmp_path / "run").versions("dataset") == [1]


def test_a_source_is_read_as_the_newest_dataset_of_its_format_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = IngestParameters(format="video", height=8, every_seconds=4, encounter_gap=60)
    later = IngestParameters(format="folder", height=8, identity_pattern="^([^/]+)", encounter_gap=60)
    grown: list[Any] = [SimpleNamespace(manifest=SimpleNamespace(parameters=each)) for each in (first, later)]
    monkeypatch.setattr(as_before, "dataset_manifest", lambda dataset: dataset.manifest)
    monkeypatch.setattr(
        "stages.runs.lineage.made_from", lambda _, dataset, __: grown[0] if dataset is grown[1] else None
    )

    def read(**given: Any) -> tuple[IngestParameters, list[str]]:
        findings = Findings()
        found = as_before.inherited(IngestParameters(**given), RunDirectory(tmp_path), grown[1], findings)
        return found, findings.notes

    found, told = read(format="video")
    assert (found.every_seconds, found.every_frames, found.encounter_gap, found.height) == (4, None, 60, 8)
    assert told == [
        "read as pictures of the run were: `every_seconds=4`, `encounter_gap=60`; give another to read these otherwise"
    ]
    # one that is given stands for the other, too
    found, told = read(format="video", every_frames=7, encounter_gap=5)
    assert (found.every_seconds, found.every_frames, told) == (None, 7, [])
    assert read(format="video", every_seconds=1)[0].every_seconds == 1
    found, told = read(format="folder")
    assert found.identity_pattern == "^([^/]+)"
    assert "`identity_pattern='^([^/]+)'`, `encounter_gap=60`" in told[0]
    assert read(format="folder", folder_identities=False)[0].identity_pattern is None
    assert read(format="csv")[0].every_seconds is None

    def gone(*_: Any) -> None:
        raise DbcError("it is missing")

    monkeypatch.setattr("stages.runs.lineage.made_from", gone)
    found, _ = read(format="video")
    assert (found.every_seconds, found.identity_pattern, found.encounter_gap) == (None, None, 60)


def test_samples_are_known_again_if_only_the_new_ones_have_frames(tmp_path: Path) -> None:
    names = [f"{letter}.png" for letter in "abcde"]
    folder, run = draw(tmp_path / "photos", names, seed=0), RunDirectory(tmp_path / "run")
    parameters = IngestParameters(format="csv", height=8, width=8)
    (folder / "1.csv").write_text("path,camid\na.png,x\nb.png,y\n")
    before = dataset_of(ingest(run, source=folder / "1.csv", parameters=parameters))
    (folder / "2.csv").write_text("path,camid,tracklet,frame\nc.png,x,t1,7\nd.png,x,t1,8\ne.png,y,t2,7\n")
    added = dataset_of(ingest(run, source=folder / "2.csv", parameters=parameters, add=True))
    assert sorted(added.read("frame_number").tolist()) == [-1, -1, 7, 7, 8]
    assert sorted(added.read("tracklet_name").tolist()) == ["", "", "t1", "t2"]
    first = added.read("path")[added.read("frame_start")[:-1]].tolist()
    old = before.read("path").tolist()
    assert rows_before(added, before).tolist() == [old.index(path) if path in old else -1 for path in first]
    assert set(train_keys(before)) < set(train_keys(added))


def test_what_only_new_pictures_have_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunDirectory(tmp_path / "run")
    for number, columns in enumerate(("path", "path,view,encounter\n", "path,camera,view\n")):
        folder = draw(tmp_path / f"{number}", ["a.png", "b.png"], seed=number)
        rows = [f"{name}.png{',left,1'[: 7 * bool(number)]}" for name in "ab"]
        (folder / "table.csv").write_text("\n".join([columns.strip(), *rows]))
        parameters = IngestParameters(format="csv", height=8, width=8)
        context = Context(reporter=RichReporter())
        made = ingest(run, source=folder / "table.csv", parameters=parameters, add=number > 0, context=context)
        told = " ".join(capsys.readouterr().err.split())
        lacking = {0: "", 1: "encounter of 2, view of 2", 2: "camera of 4"}[number]
        assert ("samples of the run without what SOURCE gives" in told) == bool(lacking)
        assert f"without what SOURCE gives: {lacking};" in told or not lacking
    assert sorted(dataset_of(made).read("view_name")) == ["", "", "1", "1", "left", "left"]
    assert sorted(dataset_of(made).read("encounter_name")) == ["", "", "", "", "1", "1"]


def test_other_encounters_and_corrections_of_a_table_are_told(tmp_path: Path) -> None:
    folder, run = draw(tmp_path / "photos", [f"{letter}.png" for letter in "abcd"], seed=0), tmp_path / "run"
    told: list[str] = []
    reporter = Mock(wraps=SILENT, note=told.append, warn=told.append)

    def add(name: str, text: str, **given: bool) -> Artifact:
        (folder / name).write_text(text)
        parameters = IngestParameters(format="csv", height=8, width=8)
        context = Context(reporter=reporter)
        return dataset_of(
            ingest(RunDirectory(run), source=folder / name, parameters=parameters, context=context, **given)
        )

    add("1.csv", "path,pid,encounter\na.png,Zora,1\nb.png,,1\n")
    added = add("2.csv", "path,pid,encounter\nc.png,,1\n", add=True)
    assert sorted(added.read("encounter_name")) == ["1", "1", "1 (2)"]
    assert any("with the name of others of the run: 1, the first '1', here '1 (2)'" in line for line in told)
    told.clear()
    add("3.csv", "path,pid,encounter\na.png,Kira,1\nb.png,Bo,1\nc.png,,1\n", add=True)
    assert any("which is not taken: pid of 2, the first 'a.png' 'Kira' for 'Zora'" in line for line in told)
    assert not any("encounter of" in line for line in told)
    add("4.csv", "path,pid,encounter\nd.png,zora,1\n", add=True)
    assert [line for line in told if "names of pid that differ" in line and "'Zora', 'zora'" in line]


def test_a_compared_run_gets_the_datasets_that_its_own_grew_from(tmp_path: Path) -> None:
    ingested(tmp_path / "run", draw(tmp_path / "photos", ["a.png", "b.png"], seed=0))
    ingested(tmp_path / "run", draw(tmp_path / "more", ["c.png"], seed=1), add=True)
    shared = share_dataset(RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "compared")).require("dataset")
    compared = RunDirectory(tmp_path / "compared")
    assert [compared.require("dataset").manifest.id, len(shared.read("pid"))] == [shared.manifest.id, 3]
    assert [compared.resolve(parent).version for parent in shared.manifest.parents] == [1]


def test_pictures_that_another_process_adds_meanwhile_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, write = tmp_path / "run", stage.write_images
    ingested(run, draw(tmp_path / "photos", ["a.png", "b.png"], seed=0))
    mine, others = (
        draw(tmp_path / name, [f"{name}.png"], seed=seed) for seed, name in enumerate(("mine", "others"), 1)
    )

    def after_another(*args: object, **options: object) -> Written:
        monkeypatch.setattr(stage, "write_images", write)
        ingested(run, others, add=True)
        return write(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "write_images", after_another)
    with pytest.raises(
        DbcError, match=r"dataset: v2 was made while this went on from v1, .* run the same command again"
    ):
        ingested(run, mine, add=True)
    assert sorted(path.name for path in (run / "dataset").glob("v*")) == ["v1.zarr", "v2.zarr"]
    made = dataset_of(ingested(run, mine, add=True))
    assert sorted(made.read("path")) == ["../mine/mine.png", "../others/others.png", "a.png", "b.png"]


def test_what_was_added_by_mistake_can_be_taken_back(tmp_path: Path) -> None:
    run, photos = tmp_path / "run", draw(tmp_path / "photos", ["a.png", "b.png"], seed=0)
    first = dataset_of(ingested(run, photos))
    mistaken = dataset_of(ingested(run, draw(tmp_path / "more", ["c.png"], seed=1), add=True))
    assert ingested(run, photos).newest_version == mistaken.version
    back = ingested(run, photos, new_dataset=True)
    assert (back.found_version, dataset_of(back).version, dataset_of(back).manifest.id) == (1, 3, first.manifest.id)
    assert RunDirectory(run).require("dataset") == dataset_of(back)
    # from there on others join, the same pictures among them
    other = dataset_of(ingested(run, draw(tmp_path / "other", ["d.png"], seed=2), add=True))
    assert (other.version, sorted(other.read("path"))) == (4, ["../other/d.png", "a.png", "b.png"])
    ingested(run, photos, new_dataset=True)
    again = ingested(run, tmp_path / "more", add=True)
    assert (again.found_version, again.newest_version) == (2, 6)
    assert dataset_of(again).manifest.id == mistaken.manifest.id


def test_whole_pictures_join_boxes_of_others_and_what_they_lack_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run = draw(tmp_path / "photos", ["a.png", "b.png"], seed=0), RunDirectory(tmp_path / "run")
    (folder / "boxes.csv").write_text("path,left,top,width,height,camera\na.png,1,2,4,5,north\nb.png,0,0,3,3,north\n")
    ingest(run, source=folder / "boxes.csv", parameters=IngestParameters(format="csv", height=8, width=8))
    catalogue = draw(tmp_path / "catalogue", ["Kira/1.png", "Zora/2.png"], seed=1)
    shutil.copy(folder / "a.png", catalogue / "Kira")
    asked = IngestParameters(format="folder", folder_identities=True)
    context = Context(reporter=RichReporter())
    added = dataset_of(ingest(run, source=catalogue, parameters=asked, add=True, context=context))
    box = dict(zip(added.read("path"), added.read("box").tolist(), strict=True))
    assert box == {
        "a.png": [1, 2, 4, 5],
        "b.png": [0, 0, 3, 3],
        "../catalogue/Kira/1.png": [0, 0, 9, 12],
        "../catalogue/Zora/2.png": [0, 0, 9, 12],
    }
    told = " ".join(capsys.readouterr().err.split())
    assert "pictures without boxes, in a run of boxes, that are taken whole: 2 " in told
    assert "that are left out: their boxes are there: 1 " in told
    assert "new samples without what most of the run have: camera of 2;" in told
    again = ingest(run, source=catalogue, parameters=asked, add=True)
    assert (again.status, again.artifact) == ("up to date", added)


@pytest.mark.parametrize(
    ("names", "given", "taken"),
    [
        (["card/lake/1.png", "card/hill/2.png"], {}, set()),
        (["card/Kira/1.png", "card/Rex/2.png"], {}, {"Kira", "Rex"}),
        (["card/lake/1.png", "card/hill/2.png"], {"folder_identities": True}, {"lake", "hill"}),
    ],
)
def test_folders_of_new_pictures_are_individuals_if_one_is_known_or_it_is_said(
    tmp_path: Path, names: list[str], given: dict[str, bool], taken: set[str]
) -> None:
    """Two months became individuals of a catalogue, and took the place of known ones. What a run began with says nothing."""
    ingested(tmp_path / "run", draw(tmp_path / "who", ["Kira/1.png", "Zora/2.png"], seed=0), folder_identities=True)
    draw(tmp_path, names, seed=1)
    made = ingested(tmp_path / "run", tmp_path / "card", add=True, **given)
    paths, identities = dataset_of(made).read("path"), dataset_of(made).read("identity")
    assert {name for path, name in zip(paths, identities, strict=True) if "card/" in path} - {""} == taken
    told = "folders whose names are not taken for identities, because no individual of the run is called so: 2 "
    assert any(note.startswith(told) for note in made.notes) == (not taken)
    assert any(note.startswith("identities: the names of 2 folders") for note in made.notes) == bool(taken)
    assert ingested(tmp_path / "run", tmp_path / "card", add=True, **given).status == "up to date"
    # what was not taken decides nothing later
    draw(tmp_path / "more", ["Zora/9.png"], seed=2)
    assert "Zora" in dataset_of(ingested(tmp_path / "run", tmp_path / "more", add=True, folder_identities=True)).read(
        "identity"
    )


def test_several_individuals_of_the_run_in_one_name_are_no_other_one(tmp_path: Path) -> None:
    ingested(tmp_path / "run", draw(tmp_path / "one", ["ann/1.png", "bo/1.png"], seed=0))
    more = draw(tmp_path / "two", ["ann/2.png", "ann and bo/1.png", "bo; cy/1.png"], seed=1)
    added = dataset_of(ingested(tmp_path / "run", more, add=True))
    of_folder = {
        path.split("/")[-2]: pid
        for path, pid in zip(added.read("path").tolist(), added.read("pid").tolist(), strict=True)
    }
    assert of_folder == {"ann": 1, "bo": 2, "ann and bo": -2, "bo; cy": 3}


def test_drawn_people_get_no_others(tmp_path: Path) -> None:
    people = SyntheticParameters(identities=2, cameras=2, images_per_camera=1)
    drawn = IngestParameters(format="synthetic", synthetic=people, height=16, width=8)
    ingest(RunDirectory(tmp_path / "run"), source=None, parameters=drawn)
    with pytest.raises(UsageError, match="those of this run were drawn; ingest all into a new `run`"):
        ingested(tmp_path / "run", draw(tmp_path / "photos", ["a.png"], seed=0), add=True)


def test_a_bad_new_picture_is_left_out_and_can_come_again(tmp_path: Path) -> None:
    ingested(tmp_path / "run", draw(tmp_path / "photos", ["a.png", "b.png"], seed=0))
    more = draw(tmp_path / "more", ["c.png"], seed=1)
    (more / "bad.png").write_bytes(b"none")
    with pytest.raises(DbcError, match=r"1 of 2 images cannot be read: bad\.png"):
        ingested(tmp_path / "run", more, add=True)
    parameters = IngestParameters(format="folder", on_bad_image="skip")
    made = ingest(RunDirectory(tmp_path / "run"), source=more, parameters=parameters, add=True)
    assert sorted(dataset_of(made).read("path")) == ["../more/c.png", "a.png", "b.png"]
    # what cannot be read is new every time, and is no reason for another version
    once_more = ingest(RunDirectory(tmp_path / "run"), source=more, parameters=parameters, add=True)
    assert (once_more.status, once_more.artifact) == ("up to date", made.artifact)
    assert RunDirectory(tmp_path / "run").versions("dataset") == [1, 2]
    draw(more, ["bad.png"], seed=2)
    again = ingested(tmp_path / "run", more, add=True)
    assert sorted(dataset_of(again).read("path")) == ["../more/bad.png", "../more/c.png", "a.png", "b.png"]


def megadetector(folder: Path, name: str, boxes: dict[str, list[list[float]]], category: str = "1") -> Path:
    images = [
        {"file": file, "detections": [{"category": category, "conf": 0.9, "bbox": box} for box in own]}
        for file, own in boxes.items()
    ]
    document = {"images": images, "detection_categories": {"1": "animal", "2": "person"}}
    (folder / name).write_text(json.dumps(document))
    return folder / name


def test_boxes_of_another_run_of_a_detector_are_no_new_animals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, run = draw(tmp_path / "photos", ["a.png", "b.png"], seed=0), RunDirectory(tmp_path / "run")
    old = {"a.png": [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]]}

    def add(source: Path, **given: bool) -> Made:
        parameters = IngestParameters(format="megadetector", category="any", height=8, width=8)
        return ingest(run, source=source, parameters=parameters, context=Context(reporter=RichReporter()), **given)

    made = add(megadetector(folder, "v1.json", old))
    moved = {"a.png": [[0.02, 0.0, 0.5, 0.5], [0.5, 0.48, 0.5, 0.5]]}
    again = add(megadetector(folder, "v2.json", moved), add=True)
    assert (again.status, again.artifact) == ("up to date", made.artifact)
    told = " ".join(capsys.readouterr().err.split())
    assert "boxes of the same pictures that are there overlap them by more than half: 2;" in told
    # another animal of the picture, the same place in another picture, and another category are new
    more = {"a.png": [[0.02, 0.0, 0.5, 0.5], [0.3, 0.3, 0.4, 0.4]], "b.png": [[0.02, 0.0, 0.5, 0.5]]}
    assert len(dataset_of(add(megadetector(folder, "v3.json", more), add=True)).read("pid")) == 4
    people = megadetector(folder, "v4.json", moved, category="2")
    assert len(dataset_of(add(people, add=True)).read("pid")) == 6


def test_a_track_that_grew_goes_on_and_no_image_is_there_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = draw(tmp_path / "frames", [f"{frame}.png" for frame in range(5)], seed=0)
    run, parameters = RunDirectory(tmp_path / "run"), IngestParameters(format="csv", height=8, width=8)

    def add(name: str, *rows: str, **given: bool) -> Artifact:
        header = "path,camid,tracklet,frame,left,top,width,height"
        (folder / name).write_text("\n".join([header, *rows]) + "\n")
        context = Context(reporter=RichReporter())
        return dataset_of(ingest(run, source=folder / name, parameters=parameters, context=context, **given))

    def row(frame: int, track: str, left: float = 0) -> str:
        return f"{frame}.png,x,{track},{frame},{left},0,4,4"

    def tracks(dataset: Artifact) -> dict[str, list[int]]:
        names, starts = dataset.read("tracklet_name").tolist(), dataset.read("frame_start")[1:-1]
        frames = np.split(dataset.read("frame_number"), starts)
        return {name: own.tolist() for name, own in zip(names, frames, strict=True)}

    before = add("1.csv", *(row(frame, "a") for frame in (1, 2)), *(row(frame, "b", 5) for frame in (2, 3)))
    more = [row(frame, "a") for frame in (0, 1, 2, 3)] + [row(4, "c")]
    grown = add("2.csv", *more, *(row(frame, "d", 5) for frame in (3, 4)), add=True)
    assert tracks(grown) == {"a": [1, 2, 0, 3], "b": [2, 3], "c": [4], "d": [4]}
    names, places = grown.read("tracklet_name").tolist(), train_places(grown, before).tolist()
    assert {
        name: before.read("tracklet_name")[place] for name, place in zip(names, places, strict=True) if place >= 0
    } == {
        "a": "a",
        "b": "b",
    }
    told = " ".join(capsys.readouterr().err.split())
    assert "tracks of the run that go on in SOURCE, which are longer now and no new ones: 1" in told
    assert "samples that share images with others of the run, which keep them: 1;" in told
    assert "there twice" not in told
    assert (rows_before(grown, before) >= 0).sum() == 1
    assert add("2.csv", *more, add=True) == grown
    assert grown.damaged() == ()
    # one track here, two in the run
    capsys.readouterr()
    assert add("3.csv", *(row(frame, "e") for frame in range(5)), add=True) == grown
    told = " ".join(capsys.readouterr().err.split())
    assert "is not taken: tracklet of 1, the first '0.png' 'e' for '" in told
    assert "longer now" not in told
    assert "samples that share images with others of the run, which keep them: 1;" in told
