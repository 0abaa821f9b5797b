"""Find drills by name, and have answers judged in a process of their own."""

import atexit
import difflib
import importlib
import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import cloudpickle

from helpers.drills.sandbox import numpy_functions, replaced
from helpers.drills.spec import Drill
from helpers.drills.verdict import Verdict

SECONDS = 180  # after which the judge's process is given up: far beyond every drill's own limits

_NUMPY = numpy_functions()


def names() -> list[str]:
    """All drills, in alphabetical order."""
    return list(_modules())


def find(name: str) -> Drill:
    """A drill by its name.

    Raises:
        ValueError: there is none of that name; the message has the nearest.
    """
    modules = _modules()
    if name not in modules:
        near = difflib.get_close_matches(str(name), modules, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(modules)}"
        raise ValueError(f"name is {name!r}: there is no such drill; {hint}")
    return importlib.import_module(modules[name]).DRILL


@cache
def _modules() -> dict[str, str]:
    """Each drill's module by its name, in alphabetical order: the files are the only register."""
    files = sorted(Path(__file__).parent.glob("*/[!_]*.py"), key=lambda file: file.stem)
    return {file.stem: f"{__package__}.{file.parent.name}.{file.stem}" for file in files}


def judge(drill: str | Drill, answer: Callable) -> Verdict:
    """Judge an answer, without keeping a record of it.

    Args:
        drill: a drill, or its name.
        answer: a function. It runs in another process, on copies of everything.

    Raises:
        TypeError: answer is not a function.
        ValueError: there is no such drill.
        RuntimeError: the judge itself failed.
    """
    if isinstance(drill, str):
        drill = find(drill)
    if not inspect.isfunction(inspect.unwrap(answer)):
        raise TypeError(f"answer is {type(answer).__name__}: it should be a Python function")
    try:
        parcel = cloudpickle.dumps((drill, answer))
    except Exception as error:
        message = f"The answer uses something of the notebook that cannot be copied: {error}."
        return Verdict(drill.name, "wrong", message)
    verdict = _server.ask(pickle.dumps((os.getcwd(), sys.path, drill.name, parcel)))
    if isinstance(verdict, str):
        raise RuntimeError(f"the judge failed on {drill.name}:\n{verdict}")
    if name := replaced(_NUMPY):
        remark = (
            f"This notebook has replaced `{name}`; the judge ran NumPy's own. Restart the kernel."
        )
        verdict.remarks.append(remark)
    return verdict


class _Server:
    """The judge's process: started when first needed, again when it has ended."""

    process: subprocess.Popen | None = None
    pipe: Connection | None = None

    def ask(self, request: bytes) -> Verdict | str:
        try:
            if self.process is None or self.process.poll() is not None:
                self.start()
            self.pipe.send_bytes(request)
            if not self.pipe.poll(SECONDS):
                self.stop()
                return f"no verdict within {SECONDS} s"
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            self.stop()
            return f"its process ended ({type(error).__name__}); the next try starts a new one"
        except BaseException:  # an interrupt, or an alarm of the notebook's own
            # A verdict that comes later must not answer the next question.
            self.stop()
            raise

    def start(self) -> None:
        self.stop()
        self.pipe, theirs = Pipe()
        # One thread: forking then is safe, and thirty of these share a server.
        single = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "helpers.drills.server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # an interrupt of the kernel is not meant for it
            env=os.environ
            | single
            | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p and isinstance(p, str))},
        )
        theirs.close()

    def stop(self) -> None:
        if self.pipe:
            self.pipe.close()
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = self.pipe = None


_server = _Server()
atexit.register(_server.stop)
