"""Faults at the boundaries of every command: how many were tried, and whether all was survived.

    python benchmarks/faults.py [--most 20] [--commands merge,train] [--faults kill,torn] [--json]

A command is run once to count its boundaries: every file or folder that it opens, makes, renames, removes or syncs inside
the working folder. Then it is run again and again from the same state, and at one boundary each time

- `kill`: the process ends at once, as by SIGKILL,
- `torn`: it ends in the middle of the next write,
- `ENOSPC`, `EIO`, `EACCES`: the system refuses that one operation,
- `full`: from then on, no file can grow past a few bytes (EFBIG).

Afterwards every artifact must open and hold what was written, and a file for the user must be the former one or the new
one; the failure must be one line that names its cause; and the same command, undisturbed, must succeed, leave nothing
half made, and give the ids and files of a run that nobody disturbed. Each try is a fork of one process that has imported
everything.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import importlib
import io
import json
import os
import pkgutil
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import dbc_cli.commands
import stages
from dbc_cli.__main__ import run_command
from stages.runs.listing import list_run
from stages.runs.run_directory import RunDirectory
from stages.runs.store.zarr_import import import_zarr

LOOP = ["--stages", "1", "--merge-percent", "0.5"]
MERGE = ["--stage", "1", "--merge-percent", "0.5"]
NETWORK = ["--backbone", "resnet10", "--weights", "none", "--embedding-dim", "4"]
SIZE = ["--height", "16", "--width", "8", "--workers", "0"]
COMMANDS = {
    "ingest": ["ingest", "samples.csv", *SIZE],
    "extract": ["extract", *NETWORK],
    "train": ["train", "--stage", "0", "--epochs", "1", "--batch-size", "4", "--checkpoint-every", "1"],
    "extract again": ["extract"],
    "merge": ["merge", "--merge-percent", "0.5"],
    "eval": ["eval", "--stage", "0"],
    "run": ["run", *LOOP, "--epochs", "1", "--batch-size", "4"],
    "select": ["select"],
    "plot": ["plot", "--out", "drawn", "--overwrite"],
    "report": ["report", "--draw", "largest", "--out", "clusters.png", "--overwrite"],
    "export clusters": ["export", "clusters", "--out", "clusters.csv", "--overwrite"],
    "export features": ["export", "features", "--out", "features.npz", "--overwrite"],
    "export model": ["export", "model", "--out", "model.safetensors", "--overwrite"],
    "ablate": ["ablate", *LOOP, "--merge-only", "--variants", "dbc", "--markdown", "ablation.md", "--overwrite"],
    "sweep": ["sweep", *LOOP, "--merge-only", "--lambda", "0,1", "--csv", "sweep.csv", "--overwrite"],
    "baseline": ["baseline", "pul", "--n-clusters", "3", *LOOP, "--epochs", "1", "--batch-size", "4"],
    "baseline eug": ["baseline", "eug", *LOOP, "--labels", "labels.csv", "--epochs", "1", "--batch-size", "4"],
    "status": ["status", "--verify"],
    "merge constraints": ["merge", *MERGE, "--constraints", "answers.csv"],
    "merge labels": ["merge", *MERGE, "--labels", "labels.csv"],
    "eval ids": ["eval", "--stage", "1", "--ids", "labels.csv"],
    "review": ["review", "--static", "pairs.html", "--overwrite"],
    "count": ["count", "--answers", "answers.csv", "--out", "pairs.csv", "--overwrite"],
    "query": ["query", "crops/query/12.png", "--sheet", "similar.png", "--overwrite"],
    "export coco": ["export", "clusters", "--format", "coco", "--out", "found.json", "--overwrite"],
    "gc": ["gc", "--delete"],
    "assign": ["assign", "new", "--csv", "who.csv", "--overwrite"],
    "ingest add": ["ingest", "more", "--format", "folder", "--add", "--workers", "0"],
}
"""The commands, each from what those before it left."""
NEEDED_BY = {"gc": ("merge labels",)}
"""Commands without which one of those that no other needs would have nothing to do."""
ALONE = list(COMMANDS)[list(COMMANDS).index("run") :]
"""Commands that no other needs."""
IMPORTED_LATE = ("array_api_compat.numpy", "numba.typed", "torch._dynamo")
"""What libraries import when they are first used: an optimizer takes three seconds."""
FAULTS = ("kill", "torn", "ENOSPC", "EIO", "EACCES", "full")
DIED = {137, -signal.SIGXFSZ}
"""The exit statuses of `kill` and `torn`."""
MOST_BYTES = 100
"""How large a file may become after `torn` and `full`."""
FORMER = b"former"
"""What is in a file for the user before it is written anew."""


class Injector:
    """Counts the operations on files below `root`, and lets a fault happen at number `at`."""

    def __init__(self, root: Path, *, at: int | None, fault: str) -> None:
        self.root, self.at, self.fault = os.fsencode(root), at, fault
        self.n_seen = 0
        fsync = os.fsync
        # Python takes a write that is too long for an error; the system ends the process
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if fault == "torn" else signal.SIG_IGN)

        def watched_fsync(descriptor: int) -> None:
            self.boundary()
            fsync(descriptor)

        os.fsync = watched_fsync
        # an audit hook that raises stops the operation it was told of; it stays for good, as its process does not
        sys.addaudithook(self.hear)

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.link"):
            place = arguments[0]
            if isinstance(place, str | bytes | os.PathLike) and self.is_ours(os.fsencode(place)):
                self.boundary()

    def is_ours(self, place: bytes) -> bool:
        # a relative name is one of the working folder, or of a folder that is being removed in it
        return place.startswith(self.root) or not place.startswith(b"/")

    def boundary(self) -> None:
        self.n_seen += 1
        if self.n_seen - 1 != self.at:
            return
        if self.fault == "kill":
            os._exit(137)
        if self.fault in ("torn", "full"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, resource.RLIM_INFINITY))
            return
        code = getattr(errno, self.fault)
        raise OSError(code, os.strerror(code))


def forked(work: Callable[[], Any]) -> tuple[int, Any]:
    """The exit status of a child that does `work`, and what it gave, None where it was killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            torch.set_num_threads(1)
            content = json.dumps(work()).encode()
            with os.fdopen(writer, "wb") as stream:
                stream.write(content)
        except BaseException as error:  # it is told by its status and on stderr
            sys.__stderr__.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        content = stream.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), json.loads(content) if content else None


