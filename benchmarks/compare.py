"""Tables, figures and the report of a large synthetic grid: seconds, memory, size and opening of the page.

    python benchmarks/compare.py [--grammars 10] [--architectures 10] [--data-seeds 10] [--model-seeds 1]
                                 [--keep FOLDER]

The default is 10,000 cells: 10 sizes each. Cells are written first (not timed): learning curves with a known
truth (`synthetic.py`), true test sets, attributions of 20 examples. Then `seqgra compare --cells` is timed
as a process of its own, and once more with nothing changed, so that no figure is drawn. The page is opened in
headless Chromium, where there is one: seconds from navigation until all of it is loaded and laid out and the
figure of the first screen is drawn; the median of three. With --page FILE only that is measured, of a page
that is there.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from synthetic import CHANCE, Truth, draw

from seqgra.compare.cells import CELL_COLUMNS
from seqgra.digest import digest
from seqgra.fingerprint import Identity, claim, seal
from seqgra.results import AttributionScores, Scores, write_attributions, write_scores
from seqgra.simulate import simulate

SIZES = (500, 1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000)
#: Limits of issue G: wall seconds and MiB of the verb, MB of the page, seconds until it is open.
LIMITS = {"wall": 60, "memory": 2048, "page": 20, "open": 3}  # of usual grids 1.5
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Run when all of the page is there: lays it out, draws its first figure, and says when it was done.
STOPWATCH = """<script>
window.addEventListener("load", function () {
  var out = document.createElement("pre"), height = document.body.offsetHeight, figure = document.images[0];
  var canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
  canvas.width = figure.width; canvas.height = figure.height;
  pen.drawImage(figure, 0, 0, figure.width, figure.height); pen.getImageData(0, 0, 1, 1);
  out.id = "open"; out.textContent = performance.now() + " " + height + " " + document.fonts.status;
  document.body.appendChild(out);
});
</script></body>"""
NOUNS = ("models", "scores", "attributions")
METHOD = "integrated-gradients"
WINDOW, PICTURED = 150, 20
GRAMMAR = """
description: synthetic cells, variant {number}
window: {window}
elements: {{a: {{kmers: {{ACGTACGT: 1}}}}, b: {{kmers: {{TTGACCAA: 1}}}}}}
conditions:
  first: {{rules: [{{elements: [a]}}]}}
  second: {{rules: [{{elements: [b], probability: {probability}}}]}}
