"""The files of a fit: grammar with its evidence, motifs, tables, and the text that is printed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from seqgra.fit.compose import Composed, RuleDraft, Scale
from seqgra.fit.draws import FEWEST
from seqgra.fit.evidence import Estimates
from seqgra.fit.pairs import ARRANGEMENTS
from seqgra.fit.scale import Scaling
from seqgra.fit.singles import MOST_COPIES
from seqgra.fit.twin import FLAG, FLAG_ERRORS, PWM, Check
from seqgra.metrics import Area
from seqgra.textfile import csv_text

MOTIFS = "motifs.meme"
#: Standard errors to either side that 95 % of areas of alike examples lie within: n + n examples have a
#: standard error of sqrt((2 n + 1) / 12) / n (Mann and Whitney 1947, doi:10.1214/aoms/1177730491).
_BOTH_TAILS = 1.96


def grammar_files(composed: Composed, source: str, check: list[str]) -> dict[str, str]:
    """Return the text of grammar.yaml and of the tables that it reads, by file name."""
    estimates, files = composed.estimates, {}
    lines = [f"# Fitted by seqgra to {source}.", *(f"# {line}" for line in check)]
    if composed.scale.density != 1 or composed.scale.floor:
        lines.append(
            f"# Probabilities of all rules are scaled by {composed.scale.density:.3f}"
            + (
                f", sites from quantile {composed.scale.floor:g} on."
                if composed.scale.floor
                else "."
            )
        )
    if (most := composed.scale.most_copies) < MOST_COPIES:
        lines.append(f"# No more copies of a motif than {most}: they find no room without overlap.")
    lines += [f"# {note}" for note in estimates.notes]
    lines += ["", f"description: {_flow(f'simulated twin of {source}')}"]
    content = composed.content()
    for key in ("alphabet", "task"):
        lines.append(f"{key}: {content[key]}")
    if isinstance(content["window"], dict):
        files["window.tsv"] = _law_table(content["window"])
        lines.append("window: {file: window.tsv}")
    else:
        lines.append(f"window: {content['window']}")
    if composed.overlap != "forbid":
        lines.append("overlap: allow  # without overlap the elements find too little room")
    lines += ["", *_background_lines(composed), "", "elements:"]
    for name, (motif, affinity) in composed.elements.items():
        element = {"motif": MOTIFS, "id": motif} | ({"affinity": affinity} if affinity else {})
        lines.append(f"  {_flow(name)}: {_flow(element)}")
    if composed.common:
        lines += ["", "# in all examples, whatever they show", "common:", "  rules:"]
        lines += _rule_lines("common", composed.common, files)
    lines += ["", "conditions:"]
    for name, drafts in composed.rules.items():
        if not drafts:
            lines.append(f"  {_flow(name)}: {{}}")
            continue
        lines += [f"  {_flow(name)}:", "    rules:"]
        lines += [f"  {line}" for line in _rule_lines(name, drafts, files)]
    lines += ["", "# shares in thousandths; training examples of each:"]
    for shown, count in estimates.shown.items():
        lines.append(f"#   {' + '.join(shown) or 'none'}: {count:,}")
    lines += ["examples:", *(f"  - {_flow(group)}" for group in composed.examples)]
    return {"grammar.yaml": "\n".join(lines) + "\n", **files}


def _background_lines(composed: Composed) -> list[str]:
    estimates = composed.estimates
    lines = ["# background: nats per held-out letter (higher foretells better), best first"]
    told = [("all", estimates.together)]
    if len(estimates.groups) > 1:
        told += [
            (group.name, candidates)
            for group, candidates in zip(estimates.groups, estimates.backgrounds, strict=True)
        ]
    for name, candidates in told:
        fits = "; ".join(f"{candidate.name} {candidate.fit:.4f}" for candidate in candidates)
        lines.append(f"#   {name}: {fits}")
    if estimates.pooled:
        lines.append("#   one for all foretells as well as one for each")
    return [*lines, *_nested("background", composed.background, 0)]


def _nested(key: str, value: Mapping[str, Any], depth: int) -> list[str]:
    """Return a background with a line for each row of a chain's table."""
    pad = "  " * depth
    if "by-condition" in value:
        lines = [f"{pad}{key}:", f"{pad}  by-condition:"]
        for name, branch in value["by-condition"].items():
            lines += _nested(_flow(name), branch, depth + 2)
        return lines
    if "markov" in value:
        chain = value["markov"]
        lines = [f"{pad}{key}:", f"{pad}  markov:", f"{pad}    order: {chain['order']}"]
        lines += [f"{pad}    initial: {_flow(chain['initial'])}", f"{pad}    table:"]
        return lines + [f"{pad}      - {_flow(row)}" for row in chain["table"]]
    return [f"{pad}{key}: {_flow(value)}"]


def _rule_lines(owner: str, drafts: Sequence[RuleDraft], files: dict[str, str]) -> list[str]:
    lines = []
    for draft in drafts:
        lines += [f"    # {line}" for line in draft.evidence]
        rule = dict(draft.rule)
        if isinstance(rule.get("position"), dict):
            file = f"position-{_plain(owner)[:40]}-{len(files)}.tsv"  # no two names alike
            files[file] = _law_table(rule["position"])
            rule["position"] = {"file": file}
        lines.append(f"    - {_flow(rule)}")
    return lines


