"""Laws, backgrounds and rules as phrases, from a grammar as it was written or as it was resolved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from seqgra.grammar.backgrounds import Background
from seqgra.grammar.blocks import Block, blocks_of
from seqgra.grammar.laws import highest, lowest, parse_law
from seqgra.grammar.schema import Arrangement, Spacing

_MOST_VALUES = 6  # of a weighted law that are told one by one
_PLACES = {
    "random": "anywhere",
    "start": "at the start",
    "center": "at the centre",
    "end": "at the end",
}
_STRANDS = {"+": "", "-": "on the reverse strand", "random": "on either strand"}
_ORIENTATIONS = {
    "same": "",
    "convergent": "pointing at one another",
    "divergent": "pointing away from one another",
    "any": "each element on a strand of its own",
}


def number(value: float) -> str:
    """Return a number in few digits.

    >>> [number(x) for x in (10.5, 3.0, 1000, 0.29565, 0.00004)]
    ['10.5', '3', '1,000', '0.2957', '4e-05']
    """
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


def percent(share: float) -> str:
    """Return a share as a percentage.

    >>> [percent(x) for x in (0.25, 1 / 3, 0.0004)]
    ['25 %', '33.3 %', '0.04 %']
    """
    return f"{100 * share:.3g} %"


def listed(items: Iterable[str], word: str = "and") -> str:
    """Return items as one phrase.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a", "b"], "or")
    ('a', 'a, b and c', 'a or b')
    """
    *most, last = items
    return f"{', '.join(most)} {word} {last}" if most else last


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "letter"), counted(2000, "letter")
    ('1 letter', '2,000 letters')
    """
    return f"{count:,} {noun}" if abs(count) == 1 else f"{count:,} {noun}s"


class LawWords(NamedTuple):
    """A law of whole numbers in words: the numbers, and what else is to say of it."""

    numbers: str
    aside: str = ""

    def of(self, unit: str) -> str:
        """Return the numbers with their unit."""
        if self.numbers.endswith("window"):
            return self.numbers
        return (
            f"{self.numbers} {unit}" if self.numbers in ("1", "-1") else f"{self.numbers} {unit}s"
        )


def law_words(law: Any) -> LawWords:
    """Return a law, as parsed or as resolved, in words.

    >>> law_words((75, None)).of("letter"), law_words((1, 1)).of("letter")
    ('at least 75 letters', '1 letter')
    >>> law_words({8: 1.0, 9: 3.0}).of("letter"), law_words(("2%", "10%")).of("letter")
    ('8 (25 %) or 9 (75 %) letters', '2 % to 10 % of the window')
    """
    if isinstance(law, tuple):
        return LawWords(_uniform(*law))
    if "normal" in law:
        options = law["normal"]
        aside = f" (normal law, sd {number(options['sd'])})"
        return LawWords(f"about {number(options['center'])}", aside)
    if "helical" in law:
        return _helical(law["helical"])
    if "file" in law:
        return LawWords("a number of", f" (law of {law['file']})")
    total = math.fsum(law.values())
    weights = {int(value): weight / total for value, weight in law.items() if weight > 0}
    if len(weights) == 1:
        return LawWords(f"{next(iter(weights)):,}")
    if len(weights) <= _MOST_VALUES:
        told = (f"{value:,} ({percent(weight)})" for value, weight in weights.items())
        return LawWords(listed(told, "or"))
    mean = math.fsum(value * weight for value, weight in weights.items())
    between = f"{min(weights):,} to {max(weights):,}"
    even = len({round(weight, 12) for weight in weights.values()}) == 1
    how = f"{len(weights)} values, equally likely" if even else "not equally likely"
    return LawWords(between, f" ({how}; mean {number(round(mean, 1))})")


def _uniform(low: int | str, high: int | str | None) -> str:
    if high is None:
        return f"at least {_bound(low)}"
    if isinstance(low, str) and isinstance(high, str):
        ends = [end.replace("%", " %") for end in (low, high)]
        return f"{' to '.join(dict.fromkeys(ends))} of the window"
    return _bound(low) if low == high else f"{_bound(low)} to {_bound(high)}"


def _bound(bound: int | str) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound.replace('%', ' %')} of the window"


def _helical(options: Mapping[str, Any]) -> LawWords:
    numbers = _uniform(*parse_law(options["range"]))
    phase = options.get("phase", 0)
    shift = f", shifted by {number(phase)}" if phase else ""
    tolerance = number(options.get("tolerance", 1))
    period = number(options["period"])
    return LawWords(numbers, f" (at most {tolerance} from a multiple of {period}{shift})")


def gap_phrase(spacing: Spacing, resolved: Spacing, one: str, two: str) -> str:
    """Return how far two elements lie apart.

    Parameters
    ----------
    spacing, resolved
        The spacing as written, and with its law resolved.
    one, two
        What the elements are called.
    """
    low, high = lowest(resolved.gap), highest(resolved.gap)
    words = law_words(spacing.gap)
    if low >= 0:
        if high == 0:
            return "with no letter between them"
        return f"{words.of('letter')} apart{words.aside}"
    how = {
        "product": "by the product of both laws over the background",
        "first": f"by the law of {one}",
        "last": f"by the law of {two}",
    }[spacing.shared]
    if high < 0 and isinstance(spacing.gap, tuple):
        few, many = -high, -low
        shared = counted(few, "column") if few == many else f"{few} to {many} columns"
        return f"sharing {shared}, drawn {how}"
    return f"{words.of('letter')} apart{words.aside}; below 0 they share columns, drawn {how}"


