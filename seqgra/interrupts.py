"""Ctrl-C that is not lost.

Python drops a KeyboardInterrupt that falls into a finaliser or a callback of the garbage collector. What
was asked for is remembered here, and long work heeds it at its next step (`progress.Progress.advance`).
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

_asked = False


def remember() -> None:
    """Remember interrupts from now on, where Python itself would raise them; forget earlier ones."""
    global _asked
    _asked = False
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)


def heed() -> None:
    """Raise an interrupt that was asked for.

    Raises
    ------
    KeyboardInterrupt
        If there was one since `remember`.
    """
    if _asked:
        raise KeyboardInterrupt


def _note(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    signal.default_int_handler(number, frame)
