"""Weights in files: what was saved loads, what torch saved loads, and what is broken is refused in one line."""

import base64
import io
import json
import os
import struct
import sys
import zipfile

import numpy as np
import pytest

import fastconv as fc
from fastconv import nn
from fastconv.training import CheckpointError, load_weights, save_weights

FORMS = ("npz", "safetensors")

# safetensors.numpy.save({"0.weight": [[1.5, -2.0]], "0.bias": [0.25]}, float32), by version 0.8.0 of the package
RECORDED = base64.b64decode(
    "gAAAAAAAAAB7IjAuYmlhcyI6eyJkdHlwZSI6IkYzMiIsInNoYXBlIjpbMV0sImRhdGFfb2Zmc2V0cyI6WzAsNF19LCIwLndlaWdodCI6eyJkdHlw"
    "ZSI6IkYzMiIsInNoYXBlIjpbMSwyXSwiZGF0YV9vZmZzZXRzIjpbNCwxMl19fSAgICAgIAAAgD4AAMA/AAAAwA=="
)


@pytest.fixture(params=FORMS)
def form(request):
    if request.param == "safetensors":
        pytest.importorskip("safetensors")
    return request.param


def small_net(seed=0, dtype=np.float32):
    return nn.Sequential(nn.Linear(2, 1, dtype=dtype), seed=seed)


def same(one, two):
    assert one.keys() == two.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], two[key], strict=True)


def write(path, arrays):
    """A file of any arrays, as other programs write it."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        from safetensors.numpy import save_file

        save_file(arrays, path)
    return path


def tensors(header, data=b"", length=None):
    """The bytes of a .safetensors file whose header may lie."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def refused(path, message=None, net=None):
    net = small_net() if net is None else net
    before = net.state_dict()
    with pytest.raises(CheckpointError, match=message) as caught:
        load_weights(path, net)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value) and len(str(caught.value)) < 600
    same(net.state_dict(), before)


class TestRoundTrip:
    @pytest.mark.parametrize("variant", ["book", "relu"])
    def test_lenet(self, tmp_path, form, variant, dtype):
        net, other = (fc.models.lenet(variant, seed=seed, dtype=dtype) for seed in (1, 2))
        save_weights(tmp_path / f"weights.{form}", net)
        load_weights(tmp_path / f"weights.{form}", other)
        same(net.state_dict(), other.state_dict())

    def test_a_word_before_all_keys(self, tmp_path, form):
        net = small_net()
        path = write(tmp_path / f"a.{form}", {f"module.{key}": array for key, array in net.state_dict().items()})
        other = small_net(1)
        load_weights(path, other)
        same(net.state_dict(), other.state_dict())

    def test_endings(self, tmp_path):
        for name in ("weights", "weights.pt", "weights.pkl"):
            for call in (save_weights, load_weights):
                with pytest.raises(ValueError, match="expected '.npz' or '.safetensors'"):
                    call(tmp_path / name, small_net())
        assert not list(tmp_path.iterdir())

    def test_other_programs_read_what_was_saved(self, tmp_path):
        numpy_form = pytest.importorskip("safetensors.numpy")
        save_weights(tmp_path / "a.safetensors", small_net())
        save_weights(tmp_path / "a.npz", small_net())
        same(numpy_form.load_file(tmp_path / "a.safetensors"), small_net().state_dict())
        with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
            same(dict(arrays), small_net().state_dict())

    def test_recorded_file(self, tmp_path):
        pytest.importorskip("safetensors")
        net = small_net()
        (tmp_path / "a.safetensors").write_bytes(RECORDED)
        load_weights(tmp_path / "a.safetensors", net)
        same(net.state_dict(), {"0.weight": np.float32([[1.5, -2.0]]), "0.bias": np.float32([0.25])})

    def test_without_the_package_a_sentence_names_the_extra(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "safetensors", None)
        for call in (save_weights, load_weights):
            with pytest.raises(ImportError, match=r'pip install "fastconv\[safetensors\]"'):
                call(tmp_path / "a.safetensors", small_net())


