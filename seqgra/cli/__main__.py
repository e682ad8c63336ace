"""``python -m seqgra.cli``: the command line."""

import sys

from seqgra.cli import main

sys.exit(main())
