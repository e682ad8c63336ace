"""Stage export: dataset -> files for other tools."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seqgra.stages import Input, Stage
from seqgra.stages.options import Count, Sets
from seqgra.yamlfile import Strict


class Options(Strict):
    """Options of ``seqgra export``."""

    format: Literal["tsv", "fasta-bed", "parquet"] = Field(
        description="tsv: the published system's two files a set"
    )
    sets: Sets = Field((), description="which sets, such as training,test [all it has]")
    examples: Count | None = Field(None, description="the first so many examples of each set [all]")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()  # type: ignore[call-arg]

STAGE = Stage(
    "export",
    version=2,
    files=r"(training|validation|test)((-annotation)?\.txt|\.(fa|bed)|(-elements)?\.parquet)",
    makes="FOLDER",
    example="seqgra export data/homer -o homer-tsv --format tsv",
    run="seqgra.export:export",
    options=Options,
    inputs=(Input("dataset", "folder made by seqgra simulate"),),
)