class TestFromTorch:
    """A LeNet's state_dict, saved from torch, gives the same logits."""

    @staticmethod
    def lenet(torch, variant):
        t = torch.nn
        act, pool = (t.Sigmoid, t.AvgPool2d) if variant == "book" else (t.ReLU, t.MaxPool2d)
        features = (t.Conv2d(1, 6, 5, padding=2), act(), pool(2, 2), t.Conv2d(6, 16, 5), act(), pool(2, 2))
        head = (t.Linear(400, 120), act(), t.Linear(120, 84), act(), t.Linear(84, 10))
        return t.Sequential(*features, t.Flatten(), *head)

    @pytest.mark.parametrize("inside", [False, True], ids=["alone", "inside-a-module"])
    @pytest.mark.parametrize("variant", ["book", "relu"])
    def test_same_logits(self, tmp_path, rng, form, variant, inside):
        torch = pytest.importorskip("torch")
        torch.manual_seed(3)
        theirs = self.lenet(torch, variant)
        state = (torch.nn.ModuleDict({"net": theirs}) if inside else theirs).state_dict()
        path = tmp_path / f"lenet.{form}"
        if form == "safetensors":
            from safetensors.torch import save_file

            save_file(state, path)
        else:
            np.savez(path, **{key: value.numpy() for key, value in state.items()})
        net = fc.models.lenet(variant)
        load_weights(path, net)
        images = rng.standard_normal((5, 1, 28, 28)).astype(np.float32)
        with torch.no_grad():
            expected = theirs(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(net.eval()(images), expected, rtol=0, atol=2e-6)


class TestRefused:
    def test_other_networks(self, tmp_path, form):
        path = tmp_path / f"a.{form}"
        net = small_net()
        state = net.state_dict()
        refused(write(path, {}), "missing '0.bias', '0.weight'")
        refused(write(path, {"0.weight": state["0.weight"]}), "missing '0.bias'$")
        refused(write(path, state | {"1.weight": state["0.weight"]}), "unknown '1.weight'$")
        many = {f"x{i}.weight": np.zeros(1, np.float32) for i in range(50)}
        refused(write(path, many), "missing '0.bias', '0.weight'; unknown .* and 45 more")
        refused(write(path, state | {"0.weight": np.zeros((2, 1), np.float32)}), r"\(2, 1\), expected float32 \(1, 2\)")

    @pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32, bool])
    def test_other_dtypes(self, tmp_path, form, kind):
        state = {key: array.astype(kind) for key, array in small_net().state_dict().items()}
        refused(write(tmp_path / f"a.{form}", state), "expected float32")

    def test_every_truncation_and_damage(self, tmp_path, form):
        """In one line, or (in a time stamp, say) without any effect on names and shapes."""
        path = tmp_path / f"a.{form}"
        save_weights(path, small_net())
        content = path.read_bytes()
        for length in range(len(content)):
            path.write_bytes(content[:length])
            refused(path)
        for position in range(len(content)):
            path.write_bytes(content[:position] + bytes([content[position] ^ 0x55]) + content[position + 1 :])
            try:
                load_weights(path, small_net())
            except CheckpointError as error:
                assert "\n" not in str(error) and str(error).startswith(str(path))

    def test_what_is_no_file(self, tmp_path, form):
        path = tmp_path / f"a.{form}"
        with pytest.raises(FileNotFoundError):
            load_weights(path, small_net())
        path.mkdir()
        with pytest.raises(OSError):
            load_weights(path, small_net())
        if hasattr(os, "mkfifo"):
            os.mkfifo(tmp_path / f"pipe.{form}")
            refused(tmp_path / f"pipe.{form}", "not a regular file")

    ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    TWO = {"dtype": "F32", "shape": [1, 2], "data_offsets": [4, 12]}

    @pytest.mark.parametrize(
        "content",
        [
            tensors(b"", length=2**63),
            tensors(b"{}", length=2**64 - 1),
            tensors(b"{}", length=100),
            tensors(b"["),
            tensors(b"[" * 100_000),
            tensors(b"\xff" * 8),
            tensors([]),
            tensors({"0.bias": ONE, "0.weight": TWO}, bytes(11)),
            tensors({"0.bias": ONE, "0.weight": TWO}, bytes(13)),
            tensors({"0.bias": ONE, "0.weight": TWO | {"data_offsets": [4, 2**63]}}, bytes(12)),
            tensors({"0.bias": ONE, "0.weight": TWO | {"data_offsets": [12, 4]}}, bytes(12)),
            tensors({"0.bias": ONE, "0.weight": TWO | {"data_offsets": [0, 8]}}, bytes(12)),
            tensors({"0.bias": ONE, "0.weight": TWO | {"shape": [2**40, 2**40]}}, bytes(12)),
            tensors({"0.bias": ONE, "0.weight": TWO | {"shape": [-1, -2]}}, bytes(12)),
            tensors({"0.bias": ONE, "0.weight": TWO | {"dtype": "BF16", "shape": [2, 2]}}, bytes(12)),
            tensors({"0.bias": ONE, "0.weight": TWO | {"dtype": "F128"}}, bytes(12)),
            tensors({"0.bias": ONE, "0.weight": 3}, bytes(12)),
        ],
        ids=range(17),
    )
    def test_safetensors_that_lie(self, tmp_path, content):
        pytest.importorskip("safetensors")
        path = tmp_path / "a.safetensors"
        path.write_bytes(content)
        refused(path)

    def test_honest_safetensors_of_the_same_writer_loads(self, tmp_path):
        pytest.importorskip("safetensors")
        path = tmp_path / "a.safetensors"
        path.write_bytes(tensors({"0.bias": self.ONE, "0.weight": self.TWO}, np.float32([1, 2, 3]).tobytes()))
        net = small_net()
        load_weights(path, net)
        same(net.state_dict(), {"0.weight": np.float32([[2, 3]]), "0.bias": np.float32([1])})

    def test_a_huge_file_is_not_read(self, tmp_path):
        pytest.importorskip("safetensors")
        path = tmp_path / "a.safetensors"
        with open(path, "wb") as file:
            file.truncate(1 << 40)  # sparse
        refused(path, "more than the weights of this network can have")

    def test_pickles_are_never_loaded(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "owned"),)

        file = io.BytesIO()
        np.lib.format.write_array(file, np.array([Evil()], dtype=object), allow_pickle=True)
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for key in small_net().state_dict():
                archive.writestr(f"{key}.npy", file.getvalue())
        refused(path)
        assert not (tmp_path / "owned").exists()

    def test_compressed(self, tmp_path):
        np.savez_compressed(tmp_path / "a.npz", **small_net().state_dict())
        refused(tmp_path / "a.npz", "compressed or encrypted; numpy.savez does neither")
