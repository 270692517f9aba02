"""What the manifest says of torch's precision: TensorFloat-32 if that is what runs."""

from __future__ import annotations

import pytest
import torch

from stages.nn.execution import torch_execution


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    return monkeypatch


def precision(device: str = "cuda:0", *, amp: bool = False) -> str:
    return torch_execution(torch.device(device), amp=amp).precision


def test_convolutions_in_tensor_float_are_said(gpu: pytest.MonkeyPatch) -> None:
    assert torch.backends.cudnn.allow_tf32, "torch's default has changed: say so in the documents"
    assert precision() == "float32, convolutions in TensorFloat-32"
    assert precision(amp=True) == "bfloat16"
    assert precision("cpu") == "float32"


def test_float32_is_said_if_nothing_is_rounded(gpu: pytest.MonkeyPatch) -> None:
    gpu.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert precision() == "float32"
    gpu.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    gpu.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert precision() == "float32"
