"""Make data/distillation_runs.tsv, the students that notebook 08 compares, three seeds of each.

    python data/make/distillation_runs.py

The functions are those of the notebook, as they stand there. About three minutes on two cores. Kill
it at any time: runs that are in the file are not made again.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

OUTPUT = ROOT / "data" / "distillation_runs.tsv"
CONSTANTS = "model tokenizer train validation test WAYS TEMPERATURE PEAK lessons lesson_ids"


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    from notebook_functions import notebook_names
    from recording import record

    from helpers.text import tokenize

    notebook = notebook_names("08_serving_and_costs", {*CONSTANTS.split(), "lesson_logits"})
    ids = tokenize(notebook.validation.text, notebook.tokenizer)
    labels = notebook.validation.label.to_numpy()
    teacher_logits = notebook.logits_of(notebook.model, ids)

    def run(way: str, seed: int) -> list[dict]:
        student = notebook.train_student(way, seed)
        return [notebook.quality(notebook.logits_of(student, ids), labels, teacher_logits)]

    wanted = [(way, seed) for seed in range(3) for way in notebook.WAYS]
    record(OUTPUT, ["way", "seed"], wanted, run, "%.4f")


if __name__ == "__main__":
    main()
