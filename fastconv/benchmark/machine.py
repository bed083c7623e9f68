"""What a measurement was made on, in words that stand beside its figures."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path


def describe() -> dict:
    """Processor, usable processors, memory in bytes, system and Python."""
    return {
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    """The model's name and the widest vectors it knows, as Linux tells them; elsewhere what Python knows."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict((part.strip() for part in line.split(":", 1)) for line in text.splitlines() if ":" in line)
    flags = facts.get("flags", "").split()
    vectors = next((flag for flag in ("avx512f", "avx2", "avx") if flag in flags), "")
    name = facts.get("model name") or platform.machine()
    numbers = " ".join(f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts)
    return ", ".join(filter(None, (name, numbers, vectors)))


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


class Others:
    """How many processors other processes kept busy, from this object's making until `share` is asked for.

    Ours are this process and its children that have ended. Known on Linux only.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._busy = self._foreign()

    def share(self) -> float | None:
        """Processors' worth of foreign work, on average; None where the system does not tell."""
        busy = self._foreign()
        if busy is None or self._busy is None:
            return None
        return max(0.0, busy - self._busy) / max(time.monotonic() - self._start, 1e-9)

    @staticmethod
    def _foreign() -> float | None:
        """Processor seconds since the start of the machine that are not ours."""
        try:
            words = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
            user, nice, system, _idle, _wait, irq, softirq, steal = (int(word) for word in words[1:9])
            total = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        except (OSError, ValueError):
            return None
        return total - sum(os.times()[:4])
