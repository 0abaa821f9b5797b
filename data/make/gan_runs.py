"""Make data/gan_runs.tsv, the comparison of generative models that notebook 04 shows.

    python data/make/gan_runs.py

Every contender gets the same seconds of training, with three seeds, and is measured on the way.
The functions are those of the notebook, as they stand there. About 40 minutes; nothing else should
run on the machine, since seconds are what is equal. Kill it at any time: runs that are in the file
are not made again.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

OUTPUT = ROOT / "data" / "gan_runs.tsv"
LOOKS = {"choices": [20], "games": [5, 10, 20, 40]}  # seconds of training after which to measure
SEEDS = range(3)
NAMES = ["experiment", "contender", "seed"]
CONSTANTS = "layers SIZES SIZE train_images train_labels test_images test_labels flat scaled real"
CONSTANTS += " classifier feature_layer ruler real_features real_votes n LATENT"


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    import pandas as pd
    from notebook_functions import notebook_names

    notebook = notebook_names("04_generative_adversarial_networks", set(CONSTANTS.split()))
    runs = pd.read_csv(OUTPUT, sep="\t") if OUTPUT.exists() else pd.DataFrame(columns=NAMES)
    for seed in SEEDS:
        for experiment, looks in LOOKS.items():
            for name, contender in notebook.contenders(experiment).items():
                if [experiment, name, seed] in runs[NAMES].values.tolist():
                    continue
                rows = pd.DataFrame(notebook.look_at(contender, seed, looks))
                rows = rows.rename(columns={"Fréchet distance": "distance"})
                for position, value in enumerate((experiment, name, seed)):
                    rows.insert(position, NAMES[position], value)
                runs = pd.concat([runs, rows], ignore_index=True)
                runs.to_csv(OUTPUT, sep="\t", index=False, lineterminator="\n", float_format="%.5g")
                print(rows.tail(1).to_string(header=False, index=False), flush=True)


if __name__ == "__main__":
    main()
