"""Make data/fine_tuning_runs.tsv, the runs of fine-tuning that notebook 05 shows.

    python data/make/fine_tuning_runs.py

Ten seeds of each recipe on 300 labels; then three seeds of each way to classify on 100 to 10,000.
The functions are those of the notebook, as they stand there. About 40 minutes on two cores. Kill it
at any time: runs that are in the file are not made again.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

OUTPUT = ROOT / "data" / "fine_tuning_runs.tsv"
CONSTANTS = "layers PRESETS PRESET RATE SIZES LOSS encoder tokenizer ENCODER train validation _"
CONSTANTS += " train_ids validation_ids validation_batches pretrained_weights RECIPES EPOCHS WAYS"


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    import keras
    from notebook_functions import notebook_names
    from recording import record

    notebook = notebook_names("05_bert_from_scratch", set(CONSTANTS.split()))

    def run(experiment: str, name: str, labels: int, seed: int) -> list[dict]:
        keras.backend.clear_session()  # or each run's graphs stay in memory
        if experiment == "recipes":
            return [notebook.fine_tune(labels, seed, **notebook.RECIPES[name])]
        return [notebook.classify(name, labels, seed)]

    wanted = [("recipes", name, 300, seed) for seed in range(10) for name in notebook.RECIPES]
    wanted += [
        ("labels", name, labels, seed)
        for seed in range(3)
        for labels in notebook.EPOCHS
        for name in notebook.WAYS
    ]
    record(OUTPUT, ["experiment", "name", "labels", "seed"], wanted, run, "%.4f")


if __name__ == "__main__":
    main()
