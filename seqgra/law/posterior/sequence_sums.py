"""Sums over all placements of blocks: what they need of one background and length, and those of sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

import numpy as np

from seqgra.errors import bad_input
from seqgra.law.posterior.background_likelihood import BackgroundLaw, cluster_ratios, letter_logs
from seqgra.law.posterior.block_layouts import Layout, Scenario
from seqgra.law.posterior.block_sums import (
    BlockArrays,
    beside_single,
    block_arrays,
    block_logs,
    packed_all,
    scale,
    single_rows,
)
from seqgra.law.posterior.chain_sums import (
    ChainSteps,
    chain_tables,
    chained,
    hidden_rows,
    hidden_steps,
    letter_chances,
    without_holes,
)
from seqgra.law.posterior.element_clusters import bridge_tables, cut_into_clusters
from seqgra.law.posterior.joint_placements import ScoredExample, drawn_log, enumerated_logs
from seqgra.law.posterior.responsibilities import (
    beside_shares,
    block_shares,
    packed_shares,
    single_shares,
)
from seqgra.law.posterior.site_probabilities import Sites, part_logs
from seqgra.law.posterior.two_blocks import beside_pair, two_blocks

#: Pairs of placements of two blocks up to which all are tried.
MOST_PAIRS = 4_000_000
#: Share of free placements below which partial sums lose too many digits.
_LEAST_FREE = 1e-6
#: Pairs of placements that are tried for the few sequences that have so few free.
_MOST_RARE_PAIRS = 50_000_000
#: Largest order of a chain whose contexts `chained` carries along, and steps of a scenario in one sequence
#: beyond which its sums are tried or drawn instead.
_LARGEST_CHAINED, _MOST_STEPS = 4, 1e9
#: States of `packed_sums` and `chained` beyond which scenarios are summed one by one.
_MOST_STATES = 256

_DRAWN = "three or more blocks, or two that may lie in many ways: drawn, with a standard error"

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


class SequenceSums:
    """Sums over the placements in N sequences of one length, each computed once.

    Attributes
    ----------
    background
        float64 (N,): log probability of the letters as background.
    ratios, top
        float64 (N, Q, L), (N, Q): scaled ratios of the clusters, and the logs of their scales.
    """

    def __init__(
        self,
        parent: BackgroundSums,
        background: BackgroundLaw,
        x: np.ndarray,
        ratios: np.ndarray,
        top: np.ndarray,
        chains: np.ndarray | None,
        part_logs: np.ndarray | None = None,
    ) -> None:
        self._parent, self._background, self._x = parent, background, x
        self.ratios, self.top, self._part_logs = ratios, top, part_logs
        self._chains = np.zeros(x.shape) if chains is None else chains
        self.background = self._chains.sum(axis=1)
        self._prior = chains is None
        self._blocks: dict[int, np.ndarray] = {}
        self._rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._hidden_rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._known: dict[Scenario, tuple[np.ndarray, np.ndarray]] = {}

    def ratio(self, scenarios: dict[Scenario, float]) -> tuple[np.ndarray, np.ndarray]:
        """Return log E[numerator / Z] over scenarios, and its standard error: float64 (N,) both."""
        self._pack([s for s in scenarios if len(s) > 1 and self._packs(s)])
        logs = np.full(len(self._x), -np.inf)
        variance = np.zeros(len(self._x))
        for scenario, chance in scenarios.items():
            numerator, error = self.scenario(scenario)
            sums, sums_error = self._parent.prior(scenario)
            part = np.log(chance) + numerator - sums
            total = np.logaddexp(logs, part)
            safe = np.where(total > -np.inf, total, 0.0)
            variance = np.exp(2 * (logs - safe)) * variance
            variance += np.exp(2 * (part - safe)) * (error**2 + sums_error**2)
            logs = total
        return logs, np.sqrt(variance)

    def shares(
        self, seeds: list[tuple[dict[Scenario, float], np.ndarray, np.ndarray]]
    ) -> np.ndarray:
        """Return the derivative of seeded log ratios with respect to the log ratio of every cluster.

        Parameters
        ----------
        seeds
            Scenarios, their log E[numerator / Z] and its weight, float64 (N,) both.

        Returns
        -------
        ndarray
            float64 (N, Q, L): for one ratio of weight 1, how likely each cluster lies where.

        Raises
        ------
        NotImplementedError
            If a scenario's placements are neither of single elements, nor of one block and at most one
            single element, or they may overlap.
        """
        weights: dict[Scenario, np.ndarray] = {}
        for scenarios, logs, weight in seeds:
            for scenario, chance in scenarios.items():
                numerator = self.scenario(scenario)[0]
                log = np.log(chance) + numerator - self._parent.prior(scenario)[0] - logs
                share = np.exp(np.where(np.isfinite(log), log, -np.inf))
                weights[scenario] = weights.get(scenario, 0.0) + weight * share
        out = np.zeros_like(self.ratios)
        for scenario, weight in weights.items():
            if scenario:
                self._share(scenario, weight, out)
        return out

    def _share(self, scenario: Scenario, weight: np.ndarray, out: np.ndarray) -> None:
        blocks = [self._parent.blocks[number] for number in scenario]
        if len(scenario) == 1:
            logs = self.block(scenario[0])
            block_shares(blocks[0], self.ratios, self.top, logs, weight, out)
        elif self._parent.overlap or self._background.order:
            raise NotImplementedError("elements that may overlap or share a bridge")
        elif self._parent.single(scenario):
            kinds = sorted(set(scenario))
            counts = np.array([scenario.count(number) for number in kinds], np.int64)
            rows = np.stack([self._row(number)[0] for number in kinds], axis=1)
            width = np.array(
                [self._parent.blocks[number].widths[0, 0] for number in kinds], np.int64
            )
            shares = packed_shares(rows, width, counts, weight)
            for t, number in enumerate(kinds):
                self._share_single(number, shares[:, t], out)
        elif len(scenario) == 2:
            single = 0 if self._parent.single(scenario[:1]) else 1
            if not self._parent.single([scenario[single]]):
                raise NotImplementedError("two blocks with spacings")
            number, block = scenario[single], blocks[1 - single]
            rows = self._row(number)[0]
            letters = int(blocks[single].widths[0, 0])
            shares = beside_shares(block, self.ratios, self.top, rows, letters, weight, out)
            self._share_single(number, shares, out)
        else:
            raise NotImplementedError("three or more blocks")

    def _share_single(self, number: int, shares: np.ndarray, out: np.ndarray) -> None:
        rows, scales = self._row(number)
        block = self._parent.blocks[number]
        single_shares(block, self.ratios, self.top, rows, scales, shares, out)

    def scenario(self, scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
        """Return the log sum over the placements of a scenario's blocks and its standard error."""
        if scenario not in self._known:
            self._known[scenario] = self._scenario(scenario)
        return self._known[scenario]

    def _scenario(self, scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
        exact = np.zeros(len(self._x))
        if len(scenario) == 0:
            return np.zeros(len(self._x)), exact
        if len(scenario) == 1:
            return self.block(scenario[0]), exact
        if self._packs(scenario):
            self._pack([scenario])
            return self._known[scenario]
        meet = self._background.order > 0 or (self._parent.overlap and not self._prior)
        if len(scenario) == 2 and not meet and self._slots(scenario).min() == 2:
            return self._beside_pair(scenario)
        if len(scenario) == 2 and self._pairs(scenario, meet) <= MOST_PAIRS:
            return self._two(scenario, meet), exact
        self._parent.estimate(_DRAWN)
        return self._drawn(scenario)

    def _slots(self, scenario: Scenario) -> np.ndarray:
        return np.array([self._parent.blocks[number].offsets.shape[1] for number in scenario])

    def _beside_pair(self, scenario: Scenario) -> tuple[np.ndarray, np.ndarray]:
        """Sum over two blocks with spacings, one of them of two elements; draw where digits are lost."""
        blocks = [self._parent.blocks[number] for number in scenario]
        if blocks[1].offsets.shape[1] != 2:
            blocks.reverse()
        logs, shares = beside_pair(
            blocks[0], blocks[1], self.ratios, self.top, self._background.order
        )
        errors = np.zeros(len(logs))
        lost = np.flatnonzero(shares < _LEAST_FREE)
        if lost.size and self._pairs(scenario, False) <= _MOST_RARE_PAIRS:
            order = self._background.order
            free = (self.ratios[lost], self.top[lost], order)
            logs[lost] = two_blocks(blocks[0], blocks[1], *free)
        elif lost.size:
            self._parent.estimate(_DRAWN)
            logs[lost], errors[lost] = self._drawn(scenario, lost)
        return logs, errors

    def _pairs(self, scenario: Scenario, meet: bool) -> float:
        """Return how many pairs of placements `_two` tries."""
        counts = [
            (block.fit.last - block.fit.first + 1).sum() * block.chance.size
            for block in (self._parent.blocks[number] for number in scenario)
        ]
        if not meet and any(self._parent.single([number]) for number in scenario):
            return 0
        return float(np.prod(counts))

    def block(self, number: int) -> np.ndarray:
        """Return the log sum over the placements of one block: float64 (N,)."""
        if number not in self._blocks:
            block = self._parent.blocks[number]
            self._blocks[number] = block_logs(block, self.ratios, self.top)
        return self._blocks[number]

    def _row(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        if number not in self._rows:
            rows, scales = np.empty(self._x.shape), np.empty(len(self._x))
            block = self._parent.blocks[number]
            if block.fit.weight.size == 0:
                rows[:], scales[:] = 0, 0
            else:
                single_rows(block, self.ratios, self.top, rows, scales)
            self._rows[number] = rows, scales
        return self._rows[number]

    def _packs(self, scenario: Scenario) -> bool:
        """Tell whether `_pack` sums over the placements of a scenario's blocks."""
        if (self._parent.overlap and not self._prior) or not self._parent.compact(scenario):
            return False
        order = self._background.order
        return order == 0 or (order <= _LARGEST_CHAINED and self._steps([scenario]) <= _MOST_STEPS)

    def _steps(self, scenarios: list[Scenario]) -> float:
        """Return how many steps the sums of scenarios together take over a chain, for one sequence."""
        kinds = {number for scenario in scenarios for number in scenario}
        most = [max(scenario.count(number) for scenario in scenarios) for number in kinds]
        states = float(np.prod([count + 1.0 for count in most]))
        result: float = states * self._x.shape[1] * len(kinds) * self._background.initial.size**2
        return result

    def _pack(self, scenarios: list[Scenario]) -> None:
        """Sum over the placements of compact blocks, for many scenarios at once where that is cheap."""
        missing = [scenario for scenario in scenarios if scenario not in self._known]
        if not missing:
            return
        kinds = sorted({number for scenario in missing for number in scenario})
        most = np.array([max(s.count(number) for s in missing) for number in kinds], np.int64)
        states = np.prod(most + 1.0)
        chain = self._background.order > 0
        if len(missing) > 1 and (
            states > _MOST_STATES
            or (chain and self._steps(missing) > sum(self._steps([one]) for one in missing))
        ):
            for scenario in missing:
                self._pack([scenario])
            return
        width = np.array([self._parent.span(number) for number in kinds], np.int64)
        found = [self._hidden_row(number) if chain else self._row(number) for number in kinds]
        rows = np.stack([row for row, _ in found], axis=1)
        scales = np.stack([scale for _, scale in found], axis=1)
        if chain:
            steps = self._parent.steps(kinds)
            sums = chained(steps, self._x, self._chances, rows, width, most)
        else:
            sums = packed_all(rows, width, most, int(states))
        stride = np.concatenate([[1], np.cumprod(most + 1)[:-1]])
        for scenario in missing:
            counts = np.array([scenario.count(number) for number in kinds])
            with np.errstate(divide="ignore"):
                logs = np.log(sums[:, int(counts @ stride)]) + scales @ counts
            self._known[scenario] = logs, np.zeros(len(self._x))

    @cached_property
    def _chances(self) -> np.ndarray:
        """Probability of each letter given those before it, over a chain: float64 (N, L)."""
        chances = np.empty(self._x.shape)
        letter_chances(self._parent.chain_tables, self._x, chances)
        return chances

    def _hidden_row(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a block at every place over a chain, without what follows it; see `hidden_rows`."""
        if number not in self._hidden_rows:
            assert self._part_logs is not None
            rows, scales = np.empty(self._x.shape), np.empty(len(self._x))
            block, clusters = self._parent.blocks[number], self._parent.clusters
            hidden_rows(block, clusters, self._part_logs, self._chances, rows, scales)
            self._hidden_rows[number] = rows, scales
        return self._hidden_rows[number]

    def _two(self, scenario: Scenario, meet: bool) -> np.ndarray:
        """Return the log sum over the placements of two blocks: apart, and where they meet."""
        parent, order = self._parent, self._background.order
        first, second = (parent.blocks[number] for number in scenario)
        if parent.single(scenario[1:]):
            rows, scales = self._row(scenario[1])
            width = int(second.widths[0, 0])
            logs = beside_single(first, self.ratios, self.top, rows, scales, width, order)
        elif parent.single(scenario[:1]):
            rows, scales = self._row(scenario[0])
            width = int(first.widths[0, 0])
            logs = beside_single(second, self.ratios, self.top, rows, scales, width, order)
        else:
            logs = two_blocks(first, second, self.ratios, self.top, order)
        if meet:
            shown = [parent.shown[number] for number in scenario]
            near = enumerated_logs(
                parent.sites,
                self._background,
                self._x,
                self._chains,
                first,
                shown[0],
                second,
                shown[1],
                parent.overlap,
            )
            logs = np.logaddexp(logs, near)
        return np.asarray(logs)

    def _drawn(
        self, scenario: Scenario, rows: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the log sum over the placements of some blocks in some of the sequences."""
        blocks = [self._parent.blocks[number] for number in scenario]
        shown = [self._parent.shown[number] for number in scenario]
        overlap = self._parent.overlap and not self._prior
        found = [
            drawn_log(
                self._parent.sites,
                self._background,
                ScoredExample(self._x[n], self._chains[n], self.ratios[n], self.top[n]),
                blocks,
                shown,
                overlap,
            )
            for n in (range(len(self._x)) if rows is None else rows.tolist())
        ]
        logs, errors = np.array(found).T
        return np.asarray(logs), np.asarray(errors)
