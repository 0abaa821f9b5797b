"""Make data/scaling_runs.tsv, the grid of small GPTs that notebook 06 fits a scaling law to.

    python data/make/scaling_runs.py

Each width with each number of training tokens, and one larger model on more text, which the law
has to forecast; three seeds of each. The functions are those of notebook 06, as they stand there.
About 30 minutes on two quiet cores. Kill it at any time: runs that are in the file are not made
again.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

OUTPUT = ROOT / "data" / "scaling_runs.tsv"
WIDTHS = [16, 32, 64, 128]
TOKENS = [200_000, 400_000, 800_000]
LARGER = (192, 1_500_000)
SEEDS = range(3)
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

    wanted = []
    for seed in SEEDS:
        wanted += [("grid", width, tokens, seed) for tokens in TOKENS for width in WIDTHS]
        wanted += [("larger", *LARGER, seed)]
    record(OUTPUT, ["role", "width", "asked", "seed"], wanted, run, "%.10g")


if __name__ == "__main__":
    main()
