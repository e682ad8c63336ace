"""A drafted methods paragraph: what was run, with which versions and seeds."""

from __future__ import annotations

from collections.abc import Iterable

from seqgra.compare.resample import DRAWS, FEWEST_MODEL_SEEDS, FEWEST_SEEDS, is_crossed
from seqgra.dataset import split_size
from seqgra.model import FOREIGN
from seqgra.report.drawing import Drawing
from seqgra.report.sections import Section, ShownSection
from seqgra.report.sections.reproduce import version_words


def _shown(drawing: Drawing) -> Iterable[ShownSection]:
    compared = drawing.compared
    known, tables = compared.statistics, compared.tables
    there = tables.status[tables.status["size"] > 0]
    foreign = there["backend"] == FOREIGN
    trained = there[~foreign]
    if known.runs.empty or trained.empty:
        return
    names = sorted(trained["grammar"].unique())
    sizes, data_seeds, model_seeds, labels = (
        sorted(trained[name].unique()) for name in ("size", "data_seed", "model_seed", "label")
    )
    split = split_size(int(sizes[-1]))
    context = {
        "versions": version_words(tables.runs["versions"]) or "seqgra",
        "simulated": [name for name in names if name not in known.real],
        "real": [name for name in names if name in known.real],
        "sizes": sizes,
        "data_seeds": data_seeds,
        "model_seeds": model_seeds,
        "labels": labels,
        "foreign": sorted(there.loc[foreign, "label"].unique()),
        "training": split["training"],
        "validation": split["validation"],
        "tests": sorted(set(compared.test_examples)),
        "trained": len(trained),
        "outcomes": list(trained["status"].value_counts().items()),
        "methods": sorted(tables.recovery["method"].unique()),
        "ceilings": sum(bounds.known for bounds in known.bounds.values()),
        "bounds": len(known.bounds),
        "crossed": is_crossed(known.runs["seeds"]),
        "draws": DRAWS,
        "fewest_seeds": FEWEST_SEEDS,
        "fewest_model_seeds": FEWEST_MODEL_SEEDS,
        "tuned": len(compared.tuned) > 0,
    }
    yield ShownSection("methods", "Methods paragraph (draft)", context)


SECTION = Section(42, "methods.html.j2", _shown)
