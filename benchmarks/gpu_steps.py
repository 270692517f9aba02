"""The steps of `benchmarks.gpu` that no other benchmark makes: `python -m benchmarks.gpu_steps STEP [--small]`.

Lines that begin with `|` or `-` are results. Without a CUDA device only `--small` runs, on the CPU.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.turns import header, row, wait_for
from schemas.choices import ArtifactKind
from schemas.parameters import InitParameters, SyntheticParameters
from stages.arrays.backend import Backend, n_cores, namespace_for, resolve_torch_device
from stages.evaluate.retrieval.metrics import evaluate_retrieval
from stages.features.whitening import fit_whitening, whitened
from stages.ingest.synthetic.table import draw_path, synthetic_samples
from stages.merge import merge_stage
from stages.merge.result import StageMerges
from stages.nn.model.network import build_model
from stages.runs.run_directory import RunDirectory
from stages.train.backbone_graphs import without_search

DIM = 2048
REPEATS = 5
PRECISIONS = {"float16": (torch.float16, False), "TF32": (torch.float32, True), "float32": (torch.float32, False)}
"""How the floor multiplies: the type of the rows, and whether they are rounded to TensorFloat-32."""
MOST_COMPARED, MOST_EXACT = 20_000, 200_000
"""Samples up to which the CPU makes every stage, too (above, `stale` alone), and up to which `exact` is measured."""
KINDS: tuple[ArtifactKind, ...] = ("model", "features", "clusters", "metrics")


def device_of(*, small: bool) -> torch.device:
    """The GPU; with `small` and without one the CPU."""
    return torch.device(resolve_torch_device("auto" if small else "cuda"))


def median_seconds(call: Callable[[], object], device: torch.device, repeats: int = REPEATS) -> float:
    """The median time of `call` after one that warms up, the device's work included."""
    call()
    found = []
    for _ in range(repeats):
        wait_for(device)
        started = time.perf_counter()
        call()
        wait_for(device)
        found.append(time.perf_counter() - started)
    return float(np.median(found))


def versions(*, small: bool) -> None:
    """Packages, the device, and its two ceilings: bytes copied a second, and operations of a bfloat16 product a second."""
    device = device_of(small=small)
    for name in ("torch", "torchvision", "numpy", "numba", "zarr", "pydantic", "array-api-compat"):
        print(f"- {name} {metadata.version(name)}")
    print(f"- Python {sys.version.split()[0]}")
    if device.type == "cuda":
        import cupy

        properties = torch.cuda.get_device_properties(device)
        print(f"- CuPy {cupy.__version__}, CUDA {torch.version.cuda}, NCCL {torch.cuda.nccl.version()}")
        print(
            f"- {properties.name}, {properties.total_memory / 2**30:.0f} GiB, {properties.multi_processor_count} processors"
        )
    edge = 256 if small else 8192
    left, right = (torch.randn(edge, edge, device=device, dtype=torch.bfloat16) for _ in range(2))
    block = torch.empty(2**20 if small else 2**32, dtype=torch.uint8, device=device).random_(0, 255)
    target = torch.empty_like(block)
    copied = 2 * block.numel() / median_seconds(lambda: target.copy_(block), device)
    multiplied = 2 * edge**3 / median_seconds(lambda: left @ right, device)
    print(f"- copy {copied / 1e12:.2f} TB/s, bfloat16 product {multiplied / 1e12:.1f} TFLOP/s")


