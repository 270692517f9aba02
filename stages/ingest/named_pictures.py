"""Which pictures of a dataset the names in a table mean."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple
from unicodedata import normalize

from stages.wording import shown, with_first

_OUT = "../"


class Fit(NamedTuple):
    """The paths of the pictures that fit a name, and by how many letters: infinite if it is their path, 0 if none fits.

    Letters count in composed form (NFC), so that fits of a name in two forms compare.
    """

    n_letters: float
    paths: list[str]


class NamedPictures:
    """The pictures of a dataset, whose images have `paths`, by what a table may call them.

    A name is that of a picture if both are equal, or one is the end of the other from a whole folder or file name on: of
    `D02/100EK113/IMG_0001.JPG` are `100EK113/IMG_0001.JPG`, a file name alone, and `E:/cards/D02/100EK113/IMG_0001.JPG`. The
    longest common end decides. Names are alike in all forms of Unicode, unless two pictures have the same name in two of them.
    None fits a name that fits another picture of `later` better, the paths of a newer dataset.
    """

    def __init__(self, paths: Sequence[str], *, later: Sequence[str] = ()) -> None:
        self.images_of: dict[str, list[int]] = {}
        for image, path in enumerate(paths):
            self.images_of.setdefault(path, []).append(image)
        self._ends = _Ends(self.images_of, str)
        added = [path for path in dict.fromkeys(later) if path not in self.images_of]
        self._later = NamedPictures(added) if added else None
        self._fits: dict[str, Fit] = {}

    def that_fit(self, name: str) -> list[str]:
        """The paths of all pictures that `name` fits equally well; it means one if they are one."""
        return [] if self.is_later(name) else self.fit(name).paths

    def fit(self, name: str) -> Fit:
        """The pictures that `name` fits, and how well, whatever `later` has."""
        found = self._fits.get(name)
        if found is None:
            found = self._ends.fit(name)
            if found.n_letters < math.inf and not name.isascii():
                # the first of two that fit equally well, so one in the same form as the name
                found = max(found, self._composed.fit(normalize("NFC", name)), key=lambda fit: fit.n_letters)
            self._fits[name] = found
        return found

    def is_later(self, name: str) -> bool:
        """Whether `name` fits a picture that only a newer dataset has, and none here as well."""
        return (
            name not in self.images_of
            and self._later is not None
            and self._later.fit(name).n_letters > self.fit(name).n_letters
        )

    def told_meant(self, names: Iterable[str]) -> list[str]:
        """Lines on those of `names` that fit others beside the picture they mean, or fit it by its file name alone."""
        alike, bare = [], []
        for name in names:
            if name in self.images_of:
                if name in self._ends.of_others:
                    alike.append(name)
            elif "/" in name and len(found := self.that_fit(name)) == 1 and "/" not in found[0]:
                bare.append(name)
        told = []
        if alike:
            told.append(
                f"names that are the path of one picture, which they mean, and the end of others, too: {with_first(alike)}"
            )
        if bare:
            told.append(
                "names with folders of pictures that lie in none here, so that the file name alone decides: "
                f"{with_first(bare)}"
            )
        return told

    def is_backslashed(self, name: str) -> bool:
        """Whether pictures fit `name` with a slash for each of its backslashes."""
        return "\\" in name and bool(self.that_fit(name.replace("\\", "/")))

    def not_there(self, name: str, example: str | None = None) -> str:
        """What to say after "names" of a `name` that fits no picture; `example` is one that does, by default the first."""
        if self.is_backslashed(name):
            return f"{shown(name)}, which is there with / in place of each backslash; write / in all paths"
        example = shown(example or next(iter(self.images_of), "none"))
        return (
            f"{shown(name)}, which is no picture of the data set, such as {example}; give paths as dbc export clusters "
            "lists them"
        )

    @cached_property
    def _composed(self) -> _Ends:
        return _Ends(self.images_of, lambda path: normalize("NFC", path))


class _Ends:
    """Different `paths`, each in a `form`, by their ends."""

    def __init__(self, paths: Iterable[str], form: Callable[[str], str]) -> None:
        self._of: dict[str, list[str]] = {}
        for path in paths:
            self._of.setdefault(form(path), []).append(path)

    def fit(self, name: str) -> Fit:
        """The paths that `name` fits best: those that are equal, else that end with it, else that it ends with.

        A name that leads out of the folder of the data set is no picture's that lies in it without a folder.
        """
        if name in self._of:
            return Fit(math.inf, self._of[name])
        if paths := self._that_end(name):
            return Fit(len(normalize("NFC", name)), paths)
        for end in _ends_of(name):
            if end in self._inside and ("/" in end or not name.startswith(_OUT)):
                return Fit(len(normalize("NFC", end)), self._inside[end])
        return Fit(0, [])

    @cached_property
    def of_others(self) -> set[str]:
        """The paths that others end with, too."""
        return {end for path in self._of for end in _ends_of(path) if end in self._of}

    def _that_end(self, name: str) -> list[str]:
        """All paths that end with `name`, from a folder or file name on."""
        backwards, paths = self._backwards
        end = f"{name[::-1]}/"
        start = bisect_left(backwards, end)
        if start == len(backwards) or not backwards[start].startswith(end):
            return []
        return paths[start : bisect_left(backwards, f"{end}\U0010ffff", start)]

    @cached_property
    def _backwards(self) -> tuple[list[str], list[str]]:
        """The paths in their form from the last letter to the first, sorted, so that those of one end are together; and as
        they are.
        """
        pairs = sorted((f"{form[::-1]}/", path) for form, paths in self._of.items() for path in paths)
        return [end for end, _ in pairs], [path for _, path in pairs]

    @cached_property
    def _inside(self) -> dict[str, list[str]]:
        """The paths by what is left of them without the `../` that they begin with."""
        if not any(path.startswith(_OUT) for path in self._of):
            return self._of
        found: dict[str, list[str]] = {}
        for path, paths in self._of.items():
            end = path
            while end.startswith(_OUT):
                end = end.removeprefix(_OUT)
            found.setdefault(end, []).extend(paths)
        return found


def _ends_of(path: str) -> Iterator[str]:
    """The ends of `path`, the longest first: without its first folder, without two, to the file name."""
    while "/" in path:
        path = path.partition("/")[2]
        yield path
