"""`dbc ablate`, `dbc sweep`, `dbc select`, `dbc plot` and `dbc run --stop auto` on drawn people."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from dbc_cli.command import Given
from dbc_cli.commands.sweep import cells_of
from schemas.recipes import VARIANTS
from stages.runs.run_directory import RunDirectory
from stages.runs.unreferenced import kept_whitenings
from stages.samples import TRAIN
from tests.cli.conftest import NETWORK, Dbc

FAST = ["--merge-percent", "0.25", "--stages", "1", "--epochs", "1"]


def snapshot(run: Path) -> dict[str, tuple[int, int]]:
    """Every file of a run but those of compared runs, with its size and time of change."""
    kept = ("ablate", "sweep", "sweep-merge-only", "shared", "plots")
    files = (path for path in run.rglob("*") if path.is_file() and path.relative_to(run).parts[0] not in kept)
    return {path.as_posix(): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def test_an_ablation_shares_its_start_leaves_the_run_alone_and_is_not_done_twice(dbc: Dbc, run: Path) -> None:
    before = snapshot(run)
    arguments = ["ablate", *FAST, "--variants", "buc-,dbc", "--run", run, "--csv", "table.csv", "--markdown", "t.md"]
    first = dbc(*arguments, "--json")
    assert first.status == 0, first.err
    assert snapshot(run) == before
    runs = {cell["setting"]["variant"]: cell for cell in first.json["runs"]}
    assert list(runs) == ["BUC⁻", "DBC"]
    # merging their features anew goes by the λ of each
    begun = [[{**figures, "separation": None} for figures in cell["stages"][:2]] for cell in runs.values()]
    assert begun[0] == begun[1]
    assert [figures["stage"] for figures in runs["DBC"]["stages"]] == ["init", 0, 1]
    models = [Path(cell["run"]) / "stage-00/model/v1.zarr/memory/zarr.json" for cell in runs.values()]
    assert models[0].samefile(models[1])
    features = run / "stage-init/features/v1.zarr/pooled/zarr.json"
    assert features.samefile(Path(runs["DBC"]["run"]) / "stage-init/features/v1.zarr/pooled/zarr.json")
    rows = csv.DictReader(Path("table.csv").read_text().splitlines())
    assert {row["at"] for row in rows} == {"stage init", "stage 0", "best", "last", "auto"}
    assert "| DBC | best |" in Path("t.md").read_text()
    assert all(Path(picture).is_file() for picture in first.json["pictures"])
    made = snapshot(Path(runs["DBC"]["run"]))
    second = dbc(*arguments, "--overwrite", "--json")
    assert second.json["runs"] == first.json["runs"]
    assert snapshot(Path(runs["DBC"]["run"])) == made
    folders = [Path(cell["run"]) for cell in first.json["runs"]] + [*(run / "shared").iterdir()]
    assert not [path for folder in folders for path in kept_whitenings(folder)]


def test_the_penalties_of_an_ablation_make_a_difference_under_the_default_recipe(dbc: Dbc, run: Path) -> None:
    merging = ["--merge-percent", "0.2", "--stages", "3", "--merge-only", "--buc-lambda", "0.5", "--lambda", "2"]
    ablated = dbc("ablate", *merging, "--run", run, "--json")
    assert ablated.status == 0, ablated.err
    labels = {
        cell["setting"]["variant"]: RunDirectory(Path(cell["run"])).require("clusters", 3).read("labels").tolist()
        for cell in ablated.json["runs"]
    }
    assert labels["DBC"] != labels["DBC⁻"] != labels["BUC"] != labels["BUC⁻"]


def test_a_sweep_runs_every_combination_and_merging_alone_trains_nothing(dbc: Dbc, run: Path) -> None:
    merging = ["--merge-percent", "0.25", "--stages", "1", "--merge-only", "--run", run]
    result = dbc("sweep", "--lambda", "0,0.5", "--metric", "sqeuclidean,euclidean", *merging, "--json")
    assert result.status == 0, result.err
    settings = [cell["setting"] for cell in result.json["runs"]]
    assert [(s["lambda"], s["metric"]) for s in settings] == [
        (value, metric) for value in (0.0, 0.5) for metric in ("sqeuclidean", "euclidean")
    ]
    folder = run / "sweep-merge-only" / "lambda-0.5_metric-euclidean"
    assert (folder / "stage-01" / "clusters").is_dir()
    assert not list(folder.glob("stage-0*/model"))
    maps = {figures["mAP"] for cell in result.json["runs"] for figures in cell["stages"]}
    assert len(maps) == 1


def test_runs_of_a_sweep_end_as_a_run_of_their_own_does(dbc: Dbc, run: Path) -> None:
    merging = ["--merge-percent", "0.25", "--stages", "1", "--merge-only", "--run", run]
    found = dbc("sweep", "--n-clusters", "auto,5", *merging, "--json").json
    ends = [[row["n_clusters"] for row in result["stages"]] for result in found["runs"]]
    assert ends[1] == [16, 12, 5]
    auto = RunDirectory(run / "sweep-merge-only" / "n-clusters-auto").require("clusters", 2)
    assert len(set(auto.read("labels").tolist())) == ends[0][-1]
    assert len(ends[0]) == 3


def test_merging_alone_takes_no_features_of_a_stage_0_that_the_run_has_trained(dbc: Dbc, run: Path) -> None:
    assert dbc("train", "--stage", "0", "--epochs", "1", "--run", run).status == 0
    assert dbc("extract", "--run", run).status == 0
    merging = ["--merge-percent", "0.25", "--stages", "1", "--merge-only", "--run", run]
    result = dbc("sweep", "--lambda", "0,0.5", *merging, "--json")
    assert result.status == 0, result.err
    assert not list((run / "sweep-merge-only").glob("*/stage-00"))
    assert len({figures["mAP"] for cell in result.json["runs"] for figures in cell["stages"]}) == 1


def test_merging_alone_gives_what_the_single_commands_give(dbc: Dbc, run: Path) -> None:
    dbc("sweep", "--lambda", "0,0.5", "--merge-percent", "0.25", "--stages", "2", "--merge-only", "--run", run)
    for stage in (1, 2):
        assert dbc("merge", "--stage", stage, "--lambda", "0.5", "--merge-percent", "0.25", "--run", run).status == 0
    swept = dbc("status", "--run", run / "sweep-merge-only" / "lambda-0.5", "--json").json
    plain = dbc("status", "--run", run, "--json").json
    ids = [
        {artifact["id"] for artifact in found["artifacts"] if "/clusters/" in artifact["artifact"]}
        for found in (swept, plain)
    ]
    assert ids[0] == ids[1] != set()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["sweep", "--lambda", "0.1"], "at least one flag must be a list of two values or more"),
        (["sweep", "--lambda", "0,x"], "--lambda must be numbers, separated by commas, got 'x' in '0,x'"),
        (
            ["sweep", "--metric", "cosine,l3"],
            "--metric must be some of sqeuclidean, euclidean, cosine, jaccard, separated by commas, got 'l3' in 'cosine,l3'",
        ),
        (
            ["sweep", "--eps", "0.4,0.5"],
            "--eps 0.4,0.5 has no effect: it needs --clusterer dbscan; leave it out, or all runs",
        ),
        (
            ["sweep", "--epochs", "1,2", "--merge-only"],
            "--epochs 1,2 has no effect: it needs no --merge-only; leave it",
        ),
        (
            ["ablate", "--variants", "dbc", "--methods", "dbc"],
            "--variants and --methods compare different things; give one",
        ),
        (["sweep", "--lambda", "0,1", "--jobs", "0"], "--jobs must be at least 1, got 0"),
        (["ablate", "--seeds", "0,one"], "--seeds must be whole numbers, separated by commas, got 'one' in '0,one'"),
        (["ablate", "--seeds", "0,-1"], "--seeds must be at least 0, got -1"),
        (["ablate", "--variants", "dcb"], f"--variants must be some of {','.join(VARIANTS)}, got 'dcb'"),
        (["run", "--stop", "auto", "--patience", "0"], "--patience must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(dbc: Dbc, run: Path, arguments: list[str], line: str) -> None:
    result = dbc(*arguments, "--run", run)
    assert result.status == 2
    assert line in result.line


def test_a_dry_run_names_the_runs_and_makes_none(dbc: Dbc, run: Path) -> None:
    result = dbc("sweep", "--lambda", "0,0.1", "--seed", "3,4", "--dry-run", "--run", run, "--json")
    assert len(result.json["would_run"]) == 4
    assert not (run / "sweep").exists()
    assert not (run / "shared").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["ablate", "--merge-percent", "5e-324"], "makes no merge among"),
        (["ablate", "--seeds", "9" * 20], f"--seeds must be at most {2**63 - 1}, got {'9' * 20}"),
        (["sweep", "--lambda", "0,1", "--csv", "missing/t.csv"], "--csv must be a file in a folder that exists"),
    ],
)
def test_a_dry_run_refuses_what_the_real_one_does(dbc: Dbc, run: Path, arguments: list[str], line: str) -> None:
    result = dbc(*arguments, "--dry-run", "--run", run)
    assert result.status == 2
    assert line in result.line


def test_a_recipe_that_is_swept_brings_its_own_merging_and_a_flag_goes_before_it(tmp_path: Path) -> None:
    given = {"recipe": "auto,tuned", "whiten": "0.5,2", "camera": "ignored,centring", "criterion": "dbc,buc"}
    cells = cells_of(Given(tmp_path, given))
    assert len({cell.name for cell in cells}) == len(cells) == 16
    for cell in cells:
        tuned = cell.setting["recipe"] == "tuned"
        merge = cell.plan.merge
        assert cell.plan.train["recipe"] == cell.setting["recipe"]
        assert merge.update == ("exact" if tuned and merge.criterion == "dbc" else "stale")
        assert merge.intra_normalizer == ("n2" if tuned and merge.criterion == "dbc" else "n")
        assert merge.whiten == cell.plan.evaluate.whiten == cell.plan.train["whiten"] == cell.setting["whiten"]
        assert merge.camera == cell.setting["camera"]
    ridges = [cell.plan.merge.whiten for cell in cells_of(Given(tmp_path, {"recipe": "auto,tuned", "lambda_": "0.1"}))]
    assert ridges == [0, 3]


def test_select_and_plot_tell_of_the_same_stage(dbc: Dbc, run: Path) -> None:
    for stage in (1, 2, 3):
        assert dbc("merge", "--stage", stage, "--merge-percent", "0.2", "--run", run).status == 0
        assert dbc("eval", "--stage", stage, "--run", run).status == 0
    chosen = dbc("select", "--run", run, "--json").json
    assert [row["stage"] for row in chosen["stages"]] == ["init", 1, 2, 3]
    best = max(chosen["stages"][1:], key=lambda row: row["cluster-silhouette"])
    assert chosen["rule"] == "across-cameras"
    assert chosen["chosen"] == chosen["by_rule"]["across-cameras"]
    assert chosen["by_rule"]["cluster-silhouette"] in ("init", best["stage"])
    by_silhouette = dbc("select", "--rule", "silhouette", "--run", run).out
    assert f"chosen without identities: stage {chosen['by_rule']['silhouette']}, " in by_silhouette
    assert "has the best silhouette" in by_silhouette
    assert by_silhouette.strip().endswith(chosen["verdict"])
    assert (chosen["training_helped"], chosen["warnings"]) == (None, [])
    # another evaluation is told, in the picture too, until the first is asked for again
    assert dbc("eval", "--stage", "3", "--camera", "ignored", "--whiten", "0").status == 0
    warned = dbc("plot", "--out", "pictures", "--json")
    assert warned.json["chosen"] == chosen["chosen"]
    assert [Path(picture).suffix for picture in warned.json["pictures"]] == [".png", ".svg"]
    assert "evaluated with different --whiten, --camera: do not compare" in warned.err
    assert "do not compare their figures" in Path("pictures/run.svg").read_text()
    assert dbc("eval", "--stage", "3").status == 0
    told = dbc("plot", "--out", "pictures", "--overwrite")
    assert "the figures of dbc eval with --whiten 3.0, --camera auto are shown" in told.err
    assert "do not compare" not in told.err + Path("pictures/run.svg").read_text()


def test_select_reads_nothing_that_tells_who_is_who(dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.runs.store import Artifact

    assert dbc("merge", "--merge-percent", "0.25", "--run", run).status == 0
    read: list[str] = []
    plain = Artifact.read
    monkeypatch.setattr(Artifact, "read", lambda artifact, name: read.append(name) or plain(artifact, name))
    assert dbc("select", "--run", run).status == 0
    # nor merges: these cameras took few pictures, so that it is not asked what they joined
    assert set(read) == {"pooled", "split", "labels", "camid"}


def test_a_run_that_spoils_its_features_ends_with_a_line_that_says_so(dbc: Dbc, run: Path) -> None:
    spoiling = [
        "--learning-rate",
        "2",
        "--backbone-rate",
        "1",
        "--epochs",
        "3",
        "--batch-size",
        "8",
        "--recipe",
        "paper",
    ]
    ran = dbc("run", "--merge-percent", "0.25", "--stages", "2", *spoiling, "--run", run, "--json")
    assert ran.status == 0, ran.err
    told = dbc("select", "--run", run, "--json").json
    same = ("chosen", "training_helped", "clusters_stage", "trust")
    assert [ran.json[name] for name in same] == [told[name] for name in same]
    # so few pictures may not tell
    assert ran.json["training_helped"] in (None, told["chosen"] != "init")
    assert " without identities: " in ran.json["verdict"]
    assert " mAP with the known identities " in ran.json["verdict"]
    assert " mAP " not in told["verdict"]
    assert ran.json["warnings"] == told["warnings"]
    for warning in ran.json["warnings"]:
        assert f"warning: {warning}" in ran.err
    again = dbc("run", "--merge-percent", "0.25", "--stages", "2", *spoiling, "--run", run)
    assert ran.json["verdict"] in again.out.splitlines()


def test_features_that_are_handed_on_are_whitened_once(dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import stages.features.prepared

    for stage in (1, 2, 3):
        command = ["merge", "--stage", stage, "--merge-percent", "0.2", "--camera", "ignored"]
        command += ["--whiten", "2" if stage < 3 else "1"]
        assert dbc(*command, "--run", run).status == 0
    plain, applied = stages.features.prepared.whitened, []

    def noted(rows: object, whitening: object) -> object:
        applied.append(whitening)
        return plain(rows, whitening)  # type: ignore[arg-type]

    monkeypatch.setattr(stages.features.prepared, "whitened", noted)
    rows = dbc("select", "--run", run, "--json").json["stages"]
    assert dbc("select", "--run", run, "--json").json["stages"] == rows
    assert len(applied) == 1
    monkeypatch.setattr("stages.loop.choice.stage.read_measures", lambda *_: None)
    monkeypatch.setattr(
        "stages.loop.choice.stage.Compared.read", lambda _, *given: stages.features.prepared.prepared(*given)
    )
    assert dbc("select", "--run", run, "--json").json["stages"] == rows
    assert len(applied) == 1 + 5


def test_stages_that_were_merged_otherwise_are_measured_alike(dbc: Dbc, run: Path) -> None:
    def merged(stage: int, *otherwise: str) -> None:
        assert dbc("merge", "--stage", stage, "--merge-percent", "0.2", "--run", run, *otherwise).status == 0

    for stage in (1, 2):
        merged(stage)
    alike = dbc("select", "--run", run, "--json")
    assert "measured as" not in alike.err
    # features that nothing was trained between have one score, whatever the merges of their stages
    merged(2, "--lambda", "0.9", "--whiten", "0.5")
    told = dbc("select", "--run", run, "--json")
    assert [row["separation"] for row in told.json["stages"]] == [row["separation"] for row in alike.json["stages"]]
    assert "No stage was trained" in told.json["verdict"]
    assert "stage 2 was merged with another value of --whiten and --lambda than the first merge" in told.err
    merged(2)
    merged(1, "--lambda", "0.9", "--whiten", "0.5")
    first = {row["separation"] for row in dbc("select", "--run", run, "--json").json["stages"]}
    assert len(first) == 1
    assert first != {row["separation"] for row in alike.json["stages"]}
    merged(1)
    assert dbc("select", "--run", run, "--json").json["stages"] == alike.json["stages"]


def test_what_no_score_depends_on_is_no_other_merge(dbc: Dbc, run: Path) -> None:
    def merged(stage: int, *words: str) -> None:
        assert dbc("merge", "--stage", stage, "--run", run, *words).status == 0

    def scores() -> list[float]:
        told = dbc("select", "--run", run, "--json")
        assert ("measured as" in told.err) == is_told
        return [row["separation"] for row in told.json["stages"]]

    is_told = False
    merged(1, "--whiten", "0.5", "--clusterer", "hdbscan", "--min-samples", "2")
    # of cameras with so few pictures there is no penalty, which merges would have and HDBSCAN has not
    merged(2, "--whiten", "0.5", "--merge-percent", "0.2", "--camera", "ignored")
    alike = scores()
    # nor is a correction a merge, whatever it is told
    dataset = RunDirectory(run).require("dataset")
    train = dataset.read("path")[dataset.read("split") == TRAIN]
    (run / "constraints.csv").write_text(f"path_a,path_b,answer\n{train[0]},{train[-1]},same\n")
    for stage in (2, 1):
        merged(stage, "--start", "reviewed", "--whiten", "7")
        assert scores() == alike
    is_told = True
    merged(2, "--merge-percent", "0.2")
    assert scores() == alike


def test_select_and_plot_need_something_to_show(dbc: Dbc, run: Path) -> None:
    assert "no clusters found; make them with: dbc merge" in dbc("select", "--run", run).line
    assert "no metrics found; make them with: dbc eval" in dbc("plot", "--run", run).line


def test_a_run_stops_once_stages_are_no_better_and_names_the_best(
    dbc: Dbc, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.loop.choice.measures import StageMeasures

    def falling(_: object, stage: int, **__: object) -> StageMeasures:
        score = 1.0 / stage if stage > 0 else 0.1
        return StageMeasures(stage, 10, 0.0, 0.5, score, separation=score)

    monkeypatch.setattr("stages.loop.watching.measure_stage", falling)
    arguments = ["run", *NETWORK, "--merge-percent", "0.1", "--epochs", "1", "--run", run, "--json"]
    result = dbc(*arguments, "--stop", "auto", "--patience", "2")
    assert result.status == 0, result.err
    assert [row["stage"] for row in result.json["stages"]] == ["init", 0, 1, 2, 3]
    assert result.json["chosen"] == 1
    assert result.json["reason"] == "stage 1, 10 clusters, has the best separation, 1.000"
    untrained = [*arguments, "--epochs", "0", "--stop", "auto", "--patience", "2"]
    assert [row["stage"] for row in dbc(*untrained).json["stages"]] == ["init", 0, 1, 2, 3]
    ended = dbc(*arguments[:-1], "--stop", "auto", "--stages", "1").out
    assert "chosen without identities: stage 1, 10 clusters, has the best separation, 1.000; it is the last" in ended
    unmeasured = [*arguments[:-1], "--stop", "auto", "--stages", "0"]
    for none_measured in (dbc(*unmeasured), dbc(*unmeasured, "--seed", "7", "--force", "--dry-run")):
        assert none_measured.status == 0, none_measured.err
        assert "chosen" not in none_measured.out
        assert "dbc select" not in none_measured.out
    told = dbc(*unmeasured, "--json").json
    assert (told["chosen"], told["reason"]) == (None, None)


def test_what_another_extraction_gained_is_not_laid_to_training(dbc: Dbc, run: Path) -> None:
    short = ["--epochs", "1", "--batch-size", "4", "--learning-rate", "1e-7", "--silhouette-above", "-1", "--run", run]
    assert dbc("extract", "--stage", "init", "--no-flip", "--run", run).status == 0
    assert dbc("train", "--stage", "0", *short).status == 0
    told = (
        "stage init was extracted with --no-flip, stage 0 with --flip: the difference of their figures is not that of "
        "training alone"
    )
    assert told in dbc("extract", "--stage", "0", "--run", run).err
    assert dbc("merge", "--stage", "1", "--merge-percent", "0.2", "--run", run).status == 0
    assert dbc("train", "--stage", "1", *short).status == 0
    again = dbc("extract", "--stage", "1", "--batch-size", "8", "--run", run)
    assert "was extracted with" not in again.err
    assert told in dbc("eval", "--stage", "0", "--run", run).err
    chosen = dbc("select", "--run", run, "--json").json
    assert chosen["training_helped"] is None
    assert "Whether training helped cannot be told: " in chosen["verdict"]
    assert "but features were extracted with another --flip" in chosen["verdict"]
    assert [note for note in chosen["notes"] if "the features of stage 0 were extracted with another value of" in note]
    assert "were extracted with another value of --flip" in dbc("plot", "--run", run).err


def test_a_model_that_is_gone_leaves_curves_and_other_stages(dbc: Dbc, run: Path) -> None:
    for stage in (0, 1):
        assert dbc("train", "--stage", stage, "--epochs", "0", "--run", run).status == 0
        assert dbc("extract", "--stage", stage, "--run", run).status == 0
        before = ["--from-stage", "init"] if stage else []
        assert dbc("merge", "--stage", stage + 1, "--merge-percent", "0.2", *before, "--run", run).status == 0
        assert dbc("eval", "--stage", stage, "--run", run).status == 0
    shutil.rmtree(run / "stage-01" / "model")
    drawn = dbc("plot", "--run", run, "--json")
    assert (drawn.status, drawn.json["stages"], drawn.json["chosen"]) == (0, 2, None)
    assert "no stage is chosen, because not all can be measured: " in drawn.err
    told = "that a later artifact was made from is missing; restore it or make it again"
    for command, whole in (
        ("select", "or look at one that is whole: dbc report"),
        ("report", "or name a stage that is whole:"),
    ):
        refused = dbc(command, "--run", run)
        assert refused.status == 1
        assert told in refused.line
        assert refused.line.endswith(f"; {whole} --stage 2")
    assert dbc("report", "--stage", "2", "--run", run).status == 0
