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

    import pandas as pd
    from notebook_functions import notebook_names

    notebook = notebook_names("06_gpt_from_scratch", set(CONSTANTS.split()))
    columns = ["role", "width", "asked", "seed", "parameters", "tokens", "loss"]
    runs = pd.read_csv(OUTPUT, sep="\t") if OUTPUT.exists() else pd.DataFrame(columns=columns)
    done = {tuple(key) for key in runs[["width", "asked", "seed"]].values}
    wanted = [("grid", width, tokens, 0) for tokens in TOKENS for width in WIDTHS]
    wanted += [("larger", *LARGER, 0)]
    for role, width, tokens, seed in wanted:
        if (width, tokens, seed) in done:
            continue
        row = [role, width, tokens, seed, *notebook.grid_point(width, tokens, seed)]
        runs = pd.concat([runs, pd.DataFrame([row], columns=columns)], ignore_index=True)
        runs = runs.astype({name: int for name in columns[1:-1]})
        runs.to_csv(OUTPUT, sep="\t", index=False, lineterminator="\n", float_format="%.6g")
        print(*row, flush=True)


if __name__ == "__main__":
    main()
