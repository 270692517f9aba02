"""Fish in a video: boxes become tracks by overlap alone, and what comes back is scored against the fish's names.

    python benchmarks/koi.py tracks Koi_5652_952_540.mp4 BB_Koi_5652_952_540.csv OUT
    dbc ingest OUT/sequence --height 128 --width 128 --run OUT/run && dbc run …
    dbc eval --ids OUT/ids.csv && dbc export clusters --format mot --out OUT/found
    python benchmarks/koi.py score OUT
    python -m benchmarks.koi apart OUT

How well `dbc assign` tells fish of the first part of the video from three that are held back:

    python -m benchmarks.koi hold-back Koi_5652_952_540.mp4 BB_Koi_5652_952_540.csv OUT SEED
    dbc ingest OUT/before --height 96 --width 96 --run OUT/run && dbc run … --frames 4
    dbc ingest OUT/later --add && dbc assign --json > OUT/assigned.json
    python -m benchmarks.koi known OUT

Video and boxes are those of Kuncheva et al., github.com/LucyKuncheva/Animal-Identification-from-Video (MIT): 1,635 boxes
of 9 fish in 536 frames; the video is in commit 8ecf00f. The floor is the tracks themselves, without anything joined. `apart`
says what it is worth to know that tracks of one frame are not one fish: clusters of the initial features, with and without.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import roc_auc_score

LEAST_OVERLAP = 0.5
LONGEST = 24
"""Frames of a track: one second. A longer one is cut."""
CLUSTERS = (54, 36, 28, 18, 12, 9)

Box = tuple[int, int, int, int]
Tracks = dict[int, list[tuple[int, str, Box]]]
"""(frame, name, box) of each box, by track."""


def read_boxes(file: Path) -> dict[int, list[tuple[str, Box]]]:
    """The name and box (left, top, width, height from 0) of every fish in each frame, from 1."""
    found: dict[int, list[tuple[str, Box]]] = defaultdict(list)
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for name, x, y, w, h, picture, *_ in csv.reader(opened):
            found[int(picture.removeprefix("scene").removesuffix(".jpg"))].append(
                (name, (int(x), int(y), int(w), int(h)))
            )
    return found


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def tracks_of(boxes: dict[int, list[tuple[str, Box]]]) -> Tracks:
    """Tracks: boxes of frames in a row, paired so that they overlap most. Names are carried along and have no say."""
    tracks: Tracks = {}
    open_tracks: dict[int, Box] = {}
    for frame in range(min(boxes), max(boxes) + 1):
        now = boxes.get(frame, [])
        ids = list(open_tracks)
        scores = np.array([[overlap(open_tracks[i], box) for _, box in now] for i in ids]).reshape(len(ids), len(now))
        pairs = {
            int(b): ids[a]
            for a, b in zip(*linear_sum_assignment(-scores), strict=True)
            if scores[a, b] >= LEAST_OVERLAP
        }
        open_tracks = {}
        for place, (name, box) in enumerate(now):
            track = pairs.get(place, len(tracks) + 1)
            if len(tracks.get(track, ())) >= LONGEST:
                track = len(tracks) + 1
            tracks.setdefault(track, []).append((frame, name, box))
            open_tracks[track] = box
    return tracks


def names_of(tracks: Tracks) -> dict[int, str]:
    """The fish that most boxes of each track show."""
    return {track: Counter(name for _, name, _ in rows).most_common(1)[0][0] for track, rows in tracks.items()}


def write_sequence(folder: Path, video: Path, tracks: Tracks) -> None:
    """A video and its tracks as a tracker writes them."""
    folder.mkdir(parents=True)
    (folder / "koi.mp4").symlink_to(video.absolute())
    lines = sorted(
        (frame, track, f"{frame},{track},{x + 1},{y + 1},{w},{h},1,-1,-1,-1\n")
        for track, rows in tracks.items()
        for frame, _, (x, y, w, h) in rows
    )
    (folder / "koi.txt").write_text("".join(line for *_, line in lines))


def write_tracks(video: Path, boxes: Path, out: Path) -> None:
    """A video, its tracks, and beside them the names, for afterwards."""
    tracks = tracks_of(read_boxes(boxes))
    write_sequence(out / "sequence", video, tracks)
    with (out / "names.csv").open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["track", "frame", "name"])
        writer.writerows((track, frame, name) for track, rows in tracks.items() for frame, name, _ in rows)
    with (out / "ids.csv").open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["path", "frame", "left", "top", "width", "height", "identity"])
        for track, name in names_of(tracks).items():
            frame, _, (x, y, w, h) = next(row for row in tracks[track] if min(row[2][:2]) >= 0)
            writer.writerow(["koi.mp4", frame - 1, x, y, w, h, name])
    mixed = sum(len({name for _, name, _ in rows}) > 1 for rows in tracks.values())
    print(f"{sum(map(len, tracks.values()))} boxes, {len(tracks)} tracks, {mixed} of them of two fish")


N_HELD_BACK = 3
FIRST_PART = 0.6
"""Share of the boxes that lie before the later tracks."""


def hold_back(video: Path, boxes: Path, out: Path, seed: int) -> None:
    """Tracks of all fish but three in the first part of the video, then of all in the rest, and who they are."""
    tracks = tracks_of(read_boxes(boxes))
    name = names_of(tracks)
    frames = sorted(frame for rows in tracks.values() for frame, _, _ in rows)
    cut, fish = frames[int(len(frames) * FIRST_PART)], sorted(set(name.values()))
    known = {fish[i] for i in np.random.default_rng(seed).permutation(len(fish))[: len(fish) - N_HELD_BACK]}
    parts = {
        "before": [track for track, rows in tracks.items() if name[track] in known and rows[-1][0] <= cut],
        "later": [track for track, rows in tracks.items() if rows[0][0] > cut],
    }
    for part, chosen in parts.items():
        write_sequence(out / part, video, {track: tracks[track] for track in chosen})
    first = {track: tracks[track][0] for track in parts["later"]}
    is_known = {
        f"{frame - 1},{max(x, 0)},{max(y, 0)}": name[track] in known for track, (frame, _, (x, y, *_)) in first.items()
    }
    (out / "known.json").write_text(json.dumps(is_known))
    n_known = sum(is_known.values())
    print(f"{len(parts['before'])} tracks of {len(known)} fish, then {len(first)} tracks, {n_known} of them of those")


def score_known(out: Path) -> None:
    """AUROC of the probability, known against held back, and of the similarity alone."""
    is_known = json.loads((out / "known.json").read_text())
    rows = json.loads((out / "assigned.json").read_text())["assignments"]
    truth = [is_known[f"{row['frame']},{row['left']},{row['top']}"] for row in rows]
    told = {name: roc_auc_score(truth, [row[name] for row in rows]) for name in ("probability", "similarity")}
    print(", ".join(f"AUROC of {name} {value:.3f}" for name, value in told.items()))


def identity_f1(names: list[str], ids: list[int]) -> float:
    """IDF1 of boxes that all are found: each fish has one id, so that most boxes agree (Ristani et al. 2016)."""
    rows, columns = (np.unique(each, return_inverse=True)[1] for each in (names, ids))
    table = np.zeros((rows.max() + 1, columns.max() + 1))
    np.add.at(table, (rows, columns), 1)
    return float(table[linear_sum_assignment(-table)].sum() / len(names))


def score(out: Path) -> None:
    """IDF1 of the tracks and of what was found."""
    with (out / "names.csv").open(newline="") as opened:
        names = {(int(row["frame"]), int(row["track"])): row["name"] for row in csv.DictReader(opened)}
    given = np.loadtxt(out / "sequence" / "koi.txt", delimiter=",")
    (file,) = sorted((out / "found").glob("*.txt"))
    found = np.loadtxt(file, delimiter=",")
    # boxes come back clipped to the picture
    given[:, 2:4] = given[:, 2:4].clip(min=1)
    id_of = {(int(row[0]), *row[2:4].round().tolist()): int(row[1]) for row in found}
    keys = [(int(row[0]), int(row[1])) for row in given]
    ids = [id_of[int(row[0]), *row[2:4].round().tolist()] for row in given]
    truth = [names[key] for key in keys]
    print(f"{len(found)} boxes came back with {len(set(ids))} ids for {len(set(truth))} fish")
    print(
        f"IDF1 {identity_f1(truth, ids):.3f}; of the tracks alone {identity_f1(truth, [track for _, track in keys]):.3f}"
    )


def apart(out: Path) -> None:
    """ARI and IDF1 of the boxes at some numbers of clusters, without and with what frames show."""
    from sklearn.metrics import adjusted_rand_score

    from benchmarks.turns import print_table
    from schemas.parameters import MergeParameters
    from schemas.stage_names import INIT_STAGE
    from stages.constraints.derived import derived_pairs
    from stages.features.prepared import compared_features
    from stages.ingest.known_later import read_known_later
    from stages.merge import initial_labels
    from stages.merge.by_parameters import merge_as
    from stages.merge.selection.links import PairConstraints
    from stages.runs.run_directory import RunDirectory

    run, parameters = RunDirectory(out / "run"), MergeParameters(camera="ignored")
    dataset = run.require("dataset")
    fish, n_boxes = read_known_later(out / "ids.csv", dataset).pid, np.diff(dataset.read("frame_start"))
    rows, different = (
        compared_features(run.require("features", INIT_STAGE), dataset, parameters),
        derived_pairs(dataset).pairs,
    )
    table = []
    for n_clusters in CLUSTERS:
        scores: list[str] = []
        for known in (PairConstraints(), PairConstraints(different=different)):
            singles = initial_labels(len(rows))
            labels = merge_as(
                parameters, rows, singles, len(rows) - n_clusters, camid=None, constraints=known
            ).labels.repeat(n_boxes)
            names = [str(name) for name in fish.repeat(n_boxes)]
            scores += [f"{adjusted_rand_score(names, labels):.3f}", f"{identity_f1(names, labels.tolist()):.3f}"]
        table.append([str(n_clusters), *scores])
    head = ["clusters", "ARI without", "IDF1 without", "ARI with", "IDF1 with"]
    print_table(f"{len(rows)} tracks, {len(different)} pairs of them in one frame", head, *table)


if __name__ == "__main__":
    asked, paths, seed = sys.argv[1], map(Path, sys.argv[2:5]), map(int, sys.argv[5:])
    steps = {"tracks": write_tracks, "hold-back": hold_back, "known": score_known, "apart": apart, "score": score}
    steps[asked](*paths, *seed)
