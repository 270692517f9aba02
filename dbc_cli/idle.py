"""Options that were given and have no effect beside the others: told, or refused if a sweep is over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from dbc_cli.flags.training import TRAIN
from schemas.recipes import OTHER_METHODS
from schemas.rules import READERS, Reader, argument, idle_options
from stages.errors import UsageError

if TYPE_CHECKING:
    from dbc_cli.command import Given
    from stages.loop.plan import Plan


_READERS = (
    *READERS,
    *(Reader(flag.name, {"merge_only": (False,)}) for flag in TRAIN if flag.name != "recipe"),
    Reader("stage0_epochs", {"merge_only": (False,)}),
)


def tell_of_idle(given: Given, *settings: Mapping[str, Any], swept: Collection[str] = ()) -> None:
    """Note every option given that has no effect in any of the `settings`; UsageError for the first of those `swept`."""
    found = idle_options(given.values, settings, _READERS)
    refused = next((told for name, told in found.items() if name in swept), None)
    if refused is not None:
        raise UsageError(f"{refused}; leave it out, or all runs would be the same")
    for told in found.values():
        given.note(told)


def tell_of_unused(given: Given, needed: Mapping[str, str]) -> None:
    """Note every flag given of `needed`, whose values say what it would need: that was not given.

    What `config.toml` gives is for other commands, too.
    """
    for name, other in needed.items():
        if given[name] is not None and name not in given.configured:
            given.note(f"{argument(name, str(given[name]))} has no effect: it needs {other}")


def settings_of(plan: Plan) -> dict[str, Any]:
    """All options of a plan, as far as others depend on them."""
    # the loss of another method is its recipe's
    loss = {} if plan.train.get("recipe") in OTHER_METHODS else {"loss": "repelled", "exclusive": False}
    return {**dict(plan.merge), **dict(plan.evaluate), **loss, **plan.train, "merge_only": plan.merge_only}
