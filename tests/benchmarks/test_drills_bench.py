"""How many mutants of right answers the judge catches, drill by drill, and how fast it judges."""

import statistics
import time

from equivalent_mutants import EQUIVALENT
from mutants import sample

from helpers.drills.judge import find, judge, names

MUTANTS = 200


def test_mutation_score():
    print(f"\n{'drill':28}{'mutants':>8}{'caught':>8}{'equivalent':>12}{'score':>8}")
    all_caught = all_counted = 0
    for name in names():
        drill, known = find(name), EQUIVALENT.get(name, {})
        chosen = sample((drill.reference, *drill.alternatives), MUTANTS, 0, known)
        counted = [mutant for mutant in chosen if mutant.description not in known]
        survivors = [m for m in counted if judge(drill, m.function).status != "wrong"]
        caught = len(counted) - len(survivors)
        print(
            f"{name:28}{len(chosen):8}{caught:8}{len(chosen) - len(counted):12}"
            f"{caught / len(counted):8.1%}"
        )
        for mutant in survivors:
            print(f"    survives: {mutant.description}")
        all_caught, all_counted = all_caught + caught, all_counted + len(counted)
    score = all_caught / all_counted
    print(f"all drills: {all_caught:,} of {all_counted:,} caught, {score:.2%}")
    assert score >= 0.98


def test_time_to_judge_a_right_answer():
    medians = {}
    for name in names():
        drill = find(name)
        judge(drill, drill.reference)  # starts the judge's process, and makes the cases
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            assert judge(drill, drill.reference).status == "right"
            seconds.append(time.perf_counter() - start)
        medians[name] = statistics.median(seconds)
    print("\nseconds to judge the reference, median of 5:")
    for name, seconds in medians.items():
        print(f"{name:28}{seconds:8.3f}")
    middle = statistics.median(medians.values())
    print(f"{'the median drill':28}{middle:8.3f}")
    assert middle < 0.3
