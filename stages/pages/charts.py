"""Panels of curves by stage as SVG, in the colours of the page that they stand in."""

from __future__ import annotations

import math
from collections.abc import Sequence

from schemas.stage_names import stage_label
from stages.compare.plots.panels import Panel, Series
from stages.pages.markup import Markup, element, joined

WIDTH, HEIGHT = 420, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 36
STAGE_TICKS = 11
MOST_LINES = 6
"""Lines that the style sheet has colours for."""


def chart(panel: Panel) -> Markup:
    """The panel, whose x are stages, as a figure: its title, its lines as SVG, and a legend if there are several."""
    x_values = [x for series in panel.series for x in series.x]
    y_values = [y for series in panel.series for y in series.y]
    x_range, y_range = _range(x_values, padded=0.0), _range(y_values, padded=0.06)
    place = _Place(x_range, y_range)
    parts = [
        *(_y_tick(place, y) for y in ticks(*y_range)),
        *(_x_tick(place, stage) for stage in _x_ticks(x_values)),
        *(_line(place, series, number % MOST_LINES, panel) for number, series in enumerate(panel.series)),
        _text(panel.x_label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 4, anchor="middle"),
    ]
    told = ", ".join(series.label for series in panel.series)
    drawing = element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=f"{panel.title}: {told}")
    legend = [
        element("span", series.label, class_=f"key line-{i % MOST_LINES}") for i, series in enumerate(panel.series)
    ]
    caption = element("figcaption", element("strong", panel.title), *(legend if len(legend) > 1 else []))
    return element("figure", caption, drawing, class_="chart")


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most `most` round numbers from `low` to `high`, equally spaced.

    Examples
    --------
    >>> ticks(0.03, 0.96)
    [0.2, 0.4, 0.6, 0.8]
    """
    if not high > low:
        return [low]
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(k * step, 10) for k in range(first, last + 1)]


class _Place:
    """Coordinates on the drawing of values in two ranges."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self.x_range, self.y_range = x_range, y_range

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)


def _range(values: Sequence[float], *, padded: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        margin = abs(low) / 2 or 0.5
        return low - margin, high + margin
    margin = padded * (high - low)
    return low - margin, high + margin


def _x_ticks(values: Sequence[float]) -> list[int]:
    stages = sorted({round(x) for x in values})
    step = 1 + (len(stages) - 1) // STAGE_TICKS
    return [stage for stage in stages if stage % step == 0 or step == 1]


def _x_tick(place: _Place, stage: int) -> Markup:
    return _text(stage_label(stage), x=place.x(stage), y=HEIGHT - BOTTOM + 16, anchor="middle")


def _y_tick(place: _Place, value: float) -> Markup:
    y = place.y(value)
    rule = element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="rule")
    return joined(rule, _text(f"{value:g}", x=LEFT - 6, y=y + 4, anchor="end"))


def _text(text: str, *, x: float, y: float, anchor: str) -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor)


def _line(place: _Place, series: Series, number: int, panel: Panel) -> Markup:
    points = [(place.x(x), place.y(y)) for x, y in zip(series.x, series.y, strict=True)]
    line = element("polyline", points=" ".join(f"{x},{y}" for x, y in points), class_="curve")
    marks = []
    for place_in_series, (x, y) in enumerate(points):
        stage, value = round(series.x[place_in_series]), series.y[place_in_series]
        shown = f"{value:,.0f}" if panel.counts else f"{value:.4g}"
        told = element("title", f"{series.label}, stage {stage_label(stage)}: {shown}")
        is_ringed = place_in_series in series.ringed
        marks.append(
            element("circle", told, cx=x, cy=y, r=6 if is_ringed else 3, class_="ring" if is_ringed else "dot")
        )
    return element("g", line, *marks, class_=f"line-{number}")
