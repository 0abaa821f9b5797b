"""Mutants that compute the same as the function that they come from: the drill, the mutant as
`mutants.py` describes it, and why no case can tell the two apart."""

# ruff: noqa: E501  (a description is one string, to be copied from a report)

EQUIVALENT: dict[str, dict[str, str]] = {
    "clip_by_global_norm": {
        "clip_by_global_norm, line 3: `limit / norm if norm > limit else 1.0` → `limit / norm if norm >= limit else 1.0`": "at norm == limit the quotient is 1",
        "by_one_long_vector, line 4: `if norm <= limit:` → `if norm < limit:`": "at norm == limit the arrays are divided by their norm and multiplied by it",
    },
    "precision_recall_f1": {
        "by_a_loop, line 7: `zip(y_true, y_pred, strict=True)` → `zip(y_pred, y_true, strict=True)`": "`t == c == p` is symmetric",
        "by_a_loop, line 19: `1 if average == 'macro' else support` → `2 if average == 'macro' else support`": "equal weights cancel",
        "by_a_matrix, line 3: `np.add.at(matrix, (y_true, y_pred), 1)` → `np.add.at(matrix, (y_true, y_pred), 2)`": "every ratio stays the same",
        "by_a_matrix, line 9: `np.where(p + r == 0, 1, p + r)` → `np.where(p + r == 0, 2, p + r)`": "the numerator is 0 there",
        "precision_recall_f1, line 9: `np.maximum(predicted + support, 1)` → `np.maximum(predicted + support, 2)`": "a class with a hit is predicted and occurs: the sum is 2 at least; without a hit, 0 / 1 = 0 / 2",
    },
    "roc_auc": {
        "roc_auc, line 10: `positives * (positives + 1) / 2` → `positives * (positives + 1) // 2`": "the product of two numbers in a row is even",
    },
    "warmup_cosine": {
        "warmup_cosine, line 4: `step >= total_steps` → `step > total_steps`": "at the end 1 + cos(π) is exactly 0",
    },
}
