"""CPU seconds of ingest: windows of a genome, and hits of motifs; the limits are 20 s and 30 s.

    python benchmarks/ingest.py [--genome chromosome.fa.gz] [--windows 100000]
    NUMBA_CACHE_DIR=$(mktemp -d) python benchmarks/ingest.py      compilation of everything included

Windows of 1000 letters lie anywhere on the genome, in two BED files, and become a whole dataset folder split
by fraction. Without --genome, a chromosome of 30 million letters is drawn. Hits of 50 motifs are looked for
in 10,000 sequences of 200 letters on both strands, p-values up to 1e-4. First is the first call of the
process, which loads or compiles the scanner; again is the next.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from seqgra.alphabet import DNA
from seqgra.grammar.fasta import Encoder
from seqgra.grammar.motifs import read_motifs
from seqgra.ingest import ingest
from seqgra.ingest.genome import open_genome
from seqgra.law.scan import best_hits, find_hits
from seqgra.stages.ingest import Recipe

MOTIFS = Path(__file__).parents[1] / "grammars" / "motifs" / "homer.meme"
WIDTH, LINE, LETTERS = 1000, 60, 30_000_000


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of a call, its child threads included."""
    started = time.process_time()
    work()
    return time.process_time() - started


def drawn_genome(folder: Path) -> Path:
    """Write a chromosome of uniform letters."""
    letters = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, LETTERS)]
    lines = letters.reshape(-1, LINE)
    rows = np.hstack([lines, np.full((len(lines), 1), ord("\n"), np.uint8)])
    (folder / "genome.fa").write_bytes(b">chr1\n" + rows.tobytes())
    return folder / "genome.fa"


def write_regions(genome: Path, folder: Path, windows: int) -> list[tuple[str | None, Path]]:
    """Write two BED files of regions that lie anywhere on the first chromosome."""
    with open_genome(genome, Encoder(DNA)) as opened:
        name, length = next(iter(opened.lengths.items()))
    starts, files = np.random.default_rng(1).integers(0, length - WIDTH, windows), []
    for number, label in enumerate("AB"):
        rows = [f"{name}\t{start}\t{start + 300}\n" for start in starts[number::2].tolist()]
        (folder / f"{label}.bed").write_text("".join(rows))
        files.append((label, folder / f"{label}.bed"))
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genome", type=Path)
    parser.add_argument("--windows", type=int, default=100_000)
    options = parser.parse_args()
    known = read_motifs(MOTIFS, DNA.letters)
    matrices = {m.name: np.array(m.matrix) for m in known.values()}
    matrices = dict(list(matrices.items())[:50])
    x = np.random.default_rng(2).integers(0, 4, (10_000, 200)).astype(np.uint8)
    for what in ("first", "again"):
        seconds = cpu_seconds(lambda: best_hits(find_hits(x, matrices, DNA)))
        print(f"hits of {len(matrices)} motifs in 10,000 x 200: {what} {seconds:.2f} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        genome = options.genome or drawn_genome(folder)
        recipe = Recipe(
            peaks=tuple(write_regions(genome, folder, options.windows)),
            genome=genome,
            width=WIDTH,
            task="multi-label",
            merge=1.0,
            split="fraction",
            unknown=1.0,
        )
        seconds = cpu_seconds(lambda: ingest(recipe, folder / "dataset"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{options.windows:,} windows of {WIDTH} letters: {seconds:.2f} s, {peak:.0f} MiB at most"
    )


if __name__ == "__main__":
    main()
