"""Constructed sequences: elements at given places over given backgrounds, by the code that simulates.

`Construction.draw` draws placements as the simulator does, without letters. A caller moves, swaps or
removes elements in them, and `Construction.write` gives both versions the same background letters and the
same letters of every element: they differ in nothing but their placement.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.alphabet import SETS
from seqgra.grammar.combinations import ROLES
from seqgra.grammar.schema import Grammar
from seqgra.law import letters
from seqgra.law.law import compile_law
from seqgra.law.placement import Placed, draw_placements, nothing_placed
from seqgra.law.tables import BY_LAW, UNIFORM
from seqgra.streams import stream_state


class BlockSpacing(NamedTuple):
    """A spacing of a block."""

    #: Slots of the combination.
    parent: int
    child: int
    #: Whether the child lies to the right of the parent on the block's own strand.
    after: bool
    #: Whether the order is random.
    random: bool
    #: int64, float64 (K,): distribution of the gap, ascending; weights sum to 1.
    gaps: np.ndarray
    weights: np.ndarray


class RuleBlock(NamedTuple):
    """A block of elements that a rule places in the examples of one combination of conditions."""

    #: As in the element table: role of `ROLES`, number of the condition (-1 for none), of the rule.
    role: str
    condition: int
    rule: int
    #: 0 for the rule's first copy.
    copy: int
    #: int64 (K,): how many copies the rule may place.
    copies: np.ndarray
    #: Slots of the combination.
    slots: tuple[int, ...]
    #: For each slot the numbers of the elements that it may hold, ascending.
    elements: tuple[tuple[int, ...], ...]
    #: The spacings.
    edges: tuple[BlockSpacing, ...]
    #: Whether the start is uniform over the window.
    free: bool
    #: int64 (K,): first letters (0-based) that the position allows; empty where `free`, or where it is the
    #: middle or the end.
    starts: np.ndarray
    #: Codes of `tables.STRANDS` and `tables.ORIENTATIONS`.
    strand: int
    orientation: int


_NOWHERE = np.zeros(0, np.int64)


class Construction:
    """Sequences over the backgrounds 0 to B - 1 of one grammar and seed.

    Background b is the same whatever lies over it: where conditions have backgrounds of their own, they take
    turns.

    Attributes
    ----------
    law
        The compiled grammar.
    width
        int32 (E,): of each element.
    backgrounds
        B.

    Parameters
    ----------
    grammar
        Resolved.
    backgrounds
        How many backgrounds there are.
    seed
        Of the streams, not negative.
    set_name
        Whose distributions hold where they differ between sets.

    Raises
    ------
    InputError
        If the elements can hardly be placed without overlap, or a FASTA file cannot be read.
    """

    def __init__(
        self, grammar: Grammar, backgrounds: int, seed: int = 0, set_name: str = "test"
    ) -> None:
        self.law = compile_law(grammar, "grammar")
        self.width = self.law.placement.width
        self.backgrounds = backgrounds
        self._seed, self._set = seed, SETS.index(set_name)
        shown = [self.combination(condition) for condition in range(len(grammar.conditions))]
        first = self.law.backgrounds[[number for number in shown if number is not None], 1]
        laws = dict.fromkeys(self.law.background.law_of[self._set, first].tolist())
        self._backgrounds = np.resize(np.array([*laws], np.int32), backgrounds)

    def combination(self, condition: int) -> int | None:
        """Return the combination with the fewest conditions that shows this one; None if none does."""
        shows = np.flatnonzero(self.law.labels[:, condition])
        if not shows.size:
            return None
        return int(shows[np.argmin(self.law.labels[shows].sum(axis=1))])

    def blocks(self, combination: int) -> list[RuleBlock]:
        """Return the blocks of a combination, copies of a rule one after another."""
        tables = self.law.placement
        first, last = tables.combinations[combination : combination + 2]
        found: list[RuleBlock] = []
        blocks_of_rule: dict[int, int] = {}
        for block in tables.blocks[first["block"] : last["block"]]:
            rule = int(block["rule"])
            record = tables.rules[first["rule"] + rule]
            before = blocks_of_rule.setdefault(rule, 0)
            blocks_of_rule[rule] += 1
            slots = tables.slots[block["slot"] : block["end_slot"]]
            own = int(block["slot"] - first["slot"])
            by_law = block["start"] == BY_LAW
            found.append(
                RuleBlock(
                    role=ROLES[slots[0]["role"]],
                    condition=int(slots[0]["condition"]),
                    rule=int(slots[0]["rule"]),
                    copy=before // int(record["blocks"]),
                    copies=self._distribution(record["copies"])[0],
                    slots=tuple(range(own, own + len(slots))),
                    elements=tuple(
                        tuple(self._distribution(slot["choices"])[0].tolist()) for slot in slots
                    ),
                    edges=tuple(
                        BlockSpacing(
                            own + int(edge["parent"]),
                            own + int(edge["child"]),
                            bool(edge["after"]),
                            bool(edge["random"]),
                            *self._distribution(edge["gap"]),
                        )
                        for edge in tables.edges[block["edge"] : block["end_edge"]]
                    ),
                    free=bool(block["start"] == UNIFORM),
                    starts=self._distribution(block["start_law"])[0] if by_law else _NOWHERE,
                    strand=int(block["strand"]),
                    orientation=int(block["orientation"]),
                )
            )
        return found

    def _distribution(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of an integer distribution, ascending, and their probabilities."""
        tables = self.law.placement
        record = tables.laws[number]
        if record["count"]:
            count = int(record["count"])
            return record["low"] + np.arange(count, dtype=np.int64), np.full(count, 1 / count)
        rows = slice(record["first"], record["end"])
        chances = np.diff(tables.weights[rows].astype(np.float64), prepend=0.0) / 2.0**63
        return tables.values[rows].astype(np.int64), chances

    def draw(self, combination: int, count: int, purpose: str) -> Placed:
        """Draw placements in windows of the longest length as the simulator does.

        Parameters
        ----------
        combination
            Number of the combination of conditions.
        count
            N, how many.
        purpose
            Key of the stream: another purpose, other placements.

        Returns
        -------
        Placed
            Arrays (N, S).
        """
        return draw_placements(
            self.law.placement,
            self._set,
            np.full(count, combination, np.int32),
            np.full(count, self.law.window, np.int32),
            self._stream(f"rules of {purpose}"),
            self._stream(f"placement of {purpose}"),
        )

    def write(self, combination: int, placed: Placed) -> np.ndarray:
        """Write elements over the backgrounds.

        Parameters
        ----------
        combination
            Number of the combination of conditions.
        placed
            Arrays (B, S); example i has background i. Equal elements in equal slots get equal letters.

        Returns
        -------
        ndarray
            uint8 (B, L): letter codes.
        """
        law = self.law
        x = np.empty((self.backgrounds, law.window), np.uint8)
        letters.write(
            letters.Laws(law.background, law.elements, law.placement),
            self._backgrounds,
            np.full(self.backgrounds, law.window, np.int32),
            np.full(self.backgrounds, combination, np.int32),
            placed,
            letters.Streams(
                self._stream("background"),
                self._stream("background choice"),
                self._stream("letters"),
            ),
            x,
        )
        return x

    def background(self) -> np.ndarray:
        """Return the backgrounds without any element: uint8 (B, L)."""
        return self.write(0, nothing_placed((self.backgrounds, self.law.placement.most_slots)))

    def _stream(self, what: str) -> np.ndarray:
        return stream_state(self._seed, what, "constructed", 0)


def overlapping(placed: Placed, width: np.ndarray, tied: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Return in which examples two elements share a letter that no spacing ties: bool (N,).

    Parameters
    ----------
    placed
        Arrays (N, S).
    width
        int32 (E,): of each element.
    tied
        Pairs of slots that a spacing ties.
    """
    end = placed.start + width[placed.element]
    found = np.zeros(len(placed.start), bool)
    for t in range(placed.start.shape[1]):
        for s in range(t):
            if (s, t) not in tied and (t, s) not in tied:
                both = (placed.start[:, s] >= 0) & (placed.start[:, t] >= 0)
                apart = (end[:, s] <= placed.start[:, t]) | (end[:, t] <= placed.start[:, s])
                found |= both & ~apart
    return found