def _law_table(law: Mapping[int, float]) -> str:
    return "value\tweight\n" + "".join(f"{value}\t{weight:g}\n" for value, weight in law.items())


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, width=10**9, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")


def check_lines(check: Check, scaling: Scaling | None) -> list[str]:
    """Return what the twin check found, line by line."""
    scaled = scaling is not None and scaling.best != Scale()
    lines = ["Twin check: ROC AUC on the test set with its standard error, real and twin"]
    for score in check.scores:
        line = f"  {score.model:<7} {score.scope:<20} {_area(score.real)}  {_area(score.twin)}"
        if scaled and score.model == PWM:
            line += "   scaled to agree on training and validation sets"
        if score.flagged:
            line += f"   differs by more than {FLAG:g} and {FLAG_ERRORS:g} standard errors"
        lines.append(line)
    lines.append(
        "Telling real from twin by words, ROC AUC (alike: 0.5, give or take what stands behind)"
    )
    for name, count in check.test_examples.items():
        if name in check.real_or_twin:
            chance = _BOTH_TAILS * math.sqrt((2 * count + 1) / 12) / count
            lines.append(f"  {name:<28} {check.real_or_twin[name]:.3f}   {chance:.3f}")
        else:
            lines.append(f"  {name:<28} not told: {count} test examples, fewer than {FEWEST}")
    for spectrum in check.spectra:
        distance = abs(spectrum.real - spectrum.twin).sum() / 2
        lines.append(f"Words, {spectrum.group}: {distance:.1%} of words differ (total variation)")
    if scaling is not None and len(scaling.steps) > 1:
        lines.append(
            "Scaling, PWM regression on the twin by density and least quantile of sites; "
            f"{_area(scaling.target)} on training and validation sets, cross-validated"
        )
        lines += [
            f"  density {scale.density:.3f}, from {scale.floor:g}: {_area(area)}"
            for scale, area in scaling.steps
        ]
    return lines


def _area(area: Area) -> str:
    return f"{area.value:.3f} +- {area.error:.3f}"


def estimate_lines(composed: Composed) -> list[str]:
    """Return what was estimated of rules, line by line."""
    lines = []
    for name, drafts in [*composed.rules.items(), ("every example", composed.common)]:
        for draft in drafts:
            rule = {k: v for k, v in draft.rule.items() if k != "position"}
            if "position" in draft.rule:
                law = draft.rule["position"]
                rule["position"] = law if isinstance(law, int) else "a table"
            lines.append(f"  {name}: {_flow(rule)}")
    return ["Rules", *(lines or ["  none: no motif is above chance"])]


def tables(estimates: Estimates, check: Check) -> dict[str, str]:
    """Return the tables of the evidence, CSV by file name."""
    singles: list[tuple[object, ...]] = [
        ("motif", "group", "examples", "with_hits", "by_chance", "share", "error", "gain_nats")
        + ("low", "high", "copies", "strand", "position")
    ]
    for s in estimates.singles:
        position = "random" if s.position is None else "see grammar"
        copies = " ".join(f"{k}:{w:g}" for k, w in s.copies.items())
        numbers = (f"{v:.6g}" for v in (s.with_hits, s.by_chance, s.share, s.error, s.gain))
        name = estimates.groups[s.group].name
        singles.append(
            (s.motif, name, s.examples, *numbers, s.low, s.high, copies, s.strand, position)
        )
    pairs: list[tuple[object, ...]] = [
        ("first", "second", "arrangement", "low", "high", "seen", "by_chance", "ratio", "llr_nats")
        + ("group", "share", "error")
    ]
    for pair in estimates.pairs:
        i = pair.interval
        told = (i.first, i.second, list(ARRANGEMENTS)[i.arrangement], i.low, i.high)
        counts = tuple(f"{v:.6g}" for v in (i.seen, i.expected, i.ratio, i.llr))
        for group, (share, error) in zip(estimates.groups, pair.shares, strict=True):
            pairs.append((*told, *counts, group.name, f"{share:.6g}", f"{error:.6g}"))
    return {"motifs.csv": csv_text(singles), "pairs.csv": csv_text(pairs), **check_tables(check)}


def check_tables(check: Check) -> dict[str, str]:
    """Return the tables of the twin check, CSV by file name."""
    twin: list[tuple[object, ...]] = [
        ("model", "scope", "real", "real_error", "twin", "twin_error", "flagged")
    ]
    for s in check.scores:
        numbers = (f"{value:.6f}" for area in (s.real, s.twin) for value in area)
        twin.append((s.model, s.scope, *numbers, s.flagged))
    twin += [
        ("real or twin", name, f"{area:.6f}", "", "", "", "")
        for name, area in check.real_or_twin.items()
    ]
    spectra: list[tuple[object, ...]] = [("group", "word", "real", "twin")]
    for spectrum in check.spectra:
        spectra += [
            (spectrum.group, word, f"{real:.8f}", f"{other:.8f}")
            for word, real, other in zip(spectrum.words, spectrum.real, spectrum.twin, strict=True)
        ]
    return {"twin.csv": csv_text(twin), "spectra.csv": csv_text(spectra)}
