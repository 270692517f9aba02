"""Rules that choose a stage, one file each: it holds `RULE`, and its name is that of the rule with `_` for `-`."""

from __future__ import annotations

import pkgutil


def rule_names() -> tuple[str, ...]:
    """The names of all rules, sorted; no rule is imported for it."""
    return tuple(sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(__path__)))
