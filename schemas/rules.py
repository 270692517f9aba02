"""Which options do not go together, each rule once: for the parameters, for functions called from Python and for commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.choices import CRITERIA, OF_DISPERSIONS


@dataclass(frozen=True)
class Rule:
    """`name` at `value` works only if `other` is one of `allowed`; `why` in a few words, if that is not plain."""

    name: str
    value: Any
    other: str
    allowed: tuple[Any, ...]
    why: str = ""

    def broken_by(self, options: Mapping[str, Any]) -> str | None:
        """One line that names both arguments; None if `options` keep the rule or leave one of them out."""
        if options.get(self.name) != self.value or self.other not in options or options[self.other] in self.allowed:
            return None
        *most, last = [argument(self.other, value) for value in self.allowed]
        allowed = f"{', '.join(most)} or {last}" if most else last
        why = f": {self.why}" if self.why else ""
        return (
            f"{argument(self.name, self.value)} needs {allowed}, got {argument(self.other, options[self.other])}{why}; "
            "change one of them"
        )


MERGE_RULES = (
    Rule(
        "start",
        "singletons",
        "update",
        ("exact",),
        why="ranked once, among single samples, every penalty is the same and `lambda_` would do nothing",
    ),
    Rule("metric", "jaccard", "criterion", ("dbc",)),
    Rule("camera", "penalty", "metric", ("sqeuclidean", "euclidean", "cosine")),
    Rule("camera", "penalty", "criterion", OF_DISPERSIONS),
    Rule("camera", "penalty", "clusterer", ("dbc",), why="other methods make no merges that it could put off"),
    *(
        Rule("criterion", name, "clusterer", ("dbc",), why="other methods make no merges that it could rank")
        for name in CRITERIA
        if name != "dbc"
    ),
    Rule("start", "reviewed", "clusterer", ("dbc",), why="other methods make no merges that could be made anew"),
    Rule("view", "apart", "start", ("previous", "singletons"), why="corrections keep the views they find"),
    Rule("view", "apart", "clusterer", ("dbc",), why="other methods compare all samples"),
    Rule("encounter", "joined", "start", ("previous", "singletons"), why="corrections keep the encounters they find"),
    Rule("encounter", "joined", "clusterer", ("dbc",), why="other methods make no merges that could come first"),
    Rule("metric", "jaccard", "clusterer", ("dbc",), why="the others have their own distance"),
)
TRAIN_RULES = (
    Rule("lr_schedule", "cosine", "decay_after", (None,)),
    Rule("loss", "softmax", "whiten", (0,), why="a classifier trains the embedding of the head"),
    Rule("exclusive", 1, "loss", ("softmax",), why="it stands beside a classifier"),
    Rule("exclusive", 1, "triplet", (0,), why="samples that are left out have no class"),
)


@dataclass(frozen=True)
class Reader:
    """What reads the option `name`: one of the `choices` of other options, by their names. Without it, it has no effect."""

    name: str
    choices: Mapping[str, tuple[Any, ...]]

    def is_idle(self, options: Mapping[str, Any]) -> bool:
        """Whether every other option is given and none has a value that reads this one."""
        return all(other in options and options[other] not in values for other, values in self.choices.items())

    def told(self, value: Any) -> str:
        """One line that says that `value` has no effect."""
        needed = [argument(other, choice) for other, values in self.choices.items() for choice in values]
        return f"{argument(self.name, value)} has no effect: it needs {' or '.join(needed)}"


READERS = (
    # the choice of a stage merges by λ, metric and normaliser, whatever makes the clusters
    *(Reader(name, {"clusterer": ("dbc",)}) for name in ("update", "start")),
    Reader("intra_normalizer", {"criterion": OF_DISPERSIONS}),
    *(Reader(name, {"metric": ("jaccard",), "clusterer": ("dbscan",)}) for name in ("k1", "k2")),
    Reader("camera_weight", {"camera": ("penalty",)}),
    Reader("eps", {"clusterer": ("dbscan",)}),
    Reader("min_samples", {"clusterer": ("dbscan", "hdbscan")}),
    Reader("n_clusters", {"clusterer": ("dbc", "pul")}),
    Reader("min_cosine", {"clusterer": ("pul",)}),
    Reader("queue_size", {"loss": ("oim",)}),
    *(Reader(name, {"loss": ("repelled", "oim"), "exclusive": (True,)}) for name in ("temperature", "memory_momentum")),
    *(Reader(name, {"rerank": (True,)}) for name in ("rerank_k1", "rerank_k2", "rerank_lambda")),
    Reader("patience", {"stop": ("auto",)}),
)


def is_read(name: str, options: Mapping[str, Any]) -> bool:
    """Whether the option `name` has an effect beside the other `options`."""
    return not any(reader.is_idle(options) for reader in READERS if reader.name == name)


def idle_options(
    given: Mapping[str, Any], settings: Sequence[Mapping[str, Any]], readers: Sequence[Reader] = READERS
) -> dict[str, str]:
    """By name, a line about each option of `given` that has no effect in any of the `settings`, which hold all options."""
    return {
        reader.name: reader.told(given[reader.name])
        for reader in readers
        if reader.name in given and settings and all(reader.is_idle(options) for options in settings)
    }


def broken_rule(rules: Sequence[Rule], **options: Any) -> str | None:
    """The first of `rules` that `options` break, in one line; None if they go together. Options left out break none."""
    return next((told for rule in rules if (told := rule.broken_by(options)) is not None), None)


def argument(name: str, value: Any) -> str:
    """The argument as errors name it: `` `start='previous'` ``, and a digest by what it is of: `` `weights` (ab12…) ``."""
    if name.endswith("_digest"):
        what = f"`{name.removesuffix('_digest')}`"
        return f"{what} ({value[:12]})" if value else f"no {what}"
    return f"`{name}={value!r}`"
