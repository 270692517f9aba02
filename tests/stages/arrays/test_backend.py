"""Devices: what is there is found, what is not is refused, and importing the backend imports no heavy library."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import array_api_strict
import numpy as np
import pytest

from stages.arrays import backend
from stages.arrays.backend import available_bytes, namespace_for, resolve_torch_device, to_host
from stages.errors import DbcError, UsageError


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
    with pytest.raises(UsageError, match=r"`device='cuda:1'` is not there: \w+ sees 0 CUDA devices"):
        ask("cuda:1")


@pytest.mark.parametrize("ask", [namespace_for, resolve_torch_device])
@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "", "cpu "])
def test_a_word_that_is_no_device_is_refused(ask, device):
    with pytest.raises(UsageError, match="must be auto, cpu, cuda or cuda:N, got"):
        ask(device)


class CupyOfThreads:
    """CuPy as far as current devices go: one for each thread, 0 at first."""

    def __init__(self):
        self._here = threading.local()
        self.cuda = SimpleNamespace(
            Device=lambda number: SimpleNamespace(use=lambda: setattr(self._here, "number", number)),
            runtime=SimpleNamespace(getDevice=lambda: getattr(self._here, "number", 0)),
        )


def test_a_thread_works_on_its_arrays_device_only_after_it_was_bound(monkeypatch):
    cupy, array = CupyOfThreads(), SimpleNamespace(device=SimpleNamespace(id=1))
    monkeypatch.setattr(backend, "_import_cupy", lambda: cupy)
    monkeypatch.setattr(backend, "device_number", lambda array: array.device.id)
    with (
        ThreadPoolExecutor(1) as unbound,
        pytest.raises(DbcError, match="this thread works on CUDA device 0, expected 1"),
    ):
        unbound.submit(backend.require_bound, array).result()
    with ThreadPoolExecutor(1, initializer=backend.binder_of(array)) as bound:
        bound.submit(backend.require_bound, array).result()


def test_a_gpu_is_taken_for_much_work_alone_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(backend, "_count_cuda_devices", lambda cupy: 1)
    monkeypatch.setattr(backend, "_has_driver", lambda: True)
    assert namespace_for("auto", n_products=backend.GPU_PAYS / 2).device == "cpu"
    monkeypatch.setattr(backend, "_multiply_in_float32", lambda: pytest.fail("too early"))

    def take(number):
        raise LookupError(f"device {number} is taken")

    monkeypatch.setattr(backend, "_import_cupy", lambda: SimpleNamespace(cuda=SimpleNamespace(Device=take)))
    for device, n_products in (("auto", backend.GPU_PAYS), ("cuda", 1.0)):
        with pytest.raises(LookupError, match="device 0 is taken"):
            namespace_for(device, n_products=n_products)


def test_float32_stays_float32_whatever_the_environment_says(monkeypatch):
    from cupy._core import _routines_linalg as products

    before = products.get_compute_type(np.float32)
    backend._multiply_in_float32()
    assert products.get_compute_type(np.float32) == products.COMPUTE_TYPE_FP32
    products.set_compute_type(np.float32, before)


def test_torch_device_of_cpu_is_cpu():
    assert resolve_torch_device("cpu") == "cpu"


def test_arrays_come_to_the_host_with_their_values():
    host = np.arange(6.0).reshape(2, 3)
    assert to_host(host) is host
    np.testing.assert_array_equal(to_host(array_api_strict.asarray(host)), host)

    class Column:
        """As of pandas: `get` finds one value."""

        get = host.__getitem__

        def __array__(self, *_: object, **__: object):
            return host

    assert to_host(Column()) is host


def test_available_bytes_is_a_plausible_number():
    assert 2**20 < available_bytes(np.zeros(1)) < 2**50


def test_what_takes_long_to_import_is_not_imported_in_vain():
    code = """
import sys
import stages.evaluate.clusters.agreement
from stages.arrays import backend
from stages.runs.store.zarr_import import import_zarr
backend._has_driver = lambda: False
print(import_zarr().__name__, backend.namespace_for().device, sorted({"torch", "cupy", "sklearn"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "zarr cpu []"
