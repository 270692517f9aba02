"""Figures from series of numbers: lines with bands in panels, colours that the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.stage_names import INIT_STAGE, stage_label
from stages.caches import keep_cache
from stages.output_files import all_or_nothing, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008, without yellow, which is faint on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKERS = "osD^vP"
"""One less than colours: of points without lines, 42 differ."""
BANDS = "bands and bars: ± one standard deviation over seeds"
DOTS_PER_INCH = 150
LETTERS_PER_INCH = 11
"""Letters of a legend that fit on an inch; its handles take the room of eight."""
STAGE_TICKS = 11
"""Ticks that fit on an axis of stages."""
LOG_TICKS = 9
"""Ticks that fit on a logarithmic axis: more would run into each other."""


@dataclass(frozen=True)
class Series:
    """A line: `x` and `y` (n points), `deviation` (n; 0 if there is no spread), and points to ring, by index."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    deviation: Sequence[float] = ()
    ringed: Sequence[int] = ()


@dataclass(frozen=True)
class Panel:
    """One pair of axes. `is_log`, `is_falling`, `by_stage` and `ticks`, names in place of numbers, concern the x axis;
    `counts` means that y is whole numbers, and points that are not `joined` have bars in place of a line and a band."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    is_log: bool = False
    is_falling: bool = False
    by_stage: bool = False
    counts: bool = False
    ticks: Sequence[str] = ()
    joined: bool = True


def draw_panels(panels: Sequence[Panel], *, title: str = "", ring: str = "") -> Figure:
    """The panels, two in a row, over one legend, in which `ring` is the text for ringed points."""
    keep_cache("MPLCONFIGDIR", ".config/matplotlib")
    from matplotlib.figure import Figure

    # of pictures without identities nothing may be known to draw
    n_columns = max(1, min(2, len(panels)))
    n_rows = max(1, -(-len(panels) // n_columns))
    labels = list(dict.fromkeys(series.label for panel in panels for series in panel.series))
    width = 4.6 * n_columns + 0.4
    longest = max((len(label) for label in [*labels, ring]), default=0)
    per_row = max(1, min(4, int(LETTERS_PER_INCH * width / (longest + 8))))
    legend_rows = -(-(len(labels) + bool(ring)) // per_row)
    height = 3.1 * n_rows + 0.25 * legend_rows + 0.5
    figure = Figure(figsize=(width, height), layout="constrained")
    styles = _styles(labels)
    handles: dict[str, Any] = {}
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(n_rows, n_columns, place + 1)
        handles |= _draw_panel(axes, panel, styles)
    if ring and any(series.ringed for panel in panels for series in panel.series):
        handles[ring] = _ring()
    if any(any(series.deviation) for panel in panels for series in panel.series):
        title = f"{title}\n{BANDS}" if title else BANDS
        height += 0.2
        figure.set_figheight(height)
    if title:
        figure.suptitle(title, fontsize=11)
    if len(handles) > 1 or ring:
        columns = min(len(handles), per_row)
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, frameon=False)
    return figure


def picture_files(path: Path) -> tuple[Path, Path]:
    """What `save` writes: the figure as PNG and as SVG."""
    return path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")


@all_or_nothing()
def save(figure: Figure, path: Path, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Write the figure to `picture_files` and return them; the errors are those of `write_whole`."""
    import matplotlib

    png, svg = picture_files(path)
    # places are found once for both files: each would find them again, and draw everything once more for it
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    # the same numbers give the same bytes: no date, no random names
    with matplotlib.rc_context({"svg.hashsalt": "dbc-reid"}):
        write_whole(png, lambda part: figure.savefig(part, format="png", dpi=DOTS_PER_INCH), overwrite=overwrite)
        write_whole(svg, lambda part: figure.savefig(part, format="svg", metadata={"Date": None}), overwrite=overwrite)
    return png, svg


