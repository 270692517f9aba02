"""The pictures that were ingested, as a review shows them: larger than they are stored, if they are there and unchanged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from stages.errors import UsageError
from stages.ingest.decode.crops import BadImageError
from stages.ingest.decode.image_file import decode_whole
from stages.ingest.decode.pixels import is_video
from stages.ingest.source_digest import digest_each
from stages.ingest.whereabouts import PictureFiles, find_pictures
from stages.pages.pictures import webp
from stages.reporting import Reporter
from stages.runs.kept_source import file_digests, read_source
from stages.runs.store import Artifact


class Originals:
    """The pictures of a dataset, or their boxes, that have the content they had when they were ingested."""

    def __init__(self, dataset: Artifact, pictures: PictureFiles, digests: dict[str, str]) -> None:
        self._path: list[str] = dataset.read("path").tolist()
        self._box = dataset.read("box") if "box" in dataset.names() else None
        self._pictures = pictures
        self._digests = digests
        self._is_unchanged: dict[str, bool] = {}

    @classmethod
    def of(cls, dataset: Artifact, images: Sequence[int], *, reporter: Reporter) -> Originals | None:
        """Originals of the pictures of `dataset`, but of no videos; None, with a note, if most of its `images` are gone."""
        kept = read_source(dataset)
        if kept is None or "path" not in dataset.names():
            return None
        every: list[str] = dataset.read("path").tolist()
        paths = [path for path in dict.fromkeys(every[image] for image in images) if path and not is_video(path)]
        if not paths:
            return None
        try:
            pictures = find_pictures(dataset, paths, by_content=False)
        except UsageError:
            reporter.note(
                "pictures are shown as they are stored, because they are no longer where they were ingested from"
            )
            return None
        return cls(dataset, pictures, file_digests(every, kept.digests))

    def webp(self, image: int, *, side: int, quality: int) -> bytes | None:
        """Image number `image` as WebP, at most `side` pixels wide and high; None if it is not as it was ingested."""
        path = self._path[image]
        if path in self._pictures.lost or is_video(path) or not self._unchanged(path):
            return None
        try:
            picture = decode_whole(self._pictures.file(path))
        except BadImageError:
            return None
        return webp(np.asarray(self._cut(picture, image)), side=side, quality=quality)

    def _unchanged(self, path: str) -> bool:
        if path not in self._is_unchanged:
            before = self._digests.get(path)
            file = self._pictures.file(path)
            self._is_unchanged[path] = bool(before) and digest_each(file.parent, [file.name], workers=1) == [before]
        return self._is_unchanged[path]

    def _cut(self, picture: Image.Image, image: int) -> Image.Image:
        if self._box is None:
            return picture
        left, top, width, height = self._box[image].tolist()
        return picture.crop((left, top, left + width, top + height)) if width > 0 and height > 0 else picture
