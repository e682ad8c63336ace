"""Which example goes to which set, so that no region serves two, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from seqgra.alphabet import SETS
from seqgra.errors import bad_input
from seqgra.ingest.regions import Intervals
from seqgra.streams import stream


def overlap_groups(rows: pd.DataFrame) -> np.ndarray:
    """Return the number of each example's group, int64 (N,): overlapping regions share one."""
    group = np.arange(len(rows))
    for chrom, found in rows.groupby("chrom", sort=False).indices.items():
        if not chrom:
            continue
        places = np.asarray(found)
        start, end = (rows[name].to_numpy(np.int64)[places] for name in ("start", "end"))
        order = np.argsort(start, kind="stable")
        reach = np.maximum.accumulate(end[order])
        begins = np.concatenate([[True], start[order][1:] >= reach[:-1]])
        group[places[order]] = places[order][begins][np.cumsum(begins) - 1]
    return group


def joined_groups(group: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the groups, int64 (N,), of examples that either grouping, by number of a member, joins.

    >>> joined_groups(np.array([0, 0, 2, 3]), np.array([0, 1, 1, 3])).tolist()
    [0, 0, 0, 3]
    """
    each = np.arange(len(group))
    edges = (np.ones(2 * len(each), np.int8), (np.tile(each, 2), np.concatenate([group, other])))
    graph = coo_matrix(edges, shape=(len(each), len(each)))
    _, part = connected_components(graph, directed=False)
    _, first = np.unique(part, return_index=True)
    return np.asarray(first[part])


def largest_deficit(sizes: Sequence[int], shares: Sequence[float]) -> np.ndarray:
    """Deal units out, in this order, each to the set that lacks most of its share: int64 (G,).

    The last units go to sets that have none.

    >>> largest_deficit([10, 9, 8], (0.7, 0.1, 0.2)).tolist()
    [0, 2, 1]
    """
    lacks = np.asarray(shares) * sum(sizes)
    wanted = lacks > 0
    empty = wanted.copy()
    chosen = np.empty(len(sizes), np.int64)
    for n, size in enumerate(sizes):
        among = empty if empty.sum() >= len(sizes) - n else wanted
        chosen[n] = int(np.argmax(np.where(among, lacks, -np.inf)))
        lacks[chosen[n]] -= size
        empty[chosen[n]] = False
    return chosen


def by_chromosome(
    rows: pd.DataFrame, shares: Sequence[float], given: Mapping[str, Sequence[str]]
) -> np.ndarray:
    """Return each example's set, int8 (N,).

    With chromosomes `given` for validation and test, all others train; else whole chromosomes, the
    one with most examples first, go to the set that lacks most of its share.

    Raises
    ------
    InputError
        If places are not known, or there are not enough chromosomes.
    """
    counts = rows["chrom"].value_counts()
    if "" in counts:
        message = f"{counts['']} examples have no chromosome; use --split fraction"
        raise bad_input("--split", "chromosome", message)
    names = sorted(counts.index, key=lambda name: (-counts[name], name))
    if any(given.values()):
        of = dict.fromkeys(names, 0)
        for set_name, chosen in given.items():
            for name in chosen:
                if name not in of:
                    message = f"no example lies on {name!r}; there are {', '.join(names[:5])}"
                    raise bad_input(f"--{set_name}", "", message)
                of[name] = SETS.index(set_name)
    else:
        needed = sum(share > 0 for share in shares)
        if len(names) < needed:
            message = (
                f"examples lie on {len(names)} chromosome(s) ({', '.join(names)}); {needed} sets "
            )
            message += (
                "need as many; use --split fraction, which keeps overlapping windows together"
            )
            raise bad_input("--split", "chromosome", message)
        dealt = largest_deficit([int(counts[name]) for name in names], shares)
        of = dict(zip(names, dealt.tolist(), strict=True))
    return rows["chrom"].map(of).to_numpy(np.int8)


def sets_of_chromosomes(rows: pd.DataFrame) -> dict[str, int] | None:
    """Return the set of each chromosome, or None where one serves several sets."""
    each = rows.groupby("chrom")["set"]
    return None if (each.nunique() > 1).any() else {str(c): int(s) for c, s in each.first().items()}


def by_fraction(y: np.ndarray, group: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Return each example's set, int8 (N,), drawn by seed: whole groups, each labelling in its share."""
    leaders, which, sizes = np.unique(group, return_inverse=True, return_counts=True)
    _, pattern = np.unique(y[leaders], axis=0, return_inverse=True)
    drawn = np.argsort(stream(seed, "ingest split", "", 0).random_raw(len(leaders)), kind="stable")
    chosen = np.empty(len(leaders), np.int8)
    for number in range(pattern.max(initial=-1) + 1):
        own = drawn[pattern.ravel()[drawn] == number]
        own = own[np.argsort(-sizes[own], kind="stable")]
        chosen[own] = largest_deficit(sizes[own].tolist(), shares)
    return chosen[which.ravel()]


def overlapping_later(rows: pd.DataFrame) -> np.ndarray:
    """Say which examples overlap one of a later set: bool (N,).

    Those that overlap only these, as neighbours of tiled windows do, do not: when these are gone they share
    nothing with the later set.
    """
    found, sets = np.zeros(len(rows), bool), rows["set"].to_numpy()
    placed = rows["chrom"].to_numpy() != ""
    for later in range(1, len(SETS)):
        regions, before = Intervals(rows[placed & (sets == later)]), placed & (sets < later)
        found[before] |= regions.overlap_rows(rows[before])
    return found


def crossing(sets: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Say which examples share their group with one of a later set: test, validation, training.

    Returns
    -------
    ndarray
        bool (N,).
    """
    first = np.full(len(sets), -1, np.int64)
    np.maximum.at(first, group, sets.astype(np.int64))
    return np.asarray(sets < first[group])
