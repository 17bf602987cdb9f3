"""The service as a Space runs it, without Docker: `python spaces/app.py`, with the arguments of `cdts serve`.

What the preset chooses and what it leaves to the environment is in docs/deploy.md.
"""

from __future__ import annotations

import os
import sys

os.environ.setdefault("HF_SPACE", "true")

try:
    from crypto_dt_source.cli.main import main
except ModuleNotFoundError as error:
    sys.exit(f"{error}; install it first, from the project's root: pip install -r spaces/requirements.txt")

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))