def mixture(n_samples: int, device: torch.device, dim: int) -> np.ndarray:
    """Unit rows (n, dim) float32 of n/17 identities, cosine 0.6 within one, made on `device`."""
    generator = torch.Generator(device).manual_seed(0)
    n_identities = max(2, n_samples // 17)
    centres = torch.randn(n_identities, dim, generator=generator, device=device)
    centres /= centres.norm(dim=1, keepdim=True)
    rows = np.empty((n_samples, dim), dtype=np.float32)
    for first in range(0, n_samples, 1 << 16):
        n_rows = min(1 << 16, n_samples - first)
        part = torch.randn(n_rows, dim, generator=generator, device=device)
        part *= 0.4**0.5 / part.norm(dim=1, keepdim=True)
        own = torch.randint(n_identities, (n_rows,), generator=generator, device=device)
        part += 0.6**0.5 * centres[own]
        rows[first : first + n_rows] = (part / part.norm(dim=1, keepdim=True)).cpu().numpy()
    return rows


def half_products(features: np.ndarray, device: torch.device) -> dict[str, float]:
    """Seconds of the product of each row with those after it, in strips, by precision; float16 alone of very many rows."""
    n_samples = len(features)
    found = {}
    for name, (dtype, tensor_float) in PRECISIONS.items():
        if dtype != torch.float16 and n_samples > MOST_EXACT:
            continue
        rows = torch.from_numpy(features).to(device, dtype)
        torch.backends.cuda.matmul.allow_tf32 = tensor_float

        def multiply(rows: torch.Tensor = rows) -> None:
            for top in range(0, n_samples, 2048):
                for left in range(top, n_samples, 16384):
                    rows[top : top + 2048] @ rows[left : left + 16384].T

        found[name] = median_seconds(multiply, device, repeats=1 if n_samples > MOST_COMPARED else REPEATS)
        torch.backends.cuda.matmul.allow_tf32 = False
        del rows
    return found


def merge(*, small: bool) -> None:
    """One stage of 5 % merges against the half product, and whether it makes the merges that the CPU makes."""
    device = device_of(small=small)
    sizes = (150, 400) if small else (4000, 12936, 100_000, 1_000_000)
    merge_table(sizes, device, dim=32 if small else DIM, seconds=40)


def merge_table(sizes: Sequence[int], device: torch.device, *, dim: int = DIM, seconds: float = 600) -> None:
    """A row for each of `sizes` and update, on `device`; none is begun after `seconds`. The CPU emulates it."""
    backend = namespace_for(str(device))
    options: dict[str, Any] = {"kernels": "compiled", "precision": "float16" if device.type == "cpu" else "auto"}
    started = time.perf_counter()
    warm = mixture(100, device, dim)
    for way in ({}, {"backend": backend, **options}):
        merge_stage(warm, np.arange(len(warm)), 5, **{"kernels": "compiled", **way})
    print(
        header(
            "merge",
            *(f"half product, {name}, s" for name in PRECISIONS),
            "update",
            "ours, s",
            "ratio",
            "CPU, s",
            "same",
        )
    )
    for n_samples in sizes:
        if time.perf_counter() - started > seconds:
            print(f"- {n_samples:,} samples: not begun, no time was left")
            continue
        features = mixture(n_samples, device, dim)
        floors = half_products(features, device)
        for update in ("stale", "exact") if n_samples <= MOST_EXACT else ("stale",):
            print(_merge_row(features, update, floors, options, backend, device), flush=True)


def _merge_row(
    features: np.ndarray,
    update: Any,
    floors: dict[str, float],
    options: dict[str, Any],
    backend: Backend,
    device: torch.device,
) -> str:
    n_samples = len(features)
    labels, n_merges = np.arange(n_samples), max(1, n_samples // 20)
    found: list[StageMerges] = []

    def here() -> None:
        found[:] = [merge_stage(features, labels, n_merges, update=update, backend=backend, **options)]

    seconds = median_seconds(here, device, repeats=1 if n_samples > MOST_COMPARED else 3)
    same, by_cpu = "not compared", ""
    if n_samples <= (MOST_EXACT if update == "stale" else MOST_COMPARED):
        begun = time.perf_counter()
        expected = merge_stage(features, labels, n_merges, update=update, kernels="compiled")
        by_cpu = f"{time.perf_counter() - begun:.2f}"
        equal = np.array_equal(found[0].merges, expected.merges) and np.array_equal(
            found[0].distance, expected.distance
        )
        same = "yes" if equal else "NO"
    ratio = seconds / floors["float16"]
    cells = [f"{floors[name]:.4f}" if name in floors else "" for name in PRECISIONS]
    row_of = row(f"{n_samples:,}", *cells, update, f"{seconds:.4f}", f"{ratio:.2f}", by_cpu, same)
    if same == "NO":
        print(row_of)
        raise SystemExit(f"the GPU makes other merges of {n_samples} samples under '{update}' than the CPU")
    return row_of


def whitening(*, small: bool) -> None:
    """Fitting a whitening and whitening by it, on the GPU and by this process's threads, which must give the same bits."""
    device = device_of(small=small)
    backend = namespace_for("auto" if small else "cuda")
    print(header("whitening", "fit here, s", "fit there, s", "whiten here, s", "whiten there, s", "same"))
    for n_samples, dim in ((300, 64),) if small else ((2253, 2192), (13518, 2192)):
        features = mixture(n_samples, device, dim)
        seconds, found = [], []
        for step in (fit_whitening, whitened):
            for place in (None, backend):
                if step is fit_whitening:
                    work: Callable[[], Any] = partial(fit_whitening, features, ridge=3.0, backend=place)
                else:
                    work = partial(whitened, features, fit_whitening(features, ridge=3.0, backend=place))
                seconds.append(median_seconds(work, device, repeats=3))
                result = work()
                found.append(result.matrix if step is fit_whitening else result)
        same = np.array_equal(found[0], found[1]) and found[2].tobytes() == found[3].tobytes()
        print(
            row(f"{n_samples:,} × {dim:,}", *(f"{spent:.4f}" for spent in seconds), "yes" if same else "NO"), flush=True
        )
        if not same:
            raise SystemExit("the GPU whitens otherwise than the CPU")


def evaluation(*, small: bool) -> None:
    """Retrieval of Market-1501's numbers against the bare product, and the same figures as the CPU's."""
    from benchmarks.evaluation import make_set

    device = device_of(small=small)
    backend = namespace_for("auto" if small else "cuda")
    arrays = make_set(60 if small else 750)
    if small:
        arrays = {name: array[:200] for name, array in arrays.items()}
    ids = {name: array for name, array in arrays.items() if "_" in name}
    there = [backend.asarray(arrays[name]) for name in ("query", "gallery")]
    query, gallery = (torch.from_numpy(arrays[name]).to(device) for name in ("query", "gallery"))
    floor = median_seconds(lambda: query @ gallery.T, device)
    seconds = median_seconds(lambda: evaluate_retrieval(*there, **ids), device, repeats=3)
    figures, expected = evaluate_retrieval(*there, **ids), evaluate_retrieval(arrays["query"], arrays["gallery"], **ids)
    same = np.array_equal(figures.average_precision, expected.average_precision, equal_nan=True)
    print(header("evaluation", "float32 product, s", "ours, s", "ratio", "mAP", "same as on the CPU"))
    print(
        row(
            f"{len(arrays['query']):,} × {len(arrays['gallery']):,}",
            f"{floor:.4f}",
            f"{seconds:.4f}",
            f"{seconds / floor:.1f}",
            f"{figures.mAP:.4f}",
            "yes" if same else "NO",
        )
    )
    if not same:
        raise SystemExit("the GPU's figures are not the CPU's")


def syncs(*, small: bool) -> None:
    """Training steps during which torch refuses to wait for the GPU, but for losses that are read late."""
    from tests.tiny_training import tiny_model, trained, trained_by_camera

    device = device_of(small=small)
    seen: list[int] = []

    def on_step(step: Any) -> None:
        seen.append(step.step)
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error" if 3 <= len(seen) < 12 else "default")

    for way in (partial(trained, tiny_model()), trained_by_camera):
        seen.clear()
        way(np.arange(160) % 7, device=device, options={"on_step": on_step}, epochs=1)
        print(f"- {len(seen)} steps, those from 4 to 12 under sync_debug_mode error")


def short(*, small: bool) -> None:
    """Steps of sizes that were not seen before, as the last one of an epoch is in every stage: as they are, and by cuDNN."""
    device = device_of(small=small)
    height, width, name = (32, 16, "resnet18") if small else (64, 96, "mobilenet_v2")
    model = build_model(InitParameters(backbone=name)).to(device, memory_format=torch.channels_last).train()

    def step(n_images: int, *, is_short: bool) -> None:
        images = torch.randn(n_images, 3, height, width, device=device).contiguous(memory_format=torch.channels_last)
        with without_search(device, is_short=is_short):
            model.pool(images, amp=False).square().sum().backward()

    print(header(f"a step of {name}, {height}×{width}, s", "first", "again", "cuDNN first", "again"))
    step(16, is_short=False)
    step(16, is_short=True)
    for n_images in (5, 9, 13):
        spent = []
        for is_short in (True, True, False, False):
            wait_for(device)
            started = time.perf_counter()
            step(n_images, is_short=is_short)
            wait_for(device)
            spent.append(f"{time.perf_counter() - started:.3f}")
        print(row(f"{n_images} images", *spent), flush=True)


def nccl(*, small: bool) -> None:
    """One process of torchrun: its group, a sum, and torch's synchronised norm and DDP over it."""
    import torch.distributed as dist

    device = device_of(small=small)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    values = torch.arange(8.0, device=device)
    dist.all_reduce(values)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU()).to(device)
    if device.type == "cuda":
        network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    wrapped = torch.nn.parallel.DistributedDataParallel(network)
    wrapped(torch.randn(4, 3, 8, 8, device=device)).sum().backward()
    print(f"- {dist.get_backend()}: sum {values.sum().item():.0f}, wanted 28")
    dist.destroy_process_group()


def run(*, small: bool, folder: Path, images: Path | None, seconds: float) -> None:
    """The published schedule but for one epoch at stage 0, as far as `seconds` go, and an estimate of the whole from it."""
    deadline = time.monotonic() + seconds
    height, width, identities, cameras = (32, 16, 16, 2) if small else (256, 128, 1502, 6)
    place = ["--run", str(folder)]
    if not folder.exists():
        people = SyntheticParameters(identities=identities, cameras=cameras, images_per_camera=3)
        source = images or _drawn_people(folder.with_name("people"), people, height=height, width=width)
        size = ["--height", str(height), "--width", str(width)]
        _dbc("ingest", str(source), "--format", "market1501", *size, *place, deadline=deadline)
    network = ["--backbone", "resnet18" if small else "resnet50", "--weights", "none"]
    device = [] if small else ["--device", "cuda", "--amp"]
    shorter = ["--stages", "1", "--epochs", "1", "--batch-size", "4"] if small else []
    schedule = ["--recipe", "paper", "--merge-percent", "0.05", "--stage0-epochs", "1"]
    _dbc("run", *schedule, *network, *device, *shorter, *place, deadline=deadline)
    _tell_estimate(folder)


def _drawn_people(folder: Path, people: SyntheticParameters, *, height: int, width: int) -> Path:
    """`folder` in Market-1501's layout, drawn by a process a core: threads would wait for each other."""
    started = time.monotonic()
    paths = synthetic_samples(people, seed=0, test_fraction=0.5).path
    for parent in {path.split("/", maxsplit=1)[0] for path in paths}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
    n_parts = 4 * n_cores()
    work = partial(_draw_files, folder, people, height=height, width=width)
    with ProcessPoolExecutor(n_cores(), mp_context=get_context("spawn")) as processes:
        list(processes.map(work, [paths[part::n_parts] for part in range(n_parts)]))
    print(f"- {len(paths):,} pictures drawn in {time.monotonic() - started:.1f} s", flush=True)
    return folder


def _draw_files(folder: Path, people: SyntheticParameters, paths: Sequence[str], *, height: int, width: int) -> None:
    for path in paths:
        picture = draw_path(people, path, seed=0, height=height, width=width)
        Image.fromarray(picture).save((folder / path).with_suffix(".jpg"), quality=95)


def _dbc(*arguments: str, deadline: float) -> None:
    """Run a command of dbc until it ends or `deadline` is there: what it has finished stays."""
    print(f"$ dbc {' '.join(arguments)}", flush=True)
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "dbc_cli", *arguments])
    try:
        status = process.wait(max(1.0, deadline - started))
        if status:
            raise SystemExit(status)
        ended = "done"
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        ended = "stopped"
    print(f"- dbc {arguments[0]}: {ended} after {time.monotonic() - started:.1f} s", flush=True)


