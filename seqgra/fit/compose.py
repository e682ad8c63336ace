"""From estimates to the content of a grammar file, with the evidence of each part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from seqgra.fit.draws import fits, matrix_of
from seqgra.fit.evidence import Estimates, PairEstimate, rule_shares
from seqgra.fit.pairs import ARRANGEMENTS
from seqgra.fit.singles import MOST_COPIES, Single

_THOUSAND = 1000
_STRONGEST = 0.95
_RARE_COPIES = 0.03
_CLEAR = 5.0
_FEWER_COPIES = (2, 1)


class Scale(NamedTuple):
    """How far motifs are scaled to be as hard to tell as in the data."""

    #: Factor of the probability of every rule of a condition, which stays at most 1.
    density: float = 1.0
    #: Lowest quantile of the scores of sites.
    floor: float = 0.0
    #: More copies than so many count as so many: otherwise they may find no room.
    most_copies: int = MOST_COPIES


_UNSCALED = Scale()


class RuleDraft(NamedTuple):
    """A rule as a grammar file has it, and why."""

    rule: dict[str, Any]
    evidence: list[str]


class Composed(NamedTuple):
    """A grammar in parts."""

    #: What it is made from.
    estimates: Estimates
    scale: Scale
    #: As a grammar file has it.
    background: dict[str, Any]
    #: Element -> motif and affinity (None for the whole motif).
    elements: dict[str, tuple[str, dict[str, float] | None]]
    #: Of each condition.
    rules: dict[str, list[RuleDraft]]
    #: Of every example.
    common: list[RuleDraft]
    #: Groups of examples.
    examples: list[dict[str, Any]]
    #: ``forbid`` or ``allow``.
    overlap: str = "forbid"

    def content(self) -> dict[str, Any]:
        """Return the content of the grammar file, motifs as matrices."""
        setting = self.estimates.setting
        elements = {}
        for name, (motif, affinity) in self.elements.items():
            elements[name] = matrix_of(setting, motif)
            if affinity:
                elements[name]["affinity"] = affinity
        return {
            "alphabet": setting.alphabet.name,
            "task": setting.task,
            "window": setting.window,
            "background": self.background,
            "elements": elements,
            "common": {"rules": [draft.rule for draft in self.common]},
            "overlap": self.overlap,
            "conditions": {
                name: {"rules": [draft.rule for draft in drafts]}
                for name, drafts in self.rules.items()
            },
            "examples": self.examples,
        }

    def with_room(self) -> Composed:
        """Return the grammar, with fewer copies or, if that is not enough, overlap allowed, to have room."""
        for most in (self.scale.most_copies, *_FEWER_COPIES):
            composed = compose(self.estimates, self.scale._replace(most_copies=most))
            if fits(composed.content()):
                return composed
        return self._replace(overlap="allow")

    def of_group(self, number: int, background: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of a grammar of one group alone, with its own background, as condition 0."""
        shown = self.estimates.groups[number].conditions
        rules = [draft.rule for name in shown for draft in self.rules[name]]
        rules += [draft.rule for draft in self.common]
        content = self.content() | {"task": "multi-class", "background": background}
        content |= {"conditions": {"shown": {"rules": rules}, "spare": {}}, "common": {"rules": []}}
        examples = [{"conditions": ["shown"], "share": 1000}, {"conditions": ["spare"], "share": 1}]
        content |= {"examples": examples}
        return content if fits(content) else content | {"overlap": "allow"}


def compose(estimates: Estimates, scale: Scale = _UNSCALED) -> Composed:
    """Return the grammar of estimates, scaled."""
    conditions = estimates.setting.conditions
    rules: dict[str, list[RuleDraft]] = {name: [] for name in conditions}
    common: list[RuleDraft] = []
    elements: dict[str, tuple[str, dict[str, float] | None]] = {}
    _add_singles(estimates, scale, elements, rules, common)
    _add_pairs(estimates, scale, elements, rules, common)
    if not elements:
        elements = {name: (name, None) for name in estimates.setting.motifs}
    return Composed(
        estimates, scale, _background(estimates), elements, rules, common, _examples(estimates)
    )


