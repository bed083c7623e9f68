"""Peers' times from an earlier report: while fastconv changes and its peers do not, they need not run again."""

from __future__ import annotations

from dataclasses import replace

from .report import OURS, Report


def with_stored_peers(report: Report, earlier: Report) -> Report:
    """`report`, with the times that `earlier` has of peers which `report` did not time.

    A time is taken over where layer, shape, mode and dtype agree; ValueError if the thread counts differ.
    """
    if report.threads != earlier.threads:
        raise ValueError(f"the stored peers ran on {earlier.threads} threads, this run has {report.threads}")
    known = {(r.mode, r.dtype, r.layer.name, r.layer.describe()): r.times for r in earlier.results}
    results = []
    for result in report.results:
        times = known.get((result.mode, result.dtype, result.layer.name, result.layer.describe()), {})
        peers = {name: timing for name, timing in times.items() if name != OURS}
        results.append(replace(result, times={**peers, **result.times}))
    taken = {name for result in results for name in result.times} - set(report.versions)
    versions = {name: f"{earlier.versions.get(name, '?')} (stored {earlier.date[:10]})" for name in sorted(taken)}
    return replace(report, results=tuple(results), versions={**report.versions, **versions})
