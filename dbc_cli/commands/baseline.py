"""`dbc baseline`: another published method to compare with."""

from __future__ import annotations

from dbc_cli.command import Given, command
from dbc_cli.commands.run import LOOP, cells_of_methods, plans_of_methods
from dbc_cli.comparison import (
    ANOTHER_SET,
    ANOTHER_SET_METHODS,
    COMPARISON,
    SEEDS,
    STYLE,
    compare_and_show,
)
from dbc_cli.flags.flag import pins, positional
from dbc_cli.flags.tables import COMMON, CONSTRAINTS
from schemas.choices import Baseline, words_of
from stages.errors import UsageError

METHOD = positional(
    Baseline,
    "METHOD",
    "pul; eug, race (one label each); stepwise, dgm, dal (cameras); umdl, spgan, tj-aidl (another set).",
)


@command(
    "baseline",
    COMMON,
    SEEDS,
    ANOTHER_SET,
    COMPARISON,
    pins("dataset"),
    order=120,
    configurable=(*STYLE, *LOOP, *CONSTRAINTS),
    source=METHOD,
)
def baseline(given: Given, method: str | None) -> None:
    """Run another published method on the same pictures, and print its results.

    Each is a run of its own in RUN/baseline, with the same artifacts as any run. pul (Fan et al., 2018) clusters by k-means
    and trains on the samples near their cluster's centre; with --source it begins on that set's identities, as published. eug
    (Wu et al., 2018; with --exclusive, 2019) and race (Ye et al., 2018) know one labelled sample of each individual
    (--labels FILE); stepwise (Liu et al., 2017), dgm (Ye et al., 2017) and dal (Chen et al., 2018) know cameras and tracklets.
    umdl (Peng et al., 2016), spgan (Deng et al., 2018) and tj-aidl (Wang et al., 2018) learn from another set, --source RUN,
    whose identities they read.
    """
    if method is None:
        raise UsageError(f"METHOD is missing: give one of {', '.join(words_of(Baseline))}")
    if method in ANOTHER_SET_METHODS:
        if given.flag("dry_run"):
            raise UsageError(f"--dry-run does not work for {method}; leave it out")
        compare_and_show(given, [], name=f"baseline-{method}", others=[method])
        return
    name = "eug-exclusive" if method == "eug" and given.flag("exclusive") else method
    cells = cells_of_methods(given, plans_of_methods(given, [name]))
    compare_and_show(given, cells, name=f"baseline-{method}")
