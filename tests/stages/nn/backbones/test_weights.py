"""Weights files: what is accepted, what is refused and how it is told."""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import re
import socket
import threading
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from torch import Tensor, nn

from schemas.parameters import InitParameters
from stages.errors import DbcError, UsageError
from stages.nn.backbones import downloads
from stages.nn.backbones.register import build_backbone, provider_of
from stages.nn.backbones.weights import WeightsFile, load_weights
from stages.nn.backbones.weights_content import read_weights
from stages.nn.seeded import Undrawn
from stages.reporting import Silent

SHARED = Path(os.environ.get("DBC_TEST_DATA", Path(__file__).parents[5] / "shared" / "data")).parent / "weights"
SMALL = "shufflenet_v2_x0_5"
"""A network whose files are quickly written, hashed and read: a thirtieth of resnet18, and with batch norms as it."""
FIRST, NORM = "conv1.0.weight", "conv1.1"
MOBILENET = SHARED / "mobilenet_v2-imagenet.safetensors"


@pytest.fixture(scope="module")
def full() -> dict[str, Tensor]:
    """The state dict of torchvision's `SMALL` with its classifier."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network: nn.Module = torchvision.models.get_model(SMALL, weights=None)
    return network.state_dict()


def find_weights(weights: str, *, backbone: str) -> WeightsFile | None:
    return provider_of(backbone).find_weights(weights, backbone=backbone, reporter=Silent())


def _found(path: Path) -> WeightsFile:
    file = find_weights(str(path), backbone=SMALL)
    assert file is not None
    return file


def _load(path: Path) -> dict[str, Tensor]:
    with Undrawn():
        network, _ = build_backbone(InitParameters(backbone=SMALL))
    load_weights(network, _found(path), backbone=SMALL)
    return network.state_dict()


def _assert_loaded(path: Path, full: dict[str, Tensor]) -> None:
    loaded = _load(path)
    assert all(torch.equal(value, full[key]) for key, value in loaded.items())


def test_a_safetensors_file_with_a_classifier_loads(tmp_path: Path, full: dict[str, Tensor]) -> None:
    safetensors.torch.save_file(full, tmp_path / "w.safetensors")
    _assert_loaded(tmp_path / "w.safetensors", full)


class Told(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.mark.parametrize(
    "name", ["w.pt", "model.pth.tar", "model.pth.tar-60", "epoch=3.ckpt", "weights.bin", "weights"]
)
@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.base.", "model.backbone."])
def test_a_checkpoint_is_judged_by_its_content(tmp_path: Path, full: dict[str, Tensor], name: str, prefix: str) -> None:
    own = {f"{prefix}{key}": value for key, value in full.items() if not key.startswith("fc.")}
    scores = {f"{prefix}classifier.weight": torch.zeros(5, 512), f"{prefix}fc.bias": torch.zeros(5)}
    beside = {"neck.bias": torch.zeros(3)} if prefix else {}
    torch.save(
        {
            "state_dict": own | scores | beside,
            "epoch": np.int64(60),
            "rank1": np.float32(0.5),
            "args": argparse.Namespace(lr=0.1),
        },
        tmp_path / name,
    )
    with Undrawn():
        network, _ = build_backbone(InitParameters(backbone=SMALL))
    told = Told()
    left_out = provider_of(SMALL).load(network, _found(tmp_path / name), backbone=SMALL, reporter=told)
    assert all(torch.equal(value, full[key]) for key, value in network.state_dict().items())
    assert set(left_out) == {*scores, *beside}
    assert told.notes == ([f"weights {name}: {prefix!r} is taken off the names"] if prefix else [])


def test_safetensors_under_another_name_and_numbers_beside_tensors_load(
    tmp_path: Path, full: dict[str, Tensor]
) -> None:
    safetensors.torch.save_file(full, tmp_path / "w.pth")
    _assert_loaded(tmp_path / "w.pth", full)
    torch.save({**full, "best": np.float64(0.3), "name": SMALL}, tmp_path / "w.safetensors")
    _assert_loaded(tmp_path / "w.safetensors", full)


def test_weights_that_do_not_fit_name_the_nearest_keys_of_both_sides(tmp_path: Path, full: dict[str, Tensor]) -> None:
    renamed = {key.replace("stage4.0", "stage4_0"): value for key, value in full.items()}
    torch.save(renamed, tmp_path / "w.pth")
    with pytest.raises(DbcError) as caught:
        _load(tmp_path / "w.pth")
    three = "0.weight", "1.weight", "1.bias"
    own, others = (", ".join(f"stage4{mark}0.branch1.{end}" for end in three) for mark in "._")
    assert f"the network has {own}, the file {others}" in str(caught.value)


def test_old_files_without_batch_counters_load(tmp_path: Path, full: dict[str, Tensor]) -> None:
    torch.save({key: value for key, value in full.items() if "num_batches" not in key}, tmp_path / "w.pth")
    assert torch.equal(_load(tmp_path / "w.pth")[FIRST], full[FIRST])


@pytest.mark.parametrize("name", ["mnasnet0_5", "densenet121", "squeezenet1_1"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_weights_of_other_networks_load_as_published(tmp_path: Path, name: str, suffix: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        full = torchvision.models.get_model(name, weights=None).state_dict()
    # DenseNets are published under the names they had when a dot was allowed there
    published = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value for key, value in full.items()}
    assert (set(published) != set(full)) == name.startswith("densenet")
    path = tmp_path / f"w.{suffix}"
    save = safetensors.torch.save_file if suffix == "safetensors" else torch.save
    save(published, path)  # type: ignore[operator]
    with Undrawn():
        network, _ = build_backbone(InitParameters(backbone=name))
    load_weights(network, _found(path), backbone=name)
    assert all(torch.equal(value, full[key]) for key, value in network.state_dict().items())


def test_weights_with_auxiliary_classifiers_load(tmp_path: Path) -> None:
    full = torchvision.models.googlenet(weights=None, init_weights=True).state_dict()
    assert any(key.startswith("aux2.") for key in full)
    torch.save(full, tmp_path / "w.pth")
    with Undrawn():
        network, _ = build_backbone(InitParameters(backbone="googlenet"))
    load_weights(network, _found(tmp_path / "w.pth"), backbone="googlenet")
    assert all(torch.equal(value, full[key]) for key, value in network.state_dict().items())


def test_the_exponent_of_gem_pooling_is_kept_where_weights_lack_it(tmp_path: Path) -> None:
    full = torchvision.models.resnet18().state_dict()
    torch.save(full, tmp_path / "w.pth")
    with Undrawn():
        network, _ = build_backbone(InitParameters(backbone="resnet18", pooling="gem", last_stride=1))
    load_weights(network, _found(tmp_path / "w.pth"), backbone="resnet18")
    assert network.get_parameter("avgpool.p").tolist() == [3]
    assert torch.equal(network.state_dict()["conv1.weight"], full["conv1.weight"])


def test_a_network_without_the_published_imagenet_weights_says_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"has only IMAGENET1K_SWAG_E2E_V1, .* for vit_h_14"):
        find_weights("imagenet", backbone="vit_h_14")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda full: {k: v for k, v in full.items() if not k.startswith("stage4")}, "70 missing.*stage4.0"),
        (lambda full: full | {"extra.weight": torch.zeros(1)}, "1 unexpected.*extra.weight"),
        (lambda full: full | {FIRST: torch.zeros(24, 3, 7, 7)}, f"1 of another shape.*{FIRST}"),
        (
            lambda full: full | {f"{NORM}.bias": torch.full((24,), torch.nan)},
            f"finite, got NaN or infinity in 1 array .{NORM}.bias",
        ),
        (
            lambda full: {"network": full, "epoch": 1},
            r"alone or under state_dict, model, model_state_dict, got .*other things than tensors \(its keys: network, epoch",
        ),
        (lambda full: [1, 2], "got list"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_one_line(tmp_path, full, change, told) -> None:  # type: ignore[no-untyped-def]
    torch.save(change(full), tmp_path / "w.pth")
    with pytest.raises(DbcError, match=told) as caught:
        _load(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_torchscript_archive_is_called_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("w/constants.pkl", b"")
    with pytest.raises(DbcError, match="got a TorchScript archive; save the network's"):
        _load(tmp_path / "w.pt")


def test_counts_that_half_made_floats_are_left_out(tmp_path, full) -> None:  # type: ignore[no-untyped-def]
    torch.save({name: value.half() for name, value in full.items()}, tmp_path / "w.pth")
    found = _load(tmp_path / "w.pth")
    assert torch.equal(found[FIRST], full[FIRST].half().float())


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (lambda value: value.to(torch.int8), "float32 tensor, got int8;"),
        (lambda value: value > 0, "float32 tensor, got bool;"),
        (lambda value: value.to(torch.complex64), "float32 tensor, got complex64;"),
        (lambda value: value.to(torch.float8_e4m3fn), "float32 tensor, got float8_e4m3fn;"),
        (lambda value: value.to_sparse(), "sparse"),
        (lambda value: value.to("meta"), "on the meta device"),
        (
            lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8),
            "quantised|not readable as plain tensors",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_weights_of_another_kind_of_number_are_refused_by_name(tmp_path, full, kind, told) -> None:  # type: ignore[no-untyped-def]
    torch.save(full | {FIRST: kind(full[FIRST])}, tmp_path / "w.pth")
    with pytest.raises(DbcError, match=told) as caught:
        _load(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)
    assert f"{FIRST} must be" in str(caught.value) or "not readable" in str(caught.value)


def test_counters_that_are_no_whole_numbers_are_refused(tmp_path: Path, full: dict[str, Tensor]) -> None:
    torch.save(full | {f"{NORM}.num_batches_tracked": torch.tensor(1.5)}, tmp_path / "w.pth")
    with pytest.raises(DbcError, match=rf"{NORM}.num_batches_tracked must be a dense int64 tensor, got float32"):
        _load(tmp_path / "w.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_float_types_are_taken_as_float32(
    tmp_path: Path, full: dict[str, Tensor], dtype: torch.dtype
) -> None:
    stored = {key: value.to(dtype) if value.is_floating_point() else value for key, value in full.items()}
    safetensors.torch.save_file(stored, tmp_path / "w.safetensors")
    loaded = _load(tmp_path / "w.safetensors")
    assert loaded[FIRST].dtype == torch.float32
    assert torch.equal(loaded[FIRST], full[FIRST].to(dtype).float())


class _Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("harmed",))


def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": _Harmful()}, tmp_path / "w.pth")
    with pytest.raises(DbcError, match="not readable as plain tensors"):
        _load(tmp_path / "w.pth")
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize("content", [b"", b"not weights at all" * 10])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DbcError, match=r"not readable as plain tensors|an empty file; get it again"):
        _load(tmp_path / name)


@pytest.mark.parametrize("weights", ["nowhere.pth", "resnet.txt", "imagnet", "/"])
def test_a_source_that_is_none_is_misuse(weights: str) -> None:
    with pytest.raises(UsageError, match=r"`weights='imagenet'`, `weights='none'` or|a folder without a model"):
        find_weights(weights, backbone="resnet18")


def test_a_file_is_told_by_name_and_digest_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"abc")
    file = _found(tmp_path / "w.pth")
    assert (file.name, file.digest) == ("w.pth", hashlib.sha256(b"abc").hexdigest())


def test_no_weights_need_no_file() -> None:
    assert find_weights("none", backbone="resnet18") is None


def test_a_download_that_fails_says_what_to_do_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route\nto anywhere")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    with pytest.raises(DbcError, match=r"resnet18-.*could not be downloaded \(no route\).*`weights='none'`") as caught:
        find_weights("imagenet", backbone="resnet18")
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@contextmanager
def _server(answer: bytes | None) -> Iterator[str]:
    """The address of a server that gives `answer` to one request or, for None, takes it and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                if answer is None:
                    over.wait(20)
                else:
                    head = f"HTTP/1.0 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"
                    connection.sendall(head.encode() + answer)

        over = threading.Event()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        thread.join()


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "TIME_OUT", 0.2)
    with (
        _server(None) as address,
        pytest.raises(DbcError, match=r"w-01234567.pth could not be downloaded \(.*timed out"),
    ):
        downloads.cached_download(f"{address}/w-01234567.pth", reporter=Silent())


