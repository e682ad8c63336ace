"""Places on a genome that the headers of sequences name, each proved by the length of its sequence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from seqgra.errors import bad_input

#: ``chr1:100-200`` as bedtools getfasta (``name::chr1:100-200(+)``), samtools (``chr1:101-200/rc``), UCSC
#: (``range=chr1:101-200``), NCBI (``NC_1.1:c200-101``) and FlyBase (``loc=2L:101..200``) write it.
_PLACE = re.compile(
    r"(?:[^=]*=)?(?:\S*(?:::|\|))?(?P<chrom>[^\s=|]+):(?P<start>c?[\d,]+)(?:-|\.\.)(?P<end>[\d,]+)"
    r"(?P<strand>\([+.-]\)|/rc|;)?"
)
#: ``chromosome:GRCh38:1:101:200:1`` as Ensembl writes it.
_ENSEMBL = re.compile(
    r"(?:[a-z]+):[^\s:]+:(?P<chrom>[^\s:]+):(?P<start>\d+):(?P<end>\d+):(?P<strand>-?1)",
    re.IGNORECASE,
)
#: ``chr1_100_200`` and the like, which may be a name: believed where all of a file fit their lengths.
_NAMED = re.compile(
    r"(?:\S*::)?(?P<chrom>[^\s=]+?)[_:.|-](?P<start>\d+)[_:.|-](?P<end>\d+)"
    r"(?P<strand>[_:.|]?\(?[+.-]\)?)?"
)
#: Words of a header that say something else.
_NO_PLACES = ("label=", "labels=", "conditions=", "set=", "split=")


#: Of so many records, or more, this share on chromosomes of their own shows that these are no chromosomes.
_FEWEST, _OWN = 10, 0.9


class Place(NamedTuple):
    """A stretch of a chromosome, counted from 0, end excluded; no name, or strand, where none is known."""

    chrom: str = ""
    start: int = 0
    end: int = 0
    strand: str = "."


NOWHERE = Place()


def fitted(chrom: str, start: int, end: int, length: int) -> tuple[Place, int] | None:
    """Return a place of `length` letters and from what it was counted, or None if it has others.

    Counted from 0, ``end - start`` is the length; counted from 1, the end included, it is one less.

    >>> fitted("chr1", 10, 20, 10)
    (Place(chrom='chr1', start=10, end=20, strand='.'), 0)
    >>> fitted("chr1", 11, 20, 10)
    (Place(chrom='chr1', start=10, end=20, strand='.'), 1)
    """
    if end - start == length:
        return Place(chrom, start, end), 0
    if end - start == length - 1 and start > 0:
        return Place(chrom, start - 1, end), 1
    return None


def places_in_headers(
    headers: Sequence[str], lengths: Sequence[int], file: Path
) -> tuple[list[Place], int]:
    """Return the place that each header names, and how many of them were counted from 1.

    Parameters
    ----------
    headers, lengths
        Header lines, and letters of the sequences.
    file
        Where they come from, for messages.

    Raises
    ------
    InputError
        If a header names a place of another length than its sequence has.
    """
    found, from_one = [], 0
    for header, length in zip(headers, lengths, strict=True):
        place, first = _place_of(header, length, file)
        found.append(place)
        from_one += first
    named_by_one = Counter(place.chrom for place in found if place.chrom)
    if len(found) >= _FEWEST and len(named_by_one) > _OWN * len(found):
        return [NOWHERE] * len(found), 0  # what stands before the numbers names the record
    if not any(place.chrom for place in found):
        named = [_named(header, length) for header, length in zip(headers, lengths, strict=True)]
        if all(named):
            pairs = [pair for pair in named if pair]
            return [place for place, _ in pairs], sum(first for _, first in pairs)
    return found, from_one


def _place_of(header: str, length: int, file: Path) -> tuple[Place, int]:
    words = [word for word in header.split() if not word.lower().startswith(_NO_PLACES)]
    matches = [m for word in words if (m := _PLACE.fullmatch(word) or _ENSEMBL.fullmatch(word))]
    for match in matches:
        if pair := _fitted(match, length):
            return pair
    if not matches:
        return NOWHERE, 0
    start, end = _ends(matches[0])
    message = (
        f"has {length} letters, but its place {matches[0][0]} has {max(end - start, 0)} (counted "
    )
    message += (
        f"from 0, end excluded) or {max(end - start + 1, 0)} (counted from 1, end included); "
    )
    message += "correct the header, or write it otherwise if it is no place"
    raise bad_input(file, f"record {header.split()[0]!r}", message)


def _named(header: str, length: int) -> tuple[Place, int] | None:
    match = _NAMED.fullmatch(header.split()[0]) if header.split() else None
    return _fitted(match, length) if match else None


def _ends(match: re.Match[str]) -> tuple[int, int]:
    start, end = (int(match[name].strip("c").replace(",", "") or 0) for name in ("start", "end"))
    return (end, start) if match["start"].startswith("c") else (start, end)


def _fitted(match: re.Match[str], length: int) -> tuple[Place, int] | None:
    pair = fitted(match["chrom"], *_ends(match), length)
    return pair and (pair[0]._replace(strand=_strand(match)), pair[1])


def _strand(match: re.Match[str]) -> str:
    text = match["strand"] or ""
    if "-" in text or text == "/rc" or match["start"].startswith("c"):
        return "-"
    return "+" if "+" in text or text == "1" else "."
