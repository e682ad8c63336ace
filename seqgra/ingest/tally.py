"""What was read and what was not: counts of what was left out, by reason and label, and notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from seqgra.errors import bad_input
from seqgra.ingest.columns import shown
from seqgra.ingest.examples import NEGATIVE, IngestedExamples


class Tally:
    """How many were left out or changed, by reason, in the order in which it happened.

    Attributes
    ----------
    read
        Sequences or regions in the files.
    counts
        How many by reason.
    by_label
        How many of each label by reason, where labels are known.
    advice
        The option that keeps them by reason, where there is one.
    notes
        What else to say.
    """

    def __init__(self) -> None:
        self.read = 0
        self.counts: dict[str, int] = {}
        self.by_label: dict[str, Counter[str]] = {}
        self.advice: dict[str, str] = {}
        self.notes: list[str] = []

    def remark(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def unread(self, file: Path, names: Sequence[str]) -> None:
        """Say which columns of a file are not read."""
        if names:
            self.remark(f"{file.name}: columns not read: {shown(names, 8)}")

    def count(
        self, number: int, reason: str, labels: Iterable[Sequence[str]] = (), option: str = ""
    ) -> None:
        """Count what was dropped or changed for a reason.

        Parameters
        ----------
        labels
            Labels of each, where known.
        option
            What keeps them.
        """
        if not number:
            return
        self.counts[reason] = self.counts.get(reason, 0) + int(number)
        if option:
            self.advice[reason] = option
        own = self.by_label.setdefault(reason, Counter())
        own.update(name for row in labels for name in row or (NEGATIVE,))

    def drop(
        self, bad: np.ndarray, y: np.ndarray, names: Sequence[str], reason: str, option: str = ""
    ) -> None:
        """Count the bad ones, bool (N,), of labels `y`, uint8 (N, C), by name."""
        self.count(int(bad.sum()), reason, option=option)
        if bad.any():
            totals = zip(names, y[bad].sum(axis=0).tolist(), strict=True)
            self.by_label[reason].update({name: total for name, total in totals if total})

    def keep(
        self,
        examples: IngestedExamples,
        good: np.ndarray,
        names: Sequence[str],
        reason: str,
        option: str = "",
    ) -> IngestedExamples:
        """Return the good examples (bool (N,)) and count the others.

        Raises
        ------
        InputError
            If none is left.
        """
        self.drop(~good, examples.y, names, reason, option)
        self.refuse_nothing(int(good.sum()))
        return examples if good.all() else examples.take(good)

    def refuse_nothing(self, left: int) -> None:
        """Raise `InputError` if nothing is left, saying where it went."""
        if not left:
            reasons = "; ".join(f"{n:,} {self._with_advice(r)}" for r, n in self.counts.items())
            raise bad_input("ingest", "", f"no example of {self.read:,} is left: {reasons}")

    def dropped_of(self, label: str) -> str:
        """Return how many examples of a label were left out, and why; empty if none was."""
        lost = {
            r: own[label] for r, own in self.by_label.items() if own[label] and "(kept)" not in r
        }
        return "; ".join(f"{n:,} {self._with_advice(reason)}" for reason, n in lost.items())

    def _with_advice(self, reason: str) -> str:
        return f"{reason} (see {self.advice[reason]})" if reason in self.advice else reason
