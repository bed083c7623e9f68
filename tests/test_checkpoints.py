"""Checkpoints: exact, atomic, and suspicious of what they read."""

import io
import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

import fastconv as fc
from fastconv import models, nn, training
from fastconv.training import SGD, Adam, Checkpoint, CheckpointError, State, save_checkpoint, save_weights
from fastconv.training.files import atomic_write
from fastconv.training.settings import Settings


def small_net(seed=0):
    return nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3), seed=seed)


def trained(net, optimizer, steps=3):
    rng = np.random.default_rng(0)
    for _ in range(steps):
        output = net(rng.standard_normal((5, 6)).astype(np.float32))
        net.backward(np.ones_like(output))
        optimizer.step()
    return net, optimizer


def block_net(seed=4):
    """With what a checkpoint must hold besides weights: running statistics, and where dropout's draws stand."""
    block = nn.Residual(
        nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm2d(3)
    )
    convolution = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, momentum=None), nn.PReLU()
    return nn.Sequential(*convolution, block, nn.Flatten(), nn.Dropout(), nn.Linear(48, 3), seed=seed)


def run(net, optimizer, **options):
    rng = np.random.default_rng(0)
    labels = np.arange(42) % 3
    images = rng.integers(0, 90, (42, 1, 6, 6)).astype(np.uint8)
    images.reshape(42, -1)[np.arange(42), labels * 8] = 255
    pair = images, labels
    return training.fit(net, (pair, pair), optimizer=optimizer, epochs=3, batch_size=8, seed=1, **options)


class Stop(training.Callback):
    """Saves a checkpoint after so many steps, and ends the run."""

    def __init__(self, path, steps):
        self.path, self.left = path, steps

    def on_step(self, run):
        self.left -= 1
        if not self.left:
            save_checkpoint(self.path, run.net, run.optimizer, run.state, {})
            raise InterruptedError


@pytest.mark.parametrize("steps", [3, 6, 11])
def test_normalisation_and_dropout_go_on_bit_for_bit(tmp_path, steps):
    net = block_net()
    history = run(net, Adam(net, 0.01))
    assert history[-1].train_loss < history[0].train_loss
    assert int(net[1].num_batches_tracked) == int(net[3].main[1].num_batches_tracked) == 18
    stopped = block_net()
    with pytest.raises(InterruptedError):
        run(stopped, Adam(stopped, 0.01), callbacks=[Stop(tmp_path / "run.npz", steps)])
    other = block_net()  # as a new process builds it
    optimizer, checkpoint = Adam(other, 0.01), Checkpoint(tmp_path / "run.npz")
    checkpoint.restore(other, optimizer)
    assert int(other[1].num_batches_tracked) == steps
    resumed = run(other, optimizer, state=checkpoint.state)
    state = other.state_dict()
    assert list(state) == list(net.state_dict()) and sum("running_var" in key for key in state) == 3
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(state[key], value, err_msg=key)
    assert [each.validation_loss for each in resumed] == [each.validation_loss for each in history]
    save_weights(tmp_path / "weights.npz", net)
    third = block_net(seed=9)
    training.load_weights(tmp_path / "weights.npz", third)
    x = np.random.default_rng(2).standard_normal((4, 1, 6, 6)).astype(np.float32)
    np.testing.assert_array_equal(third.eval()(x), net(x))
    plan = fc.compile(third, (1, 6, 6), batch=4)
    np.testing.assert_allclose(plan(x), net(x), rtol=1e-5, atol=1e-6)


STATE = State(
    epoch=1,
    step=4,
    loss_sum=0.1 + 0.2,
    correct=9,
    seconds=1.5,
    history=[training.EpochResult(1, 1 / 3, 0.5, None, None, 12345.678)],
)


@pytest.fixture
def saved(tmp_path):
    """(path, net, optimizer) of a checkpoint."""
    net = small_net()
    net, optimizer = trained(net, Adam(net))
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, net, optimizer, STATE, {"model": "small"})
    return path, net, optimizer


