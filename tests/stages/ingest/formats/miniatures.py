"""A small source of every format that reads files, so that what holds for one can be tried on all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from box_sources import camtrap_dp, coco, labelme, mot, observation, pictures, png, shape, text, video, voc, voc_object
from scipy.io import savemat

PIDS, CAMERAS = (1, 2, 3), (1, 2)


def write(root: Path, names: list[str]) -> None:
    """Images with content of their own."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(number, 12, 8))


def _named(folders: tuple[str, str, str], shape: str) -> Callable[[Path, str], None]:
    def build(root: Path, suffix: str) -> None:
        sightings = [(folders[0], 1, 1), (folders[0], 1, 2), (folders[1], 2, 1), (folders[2], 2, 2), (folders[2], 3, 1)]
        write(root, [f"{folder}/{shape.format(pid=pid, cam=cam)}{suffix}" for folder, pid, cam in sightings])

    return build


def _csv(root: Path, suffix: str) -> None:
    rows = [(f"im/{pid}_{cam}{suffix}", pid, cam) for pid in PIDS for cam in CAMERAS]
    write(root, [path for path, _, _ in rows])
    (root / "samples.csv").write_text("path,pid,camid\n" + "".join(f"{p},{pid},{cam}\n" for p, pid, cam in rows))


def _folder(root: Path, suffix: str) -> None:
    write(root, [f"person{pid}/c{cam}{suffix}" for pid in PIDS for cam in CAMERAS])


def _msmt17(root: Path, suffix: str) -> None:
    lists = {"train": ("train", 0), "val": ("train", 1), "query": ("test", 0), "gallery": ("test", 0)}
    for number, (name, (folder, pid)) in enumerate(lists.items()):
        path = f"{pid:04}/{pid:04}_{number:03}_{number + 1:02}_0303morning_0015_1{suffix}"
        write(root / folder, [path])
        (root / f"list_{name}.txt").write_text(f"{path} {pid}\n")


def _mars(root: Path, suffix: str) -> None:
    names = {"train": ["0001C1T0001F001", "0001C2T0001F001"], "test": ["0002C1T0001F001", "0002C2T0001F001"]}
    for half, stems in names.items():
        write(root, [f"bbox_{half}/{stem[:4]}/{stem}{suffix}" for stem in stems])
        (root / "info").mkdir(exist_ok=True)
        (root / f"info/{half}_name.txt").write_text("".join(f"{stem}{suffix}\n" for stem in stems))
        tracks = np.array([[row, row, int(stem[:4]), int(stem[5])] for row, stem in enumerate(stems, start=1)])
        savemat(root / f"info/tracks_{half}_info.mat", {"tracks": tracks})
    savemat(root / "info/query_IDX.mat", {"query_IDX": np.array([[1]])})


def _videoreid(root: Path, suffix: str) -> None:
    tracks = [
        "train/0001/0001/0001_C1_F0001_X1",
        "query/0002/0001/0002_C1_F0001_X1",
        "gallery/0002/0002/0002_C2_F0001_X1",
    ]
    write(root, [f"{track}{suffix}" for track in tracks])


def _mot(root: Path, suffix: str) -> None:
    mot(root, [f"{frame},{track},{track},3,20,20,1,1,1" for frame in (1, 2, 3) for track in (4, 5)], suffix=suffix)


def _ai_city(root: Path, suffix: str) -> None:
    pictures(root, f"c001/000001{suffix}", f"c001/000002{suffix}", f"c002/000001{suffix}")
    rows = [f"{camera} {i} {frame} {i} 4 20 20 0 0\n" for camera, frame in ((1, 1), (1, 2), (2, 1)) for i in (7, 8)]
    text(root / "track1.txt", "".join(rows))


def _kitti(root: Path, suffix: str) -> None:
    pictures(root, *(f"image_02/0000/{frame:06}{suffix}" for frame in (0, 1)))
    rows = [f"{f} {i} Car 0 0 -1.57 {i} 4 23 24 1.5 1.6 3.7 1.8 1.5 8.4 0.01\n" for i in (5, 6) for f in (0, 1)]
    text(root / "label_02" / "0000.txt", "".join(rows))


def _coco(root: Path, suffix: str) -> None:
    coco(root, [{"image_id": 1, "bbox": [1, 2, 9, 9], "name": "a"}, {"image_id": 2, "name": "b"}], suffix=suffix)


def _wildlife_datasets(root: Path, suffix: str) -> None:
    pictures(root, f"im/1{suffix}", f"im/2{suffix}")
    text(root / "metadata.csv", f'path,identity,bbox\nim/1{suffix},a,"[1, 2, 9, 9]"\nim/2{suffix},b,\n')


def _camtrap_dp(root: Path, suffix: str) -> None:
    camtrap_dp(root, [observation(1, 1), observation(2, 2, individualID="a")], suffix=suffix)


def _yolo(root: Path, suffix: str) -> None:
    pictures(root, f"images/1{suffix}", f"images/2{suffix}")
    for name in ("1", "2"):
        text(root / "labels" / f"{name}.txt", "0 0.5 0.5 0.5 0.5\n")


def _voc(root: Path, suffix: str) -> None:
    pictures(root, f"JPEGImages/1{suffix}", f"JPEGImages/2{suffix}")
    for name in ("1", "2"):
        voc(root / "Annotations" / f"{name}.xml", voc_object((4, 6, 24, 26)), filename=f"{name}{suffix}")


def _labelme(root: Path, suffix: str) -> None:
    pictures(root, f"1{suffix}", f"2{suffix}")
    for name in ("1", "2"):
        labelme(root / f"{name}.json", shape([4, 6], [24, 26]), imagePath=f"{name}{suffix}")


def _video(root: Path, _suffix: str) -> None:
    video(root / "a.mp4", [10, 60, 110])
    video(root / "b.mp4", [160, 60, 110] * 3)


def _megadetector(root: Path, suffix: str) -> None:
    names = [f"site{camera}/1{suffix}" for camera in CAMERAS]
    write(root, names)
    boxes = [{"category": "1", "conf": 0.9, "bbox": [0.1 * n, 0.2, 0.5, 0.4]} for n in (1, 2)]
    images = [{"file": name, "detections": boxes} for name in names]
    (root / "results.json").write_text(json.dumps({"detection_categories": {"1": "animal"}, "images": images}))


MARKET = ("bounding_box_train", "query", "bounding_box_test")
BUILDERS: dict[str, Callable[[Path, str], None]] = {
    "ai-city": _ai_city,
    "camtrap-dp": _camtrap_dp,
    "coco": _coco,
    "csv": _csv,
    "cuhk03-np": _named(MARKET, "{pid:04}_c{cam}_1"),
    "dukemtmc-reid": _named(MARKET, "{pid:04}_c{cam}_f0000001"),
    "dukemtmc-videoreid": _videoreid,
    "folder": _folder,
    "kitti": _kitti,
    "labelme": _labelme,
    "mot": _mot,
    "video": _video,
    "voc": _voc,
    "wildlife-datasets": _wildlife_datasets,
    "yolo": _yolo,
    "market1501": _named(MARKET, "{pid:04}_c{cam}s1_000451_03"),
    "mars": _mars,
    "megadetector": _megadetector,
    "msmt17": _msmt17,
    "veri776": _named(("image_train", "image_query", "image_test"), "{pid:04}_c{cam:03}_00030600_0"),
}


def build(root: Path, name: str, *, suffix: str = ".jpg") -> Path:
    """A source of the format `name` under `root`, whose images have the suffix; it is returned."""
    root.mkdir(parents=True, exist_ok=True)
    BUILDERS[name](root, suffix)
    return root
