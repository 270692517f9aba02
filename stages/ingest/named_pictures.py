"""Which pictures of a dataset the names in a table mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from unicodedata import normalize

from stages.wording import shown


class NamedPictures:
    """The pictures of a dataset, whose images have `paths`, by what a table may call them.

    Names are alike in all forms of Unicode, unless two pictures have the same name in two of them. If `in_any_folder`, the
    folders of a name may be others than those of the picture.
    """

    def __init__(self, paths: Sequence[str], *, in_any_folder: bool = False) -> None:
        self._in_any_folder = in_any_folder
        self.images_of: dict[str, list[int]] = {}
        for image, path in enumerate(paths):
            self.images_of.setdefault(path, []).append(image)
        self._of_file = _grouped(self.images_of, _file_name)

    def that_fit(self, name: str) -> list[str]:
        """The path `name`, if a picture has it, else those of all pictures that have it as file name."""
        file = _file_name(name) if self._in_any_folder else name
        found = [name] if name in self.images_of else self._of_file.get(file, [])
        if found or name.isascii():
            return found
        of_path, of_file = self._composed
        return of_path.get(normalize("NFC", name)) or of_file.get(normalize("NFC", file), [])

    def is_also_in_folders(self, name: str) -> bool:
        """Whether `name`, a file name alone, is the path of a picture, and other pictures have the same file name."""
        return "/" not in name and name in self.images_of and len(self._of_file[name]) > 1

    def not_there(self, name: str, example: str | None = None) -> str:
        """What to say after "names" of a `name` that fits no picture; `example` is one that does, by default the first."""
        if "\\" in name and self.that_fit(name.replace("\\", "/")):
            return f"{shown(name)}, which is there with / in place of each backslash; write / in all paths"
        example = shown(example or next(iter(self.images_of), "none"))
        return (
            f"{shown(name)}, which is no picture of the data set, such as {example}; give paths as dbc export clusters "
            "lists them"
        )

    @cached_property
    def _composed(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """The paths by themselves and by file name, composed."""
        return (
            _grouped(self.images_of, lambda path: normalize("NFC", path)),
            _grouped(self.images_of, lambda path: normalize("NFC", _file_name(path))),
        )


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _grouped(paths: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(key(path), []).append(path)
    return found
