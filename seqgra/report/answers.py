"""What the report has to say of an answer, as numbers; the sentences stand in templates/sentences.j2."""

from __future__ import annotations

from typing import Any

from seqgra.compare.decide import TAU, Decision, Statistics
from seqgra.compare.ranking import ALPHA
from seqgra.compare.resample import FEWEST_MODEL_SEEDS, FEWEST_SEEDS
from seqgra.compare.variance import seeds_needed
from seqgra.report.page import plain_text

#: A difference of PR AUC that is worth showing.
APART = 0.01
#: Architectures or variants that a sentence names, at most.
_MOST_NAMES = 4


def facts(decision: Decision, known: Statistics) -> dict[str, Any]:
    """Return what sentences.j2 makes its sentences of."""
    grammar, rows = decision.grammar, decision.others
    bounds = known.bounds[grammar]
    label = max(decision.fewest, key=lambda name: decision.fewest[name], default="")
    needed = known.needed[(known.needed["grammar"] == grammar) & (known.needed["tau"] == TAU)]
    reached = needed["reached"].any()  # or areas alone decide who needs the fewest
    needed = needed[needed["label"] == decision.label]
    table = known.stability
    own = table[(table["grammar"] == grammar) | (table["other"] == grammar)]
    variants = [
        (field, other if one == grammar else one, tau)
        for one, other, field, tau in own[["grammar", "other", "field", "tau"]].to_numpy()
    ]
    behind = rows.iloc[1:].sort_values("behind").set_index("label")
    return {
        "grammar": grammar,
        "label": decision.label,
        "size": decision.size,
        "shown": decision.shown,
        "enough": decision.enough,
        "seeds": decision.seeds,
        "restarts": decision.restarts,
        "sharing": decision.seeds >= FEWEST_SEEDS and decision.restarts is not None,
        "open": decision.open,
        "worse": decision.worse,
        "absent": decision.absent,
        "others": behind[["behind", "behind_low", "behind_high"]].to_dict("index"),
        **{name: float(rows.iloc[0][name]) for name in ("mean", "best", "regret")},
        "chance": bounds.chance,
        "ceiling": bounds.ceiling if bounds.known else None,
        "fewest": (label, decision.fewest[label]) if label and reached else None,
        "needed": needed.to_dict("records"),
        "unfinished": bool(len(needed)) and not needed["curves"].all(),
        "share": TAU,
        **_more_seeds(decision, known),
        "doubling": known.doubling.get(grammar),
        "simulated": known.simulated_doubling.get(grammar, {}),
        "variants": variants,
        "same_best": int((own["best"] == own["best_other"]).sum()),
        "alpha": ALPHA,
        "apart": APART,
        "fewest_model_seeds": FEWEST_MODEL_SEEDS,
        "most_names": _MOST_NAMES,
    }


def summary(decision: Decision, known: Statistics) -> str:
    """Return the answer in a few sentences of plain text."""
    return plain_text("sentences.j2", "summary", facts(decision, known))


def _more_seeds(decision: Decision, known: Statistics) -> dict[str, Any]:
    """Return which seeds to add, where some are missing or something is open; None where there are enough."""
    runs = known.runs[known.runs["grammar"] == decision.grammar]
    restarts = int(runs.groupby(["label", "size", "data_seed"]).size().max())
    parts = known.variance[known.variance["size"] == decision.size]
    few = decision.restarts is not None and decision.restarts < FEWEST_MODEL_SEEDS
    here = known.runs[known.runs["size"] == decision.size]
    single = here.groupby("grammar")["data_seed"].nunique().max() < 2  # their spread is not seen
    alone = len(decision.others) < 2
    if alone or not decision.open or parts.empty or few or single:
        return {"more_seeds": None, "runs_a_seed": restarts}
    wanted = seeds_needed(parts, APART, restarts, len(decision.others) - 1)
    return {"more_seeds": wanted if wanted > decision.seeds else None, "runs_a_seed": restarts}
