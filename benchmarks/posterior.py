"""Processor seconds of the exact posterior of 20,000 sequences of 1,000 letters."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from seqgra.grammar.load import load_grammar, resolve
from seqgra.grammar.schema import Grammar
from seqgra.law.law import compile_law, draw_block
from seqgra.law.posterior import compile_posterior
from seqgra.streams import BLOCK

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = 20_000


def fifty_classes() -> Grammar:
    """Return a grammar of 50 classes that differ in the gap between the same two motifs."""
    content: dict[str, Any] = {
        "window": 1000,
        "background": "human",
        "elements": {
            "foxa1": {"motif": "motifs/homer.meme", "id": "FOXA1:AR(Forkhead,NR)"},
            "bcl11a": {"motif": "motifs/homer.meme", "id": "Bcl11a(Zf)"},
        },
        "conditions": {
            f"gap{n}": {
                "rules": [
                    {
                        "elements": ["foxa1", "bcl11a"],
                        "spacing": [
                            {"elements": ["foxa1", "bcl11a"], "gap": [19 * n, 19 * n + 18]}
                        ],
                    }
                ]
            }
            for n in range(50)
        },
    }
    folder = REPOSITORY / "grammars"
    return resolve(yaml.safe_load(yaml.safe_dump(content)), Path("fifty.yaml"), folder)


def copies_over_a_chain() -> Grammar:
    """Return a grammar of two classes, each with 1 to 3 copies of a motif over a chain of order 3."""
    random = np.random.default_rng(1)
    rows = [random.dirichlet(np.full(4, 8.0)).tolist() for _ in range(64)]
    copies = {1: 0.7, 2: 0.2, 3: 0.1}
    content: dict[str, Any] = {
        "window": 200,
        "background": {"markov": {"order": 3, "initial": [1 / 64] * 64, "table": rows}},
        "elements": {
            "foxa1": {"motif": "motifs/homer.meme", "id": "FOXA1:AR(Forkhead,NR)"},
            "bcl11a": {"motif": "motifs/homer.meme", "id": "Bcl11a(Zf)"},
        },
        "conditions": {
            name: {"rules": [{"elements": [name], "copies": copies, "strand": "random"}]}
            for name in ("foxa1", "bcl11a")
        },
    }
    folder = REPOSITORY / "grammars"
    return resolve(yaml.safe_load(yaml.safe_dump(content)), Path("copies.yaml"), folder)


def measure(name: str, grammar: Grammar) -> str:
    """Return a row of the table: processor seconds for `EXAMPLES`, areas and memory."""
    law = compile_law(grammar, name)
    blocks = [draw_block(law, 3, "test", b) for b in range(-(-EXAMPLES // BLOCK))]
    x = np.concatenate([block.x for block in blocks])[:EXAMPLES]
    y = np.concatenate([block.y for block in blocks])[:EXAMPLES].argmax(axis=1)
    posterior = compile_posterior(grammar)
    posterior.log_posterior(x[:2])  # compiles
    started = time.process_time()
    logs, _ = posterior.log_posterior(x)
    seconds = time.process_time() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    area = "-"
    if logs.shape[1] == 2:
        from sklearn.metrics import roc_auc_score

        area = f"{roc_auc_score(y, logs[:, 1] - logs[:, 0]):.4f}"
    accuracy = (logs.argmax(axis=1) == y).mean()
    return f"| {name} | {seconds:.1f} | {area} | {accuracy:.4f} | {memory} |"


def main() -> None:
    """Print a table."""
    names = ["homer", "homer-interaction-order", "homer-interaction-spacing"]
    grammars = {
        f"mc2-dna1000-{n}": load_grammar(REPOSITORY / "grammars" / f"mc2-dna1000-{n}.yaml")
        for n in names
    }
    grammars["mc50-spacing"] = fifty_classes()
    grammars["copies over a chain, 200 nt"] = copies_over_a_chain()
    print("| grammar | CPU s | ROC AUC | accuracy | peak MiB |\n| --- | --- | --- | --- | --- |")
    for name, grammar in grammars.items():
        print(measure(name, grammar))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
