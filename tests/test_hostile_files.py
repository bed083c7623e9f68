"""Files that lie: one line that names the file, nothing executed or written, memory of at most twice the file and
64 MiB; and a process that is killed while it saves, which leaves the old file or the new one whole.

What each reader refuses is told by test_data.py, test_weights.py, test_checkpoints.py, test_predict.py and
test_specification.py; here they all meet the same liars, in a process whose memory is measured.
"""

import dataclasses
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import process
import pytest

from fastconv import cli, models, training
from fastconv.training.errors import DataError
from fastconv.training.idx import read_idx

MEGABYTE = 1 << 20
ROOM = 64 * MEGABYTE
OWNED = Path(tempfile.gettempdir()) / f"owned-{os.getpid()}"  # what would be there if anything were executed
LARGE = 150 * MEGABYTE

# Reads a file each as its reader does, and prints what came of it: the error, and by how much the peak has grown.
READERS = """
import json, os, sys
import numpy as np
import fastconv as fc
from fastconv import models, nn
from fastconv.training import Adam, Checkpoint, Trained, load_weights, read_images
from fastconv.training.idx import read_idx

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def restore(path):
    net = nn.Sequential(nn.Linear(1000, 4000), seed=0)
    Checkpoint(path).restore(net, Adam(net))

READ = {
    "idx": read_idx,
    "image": lambda path: read_images(path, (1, 28, 28)),
    "weights": lambda path: load_weights(path, nn.Sequential(nn.Linear(1000, 4000), seed=0)),
    "checkpoint": restore,
    "trained": Trained,
}
for path in map(str.strip, sys.stdin):
    name = os.path.basename(path)
    read = READ[name.split("-")[0]]
    forget_peak()
    before, said = held(), None
    try:
        read(path)
    except Exception as error:
        said = [type(error).__name__, str(error)]
    print(json.dumps([name, said, peak() - before, os.path.getsize(path)]))
"""


def idx(shape, data=b"", kind=8):
    return bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + data


def gzipped(parts):
    """Made piece by piece: what it holds need not fit into memory."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join([*map(packer.compress, parts), packer.flush()])


def zeros(count):
    yield from (bytes(MEGABYTE) for _ in range(count >> 20))


def npy(shape, data=b"", descr="<f4"):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def zipped(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def crowded(count):
    """An archive with nothing but names, so many times the same."""
    entry = b"PK\1\2" + struct.pack("<6H3L5H2L", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 0xFFFF, 0xFFFF, count * len(entry), 0, 0)
    return entry * count + end


def png(width, height, colour=0, rows=b""):
    """A PNG of zeros, or of `rows` as they are."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    data = rows or deflated_zeros(zlib.compressobj(1), (1 + width * samples) * height)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def deflated_zeros(packer, count):
    pieces = [packer.compress(bytes(MEGABYTE)) for _ in range(count >> 20)]
    return b"".join([*pieces, packer.compress(bytes(count % MEGABYTE)), packer.flush()])


