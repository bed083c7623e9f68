"""Ctrl-C that waits until the step under way is done, so that weights and optimizer fit together."""

import contextlib
import signal
import threading


class InterruptFlag:
    """True once Ctrl-C has been pressed."""

    def __init__(self):
        self.raised = False

    def __bool__(self):
        return self.raised


@contextlib.contextmanager
def deferred_interrupt():
    """In the block the first Ctrl-C only raises the flag that the block is given; a second one interrupts at once.

    Outside the main thread, or where the program has a handler of its own, signals are left alone.
    """
    flag = InterruptFlag()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield flag
        return

    def on_interrupt(number, frame):
        if flag.raised:
            raise KeyboardInterrupt
        flag.raised = True

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