def test_a_download_is_kept_if_its_hash_is_the_one_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    content = b"weights" * 1000
    digest = hashlib.sha256(content).hexdigest()
    with _server(content) as address:
        path = downloads.cached_download(f"{address}/w-{digest[:8]}.pth", reporter=Silent())
    assert path == tmp_path / "hub" / "checkpoints" / f"w-{digest[:8]}.pth"
    assert path.read_bytes() == content
    # no server is asked for what is there
    assert downloads.cached_download(f"{address}/w-{digest[:8]}.pth", reporter=Silent()) == path
    with _server(content) as address, pytest.raises(DbcError, match="it arrived damaged"):
        downloads.cached_download(f"{address}/w-01234567.pth", reporter=Silent())
    assert list(path.parent.iterdir()) == [path]


def test_downloaded_weights_are_taken_from_torchs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(b"cached").hexdigest()
    published = SimpleNamespace(url=f"https://nowhere.invalid/resnet18-{digest[:8]}.pth")
    monkeypatch.setattr(
        torchvision.models, "get_model_weights", lambda _: SimpleNamespace(__members__={"IMAGENET1K_V1": published})
    )
    path = tmp_path / "hub" / "checkpoints" / f"resnet18-{digest[:8]}.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cached")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = find_weights("imagenet", backbone="resnet18")
    assert file is not None
    assert (file.name, file.digest) == ("imagenet", digest)
    path.write_bytes(b"junk")
    with pytest.raises(DbcError, match=rf"resnet18-{digest[:8]}.pth is damaged .*remove it"):
        find_weights("imagenet", backbone="resnet18")