class Evil:
    """Makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


class Text(str):
    """Stands in a header as it is."""

    __repr__ = str.__str__


@pytest.fixture(scope="module")
def contents():
    """{name: content}; the first word names the reader."""
    evil = pickle.dumps(Evil(OWNED))
    whole = np.zeros((4000, 1000), np.float32).tobytes()
    honest = {"0.weight.npy": npy((4000, 1000), whole), "0.bias.npy": npy((4000,), whole[:16000])}
    settings = json.dumps(settings_of("vgg11")).encode()
    state = {"epoch": 0, "step": 0, "loss_sum": 0.0, "correct": 0, "seconds": 0.0, "history": []}
    meta = json.dumps({"format": 1, "settings": json.loads(settings), "state": state}).encode()
    found = {
        "idx-claims-all": idx((2**31, 2**31, 2**31), bytes(100)),
        "idx-claims-more": idx((300, 1000, 1000), bytes(1000)),
        "idx-rank": idx((1,) * 255, bytes(1)),
        "idx-bomb": gzipped([idx((150, 1024, 1024)), *zeros(LARGE)]),
        "idx-bomb-hidden": gzipped([idx((1, 2, 2)), *zeros(LARGE)]),
        "idx-bomb-short": gzipped([idx((60, 1024, 1024)), *zeros(59 * MEGABYTE)]),
        "idx-pickle": evil,
        "image-bomb": png(20000, 20000),
        "image-bomb-wide": png(32000, 9000, 6),
        "image-bomb-gray": png(9000, 9000),
        "image-bomb-idx": gzipped([idx((150, 1024, 1024)), *zeros(LARGE)]),
        "image-short": png(5000, 1000, 2, zlib.compress(bytes(1000))),
        "image-claims-all": png(2**31 - 1, 2**31 - 1, 0, zlib.compress(bytes(1000))),
        "image-pickle": evil,
        "weights-bomb.npz": zipped({"0.weight.npy": npy((4000, 1000), bytes(LARGE))}, zipfile.ZIP_DEFLATED),
        "weights-claims-more.npz": zipped({**honest, "0.weight.npy": npy((10**6, 10**6), bytes(100))}),
        "weights-negative.npz": zipped({**honest, "0.weight.npy": npy((-4000, -1000), whole)}),
        "weights-pickle.npz": zipped({**honest, "0.weight.npy": npy((4000, 1000), evil, "|O")}),
        "weights-code.npz": zipped(
            {"0.bias.npy": b"", "0.weight.npy": npy(Text(f"__import__('os').mkdir({str(OWNED)!r})"))}
        ),
        "weights-leaves.npz": zipped({**honest, "../../owned": evil, f"{OWNED}/x.npy": npy((1,), bytes(4))}),
        "weights-many.npz": zipped({f"{number}.npy": b"" for number in range(20000)}),
        "weights-directory.npz": crowded(500_000),
        "weights-plain-pickle.npz": evil,
        "weights-larger.npz": zipped({**honest, "0.weight.npy": npy((12000, 1000), whole * 3)}),
        "weights-nested.npz": zipped({"0.bias.npy": b"", "0.weight.npy": npy(Text("-" * 3900 + "1"))}),
        "weights-header.npz": zipped({**honest, "0.weight.npy": npy(Text("(" * 60000))}),
        "checkpoint-bomb": zipped({"meta.npy": npy((LARGE,), bytes(LARGE), "|u1")}, zipfile.ZIP_DEFLATED),
        "checkpoint-deep": zipped({"meta.npy": npy((MEGABYTE,), b"[" * MEGABYTE, "|u1")}),
        "checkpoint-meta": zipped({"meta.npy": npy((20 * MEGABYTE,), bytes(20 * MEGABYTE), "|u1")}),
        "checkpoint-pickle": zipped({"meta.npy": npy((1,), evil, "|O")}),
        "trained-another": zipped(
            {"meta.npy": npy((len(meta),), meta, "|u1")}
        ),  # a network of half a gigabyte, it says
        "trained-empty": zipped({"net.0.0.weight.npy": b"", "meta.npy": npy((len(meta),), meta, "|u1")}),
    }
    for claimed in (10, 2**40, 2**63, 2**64 - 1):
        found[f"weights-length-{claimed}.safetensors"] = struct.pack("<Q", claimed) + b"{}" + bytes(100)
    huge = {"0.weight": {"dtype": "F32", "shape": [4000, 1000], "data_offsets": [0, 2**40]}}
    text = json.dumps(huge).encode()
    found["weights-offsets.safetensors"] = struct.pack("<Q", len(text)) + text + bytes(1000)
    text = b'{"__metadata__":{' + b",".join(b'"%d":"a"' % number for number in range(200_000)) + b"}}"
    found["weights-metadata.safetensors"] = struct.pack("<Q", len(text)) + text
    yield found
    if OWNED.exists():
        OWNED.rmdir()


def settings_of(model):
    recipe = dataclasses.asdict(training.recipe("relu", "digits"))
    values = {"model": model, "data": "digits", "recipe": recipe, "seed": 0, "classes": 10, "mean": 0.1, "std": 0.3}
    return values | {"fingerprint": "0badcafe", "class_names": None}


def read_all(contents, folder):
    """[name, (class, text) of the error or None, bytes by which the peak has grown, the file's bytes]"""
    paths = []
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        paths.append(str(folder / name))
    done = subprocess.run(
        [sys.executable, "-c", READERS], input="\n".join(paths), capture_output=True, text=True, timeout=100, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc")
def test_liars_are_refused_in_a_line_and_cost_little_memory(tmp_path, contents):
    pytest.importorskip("safetensors")
    pytest.importorskip("PIL")
    results = read_all(contents, tmp_path)
    assert [name for name, *_ in results] == list(contents)
    for name, said, grown, size in results:
        assert said is not None, f"{name} was taken"
        kind, text = said
        assert kind in ("DataError", "CheckpointError"), f"{name}: {kind}: {text}"
        assert text.startswith(f"{tmp_path / name}: ") and "\n" not in text and len(text) < 600, text
        assert grown <= 2 * size + ROOM, f"{name}: {grown / MEGABYTE:.0f} MiB for a file of {size:,} bytes"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(contents)  # nothing else was written
    assert not OWNED.exists() and not (tmp_path.parent.parent / "owned").exists()


@pytest.mark.parametrize("pack", [bytes, lambda content: gzipped([content])], ids=["plain", "gzip"])
def test_idx_files_cut_off_or_damaged_anywhere(tmp_path, pack):
    """Refused in a line; or, where the format cannot tell (a pixel, a time stamp), read in the shape that it says."""
    path = tmp_path / "images"
    content = pack(idx((7, 5, 6), np.random.default_rng(0).bytes(210)))
    refused = 0
    cut = [content[:length] for length in range(len(content))]
    damaged = [content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :] for place in range(len(content))]
    for number, changed in enumerate(cut + damaged):
        path.write_bytes(changed)
        try:
            images = read_idx(path)
        except DataError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            refused += 1
        else:
            assert number >= len(cut) and images.size == 210
    assert refused > len(cut)


def test_the_command_says_it_in_a_line(tmp_path, capsys, monkeypatch, contents):
    """Exit code 1, and nothing on the standard output."""
    pytest.importorskip("PIL")
    monkeypatch.chdir(tmp_path)
    small = {name: content for name, content in contents.items() if len(content) < MEGABYTE}
    for name, content in small.items():
        (tmp_path / name).write_bytes(content)
    for name in small:
        for words in (["predict", name, "idx-rank"], ["train", "--resume", name], ["show", name]):
            assert cli.main(words) == 1
            out, err = capsys.readouterr()
            assert out == "" and err.startswith("fastconv: error: ") and err.count("\n") == 1, err
    assert not OWNED.exists()


WORDS = [*models.specification.WORDS, "(", ")", ";", "5", "3x3", "0", "9" * 30, "-1", "pad", "stride", "groups", "1e9"]
WORDS += ["\0", "\u202e", "same", "nobias", "residual (", "repeat 10000 (", "((((", "conv 6 5;"]


def test_specifications_of_any_words(capsys):
    """A network, or one error with its column; never for long, never deep into the stack."""
    rng = np.random.default_rng(1)
    refused = 0
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 12))) for _ in range(1500)]
    texts += [
        "(" * 100_000,
        "residual (" * 20_000,
        "repeat 9 (" * 20_000,
        "relu; " * 100_000,
        "9" * 100_000,
        "x" * 10**6,
    ]
    for text in texts:
        try:
            models.parse(text, (1, 28, 28))
        except models.SpecificationError as error:
            message = str(error)
            assert message.startswith("column ") and "\n" not in message and len(message) < 600, message[:900]
            refused += 1
    assert refused > 1000


