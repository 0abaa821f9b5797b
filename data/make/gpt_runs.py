"""Make data/gpt_runs.tsv, the training runs on Tang poems that notebook 06 shows.

    python data/make/gpt_runs.py

A GPT and an LSTM of equal size get equal seconds of two processors, three seeds each. What an
update costs is measured in processor time, once for each, so that it hardly matters what else the
machine does. The functions are those of the notebook, as they stand there. About 4 minutes on two
quiet cores. Kill it at any time: runs that are in the file are not made again.
"""

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

OUTPUT = ROOT / "data" / "gpt_runs.tsv"
# The learning rate and the characters in a batch; each the better of a few that were tried.
TRAINING = {"GPT": (3e-3, 512), "LSTM": (1e-2, 1_536)}
SECONDS = 20
SEEDS = range(3)
CONSTANTS = "layers SIZES SIZE poems rows characters V data rare_kinds sounds"


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    import pandas as pd
    from notebook_functions import notebook_names
    from recording import record

    notebook = notebook_names("06_gpt_from_scratch", set(CONSTANTS.split()))
    makers = {"GPT": notebook.new_gpt, "LSTM": notebook.new_lstm}
    recorded = pd.read_csv(OUTPUT, sep="\t") if OUTPUT.exists() else pd.DataFrame()
    costs = {  # of an update, in processor seconds; found again in an unfinished file
        row.contender: 2 * SECONDS / row.updates for row in recorded.itertuples()
    }

    def processor_seconds(contender: str, updates: int) -> float:
        start = time.process_time()
        notebook.train(makers[contender](0), updates, *TRAINING[contender], show=False)
        return time.process_time() - start

    def run(experiment: str, contender: str, seed: int) -> list[dict]:
        if contender not in costs:
            few, more = (processor_seconds(contender, n) for n in (4, 34))
            costs[contender] = (more - few) / 30
            print(f"{contender}: {costs[contender]:.3f} processor seconds an update", flush=True)
        updates = round(2 * SECONDS / costs[contender])
        model = makers[contender](seed)
        notebook.train(model, updates, *TRAINING[contender], show=False)
        rhyme, chance = notebook.rhyme(model)
        row = dict(updates=updates, parameters=model.count_params(), bits=notebook.bits(model))
        return [row | dict(rhyme=rhyme, chance=chance)]

    wanted = [(f"race, {SECONDS} s", contender, seed) for seed in SEEDS for contender in makers]
    record(OUTPUT, ["experiment", "contender", "seed"], wanted, run, "%.5g")


if __name__ == "__main__":
    main()
