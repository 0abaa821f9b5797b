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

    from notebook_functions import notebook_names
    from recording import record

    notebook = notebook_names("04_generative_adversarial_networks", set(CONSTANTS.split()))
    contenders = {experiment: notebook.contenders(experiment) for experiment in LOOKS}

    def run(experiment: str, name: str, seed: int) -> list[dict]:
        looks = notebook.look_at(contenders[experiment][name], seed, LOOKS[experiment])
        return [
            {
                "distance" if column == "Fréchet distance" else column: v
                for column, v in look.items()
            }
            for look in looks
        ]

    wanted = [(kind, name, seed) for seed in SEEDS for kind in LOOKS for name in contenders[kind]]
    record(OUTPUT, NAMES, wanted, run, "%.5g")


if __name__ == "__main__":
    main()
