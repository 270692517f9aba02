"""Tables of compared runs: which stage is told of, and mean and deviation over seeds."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.choices import CLUSTERERS
from schemas.parameters import EvaluateParameters, ExtractParameters, MergeParameters
from schemas.recipes import VARIANTS, merging_of
from stages.compare.ablation import ablation_cells, asked_lambda, clusterer_cells, method_cells
from stages.compare.cells import Cell, CellResult, unlike
from stages.compare.grid import combinations, folder_name
from stages.compare.history import evaluated_otherwise
from stages.compare.outcomes import (
    before_and_after_merges,
    by_value,
    chosen_by_label,
    label_of,
    last_lines,
    lines,
    lopsided,
    meanings,
    stage_at,
)
from stages.compare.text import comma_separated, latex, markdown, table_cells
from stages.errors import UsageError
from stages.loop.plan import Plan


def stage(number: int, *, mAP: float | None, ari: float | None) -> dict[str, Any]:
    ranks = dict.fromkeys(("rank1", "rank5", "rank10"), mAP)
    return {"stage": number, "n_clusters": 100 - 10 * max(number, 0), **ranks, "mAP": mAP, "ari": ari}


def result(
    setting: dict[str, Any], mAP: list[float | None], ari: list[float | None], chosen: int | None = 1
) -> CellResult:
    stages = [stage(number, mAP=m, ari=a) for number, (m, a) in enumerate(zip(mAP, ari, strict=True), start=-1)]
    return CellResult("cell", setting, tuple(stages), chosen, {}, 1.0)


def test_best_is_by_map_then_by_ari_then_the_earlier_and_never_before_the_first_merge() -> None:
    one = result({}, [0.9, 0.9, 0.2, 0.5, 0.4], [0.0, 0.0, 0.3, 0.1, 0.2])
    assert [stage_at(one, at)["stage"] for at in ("best", "last", "auto")] == [2, 3, 1]  # type: ignore[index]
    flat = result({}, [0.4] * 5, [0.0, 0.0, 0.1, 0.3, 0.3])
    assert stage_at(flat, "best")["stage"] == 2  # type: ignore[index]
    unknown = result({}, [None] * 5, [0.0, 0.0, 0.1, 0.3, 0.2])
    assert stage_at(unknown, "best")["stage"] == 2  # type: ignore[index]
    below_chance = result({}, [None] * 4, [0.0, 0.0, -0.1, 0.0])
    assert stage_at(below_chance, "best")["stage"] == 2  # type: ignore[index]
    nothing = result({}, [None] * 5, [None] * 5, chosen=None)
    assert stage_at(nothing, "best")["stage"] == 1  # type: ignore[index]
    assert stage_at(nothing, "auto") is None
    assert stage_at(result({}, [0.1, 0.2], [0.0, 0.0]), "last") is None


def test_seeds_are_put_together_as_mean_and_sample_deviation() -> None:
    values = [0.2, 0.4, 0.9]
    seeds = [result({"lambda": 0.1, "seed": seed}, [0.1, 0.1, v], [0.0, 0.0, v]) for seed, v in enumerate(values)]
    found = {(line.at, line.setting.get("lambda")): line for line in lines(seeds)}
    assert set(found) == {("stage init", None), ("stage 0", None), ("best", 0.1), ("last", 0.1), ("auto", 0.1)}
    spread = found["last", 0.1].metrics["mAP"]
    assert (spread.mean, spread.deviation, spread.n) == (statistics.fmean(values), statistics.stdev(values), 3)
    for text in (markdown(lines(seeds)), latex(lines(seeds))):
        assert text.endswith("; mean ± standard deviation (n − 1) of 3 seeds\n")
    assert meanings(last_lines(seeds)) == "mean ± standard deviation (n − 1) of 3 seeds"
    assert meanings(last_lines(seeds[:1])) == ""
    # what seeds share is one, and has no spread
    start = found["stage init", None].metrics["mAP"]
    assert (start.deviation, start.n) == (None, 1)


def test_the_initial_stage_is_no_number_in_a_mean_of_stages() -> None:
    seeds = [result({"seed": seed}, [0.2, 0.4, 0.9], [0.0] * 3, chosen) for seed, chosen in enumerate((-1, 1))]
    found = {line.at: line for line in lines(seeds)}
    assert found["auto"].metrics["stage"].mean is None
    assert found["auto"].metrics["n_clusters"].mean == 95
    assert found["last"].metrics["stage"].mean == 1


def test_settings_that_do_not_begin_alike_have_a_start_of_their_own() -> None:
    swept = [
        result({"recipe": recipe, "seed": seed}, [0.1, began, 0.5], [0.0] * 3)
        for recipe, began in (("auto", 0.2), ("tuned", 0.4))
        for seed in (0, 1)
    ]
    starts = [line for line in lines(swept) if line.at.startswith("stage")]
    assert [(line.at, line.setting.get("recipe"), line.metrics["mAP"].mean) for line in starts] == [
        ("stage init", None, 0.1),
        ("stage 0", "auto", 0.2),
        ("stage 0", "tuned", 0.4),
    ]
    assert [line.metrics["mAP"].n for line in starts] == [1, 1, 1]


def test_a_line_for_all_settings_leaves_out_what_they_differ_in() -> None:
    swept = [
        result({"lambda": value, "seed": seed}, [0.1, 0.2, 0.5], [0.0] * 3) for value in (0.1, 5.0) for seed in (0, 1)
    ]
    for each in swept:
        each.stages[0]["separation"] = 0.2 + each.setting["lambda"]
        each.stages[1]["separation"] = 0.3 + each.setting["seed"]
    starts = [line for line in lines(swept) if line.at.startswith("stage")]
    assert [(line.at, dict(line.setting)) for line in starts] == [("stage init", {}), ("stage 0", {})]
    assert [line.metrics["separation"].mean for line in starts] == [None, 0.8]
    assert [line.metrics["mAP"].mean for line in starts] == [0.1, 0.2]
    rows = list(csv.DictReader(io.StringIO(comma_separated(lines(swept)))))
    assert [row["separation"] for row in rows[:2]] == ["", "0.8"]


def test_without_identities_silhouettes_are_shown_and_no_stage_is_best() -> None:
    unknown = result({"lambda": 0.0}, [None] * 4, [None] * 4, chosen=2)
    measured = {
        -1: {},
        0: {"separation": 0.1},
        1: {"separation": 0.2},
        2: {"separation": 0.3, "cluster_silhouette": 0.25},
    }
    told = replace(unknown, stages=tuple({**row, **measured[row["stage"]]} for row in unknown.stages))
    text = markdown(lines([told]))
    assert text.startswith("| lambda | at | stage | clusters | silhouette | separation |\n")
    assert "| 0 | auto | 2 | 80 | 0.250 | 0.300 |" in text
    assert "|  | stage 0 | 0 | 100 | – | 0.100 |" in text
    assert "best" not in text


def test_one_seed_has_no_deviation_and_unknown_figures_are_dashes() -> None:
    text = markdown(lines([result({"lambda": 0.0}, [None, None, None], [0.0, 0.0, 0.25])]))
    assert "| stage init | init |" in text
    assert "| 0 | last | 1 | 90 | – | – | – | – | 0.250 |" in text
    assert "±" not in text
    table, told = text.split("\n\n")
    assert len({line.count("|") for line in table.splitlines()}) == 1
    assert told.startswith("best: the stage from 1 on with the best mAP, as known identities say; last:")


def test_latex_has_the_same_cells_and_escapes_what_it_would_take_otherwise() -> None:
    told = [result({"recipe": r"a_b\c%"}, [0.1, 0.2, 0.3], [0.0, 0.0, 0.25])]
    head, *rows = [row.split(" & ") for row in latex(lines(told)).splitlines() if row.endswith(r"\\")]
    assert [head[0], rows[-1][0]] == ["recipe", r"a\_b\textbackslash{}c\%"]
    cells, _ = table_cells(lines(told))
    assert {len(row) for row in (head, *rows)} == {len(cells)}
    assert latex(lines(told)).startswith(r"\begin{tabular}{ll" + "r" * (len(cells) - 2) + "}\n\\hline\n")


def test_csv_holds_the_same_figures_in_full() -> None:
    seeds = [result({"variant": "DBC", "seed": seed}, [0.1, 0.1, 0.1 + seed / 3], [0.0] * 3) for seed in (0, 1)]
    rows = list(csv.DictReader(io.StringIO(comma_separated(lines(seeds)))))
    assert [row["at"] for row in rows] == ["stage init", "stage 0", "best", "last", "auto"]
    assert float(rows[2]["mAP"]) == pytest.approx(0.1 + 1 / 6)
    assert float(rows[2]["mAP_std"]) == pytest.approx(statistics.stdev([0.1, 0.1 + 1 / 3]))
    assert rows[2]["variant"] == "DBC"
    assert [(row["stage"], row["n_clusters"]) for row in rows] == [("init", "100"), ("0", "100"), *[("1", "90")] * 3]


def test_clusters_of_which_one_holds_half_of_the_samples_are_told() -> None:
    shares = {"dbc": (0.4, 0.1), "dbscan": (0.2, 0.75)}
    found = []
    for clusterer, largest in shares.items():
        one = result({"clusterer": clusterer, "seed": 0}, [0.1] * 4, [0.0] * 4)
        shares_of_stages = zip(one.stages, (0.01, 0.01, *largest), strict=True)
        found.append(replace(one, stages=tuple({**row, "largest_share": share} for row, share in shares_of_stages)))
    (told,) = lopsided(found)
    assert told.startswith("clusterer dbscan: the largest of 80 clusters holds 75% of the samples at stage 2")
    assert told.endswith("a smaller `eps` joins less")


def test_means_over_stages_before_and_after_the_first_merge_are_told() -> None:
    by_lambda = {0.1: (0, 2), 0.2: (1, 2), 0.3: (0, 0)}
    found = [
        result({"lambda": value, "seed": seed}, [0.1] * 4, [0.0] * 4, chosen)
        for value, stages in by_lambda.items()
        for seed, chosen in enumerate(stages)
    ]
    (told,) = before_and_after_merges(found)
    assert told.startswith(
        "lambda 0.1: dbc select chose stages 0, 2, by seed, so means at auto are over single samples"
    )


def test_curves_by_value_have_a_line_for_whatever_else_was_swept() -> None:
    swept = [
        result({"lambda": value, "metric": metric, "seed": seed}, [0.1, 0.1, value], [0.0] * 3)
        for value in (0.0, 0.5)
        for metric in ("cosine", "euclidean")
        for seed in (0, 1)
    ]
    found = by_value(swept, "lambda", "mAP")
    # one of best, last and auto: all of them could not be told apart
    assert found["metric cosine, auto"] == [(0.0, 0.0, 0.0), (0.5, 0.5, 0.0)]
    assert len(found) == 2
    alone = by_value([one for one in swept if one.setting["metric"] == "cosine"][:2], "metric", "mAP")
    assert "lambda 0, auto" in alone
    single = [replace(one, setting={"lambda": one.setting["lambda"]}) for one in swept[::4]]
    assert list(by_value(single, "lambda", "mAP")) == ["best", "last", "auto"]


def test_a_choice_is_shown_where_all_seeds_agree() -> None:
    agreed = [result({"variant": "DBC", "seed": s}, [0.1] * 4, [0.0] * 4, chosen=2) for s in (0, 1)]
    torn = [result({"variant": "BUC", "seed": s}, [0.1] * 4, [0.0] * 4, chosen=1 + s) for s in (0, 1)]
    assert chosen_by_label([*agreed, *torn]) == {"DBC": 2}


def test_combinations_are_all_of_them_and_their_folders_differ() -> None:
    lists = {"lambda": [0.0, 0.1], "seed": [0, 1, 2], "weights": ["a/b", "a-b"]}
    found = combinations(lists)
    assert len(found) == 12
    assert found[0] == {"lambda": 0.0, "seed": 0, "weights": "a/b"}
    assert folder_name({"lambda": 0.1, "seed": 0}) == "lambda-0.1_seed-0"
    assert combinations({}) == [{}]
    assert label_of({"variant": "DBC", "lambda": 0.1, "seed": 3}) == "DBC, lambda 0.1"


def test_an_ablation_changes_the_criterion_and_nothing_else(plan: Plan) -> None:
    cells = ablation_cells(plan, variants=tuple(VARIANTS), seeds=(0, 7), lambda_=0.2, buc_lambda=None)
    assert len({cell.name for cell in cells}) == len(cells) == 2 * len(VARIANTS)
    merges = {cell.setting["variant"]: cell.plan.merge for cell in cells}
    named = {name: merges[VARIANTS[name][0]] for name in ("buc-", "buc", "dbc-", "dbc", "dbc-exact")}
    assert [merge.lambda_ for merge in named.values()] == [0, 0.005, 0, 0.2, 0.2]
    assert [merge.update for merge in named.values()] == ["union", "union", "union", "union", "exact"]
    # of a criterion that was added
    assert asked_lambda("mean-and-size", 0.3, 0.7) == 0.3
    for cell in cells:
        assert cell.plan.train["seed"] == cell.plan.initial["seed"] == cell.setting["seed"]
        assert cell.plan.merge.merge_percent == plan.merge.merge_percent
    with pytest.raises(UsageError, match=f"`variants` must be some of {','.join(VARIANTS)}, got 'dcb'"):
        ablation_cells(plan, variants=("dcb",), seeds=(0,), lambda_=None, buc_lambda=None)
    near = replace(plan, merge=plan.merge.model_copy(update={"metric": "jaccard"}))
    with pytest.raises(
        UsageError, match=r"`metric='jaccard'` needs `criterion='dbc'`, .* or leave buc- out of `variants`"
    ):
        ablation_cells(near, variants=("dbc", "buc-"), seeds=(0,), lambda_=None, buc_lambda=None)


def test_clusterers_are_compared_in_one_loop_and_what_cannot_go_together_is_refused(plan: Plan) -> None:
    cells = clusterer_cells(plan, clusterers=("dbc", "dbscan", "finch"), seeds=(0, 7))
    assert [cell.name for cell in cells[2:4]] == ["ablate/clusterer-dbscan-seed0", "ablate/clusterer-dbscan-seed7"]
    assert [cell.plan.merge.clusterer for cell in cells[::2]] == ["dbc", "dbscan", "finch"]
    assert {cell.plan.merge.model_copy(update={"clusterer": "dbc"}) for cell in cells} == {plan.merge}
    with pytest.raises(UsageError, match=f"`clusterers` must be some of {','.join(CLUSTERERS)}, got 'kmeans'"):
        clusterer_cells(plan, clusterers=("kmeans",), seeds=(0,))
    penalised = replace(plan, merge=plan.merge.model_copy(update={"camera": "penalty"}))
    with pytest.raises(
        UsageError, match=r"`camera='penalty'` needs `clusterer='dbc'`.* leave finch out of `clusterers`"
    ):
        clusterer_cells(penalised, clusterers=("dbc", "finch"), seeds=(0,))


@pytest.fixture
def plan() -> Plan:
    from schemas.parameters import EvaluateParameters, ExtractParameters, MergeParameters

    merge = MergeParameters(merge_percent=0.2, update="union")
    return Plan(merge=merge, extract=ExtractParameters(), evaluate=EvaluateParameters())


def test_weights_of_another_run_are_told(tmp_path: Path, plan: Plan) -> None:
    plans = {"pul": plan, "tuned": replace(plan, initial={"weights": str(tmp_path)}), "dgm": plan, "oim": plan}
    told = {cell.name: cell.setting["knows"] for cell in method_cells(plans, seeds=[0])}
    without = [cell.setting["knows"] for cell in method_cells(plans, seeds=[0], has_cameras=False)]
    assert not [knows for knows in without if knows.startswith("cameras") and knows != "cameras and tracklets"]
    assert told["baseline/pul-seed0"] == "how many individuals"
    assert told["baseline/oim-seed0"] == "nothing"
    assert told["baseline/tuned-seed0"] == "cameras, weights of another run"
    assert told["baseline/dgm-seed0"] == "cameras and tracklets"
    begun = method_cells({"pul": plan, "dbc-source": plan}, seeds=[0], on_source=["pul", "dbc-source"])
    assert [cell.setting["knows"] for cell in begun] == [
        "how many individuals, a labelled other set",
        "cameras, a labelled other set",
    ]
    assert all(cell.begins_on_source for cell in begun)


def test_stages_that_were_evaluated_otherwise_are_told() -> None:
    def metrics(ari: float | None = 0.5, **parameters: Any) -> Any:
        return SimpleNamespace(summary=SimpleNamespace(ari=ari, mAP=None), parameters=EvaluateParameters(**parameters))

    plain = metrics()
    assert evaluated_otherwise([]) is evaluated_otherwise([plain, plain]) is None
    told = evaluated_otherwise([plain, metrics(rerank=True, ids_digest="1"), plain])
    assert told is not None
    assert "with different `rerank`, `ids`: do not compare" in told
    # stages without figures by identities have none that misleads beside those of the one
    assert evaluated_otherwise([metrics(ari=None), metrics(ids_digest="1")]) is None


def test_runs_say_what_they_merge_by_beside_what_tables_call_them() -> None:
    def cells(settings: list[dict[str, Any]], **merging: Any) -> list[Cell]:
        found = []
        for setting in settings:
            fields = merging_of("tuned", criterion=setting.get("criterion", "dbc"), update=setting.get("update"))
            merge = MergeParameters(**fields | setting | merging)
            found.append(Cell("cell", Plan(merge, ExtractParameters(), EvaluateParameters()), setting))
        return found

    both: list[dict[str, Any]] = [{"criterion": "dbc"}, {"criterion": "buc"}]
    begun, by_camera = unlike(cells(both), n_cameras=2)
    assert "differ in `start` (singletons, previous) and `update` (exact, stale), too" in begun
    assert "`camera='ignored'` compares criteria without" in by_camera
    assert unlike(cells(both), n_cameras=0) == [begun]
    assert unlike(cells(both, camera="ignored", start="singletons", update="exact"), n_cameras=2) == []
    (begun,) = unlike(cells([{"update": "exact"}, {"update": "stale"}]), n_cameras=2)
    assert "differ in `start` (singletons, previous), too" in begun
    assert unlike(cells([{"lambda_": 0.0}, {"lambda_": 0.1}]), n_cameras=2) == []