def _tell_estimate(folder: Path) -> None:
    """Seconds of what each stage made, and of 20 epochs at stage 0 and 19 later stages."""
    directory = RunDirectory(folder)
    spent: dict[tuple[str, int], float] = {}
    print(header("run", *KINDS))
    for stage in range(-1, 20):
        found = {kind: directory.find(kind, stage) for kind in KINDS}
        spent |= {(kind, stage): made.manifest.wall_seconds for kind, made in found.items() if made is not None}
        if any(made is not None for made in found.values()):
            cells = (f"{spent[kind, stage]:.1f}" if (kind, stage) in spent else "" for kind in KINDS)
            print(row(f"stage {stage}", *cells))
    later = {
        kind: [seconds for (kind_of, stage), seconds in spent.items() if kind_of == kind and stage > 0]
        for kind in KINDS
    }
    if ("model", 0) in spent and all(later.values()):
        each = sum(float(np.median(seconds)) for seconds in later.values())
        whole = 20 * spent["model", 0] + 19 * each
        print(f"- estimate of 20 epochs and 19 stages: {whole / 60:.0f} minutes, {each:.1f} s a stage after stage 0")
    else:
        print("- no estimate: no stage after stage 0 was finished")


def main() -> None:
    steps: dict[str, Callable[..., None]] = {
        step.__name__: step for step in (versions, merge, whitening, evaluation, syncs, short, nccl, run)
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=steps)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("runs/gpu-run"))
    parser.add_argument("--images", type=Path)
    parser.add_argument("--seconds", type=float, default=120, help="for `run`")
    given = vars(parser.parse_args())
    step = given.pop("step")
    steps[step](**(given if step == "run" else {"small": given["small"]}))


if __name__ == "__main__":
    main()