def _add_singles(
    estimates: Estimates,
    scale: Scale,
    elements: dict[str, tuple[str, dict[str, float] | None]],
    rules: dict[str, list[RuleDraft]],
    common: list[RuleDraft],
) -> None:
    for motif in estimates.setting.motifs:
        own = [single for single in estimates.singles if single.motif == motif]
        if not any(single.share for single in own):
            continue
        clearest = max((s for s in own if s.share), key=lambda single: single.gain)
        low = min(max(clearest.low, scale.floor), _STRONGEST)
        high = max(clearest.high, min(low + 0.1, 1.0))
        affinity = None if (low, high) == (0.0, 1.0) else {"min": low, "max": high}
        elements[motif] = (motif, affinity)
        own = [_lone(estimates, single) for single in own]
        shares = [single.share for single in own]
        by_condition, everywhere = rule_shares(estimates, shares)
        for name, q in by_condition.items():
            if q:
                told = _of_condition(estimates, own, name)
                rules[name].append(_single_rule(estimates, told, motif, q, scale))
        if everywhere:
            bare = [not estimates.groups[single.group].conditions for single in own]
            clearest = max(
                zip(own, bare, strict=True), key=lambda of: (of[0].share > 0, of[1], of[0].gain)
            )[0]
            common.append(
                _single_rule(estimates, clearest, motif, everywhere, scale._replace(density=1.0))
            )


def _of_condition(estimates: Estimates, own: list[Single], condition: str) -> Single:
    """Return the clearest estimate of a motif in groups that show a condition."""
    showing = [s for s in own if condition in estimates.groups[s.group].conditions]
    return max(showing, key=lambda single: (single.share > 0, single.gain))


def _lone(estimates: Estimates, single: Single) -> Single:
    """Return share and copies of a motif's sites that pairs do not explain.

    Let w_k be the share of sequences with k sites (w_0 = 1 - rho). A pair in a share pi of sequences adds one
    site there: w_k = (1 - pi) v_k + pi v_{k-1}, so v_k = (w_k - pi v_{k-1}) / (1 - pi), at least 0.
    What is left counts if it is above two standard errors of rho and pi together, and its copies count if it
    is above five; otherwise there is one.
    """
    law = [1 - single.share, *(0.0 for _ in range(max(single.copies)))]
    for k, weight in single.copies.items():
        law[k] = single.share * weight / sum(single.copies.values())
    variance, paired = single.error**2, False
    for pair in estimates.pairs:
        share, error = pair.shares[single.group]
        if not share:
            continue
        for _ in range(pair.interval[:2].count(single.motif)):
            paired, pi = True, min(share, 0.99)
            for k in range(len(law)):
                law[k] = max(law[k] - (pi * law[k - 1] if k else 0.0), 0.0) / (1 - pi)
            variance += error**2
    some = sum(law[1:])
    if not paired:
        return single
    share, error = some / (some + law[0]), variance**0.5
    if share < 2 * error:
        return single._replace(share=0.0)
    kept = {k: round(w / some, 3) for k, w in enumerate(law) if k and w >= _RARE_COPIES * some}
    clear = share >= _CLEAR * error
    several = clear and len(kept) > 1
    return single._replace(share=min(share, 0.999), copies=kept if several else {1: 1.0})


