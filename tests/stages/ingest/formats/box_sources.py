"""Small sources of the formats of boxes, and ways to read them."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters
from stages.errors import DbcError, UsageError
from stages.ingest.formats import FORMATS, read_samples, recognise_source
from stages.ingest.formats.format import BOXES, STEPS, Findings
from stages.samples import Samples

BOX_FORMATS = frozenset(each.name for each in FORMATS.values() if each.options & (BOXES | STEPS)) - {"csv"}
"""The formats whose rows are boxes in pictures, or frames of a video."""
WIDTH, HEIGHT = 40, 30
MEDIA = "mediaID,deploymentID,timestamp,filePath,filePublic,fileMediatype"
OBSERVATIONS = (
    "observationID,deploymentID,mediaID,eventID,eventStart,eventEnd,observationLevel,observationType,individualID,"
    "scientificName,bboxX,bboxY,bboxWidth,bboxHeight"
)
DEPLOYMENTS = "deploymentID,latitude,longitude,deploymentStart,deploymentEnd"
SEQINFO = "[Sequence]\nname=S1\nimDir=img1\nframeRate=25\nseqLength=3\nimWidth=40\nimHeight=30\nimExt=.jpg\n"


def pictures(root: Path, *names: str) -> Path:
    """Pictures of WIDTH × HEIGHT pixels, each with content of its own."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(number, HEIGHT, WIDTH))
    return root


