"""`dbc show`: one artifact, its manifest and its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbc_cli.command import Given, command
from dbc_cli.console import PIPE_WIDTH, print_json, print_text, printed, text_of
from dbc_cli.flags.flag import positional
from dbc_cli.flags.tables import COMMON
from stages.errors import UsageError
from stages.escapes import visible_line

if TYPE_CHECKING:
    from rich.tree import Tree

ARTIFACT = positional(
    str, "ARTIFACT", "clusters, 3/clusters, 3/clusters/v1, the folder of an artifact, or the beginning of its id."
)


@command("show", COMMON, order=131, source=ARTIFACT)
def show(given: Given, name: str | None) -> None:
    """Show what an artifact is: its manifest and its arrays as a tree.

    Without a stage, the newest that has such an artifact is taken; without a version, its newest.
    """
    from schemas.manifest import dump_manifest
    from stages.runs.naming import named_artifact
    from stages.runs.unreferenced import own_bytes

    if name is None:
        raise UsageError("ARTIFACT is missing: give one, as in: dbc show clusters")
    artifact = named_artifact(given.run_directory, name)
    fields = {"path": artifact.path.as_posix(), "bytes": own_bytes(artifact), **dump_manifest(artifact.manifest)}
    given.remember(only_read=True)
    if given.flag("json"):
        print_json(fields)
    else:
        _print(_tree(fields))


def _tree(fields: Mapping[str, Any]) -> Tree:
    from rich.tree import Tree

    tree = Tree(f"{visible_line(fields['path'])} ({fields['bytes'] / 1e6:,.1f} MB)")
    for name, value in fields.items():
        if name == "arrays":
            branch = tree.add("arrays")
            for array, record in value.items():
                branch.add(f"{array}  {record['dtype']} {tuple(record['shape'])}  {record['sha256'][:12]}")
        elif name == "parents":
            branch = tree.add("parents")
            for parent in value:
                branch.add(f"{parent['kind']}  {parent['location']}  {parent['id'][:12]}")
        elif name not in ("path", "bytes"):
            _add(tree, name, value)
    return tree


def _add(tree: Tree, name: str, value: Any) -> None:
    if isinstance(value, dict) and value:
        branch = tree.add(name)
        for key, item in value.items():
            _add(branch, key, item)
    elif name == "command":
        tree.add(visible_line(f"{name}  {' '.join(value)}"))
    elif isinstance(value, list) and value:
        branch = tree.add(name)
        for item in value:
            branch.add(visible_line(text_of(item)))
    elif value not in (None, [], {}):
        tree.add(visible_line(f"{name}  {text_of(value)}"))


def _print(tree: Tree) -> None:
    """Print `tree`, whose labels are text and not markup."""
    from rich.console import Console

    console = Console(width=max(Console().width, PIPE_WIDTH), color_system=None, markup=False, emoji=False)
    print_text("\n".join(line.rstrip() for line in printed(console, tree).splitlines()))
