"""Settings of the process, read and set in one place: threads, Winograd, denormals, what the build and machine offer.

How many threads a kernel may use:
1. what set_num_threads said last;
2. else the limit that threadpoolctl or OMP_NUM_THREADS gives the OpenMP runtime (the kernels ask it at every call);
3. else the processors that this process may use: its affinity, and its cgroup's CPU quota rounded up.
The third is read once, at import. Small calls run on one thread whatever the limit.

Whether float32 convolutions may use Winograd's algorithm, which is faster and less accurate:
1. what allow_winograd said last;
2. else FASTCONV_WINOGRAD, 0 or 1, read at import;
3. else yes.

Whether the kernels take denormal numbers for zeros:
1. what set_flush_denormal said last;
2. else FASTCONV_FLUSH_DENORMAL, 0 or 1, read at import;
3. else no.
"""

import os

from fastconv import _arguments as args
from fastconv._version import __version__
from fastconv.kernels import runtime

_MOST_THREADS = 1024  # where a system refuses a thread, the OpenMP runtime ends the process
_process = os.getpid()
_chosen = 0  # what set_num_threads said; 0: nothing


def set_num_threads(n):
    """Lets the kernels of this process use `n` threads; 0 goes back to the default.

    Args:
        n: an integer of at least 0.

    Raises:
        TypeError: n is no integer.
        ValueError: n is negative, or beyond 1024.

    Example:
        >>> set_num_threads(2)
        >>> get_num_threads()
        2
    """
    global _chosen
    n = args.integer(n, "n", 0, _MOST_THREADS)
    runtime.set_num_threads(n)
    _chosen = n


def get_num_threads():
    """How many threads a large call may use now.

    Example:
        >>> get_num_threads() >= 1
        True
    """
    return runtime.get_num_threads()


def allow_winograd(flag):
    """Lets float32 convolutions use Winograd's algorithm, or keeps them to direct sums.

    It suits filters of 2 x 2 to 5 x 5, rows of 3 and 5 taps, and strided filters whose phases have so many (11 x 11 at
    stride 4, 7 x 7 and 4 x 4 at stride 2); layers for which it is faster take it, also where zeros make their filters
    square. It needs between a quarter and 0.6 of the multiplications. Its rounding errors are at most four times those
    of a direct sum on average (eight times for the gradient of 5 x 5 weights), and relative to the largest terms near a
    pixel, not to the pixel's own. Plans that are compiled already keep what they chose.

    Args:
        flag: True or False.

    Raises:
        TypeError: flag is no boolean.

    Example:
        >>> allow_winograd(False)
        >>> is_winograd_allowed()
        False

    Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016), https://arxiv.org/abs/1509.09308
    """
    runtime.allow_winograd(args.flag(flag, "flag"))


def is_winograd_allowed():
    """Whether convolutions may use Winograd's algorithm now.

    Example:
        >>> allow_winograd(True)
        >>> is_winograd_allowed()
        True
    """
    return runtime.is_winograd_allowed()


def set_flush_denormal(mode):
    """Lets the kernels take denormal numbers for zeros, or compute with them as IEEE 754 says.

    Denormal numbers are those nearer to zero than the dtype's smallest normal number (1.2e-38 in float32). Most
    processors are many times slower on them; a network's activations or gradients may fade into them. With the mode on
    they count as zeros where kernels compute, and results that would be denormal are zeros; results from normal numbers
    are the same bits. What merely moves or compares numbers (padding, maxima) may leave them as they are. Outside of
    the kernels nothing changes: the mode of the calling thread is put back, and within the kernels fastconv's counts,
    not the caller's.

    Args:
        mode: True or False.

    Returns:
        Whether this processor and build can (x86-64, aarch64); if not, nothing changes.

    Raises:
        TypeError: mode is no boolean.

    Example:
        >>> set_flush_denormal(False) in (True, False)
        True
    """
    return runtime.set_flush_denormal(args.flag(mode, "mode"))


def is_flush_denormal():
    """Whether the kernels take denormal numbers for zeros now.

    Example:
        >>> is_flush_denormal()
        False
    """
    return runtime.is_flush_denormal()


def config():
    """What this build and this machine offer, as a dict that JSON can hold.

    Returns:
        version, isa (the instruction set in use), available_isas, threads, threads_reason, winograd (whether it is
        allowed), flush_denormal, openmp, compiler, flags, cython, bounds_checks.

    Example:
        >>> config()["isa"] in config()["available_isas"]
        True
    """
    build = runtime.build_info()
    return {
        "version": __version__,
        "isa": runtime.isa(),
        "available_isas": list(runtime.available_isas()),
        "threads": runtime.get_num_threads(),
        "threads_reason": _threads_reason(build),
        "winograd": runtime.is_winograd_allowed(),
        "flush_denormal": runtime.is_flush_denormal(),
        "openmp": build.get("openmp", "none"),
        "compiler": build.get("compiler", "unknown"),
        "flags": build.get("flags", ""),
        "cython": build.get("cython", ""),
        "bounds_checks": bool(build.get("bounds_checks", False)),
    }


