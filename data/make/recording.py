"""Shared by the scripts that record training runs: run what is missing, keep what is there."""

from collections.abc import Callable, Iterable
from pathlib import Path


def record(
    output: Path, names: list[str], wanted: Iterable[tuple], run: Callable, float_format: str
) -> None:
    """Make the runs that `output` lacks, in order, and write it again after each.

    Args:
        output: tab-separated; it need not exist.
        names: the columns whose values together name a run.
        wanted: such values, a tuple for each run.
        run: called as run(*values); gives the other columns of its rows, as a list of dicts.
        float_format: of the numbers in the file, as "%.5g".
    """
    import pandas as pd

    runs = pd.read_csv(output, sep="\t") if output.exists() else pd.DataFrame(columns=names)
    done = set(runs[names].itertuples(index=False, name=None))
    for values in wanted:
        if values in done:
            continue
        key = dict(zip(names, values, strict=True))
        rows = pd.DataFrame([key | row for row in run(*values)])
        runs = pd.concat([runs, rows], ignore_index=True)
        runs.to_csv(output, sep="\t", index=False, lineterminator="\n", float_format=float_format)
        print(rows.tail(1).to_string(header=False, index=False), flush=True)
