"""The frame of a report's page: its facts and its sections, which a script fills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.evaluate.report import Reported
from stages.pages.markup import Markup, element, joined

FIGURES = {"rank1": "rank-1", "mAP": "mAP", "ari": "ARI", "silhouette": "silhouette"}
"""The figures of the stage that stand on top, with their labels."""

LEGEND = (
    "A cluster is what the run takes for one individual. Silhouette: 1 if clusters are far apart, 0 if they overlap. Spread: "
    "how far the members of a cluster are from each other, 0 for copies. With known identities, ARI: 1 if clusters are the "
    "individuals, 0 if they agree as by chance; purity: the share of a cluster that is of its commonest individual; rank-1: "
    "the share of queries whose nearest picture is of the same individual; mAP: 1 if all pictures of it come first."
)
"""What the figures on a page mean."""


def report_body(
    title: str,
    reported: Reported,
    *,
    figures: Mapping[str, Any],
    drawn: Markup,
    first: list[str],
    told: list[str],
    run: Markup,
) -> Markup:
    """The body of a page about `reported`.

    What to know `first`, its `figures`, the `drawn` curves, warnings as lines `told`, and what was `run`.
    """
    report, n = reported.report, len(reported.labels)
    n_singletons = sum(row.size == 1 for row in report.clusters)
    facts = {
        "train samples": f"{n:,}",
        "clusters": f"{len(report.clusters):,}",
        "single samples": f"{n_singletons:,}",
        "largest cluster": f"{max(row.size for row in report.clusters):,}",
    }
    if reported.same_camera_merges is not None:
        facts |= {
            "same-camera merges": f"{reported.same_camera_merges:.3f}",
            "same camera by chance": f"{reported.same_camera_chance:.3f}",
        }
    known = {label: figures.get(name) for name, label in FIGURES.items()}
    facts |= {label: f"{value:.3f}" for label, value in known.items() if value is not None}
    cards = [element("div", element("dt", name), element("dd", value)) for name, value in facts.items()]
    sections = {
        "curves": ("Curves", element("div", drawn, class_="charts") if drawn else None),
        "map": ("Map", element("div", id="map-root")),
        "clusters": ("Clusters", element("div", id="clusters-root")),
        "lists": ("Ranked lists", element("div", id="lists-root")),
        "merges": ("Merges", element("div", id="merges-root")),
        "warnings": ("Notes and warnings", element("ul", *(element("li", line) for line in told)) if told else None),
        "run": ("What was run", run),
    }
    shown = {name: (heading, inner) for name, (heading, inner) in sections.items() if inner is not None}
    links = [element("a", heading, href=f"#{name}") for name, (heading, _) in shown.items()]
    return joined(
        element("header", element("h1", title), element("nav", *links, aria_label="Sections")),
        element(
            "main",
            *(element("p", line) for line in first),
            element("dl", *cards, class_="cards"),
            element("p", LEGEND, class_="quiet"),
            element(
                "noscript", element("p", "The map and the pictures need scripts, which this browser does not run.")
            ),
            *(element("section", element("h2", heading), inner, id=name) for name, (heading, inner) in shown.items()),
        ),
        element("dialog", id="viewer", aria_label="Picture"),
    )
