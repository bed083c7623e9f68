"""Locks that survive a fork."""

import os
from threading import Lock
from weakref import WeakSet


class Locked:
    """Has a `lock`, for calls that may not meet.

    A fork while another thread computes leaves its lock taken in the child, where no such thread is left to give it
    back: there the lock is a new one.
    """

    def __init__(self):
        try:
            self.lock = Lock()
        except RuntimeError as error:  # so Python says that there is no memory for one
            raise MemoryError(str(error)) from None
        _all.add(self)


_all = WeakSet()


def _unlock():
    for owner in _all:
        owner.lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
