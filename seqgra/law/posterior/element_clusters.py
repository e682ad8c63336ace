"""The layouts of some combinations over one kind of background, cut into clusters of parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqgra.law.posterior.background_likelihood import BackgroundLaw, Clusters, bridges
from seqgra.law.posterior.block_layouts import Layout
from seqgra.law.posterior.joint_placements import LayoutParts
from seqgra.law.posterior.site_probabilities import Sites


class Clustered(NamedTuple):
    """What is needed to sum over the placements of layouts."""

    #: Of all these layouts.
    clusters: Clusters
    #: Layout number -> its clusters and their offsets, int32 (V, K, P) both.
    cut: dict[int, tuple[np.ndarray, np.ndarray]]
    #: Layout number -> its parts, likewise.
    shown: dict[int, LayoutParts]
    #: Widths of the tabulated bridges.
    widths: tuple[int, ...]


#: Parts of a cluster, with offsets from its first letter.
_Key = tuple[tuple[int, int], ...]


def cut_into_clusters(layouts: dict[int, Layout], sites: Sites, order: int) -> Clustered:
    """Return the clusters of layouts over a background of this order."""
    numbers: dict[_Key, int] = {}
    cut, shown = {}, {}
    for number, layout in layouts.items():
        parts = np.stack([variant.parts for variant in layout.variants])
        offsets = np.stack([variant.offsets for variant in layout.variants])
        shown[number] = LayoutParts(parts, offsets)
        cut[number] = _cut(parts, offsets, sites, order, numbers)
    return Clustered(*_clusters(list(numbers), sites, order, cut, shown))


def _cut(
    parts: np.ndarray, offsets: np.ndarray, sites: Sites, order: int, numbers: dict[_Key, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Replace parts by clusters: int32 (V, K, P) both."""
    clusters, places = np.full_like(parts, -1), np.zeros_like(offsets)
    if order == 0:
        for part in np.unique(parts[parts >= 0]).tolist():
            clusters[parts == part] = numbers.setdefault(((part, 0),), len(numbers))
        return clusters, offsets
    width = sites.width[sites.part_site]
    for v, k in np.ndindex(*parts.shape[:2]):
        there = parts[v, k] >= 0
        listed = sorted(
            zip(offsets[v, k][there].tolist(), parts[v, k][there].tolist(), strict=True)
        )
        groups: list[list[tuple[int, int]]] = []
        end = -order
        for offset, part in listed:
            if not groups or offset - end >= order:
                groups.append([])
            groups[-1].append((part, offset))
            end = max(end, offset + int(width[part]))
        for p, group in enumerate(groups):
            base = group[0][1]
            key = tuple((part, offset - base) for part, offset in group)
            clusters[v, k, p] = numbers.setdefault(key, len(numbers))
            places[v, k, p] = base
    return clusters, places


def _clusters(
    keys: Sequence[_Key],
    sites: Sites,
    order: int,
    cut: dict[int, tuple[np.ndarray, np.ndarray]],
    shown: dict[int, LayoutParts],
) -> tuple[
    Clusters, dict[int, tuple[np.ndarray, np.ndarray]], dict[int, LayoutParts], tuple[int, ...]
]:
    most = max((len(key) for key in keys), default=1)
    part_width = sites.width[sites.part_site]
    width = [max(offset + int(part_width[part]) for part, offset in key) for key in keys]
    parts, offsets = np.full((len(keys), most), -1, np.int32), np.zeros((len(keys), most), np.int32)
    hidden = np.zeros((len(keys), max(width, default=1)), bool)
    for q, key in enumerate(keys):
        for p, (part, offset) in enumerate(key):
            parts[q, p], offsets[q, p] = part, offset
            columns = slice(offset, offset + int(part_width[part]))
            hidden[q, columns] |= sites.shown[part, : part_width[part]]
    solid = [bool(hidden[q, : width[q]].all()) and order > 0 for q in range(len(keys))]
    widths = tuple(sorted({w for w, whole in zip(width, solid, strict=True) if whole}))
    bridge = [widths.index(w) if s else -1 for w, s in zip(width, solid, strict=True)]
    arrays = Clusters(parts, offsets, hidden, np.array(width, np.int32), np.array(bridge, np.int32))
    return arrays, cut, shown, widths


def bridge_tables(background: BackgroundLaw, clustered: Clustered) -> tuple[np.ndarray, Clusters]:
    """Return the tabulated bridges of a background, float64 (D, A**k, A**k), and clusters that use them."""
    tables = [bridges(background, width) for width in clustered.widths]
    if not tables or tables[0].size == 0:
        none = np.full_like(clustered.clusters.bridge, -1)
        return np.zeros((1, 1, 1)), clustered.clusters._replace(bridge=none)
    return np.stack(tables), clustered.clusters
