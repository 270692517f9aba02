"""Sheets of curves: what is drawn is what was given, and the files are what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.compare.plots.curves import against_clusters, against_stage, against_value
from stages.compare.plots.panels import COLOURS, save
from stages.compare.plots.sheets import comparison_sheet, run_sheet, value_sheet
from stages.errors import DbcError


def stages(shift: float = 0.0, *, last: int = 4) -> list[dict[str, Any]]:
    return [
        {
            "stage": stage,
            "n_clusters": (100 if last < 5 else 1000) - 20 * max(stage, 0),
            "rank1": 0.5 + shift,
            "mAP": 0.1 * stage + shift,
            "ari": None if stage < 1 else 0.1 * stage,
            "loss": None if stage < 0 else 3.0 - stage,
        }
        for stage in range(-1, last + 1)
    ]


def test_runs_without_identities_are_compared_by_clusters(tmp_path: Path) -> None:
    unknown = [{**row, "rank1": None, "mAP": None, "ari": None} for row in stages()]
    figure = comparison_sheet({"DBC": [unknown]}, title="ablation")
    assert figure.get_suptitle().startswith("ablation (no identities")
    assert len(figure.axes) == 1
    assert comparison_sheet({"DBC": [[{"stage": 1}]]}, title="nothing").axes == []


def test_a_line_is_the_mean_over_seeds_with_their_deviation_where_all_of_them_know_it() -> None:
    panel = against_stage("mAP", {"DBC": [stages(), stages(0.2), stages(0.4, last=2)]}, chosen={"DBC": 1})
    (line,) = panel.series
    assert list(line.x) == [-1, 0, 1, 2]
    assert list(line.y) == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert list(line.deviation) == pytest.approx([0.2] * 4)
    assert list(line.ringed) == [2]
    assert list(against_stage("ari", {"DBC": [stages()]}).series[0].x) == [1, 2, 3, 4]


def test_clusters_fall_from_stage_0_on() -> None:
    panel = against_clusters("mAP", {"DBC": [stages()]})
    assert list(panel.series[0].x) == [100, 80, 60, 40, 20]
    assert panel.is_falling
    assert panel.is_log


def test_numbers_ascend_names_stand_in_the_order_given_and_unknown_figures_are_left_out() -> None:
    panel = against_value("mAP", "lambda", {"best": [(0.5, 0.2, None), (0.01, None, None), (0.0, 0.3, 0.1)]})
    assert list(panel.ticks) == ["0", "0.01", "0.5"]
    assert list(panel.series[0].x) == [0, 2]
    assert list(panel.series[0].y) == [0.3, 0.2]
    assert list(panel.series[0].deviation) == [0.1, 0.0]
    named = against_value("mAP", "metric", {"best": [("sqeuclidean", 0.2, None), ("cosine", 0.3, None)]})
    assert list(named.ticks) == ["sqeuclidean", "cosine"]
    assert (panel.joined, named.joined) == (True, False)


def test_points_of_names_have_bars_and_no_line_and_the_sheet_says_what_they_are() -> None:
    spread = {"last": [("dbc", 0.2, 0.1), ("buc", 0.3, 0.1)]}
    (axes,) = (sheet := value_sheet("criterion", {"mAP": spread}, title="a")).axes
    assert {line.get_linestyle() for line in axes.get_lines()} == {"None"}
    assert sheet.get_suptitle() == "a\nbands and bars: ± one standard deviation over seeds"


def test_pictures_are_written_in_both_formats_the_same_each_time(tmp_path: Path) -> None:
    runs = {f"run {number}": [stages(0.01 * number)] for number in range(2)}
    for folder in ("one", "two"):
        written = save(comparison_sheet(runs, title="runs"), tmp_path / folder / "sheet")
        assert written[0].read_bytes().startswith(b"\x89PNG")
        assert "<svg" in written[1].read_text()
    assert (tmp_path / "one" / "sheet.svg").read_text() == (tmp_path / "two" / "sheet.svg").read_text()


def test_runs_beyond_the_colours_differ_in_their_dashes() -> None:
    runs = {f"run {number}": [stages()] for number in range(len(COLOURS) + 2)}
    lines = comparison_sheet(runs, title="").axes[0].get_lines()
    looks = {(line.get_color(), str(line.get_linestyle())) for line in lines}
    assert len(looks) == len(runs)


def test_a_run_without_identities_or_training_is_drawn_as_far_as_it_goes() -> None:
    bare = [{**figures, "rank1": None, "mAP": None, "ari": None, "loss": None} for figures in stages()]
    figure = run_sheet(bare, title="bare")
    assert [axes.get_title() for axes in figure.axes] == ["clusters by stage"]
    assert figure.get_suptitle() == "bare (no identities: no retrieval figures, no ARI)"
    known = [{**figures, "cluster_silhouette": 0.1 * figures["stage"]} for figures in bare]
    ringed = run_sheet(known, title="bare", chosen=2)
    assert [axes.get_title() for axes in ringed.axes] == ["cluster-silhouette by stage", "clusters by stage"]
    rings = [line for line in ringed.axes[0].get_lines() if line.get_markerfacecolor() == "none"]
    assert [(line.get_xdata(), line.get_ydata()) for line in rings] == [([2], [pytest.approx(0.2)])]
    assert "no identities" not in run_sheet(stages(), title="whole").get_suptitle()
    assert len(run_sheet(stages(), title="whole", chosen=2).axes) == 4
    one = value_sheet("lambda", {"mAP": {"best": [(0.1, 0.3, None)]}}, title="one value")
    assert len(one.axes) == 1


def tick_labels(axes: Any) -> tuple[list[str], list[str]]:
    axes.figure.draw_without_rendering()
    return tuple([t.get_text() for t in axis.get_ticklabels()] for axis in (axes.xaxis, axes.yaxis))  # type: ignore[return-value]


def test_ticks_are_stages_and_counts_however_few_or_many_points_there_are() -> None:
    one = run_sheet(stages(last=0), title="one")
    loss = next(axes for axes in one.axes if axes.get_title() == "loss by stage")
    assert tick_labels(loss)[0] == ["0"]
    assert all(len(text) <= 4 for text in tick_labels(loss)[1])
    counts = next(axes for axes in one.axes if axes.get_title() == "clusters by stage")
    assert tick_labels(counts) == (["init", "0"], ["99", "100", "101"])
    assert tick_labels(run_sheet(stages(last=9), title="").axes[0])[0] == ["init", *map(str, range(10))]
    assert tick_labels(run_sheet(stages(last=19), title="").axes[0])[0] == ["init", *map(str, range(2, 20, 2))]


def test_a_short_range_of_clusters_has_ticks_at_all_its_stages() -> None:
    few = [{**figures, "n_clusters": 100 - 5 * max(figures["stage"], 0)} for figures in stages(last=3)]
    by_clusters = next(a for a in run_sheet(few, title="").axes if a.get_title() == "ARI by number of clusters")
    assert tick_labels(by_clusters)[0] == ["95", "90", "85"]


def test_a_figure_that_is_the_same_everywhere_is_left_out_and_long_labels_stay_inside() -> None:
    long = {f"lambda 0.{n}, merge-percent 0.{n}, metric sqeuclidean": [stages()] for n in range(5)}
    figure = comparison_sheet(long, title="")
    assert "rank-1 by stage" not in [axes.get_title() for axes in figure.axes]
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DbcError, match=r"file/run\.png cannot be written"):
        save(run_sheet(stages(), title=""), tmp_path / "file" / "run")
