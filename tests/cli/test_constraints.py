"""Answers about pairs of pictures reach merges and stage 0, as an artifact with lineage, and are refused in one line."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from stages.constraints.answers_file import NamedSamples, read_answers
from stages.constraints.stage import tell_meant, train_samples
from stages.errors import UsageError
from stages.reporting import Silent
from stages.runs.run_directory import RunDirectory, constraints_manifest
from tests.cli.conftest import NETWORK, Dbc

LOOP = ["--merge-percent", "0.25", "--stages", "1", "--epochs", "0", *NETWORK]


def names_of(run: Path) -> list[str]:
    return NamedSamples(RunDirectory(run).require("dataset")).names


def write_answers(file: Path, rows: list[str]) -> Path:
    file.write_text("\n".join(["path_a,path_b,answer", *rows]) + "\n")
    return file


def labels_of(run: Path, stage: int = 1) -> list[int]:
    return RunDirectory(run).require("clusters", stage).read("labels").tolist()


def test_answers_join_and_keep_apart_and_are_a_parent(dbc: Dbc, run: Path) -> None:
    before = dbc("merge", "--merge-percent", "0.25", "--run", run, "--json").json
    names, labels = names_of(run), labels_of(run)
    together = next([i, j] for i in range(16) for j in range(i) if labels[i] == labels[j])
    apart = next([i, j] for i in range(16) for j in range(i) if labels[i] != labels[j] and i not in together)
    rows = [
        f"{names[together[0]]},{names[together[1]]},different",
        f"{names[apart[0]]},{names[apart[1]]},same",
        f"{names[0]},{names[5]},unsure",
    ]
    file = write_answers(run / "constraints.csv", rows)
    ran = dbc("merge", "--merge-percent", "0.25", "--run", run, "--json")
    assert ran.json["status"] == "created"
    assert "constraints: 1 pair the same, 1 different; unsure ones, which say nothing: 1" in ran.err.replace("\n", " ")
    found = labels_of(run)
    assert found[together[0]] != found[together[1]]
    assert found[apart[0]] == found[apart[1]]
    assert max(found) == max(labels)
    clusters = RunDirectory(run).require("clusters", 1)
    assert [parent.location for parent in clusters.manifest.parents if parent.kind == "constraints"] == [
        "constraints/v1.zarr"
    ]
    assert dbc("status", "--verify", "--run", run).status == 0
    # the order of rows and paths is no new content; without answers the first clusters are found again
    write_answers(
        file, [f"{names[apart[1]]},{names[apart[0]]},same", f"{names[together[1]]},{names[together[0]]},different"]
    )
    assert dbc("merge", "--merge-percent", "0.25", "--run", run, "--json").json["status"] == "up to date"
    again = dbc("merge", "--merge-percent", "0.25", "--run", run, "--constraints", "none", "--json").json
    assert again["status"].startswith("up to date as v1")
    assert again["id"] == before["id"]


def test_the_whole_loop_makes_what_the_single_commands_make(dbc: Dbc, run: Path, tmp_path: Path) -> None:
    names = names_of(run)
    file = write_answers(tmp_path / "answers.csv", [f"{a},{b},same" for a, b in pairwise(names[:4])])
    assert dbc("run", *LOOP, "--constraints", file, "--run", run).status == 0
    model = RunDirectory(run).require("model", 0)
    assert model.manifest.arrays["memory"].shape[0] == len(names) - 3
    assert len(set(labels_of(run)[:4])) == 1
    for command in (["train", "--stage", "0", "--epochs", "0"], ["merge", "--stage", "1", "--merge-percent", "0.25"]):
        ran = dbc(*command, "--constraints", file, "--run", run, "--json")
        assert ran.json["status"] == "up to date", ran.err
    summary = constraints_manifest(RunDirectory(run).require("constraints")).summary
    assert (summary.n_same, summary.n_joined, summary.n_derived) == (3, 3, 0)


def test_clusters_that_answers_made_stay_if_these_are_withdrawn(dbc: Dbc, run: Path) -> None:
    names = names_of(run)
    write_answers(run / "constraints.csv", [f"{names[0]},{names[1]},same"])
    assert dbc("merge", "--merge-percent", "0.5", "--run", run).status == 0
    kept = dbc("merge", "--start", "reviewed", "--constraints", "none", "--run", run, "--json")
    assert (kept.status, kept.json["version"], kept.json["parameters"]["start"]) == (0, 1, "singletons")
    assert "there are no answers, so nothing is corrected" in kept.err


def test_training_puts_the_same_individual_into_one_class(dbc: Dbc, run: Path) -> None:
    names = names_of(run)
    write_answers(run / "constraints.csv", [f"{names[0]},{names[7]},same"])
    ran = dbc("train", "--stage", "0", "--epochs", "1", "--run", run, "--json")
    assert ran.status == 0, ran.err
    model = RunDirectory(run).require("model", 0)
    assert model.read("memory").shape[0] == len(names) - 1
    assert {parent.kind for parent in model.manifest.parents} == {"dataset", "model", "constraints"}


@pytest.mark.parametrize("command", [["merge"], ["run", *LOOP], ["train", "--stage", "0"]])
def test_what_answers_cannot_mean_is_refused_in_one_line(dbc: Dbc, run: Path, command: list[str]) -> None:
    names = names_of(run)
    chain = [f"{a},{b},same" for a, b in pairwise(names[:6])]
    write_answers(run / "constraints.csv", [*chain, f"{names[0]},{names[5]},different"])
    refused = dbc(*command, "--run", run)
    assert refused.status == 2
    assert "line 7 says that" in refused.line
    assert refused.line.count(" = ") == 5
    refused = dbc(*command, "--run", run, "--constraints", "missing.csv")
    assert refused.status == 2
    assert refused.line.endswith(
        "--constraints must be a file of answers, got 'missing.csv', which is none; name another"
    )


def test_clusters_that_hold_two_individuals_are_not_gone_on_from(dbc: Dbc, run: Path) -> None:
    merging = ["--merge-percent", "0.25", "--start", "previous", "--run", run]
    assert dbc("run", *LOOP, "--merge-only", *merging).status == 0 or dbc("merge", *merging).status == 0
    labels, names = labels_of(run), names_of(run)
    a, b = next((i, j) for i in range(16) for j in range(i) if labels[i] == labels[j])
    write_answers(run / "constraints.csv", [f"{names[a]},{names[b]},different"])
    refused = dbc("merge", "--stage", "2", *merging)
    assert refused.status == 1
    assert "in one cluster, which are different individuals (1 such pairs); give --start singletons" in refused.line


def test_methods_without_merges_take_no_answers(dbc: Dbc, run: Path) -> None:
    names = names_of(run)
    write_answers(run / "constraints.csv", [f"{names[0]},{names[1]},same"])
    refused = dbc("merge", "--clusterer", "finch", "--run", run)
    assert (refused.status, "makes no merges that answers could ask for" in refused.line) == (2, True)
    ran = dbc(
        "merge",
        "--clusterer",
        "finch",
        "--constraints",
        "none",
        "--merge-percent",
        "0.25",
        "--eps",
        "0.3",
        "--run",
        run,
    )
    assert (ran.status, "--eps 0.3 has no effect: it needs --clusterer dbscan" in ran.err) == (0, True)


def test_clusters_are_corrected_by_answers_and_stay_otherwise(dbc: Dbc, run: Path) -> None:
    assert dbc("merge", "--merge-percent", "0.5", "--run", run).status == 0
    labels, names = labels_of(run), names_of(run)
    nothing = dbc("merge", "--start", "reviewed", "--constraints", "none", "--run", run, "--json")
    assert (nothing.json["stage"], nothing.json["version"], labels_of(run)) == (1, 1, labels)
    assert nothing.json["parameters"]["start"] == "singletons"
    assert "there are no answers, so nothing is corrected" in nothing.err
    again = dbc("merge", "--stage", "1", "--lambda", "0.2", "--dry-run", "--run", run)
    assert "stage 1 has clusters that were made with --lambda 0.1, --merge-percent 0.5; these are made" in again.err
    after = dbc("merge", "--stage", "2", "--merge-percent", "0.25", "--dry-run", "--run", run)
    assert (
        "stage 1 has clusters that were made with --merge-percent 0.5; these are made otherwise; dbc merge" in after.err
    )
    a, b = next((i, j) for i in range(16) for j in range(i) if labels[i] == labels[j])
    write_answers(run / "constraints.csv", [f"{names[a]},{names[b]},different"])
    assert dbc("merge", "--start", "reviewed", "--run", run).status == 0
    found = labels_of(run)
    assert found[a] != found[b]
    assert max(found) == max(labels) + 1
    assert all((labels[i] == labels[j]) >= (found[i] == found[j]) for i in range(16) for j in range(i))
    # other answers correct what was there before, not what others corrected
    other = next(i for i in range(16) if labels[i] != labels[a])
    write_answers(run / "constraints.csv", [f"{names[a]},{names[other]},same"])
    assert dbc("merge", "--start", "reviewed", "--run", run).status == 0
    found = labels_of(run)
    assert found[a] == found[b] == found[other]
    assert max(found) == max(labels) - 1
    # what they were made from is taken again if it is asked for, which is told
    before = dbc("merge", "--stage", "1", "--merge-percent", "0.5", "--constraints", "none", "--run", run)
    assert "commands no longer take the clusters of stage 1 that answers corrected (v" in before.err
    assert labels_of(run) == labels
    again = dbc("merge", "--start", "reviewed", "--stage", "1", "--run", run)
    assert "no longer" not in again.err
    assert labels_of(run) == found
    without = dbc("merge", "--start", "reviewed", "--constraints", "none", "--force", "--run", run, "--json")
    assert (without.json["id"], labels_of(run)) == (nothing.json["id"], labels)
    assert "commands no longer take the clusters of stage 1 that answers corrected (v" in without.err


def test_corrections_compare_as_the_clusters_were_made_and_merge_nothing(dbc: Dbc, run: Path) -> None:
    merged = dbc("merge", "--merge-percent", "0.5", "--whiten", "0", "--lambda", "0.3", "--run", run, "--json").json
    labels, names = labels_of(run), names_of(run)
    a, b = next((i, j) for i in range(16) for j in range(i) if labels[i] == labels[j])
    write_answers(run / "constraints.csv", [f"{names[a]},{names[b]},different"])
    reviewed = dbc("merge", "--start", "reviewed", "--merge-percent", "0.4", "--run", run, "--json")
    assert reviewed.json["parameters"] == merged["parameters"] | {"start": "reviewed"}
    assert "--merge-percent 0.4 has no effect: it needs merges" in reviewed.err
    assert "made otherwise" not in reviewed.err
    other = dbc("merge", "--start", "reviewed", "--whiten", "3", "--dry-run", "--run", run, "--json")
    assert other.json["parameters"] == merged["parameters"] | {"start": "reviewed", "whiten": 3}
    assert "stage 1 has clusters that were made with --whiten 0.0; these are made otherwise" in other.err
    named = dbc("merge", "--start", "reviewed", "--recipe", "tuned", "--dry-run", "--run", run)
    assert "made with --lambda 0.3, --whiten 0.0; these" in named.err


def test_clusters_are_not_measured_by_the_names_that_the_merge_was_told(dbc: Dbc, run: Path) -> None:
    labels = run / "ids.csv"
    labels.write_text("path,identity\n" + "".join(f"{name},{name.split('_')[0]}\n" for name in names_of(run)[:10]))
    assert dbc("merge", "--merge-percent", "0.25", "--labels", labels, "--run", run).status == 0
    measured = dbc("eval", "--run", run, "--json")
    assert measured.json["n_labelled"] == 6
    told = "are of 6 of 16 train samples, whose identity is known; 10 whose identity the merge was told"
    assert told in " ".join(measured.err.split())
    assert "clusters, give --labels-are-clusters" in " ".join(measured.err.split())
    # unless they are what another program clustered, not identities
    as_clusters = dbc("eval", "--labels-are-clusters", "--run", run, "--json").json
    assert as_clusters["n_labelled"] == 16
    assert "another program's clusters: of identities, these figures say nothing" in " ".join(as_clusters["notes"])
    assert dbc("eval", "--run", run, "--json").json["n_labelled"] == 6
    report = dbc("report", "--run", run, "--json").json
    assert told in report["measured"]
    assert sum(row["n_clusters"] for row in report["by_size"] if row["purity"] is not None)
    # other merges are told what these had
    again = dbc("merge", "--stage", "1", "--merge-percent", "0.25", "--dry-run", "--run", run)
    assert "clusters that are there were made with labels; for these, too, give --labels" in again.err


def test_the_clusters_that_answers_corrected_are_those_shown(dbc: Dbc, run: Path) -> None:
    loop = [*LOOP, "--stages", "2", "--run", run]
    assert dbc("run", *loop).status == 0
    for stage in ("1", "2"):
        names, labels = names_of(run), RunDirectory(run).require("clusters", int(stage)).read("labels").tolist()
        a, b = next((i, j) for i in range(16) for j in range(i) if labels[i] == labels[j])
        write_answers(run / "constraints.csv", [f"{names[a]},{names[b]},different"])
        assert dbc("merge", "--start", "reviewed", "--stage", stage, "--run", run).status == 0
        # what is said twice is made once
        assert dbc("merge", "--start", "reviewed", "--run", run, "--json").json["status"] == "up to date"
        shown = dbc("export", "clusters", "--run", run, "--json", "--out", f"{stage}.csv")
        assert shown.json["stage"] == int(stage)
        assert f"stage {stage} is taken, whose clusters were corrected by answers" in shown.err
    # clusters that are made later are taken again
    assert dbc("run", *loop, "--lambda", "0.3").status == 0
    assert "stage 3 is taken, which ends the run with" in dbc("export", "clusters", "--run", run, "--out", "3.csv").err


def test_a_whole_run_corrects_no_stage(dbc: Dbc, run: Path) -> None:
    refused = dbc("run", *LOOP, "--start", "reviewed", "--run", run)
    assert refused.status == 2
    assert "--start reviewed corrects the clusters of one stage" in refused.line


def test_views_apart_need_views_and_joined_encounters_encounters(dbc: Dbc, run: Path) -> None:
    for flag, value, what in (("--view", "apart", "views"), ("--encounter", "joined", "encounters")):
        refused = dbc("merge", flag, value, "--merge-percent", "0.25", "--run", run)
        assert refused.status == 1
        assert f"{flag} {value} needs the {what} of pictures" in refused.line


def test_a_dry_run_makes_no_constraints(dbc: Dbc, run: Path) -> None:
    names = names_of(run)
    write_answers(run / "constraints.csv", [f"{names[0]},{names[1]},same"])
    assert dbc("merge", "--dry-run", "--run", run, "--json").json["status"] == "would create"
    assert not (run / "constraints").exists()


class Lines(Silent):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, message: str) -> None:
        self.told.append(message)

    warn = note


def test_answers_follow_pictures_to_another_name_and_fall_away_with_those_taken_out(dbc: Dbc, tmp_path: Path) -> None:
    """A folder was renamed, a picture deleted, and `--new-dataset` said, as the documents advise."""
    (folder := tmp_path / "g" / "A").mkdir(parents=True)
    for level in (0, 40, 80, 120):
        Image.new("RGB", (8, 8), (level, 90, 0)).save(folder / f"{level}.png")
    read = ["ingest", folder.parent, "--height", 8, "--width", 8, "--no-identities", "--run", tmp_path / "r"]
    assert dbc(*read).status == 0
    folder.rename(folder.parent / "B")
    (folder.parent / "B" / "120.png").unlink()
    # a new card whose numbers begin anew
    folder.mkdir()
    Image.new("RGB", (8, 8), (0, 200, 0)).save(folder / "80.png")
    assert dbc(*read, "--new-dataset").status == 0
    rows = [
        "A/0.png,A/40.png,same",
        "A/120.png,A/0.png,different",
        "120.png,40.png,unsure",
        "A/80.png,B/0.png,different",
    ]
    file, run = write_answers(tmp_path / "a.csv", rows), RunDirectory(tmp_path / "r")
    samples = train_samples(run, run.require("dataset"))
    answers, lines = read_answers(file, samples), Lines()
    names = [[samples.names[place] for place in pair] for pair in answers.pairs.tolist()]
    assert names == [["B/0.png", "B/40.png"], ["A/80.png", "B/0.png"]]
    assert (answers.n_gone, answers.n_later, len(answers.unsure)) == (2, 0, 0)
    tell_meant(answers, lines)
    assert [line.partition(": ")[2] for line in lines.told] == [
        "2, left out",
        "2, the first 'A/0.png'",
        "1, the first 'A/80.png'; they are taken as the pictures of now: take out answers that were given before",
    ]
    with pytest.raises(UsageError, match=r"names 'A/7\.png', which is no picture"):
        samples.place("A/7.png", at="line 2")
    # the first dataset, taken again, knows them all as they were, and what they were called later
    first = RunDirectory(tmp_path / "r", pinned={"dataset": 1})
    before = read_answers(file, train_samples(first, first.require("dataset")))
    assert (len(before.pairs), before.n_gone, before.renamed) == (3, 0, ("B/0.png",))
