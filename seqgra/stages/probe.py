"""Stage probe: model and constructed sequences -> which rules it learnt."""

from __future__ import annotations

from pydantic import Field

from seqgra.stages import Input, Stage
from seqgra.stages.evaluate import MODEL
from seqgra.stages.options import Device, Natural


class Options(Device):
    """Options of ``seqgra probe``."""

    seed: Natural = Field(0, description="of the sequences, where a grammar is given")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

STAGE = Stage(
    "probe",
    version=5,
    files=r"probes\.csv",
    makes="PROBES",
    example="seqgra probe models/a constructed/order -o probes/a",
    run="seqgra.probe:probe_folder",
    options=Options,
    inputs=(
        MODEL,
        Input(
            "constructed",
            "folder made by seqgra construct; or a grammar, a YAML file or a name in grammars/; or the "
            "dataset that the model was trained on, if seqgra simulate made it",
            "folder or grammar",
        ),
    ),
    custom_code=True,
)
