"""Whether features were extracted alike: scores of those that were not say nothing of the training between them."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.manifest import FeaturesManifest
from schemas.rules import argument
from schemas.stage_names import stage_label
from stages.reporting import Reporter
from stages.runs.lineage import parent_of
from stages.runs.run_directory import RunDirectory, features_manifest
from stages.runs.store import Artifact


def differing(one: FeaturesManifest, other: FeaturesManifest) -> list[str]:
    """The parameters that made features of one network differ, but for the last bits.

    Statistics for each camera that were asked for and not needed are like none.
    """
    names = [name for name in ("method", "flip") if getattr(one.parameters, name) != getattr(other.parameters, name)]
    is_normed = one.summary.norm_strength > 0 or other.summary.norm_strength > 0
    return names + ["camera_norm"] * (is_normed and one.parameters.camera_norm != other.parameters.camera_norm)


def warn_of_unlike_before(run: RunDirectory, features: Artifact, reporter: Reporter) -> None:
    """Warn if `features` were extracted otherwise than the newest of an earlier stage of their dataset."""
    found = features_manifest(features)
    if "features" in run.pinned:
        # whoever names a version knows which
        return
    before = run.newest_up_to("features", found.summary.stage - 1)
    datasets = [parent_of(each, "dataset") for each in (before, features) if each is not None]
    if before is None or len({None if parent is None else parent.id for parent in datasets}) > 1:
        return
    earlier = features_manifest(before)
    names = differing(earlier, found)
    if not names:
        return
    of_before, own = (
        " and ".join(argument(name, getattr(each.parameters, name)) for name in names) for each in (earlier, found)
    )
    reporter.warn(
        f"stage {stage_label(earlier.summary.stage)} was extracted with {of_before}, stage "
        f"{stage_label(found.summary.stage)} with {own}: the difference of their figures is not that of training alone; "
        "dbc extract with the same for both makes them comparable"
    )


def named(names: Iterable[str]) -> str:
    """Parameters as a sentence names them: `` `flip` and `camera_norm` ``."""
    return " and ".join(f"`{name}`" for name in names)
