"""Curves are drawn where their values are."""

from __future__ import annotations

import re

import pytest

from stages.compare.plots.panels import Panel, Series
from stages.pages.charts import HEIGHT, WIDTH, chart, ticks


def panel(*series: Series) -> Panel:
    return Panel("a < b", "stage", "unit", series, by_stage=True)


def test_points_are_in_the_picture_in_the_order_of_their_values() -> None:
    drawn = chart(panel(Series("one", [-1, 0, 4], [0.2, 0.9, 0.5], ringed=[2]), Series("two", [0, 4], [0.1, 0.1])))
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    assert len(dots) == 5
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in dots)
    assert dots[0][0] < dots[1][0] < dots[2][0]
    # the y axis of SVG points down
    assert dots[1][1] < dots[2][1] < dots[0][1]
    assert drawn.count('class="ring"') == 1
    assert ">init</text>" in drawn
    assert "a &lt; b" in drawn
    assert "one, stage 4: 0.5" in drawn


def test_values_that_are_all_the_same_and_one_point_are_drawn() -> None:
    for series in (Series("x", [3], [0.0]), Series("x", [1, 2], [7.0, 7.0])):
        assert "nan" not in chart(panel(series))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 900), (0.031, 0.04), (1e-9, 2e-9), (5, 5), (-1, 0)])
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-12 <= tick <= high + 1e-12 for tick in found)
