"""Progress of long work: a bar on a terminal and in a notebook, a plain line now and then in a log."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

_BAR_SECONDS, _LINE_SECONDS = 0.2, 15.0


class Progress:
    """Counts steps towards a total and shows them on standard error.

    On a terminal and in a notebook one line is redrawn; elsewhere a line is printed every 15 seconds, so
    that quick work leaves no trace in a log.
    """

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total, self._done = label, total, 0
        self._redraws = sys.stderr.isatty() or _in_notebook()
        self._shown = ""
        self._next = time.monotonic() + (0 if self._redraws else _LINE_SECONDS)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count finished steps; `note` is shown beside them."""
        self._done += steps
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (_BAR_SECONDS if self._redraws else _LINE_SECONDS)
        share = self._done / self._total if self._total else 1.0
        text = f"{self._label}: {self._done:,} of {self._total:,} ({share:.0%}) {note}".rstrip()
        if self._redraws:
            self._redraw(text)
        else:
            _show(f"{text}\n")

    def close(self) -> None:
        """Clear the bar."""
        if self._redraws:
            self._redraw("")

    def _redraw(self, text: str) -> None:
        """Write over what is shown; a notebook knows no other way to clear a line."""
        _show(f"\r{text.ljust(len(self._shown))}" + ("" if text else "\r"))
        self._shown = text


def _in_notebook() -> bool:
    """Return whether standard error is a cell of a Jupyter notebook."""
    return type(sys.stderr).__module__.partition(".")[0] == "ipykernel"


def _show(text: str) -> None:
    with suppress(BrokenPipeError):  # nobody reads it any more, which is no reason to stop working
        sys.stderr.write(text)
        sys.stderr.flush()
