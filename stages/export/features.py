"""The features of a stage, one row a sample, as NumPy arrays, as a table, or for TensorBoard's projector."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages.arrays.memory_limit import limit_of, require_memory
from stages.constraints.sample_names import sample_names
from stages.errors import UsageError
from stages.export.tables import csv_text, write_parquet
from stages.output_files import all_or_nothing, require_new, write_text, write_whole
from stages.runs.lineage import dataset_of
from stages.runs.run_directory import RunDirectory, features_manifest
from stages.runs.source_names import names_of, places, tracklet_names
from stages.runs.store import Artifact
from stages.samples import SPLIT_NAMES, TRAIN
from stages.typing import Float32Array, Int32Array, Int64Array

ENDINGS = (".npz", ".parquet")
SPRITE_SIDE = 8192
"""The longest side in pixels of a picture that the projector reads."""
_THUMBNAIL = 64


@dataclass(frozen=True)
class Embedded:
    """Samples (n) with their `features` (n, d), length 1; `path` of the first frame, and `cluster`, −1 without one.

    `tracklet` is what the source calls it, or its number, empty for none; no list if no sample has one.
    `pid` (n) is −2 for an unknown identity, −1 for junk and 0 for a distractor, which have no name.
    `place` (n) tells samples of one picture or video apart, if there are such: `frame` from 0, −1 if it has none, and what was
    cut out of it, `left`, `top`, `width` and `height` in pixels.
    """

    stage: int
    path: list[str]
    split: list[str]
    camera: list[str]
    identity: list[str]
    tracklet: list[str]
    pid: Int32Array
    cluster: Int64Array
    features: Float32Array
    dataset: Artifact
    place: dict[str, Int64Array]


def embedded(run: RunDirectory, features: Artifact, labels: Int64Array | None = None) -> Embedded:
    """The samples of the `features` of a run, in the clusters `labels` (n_train,) if there are any, −1 for none."""
    dataset = dataset_of(run, features)
    split, first = dataset.read("split"), dataset.read("frame_start")[:-1]
    cluster = np.full(len(split), -1, dtype=np.int64)
    tracklets, _ = tracklet_names(dataset)
    any_tracklet = any(name is not None for name in tracklets)
    if labels is not None:
        cluster[split == TRAIN] = labels
    return Embedded(
        stage=features_manifest(features).summary.stage,
        path=dataset.read("path")[first].tolist(),
        split=[SPLIT_NAMES[each] for each in split],
        camera=[name or "" for name in names_of(dataset, "camera")],
        identity=[name or "" for name in names_of(dataset, "identity")],
        tracklet=["" if name is None else str(name) for name in tracklets] if any_tracklet else [],
        pid=dataset.read("pid"),
        cluster=cluster,
        features=features.read("pooled"),
        dataset=dataset,
        place=places(dataset, first),
    )


def write_features(found: Embedded, file: Path, *, overwrite: bool = False) -> None:
    """Write the samples to `file`, .npz without pickled objects or .parquet; UsageError for another ending."""
    texts = {name: getattr(found, name) for name in ("path", "split", "camera", "identity", "tracklet")}
    texts = {name: text for name, text in texts.items() if name != "tracklet" or text}
    if file.suffix == ".parquet":
        write_parquet(
            {**texts, "pid": found.pid, **found.place, "cluster": found.cluster, "features": found.features},
            file,
            overwrite=overwrite,
        )
        return
    if file.suffix != ".npz":
        raise UsageError(f"`out` must end in {' or '.join(ENDINGS)}, got {str(file)!r}")
    arrays: dict[str, Any] = {name: np.asarray(text, dtype=np.str_) for name, text in texts.items()} | found.place
    arrays["pid"] = found.pid

    def write(part: Path) -> None:
        with part.open("wb") as opened:
            np.savez(opened, features=found.features, cluster=found.cluster, **arrays)

    write_whole(file, write, overwrite=overwrite)


def write_distances(found: Embedded, file: Path, *, overwrite: bool = False) -> tuple[int, int]:
    """Write 1 − cosine of each query to each of the gallery, of all samples if there are no queries, to `file`, .npz.

    It holds `distances` (q, g) in float32, and names, identities and cameras of rows and columns; returns (q, g). UsageError
    for another ending, MemoryLimitError if they do not fit.
    """
    if file.suffix != ".npz":
        raise UsageError(f"`distances` must end in .npz, got {str(file)!r}")
    split = np.array(found.split)
    sides = {name: np.flatnonzero(split == name) for name in ("query", "gallery")}
    if not all(map(len, sides.values())):
        sides = dict.fromkeys(sides, np.arange(len(split)))
    query, gallery = sides.values()
    n_bytes = query.size * gallery.size * 4 + 2 * found.features.nbytes
    what = f"a matrix of {query.size} × {gallery.size} distances"
    require_memory(n_bytes, memory_limit=limit_of(None, found.features), what=what)
    distances = found.features[query] @ found.features[gallery].T
    np.subtract(1, distances, out=distances)
    known = {"": np.array(sample_names(found.dataset)), "_pid": found.pid, "_camera": np.array(found.camera)}
    arrays: dict[str, Any] = {
        f"{side}{name}": column[own] for side, own in sides.items() for name, column in known.items()
    }

    def write(part: Path) -> None:
        with part.open("wb") as opened:
            np.savez(opened, distances=distances, **arrays)

    write_whole(file, write, argument="distances", overwrite=overwrite)
    return query.size, gallery.size


def projector_files(folder: Path) -> tuple[Path, ...]:
    """What `write_projector` writes: vectors, what is known of each, settings, small pictures."""
    return tuple(folder / name for name in ("vectors.tsv", "metadata.tsv", "projector_config.pbtxt", "sprite.png"))


@all_or_nothing()
def write_projector(found: Embedded, folder: Path, *, overwrite: bool = False) -> None:
    """Write what TensorBoard's projector reads into `folder`; UsageError if one of `projector_files` is there."""
    files = projector_files(folder)
    require_new(files, argument="projector", overwrite=overwrite)
    sprite, side = _sprite(found)
    rows = ("\t".join(f"{value:.7g}" for value in row) for row in found.features.tolist())
    texts: dict[str, list[Any]] = {
        "path": found.path,
        **{name: column.tolist() for name, column in found.place.items()},
    }
    texts |= {"cluster": found.cluster.tolist(), "camera": found.camera, "identity": found.identity}
    cells = {name: [" ".join(str(value).split()) for value in column] for name, column in texts.items()}
    metadata = csv_text(cells, delimiter="\t")
    settings = (
        'embeddings {\n  tensor_path: "vectors.tsv"\n  metadata_path: "metadata.tsv"\n'
        f'  sprite {{\n    image_path: "sprite.png"\n    single_image_dim: {side}\n    single_image_dim: {side}\n  }}\n}}\n'
    )
    for file, text in zip(files, ("\n".join(rows) + "\n", metadata, settings), strict=False):
        write_text(text, file, argument="projector", overwrite=overwrite)
    write_whole(files[-1], lambda part: sprite.save(part, format="PNG"), argument="projector", overwrite=overwrite)


def _sprite(found: Embedded) -> tuple[Image.Image, int]:
    """The first frame of every sample, row by row in a square of squares, and the side of each in pixels."""
    n_columns = max(math.ceil(math.sqrt(len(found.path))), 1)
    side = max(min(_THUMBNAIL, SPRITE_SIDE // n_columns), 1)
    sprite = Image.new("RGB", (n_columns * side, n_columns * side))
    images, first = found.dataset.rows("images"), found.dataset.read("frame_start")[:-1]
    for place, image in enumerate(first.tolist()):
        picture = Image.fromarray(images[np.asarray([image])][0]).resize((side, side))
        sprite.paste(picture, (place % n_columns * side, place // n_columns * side))
    return sprite, side
