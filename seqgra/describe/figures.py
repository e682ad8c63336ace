"""The figures of a description."""

from __future__ import annotations

from seqgra.alphabet import ALPHABETS
from seqgra.describe.description import Description
from seqgra.describe.picture import rule_groups
from seqgra.outputs import OwnFiles
from seqgra.plot.elements import Measure, logos, similarity_maps
from seqgra.plot.grammar import rules_picture
from seqgra.plot.positions import Lane, position_map
from seqgra.plot.style import save


def draw(found: Description, own: OwnFiles) -> None:
    """Write every figure of a description: SVG, PDF and PNG."""
    names = list(found.resolved.elements)
    groups = rule_groups(found.written, found.resolved)
    save(rules_picture(groups, names, f"{found.name}: rules"), own.figure("rules"))
    columns = {name: numbers.columns for name, numbers in found.numbers.items()}
    bits = {name: numbers.information for name, numbers in found.numbers.items()}
    letters = ALPHABETS[found.resolved.alphabet].letters
    save(logos(columns, letters, bits, f"{found.name}: elements"), own.figure("logos"))
    if len(names) > 1:
        title = f"{found.name}: similarity of elements (darker is more alike)"
        save(similarity_maps(names, _measures(found), title), own.figure("similarity"))
    if found.rows:
        lanes = [Lane(row.shown, row.element, row.share, row.starts) for row in found.rows]
        title = f"{found.name}: where elements start, in {found.seen.source}"
        save(position_map(lanes, found.resolved.longest, title), own.figure("positions"))


def _measures(found: Description) -> list[Measure]:
    alike = found.alike
    most = max(1.0, float(alike.divergence.max()))
    divergence = Measure("divergence (bits)", alike.divergence, "", "", 0.0, most)
    score = Measure(
        "score of sites, 1: like the matrix's own", alike.score, "sites of", "matrix of", 1.0, 0.0
    )
    return [divergence, score]