"""


def write_grid(root: Path, truth: Truth) -> Path:
    """Write the nouns of synthetic cells and return the cells file."""
    runs = draw(truth, 0)
    for number, grammar in enumerate(sorted(runs["grammar"].unique())):
        file = root / f"{grammar}.yaml"
        file.write_text(GRAMMAR.format(number=number, window=WINDOW, probability=1 - 0.01 * number))
        simulate(file, root / "data" / grammar, seed=0, counts={"test": 200})
    template = Template(root)
    with (root / "cells.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(CELL_COLUMNS)
        for row in runs.to_dict("records"):
            key = [row["grammar"], row["size"], row["data_seed"], row["label"], "pytorch"]
            key.append(row["model_seed"])
            path = "/".join(map(str, key))
            template.write(root, path, row)
            folders = [root / noun / path for noun in ("models", "scores")]
            recovery = f"{METHOD}={root / 'attributions' / path}"
            writer.writerow([*key, *folders, recovery, root / "data" / row["grammar"]])
    return root / "cells.csv"


class Template:
    """One cell's nouns, copied and changed for every other, so that 10,000 are written in a minute."""

    def __init__(self, root: Path) -> None:
        rng, x = np.random.default_rng(0), np.linspace(0, 1, 200)
        curves = {"roc": x**0.2, "pr": 1 - 0.3 * x}
        table = pd.concat(
            pd.DataFrame({"curve": kind, "scope": "micro", "x": x, "y": y})
            for kind, y in curves.items()
        )
        scopes = ("micro", "macro", "first", "second")
        metrics = {
            name: dict.fromkeys(scopes, 0.5)
            for name in ("pr_auc", "roc_auc", "accuracy", "log_loss")
        }
        logits = rng.normal(size=(200, 2)).astype(np.float32)
        scores = Scores(200, "multi-class", "micro", metrics, metrics, table, logits)
        recovery = pd.DataFrame({"example": range(PICTURED), "correct": True})
        recovery.insert(1, "condition", ["first", "second"] * (PICTURED // 2))
        recovery[["ap_chance_corrected", "auroc", "relevance_mass"]] = 0.5
        values = rng.normal(size=(PICTURED, 4, WINDOW)).astype(np.float32)
        rows = np.arange(PICTURED)
        self.folders = {noun: root / "template" / noun for noun in NOUNS}
        with claim(self.folders["models"], Identity("train", 1)) as draft:
            draft.aside("history.csv").write_text("")
            draft.publish(
                parameters=6000, epochs=12, best_epoch=8, device="cpu", threads=1, reason=""
            )
        with claim(self.folders["scores"], Identity("evaluate", 1)) as draft:
            write_scores(scores, draft)
            draft.publish()
        with claim(self.folders["attributions"], Identity("attribute", 1)) as draft:
            write_attributions(AttributionScores(METHOD, recovery, rows, rows % 2, values), draft)
            draft.publish()
        self.runs = {
            noun: json.loads((f / "run.json").read_text()) for noun, f in self.folders.items()
        }
        self.scores = json.loads((self.folders["scores"] / "scores.json").read_text())
        self.recovery = json.loads((self.folders["attributions"] / "recovery.json").read_text())

    def write(self, root: Path, path: str, row: dict[str, Any]) -> None:
        """Write model, scores and attributions of one run."""
        value = float(row["value"])
        regained = 0.8 * (value - CHANCE) / (1 - CHANCE)
        metrics = {
            name: dict.fromkeys(by_scope, value)
            for name, by_scope in self.scores["metrics"].items()
        }
        recovery = {
            name: dict.fromkeys(by_scope, regained)
            for name, by_scope in self.recovery["recovery"].items()
        }
        texts = {
            "models": {"history.csv": history(value)},
            "scores": {"scores.json": json.dumps({**self.scores, "metrics": metrics})},
            "attributions": {"recovery.json": json.dumps({**self.recovery, "recovery": recovery})},
        }
        model = ""
        for noun in NOUNS:
            folder = root / noun / path
            folder.mkdir(parents=True)
            run = {**self.runs[noun], "options": {"path": path, "seeds": "nested"}, "seconds": 9.5}
            run["files"] = dict(run["files"])
            for name in run["files"]:
                if name not in texts[noun]:
                    (folder / name).hardlink_to(self.folders[noun] / name)
            for name, text in texts[noun].items():
                (folder / name).write_text(text)
                sha256 = hashlib.sha256(text.encode()).hexdigest()
                run["files"][name] = {"bytes": len(text), "sha256": sha256}
            if noun == "models":
                run |= {"best_validation_loss": row["validation_loss"], "constant_loss": 0.69}
            else:
                run["inputs"] = {"model": model}
            run["status"] = "done" if noun == "attributions" else row["status"]
            parts = [run[key] for key in ("verb", "results_version", "inputs", "options")]
            run["fingerprint"] = digest(parts)
            model = run["fingerprint"] if noun == "models" else model
            (folder / "run.json").write_text(seal(run))


def history(value: float) -> str:
    """Return a training history that ends in step with a value."""
    rows = ["epoch,training_loss,validation_loss,validation_accuracy,seconds"]
    for epoch in range(1, 13):
        fall = (value - CHANCE) * (1 - 0.7**epoch)
        validation = 0.69 - fall + 0.002 * max(0, epoch - 8) ** 2
        rows.append(f"{epoch},{0.69 - 1.2 * fall:.5f},{validation:.5f},{CHANCE + fall:.4f},0.8")
    return "\n".join(rows) + "\n"


def timed(command: list[str]) -> tuple[float, float]:
    """Return wall and CPU seconds of a command."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def opening(page: Path, rounds: int = 3) -> str:
    """Return how long the page takes to open, or why that is not known."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return f"not measured: none of {', '.join(BROWSERS)} is installed"
    found, before = [], cpu_seconds()
    with tempfile.TemporaryDirectory() as folder:
        timed = Path(folder) / "report.html"
        timed.write_text(page.read_text(encoding="utf-8").replace("</body>", STOPWATCH))
        command = [browser, "--headless", "--disable-gpu", "--no-sandbox", "--window-size=1280,800"]
        command += [f"--user-data-dir={folder}/browser", "--dump-dom", timed.as_uri()]
        for _ in range(rounds):
            env = {**os.environ, "HOME": folder}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
            told = re.search(r'<pre id="open">([0-9.]+) \d+ loaded</pre>', done.stdout)
            if told is None:
                return f"not measured: {browser} did not load all of it"
            found.append(float(told[1]) / 1000)
    used = (cpu_seconds() - before) / rounds
    words = f"{statistics.median(found):.2f} s (limit {LIMITS['open']}) at a load of {os.getloadavg()[0]:.0f}"
    return f"{words}, {used:.1f} CPU seconds, the browser's own start in them"


def cpu_seconds() -> float:
    """Return what processes that have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grammars", type=int, default=10)
    parser.add_argument("--architectures", type=int, default=10)
    parser.add_argument("--data-seeds", type=int, default=10)
    parser.add_argument("--model-seeds", type=int, default=1)
    parser.add_argument("--at", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="write the grid here, and leave it")
    parser.add_argument("--page", type=Path, help="only open this page")
    options = parser.parse_args()
    if options.page:
        print(f"{options.page.stat().st_size / 1e6:.1f} MB, opens in: {opening(options.page)}")
        return
    n50 = {f"net{i:02d}": 1000 * 1.5**i for i in range(options.architectures)}
    truth = Truth(
        n50, grammars=options.grammars, sizes=SIZES, data_seeds=options.data_seeds,
        model_seeds=options.model_seeds, of_grammar=0.5, collapse=0.01,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        root = options.keep or Path(folder)
        cells = root / "cells.csv"
        if not cells.exists():
            root.mkdir(parents=True, exist_ok=True)
            write_grid(root, truth)
        many = sum(1 for _ in cells.open()) - 1
        command = [sys.executable, "-m", "seqgra.cli", "compare", "--cells", str(cells)]
        command += ["--workers", str(options.workers)]
        command += ["-o", str(root / "out"), "--at", str(options.at)]
        first, again = timed(command), timed(command)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        page = (root / "out" / "report.html").stat().st_size / 1e6
        opened = opening(root / "out" / "report.html")
    print(f"{many:,} cells: {first[0]:.1f} s (limit {LIMITS['wall']})", end=", ")
    print(f"{first[1]:.1f} CPU seconds, load {os.getloadavg()[0]:.1f}")
    print(f"again, nothing changed: {again[0]:.1f} s, {again[1]:.1f} CPU seconds")
    print(f"peak memory: {used.ru_maxrss / 1024:.0f} MiB (limit {LIMITS['memory']:,})")
    print(f"page: {page:.1f} MB (limit {LIMITS['page']})")
    print(f"page opens in: {opened}")


if __name__ == "__main__":
    main()
