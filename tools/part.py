"""A part of a grid, for one sitting: a copy of its config with some of its architectures or grammars.

python tools/part.py CONFIG --architectures NAME... --grammars NAME...     write it, and print where it is

An architecture that the config does not name is added with the settings of its file; the exact posterior,
`bayes-optimal`, stays. The results go to the folder of the whole grid, and `tools/ladder.py` and
`tools/paper.py keep` take them in beside what is kept of the others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from seqgra.errors import InputError, bad_input
from seqgra.grid.config import entries
from seqgra.yamlfile import read_yaml

CEILING = "bayes-optimal"


def part(file: Path, architectures: list[str], grammars: list[str]) -> dict[str, Any]:
    """Return the config of some of a grid's architectures and grammars; none named: all of them.

    Raises
    ------
    InputError
        If the config cannot be read, or the grid has no grammar of a name.
    """
    kept = read_yaml(file)
    own = {kind: entries(kept[kind]) for kind in ("architectures", "grammars")}
    if foreign := [name for name in grammars if name not in own["grammars"]]:
        message = f"has no grammar {foreign[0]!r}; it has {', '.join(own['grammars'])}"
        raise bad_input(file, "", message)
    if architectures:
        wanted = dict.fromkeys([CEILING] * (CEILING in own["architectures"]) + architectures)
        kept["architectures"] = {name: own["architectures"].get(name, {}) for name in wanted}
    if grammars:
        kept["grammars"] = {name: own["grammars"][name] for name in grammars}
    return kept


def main() -> None:
    """Write the part that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("config", type=Path)
    for kind in ("--architectures", "--grammars"):
        parser.add_argument(kind, nargs="*", default=[], metavar="NAME")
    chosen = parser.parse_args()
    try:
        kept = part(chosen.config, chosen.architectures, chosen.grammars)
    except InputError as error:
        sys.exit(str(error))
    to = Path("results/parts") / chosen.config.name
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(yaml.safe_dump(kept, sort_keys=False))
    print(to)


if __name__ == "__main__":
    main()