def _single_rule(
    estimates: Estimates, single: Single, motif: str, q: float, scale: Scale
) -> RuleDraft:
    rule: dict[str, Any] = {"elements": [motif]}
    if single.position is not None:
        rule["position"] = single.position
    q = min(q * scale.density, 1.0)
    if q < 1:
        rule["probability"] = round(q, 4)
    if single.copies != {1: 1.0} and not isinstance(single.position, int):
        law: dict[int, float] = {}
        for k, weight in single.copies.items():
            k = min(k, scale.most_copies)
            law[k] = round(law.get(k, 0.0) + weight, 3)
        if law.keys() != {1}:
            rule["copies"] = law
    if single.strand != "+":
        rule["strand"] = single.strand
    rows = [s for s in estimates.singles if s.motif == motif]
    evidence = [_told(estimates, s) for s in rows]
    return RuleDraft(rule, evidence)


def _told(estimates: Estimates, single: Single) -> str:
    text = (
        f"{estimates.groups[single.group].name}: hits in {single.with_hits:.1%}, by chance "
        f"{single.by_chance:.1%}"
    )
    if not single.share:
        return f"{text}; not above chance"
    copies = ", ".join(f"{k}: {w:.0%}" for k, w in single.copies.items())
    return (
        f"{text}; share {single.share:.3f} +- {single.error:.3f}, scores in quantiles "
        f"{single.low:g} to {single.high:g}, copies {copies}"
    )


def _add_pairs(
    estimates: Estimates,
    scale: Scale,
    elements: dict[str, tuple[str, dict[str, float] | None]],
    rules: dict[str, list[RuleDraft]],
    common: list[RuleDraft],
) -> None:
    for pair in estimates.pairs:
        interval = pair.interval
        names = [_element(interval.low < 0, motif, elements) for motif in interval[:2]]
        rule = interval.rule((names[0], names[1]), pair.shared, pair.position)
        evidence = _pair_evidence(estimates, pair)
        by_condition, everywhere = rule_shares(estimates, [share for share, _ in pair.shares])
        targets = [(rules[name], q * scale.density) for name, q in by_condition.items()]
        for drafts, q in [*targets, (common, everywhere)]:
            if q:
                q = round(min(q, 1.0), 4)
                drafts.append(RuleDraft(rule | ({"probability": q} if q < 1 else {}), evidence))


def _element(
    shares_columns: bool, motif: str, elements: dict[str, tuple[str, dict[str, float] | None]]
) -> str:
    """Return the element of a motif in a pair; one with shared columns has no affinity band."""
    if not shares_columns or elements.get(motif, (motif, None))[1] is None:
        elements.setdefault(motif, (motif, None))
        return motif
    elements[f"{motif}-any"] = (motif, None)
    return f"{motif}-any"


def _pair_evidence(estimates: Estimates, pair: PairEstimate) -> list[str]:
    interval = pair.interval
    where = (
        f"gap {interval.low}"
        if interval.low == interval.high
        else (f"gaps {interval.low} to {interval.high}")
    )
    lines = [
        f"{where}, A = {interval.first}, B = {interval.second}, "
        f"{list(ARRANGEMENTS)[interval.arrangement]}: {interval.seen:.0f} pairs of hits, "
        f"{interval.expected:.1f} by chance, LLR {interval.llr:.0f} nats"
    ]
    told = [
        f"{group.name}: share {share:.3f} +- {error:.3f}"
        for group, (share, error) in zip(estimates.groups, pair.shares, strict=True)
    ]
    return [*lines, *told]


def _background(estimates: Estimates) -> dict[str, Any]:
    """Return one background, or one for each condition, and for none of them."""
    if estimates.pooled:
        return estimates.together[0].content
    return {"by-condition": {name: law.content for name, law in estimates.lent.items()}}


def _examples(estimates: Estimates) -> list[dict[str, Any]]:
    """Return the groups of examples in thousandths; rare ones only where a condition needs them."""
    total = sum(estimates.shown.values())
    shares = {shown: round(_THOUSAND * n / total) for shown, n in estimates.shown.items()}
    needed = {
        max((s for s in shares if name in s), key=lambda s: estimates.shown[s])
        for name in estimates.setting.conditions
    }
    return [
        {"conditions": list(shown), "share": max(share, 1)}
        for shown, share in shares.items()
        if share or shown in needed
    ]
