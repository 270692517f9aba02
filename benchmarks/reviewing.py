"""What answers of a simulated reviewer are worth, by the order of pairs, and what they say of the number of individuals.

    python -m benchmarks.reviewing --weights mobilenet_v2-imagenet.safetensors --market eth80-market=DATA/eth80-market \
        --table vehicles=DATA/vehicles --fine nyala=NYALA --out record [--samples 300] [--seeds 0 1 2] [--clusters 1 2]

Drawn people are always there. Pictures have 64 rows, those of `--fine` 128. Every set is cut to about `--samples` train
images, identities drawn by the seed, of each twelve images at most, and merged on its initial features, whitened, as recipe
`tuned` does, to `--clusters` times as many clusters as there are individuals; if the table has columns `encounter` and
`view`, as the documents advise: pictures of one encounter together, and views apart (`dbc merge --view apart`). Then a tenth
as many answers as there are samples correct these clusters; after every ten of them pairs are ordered anew, as `dbc review`
does. Answers are right always, or 95 % of the time. The second table has 200 simulated counts for each number of answers.
The third shows what frames that hold three individuals each are worth without any answer. Everything lands in --out; the
tables go into RESULTS.md by hand.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.experiment_sets import QUICK, DataSet, Size, drawn_people, eth80_market, vehicles
from benchmarks.reviewer import Reviewed, Reviewer, at_random, by_worth, nearest_first, review
from schemas.parameters import MergeParameters
from schemas.stage_names import INIT_STAGE
from stages.compare.plots.panels import Panel, Series, draw_panels, save
from stages.compare.text import markdown_table
from stages.extract.stage import extract
from stages.features.prepared import compared_features
from stages.merge import initial_labels
from stages.merge.by_parameters import merge_as
from stages.merge.constrained import of_one_encounter
from stages.merge.result import StageMerges
from stages.merge.selection.links import PairConstraints
from stages.nn.initial_model import initial_model
from stages.pages.review import BATCH
from stages.review.counting import INNER, count
from stages.review.counting import draw as draw_pairs
from stages.review.sightings import Together, draw_sightings
from stages.runs.context import Context
from stages.samples import TRAIN
from stages.typing import Float32Array, Int64Array

NO_PAIRS = np.empty((0, 2), dtype=np.int64)
MERGING = MergeParameters(camera="ignored", lambda_=0.1)
ACCURACIES = (1.0, 0.95)
ORDERS = ("worth", "random", "nearest")
STEPS = {"0": 0.0, "a third": 1 / 3, "two thirds": 2 / 3, "all": 1.0}
GAIN_HEAD = [
    *("set", "clusters", "right", "order", *(f"ARI, {step}" for step in STEPS)),
    *("gain", "mAP, 0", "mAP, all", "error of K"),
]
COUNT_HEAD = ["set", "individuals", "clusters", "answers", "estimate", "interval", "width", "covered"]
FRAME_HEAD = ["set", "clusters", "ARI without", "ARI with frames of three"]
MOST_OF_ONE = 12
FINE = 128
ANSWERS, N_COUNTS = (100, 300, 1000), 200


@dataclass(frozen=True)
class Cut:
    """A set cut to size: features (n, d) as the merge compares them, the individuals (n,), and what is known before."""

    rows: Float32Array
    truth: Int64Array
    together: Together | None = None

    @property
    def n_individuals(self) -> int:
        return int(self.truth.max()) + 1

    def merged(self, n_clusters: int) -> StageMerges:
        n_merges = len(self.rows) - max(1, min(n_clusters, len(self.rows) - 1))
        return self.merged_under(NO_PAIRS, n_merges)

    def merged_under(self, different: Int64Array, n_merges: int) -> StageMerges:
        known = PairConstraints(different=different)
        if self.together is not None:
            known = PairConstraints(self.together.same, different, self.together.view)
        singles = initial_labels(len(self.rows))
        return merge_as(MERGING, self.rows, singles, n_merges, camid=None, constraints=known)

    def merge_anew(self, members: Int64Array, constraints: PairConstraints) -> Int64Array:
        singles = initial_labels(len(members))
        return merge_as(
            MERGING, self.rows[members], singles, len(members) - 1, camid=None, constraints=constraints
        ).labels


def main() -> None:
    """Print and keep the tables, and draw the curves."""
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    gains: list[list[str]] = []
    counts: list[list[str]] = []
    frames: list[list[str]] = []
    for data in _data_sets(arguments):
        known = known_of(data)
        cuts = [cut_to(known, n_samples=arguments.samples, seed=seed) for seed in arguments.seeds]
        print(f"{data.name}: {[len(cut.rows) for cut in cuts]} images", flush=True)
        found = {times: curves_of(cuts, times, arguments.seeds) for times in arguments.clusters}
        draw_curves(arguments.out / f"reviewing-{data.name}", data.name, cuts, found)
        for times, curves in found.items():
            gains += gain_rows(data.name, cuts, times, curves)
        counts += count_rows(data.name, cuts[0], arguments.clusters[-1])
        frames += frame_rows(data.name, cuts, arguments.clusters, arguments.seeds)
        tables = ((GAIN_HEAD, gains), (COUNT_HEAD, counts), (FRAME_HEAD, frames))
        text = "\n".join(markdown_table(head, rows) for head, rows in tables)
        (arguments.out / "reviewing.md").write_text(text)
        print(text, flush=True)


@dataclass(frozen=True)
class Known:
    """Of all train images: features `rows` (n, d), identity numbers `pid` (n,), and `encounter` and `view` (n,) if known."""

    rows: Float32Array
    pid: Int64Array
    encounter: Int64Array | None
    view: Int64Array | None


def known_of(data: DataSet) -> Known:
    """The initial train features as the merge compares them, and what the source says."""
    initial_model(data.run, data.plan.initial, context=Context())
    made = extract(
        data.run, stage=INIT_STAGE, parameters=data.plan.extract, initial=data.plan.initial, context=Context()
    )
    dataset = data.run.require("dataset")
    is_train = dataset.read("split") == TRAIN
    if made.artifact is None:
        raise SystemExit(f"{data.name}: no features")
    encounter, view = (
        dataset.read(name)[is_train].astype(np.int64) if name in dataset.names() else None
        for name in ("encounter", "view")
    )
    pid = dataset.read("pid")[is_train].astype(np.int64)
    return Known(compared_features(made.artifact, dataset, MERGING), pid, encounter, view)


def cut_to(known: Known, *, n_samples: int, seed: int) -> Cut:
    """About `n_samples` images, at most `MOST_OF_ONE` of an identity, in an order by the seed; of encounters, all images.

    Features are turned so that n dimensions hold them, which changes no distance and takes less time.
    """
    generator = np.random.default_rng(seed)
    kept: list[int] = []
    for identity in generator.permutation(np.unique(known.pid[known.pid > 0])).tolist():
        members = generator.permutation(np.flatnonzero(known.pid == identity))
        if known.encounter is not None:
            # whole encounters, in the order in which their first images were drawn
            _, first, number = np.unique(known.encounter[members], return_index=True, return_inverse=True)
            members = members[np.argsort(first[number], kind="stable")]
        some = members[:MOST_OF_ONE].tolist()
        if kept and len(kept) + len(some) > n_samples:
            break
        kept += some
    order = generator.permutation(np.array(kept))
    left, size, _ = np.linalg.svd(known.rows[order].astype(np.float64), full_matrices=False)
    together = None
    if known.encounter is not None and known.view is not None:
        together = Together(of_one_encounter(known.encounter[order], NO_PAIRS, NO_PAIRS), known.view[order])
    truth = np.unique(known.pid[order], return_inverse=True)[1].astype(np.int64)
    return Cut((left * size).astype(np.float32), truth, together)


Curves = dict[tuple[float, str], list[list[Reviewed]]]
"""By accuracy and order: the clusters after answers, of every seed."""


def curves_of(cuts: list[Cut], times: float, seeds: list[int]) -> Curves:
    """The curves of every accuracy and order, from `times` as many clusters as individuals."""
    return {
        (accuracy, order): [_curve(cut, times, order, accuracy, seed) for cut, seed in zip(cuts, seeds, strict=True)]
        for accuracy in ACCURACIES
        for order in ORDERS
    }


def gain_rows(name: str, cuts: list[Cut], times: float, found: Curves) -> list[list[str]]:
    """A row for each accuracy and order, means over seeds."""
    rows = []
    for (accuracy, order), curves in found.items():
        shown = [
            statistics.mean(curve[round(place * (len(curve) - 1))].ari for curve in curves) for place in STEPS.values()
        ]
        gain = [curve[-1].ari - curve[0].ari for curve in curves]
        errors = [_error(curve[-1], cut) for curve, cut in zip(curves, cuts, strict=True)]
        told = [f"{value:.3f}" for value in shown]
        spread = f"{statistics.mean(gain):+.3f} ± {statistics.pstdev(gain):.3f}"
        maps = [statistics.mean(curve[place].mean_average_precision for curve in curves) for place in (0, -1)]
        rows.append(
            [
                *(name, f"{times:g}×", f"{accuracy:.0%}", order, *told, spread),
                *(f"{value:.3f}" for value in maps),
                f"{statistics.mean(errors):.0%}",
            ]
        )
    return rows


def draw_curves(path: Path, name: str, cuts: list[Cut], found: dict[float, Curves]) -> None:
    """Write ARI, mAP and the error of the number of clusters against answers as a figure, means over seeds."""
    panels = []
    for measure in ("ARI", "mAP", "error of K"):
        for times, curves in found.items():
            series = [
                _series(f"{order}, {accuracy:.0%} right", measure, cuts, of_seeds)
                for (accuracy, order), of_seeds in curves.items()
            ]
            panels.append(Panel(f"{times:g}× as many clusters as individuals", "answers", measure, series))
    save(draw_panels(panels, title=f"{name}: what answers are worth"), path, overwrite=True)


def _series(label: str, measure: str, cuts: list[Cut], of_seeds: list[list[Reviewed]]) -> Series:
    n_points = min(map(len, of_seeds))
    values = [
        [
            {"ARI": point.ari, "mAP": point.mean_average_precision}.get(measure, _error(point, cut))
            for point in curve[:n_points]
        ]
        for curve, cut in zip(of_seeds, cuts, strict=True)
    ]
    return Series(label, [point.n_answers for point in of_seeds[0][:n_points]], np.mean(values, axis=0).tolist())


def _error(point: Reviewed, cut: Cut) -> float:
    return abs(point.n_clusters / cut.n_individuals - 1)


def _curve(cut: Cut, times: float, order: str, accuracy: float, seed: int) -> list[Reviewed]:
    merged = cut.merged(round(times * cut.n_individuals))
    level = float(merged.distance[-1]) if len(merged.distance) else None
    asked = {
        "worth": lambda: by_worth(cut.rows, lambda_=MERGING.lambda_, cut=level),
        "random": lambda: at_random(len(cut.rows), seed=seed),
        "nearest": lambda: nearest_first(cut.rows),
    }[order]()
    n_answers = len(cut.rows) // 10
    reviewer = Reviewer(cut.truth, accuracy, np.random.default_rng([seed, 1]), cut.together)
    return review(cut.rows, merged.labels, reviewer, asked, cut.merge_anew, n_answers=n_answers, batch=BATCH)


def count_rows(name: str, cut: Cut, times: float) -> list[list[str]]:
    """A row for each number of answers: simulated counts by `times` as many clusters as individuals."""
    labels = cut.merged(round(times * cut.n_individuals)).labels
    rows = []
    for n_answers in ANSWERS:
        found = []
        for seed in range(N_COUNTS):
            drawing = draw_pairs if cut.together is None else partial(draw_sightings, together=cut.together)
            draws = drawing(cut.rows, labels, n_drawn=n_answers // INNER, seed=seed)
            pairs = draws.pairs()
            found.append(count(draws, cut.truth[pairs[..., 0]] == cut.truth[pairs[..., 1]]))
        low, high = statistics.mean(one.low for one in found), statistics.mean(one.high for one in found)
        covered = statistics.mean(float(one.low <= cut.n_individuals <= one.high) for one in found)
        estimate = f"{statistics.mean(one.estimate for one in found):.0f}"
        interval = f"{low:.0f} to {high:.0f}"
        rows.append(
            [
                *(name, str(cut.n_individuals), str(labels.max() + 1), str(n_answers), estimate, interval),
                *(f"{high - low:.0f}", f"{covered:.0%}"),
            ]
        )
    return rows


def frame_rows(name: str, cuts: list[Cut], clusters: list[float], seeds: list[int]) -> list[list[str]]:
    """A row for each number of clusters: merged with and without knowing that those of one frame differ, means over seeds."""
    rows = []
    for times in clusters:
        found: dict[bool, list[float]] = {False: [], True: []}
        for cut, seed in zip(cuts, seeds, strict=True):
            for is_known, values in found.items():
                different = frames_of_three(cut.truth, seed) if is_known else NO_PAIRS
                merged = cut.merged_under(different, max(1, len(cut.rows) - round(times * cut.n_individuals)))
                values.append(float(adjusted_rand_score(cut.truth, merged.labels)))
        rows.append([name, f"{times:g}×", *(f"{statistics.mean(values):.3f}" for values in found.values())])
    return rows


def frames_of_three(truth: Int64Array, seed: int) -> Int64Array:
    """Pairs of samples that would be seen in one frame: samples in threes of different individuals, drawn by `seed`."""
    order = np.random.default_rng([seed, 2]).permutation(len(truth))
    frames = order[: len(order) // 3 * 3].reshape(-1, 3)
    different = [(truth[frames[:, i]] != truth[frames[:, j]]) for i, j in ((0, 1), (0, 2), (1, 2))]
    whole = frames[np.logical_and.reduce(different)]
    return np.concatenate([whole[:, [0, 1]], whole[:, [0, 2]], whole[:, [1, 2]]]).astype(np.int64)


def _data_sets(arguments: argparse.Namespace) -> Iterator[DataSet]:
    size = QUICK if arguments.quick else Size(train_share=1.0, test_share=0.1, people=60)
    kinds = (
        (arguments.market, eth80_market, size),
        (arguments.table, vehicles, size),
        (arguments.fine, vehicles, replace(size, height=FINE)),
    )
    for given, made, own_size in kinds:
        for named in given:
            name, source = named.split("=", 1)
            yield made(Path(source), arguments.weights, arguments.out, own_size, name=name)
    yield drawn_people(arguments.out, size)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--market", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--table", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--fine", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clusters", type=float, nargs="+", default=[1, 2])
    parser.add_argument("--quick", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