SAVE_UNTIL_KILLED = """
import os, random, signal, sys, time
import numpy as np
from fastconv import nn
from fastconv.training import Checkpoint, SGD, State, save_checkpoint, save_weights, load_weights

net = nn.Sequential(nn.Linear(300, 200), nn.ReLU(), nn.Linear(200, 10), seed=0)
optimizer = SGD(net, 0.1, momentum=0.9)
random.seed(3)

def fill(number):
    for array in net.parameters().values():
        array[...] = number
    optimizer.steps = number

def save(number):
    fill(number)
    save_checkpoint("run/checkpoint.npz", net, optimizer, State(), {"number": number})
    save_weights("weights.npz", net)

def loaded():
    checkpoint = Checkpoint("run")
    checkpoint.restore(net, optimizer)
    number = checkpoint.settings["number"]
    assert optimizer.steps == number
    assert all((array == number).all() for array in net.parameters().values())
    load_weights("weights.npz", net)
    others = {float(number) for array in net.parameters().values() for number in (array.min(), array.max())}
    assert len(others) == 1 and others.pop() <= number
    return number

save(0)
last = first = 0
for attempt in range(80):
    pid = os.fork()
    if pid == 0:
        number = last
        while True:
            number += 1
            save(number)
    time.sleep(random.random() * 0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    number = loaded()
    assert number >= last
    last = number
print(last)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_kill_while_saving_leaves_the_old_file_or_the_new_one(tmp_path):
    """At eighty moments; a save takes some milliseconds, most of them spent in writing."""
    saved = int(process.check(f"import os\nos.chdir({str(tmp_path)!r})\n" + SAVE_UNTIL_KILLED))
    assert saved >= 5
    assert list(tmp_path.glob("**/.*.tmp")), "no kill came while a file was half written"