def rewrite(path, change, compression=zipfile.ZIP_STORED):
    """Write the archive anew, its members {name: bytes} as ``change`` left them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy(array, **header):
    """The bytes of a .npy file whose header may lie."""
    file = io.BytesIO()
    array = np.asarray(array)
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array) | header)
    return file.getvalue() + array.tobytes()


class TestRoundTrip:
    def test_everything_comes_back_exactly(self, saved):
        path, net, optimizer = saved
        checkpoint = Checkpoint(path)
        assert checkpoint.settings == {"model": "small"} and checkpoint.state == STATE
        other = small_net(seed=9)
        other_optimizer = Adam(other)
        checkpoint.restore(other, other_optimizer)
        for one, two in ((net, other), (optimizer, other_optimizer)):
            a, b = one.state_dict(), two.state_dict()
            assert a.keys() == b.keys()
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])

    def test_weights_alone(self, saved, tmp_path):
        path, net, _ = saved
        other = small_net(seed=9)
        Checkpoint(path).restore(other)
        save_weights(tmp_path / "weights.npz", other)
        with np.load(tmp_path / "weights.npz", allow_pickle=False) as weights:
            assert set(weights) == {"1.weight", "1.bias", "3.weight", "3.bias"}
            np.testing.assert_array_equal(weights["3.weight"], net.state_dict()["3.weight"])

    def test_is_a_plain_archive_without_pickle(self, saved):
        with zipfile.ZipFile(saved[0]) as archive:
            assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        with np.load(saved[0], allow_pickle=False) as arrays:
            assert json.loads(arrays["meta"].tobytes())["format"] == 1


class TestBroken:
    def test_every_truncation_is_one_line(self, saved):
        path = saved[0]
        content = path.read_bytes()
        for length in (0, 1, 10, 100, len(content) // 2, len(content) - 30, len(content) - 1):
            path.write_bytes(content[:length])
            self.refused(path)

    def test_damage_is_noticed_or_harmless(self, saved):
        """A flipped byte anywhere: refused in one line, or (in a time stamp, say) without any effect."""
        path, net, optimizer = saved
        content = path.read_bytes()
        expected = net.state_dict()
        refused = 0
        for position in range(0, len(content), 41):
            path.write_bytes(content[:position] + bytes([content[position] ^ 0x55]) + content[position + 1 :])
            other = small_net()
            try:
                Checkpoint(path).restore(other, Adam(other))
            except CheckpointError as error:
                assert "\n" not in str(error) and str(error).startswith(str(path))
                refused += 1
            else:
                for key, array in other.state_dict().items():
                    np.testing.assert_array_equal(array, expected[key])
        assert refused > 50

    def test_other_networks_and_optimizers(self, saved):
        path, net, _ = saved
        checkpoint = Checkpoint(path)
        wider = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
        for other, optimizer, message in (
            (wider, None, r"'net.1.weight.npy' holds float32 \(4, 6\), expected float32 \(5, 6\)"),
            (nn.Sequential(nn.Linear(6, 4)), None, "missing or unknown arrays"),
            (small_net(), SGD(small_net(), 0.1), "missing or unknown arrays"),
            (models.lenet(), None, "missing or unknown arrays"),
        ):
            before = other.state_dict()
            with pytest.raises(CheckpointError, match=message):
                checkpoint.restore(other, optimizer)
            for key, array in other.state_dict().items():
                np.testing.assert_array_equal(array, before[key])

    def test_no_checkpoint_at_all(self, tmp_path):
        np.savez(tmp_path / "other.npz", a=np.zeros(3))
        self.refused(tmp_path / "other.npz", "no member 'meta'")
        (tmp_path / "text").write_text("hello")
        self.refused(tmp_path / "text", "broken checkpoint")
        with pytest.raises(FileNotFoundError):
            Checkpoint(tmp_path / "absent.npz")

    @pytest.mark.parametrize(
        "meta",
        [
            b"",
            b"[",
            b"[" * 100_000,
            b"{}",
            b"[]",
            b"\xff",
            b'{"format": 2}',
            b'{"format": 1, "settings": {}, "state": {}}',
            b'{"format": 1, "settings": 3, "state": null}',
        ],
    )
    def test_meta_that_is_not_ours(self, saved, meta):
        rewrite(saved[0], lambda members: members.update({"meta.npy": npy(np.frombuffer(meta, np.uint8))}))
        self.refused(saved[0])

    @pytest.mark.parametrize(
        "change",
        [
            {"epoch": -1},
            {"epoch": 2},
            {"step": 1.5},
            {"loss_sum": "0"},
            {"history": [1]},
            {"history": None},
            {"extra": 1},
        ],
    )
    def test_state_that_cannot_be(self, change):
        with pytest.raises(ValueError, match="state"):
            State.from_dict(json.loads(json.dumps(STATE.as_dict() | change)))

    @pytest.mark.parametrize(
        "header",
        [
            {"shape": (10**12,)},
            {"shape": (4, 7)},
            {"descr": "<f8"},
            {"descr": "|O"},
            {"descr": ">f4"},
            {"fortran_order": True},
            {"shape": (-4, -6)},
        ],
    )
    def test_headers_that_lie(self, saved, header):
        content = npy(np.zeros((4, 6), np.float32), **header)
        rewrite(saved[0], lambda members: members.update({"net.1.weight.npy": content}))
        self.refused(saved[0])

    @pytest.mark.parametrize(
        "text",
        [
            b"{'descr': '<f4', 'fortran_order': False}",
            b"{'descr': '<f4', 'shape': (4, 6), 'shape': (4, 6)}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 6), 'more': 1}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (4 6)}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': ((4, 6))}",
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (2 * 2, 6)}",
            b"{'descr': '<f4', 'fortran_order': 0, 'shape': (4, 6)}",
            b"{'descr': '<f4,', 'fortran_order': False, 'shape': (4, 6)}",
            b"{'descr': '<f\xff', 'fortran_order': False, 'shape': (4, 6)}",
            b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4, 6)}",
        ],
    )
    def test_headers_that_no_array_has(self, saved, text):
        self.replace(saved[0], text)
        self.refused(saved[0])

    @pytest.mark.parametrize(
        "text",
        [
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 6), }      \n",
            b"{'descr':'<f4','fortran_order':False,'shape':(4,6)}",
            b"{ 'shape': (4, 6,), 'descr': '<f4', 'fortran_order': False }\n",
        ],
    )
    def test_headers_of_other_writers(self, saved, text):
        """The format lets the three stand in any order."""
        path, net, optimizer = saved
        self.replace(path, text)
        Checkpoint(path).restore(net, optimizer)
        np.testing.assert_array_equal(net[1].weight, np.arange(24).reshape(4, 6))

    @staticmethod
    def replace(path, header):
        start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
        content = start + header + np.arange(24, dtype="<f4").tobytes()
        rewrite(path, lambda members: members.update({"net.1.weight.npy": content}))

    def test_a_zip_bomb_costs_no_memory(self, saved):
        path = saved[0]
        content = npy(np.zeros((1, 1), np.float32), shape=(4, 6)) + bytes(100_000_000)
        rewrite(path, lambda members: members.update({"net.1.weight.npy": content}), zipfile.ZIP_DEFLATED)
        tracemalloc.start()
        self.refused(path, "compressed")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1_000_000

    def test_pickles_are_never_loaded(self, saved, tmp_path):
        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "owned"),)

        file = io.BytesIO()
        np.lib.format.write_array(file, np.array([Evil()], dtype=object), allow_pickle=True)
        for name in ("meta.npy", "net.1.weight.npy"):
            rewrite(saved[0], lambda members, name=name: members.update({name: file.getvalue()}))
            self.refused(saved[0])
        assert not (tmp_path / "owned").exists()

    @staticmethod
    def refused(path, message=None):
        net = small_net()
        with pytest.raises(CheckpointError, match=message) as caught:
            Checkpoint(path).restore(net, Adam(net))
        assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


class TestSettings:
    SETTINGS = Settings("lenet", "digits", training.recipe("relu", "digits"), 0, 10, 0.1, 0.3, "0badcafe")

    def test_round_trip(self):
        values = json.loads(json.dumps(self.SETTINGS.as_dict()))
        assert Settings.from_dict(values, "x") == self.SETTINGS

    @pytest.mark.parametrize(
        "change",
        [
            {"model": "resnet"},
            {"classes": 10**9},
            {"classes": "10"},
            {"seed": -1},
            {"std": 0.0},
            {"mean": float("nan")},
            {"extra": 1},
            {"recipe": {}},
            {"recipe": None},
        ],
    )
    def test_refuses_what_it_could_not_have_written(self, change):
        with pytest.raises(CheckpointError, match="^x: broken checkpoint"):
            Settings.from_dict(self.SETTINGS.as_dict() | change, "x")

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "cake"},
            {"variant": "book"},
            {"optimizer": "lion"},
            {"batch_size": 0},
            {"lr": -1.0},
            {"lr": "1"},
            {"shift": -1},
            {"epochs": True},
        ],
    )
    def test_refuses_recipes_that_are_none(self, change):
        values = self.SETTINGS.as_dict()
        values["recipe"] |= change
        with pytest.raises(CheckpointError, match="^x: broken checkpoint"):
            Settings.from_dict(values, "x")


class TestAtomic:
    def test_a_failed_write_leaves_the_old_file_and_nothing_else(self, saved, monkeypatch):
        path, net, optimizer = saved
        before = path.read_bytes()

        def full(*args, **options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(path, net, optimizer, STATE, {})
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == [path.name]

    def test_the_old_file_is_there_until_the_new_one_is_whole(self, tmp_path):
        path = tmp_path / "deep" / "file"
        with atomic_write(path) as file:
            file.write(b"one")
            assert not path.exists()
        with atomic_write(path) as file:
            file.write(b"two")
            assert path.read_bytes() == b"one"
        assert path.read_bytes() == b"two"
        assert list(path.parent.iterdir()) == [path]
