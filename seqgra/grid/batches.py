"""What Snakemake's jobs read, written by Python, and which of them have to run: content decides, not time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import yaml

from seqgra import markers
from seqgra.fingerprint import write_atomically
from seqgra.grid import Grid, commands
from seqgra.grid.sources import Simulated
from seqgra.grid.stages import GRID_STAGES, GridStage, PackStage
from seqgra.grid.variants import architecture_text, grammar_text

#: What rounds of planning read.
_PLANNED_BY = "evaluate"


class Job(NamedTuple):
    """A job of Snakemake: `name` is a grammar or dataset, a pack, or the number of a round of planning."""

    stage: str
    name: str = ""


class Batches:
    """The jobs of a grid, and the files that they read and mark their end with.

    Parameters
    ----------
    grid
        As read when the workflow was.
    library
        Folder that also holds grammars/ and architectures/. One that holds the working folder is named
        from there, so that both may be moved together.
    """

    def __init__(self, grid: Grid, library: Path) -> None:
        inside = Path.cwd().is_relative_to(library)
        self._grid = grid
        self._library = Path(os.path.relpath(library)) if inside else library
        self._text = cache(self._compose)
        self._stale: dict[Job, bool] = {}

    def marker(self, job: Job) -> str:
        """Return the file that says that a job is done; its batch file, ``.txt``, lies beside it."""
        top = self._grid.folder
        if job.stage == "compare":
            return str(top / markers.COMPARED)
        if job.stage == "next":
            return str(top / "adaptive" / f"round-{job.name}.done")
        return str(top / "packs" / job.name / f"{job.stage}.done")

    def text(self, job: Job) -> str:
        """Return the text of a job's batch file, as it would be written now."""
        return self._text(job)

    def packs_of(self, number: int | str) -> str:
        """Return the file that names the packs that a round of planning asks for."""
        return str(self._grid.folder / "adaptive" / f"round-{number}.packs")

    @property
    def rounds(self) -> range:
        """The rounds of planning; none in a grid that is not adaptive."""
        return range(self._grid.rounds if self._grid.config.adaptive is not None else 0)

    def earlier(self, job: Job) -> list[str]:
        """Return the markers that a job waits for."""
        return list(markers.earlier("\n".join(self._after(job))))

    def stale(self, job: Job) -> bool:
        """Return whether a job has to run.

        It has where its marker is missing, or was made from another batch or other earlier markers; where a
        file that it reads is not what would be written now; and where an earlier job has to run.
        """
        if job not in self._stale:
            marker = Path(self.marker(job))
            self._stale[job] = (
                not marker.exists()
                or any(self.stale(self.jobs[earlier]) for earlier in self.earlier(job))
                or not markers.made_from(marker, self._text(job))
                or any(_differs(file, text) for file, text in self._files(job))
            )
        return self._stale[job]

    def look_again(self) -> None:
        """Forget what was stale: jobs have run since, as before a round of planning."""
        self._stale.clear()

    def write(self) -> None:
        """Write what all jobs read, where it differs from what is there."""
        for job in self.jobs.values():
            for file, text in self._files(job):
                if _differs(file, text):
                    write_atomically(file, text)

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """All jobs, by their markers."""
        grid = self._grid
        found = [
            Job(stage.name, name) for stage in GRID_STAGES.values() for name in stage.jobs(grid)
        ]
        found += [Job("next", str(number)) for number in self.rounds]
        return {self.marker(job): job for job in [*found, Job("compare")]}

    def _compose(self, job: Job) -> str:
        """Return the text of a job's batch file."""
        if job.stage in ("next", "compare"):
            head = self._lines_of_all(job)
        else:
            head = commands.lines(self._grid, job.stage, job.name)
        return "\n".join([head, *self._after(job), ""])

    def _lines_of_all(self, job: Job) -> str:
        """Return the batch of a job that looks at the whole grid."""
        top = self._grid.folder
        target = str(top) if job.stage == "compare" else self.packs_of(job.name)
        call = ["--grid", str(top / "config.yaml"), "--library", str(self._library), "-o", target]
        for place, fingerprint in self._grid.resolved.all.items():
            call += ["--expect", f"{place}={fingerprint}"]
        config = hashlib.sha256(self._config.encode()).hexdigest()
        return f"# seqgra {job.stage}\n# config.yaml {config}\n{commands.call_text(call)}"

    def _after(self, job: Job) -> Iterator[str]:
        """Yield the lines of a batch that name what its job waits for."""
        if job.stage in ("next", "compare"):
            yield from self._after_all(job)
            return
        for name in GRID_STAGES[job.stage].after:
            earlier = GRID_STAGES[name]
            if earlier.has_job(self._grid, job.name):
                yield markers.after(self.marker(Job(name, earlier.job_of(job.name))))

    def _after_all(self, job: Job) -> Iterator[str]:
        """Yield the same lines for a job that looks at the whole grid: stages that none other waits for."""
        rounds = self.rounds if job.stage == "compare" else self.rounds[: int(job.name)]
        if rounds:
            yield markers.after(self.marker(Job("next", str(rounds[-1]))))
        waited_for = {name for stage in GRID_STAGES.values() for name in stage.after}
        for name, stage in GRID_STAGES.items():
            if name in waited_for or (job.stage == "next" and name != _PLANNED_BY):
                continue
            packs = stage.jobs(self._grid)
            if rounds and isinstance(stage, PackStage) and len(packs) == len(self._grid.packs):
                yield markers.after(self.marker(Job(name, "*")), self.packs_of(rounds[-1]))
            elif job.stage == "compare":  # an adaptive grid always runs the largest size
                yield from (markers.after(self.marker(Job(name, pack))) for pack in packs)

    def _files(self, job: Job) -> Iterator[tuple[Path, str]]:
        """Yield the files that are written for a job, and their texts: its batch; a variant or the config."""
        yield Path(self.marker(job)).with_suffix(".txt"), self._text(job)
        if job.stage == "compare":
            yield self._grid.folder / "config.yaml", self._config
        elif job.stage != "next":
            yield from self._variants(GRID_STAGES[job.stage], job.name)

    def _variants(self, stage: GridStage, name: str) -> Iterator[tuple[Path, str]]:
        """Yield the files of variants that a job of a stage reads, and their texts."""
        if stage.takes("grammar"):
            source = self._grid.sources[name]
            if isinstance(source, Simulated) and source.changes:
                yield source.file, grammar_text(source.grammar)
        if stage.takes("architecture"):
            architecture = name.split("/")[1]
            if self._grid.config.architectures[architecture]:
                file = Path(self._grid.architecture_file(architecture))
                yield file, architecture_text(self._grid.architectures[architecture])

    @cached_property
    def _config(self) -> str:
        return yaml.safe_dump(self._grid.content, sort_keys=False, allow_unicode=True, width=100)


def _differs(file: Path, text: str) -> bool:
    try:
        return file.read_bytes() != text.encode()
    except OSError:
        return True