@functools.cache
def png(number: int, height: int, width: int) -> bytes:
    """A picture with content of its own for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def touch(root: Path, names: Iterable[str]) -> None:
    """Files of one letter, for what is known of a picture without opening it."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def video(file: Path, levels: Sequence[int]) -> Path:
    """A video of 32 × 24 pixels with a grey frame of each of `levels`, 5 a second."""
    av = pytest.importorskip("av", reason="the extra video is not installed")
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w", format="matroska" if file.suffix.lower() == ".mkv" else "mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
        for level in levels:
            frame = av.VideoFrame.from_ndarray(np.full((24, 32, 3), level, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


def text(file: Path, content: str) -> Path:
    """`file` with the text `content`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return file


def voc_object(box: Sequence[object], *, name: str = "zebra", more: str = "", **attributes: object) -> str:
    """An object of Pascal VOC with the corners `box`, as CVAT writes it."""
    corners = "".join(f"<{c}>{n}</{c}>" for c, n in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    said = "".join(f"<attribute><name>{n}</name><value>{v}</value></attribute>" for n, v in attributes.items())
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox><attributes>{said}</attributes></object>"


def voc(file: Path, *objects: str, filename: str | None = None, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A file of Pascal VOC, of the picture `filename`, by default that of its name."""
    name = f"{file.stem}.jpg" if filename is None else filename
    head = f"<folder>x</folder><filename>{name}</filename><path>C:\\other\\{name}</path>"
    of = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>"
    return text(file, f"<annotation>{head}{of}{''.join(objects)}</annotation>\n")


def labelme(file: Path, *shapes: Mapping[str, Any], **changed: Any) -> Path:
    """A file of LabelMe, of the picture of its name."""
    own = {"flags": {}, "imagePath": f"{file.stem}.jpg", "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH}
    return text(file, json.dumps({"version": "5.5.0", "shapes": shapes, **own, **changed}))


def shape(*points: Sequence[object], label: str = "zebra", kind: str = "rectangle", **more: Any) -> dict[str, Any]:
    """A shape of LabelMe."""
    own = {"group_id": None, "description": "", "shape_type": kind, "flags": {}, "mask": None}
    return {"label": label, "points": points, **own, **more}


def mot(root: Path, rows: Sequence[str], *, boxes: str = "gt/gt.txt", suffix: str = ".jpg") -> Path:
    """A sequence of three frames with the `rows` of boxes."""
    pictures(root, *(f"img1/{frame:06}{suffix}" for frame in (1, 2, 3)))
    text(root / boxes, "".join(f"{row}\n" for row in rows))
    return root


def coco(root: Path, annotations: Sequence[Mapping[str, Any]], *, suffix: str = ".jpg", **image: Any) -> Path:
    """A COCO file of two pictures, 1 and 2, with `annotations`; `image` is said of both pictures."""
    names = [f"im/{number}{suffix}" for number in (1, 2)]
    pictures(root, *names)
    size = {"width": WIDTH, "height": HEIGHT}
    images = [{"id": number, "file_name": name, **size, **image} for number, name in enumerate(names, start=1)]
    categories = [{"id": 0, "name": "empty"}, {"id": 1, "name": "zebra"}]
    own = [{"id": number, "category_id": 1, **each} for number, each in enumerate(annotations, start=1)]
    content = {"images": images, "annotations": own, "categories": categories}
    text(root / "coco.json", json.dumps(content))
    return root


def camtrap_dp(
    root: Path, observations: Sequence[str], *, media: Sequence[str] = (), suffix: str = ".jpg", profile: str = ""
) -> Path:
    """A package of two pictures, m1 of deployment d1 and m2 of d2, with the lines of `observations`."""
    pictures(root, f"media/1{suffix}", f"media/2{suffix}")
    own = [
        f"m{number},d{number},2024-05-0{number}T10:00:00Z,media/{number}{suffix},true,image/jpeg" for number in (1, 2)
    ]
    text(root / "media.csv", "\n".join([MEDIA, *own, *media]) + "\n")
    text(root / "observations.csv", "\n".join([OBSERVATIONS, *observations]) + "\n")
    rows = [f"d{number},1.0,2.0,2024-01-01T00:00:00Z,2024-12-31T00:00:00Z" for number in (1, 2)]
    text(root / "deployments.csv", "\n".join([DEPLOYMENTS, *rows]) + "\n")
    text(root / "datapackage.json", json.dumps({"profile": profile or "https://x/camtrap-dp/1.0.2/profile.json"}))
    return root


def observation(number: int, picture: int, **changed: str) -> str:
    """A line of observations.csv: an animal in a box of picture `picture`, some cells `changed`."""
    cells = {
        "observationID": f"o{number}",
        "deploymentID": f"d{picture}",
        "mediaID": f"m{picture}",
        "eventID": f"e{picture}",
        "eventStart": "2024-05-01T10:00:00Z",
        "eventEnd": "2024-05-01T10:00:00Z",
        "observationLevel": "media",
        "observationType": "animal",
        "individualID": "",
        "bboxX": "0.25",
        "bboxY": "0.5",
        "bboxWidth": "0.5",
        "bboxHeight": "0.25",
        "scientificName": "",
        **changed,
    }
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([cells[name] for name in OBSERVATIONS.split(",")])
    return line.getvalue()


def read(source: Path, name: str, *, root: Path | None = None, **parameters: object) -> tuple[Samples, Findings]:
    """The samples of `source`, which is recognised as of the format `name`, and what there is to say."""
    assert recognise_source(source).format == name
    return read_as(source, name, root=root, **parameters)


def read_as(source: Path, name: str, *, root: Path | None = None, **parameters: object) -> tuple[Samples, Findings]:
    """The samples of `source`, whatever it is recognised as, and what there is to say."""
    findings = Findings()
    asked = IngestParameters(format=name, **parameters)  # type: ignore[arg-type]
    return read_samples(source, root=root, parameters=asked, findings=findings), findings


def refusal(source: Path, name: str, *, kind: type[DbcError] = UsageError, **parameters: object) -> str:
    """The one line that refuses `source`, an error of that `kind`."""
    asked = IngestParameters(format=name, **parameters)  # type: ignore[arg-type]
    with pytest.raises(kind) as caught:
        read_samples(source, parameters=asked)
    assert str(caught.value).isprintable()
    return str(caught.value)
