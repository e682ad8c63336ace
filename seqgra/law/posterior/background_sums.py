"""What sums over placements need of one background and one length, once for all sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from seqgra.errors import bad_input
from seqgra.law.posterior.background_likelihood import BackgroundLaw, cluster_ratios, letter_logs
from seqgra.law.posterior.block_layouts import Layout, Scenario
from seqgra.law.posterior.block_sums import (
    BlockArrays,
    block_arrays,
    scale,
)
from seqgra.law.posterior.chain_sums import ChainSteps, chain_tables, hidden_steps, without_holes
from seqgra.law.posterior.element_clusters import bridge_tables, cut_into_clusters
from seqgra.law.posterior.sequence_sums import SequenceSums
from seqgra.law.posterior.site_probabilities import Sites, part_logs

Mark = Callable[[str, str], None]


class Ratios:
    """Sequences of one length and the log probabilities of all parts in them."""

    def __init__(self, sites: Sites, x: np.ndarray) -> None:
        self.x = x
        self.logs = np.empty((len(x), sites.part_site.size, x.shape[1]))
        part_logs(sites, x, self.logs)


class BackgroundSums:
    """Layouts over one background in examples of one length.

    Attributes
    ----------
    background
        The background.
    clusters
        What stands over it.
    blocks
        Layout number -> arrays.
    """

    def __init__(
        self,
        background: BackgroundLaw,
        sites: Sites,
        layouts: dict[int, Layout],
        length: int,
        overlap: bool,
        mark: Mark,
    ) -> None:
        self.background, self.sites, self.overlap, self._mark = background, sites, overlap, mark
        self.length = length
        clustered = cut_into_clusters(layouts, sites, background.order)
        self._tables, self.clusters = bridge_tables(background, clustered)
        self.blocks: dict[int, BlockArrays] = {}
        self.shown = {}
        for number, layout in layouts.items():
            self.blocks[number] = block_arrays(layout, *clustered.cut[number], length)
            kept = block_arrays(layout, *clustered.shown[number], length)
            self.shown[number] = clustered.shown[number]._replace(
                parts=kept.clusters, places=kept.places
            )
        flat = np.ones((1, self.clusters.width.size, length))
        letters = np.zeros((1, length), np.uint8)
        blank = background._replace(order=0)
        self._compact = {number for number in layouts if self._lies_compact(number)}
        self._flat = SequenceSums(self, blank, letters, flat, np.zeros(flat.shape[:2]), None)
        self._sums: dict[Scenario, tuple[float, float]] = {}
        self._hidden: dict[int, np.ndarray] = {}

    def of_sequences(self, ratios: Ratios) -> SequenceSums:
        """Return the sums over the placements in some sequences.

        Raises
        ------
        InputError
            If a sequence has unknown letters and the background is a chain.
        """
        x = ratios.x
        if self.background.order and x.size and x.max() >= self.background.letters:
            message = "has unknown letters, which a Markov background cannot have"
            raise bad_input("bayes-optimal", "dataset", message)
        chains = np.empty(x.shape)
        for row, chain in zip(x, chains, strict=True):
            letter_logs(self.background, row, chain)
        return self._of(x, chains, ratios.logs)

    def of_points(self, points: np.ndarray, part_logs: np.ndarray) -> SequenceSums:
        """Return the sums at points between letters: independent background letters only.

        Parameters
        ----------
        points
            float64 (N, A, L): weights of the letters.
        part_logs
            float64 (N, M, L): log probabilities of the parts.
        """
        chains = np.einsum("nal,a->nl", points, self.background.logs)
        return self._of(np.zeros(chains.shape, np.uint8), chains, part_logs)

    def _of(self, x: np.ndarray, chains: np.ndarray, part_logs: np.ndarray) -> SequenceSums:
        logs = np.empty((len(x), self.clusters.width.size, x.shape[1]))
        tables = self._tables
        cluster_ratios(
            self.sites, self.background, self.clusters, tables, x, chains, part_logs, logs
        )
        top = np.empty(logs.shape[:2])
        scale(logs, top)
        return SequenceSums(self, self.background, x, logs, top, chains, part_logs)

    def prior(self, scenario: Scenario) -> tuple[float, float]:
        """Return log Z of a scenario, the sum with every ratio 1, and its standard error."""
        if scenario not in self._sums:
            if self.overlap:
                alone = [self._flat.block(number)[0] for number in scenario]
                self._sums[scenario] = (float(sum(alone)), 0.0)
            else:
                logs, errors = self._flat.scenario(scenario)
                self._sums[scenario] = (float(logs[0]), float(errors[0]))
        return self._sums[scenario]

    def single(self, scenario: Iterable[int]) -> bool:
        """Tell whether all blocks of a scenario are single elements."""
        return all(self.blocks[number].offsets.shape[1] == 1 for number in scenario)

    def compact(self, scenario: Iterable[int]) -> bool:
        """Tell whether blocks can be packed: single elements; over a chain, blocks without holes."""
        return self._compact.issuperset(scenario)

    def _lies_compact(self, number: int) -> bool:
        if self.background.order == 0:
            return self.single([number])
        return without_holes(self.blocks[number], self.clusters)

    def span(self, number: int) -> int:
        """Return how many letters a block of one configuration spans."""
        block = self.blocks[number]
        return int((block.offsets + block.widths).max(initial=1))

    @cached_property
    def chain_tables(self) -> np.ndarray:
        """Tables of the chain, see `ChainSteps`."""
        return chain_tables(self.background)

    def steps(self, numbers: list[int]) -> ChainSteps:
        """Return the steps of the chain over compact blocks."""
        widths = [self.span(number) for number in numbers]
        for width in widths:
            if width not in self._hidden:
                self._hidden[width] = hidden_steps(self.chain_tables, width)
        return ChainSteps(self.chain_tables, np.stack([self._hidden[width] for width in widths]))

    def estimate(self, note: str) -> None:
        """Note that something is estimated."""
        self._mark("estimate", note)
