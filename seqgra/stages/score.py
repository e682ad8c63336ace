"""Stage score: dataset and another program's predictions -> scores, a row of a comparison."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seqgra.stages import Input, Stage
from seqgra.stages.options import Count, File, Natural, Written
from seqgra.yamlfile import Strict


class Options(Strict):
    """Options of ``seqgra score``."""

    predictions: File = Field(
        description="of the first test examples: .npy, a number a condition; or .tsv, a column a condition "
        "and perhaps one `example` (rows of the test set, from 0); one `name`, as seqgra predict writes, "
        "is not read"
    )
    values: Literal["logits", "probabilities"] = Field(
        description="what they are: probabilities, or logits, whose softmax (of labels sigmoid) are"
    )
    name: Annotated[str, Written(str, "NAME")] = Field(
        description="what tables and figures call the program"
    )
    size: Count = Field(description="dataset size that it was trained on, validation included")
    data_seed: Natural = Field(0, description="data seed of what it was trained on")
    model_seed: Natural = Field(0, description="its own seed")
    set_size: Count | None = Field(None, description="use the first so many test examples [all]")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()  # type: ignore[call-arg]

STAGE = Stage(
    "score",
    version=2,
    files=r"scores\.json|curves\.parquet|predictions\.npy",
    makes="SCORES",
    example="seqgra score data/homer --predictions gkmsvm.tsv --values logits --name gkm-svm \\\n"
    "             --size 10000 --data-seed 1 -o scored/gkm-svm",
    run="seqgra.evaluate.foreign:score",
    options=Options,
    inputs=(Input("dataset", "folder with the test set that was predicted", in_cells="test"),),
)
