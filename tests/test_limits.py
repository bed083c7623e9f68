"""The limits that others set: processors, threads, stacks, workers side by side; and what idle threads cost."""

import json
import os
import statistics
import sys

import process
import pytest

from fastconv import settings
from fastconv.kernels import runtime

SERIAL_BUILD = runtime.build_info()["openmp"] == "none"
parallel = pytest.mark.skipif(SERIAL_BUILD, reason="built without OpenMP")

LIMITS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")

LARGE = """
import json, os, statistics, sys, time
import numpy as np
import fastconv as fc
from fastconv import settings
from fastconv.kernels import runtime

x, w = np.ones((2, 33, 45, 47), np.float32), np.ones((49, 33, 3, 3), np.float32)

def used():
    fc.conv2d(x, w, padding=1)
    return runtime.threads_used()
"""


def answer(script, **env):
    """What a new process prints as JSON, whose environment says no more about threads than `env`."""
    clean = "import os\n" + "".join(f"os.environ.pop({name!r}, None)\n" for name in LIMITS if name not in env)
    return json.loads(process.check(clean + LARGE + f"print(json.dumps({script}))", env=env))


# ---- how many threads -------------------------------------------------------------------------------------------


@parallel
def test_omp_num_threads_is_followed():
    for said, expected in (("1", 1), ("3", 3), ("2,4", 2)):
        facts = answer("[fc.get_num_threads(), used(), fc.settings.config()['threads_reason']]", OMP_NUM_THREADS=said)
        assert facts == [expected, expected, "OMP_NUM_THREADS"]
    for said in ("0", "-1", "many", "1.5", ""):  # the runtime passes over them, and so does fastconv
        assert answer("fc.get_num_threads()", OMP_NUM_THREADS=said) == answer("fc.get_num_threads()")
    assert answer("(fc.set_num_threads(2), used())[1]", OMP_NUM_THREADS="1") == 2  # what the program says counts


@parallel
def test_omp_thread_limit_is_followed():
    assert answer("(fc.set_num_threads(3), used())[1]", OMP_THREAD_LIMIT="1") == 1


@parallel
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_affinity_is_followed():
    one = min(os.sched_getaffinity(0))
    script = f"import os\nos.sched_setaffinity(0, [{one}])\n" + LARGE + "print(fc.get_num_threads(), used())"
    assert process.check(script, env={"OMP_NUM_THREADS": ""}).split() == ["1", "1"]


QUOTA, PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"


@pytest.mark.parametrize(
    "group, files, expected",
    [
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/", {"cpu.max": "150000 100000"}, 2),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000", "cpu.max": "400000 100000"}, 1),
        ("0::/host/only", {"cpu.max": "300000 100000"}, 3),  # a container's: its own folder alone is mounted
        ("4:cpu,cpuacct:/x", {"cpu,cpuacct/x/" + QUOTA: "200000", "cpu,cpuacct/x/" + PERIOD: "100000"}, 2),
        ("4:cpu:/x", {"cpu/x/" + QUOTA: "-1", "cpu/x/" + PERIOD: "100000"}, None),
        ("7:memory:/x\n4:cpu:/", {"cpu/" + QUOTA: "1", "cpu/" + PERIOD: "100000"}, 1),
        ("0::/", {"cpu.max": "0 0"}, None),
        ("0::/", {"cpu.max": "-5 100000"}, None),
        ("0::/", {"cpu.max": "1" * 5000 + " 100000"}, None),
        ("0::/", {"cpu.max": "\x00\xff nonsense 3"}, None),
        ("nonsense", {}, None),
        ("", {}, None),
    ],
)
def test_a_cgroups_quota_is_followed(tmp_path, monkeypatch, group, files, expected):
    membership = tmp_path / "membership"
    membership.write_text(group)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert settings._cgroup_quota(str(tmp_path), str(membership)) == expected
    monkeypatch.setattr(settings, "_cgroup_quota", lambda: expected)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert settings._usable_processors()[0] == (expected or 64)


# ---- others' pools ----------------------------------------------------------------------------------------------


@parallel
def test_threadpoolctl_is_followed():
    pytest.importorskip("threadpoolctl")
    script = (
        LARGE
        + """
from threadpoolctl import threadpool_limits
fc.set_num_threads(0)
before = used()
with threadpool_limits(1):
    inside = fc.get_num_threads(), used(), settings.config()["threads_reason"]
with threadpool_limits(3, user_api="openmp"):
    three = used()
print(json.dumps([before > 1 or fc.get_num_threads() == 1, inside, three <= 3, used() == before]))
"""
    )
    found = json.loads(process.check(script, env={"OMP_NUM_THREADS": ""}))
    assert found == [True, [1, 1, "the OpenMP runtime's limit"], True, True]


@parallel
def test_joblibs_workers_share_the_processors():
    """A worker process computes with as many threads as joblib leaves it; a worker thread, under a limit of its own."""
    pytest.importorskip("joblib")
    script = (
        LARGE
        + """
from joblib import Parallel, delayed, parallel_config

def work(_):
    import fastconv as fc
    from fastconv.kernels import runtime
    fc.conv2d(np.ones((2, 33, 45, 47), np.float32), np.ones((49, 33, 3, 3), np.float32), padding=1)
    return fc.get_num_threads(), runtime.threads_used()

with parallel_config("loky", inner_max_num_threads=1):
    print(json.dumps(Parallel(n_jobs=2)(delayed(work)(each) for each in range(4))))
with parallel_config("loky", inner_max_num_threads=2):
    print(json.dumps(Parallel(n_jobs=2)(delayed(work)(each) for each in range(4))))
"""
    )
    one, two = map(json.loads, process.check(script, env={"OMP_NUM_THREADS": ""}).splitlines())
    assert one == [[1, 1]] * 4 and two == [[2, 2]] * 4


