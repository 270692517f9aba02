"""What drawn people wear and carry, as a table for methods that learn attributes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from stages.errors import UsageError
from stages.ingest.synthetic.chance import IDENTITY, generator
from stages.ingest.synthetic.person import Bag, Hair, Lower, Person, Texture, Upper, draw_person
from stages.output_files import rows_as_csv, write_text
from stages.runs.run_directory import dataset_manifest
from stages.runs.store import Artifact

TRAITS = {"upper": Upper, "texture": Texture, "lower": Lower, "hair": Hair, "bag": Bag}
DARK = 0.35
"""Mean of the colour below which clothes are dark."""


def write_attributes(dataset: Artifact, file: Path, *, overwrite: bool = False) -> None:
    """Write a row for every picture of a drawn `dataset`: its path, and 0 or 1 for each of `attributes_of` its person.

    UsageError for a dataset that is not drawn, or a `file` that is there and must stay.
    """
    asked = dataset_manifest(dataset).parameters
    if asked.synthetic is None:
        raise UsageError("`attributes` are known of drawn people alone; give a table to the method that reads them")
    paths = dataset.read("path").tolist()
    start = dataset.read("frame_start")
    pid = dataset.read("pid").repeat(start[1:] - start[:-1]).tolist()
    known = {each: attributes_of(draw_person(generator(asked.seed, IDENTITY, each))) for each in set(pid)}
    rows = [(path, *known[each].values()) for path, each in zip(paths, pid, strict=True)]
    text = rows_as_csv([("path", *next(iter(known.values()))), *rows])
    write_text(text, file, argument="attributes", overwrite=overwrite)


def attributes_of(person: Person) -> dict[str, int]:
    """0 or 1 by name: each kind of clothes, hair and bag, dark clothes, and sleeves of another colour."""
    found = {
        f"{trait}-{word}": int(getattr(person, trait) == word)
        for trait, words in TRAITS.items()
        for word in get_args(words)
    }
    found |= {
        f"dark-{part}": int(sum(getattr(person, f"{part}_colour")) < 3 * DARK) for part in ("upper", "lower", "bag")
    }
    return found | {"contrast-sleeves": int(person.contrast_sleeves)}
