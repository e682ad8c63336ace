"""Stage evaluate: model and dataset -> scores."""

from __future__ import annotations

from pydantic import Field

from seqgra.stages import Input, Stage
from seqgra.stages.options import Count, Device

#: Arguments of the stages that look at a trained model.
MODEL, TESTED = (
    Input("model", "folder made by seqgra train"),
    Input("dataset", "folder with a test set", in_cells="test"),
)


class Tested(Device):
    """What stages over a test set share."""

    set_size: Count | None = Field(None, description="use the first so many test examples [all]")


class Options(Tested):
    """Options of ``seqgra evaluate``."""


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

STAGE = Stage(
    "evaluate",
    version=6,
    files=r"scores\.json|curves\.parquet|predictions\.npy",
    makes="SCORES",
    example="seqgra evaluate models/a data/homer -o scores/a",
    run="seqgra.evaluate:evaluate",
    options=Options,
    inputs=(MODEL, TESTED),
    custom_code=True,
)
