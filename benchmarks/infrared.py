"""A copy of a data set in which a share of the pictures look as if a camera had taken them in infrared light at night.

    python -m benchmarks.infrared DATA/vehicles NIGHT/vehicles --share 0.5

Each is blurred a little, grey by another mix of the channels than an eye's, brightened, lit from the middle and noisy, as by a
lamp beside the lens; its name decides whether it is, and how. Files that are no pictures are copied. Real infrared differs in
more: of fur, too.
"""

from __future__ import annotations

import argparse
import shutil
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

CHANNELS = (0.65, 0.3, 0.05)
SUFFIXES = (".jpg", ".jpeg", ".png")


def infrared(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """`picture` as of infrared light, in three equal channels."""
    blurred = picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 200))
    red, green, blue = np.moveaxis(np.asarray(blurred) / 255, 2, 0)
    grey = (CHANNELS[0] * red + CHANNELS[1] * green + CHANNELS[2] * blue) ** rng.uniform(0.6, 0.9)
    height, width = grey.shape
    y, x = np.mgrid[:height, :width]
    away = ((x - width / 2) / width) ** 2 + ((y - height / 2) / height) ** 2
    grey = grey * (1.1 - 0.9 * away) + rng.normal(0, 0.03, grey.shape)
    return Image.fromarray(np.stack([(np.clip(grey, 0, 1) * 255).astype(np.uint8)] * 3, axis=2))


def main() -> None:
    """Make the copy and say how many pictures are changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("to", type=Path)
    parser.add_argument("--share", type=float, default=0.5)
    given = parser.parse_args()
    n_changed = 0
    for path in sorted(path for path in given.source.rglob("*") if path.is_file()):
        to = given.to / path.relative_to(given.source)
        to.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(zlib.crc32(path.name.encode()))
        if path.suffix.lower() in SUFFIXES and rng.random() < given.share:
            infrared(Image.open(path).convert("RGB"), rng).save(to, quality=92)
            n_changed += 1
        else:
            shutil.copy(path, to)
    print(f"{n_changed} pictures are as of infrared light in {given.to}")


if __name__ == "__main__":
    main()