def show_config():
    """Prints what this build and this machine offer, a line a fact."""
    facts = config()
    rows = [
        ("fastconv", facts["version"]),
        ("instruction set", f"{facts['isa']} (of {', '.join(facts['available_isas'])})"),
        ("threads", f"{facts['threads']} ({facts['threads_reason']})"),
        ("Winograd", "allowed" if facts["winograd"] else "not allowed"),
        ("denormals", "zeros" if facts["flush_denormal"] else "kept"),
        ("OpenMP", facts["openmp"]),
        ("compiler", facts["compiler"]),
        ("bounds checks", "on" if facts["bounds_checks"] else "off"),
    ]
    print("\n".join(f"{name:<16} {value}" for name, value in rows))


def _threads_reason(build):
    if build.get("openmp", "none") == "none":
        return "built without OpenMP"
    if os.getpid() != _process:
        return "a forked process computes on one thread"
    if _chosen:
        return "set_num_threads"
    threads = runtime.get_num_threads()
    if os.environ.get("OMP_NUM_THREADS") and threads == _omp_num_threads():
        return "OMP_NUM_THREADS"
    if threads != _default_threads:
        return "the OpenMP runtime's limit"
    return _default_reason


def _omp_num_threads():
    """The first number of OMP_NUM_THREADS (a list has one for each level of nesting), or None."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def _from_environment(name, default):
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise ValueError(f"{name} (={value!r}) must be 0 or 1")
    return value == "1" if value else default


# --- the processors this process may use ----------------------------------------------------------------------------


def _usable_processors():
    """(how many, why so many) from the affinity mask and the cgroup quota."""
    try:
        count, reason = len(os.sched_getaffinity(0)), "processors in this process's affinity"
    except (AttributeError, OSError):  # not on this system
        count, reason = os.cpu_count() or 1, "processors of this machine"
    quota = _cgroup_quota()
    if quota is not None and quota < count:
        return quota, "the cgroup's CPU quota"
    return count, reason


def _cgroup_quota(root="/sys/fs/cgroup", membership="/proc/self/cgroup"):
    """The CPU quota of this process's control group and those above it, in processors, rounded up; None: no limit.

    Version 2 has a line 0::/path and cpu.max ("max 100000" or "150000 100000"); version 1 a line N:cpu,cpuacct:/path
    and cpu.cfs_quota_us (-1: none) beside cpu.cfs_period_us. Inside a container the path may be that of the host, of
    which only the group's own folder is mounted: folders that are missing are passed over.
    """
    lines = _read(membership)
    if lines is None:
        return None
    limits = []
    for line in lines.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            folder, read_limit = root, _limit_v2
        elif "cpu" in controllers.split(","):
            folder, read_limit = f"{root}/{controllers}", _limit_v1
            if not os.path.isdir(folder):
                folder = f"{root}/cpu"
        else:
            continue
        while True:
            limits.append(read_limit(folder + path.rstrip("/")))
            if path in ("/", ""):
                break
            path = path.rpartition("/")[0]
    limits = [limit for limit in limits if limit is not None]
    return min(limits) if limits else None


def _limit_v2(folder):
    words = (_read(f"{folder}/cpu.max") or "").split()
    return _processors(*words) if len(words) == 2 else None


def _limit_v1(folder):
    quota, period = _read(f"{folder}/cpu.cfs_quota_us"), _read(f"{folder}/cpu.cfs_period_us")
    return _processors(quota, period) if quota and period else None


def _processors(quota, period):
    try:
        quota, period = int(quota), int(period)
    except ValueError:  # "max"
        return None
    return max(-(-quota // period), 1) if quota > 0 and period > 0 else None


def _read(path):
    """A small file of /proc or /sys, or None where it cannot be read. os.open is a few times faster than open."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return os.read(file, 65_536).decode("ascii", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(file)


_default_threads, _default_reason = _usable_processors()
runtime.set_default_threads(_omp_num_threads() or _default_threads)
runtime.allow_winograd(_from_environment("FASTCONV_WINOGRAD", True))
runtime.set_flush_denormal(_from_environment("FASTCONV_FLUSH_DENORMAL", False))
