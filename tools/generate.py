"""Write every committed file that is made from the declarations of stages, options and keys.

python tools/generate.py           docs/commands.md, the keys of config/README.md, seqgra/schemas/*.json
python tools/generate.py --check   only name those that are not what would be written; exit code 1 if any is
"""

from __future__ import annotations

import sys
from pathlib import Path

import schemas
import tables


def main() -> int:
    """Write the files that differ, or only name them."""
    check = "--check" in sys.argv
    made = {**tables.files(), **schemas.files()}
    differing = [f for f, text in made.items() if not f.exists() or f.read_text() != text]
    for file in differing:
        print(file.relative_to(Path(__file__).parents[1]))
        if not check:
            file.write_text(made[file])
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
