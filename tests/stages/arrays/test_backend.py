"""Devices: what is there is found, what is not is refused, and importing the backend imports no heavy library."""

import subprocess
import sys

import array_api_strict
import numpy as np
import pytest

from stages.arrays.backend import available_bytes, namespace_for, resolve_torch_device, to_host
from stages.errors import UsageError


def has_gpu():
    import cupy

    return cupy.cuda.is_available()


def test_cpu_is_numpy_and_says_so():
    backend = namespace_for("cpu")
    assert isinstance(backend.asarray(np.arange(3)), np.ndarray)
    assert backend.library == f"numpy {np.__version__}"
    assert backend.device == "cpu"


def test_auto_is_what_the_machine_has():
    assert namespace_for("auto").device.startswith("cuda" if has_gpu() else "cpu")


@pytest.mark.skipif(has_gpu(), reason="there is a GPU, so asking for it is no error")
@pytest.mark.parametrize("ask", [namespace_for, resolve_torch_device])
def test_a_gpu_that_is_not_there_is_refused(ask):
    with pytest.raises(UsageError, match=r"device cuda:1 wanted, but \w+ sees 0 CUDA device"):
        ask("cuda:1")


@pytest.mark.parametrize("ask", [namespace_for, resolve_torch_device])
@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "", "cpu "])
def test_a_word_that_is_no_device_is_refused(ask, device):
    with pytest.raises(UsageError, match="wanted auto, cpu, cuda or cuda:N"):
        ask(device)


def test_torch_device_of_cpu_is_cpu():
    assert resolve_torch_device("cpu") == "cpu"


def test_arrays_come_to_the_host_with_their_values():
    host = np.arange(6.0).reshape(2, 3)
    assert to_host(host) is host
    np.testing.assert_array_equal(to_host(array_api_strict.asarray(host)), host)


def test_available_bytes_is_a_plausible_number():
    assert 2**20 < available_bytes(np.zeros(1)) < 2**50


def test_importing_the_backend_imports_neither_torch_nor_cupy():
    code = "import sys, stages.arrays.backend; print(sorted({'torch', 'cupy'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