def run(folder: Path, arguments: list[str]) -> tuple[int, str]:
    """The status of `dbc` with these arguments in `folder`, and what it told on stderr."""
    os.chdir(folder)
    told = io.StringIO()
    with redirect_stderr(told), redirect_stdout(io.StringIO()):
        status = run_command([*arguments, "--run", "run"])
    return status, told.getvalue()


def disturbed(folder: Path, arguments: list[str], fault: str, at: int | None) -> dict[str, Any]:
    """What a command gave with a fault at boundary `at`, and how many boundaries it came by."""
    os.chdir(folder)
    injector = Injector(folder, at=at, fault=fault)
    status, told = run(folder, arguments)
    injector.at = None
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {"status": status, "told": told, "n_seen": injector.n_seen}


def state(folder: Path) -> dict[str, Any]:
    """The ids of the artifacts in all runs, the digests of files for the user, and all that is wrong."""
    runs = {path.parents[1 if path.parts[-2] == "dataset" else 2] for path in folder.rglob("v*.zarr")}
    listed = [found for run in sorted({folder / "run", *runs}) for found in list_run(RunDirectory(run))]
    artifacts = [found.artifact for found in listed if found.artifact is not None]
    damaged = [str(artifact.path) for artifact in artifacts if artifact.damaged()]
    left = [str(path) for path in folder.rglob(".*writing-*")]
    ids = {artifact.path.relative_to(folder).as_posix(): artifact.manifest.id for artifact in artifacts}
    digests = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in outputs(folder)
    }
    return {
        "ids": ids | digests,
        "wrong": [found.problem for found in listed if found.problem] + damaged,
        "left": left,
    }


