"""Mutants that compute the same as the function that they come from: the drill, the mutant as
`mutants.py` describes it, and why no case can tell the two apart."""

EQUIVALENT: dict[str, dict[str, str]] = {
    "roc_auc": {
        "roc_auc, line 10: `positives * (positives + 1) / 2` → `positives * (positives + 1) // 2`": (
            "the product of two numbers in a row is even"
        ),
    },
}
