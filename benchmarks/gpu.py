"""Everything that waits for a GPU, in one command of less than eight minutes, each step with a limit of its own.

    python -m benchmarks.gpu [--out FOLDER] [--wheels FOLDER] [--images FOLDER] [--steps NAME …] [--seconds 470] [--small]

Needs nothing but this repository, and imports nothing beside Python itself: packages that the machine lacks are installed
from `--wheels` into a folder of their own. Two files come of it, in `--out` ($OUT, if that is set): `results.md`, which grows
with every step, and `log.txt`, all that the steps print. A step that fails or runs past its limit is named, and the next one
goes on; the exit status is 1 if there was one. Compiled kernels are kept in `.gpu-cache`, so a second call on the same machine
starts at once. `--images` is a folder in Market-1501's layout for the run of all stages, which else takes drawn people.

Steps, in this order: `versions`, `tests` (those marked `gpu`), `run` (all stages as far as time goes, with an estimate of
the whole), `extraction`, `training`, `merge` (beside the bare half product in float16, TF32 and float32, and the same merges
as the CPU makes), `whitening`, `evaluation`, `syncs` (a training step that may not wait for the GPU), `short` (steps of new
sizes), `nccl`, `compiled` (training by torch's compiler). `--small` shrinks all of them to seconds and runs on the CPU.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".gpu-cache"
MODES = ("float32", "amp", "compiled-amp")


@dataclass(frozen=True)
class Step:
    """A command, what it takes at most in seconds, and the same made small."""

    name: str
    seconds: float
    command: tuple[str, ...]
    small: tuple[str, ...]


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def _own(step: str, *arguments: str) -> tuple[str, ...]:
    return _module("benchmarks.gpu_steps", step, *arguments)


def _bench(name: str, *arguments: str, cases: tuple[str, ...], modes: tuple[str, ...]) -> tuple[str, ...]:
    return _module(f"benchmarks.{name}", "--cases", *cases, "--modes", *modes, *arguments)


def steps_of(out: Path, images: Path | None) -> list[Step]:
    """The steps, in order; the run of all stages works in a folder beside `out`."""
    run = ("--folder", str(CACHE / "run"), *(("--images", str(images)) if images else ()))
    tests = _module("pytest", "-q", "--tb=short", "--maxfail=30", "-m", "gpu")
    # pytest-benchmark, if it is there, warns beside xdist
    tests = (*tests, "-p", "no:cacheprovider", "-p", "no:benchmark")
    # as many steps as make recording pay
    train_cases = tuple(f"resnet50:256x128:{batch}:{steps}" for batch, steps in ((16, 60), (64, 48), (128, 12)))
    clusters = ("--clusters", "12936", "12936", "12936")
    launch = ("torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m", "benchmarks.gpu_steps", "nccl")
    whole = (*tests, "-n", "14", "--dist", "load", "--durations", "12", "tests")
    train = ("--repeats", "3", *clusters)
    small_train = ("--repeats", "1", "--clusters", "9")
    return [
        Step("versions", 20, _own("versions"), _own("versions", "--small")),
        Step("tests", 90, whole, (*tests, "-n", "0", "tests/gpu")),
        Step("run", 115, _own("run", *run, "--seconds", "90"), _own("run", "--small", "--folder", str(out / "run"))),
        Step(
            "extraction",
            70,
            _bench("extraction", "--repeats", "3", cases=("resnet50:256x128:256:60",), modes=MODES[:2]),
            _bench("extraction", "--repeats", "1", cases=("resnet18:32x16:4:1",), modes=MODES[:1]),
        ),
        Step(
            "training",
            60,
            _bench("training", *train, cases=train_cases, modes=MODES[:2]),
            _bench("training", *small_train, cases=("resnet18:32x16:4:1",), modes=MODES[:1]),
        ),
        Step("merge", 75, _own("merge"), _own("merge", "--small")),
        Step("whitening", 30, _own("whitening"), _own("whitening", "--small")),
        Step("evaluation", 45, _own("evaluation"), _own("evaluation", "--small")),
        Step("syncs", 20, _own("syncs"), _own("syncs", "--small")),
        Step("short", 25, _own("short"), _own("short", "--small")),
        Step("nccl", 20, _module(*launch), _module(*launch, "--small")),
        Step(
            "compiled",
            120,
            _bench("training", "--repeats", "1", "--clusters", "12936", cases=train_cases[:1], modes=MODES[2:]),
            _bench("training", *small_train, cases=("resnet18:32x16:4:1",), modes=MODES[:1]),
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or ROOT / "runs" / "gpu"))
    parser.add_argument("--wheels", type=Path, help="folder of wheels to install first")
    parser.add_argument("--images", type=Path, help="folder in Market-1501's layout")
    parser.add_argument("--steps", nargs="+", help="these steps alone")
    parser.add_argument("--seconds", type=float, default=470, help="for all steps together")
    parser.add_argument("--small", action="store_true", help="everything in seconds, on the CPU")
    arguments = parser.parse_args()
    steps = steps_of(arguments.out, arguments.images)
    unknown = set(arguments.steps or ()) - {step.name for step in steps}
    if unknown:
        parser.error(
            f"--steps must be among {', '.join(step.name for step in steps)}, got {', '.join(sorted(unknown))}"
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + arguments.seconds
    environment = _environment(arguments.wheels, arguments.out / "log.txt")
    failed = []
    for step in steps:
        if not arguments.steps or step.name in arguments.steps:
            command = step.small if arguments.small else step.command
            seconds = min(step.seconds, deadline - time.monotonic())
            if not _done(step.name, command, seconds, out=arguments.out, environment=environment):
                failed.append(step.name)
    print(f"\nnot done: {', '.join(failed)}" if failed else "\nall steps done")
    sys.exit(1 if failed else 0)


def _environment(wheels: Path | None, log: Path) -> dict[str, str]:
    """What steps see: the repository, the wheels, and folders for compiled kernels that the next call finds again."""
    CACHE.mkdir(exist_ok=True)
    paths = [str(ROOT)]
    if wheels is not None:
        site = CACHE / "site"
        options = ["--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--upgrade", "--quiet"]
        files = [str(path) for path in sorted(wheels.glob("*.whl"))]
        with log.open("ab") as told:
            subprocess.run(
                [sys.executable, "-m", "pip", "install", *options, "--target", str(site), *files],
                check=True,
                stdout=told,
                stderr=told,
            )
        paths.append(str(site))
    folders = {
        "CUPY_CACHE_DIR": "cupy",
        "NUMBA_CACHE_DIR": "numba",
        "TORCHINDUCTOR_CACHE_DIR": "inductor",
        "TRITON_CACHE_DIR": "triton",
        "CUDA_CACHE_PATH": "cuda",
    }
    kept = {name: str(CACHE / folder) for name, folder in folders.items()}
    path = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _done(name: str, command: tuple[str, ...], seconds: float, *, out: Path, environment: dict[str, str]) -> bool:
    """Run one step; whether it ended well within `seconds`. Its output goes to the log, and its end to the results."""
    started = time.monotonic()
    if seconds < 1:
        _tell(out, f"\n## {name}: not begun, no time was left\n")
        return False
    with (out / "log.txt").open("ab+") as log:
        log.write(f"\n===== {name}: {' '.join(command[1:])}\n".encode())
        log.flush()
        before = log.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status: int | str = process.wait(seconds)
        except subprocess.TimeoutExpired:
            # a step may have started processes of its own
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = f"stopped at its limit of {seconds:.0f} s"
        log.seek(before)
        text = log.read().decode(errors="replace")
    well = status == 0
    told = "done" if well else status if isinstance(status, str) else f"failed with status {status}"
    lines = text.splitlines()
    tables = [line for line in lines if line.startswith(("|", "- "))]
    _tell(out, f"\n## {name}: {told}, {time.monotonic() - started:.0f} s\n")
    _tell(out, "\n".join(tables if well and tables else [*tables, "", *lines[-25:]]))
    return well


def _tell(out: Path, text: str) -> None:
    print(text, flush=True)
    with (out / "results.md").open("a") as results:
        results.write(text + "\n")


if __name__ == "__main__":
    main()