def outputs(folder: Path) -> list[Path]:
    """The files for the user in `folder`: those outside artifacts that are not hidden. Events tell times of the day."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [
        path
        for path in files
        # logs hold times, and TensorBoard's are there only if it is installed
        if path.name != "events.jsonl"
        and "tensorboard" not in path.parts
        and not any(part.startswith(".") or part.endswith(".zarr") for part in path.relative_to(folder).parts)
    ]


def again(folder: Path, arguments: list[str]) -> dict[str, Any]:
    """The state that a fault left, and that after the same command undisturbed."""
    before = state(folder)
    status, told = run(folder, arguments)
    return {"before": before, "status": status, "told": told, "after": state(folder)}


def judged(
    faulty: dict[str, Any] | None, later: dict[str, Any], wanted: dict[str, str], before: dict[str, str]
) -> list[str]:
    """What was not survived of one fault; empty if all was. `before` and `wanted` are what was there before and should be."""
    found = [f"damaged: {problem}" for problem in later["before"]["wrong"] + later["after"]["wrong"]]
    found += [f"left: {path}" for path in later["after"]["left"]]
    former = hashlib.sha256(FORMER).hexdigest()
    whole = ((name, (wanted.get(name), before.get(name), former)) for name in later["before"]["ids"])
    half = {name for name, digests in whole if later["before"]["ids"][name] not in digests}
    found += [f"half there: {name}" for name in sorted(half)]
    if later["status"]:
        found.append(f"the next call failed: {later['told']}")
    if later["after"]["ids"] != wanted:
        found.append("other ids")
    if faulty is not None and faulty["status"]:
        last = faulty["told"].strip().splitlines()[-1:] or [""]
        if "unexpected" in last[0] or "Traceback" in faulty["told"] or not last[0].startswith("dbc"):
            found.append(f"told: {faulty['told'].strip()[-300:]}")
    return found


def sources(folder: Path) -> Path:
    """`folder` with pictures of ten individuals by two cameras, tables about them, and folders of others to add."""
    rows = ["path,pid,camid,split"]
    for number in range(20):
        split = "train" if number < 12 else "query" if number % 2 == 0 else "gallery"
        rows.append(f"crops/{split}/{number}.png,{number // 2},{number % 2},{split}")
    names = [row.split(",")[0] for row in rows[1:]] + [
        f"{place}/{n}.png" for place in ("new", "more") for n in range(2)
    ]
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number // 2).integers(0, 200, (16, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels + np.uint8(number % 2)).save(folder / name)
    tables = {
        "samples.csv": rows,
        "answers.csv": ["path_a,path_b,answer", "crops/train/0.png,crops/train/2.png,different"],
        "labels.csv": ["path,identity", *(f"crops/train/{n}.png,{n // 2}" for n in range(4))],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join([*lines, ""]))
    return folder


def spread(n: int, most: int) -> list[int]:
    """At most `most` numbers from 0 to n − 1, evenly apart."""
    return list(range(n)) if n <= most else [(2 * i + 1) * n // (2 * most) for i in range(most)]


def matrix(folder: Path, *, most: int, commands: list[str], faults: list[str]) -> Iterator[dict[str, Any]]:
    """A row a command and fault: boundaries, tries, how many ended in a failure, and what was not survived."""
    base = sources(folder / "base")
    wanted: dict[str, str] = {}
    needed = {needed for name in commands for needed in NEEDED_BY.get(name, ())}
    for name, arguments in COMMANDS.items():
        if name in ALONE and name not in (*commands, *needed):
            continue
        # every try is made in the same place, which datasets remember
        place = folder / "place"
        after = shutil.copytree(base, place)
        status, counted = forked(lambda after=after, arguments=arguments: disturbed(after, arguments, "kill", None))
        if status or counted["status"]:
            raise SystemExit(f"{name} failed undisturbed: {counted}")
        before, wanted = wanted, forked(lambda after=after: state(after))[1]["ids"]
        for file in outputs(after):
            former = base / file.relative_to(after)
            if not former.exists() and file.stat().st_size:
                former.parent.mkdir(parents=True, exist_ok=True)
                former.write_bytes(FORMER)
        after = place.rename(folder / "after")
        for fault in faults if name in commands else []:
            places = spread(counted["n_seen"], most)
            row: dict[str, Any] = {
                "command": name,
                "fault": fault,
                "boundaries": counted["n_seen"],
                "tried": len(places),
            }
            ended: Counter[str] = Counter()
            lost = []
            for at in places:
                shutil.rmtree(place, ignore_errors=True)
                tried = shutil.copytree(base, place)
                status, faulty = forked(
                    lambda tried=tried, arguments=arguments, fault=fault, at=at: disturbed(tried, arguments, fault, at)
                )
                ended["killed" if status in DIED else "failed" if faulty and faulty["status"] else "done"] += 1
                _, later = forked(lambda tried=tried, arguments=arguments: again(tried, arguments))
                lost += [f"{name}, {fault} at {at}: {problem}" for problem in judged(faulty, later, wanted, before)]
            yield {**row, **ended, "lost": lost}
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(base)
        after.rename(base)


def import_all() -> None:
    """Import every module of the commands and of what they call, so that no fork has to."""
    import_zarr()
    for name in IMPORTED_LATE:
        importlib.import_module(name)
    for package in (dbc_cli.commands, stages):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=20, help="boundaries a command and fault")
    parser.add_argument("--commands", default=",".join(COMMANDS))
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    started = time.monotonic()
    import_all()
    rows = []
    if not asked.json:
        head = ("command", "fault", "boundaries", "tried", "killed", "one line", "done", "lost")
        print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        commands, faults = asked.commands.split(","), asked.faults.split(",")
        for row in matrix(Path(folder).resolve(), most=asked.most, commands=commands, faults=faults):
            rows.append(row)
            cells = (row["boundaries"], row["tried"], *(row.get(end, 0) for end in ("killed", "failed", "done")))
            told = f"| `{row['command']}` | {row['fault']} | {' | '.join(map(str, cells))} | {len(row['lost'])} |"
            if not asked.json:
                # what was found stays, however the rest ends
                print(told, flush=True)
        os.chdir("/")
    if asked.json:
        print(json.dumps(rows))
        return
    print(f"\n{sum(row['tried'] for row in rows)} faults in {time.monotonic() - started:.0f} s")
    for problem in (problem for row in rows for problem in row["lost"]):
        print(problem)


if __name__ == "__main__":
    main()