@parallel
def test_worker_threads_that_limit_themselves_take_one_processor_each():
    """The limit of an OpenMP runtime is each thread's own: an initializer sets it for each worker of a pool."""
    pytest.importorskip("threadpoolctl")
    script = (
        LARGE
        + """
from concurrent.futures import ThreadPoolExecutor
from threadpoolctl import threadpool_limits

def work(_):
    fc.conv2d(x, w, padding=1)
    return runtime.threads_used(), len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0

with ThreadPoolExecutor(3, initializer=threadpool_limits, initargs=(1,)) as pool:
    print(json.dumps(list(pool.map(work, range(12)))))
"""
    )
    found = json.loads(process.check(script, env={"OMP_NUM_THREADS": ""}))
    assert all(used == 1 and tasks <= 8 for used, tasks in found), found


@parallel
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_of_concurrent_futures(method, tmp_path):
    """Forked workers compute on one thread; others on as many as their environment and initializer say."""
    script = """
import json, multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import fastconv as fc
from fastconv.kernels import runtime

def work(_):
    y = fc.conv2d(np.ones((2, 33, 45, 47), np.float32), np.ones((49, 33, 3, 3), np.float32), padding=1)
    return runtime.threads_used(), float(y.sum())

if __name__ == "__main__":
    fc.set_num_threads(2)
    expected = work(0)[1]
    context = multiprocessing.get_context(sys.argv[1])
    with ProcessPoolExecutor(2, mp_context=context, initializer=fc.set_num_threads, initargs=(1,)) as pool:
        print(json.dumps([[used, total == expected] for used, total in pool.map(work, range(4))]))
"""
    file = tmp_path / "pool.py"
    file.write_text(script)
    run = f"import runpy, sys\nsys.argv = ['', {method!r}]\nrunpy.run_path({str(file)!r}, run_name='__main__')"
    if method == "spawn":  # which imports the program anew, by its file
        run = f"import subprocess, sys\nsys.exit(subprocess.call([sys.executable, {str(file)!r}, {method!r}]))"
    assert json.loads(process.check(run)) == [[1, True]] * 4


# ---- stacks and idleness ----------------------------------------------------------------------------------------


def test_threads_with_stacks_of_128_kib():
    """Every operator, forward and backward, networks, plans and training: in such a thread, with a team of such."""
    script = """
import threading
import numpy as np
import fastconv as fc
import fastconv.functional as F
from operators import call, samples

rng = np.random.default_rng(0)
done = []

def convolutions(dtype):
    x = rng.standard_normal((2, 16, 45, 47), np.float32).astype(dtype)
    for size in (1, 3, 4, 5, 7, 11):
        for options in (dict(), dict(stride=2), dict(dilation=2), dict(groups=4)):
            w = np.ones((24, 16 // options.get("groups", 1), size, size), dtype)
            y = fc.conv2d(x, w, padding=size // 2, **options)
            F.conv2d_backward(y, x, w, padding=size // 2, **options)

def networks():
    images = rng.standard_normal((64, 1, 28, 28), np.float32)
    for variant in ("book", "relu"):
        net = fc.models.lenet(variant, seed=0)
        net.backward(net(images))
        fc.compile(net, (1, 28, 28), batch=64)(images)
    data = images, np.arange(64) % 10
    fc.training.fit(net, (data, data), optimizer=fc.training.SGD(net, 0.1), epochs=1, batch_size=16, seed=1)

def work():
    for dtype in (np.float32, np.float64):
        for name, arguments in samples(dtype).items():
            call(name, arguments)
        convolutions(dtype)
    networks()
    done.append(True)

threading.stack_size(128 * 1024)
fc.set_num_threads(2)
thread = threading.Thread(target=work)
thread.start(); thread.join()
assert done
"""
    process.check(script, env={"OMP_STACKSIZE": "128k", "PYTHONPATH": process.path()})


IDLE = "(used(), [spent() for _ in range(9)])[1]"
SPENT = """
def spent():
    'Milliseconds of processor time that this process takes while it sleeps behind a call.'
    used()
    before = time.process_time()
    time.sleep(0.1)
    return 1000 * (time.process_time() - before)

fc.set_num_threads(2)
"""


def idle_cost(monkeypatch, **env):
    monkeypatch.setattr(sys.modules[__name__], "LARGE", LARGE + SPENT)
    return statistics.median(answer(IDLE, **env))


@parallel
def test_idle_threads_do_not_spin_for_long(monkeypatch):
    """About half a millisecond by the runtime's own count, which the processor makes longer or shorter."""
    assert idle_cost(monkeypatch) < 2


@parallel
def test_omp_wait_policy_is_followed(monkeypatch):
    assert idle_cost(monkeypatch, OMP_WAIT_POLICY="passive") < 2
    assert idle_cost(monkeypatch, OMP_WAIT_POLICY="active") > 50


def test_the_environment_is_as_it_was():
    assert answer(f"[name for name in {LIMITS} if name in os.environ]") == []
