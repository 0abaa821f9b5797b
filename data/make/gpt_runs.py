"""Make data/gpt_runs.tsv, the training runs that notebook 06 shows, three seeds of each.

    python data/make/gpt_runs.py

The functions are those of the notebook, as they stand there. Four experiments:
- "race, 20 s": a GPT and an LSTM of equal size get equal seconds of two processors. What an update
  costs is measured in processor time, once for each, so that it hardly matters what else the
  machine does;
- "positions": the token three places back, within and beyond the training length;
- "parts": GPT-2's block with parts exchanged;
- "assistant": a GPT that continues poems, fine-tuned on couplets, then moved by preferences.
About 15 minutes on two quiet cores. Kill it at any time: runs that are in the file are not made
again.
"""

import sys
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

OUTPUT = ROOT / "data" / "gpt_runs.tsv"
# The learning rate and the characters in a batch; each the better of a few that were tried.
TRAINING = {"GPT": (3e-3, 512), "LSTM": (1e-2, 1_536)}
SECONDS = 20
SEEDS = range(3)
CONSTANTS = """
layers SIZES SIZE poems rows characters V data rare_kinds FOUR_BY_FIVE EIGHT_BY_FIVE held_out
ASKED LINE MARKS pairs questions real_rows SOUND MOUNTAIN QUESTION_ENDS ANSWER_ENDS
KINDS BACK TRAINED LONGER CHANGES ANSWER FIFTH
"""
# The rule, the tokens that the loss sees, and the weight of the ordinary loss beside it.
PREFERENCES = {
    "DPO, the question": ("the question", "ANSWER", 0.0),
    "DPO, 山": ("山", "ANSWER", 0.0),
    "DPO, 山, fifth alone": ("山", "FIFTH", 0.0),
    "DPO, 山, anchored": ("山", "ANSWER", 0.01),
    "DPO, 山, both": ("山", "FIFTH", 0.01),
    "DPO, the question, both": ("the question", "FIFTH", 0.01),
}


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    import keras
    import pandas as pd
    from notebook_functions import notebook_names
    from recording import record

    from helpers import poems as tang

    notebook = notebook_names("06_gpt_from_scratch", set(CONSTANTS.split()))
    makers = {"GPT": notebook.new_gpt, "LSTM": notebook.new_lstm}
    recorded = pd.read_csv(OUTPUT, sep="\t") if OUTPUT.exists() else pd.DataFrame()
    costs = {  # of an update, in processor seconds; found again in an unfinished file
        row.contender: 2 * SECONDS / row.value
        for row in recorded.itertuples()
        if row.measure == "updates"
    }

    def processor_seconds(contender: str, updates: int) -> float:
        start = time.process_time()
        notebook.train(makers[contender](0), updates, *TRAINING[contender], show=False)
        return time.process_time() - start

    def race(contender: str, seed: int) -> dict:
        if contender not in costs:
            few, more = (processor_seconds(contender, n) for n in (4, 34))
            costs[contender] = (more - few) / 30
            print(f"{contender}: {costs[contender]:.3f} processor seconds an update", flush=True)
        updates = round(2 * SECONDS / costs[contender])
        model = makers[contender](seed)
        notebook.train(model, updates, *TRAINING[contender], show=False)
        poems = notebook.data["test"][notebook.FOUR_BY_FIVE]
        rhyme, chance = tang.rhyme_probability(poems, model, notebook.characters)
        found = dict(updates=updates, parameters=model.count_params(), bits=notebook.bits(model))
        return found | dict(rhyme=rhyme, chance=chance)

    def positions(contender: str, seed: int) -> dict:
        shares = notebook.look_back_accuracy(contender, seed)
        return dict(zip(("within", "beyond"), notebook.within_and_beyond(shares), strict=True))

    def parts(contender: str, seed: int) -> dict:
        keras.utils.set_random_seed(seed)
        return {"bits": notebook.bits_after_120(notebook.small_poet(**notebook.CHANGES[contender]))}

    @cache
    def base(seed: int):
        model = notebook.new_gpt(seed)
        notebook.train(model, notebook.SIZE["updates"], 3e-3, show=False)
        return model

    @cache
    def fine_tuned(seed: int):
        return notebook.fine_tune(base(seed))

    def assistant(contender: str, seed: int) -> dict:
        model, loss = fine_tuned(seed), {}
        if contender == "base":
            questions, rows = notebook.questions.copy(), notebook.real_rows.copy()
            questions[:, 0] = rows[:, 0] = notebook.FOUR_BY_FIVE  # the start of a poem
            form = notebook.keeps_the_form(notebook.answer(base(seed), questions)).mean()
            return {"form": form} | notebook.bits_by_place(base(seed), rows)
        if contender in PREFERENCES:
            rule, counted, anchor = PREFERENCES[contender]
            pairs = notebook.preferences(model, rule)
            new_pairs = notebook.preferences(model, rule, part="validation", n=400)
            tuned, _ = notebook.prefer(model, *pairs, getattr(notebook, counted), anchor)
            loss["loss, new pairs"] = notebook.held_out_loss(tuned, model, *new_pairs)
            model = tuned
        _, report = notebook.report(model)
        return report | notebook.price(model) | loss

    experiments = {
        f"race, {SECONDS} s": (race, makers),
        "positions": (positions, ("none", "sinusoidal", "learned", "rotary")),
        "parts": (parts, notebook.CHANGES),
        "assistant": (assistant, ("base", "fine-tuned", *PREFERENCES)),
    }

    def run(experiment: str, contender: str, seed: int) -> list[dict]:
        found = experiments[experiment][0](contender, seed)
        return [dict(measure=measure, value=float(value)) for measure, value in found.items()]

    wanted = [
        (experiment, contender, seed)
        for experiment, (_, contenders) in experiments.items()
        for seed in SEEDS
        for contender in contenders
    ]
    record(OUTPUT, ["experiment", "contender", "seed"], wanted, run, "%.6g")


if __name__ == "__main__":
    main()
