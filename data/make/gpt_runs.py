"""Make data/gpt_runs.tsv, the training runs that notebook 06 shows, three seeds of each.

    python data/make/gpt_runs.py

The functions are those of the notebook, as they stand there. Five experiments:
- "sweep, 20 s": a GPT and an LSTM of equal size get 20 seconds, for each of three sizes of batch
  and four learning rates; one seed. What an update costs is measured for each size of batch, by
  the clock, so the machine should do nothing else meanwhile;
- "race, 20 s": both with the batch and the rate that were best for each on the validation poems;
- "positions": the token three places back, within and beyond the training length;
- "parts": GPT-2's block with parts exchanged;
- "assistant": a GPT that continues poems, fine-tuned on couplets, then moved by preferences.
About 30 minutes on two quiet cores. Kill it at any time: runs that are in the file are not made
again.
"""

import sys
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

OUTPUT = ROOT / "data" / "gpt_runs.tsv"
SECONDS = 20
BATCHES = {"GPT": (256, 512, 1_024), "LSTM": (384, 768, 1_536)}  # characters
RATES = {"GPT": (6e-4, 1.25e-3, 2.5e-3, 5e-3), "LSTM": (5e-3, 1e-2, 2e-2, 4e-2)}
SEEDS = range(3)
CONSTANTS = """
layers SIZES SIZE poems rows characters V data rare_kinds FOUR_BY_FIVE EIGHT_BY_FIVE held_out
ASKED LINE MARKS pairs questions real_rows SOUND MOUNTAIN QUESTION_ENDS ANSWER_ENDS
KINDS BACK TRAINED LONGER CHANGES ANSWER FIFTH
"""
# The rule, the tokens that the loss sees, and how the run differs from plain DPO besides.
PREFERENCES = {
    "DPO, the question": ("the question", "ANSWER", {}),
    "DPO, the question, both": ("the question", "FIFTH", {"anchor": 0.01}),
    "DPO, 山": ("山", "ANSWER", {}),
    "DPO, 山, small steps": ("山", "ANSWER", {"rate": 1e-4}),
    "DPO, 山, fifth alone": ("山", "FIFTH", {}),
    "DPO, 山, anchored": ("山", "ANSWER", {"anchor": 0.01}),
    "DPO, 山, both": ("山", "FIFTH", {"anchor": 0.01}),
    "the chosen alone": ("山", "ANSWER", {"anchor": 0.01, "beta": 0.0}),  # no DPO at all
}


def main() -> None:
    from helpers.gpu import setup

    print(setup(seed=0))

    import keras
    import numpy as np
    import pandas as pd
    from notebook_functions import notebook_names
    from recording import record

    from helpers import poems as tang

    notebook = notebook_names("06_gpt_from_scratch", set(CONSTANTS.split()))
    makers = {"GPT": notebook.new_gpt, "LSTM": notebook.new_lstm}

    @cache
    def affordable(name: str, characters: int) -> int:
        """How many updates the seconds pay for."""

        def seconds(updates: int) -> float:
            start = time.perf_counter()
            notebook.train(makers[name](0), updates, 1e-3, characters, show=False)
            return time.perf_counter() - start

        cost = np.median([(seconds(124) - seconds(4)) / 120 for _ in range(3)])
        print(f"{name}, {characters} characters: {1_000 * cost:.1f} ms an update", flush=True)
        return round(SECONDS / cost)

    def sweep(contender: str, seed: int) -> dict:
        name, characters, rate = contender.split(", ")
        model, updates = makers[name](seed), affordable(name, int(characters))
        notebook.train(model, updates, float(rate), int(characters), show=False)
        return {"updates": updates, "bits": notebook.bits(model, "validation")}

    def race(contender: str, seed: int) -> dict:
        runs = pd.read_csv(OUTPUT, sep="\t")
        runs = runs[(runs.experiment == swept) & runs.contender.str.startswith(contender)]
        runs = runs.pivot(index="contender", columns="measure", values="value")
        best = runs.bits.idxmin()
        _, characters, rate = best.split(", ")
        model, updates = makers[contender](seed), int(runs.updates[best])
        notebook.train(model, updates, float(rate), int(characters), show=False)
        poems = notebook.data["test"][notebook.FOUR_BY_FIVE]
        rhyme, chance = tang.rhyme_probability(poems, model, notebook.characters)
        found = dict(updates=updates, parameters=model.count_params(), bits=notebook.bits(model))
        found |= dict(characters=updates * int(characters), rate=float(rate))
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
        notebook.train_poet(model, show=False)
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
        new_pairs = notebook.preferences(model, "山", part="validation", n=400)
        if contender in PREFERENCES:
            rule, counted, options = PREFERENCES[contender]
            pairs = notebook.preferences(model, rule)
            tuned, _ = notebook.prefer(model, *pairs, getattr(notebook, counted), **options)
            of_rule = notebook.preferences(model, rule, part="validation", n=400)
            loss["loss, new pairs"] = notebook.held_out_loss(tuned, model, *of_rule)
            model = tuned
        _, report = notebook.report(model)
        return report | notebook.price(model, *new_pairs) | loss

    swept = f"sweep, {SECONDS} s"
    settings = [f"{name}, {n}, {rate:g}" for name in makers for n in BATCHES[name]
                for rate in RATES[name]]  # fmt: skip
    experiments = {
        swept: (sweep, settings),
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
        for seed in (SEEDS[:1] if experiment == swept else SEEDS)
        for contender in contenders
    ]
    record(OUTPUT, ["experiment", "contender", "seed"], wanted, run, "%.6g")


if __name__ == "__main__":
    main()
