"""How torch runs: in modes of its own, whatever those of the caller are, and the record of it for the manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from schemas.manifest import Execution

TENSOR_FLOAT_FROM = (8, 0)
"""The first compute capability that multiplies TensorFloat-32."""


@contextmanager
def own_modes() -> Iterator[None]:
    """Let torch work as stages expect it to, whatever mode the caller has: with gradients, in float32, without autocast."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with ExitStack() as modes:
            modes.enter_context(torch.inference_mode(mode=False))
            modes.enter_context(torch.enable_grad())
            for device in ("cpu", "cuda"):
                if torch.is_autocast_enabled(device):
                    modes.enter_context(torch.autocast(device, enabled=False))
            yield
    finally:
        torch.set_default_dtype(before)


def torch_execution(device: torch.device, *, amp: bool, compiled: bool = False, n_processes: int = 1) -> Execution:
    """torch's version, the device with its name, the network's precision, threads, and whether it was compiled."""
    name = f" {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return Execution(
        backend=f"torch {torch.__version__}",
        device=f"{device}{name}",
        precision="bfloat16" if amp else _float32_as_run(device),
        threads=torch.get_num_threads(),
        processes=n_processes,
        compiled=compiled,
    )


def _float32_as_run(device: torch.device) -> str:
    """What torch makes of float32 on `device`: by default it rounds what convolutions multiply to TensorFloat-32."""
    if device.type != "cuda" or os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        return "float32"
    if torch.cuda.get_device_capability(device) < TENSOR_FLOAT_FROM:
        return "float32"
    rounded = []
    if torch.backends.cudnn.allow_tf32:
        rounded.append("convolutions")
    if torch.get_float32_matmul_precision() != "highest":
        rounded.append("products")
    return f"float32, {' and '.join(rounded)} in TensorFloat-32" if rounded else "float32"