def _styles(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A colour, dash and marker for each label; as dashes differ too, a line shows through one drawn over it."""
    return {
        label: {
            "color": COLOURS[place % len(COLOURS)],
            "linestyle": DASHES[place % len(DASHES)],
            "marker": MARKERS[place % len(MARKERS)],
        }
        for place, label in enumerate(labels)
    }


def _draw_panel(axes: Axes, panel: Panel, styles: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Draw the panel and return its lines by label."""
    handles: dict[str, Any] = {}
    middle = (len(panel.series) - 1) / 2
    for place, series in enumerate(panel.series):
        style = styles[series.label]
        if not panel.joined:
            # beside each other
            x = [value + 0.06 * (place - middle) for value in series.x]
            bars = series.deviation if any(series.deviation) else None
            points = {**style, "linestyle": "none", "markersize": 5}
            handles[series.label] = axes.errorbar(x, series.y, bars, capsize=2, label=series.label, **points)
            continue
        (line,) = axes.plot(series.x, series.y, linewidth=1.5, markersize=3.5, label=series.label, **style)
        handles[series.label] = line
        if any(series.deviation):
            low = [y - d for y, d in zip(series.y, series.deviation, strict=True)]
            high = [y + d for y, d in zip(series.y, series.deviation, strict=True)]
            axes.fill_between(series.x, low, high, color=style["color"], alpha=0.12, linewidth=0)
        for point in series.ringed:
            axes.plot(series.x[point], series.y[point], "o", mfc="none", mec=style["color"], markersize=10, mew=1.5)
    _set_axes(axes, panel)
    return handles


def _set_axes(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    axes.grid(visible=True, alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.is_log:
        axes.set_xscale("log")
        places = _spaced([x for series in panel.series for x in series.x])
        axes.set_xticks(places, [f"{x:g}" for x in places])
        axes.set_xticks([], minor=True)
    if panel.is_falling:
        axes.invert_xaxis()
    _make_room(axes, panel)
    if panel.by_stage:
        _name_stages(axes, panel)
    if panel.counts:
        axes.yaxis.set_major_locator(_whole_numbers())
    if panel.ticks:
        axes.set_xticks(range(len(panel.ticks)), panel.ticks, rotation=30 if max(map(len, panel.ticks)) > 6 else 0)


def _make_room(axes: Axes, panel: Panel) -> None:
    """Set limits about values that are all the same, for which Matplotlib would show many digits of a narrow range."""
    x = {value for series in panel.series for value in series.x}
    y = {value for series in panel.series for value in series.y}
    if len(x) == 1 and not panel.ticks and not panel.is_log:
        axes.set_xlim(min(x) - 1, max(x) + 1)
    if len(y) == 1 and not any(d for series in panel.series for d in series.deviation):
        margin = 1.0 if panel.counts else 0.5 * abs(min(y)) or 0.5
        axes.set_ylim(min(y) - margin, max(y) + margin)


def _name_stages(axes: Axes, panel: Panel) -> None:
    """Ticks at whole stages, the initial one called `init`; if they are many, one in several, and `init` without 0."""
    stages = sorted({round(x) for series in panel.series for x in series.x})
    step = 1 + (len(stages) - 1) // STAGE_TICKS
    places = [stage for stage in stages if stage % step == 0 and (stage or step == 1 or INIT_STAGE not in stages)]
    places = sorted({*places, *(stage for stage in stages if stage == INIT_STAGE)})
    axes.set_xticks(places, [stage_label(stage) for stage in places])


def _whole_numbers() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, min_n_ticks=1)


def _spaced(values: Sequence[float]) -> list[float]:
    """Some of the values, from the largest down, each at least a part in `LOG_TICKS` of the logarithmic range further."""
    places: list[float] = []
    step = (min(values, default=1) / max(values, default=1)) ** (1 / LOG_TICKS)
    for value in sorted(set(values), reverse=True):
        if not places or value <= step * places[-1]:
            places.append(value)
    return places


def _ring() -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", marker="o", mfc="none", mec="black", markersize=8, mew=1.5)
