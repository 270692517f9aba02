"""`dbc diff`: what changed from one artifact to another."""

from __future__ import annotations

from dbc_cli.command import Given, command
from dbc_cli.console import borderless_table, print_json, print_table, print_text, show, text_of
from dbc_cli.flags.flag import positional
from dbc_cli.flags.tables import COMMON
from stages.errors import UsageError
from stages.escapes import visible_line

ARTIFACTS = positional(tuple[str, str], "A B", "Two artifacts of one kind, each as in dbc show.")
PARTS = ("parameters", "parents", "summary", "arrays", "execution", "versions")


@command("diff", COMMON, order=133, source=ARTIFACTS)
def diff(given: Given, names: tuple[str, str] | None) -> None:
    """Show what differs between two artifacts of one kind: parameters, parents, figures, arrays, device and libraries.

    Of clusters of one dataset it also says how far they agree: ARI, NMI, and pairs of samples in one cluster in both, only
    in the first, or only in the second.
    """
    from dataclasses import asdict

    from stages.compare.difference import difference
    from stages.runs.naming import named_artifact

    if names is None:
        raise UsageError("A and B are missing: give two artifacts, as in: dbc diff 3/clusters/v1 3/clusters/v2")
    run = given.run_directory
    first, second = (named_artifact(run, name) for name in names)
    found = difference(first, second)
    given.remember(only_read=True)
    places = [artifact.path.as_posix() for artifact in (first, second)]
    fields = {"first": places[0], "second": places[1], **asdict(found)}
    if given.flag("json"):
        print_json(fields)
        return
    print_text("\n".join(map(visible_line, places)))
    if found.is_same:
        print_text("same content")
    for part in PARTS:
        if fields[part]:
            rows = [(name, text_of(a), text_of(b)) for name, (a, b) in fields[part].items()]
            print_text("")
            print_table(borderless_table((part, "first", "second"), rows, n_left=3))
    if found.partitions is not None and not found.is_same:
        print_text("")
        show(found.partitions, title="partitions")
