"""How many clusters features ask for, against identities that are known: `python -m benchmarks.cluster_numbers RUN...`

Each RUN is a folder of `dbc run`, or of `dbc ingest` and `dbc extract` alone, whose train samples have identities. Its chosen
features, or those before training, are merged anew as `dbc merge --n-clusters auto` does. Prints the fewest clusters near the
best silhouette, those that a random walk asks for, and the true number, and the ARI of merges to each; beside them what other
clusterers find in the same features, with the values of `dbc merge --clusterer`, a sample without a cluster counting as one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from schemas.choices import Clusterer
from schemas.parameters import MergeParameters
from schemas.recipes import merging_of
from schemas.stage_names import INIT_STAGE, stage_label
from stages.arrays.unit_rows import unit_rows
from stages.evaluate.clusters.information import adjusted_rand
from stages.features.prepared import prepared
from stages.loop.choice.choose import choose
from stages.loop.choice.rule import near_best_range
from stages.loop.choice.separation import by_dispersions, separation
from stages.loop.choice.stage import SAMPLING_SEED, Compared, measured
from stages.merge.by_parameters import merge_as
from stages.merge.clustering import Task, cluster_as
from stages.merge.clusters import labels_after
from stages.merge.schedule import initial_labels
from stages.reporting import SILENT
from stages.runs.lineage import dataset_of, newest_features
from stages.runs.run_directory import RunDirectory
from stages.samples import TRAIN

NUMBERS = ("by silhouette", "by walks", "true number")
OTHERS: tuple[Clusterer, ...] = ("dbscan", "hdbscan", "finch")
"""FINCH is told the number by walks."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="+", type=Path)
    print(f"| run | stage | samples | identities | {', ARI | '.join([*NUMBERS, *OTHERS])}, ARI |")
    print("|---|---|---|---|" + "---|" * len((*NUMBERS, *OTHERS)))
    rows = [of_run(RunDirectory(path)) for path in parser.parse_args().run]
    off = np.log2([[found / row[1] for found in row[2:4]] for row in rows])
    ari = np.array([row[4] for row in rows])
    print(
        f"mean ARI {' | '.join(f'{mean:.3f}' for mean in ari.mean(axis=0))}; mean |log2| of number over identities "
        f"{' | '.join(f'{mean:.2f}' for mean in np.abs(off).mean(axis=0))}"
    )


def of_run(run: RunDirectory) -> tuple[int, int, int, int, list[float]]:
    """Samples, identities, the first two of `NUMBERS`, and the ARI of merges to all and of `OTHERS`; printed as a row."""
    stage, parameters = chosen(run)
    features = newest_features(run, stage, SILENT)
    dataset = dataset_of(run, features)
    compared = prepared(features, dataset, parameters)
    is_train = dataset.read("split") == TRAIN
    pid, camid = dataset.read("pid")[is_train], dataset.read("camid")[is_train]
    found = separation(compared, parameters, sampling_seed=SAMPLING_SEED, camid=camid)
    near = near_best_range(found.n_clusters, found.judged)
    if near is None:
        raise SystemExit(f"{run.root}: features ask for no number")
    n, known = len(pid), pid > 0
    merged = merge_as(
        by_dispersions(parameters),
        compared.rows,
        initial_labels(n),
        n - 2,
        camid=compared.camid,
        camera_weight=compared.camera_weight,
    )
    numbers = near[0], near[0] if found.walked is None else found.walked, len(np.unique(pid[known]))
    found_by = [labels_after(initial_labels(n), merged.merges[: n - number]) for number in numbers]
    unit = unit_rows(compared.rows)
    for other in OTHERS:
        asked = parameters.model_copy(update={"clusterer": other})
        found_by.append(cluster_as(Task(unit, asked, n_clusters=numbers[1])).labels)
    ari = [adjusted_rand(labels[known], pid[known]) for labels in found_by]
    cells = " | ".join(f"{labels.max() + 1}, {one:.3f}" for labels, one in zip(found_by, ari, strict=True))
    print(f"| {run.root.name} | {stage_label(stage)} | {n} | {numbers[2]} | {cells} |", flush=True)
    return n, numbers[2], numbers[0], numbers[1], ari


def chosen(run: RunDirectory) -> tuple[int, MergeParameters]:
    """The stage whose features end the run, and how they are compared; those before training if nothing was merged."""
    if not run.stages("clusters"):
        return INIT_STAGE, MergeParameters(**merging_of("tuned"))
    compared = Compared()
    stage = choose([each for each in measured(run, compared) if not each.ends_run])
    return INIT_STAGE if stage is None else stage, compared.by(run)


if __name__ == "__main__":
    main()
