"""Make data/scaling_runs.tsv, the grid of small GPTs that notebook 06 fits a scaling law to.

    python data/make/scaling_runs.py

Each width with each number of training tokens, and one larger model on more text, which the law
has to forecast. The functions are those of notebook 06, as they stand there. About 6 minutes on two
quiet cores. Kill it at any time: runs that are in the file are not made again.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

OUTPUT = ROOT / "data" / "scaling_runs.tsv"
WIDTHS = [16, 32, 64]
TOKENS = [50_000, 100_000, 200_000]
LARGER = (128, 300_000)
CONSTANTS = "layers SIZES SIZE poems rows characters V data rare_kinds"


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    from notebook_functions import notebook_names
    from recording import record

    notebook = notebook_names("06_gpt_from_scratch", set(CONSTANTS.split()))

    def run(role: str, width: int, tokens: int, seed: int) -> list[dict]:
        found = notebook.grid_point(width, tokens, seed)
        return [dict(zip(("parameters", "tokens", "loss"), found, strict=True))]

    wanted = [("grid", width, tokens, 0) for tokens in TOKENS for width in WIDTHS]
    wanted += [("larger", *LARGER, 0)]
    record(OUTPUT, ["role", "width", "asked", "seed"], wanted, run, "%.6g")


if __name__ == "__main__":
    main()