def position_phrase(position: Any) -> str:
    """Return where a block starts.

    >>> position_phrase("center"), position_phrase((5, None)), position_phrase(("0%", "10%"))
    ('at the centre', 'starting at position 5 or later', 'starting 0 % to 10 % into the window')
    """
    if isinstance(position, str):
        return _PLACES[position]
    words = law_words(position)
    if words.numbers == "a number of":
        return f"starting at a position{words.aside}"
    if words.numbers.endswith(" of the window"):
        return f"starting {words.numbers.removesuffix(' of the window')} into the window"
    if words.numbers.startswith("at least "):
        return f"starting at position {words.numbers.removeprefix('at least ')} or later"
    if words.numbers.startswith("about "):
        return f"starting at about position {words.numbers.removeprefix('about ')}{words.aside}"
    several = "s" if " to " in words.numbers else ""
    return f"starting at position{several} {words.numbers}{words.aside}"


def slot_phrase(slot: str, choices: Mapping[str, float]) -> str:
    """Return what a slot of a rule holds.

    >>> slot_phrase("a", {"a": 1.0}), slot_phrase("left", {"box": 1.0})
    ('a', 'box (left)')
    >>> slot_phrase("x", {"a": 3.0, "b": 1.0})
    'x (a in 75 %, b in 25 %)'
    """
    if len(choices) == 1:
        (name,) = choices
        return name if name == slot else f"{name} ({slot})"
    total = math.fsum(choices.values())
    told = [f"{name} in {percent(w / total)}" for name, w in choices.items() if w > 0]
    return f"one of {', '.join(told)}" if slot == "any" else f"{slot} ({', '.join(told)})"


def arrangement_phrase(rule: Arrangement, resolved: Arrangement) -> str:
    """Return what a rule places and how, without its chance."""
    named = {slot: slot_phrase(slot, choices) for slot, choices in rule.elements.items()}
    blocks = blocks_of(rule)
    gaps = {id(one): two for one, two in zip(rule.spacing, resolved.spacing, strict=True)}
    parts = [_block(block, named, gaps) for block in blocks if block.edges]
    single = [named[block.slots[0]] for block in blocks if not block.edges]
    if rule.k_of is not None:
        many = law_words(rule.k_of)
        parts = [f"{many.numbers} of {listed(single)}{many.aside}, each by itself"]
    elif single:
        alone = ", each by itself" if len(single) > 1 else ", by itself" if parts else ""
        parts.append(listed(single) + alone)
    words = ["; ".join(parts), position_phrase(rule.position)]
    if not (isinstance(rule.copies, tuple) and rule.copies == (1, 1)):
        copies = law_words(rule.copies)
        words.append(f"placed {copies.of('time')}{copies.aside}")
    words += [_STRANDS[rule.strand], _ORIENTATIONS[rule.orientation]]
    return ", ".join(word for word in words if word)


def _block(block: Block, named: Mapping[str, str], resolved: Mapping[int, Spacing]) -> str:
    """Return the ties of one block, the first named ones in full."""
    told: set[str] = set()
    clauses = []
    for edge in block.edges:
        spacing = edge.spacing
        # An element that was told with its choices is called by its alias the next time.
        one, two = (named[s] if s not in told else s for s in spacing.elements)
        told |= set(spacing.elements)
        pair = (
            f"{one} then {two}"
            if spacing.order == "in-order"
            else f"{one} and {two} in either order"
        )
        clauses.append(f"{pair}, {gap_phrase(spacing, resolved[id(spacing)], *spacing.elements)}")
    return "; ".join(clauses)


def background_phrase(background: Background, letters: str) -> str:
    """Return a background of one kind as a phrase."""
    if background.preset:
        names = {
            "human": "human letter frequencies",
            "uniform": "uniform (all letters equally likely)",
        }
        return names.get(background.preset, background.preset)
    if background.letters:
        values = [background.letters[letter] for letter in letters]
        if max(values) - min(values) < 1e-12:
            return "uniform (all letters equally likely)"
        told = (f"{letter} {value:.3g}" for letter, value in zip(letters, values, strict=True))
        return f"letters {', '.join(told)}"
    if background.gc:
        mean, sd = background.gc.mean, background.gc.sd
        return f"each example with a GC content of its own, mean {number(mean)}, sd {number(sd)}"
    if background.markov:
        source = f" fitted to {background.markov.fasta}" if background.markov.fasta else ""
        return f"Markov chain of order {background.markov.order}{source}"
    assert background.fasta is not None
    pool = background.fasta
    strand = ", on either strand" if pool.strand == "random" else ""
    unit = {
        "record": "whole records",
        "chromosome": "whole chromosomes",
        "stretch": "70, 10 and 20 % of each record",
    }[pool.split]
    return f"stretches of {pool.file}{strand}; {unit} go to training, validation and test set"


def background_lines(background: Background, letters: str, indent: str = "") -> list[str]:
    """Return a background, with a line for each branch."""
    for word, branches in (("condition", background.by_condition), ("set", background.by_set)):
        if branches:
            lines = [f"by {word}:"]
            for name, branch in branches.items():
                first, *rest = background_lines(branch, letters, indent + "  ")
                lines += [f"{indent}  - {name}: {first}", *rest]
            return lines
    return [background_phrase(background, letters)]
