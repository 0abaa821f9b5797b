"""Peak memory of notebook 01, beside that of a process which only imports its libraries."""

import resource
import subprocess
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "01_training_pipeline.ipynb"
REPORT = r"""
import re, resource, sys

if sys.platform == "linux":
    status = open("/proc/self/status").read()
    print(int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1e3)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


def peak_of(code: str) -> float:
    """The largest resident memory, in MB, of a new Python that runs `code` in the course's folder.

    It reports itself. On Linux it reads the kernel's own account, since `ru_maxrss` begins there
    with that of the process which started it.
    """
    command = [sys.executable, "-c", code + REPORT]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(result.stdout.split()[-1])


def peak_of_children() -> float:
    """The largest resident memory, in MB, of any process that this one started and that ended."""
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, kilobytes elsewhere


def test_peak_memory_of_the_training_pipeline():
    subprocess.run([sys.executable, "-c", "import keras_hub, sklearn, pandas"], check=True)
    imports = peak_of_children()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, kernel_name="python3", timeout=None, resources=resources).execute()
    peak = peak_of_children()
    print(
        f"\nnotebook 01: {peak:,.0f} MB at its peak, {peak / imports:.1f} times its imports alone"
    )
    assert peak > imports  # else the kernel was not counted
    assert peak < 4_000, "a laptop with 8 GB should do"
