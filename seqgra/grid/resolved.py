"""Fingerprints of what a grid's grammars, architectures and datasets were resolved to when it was read.

They stand in the batch files, so that an edited or replaced file is another batch, and a job that finds
something else than was read when the workflow began says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property

from seqgra.architecture.load import architecture_fingerprint
from seqgra.architecture.schema import Architecture
from seqgra.digest import digest
from seqgra.errors import Problem, raise_problems
from seqgra.grammar.load import grammar_fingerprint, resolve
from seqgra.grid.sources import Real, Source
from seqgra.grid.variants import grammar_content
from seqgra.markers import CHANGED


class Resolved:
    """The fingerprints of a grid's inputs, each computed once."""

    def __init__(
        self,
        file: str,
        sources: Mapping[str, Source],
        architectures: Mapping[str, Architecture],
    ) -> None:
        self._file, self._sources, self._architectures = file, sources, architectures
        self.source, self.architecture = cache(self._source), cache(self._architecture)

    def _source(self, name: str) -> str:
        """Return the fingerprint of a real dataset, or of a grammar as the file to simulate from holds it."""
        source = self._sources[name]
        if isinstance(source, Real):
            return source.dataset.fingerprint
        if not source.changes:
            return grammar_fingerprint(source.grammar)
        content = grammar_content(source.grammar)
        return grammar_fingerprint(resolve(content, source.file, source.file.parent))

    def _architecture(self, name: str) -> str:
        """Return the fingerprint of all that the files of an architecture say, candidates included."""
        return architecture_fingerprint(self._architectures[name], with_candidates=True)

    @cached_property
    def all(self) -> dict[str, str]:
        """Every fingerprint, by the input's place in the config."""
        found = {
            f"{'grammars' if source.simulated else 'datasets'}.{name}": self.source(name)
            for name, source in self._sources.items()
        }
        for name in self._architectures:  # a digest, as when backends had fingerprints of their own
            found[f"architectures.{name}"] = digest([self.architecture(name)])
        return found

    def require(self, expected: list[str]) -> None:
        """Refuse inputs that have changed; `expected` holds texts ``place=fingerprint``.

        Raises
        ------
        InputError
            Naming each that is not as expected.
        """
        given = (text.rpartition("=") for text in expected)
        other = [place for place, _, value in given if self.all.get(place) != value]
        raise_problems(Problem(self._file, place, CHANGED) for place in other)
