"""Stage fit: dataset -> grammar with its evidence, and the check of its simulated twin."""

from __future__ import annotations

from pydantic import Field

from seqgra.stages import FIGURE, Input, Stage
from seqgra.stages.options import File, Natural
from seqgra.yamlfile import Strict


class Options(Strict):
    """Options of ``seqgra fit``."""

    motifs: File | None = Field(
        None,
        description="look for all motifs of this file [the elements that the dataset names]",
    )
    grammar: File | None = Field(
        None, description="only check the twin of this grammar, such as an edited grammar.yaml"
    )
    p_value: float = Field(5e-4, description="of a motif hit, at most")
    order: Natural | None = Field(
        None,
        description="order of the background Markov chain, 0 to 6 [chosen by validation likelihood, at "
        "most 3]",
    )
    scaled: bool = Field(
        True,
        description="leave motifs as estimated, however hard the twin is",
        json_schema_extra={"flag": "--no-scaling"},
    )
    seed: Natural = Field(0, description="of all that is sampled")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

STAGE = Stage(
    "fit",
    version=7,
    files=r"grammar\.yaml|motifs\.(meme|csv)|fit\.txt|(pairs|twin|spectra)\.csv|window\.tsv"
    rf"|position-[^/\0]+-\d+\.tsv|(strength|copies|positions|pairs|twin|spectra){FIGURE}",
    makes="FOLDER",
    example="seqgra fit data/sox2 -o fitted/sox2 && seqgra check fitted/sox2/grammar.yaml",
    run="seqgra.fit:fit",
    options=Options,
    inputs=(Input("dataset", "folder made by seqgra ingest or simulate"),),
)
