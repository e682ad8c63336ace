"""The figures of a description."""

from __future__ import annotations

from seqgra.alphabet import ALPHABETS
from seqgra.describe.description import Description
from seqgra.describe.picture import rule_groups
from seqgra.outputs import OwnFiles
from seqgra.plot.elements import HeatMap, logos, similarity_maps
from seqgra.plot.grammar import rules_picture
from seqgra.plot.positions import Lane, position_map
from seqgra.plot.style import save


def draw(description: Description, own: OwnFiles) -> None:
    """Write every figure of a description: SVG, PDF and PNG."""
    names = list(description.resolved.elements)
    groups = rule_groups(description.written, description.resolved)
    save(rules_picture(groups, names, f"{description.name}: rules"), own.figure("rules"))
    columns = {name: numbers.columns for name, numbers in description.numbers.items()}
    bits = {name: numbers.information for name, numbers in description.numbers.items()}
    letters = ALPHABETS[description.resolved.alphabet].letters
    save(logos(columns, letters, bits, f"{description.name}: elements"), own.figure("logos"))
    if len(names) > 1:
        title = f"{description.name}: similarity of elements (darker is more alike)"
        save(similarity_maps(names, _measures(description), title), own.figure("similarity"))
    if description.rows:
        lanes = [Lane(row.shown, row.element, row.share, row.starts) for row in description.rows]
        title = f"{description.name}: where elements start, in {description.seen.source}"
        save(position_map(lanes, description.resolved.longest, title), own.figure("positions"))


def _measures(description: Description) -> list[HeatMap]:
    alike = description.alike
    most = max(1.0, float(alike.divergence.max()))
    divergence = HeatMap("divergence (bits)", alike.divergence, "", "", 0.0, most)
    score = HeatMap(
        "score of sites, 1: like the matrix's own", alike.score, "sites of", "matrix of", 1.0, 0.0
    )
    return [divergence, score]