@pytest.mark.skipif(not MOBILENET.is_file(), reason="the shared MobileNetV2 weights are not here")
def test_real_imagenet_weights_load_and_give_spread_features() -> None:
    network, _ = build_backbone(InitParameters(backbone="mobilenet_v2"))
    file = find_weights(str(MOBILENET), backbone="mobilenet_v2")
    assert file is not None
    load_weights(network, file, backbone="mobilenet_v2")
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network.eval()(images)
    assert torch.isfinite(features).all()
    assert float(features.std()) > 0.1


ARRAYS = {"conv.weight": torch.ones(40_000), "conv.bias": torch.ones(10)}


def _read(path: Path, reporter: Silent | None = None) -> dict[str, Tensor]:
    return read_weights(path, name=path.name, reporter=reporter or Silent())


def test_an_archive_with_a_hole_is_told_by_its_checksum(tmp_path: Path) -> None:
    torch.save(ARRAYS, tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(content[:80_000] + bytes(999) + content[80_999:])
    with pytest.raises(DbcError, match=r"weights w.pt are damaged: w/data/0 has not the checksum .*; get them again"):
        _read(tmp_path / "w.pt")


def test_an_archive_without_checksums_loads(tmp_path: Path) -> None:
    computes = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(ARRAYS, tmp_path / "w.pt")
    finally:
        torch.serialization.set_crc32_options(computes)
    assert _read(tmp_path / "w.pt").keys() == ARRAYS.keys()


@pytest.mark.parametrize(
    ("name", "cut", "told"),
    [
        ("w.safetensors", lambda content: content[:3000], r"cut off \(3,000 of 160,\d+ bytes\); get it again"),
        ("w.safetensors", lambda content: content[:90], r"cut off \(90 of 1\d\d bytes\); get it again"),
        ("w.pt", lambda content: content[:3000], r"cut off \(3,000 bytes, without the end .*; get it again"),
        (
            "w.pt",
            lambda _: b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS to one .*git lfs pull",
        ),
        ("w.pt", lambda _: b"<!DOCTYPE html><html>", "a web page, as a failed download"),
        ("w.pt", lambda _: b"\x1f\x8b\x08", "compressed by gzip; gunzip"),
        ("w.pt", lambda _: bytes(5000), "got zeros, as an interrupted copy"),
        ("w.pt", lambda _: b"", "an empty file; get it again"),
    ],
)
def test_a_file_that_did_not_arrive_is_called_what_it_is(tmp_path, name, cut, told) -> None:  # type: ignore[no-untyped-def]
    (safetensors.torch.save_file if name.endswith("s") else torch.save)(ARRAYS, tmp_path / name)
    (tmp_path / name).write_bytes(cut((tmp_path / name).read_bytes()))
    with pytest.raises(DbcError, match=told) as caught:
        _read(tmp_path / name)
    assert "save it again" not in str(caught.value)


def test_which_of_two_networks_is_taken_is_told(tmp_path: Path) -> None:
    torch.save({"model_ema": ARRAYS, "model": ARRAYS, "optimizer": {"state": {0: {}}}}, tmp_path / "w.pt")
    told = Told()
    assert _read(tmp_path / "w.pt", told).keys() == ARRAYS.keys()
    assert told.notes == ["weights w.pt: 'model' is taken; what is beside it is not read: 'model_ema'"]


def test_what_is_no_tensor_beside_tensors_is_named(tmp_path: Path) -> None:
    torch.save({**ARRAYS, "name": "x", "meta": {"a": 1}}, tmp_path / "w.pt")
    with pytest.raises(DbcError, match=r"other things than tensors \(its keys: meta\)"):
        _read(tmp_path / "w.pt")


def test_torch_warns_of_no_old_pickle(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(pickle.dumps({"a": 1}, 4))
    with pytest.raises(DbcError, match=r"weights w\.pt must be a state dict"):
        _read(tmp_path / "w.pt")
