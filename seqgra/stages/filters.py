"""Stage filters: model and dataset -> motifs of first-layer filters."""

from __future__ import annotations

from pydantic import Field

from seqgra.stages import FIGURE, Stage
from seqgra.stages.evaluate import MODEL, TESTED
from seqgra.stages.options import Count, Device, File

#: Where known motifs come from: the grammar, or a file.
ELEMENTS, DATABASE = "elements", "database"


class Options(Device):
    """Options of ``seqgra filters``."""

    motifs: File | None = Field(None, description="a motif file to compare with too")
    examples: Count = Field(2000, description="test examples scanned, at most")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

STAGE = Stage(
    "filters",
    version=2,
    files=rf"filters\.(meme|csv)|motifs\.csv|filters{FIGURE}",
    makes="FOLDER",
    example="seqgra filters models/a data/homer -o filters/a --motifs jaspar.meme",
    run="seqgra.filters:filters",
    options=Options,
    inputs=(MODEL, TESTED),
    custom_code=True,
)
