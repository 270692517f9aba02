"""`dbc --version`: the installation, for bug reports."""

from __future__ import annotations

import platform

LIBRARIES = ("dbc-reid", "torch", "torchvision", "cupy", "zarr", "numpy")


def show_version() -> None:
    """Print the versions of this project, Python and its libraries, and the devices that they see."""
    from dbc_cli.console import print_text
    from stages.arrays.backend import visible_devices
    from stages.runs.store.digests import library_versions

    found = library_versions()
    versions = {name: number for name, number in found.items() if name.startswith(LIBRARIES)}
    lines = {"dbc-reid": versions.pop("dbc-reid", "not installed"), "python": platform.python_version(), **versions}
    lines |= visible_devices()
    width = max(map(len, lines))
    print_text("\n".join(f"{name:{width}}  {value}" for name, value in lines.items()))
