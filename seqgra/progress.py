"""Progress of long work: a bar on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

_BAR_SECONDS, _LINE_SECONDS = 0.2, 15.0


class Progress:
    """Counts steps towards a total and shows them on standard error.

    On a terminal one line is redrawn; elsewhere a line is printed every 15 seconds, so that quick
    work leaves no trace in a log.
    """

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total, self._done = label, total, 0
        self._terminal = sys.stderr.isatty()
        self._next = time.monotonic() + (0 if self._terminal else _LINE_SECONDS)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count finished steps; `note` is shown beside them."""
        self._done += steps
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_BAR_SECONDS if self._terminal else _LINE_SECONDS)
        share = self._done / self._total if self._total else 1.0
        text = f"{self._label}: {self._done:,} of {self._total:,} ({share:.0%}) {note}".rstrip()
        _show(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")

    def close(self) -> None:
        """Clear the bar."""
        if self._terminal:
            _show("\r\x1b[K")


def _show(text: str) -> None:
    with suppress(BrokenPipeError):  # nobody reads it any more, which is no reason to stop working
        sys.stderr.write(text)
        sys.stderr.flush()
