"""Shuffles that keep every k-mer count, uniform over all sequences that have the same counts.

A sequence is a walk over its (k-1)-mers that takes each of its k-mers, an edge, once; every other walk over
the same edges between the same ends is a legal shuffle (Kandel et al. 1996,
doi:10.1016/S0166-218X(97)81456-4; Jiang et al. 2008, doi:10.1186/1471-2105-9-192). A walk is a tree of each
vertex's last edge, rooted at the last vertex, and any order of the other edges; the tree is drawn uniformly
by loop-erased random walks (Wilson 1996, doi:10.1145/237814.237880). Uniform over walks is uniform over
sequences: each sequence is equally many walks, the product of the factorials of its k-mer counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqgra.alphabet import PADDING
from seqgra.law.jit import kept
from seqgra.law.maps import below
from seqgra.law.pcg import fill_words, next_word

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class _Scratch(NamedTuple):
    """What the shuffle of one row needs, reused over rows; at most L + 1 vertices and L edges."""

    #: int64 (T,): hash table from (k-1)-mers to vertices, -1 where free; T is a power of two.
    table: np.ndarray
    #: 64 - log2(T).
    shift: np.uint64
    #: uint64 (L + 1,): the (k-1)-mer of each vertex, as a number.
    code: np.ndarray
    #: int64 (L + 1,): vertex at each position of the row.
    at: np.ndarray
    #: int64 (L + 2,): first edge of each vertex; the next vertex's first is its end.
    first: np.ndarray
    #: int64 (L + 1,): a place among each vertex's edges (filling: next free, walking: next to take).
    next_edge: np.ndarray
    #: int64 (L + 1,): last edge to take from each vertex.
    exit: np.ndarray
    #: bool (L + 1,): whether the vertex has been joined to the tree of last edges.
    in_tree: np.ndarray
    #: int64 (L,): the vertex that the edge leads to * 256 + the letter that it adds, by origin.
    edges: np.ndarray
    #: uint64 (L,): raw words, one for each edge.
    words: np.ndarray


@kept(nogil=True)
def shuffle_rows(
    x: np.ndarray, rows: np.ndarray, letters: int, k: int, state: np.ndarray
) -> np.ndarray:
    """Replace sequences by uniformly drawn shuffles with the same k-mer and (k-1)-mer counts, in place.

    So all shorter k-mers keep their counts too, and the first and last k - 1 letters their places (a
    rotation of a sequence that ends as it begins would change a (k-1)-mer count). A row depends on the
    rows before it, with which it shares the stream: shuffle whole blocks.

    Parameters
    ----------
    x
        uint8 (N, L): letter codes. Padding at the end of a row stays; an unknown letter is one more letter.
    rows
        int64 (M,): the rows to shuffle, in this order.
    letters
        Size of the alphabet A; (A + 1)**(k - 1) must be below 2**64.
    k
        Length of the k-mers, at least 1 (1: any order of the letters).
    state
        uint64 (4,): random stream (`pcg.generator_state`), advanced in place.

    Returns
    -------
    ndarray
        bool (M,): whether the shuffle equals its source, as it must where no other is legal.
    """
    scratch = _make_scratch(x.shape[1])
    unchanged = np.empty(rows.size, np.bool_)
    for m in range(rows.size):
        unchanged[m] = _shuffle(x[rows[m]], letters, k, state, scratch)
    return unchanged


@kept(nogil=True)
def _make_scratch(length: int) -> _Scratch:
    bits = 2
    while 1 << bits < 2 * (length + 1):
        bits += 1
    return _Scratch(
        np.empty(1 << bits, np.int64),
        np.uint64(64 - bits),
        np.empty(length + 1, np.uint64),
        np.empty(length + 1, np.int64),
        np.empty(length + 2, np.int64),
        np.empty(length + 1, np.int64),
        np.empty(length + 1, np.int64),
        np.empty(length + 1, np.bool_),
        np.empty(length, np.int64),
        np.empty(length, np.uint64),
    )


@kept(nogil=True)
def _shuffle(row: np.ndarray, letters: int, k: int, state: np.ndarray, scratch: _Scratch) -> bool:
    """Shuffle one row (uint8 (L,)) in place; return whether it is what it was."""
    length = row.size
    while length > 0 and row[length - 1] == PADDING:
        length -= 1
    edges = length - k + 1
    if edges < 2:
        return True
    vertices = _number_vertices(row, edges, letters, k, scratch)
    _collect_edges(row[k - 1 :], edges, vertices, scratch)
    _draw_tree(vertices, scratch.at[edges], state, scratch)
    fill_words(state, scratch.words[:edges])
    _order_edges(vertices, scratch.at[edges], scratch)
    return _walk(row[k - 1 :], edges, scratch)


@kept(nogil=True)
def _number_vertices(row: np.ndarray, edges: int, letters: int, k: int, scratch: _Scratch) -> int:
    """Number the (k-1)-mers in order of appearance (`at`) and return how many they are."""
    scratch.table[:] = -1
    unknown = np.uint64(letters)
    base = unknown + np.uint64(1)
    top = base ** np.uint64(k - 1)
    code = np.uint64(0)
    for i in range(k - 1):
        code = code * base + min(np.uint64(row[i]), unknown)
    vertices = 0
    for i in range(edges + 1):
        place = (code * _GOLDEN) >> scratch.shift
        while scratch.table[place] >= 0 and scratch.code[scratch.table[place]] != code:
            place = (place + np.uint64(1)) & np.uint64(scratch.table.size - 1)
        if scratch.table[place] < 0:
            scratch.table[place] = vertices
            scratch.code[vertices] = code
            vertices += 1
        scratch.at[i] = scratch.table[place]
        if i < edges:
            code = code * base + min(np.uint64(row[i + k - 1]), unknown)
            code -= min(np.uint64(row[i]), unknown) * top
    return vertices


@kept(nogil=True)
def _collect_edges(added: np.ndarray, edges: int, vertices: int, scratch: _Scratch) -> None:
    """Sort the edges by origin; edge i leads from `at[i]` to `at[i + 1]` and adds `added[i]`."""
    at, first, next_edge = scratch.at, scratch.first, scratch.next_edge
    first[: vertices + 1] = 0
    for i in range(edges):
        first[at[i] + 1] += 1
    for v in range(vertices):
        next_edge[v] = first[v]
        first[v + 1] += first[v]
    for i in range(edges):
        scratch.edges[next_edge[at[i]]] = at[i + 1] << 8 | added[i]
        next_edge[at[i]] += 1


@kept(nogil=True)
def _draw_tree(vertices: int, root: int, state: np.ndarray, scratch: _Scratch) -> None:
    """Draw each vertex's last edge (`exit`): uniform over the trees of edges that lead to the root.

    From each vertex, walk at random until the tree is met; the last edge taken from each vertex on the
    way is the walk with its loops erased, and joins the tree.
    """
    first, in_tree = scratch.first, scratch.in_tree
    in_tree[:vertices] = False
    in_tree[root] = True
    for start in range(vertices):
        v = start
        while not in_tree[v]:
            degree = np.uint64(first[v + 1] - first[v])
            scratch.exit[v] = first[v] + np.int64(below(next_word(state), degree))
            v = scratch.edges[scratch.exit[v]] >> 8
        v = start
        while not in_tree[v]:
            in_tree[v] = True
            v = scratch.edges[scratch.exit[v]] >> 8


@kept(nogil=True)
def _order_edges(vertices: int, root: int, scratch: _Scratch) -> None:
    """Put each vertex's edges into random order (Fisher-Yates), its last edge last but at the root."""
    edges = scratch.edges
    for v in range(vertices):
        first, end = scratch.first[v], scratch.first[v + 1]
        scratch.next_edge[v] = first
        if v != root:
            end -= 1
            edges[scratch.exit[v]], edges[end] = edges[end], edges[scratch.exit[v]]
        for i in range(first + 1, end):
            j = first + np.int64(below(scratch.words[i], np.uint64(i - first + 1)))
            edges[i], edges[j] = edges[j], edges[i]


@kept(nogil=True)
def _walk(added: np.ndarray, edges: int, scratch: _Scratch) -> bool:
    """Take all edges in order, writing the letters that they add; return whether none is new."""
    v, unchanged = scratch.at[0], True
    for i in range(edges):
        edge = scratch.edges[scratch.next_edge[v]]
        scratch.next_edge[v] += 1
        v = edge >> 8
        unchanged &= added[i] == np.uint8(edge)
        added[i] = np.uint8(edge)
    return unchanged
