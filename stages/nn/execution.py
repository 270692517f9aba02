"""What torch ran on, for the manifest."""

from __future__ import annotations

import torch

from schemas.manifest import Execution


def torch_execution(device: torch.device, *, amp: bool, compiled: bool = False) -> Execution:
    """Torch's version, the device by its name, the precision of the network, its threads, and whether it was compiled."""
    name = f" {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return Execution(
        backend=f"torch {torch.__version__}",
        device=f"{device}{name}",
        precision="bfloat16" if amp else "float32",
        threads=torch.get_num_threads(),
        compiled=compiled,
    )
