"""`dbc assign` and what else shows clusters after pictures were added."""

from __future__ import annotations

import csv
import io
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dbc_cli.pointer import remember_run
from stages.assign.calibration import calibrate
from stages.loop.choice.verdict import Verdict
from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import NETWORK, Dbc, copied, made
from tests.conftest import REPOSITORY

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)]


def draw(folder: Path, colours: list[tuple[int, int, int]], each: int, *, seed: int) -> Path:
    """Pictures of one colour an individual, each a little different."""
    generator = np.random.default_rng(seed)
    folder.mkdir()
    for who, colour in enumerate(colours):
        for number in range(each):
            pixels = np.clip(np.array(colour) + generator.integers(-12, 13, (32, 16, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{who}-{number}.png")
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def tmp_path(place: Path) -> Path:
    """The same folder for every test, empty: a run remembers where its pictures lay."""
    for entry in place.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return place


@pytest.fixture(scope="module")
def merged_once(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the folder holds first: pictures of three colours, and a run with clusters of them. Not to be changed."""
    photos = draw(place / "photos", COLOURS[:3], 4, seed=0)
    made(
        place,
        ["ingest", str(photos), "--height", "32", "--width", "16", "--workers", "0"],
        ["extract", *NETWORK],
        # three of twelve are left
        ["merge", "--merge-percent", "0.75", "--whiten", "0"],
    )
    return copied(place, tmp_path_factory.mktemp("merged"))


@pytest.fixture
def merged(dbc: Dbc, merged_once: Path, tmp_path: Path) -> Path:
    """A copy of it to work in, which commands remember."""
    run = copied(merged_once, tmp_path) / "run"
    remember_run(run)
    return run


def test_new_pictures_get_their_cluster_and_are_listed_with_the_others(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    before = dbc("export", "clusters", "--run", merged, "--json").json["clusters"]
    individual = {row["path"][0]: row["individual"] for row in before}
    assert len(set(individual.values())) == 3
    more = draw(tmp_path / "more", COLOURS, 2, seed=1)
    (more / "broken.png").write_text("no picture")
    lines = [f"{file.name},north,{file.stem}" for file in sorted(more.iterdir())]
    (more / "samples.csv").write_text("\n".join(["path,camera,tracklet", *lines]))
    refused = dbc("assign", more, "--run", merged)
    assert refused.line.endswith("mend or remove them, or leave them out with --on-bad-image skip")
    skip = ["assign", more, "--on-bad-image", "skip", "--run", merged, "--json"]
    # nothing is added to try it
    assert dbc(*skip, "--dry-run").json["status"] == "would create"
    assert RunDirectory(merged).versions("dataset") == [1]
    ran = dbc(*skip, "--csv", "who.csv")
    assert ran.status == 0, ran.err
    found = {Path(row["path"]).name: row for row in ran.json["assignments"]}
    assert len(found) == 8
    for name, row in found.items():
        if name[0] in individual:
            assert (row["individual"], row["nearest"]) == (individual[name[0]],) * 2
    probabilities = [min(found[f"{who}-{i}.png"]["probability"] for i in (0, 1)) for who in range(3)]
    assert max(found[f"3-{i}.png"]["probability"] for i in (0, 1)) < min(probabilities)
    assert (ran.json["n_samples"], ran.json["status"]) == (8, "created")
    counts = ("n_of_source", "n_known_of_source", "n_new_of_source")
    assert [ran.json[name] for name in counts] == [8, ran.json["n_known"], ran.json["n_new"]]
    with Path("who.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert all((row["camera"], row["tracklet"]) == ("north", Path(row["path"]).stem) for row in rows)
    listed = {Path(row["path"]).name: row["individual"] for row in rows}
    assert listed == {
        name: "new" if row["individual"] is None else str(row["individual"]) for name, row in found.items()
    }
    again = dbc("assign", "--run", merged, "--json").json
    assert (again["status"], again["id"]) == ("up to date", ran.json["id"])
    (more / "samples.csv").unlink()
    (more / "broken.png").unlink()
    table = dbc("assign", more, "--run", merged).out
    assert "Added since these clusters were made: 8 pictures, " in table
    # all of it was answered before
    assert "Of this SOURCE, or else the last one: 0, " in table
    path, *_, tracklet = table.splitlines()[-4].split()
    assert tracklet == Path(path).stem
    rows = list(csv.DictReader(io.StringIO(dbc("export", "clusters", "--run", merged).out)))
    assert dbc("export", "features", "--run", merged, "--out", "features.npz").status == 0
    with np.load("features.npz") as found:
        clusters = dict(zip(found["path"].tolist(), found["cluster"].tolist(), strict=True))
    assert clusters == {row["path"]: int(row["cluster"] or -1) for row in rows}
    added = {Path(row["path"]).name: row for row in rows if row["path"].startswith("../more/")}
    assert (len(rows), len(added)) == (20, 8)
    assert {name: row["individual"] for name, row in added.items()} == listed
    folders = dbc("export", "clusters", "--run", merged, "--folders", "who")
    assert folders.status == 0, folders.err
    n_new = sum(row["individual"] == "new" for row in rows)
    assert (len(list(Path("who").rglob("*.png"))), len(list(Path("who/new").iterdir()))) == (20, n_new)
    assert f"pictures that were added and are of new individuals, as dbc assign found: {n_new}" in folders.err
    # what looks at the clusters alone says what is not in them
    left_out = "pictures that were added after these clusters were made are left out here: 8; dbc export clusters lists"
    assert left_out in " ".join(dbc("count", "--run", merged, "--json").json["notes"])
    assert dbc("report", "--run", merged, "--html", "page.html", "--map", "none").status == 0
    assert left_out in Path("page.html").read_text()
    assert "left out here" not in folders.err
    assert dbc("status", "--verify", "--run", merged).status == 0
    assert dbc("status", "--run", merged, "--json").json["next"] == "dbc export clusters"
    # nothing was assigned to other clusters of that stage, until the first are taken again
    anew = ["merge", "--run", merged, "--dataset", "v1", "--stage", "1", "--whiten", "0"]
    for words, then in ((["--n-clusters", "4"], "dbc assign"), (["--merge-percent", "0.75"], "dbc export clusters")):
        assert dbc(*anew, *words).status == 0
        assert dbc("status", "--run", merged, "--json").json["next"] == then
        assert f"; {then}" in " ".join(dbc("count", "--run", merged, "--json").json["notes"])
    # the next night, and once more
    night = ["assign", draw(tmp_path / "night", COLOURS[:1], 1, seed=5), "--run", merged, "--json"]
    second = dbc(*night, "--csv", "night.csv").json
    assert [second[name] for name in ("n_samples", *counts)] == [9, 1, 1, 0]
    assert [row["path"] for row in second["assignments"] if row["of_source"]] == ["../night/0-0.png"]
    with Path("night.csv").open(newline="") as opened:
        assert [row["of_source"] for row in csv.DictReader(opened)].count("true") == 1
    assert [dbc(*night).json[name] for name in ("n_samples", *counts)] == [9, 0, 0, 0]
    table = dbc("assign", "--run", merged).out.splitlines()
    assert (table[0].split()[-1], table[1].split()[0], table[1].split()[-1]) == ("of_source", "../night/0-0.png", "yes")
    # identities that become known later are those of the clusters' dataset
    Path("ids.csv").write_text("path,identity\n" + "".join(f"{row['path']},{row['path'][0]}\n" for row in before))
    measured = dbc("eval", "--ids", "ids.csv", "--stage", "1", "--run", merged, "--json")
    assert measured.status == 0, measured.err
    assert (measured.json["ari"], measured.json["n_identities"]) == (1.0, 3)


def test_clusters_are_learnt_from_once_for_pictures_of_every_day(
    dbc: Dbc, merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = []

    def noted(*given, **options):
        learnt.append(calibrate(*given, **options))
        return learnt[-1]

    monkeypatch.setattr("stages.assign.kept_calibration.calibrate", noted)
    # features of before are whitened, so that there is something to fit
    assert dbc("merge", "--merge-percent", "0.75", "--run", merged).status == 0
    names = ("slope", "rank_slope", "intercept", "separation")
    first = dbc("assign", draw(tmp_path / "more", COLOURS, 1, seed=1), "--run", merged, "--json").json
    second = dbc("assign", draw(tmp_path / "night", COLOURS, 2, seed=5), "--run", merged, "--json").json
    assert (first["n_samples"], second["n_samples"], len(learnt)) == (4, 12, 1)
    assert [second[name] for name in names] == [first[name] for name in names] == list(vars(learnt[0]).values())
    # it is what would be learnt again
    for kept in (merged / "stage-01" / "clusters").glob(".checkpoint-*"):
        shutil.rmtree(kept)
    again = dbc("assign", "--force", "--run", merged, "--json").json
    assert (again["id"], learnt[1]) == (second["id"], learnt[0])
    other = dbc("merge", "--merge-percent", "0.7", "--dataset", "v1", "--run", merged)
    assert other.status == 0, other.err
    assert dbc("assign", "--run", merged).status == 0
    assert (len(learnt), learnt[2] != learnt[0]) == (3, True)


def test_a_catalogue_names_the_individuals_of_new_pictures(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    who = {"0": "Ayo", "1": "Kira", "2": "Zoe"}
    files = sorted((tmp_path / "photos").iterdir())
    Path("labels.csv").write_text("path,identity\n" + "".join(f"{file.name},{who[file.name[0]]}\n" for file in files))
    merge = ["merge", "--labels", "labels.csv", "--n-clusters", "3", "--whiten", "0", "--run", merged]
    assert dbc(*merge).status == 0
    more = draw(tmp_path / "more", COLOURS, 1, seed=1)
    ran = dbc("assign", more, "--csv", "who.csv", "--run", merged)
    assert ran.status == 0, ran.err
    with Path("who.csv").open(newline="") as opened:
        found = {Path(row["path"]).stem[0]: row for row in csv.DictReader(opened)}
    for colour, name in who.items():
        assert found[colour]["name"] == name
        assert f"{found[colour]['individual']} ({name})" in ran.out
    assert found["3"]["individual"] != "new" or found["3"]["name"] == ""
    rows = csv.DictReader(io.StringIO(dbc("export", "clusters", "--run", merged).out))
    assert {Path(row["path"]).name[0]: row["name"] for row in rows if row["individual"] != "new"}.items() >= who.items()
    assert "(Kira)" in dbc("query", more / "1-0.png", "--run", merged).out
    assert dbc("report", "--run", merged, "--html", "page.html", "--map", "none").status == 0
    assert "(Zoe)" in Path("page.html").read_text()


def test_weak_clusters_are_said_to_be_so_where_pictures_are_assigned_and_listed(
    dbc: Dbc, merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen with turtles: clusters of a run that trusted them "hardly at all" said that sure answers need no look."""
    weak = Verdict(chosen=1, helped=None, line="", warnings=(), trust="little: other `weights`", shown=1, is_weak=True)
    monkeypatch.setattr("stages.loop.choice.stage.verdict", lambda *_, **__: weak)
    # nothing is measured for it
    assert "how far to trust" not in dbc("export", "clusters", "--run", merged).err
    assert dbc("select", "--run", merged).status == 0
    assert "how far to trust these clusters: little: other --weights" in dbc("export", "clusters", "--run", merged).err
    ran = dbc("assign", draw(tmp_path / "more", COLOURS[:2], 1, seed=2), "--run", merged)
    told = " ".join(ran.out.split())
    assert (
        "but clusters may be wrong: look at every picture, whatever its probability. How far to trust the clusters:"
        in told
    )
    assert "look at those" not in told
    monkeypatch.setattr("stages.loop.choice.stage.verdict", lambda *_, **__: replace(weak, is_weak=False))
    assert "may be wrong" not in dbc("assign", "--run", merged).out


def test_the_road_from_a_catalogue_is_as_the_documents_say(dbc: Dbc, tmp_path: Path) -> None:
    told = (REPOSITORY / "docs" / "afternoon.md").read_text().partition("## A catalogue")[2]
    commands = [line.partition("#")[0].split()[1:] for line in told.split("```")[1].splitlines()[1:]]
    catalogue = draw(tmp_path / "catalogue", COLOURS[:3], 4, seed=0)
    for file in list(catalogue.iterdir()):
        folder = catalogue / {"0": "Ayo", "1": "Kira", "2": "Zoe"}[file.name[0]]
        folder.mkdir(exist_ok=True)
        file.rename(folder / file.name)
    draw(tmp_path / "new-pictures", COLOURS[:3], 1, seed=1)
    small = {"mobilenet_v2": NETWORK[1], "128": "32", "30": "3"}
    for words in commands:
        more = NETWORK[2:] if words[0] == "extract" else ["--whiten", "0"] if words[0] == "merge" else []
        ran = dbc(*[small.get(word, word) for word in words], *more)
        assert ran.status == 0, ran.err
    with Path("who.csv").open(newline="") as opened:
        assert [row["name"] for row in sorted(csv.DictReader(opened), key=lambda row: row["path"])] == [
            "Ayo",
            "Kira",
            "Zoe",
        ]


def test_clusters_of_before_are_shown_until_there_are_new_ones(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    more = draw(tmp_path / "more", COLOURS[:2], 1, seed=2)
    assert dbc("ingest", more, "--add", "--run", merged).status == 0
    assert dbc("status", "--run", merged, "--json").json["next"] == "dbc assign"
    assert dbc("assign", "--run", merged, "--csv", "dry.csv", "--dry-run", "--json").json["assignments"] == []
    assert not Path("dry.csv").exists()
    for words in (
        ["report"],
        ["query", more / "0-0.png"],
        ["export", "clusters"],
        ["count"],
        ["review", "--static", "pairs.html"],
        ["merge", "--start", "reviewed", "--whiten", "0", "--dry-run"],
    ):
        ran = dbc(*words, "--run", merged)
        assert ran.status == 0, ran.err
        assert "dbc assign" in ran.err
    scores = dbc("select", "--run", merged).out
    assert "across-cameras" not in scores.splitlines()[0]
    assert "across-cameras: has no scores here" in scores
    answers = merged / "constraints.csv"
    answers.write_text("path_a,path_b,answer\n0-0.png,../more/0-0.png,same\n")
    counted = dbc("count", "--run", merged)
    assert "pictures that were added after these clusters were made are left out here: 2; dbc assign" in counted.err
    assert "about pictures that were added after these clusters were made: 1, left out here" in counted.err
    answers.unlink()
    # what dbc assign extracts: the features that the clusters are of, though another stage was trained since
    assert dbc("extract", "--stage", "init", "--run", merged).status == 0
    assert dbc("train", "--stage", "0", "--epochs", "1", "--run", merged).status == 0
    again = dbc("merge", "--n-clusters", "3", "--run", merged, "--dry-run").err
    assert "merging the features of stage init to 3 clusters" in again
    assert "has no features" not in again
    shutil.rmtree(merged / "stage-00")
    # going on instead: the model of before counts for the grown dataset, numbers last
    numbers = {
        row["path"]: row["individual"] for row in dbc("export", "clusters", "--run", merged, "--json").json["clusters"]
    }
    assert dbc("extract", "--run", merged).status == 0
    assert dbc("merge", "--merge-percent", "0.8", "--whiten", "0", "--run", merged).status == 0
    assert len(RunDirectory(merged).require("clusters", 1).read("labels")) == 14
    of_colour = {name[0]: number for name, number in numbers.items() if number is not None}
    for row in dbc("export", "clusters", "--run", merged, "--json").json["clusters"]:
        assert row["individual"] == of_colour[Path(row["path"]).name[0]]


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["assign", "--csv", "w.txt"], 2, "--csv must end in .csv"),
        (["assign", "--csv", "there.csv"], 2, "--csv must be a new file, got there.csv, which is there"),
        (["assign", "--threshold", "2"], 2, "--threshold must be at most 1"),
        (["assign", "--stage", "nix"], 2, "--stage: 'nix' is not a stage: write init or a number from 0"),
        (["assign", "--stage", "9"], 1, "no clusters of stage 9 found, only of 1"),
        (["review", "--join", "there.csv", "there.csv", "--out", "o.csv", "--stage", "nix"], 2, "'nix' is not a stage"),
        (["assign", "nowhere"], 2, "does not exist"),
        (["ingest", "--add"], 2, "--add needs the SOURCE"),
    ],
)
def test_misuse_is_one_line(dbc: Dbc, merged: Path, words: list[str], status: int, line: str) -> None:
    Path("there.csv").write_text("mine")
    ran = dbc(*words, "--run", merged)
    assert (ran.status, line in ran.line) == (status, True), ran.err
    assert Path("there.csv").read_text() == "mine"


def test_that_nothing_is_new_is_no_failure(dbc: Dbc, merged: Path) -> None:
    found = dbc("assign", "--run", merged, "--csv", "new.csv")
    assert (found.status, Path("new.csv").exists()) == (0, False)
    assert "all pictures are in its clusters already; add others with: dbc ingest SOURCE --add" in found.out
    told = "there is nothing to list, so new.csv is not written"
    assert (told in found.err, "list: " in found.out) == (True, False)
    as_json = dbc("assign", "--run", merged, "--json", "--csv", "new.csv").json
    assert (as_json["assignments"], as_json["notes"]) == ([], [told])
    # a list of before is not left for the one of now
    Path("new.csv").write_text("yesterday's")
    found = dbc("assign", "--run", merged, "--csv", "new.csv", "--overwrite")
    assert found.out.endswith("list: new.csv\n")
    assert Path("new.csv").read_text().split(",")[0] == "path"


def test_copies_of_pictures_in_the_clusters_have_their_individual(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    photos, card = tmp_path / "photos", tmp_path / "card"
    card.mkdir()
    shutil.copy(photos / "1-2.png", card / "again.png")
    who = {
        row["path"]: row["individual"] for row in dbc("export", "clusters", "--run", merged, "--json").json["clusters"]
    }
    nothing = dbc("assign", card, "--run", merged, "--csv", "who.csv")
    assert "again.png" in nothing.out
    assert "all pictures are in its clusters already" in nothing.out
    assert nothing.out.endswith("list: who.csv\n")
    with Path("who.csv").open(newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert (row["path"], row["copy_of"], row["individual"]) == ("../card/again.png", "1-2.png", str(who["1-2.png"]))
    draw(tmp_path / "other", COLOURS[:1], 1, seed=3)
    (tmp_path / "other" / "0-0.png").rename(card / "new.png")
    ran = dbc("assign", card, "--run", merged, "--json").json
    assert (ran["n_samples"], ran["n_of_source"]) == (1, 2)
    assert {row["path"]: row["copy_of"] for row in ran["assignments"]} == {
        "../card/new.png": None,
        "../card/again.png": "1-2.png",
    }
    # a copy is answered again, as nothing of the run holds it
    assert dbc("assign", card, "--run", merged, "--json").json["n_of_source"] == 1


def test_nothing_to_assign_to_is_told(dbc: Dbc, run: Path) -> None:
    assert "no clusters found to assign pictures to" in dbc("assign", "--run", run).line


def test_pictures_are_not_added_where_clusters_say_too_little(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    few = ["merge", "--stage", "1", "--merge-percent", "0.2", "--whiten", "0"]
    assert dbc(*few, "--run", merged).status == 0
    ran = dbc("assign", draw(tmp_path / "more", COLOURS, 1, seed=1), "--run", merged)
    assert (ran.status, "in clusters of two or more" in ran.line) == (1, True), ran.err
    assert RunDirectory(merged).versions("dataset") == [1]


def test_a_card_of_folders_is_refused_with_the_command_that_adds_it(
    dbc: Dbc, merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (card := tmp_path / "card 2").mkdir()
    draw(card / "100MEDIA", COLOURS, 1, seed=1)
    ran = dbc("assign", card, "--on-bad-image", "skip", "--run", merged)
    told = f"dbc ingest '{card}' --add --no-identities --on-bad-image skip --run {merged} && dbc assign --run {merged}"
    assert ran.line.endswith(f"); for instance: {told}")
    # no --run to repeat
    assert dbc("assign", card).line.endswith(f"; for instance: dbc ingest '{card}' --add --no-identities && dbc assign")
    monkeypatch.setattr(
        "stages.ingest.as_before.read_before", lambda *_: ({"encounter_gap": 1234567.0, "category": "2.0"}, {})
    )
    assert "--no-identities --encounter-gap 1234567 --category 2.0 && dbc assign" in dbc("assign", card).line


def test_the_command_that_adds_a_card_reads_it_as_the_others(dbc: Dbc, tmp_path: Path) -> None:
    photos, run = draw(tmp_path / "photos", COLOURS[:3], 4, seed=0), tmp_path / "run"
    rows = [f"{file.name},left,1" for file in sorted(photos.glob("*.png"))]
    (photos / "samples.csv").write_text("\n".join(["path,view,encounter", *rows]))
    patterns = ["--camera-pattern", r"^(?:ST)?(\d)"]
    first = ["ingest", photos, *patterns, "--height", "32", "--width", "16", "--workers", "0", "--run", run]
    for command in (first, ["extract", *NETWORK], ["merge", "--merge-percent", "0.75", "--whiten", "0"]):
        assert dbc(*command).status == 0
    draw(tmp_path / "more", COLOURS[:1], 1, seed=3)
    # one that says less does not make the next ones say less
    assert dbc("ingest", tmp_path / "more", "--add").status == 0
    (card := tmp_path / "card2").mkdir()
    draw(card / "ST1", COLOURS, 1, seed=1)
    ran = dbc("assign", card)
    lacking = (
        "the run have encounters and views, of which a plain folder says nothing: add --encounter-gap, --view-pattern,"
    )
    assert lacking in ran.line
    told = ran.line.rpartition("; for instance: ")[2]
    assert told == rf"dbc ingest {card} --add --no-identities --camera-pattern '^(?:ST)?(\d)' && dbc assign"
    assert dbc(*shlex.split(told.partition(" && ")[0])[1:]).status == 0
    dataset = RunDirectory(run).require("dataset")
    of_card = [path.startswith("../card2") for path in dataset.read("path")]
    assert set(dataset.read("camera")[of_card]) == {"1"}


def test_pictures_are_not_added_where_there_are_no_clusters(dbc: Dbc, run: Path, tmp_path: Path) -> None:
    ran = dbc("assign", draw(tmp_path / "more", COLOURS, 1, seed=1), "--run", run)
    assert "no clusters found to assign pictures to" in ran.line
    assert RunDirectory(run).versions("dataset") == [1]
