"""Hard links to files that nobody changes, so that what two artifacts share takes no space twice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def link_tree(source: Path, target: Path) -> None:
    """Give the folder `target` every file of `source`."""
    shutil.copytree(source, target, dirs_exist_ok=True, copy_function=link_file)


def link_file(source: str | Path, target: str | Path) -> str | Path:
    """Make `target` a hard link to `source`, or a copy if the file system gives no links between the two."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
