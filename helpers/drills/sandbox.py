"""Run an answer where it can do no harm: in a forked process with limits on time and memory.

This guards a notebook against accidents (an endless loop, an exit, an array of 50 GB), not against
an attacker: the answer runs with the reader's own rights.
"""

import contextlib
import copy
import inspect
import io
import os
import pickle
import resource
import signal
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from helpers.drills.compare import difference, plain
from helpers.drills.spec import Case

MEMORY = 4 * 2**30  # bytes beyond what the process has when the answer starts
FILE = 100 * 2**20  # bytes of a file that an answer may write
PRINTED = 2_000  # characters of an answer's own output that are kept


@dataclass
class Outcome:
    """What one call came to.

    Attributes:
        kind: "returned"; "raised" an exception; "stopped" by a limit, or with its process;
            "cheated": called what the drill forbids, or replaced a function of NumPy.
        value: what was observed, as `compare.plain` gives it; the exception's type, as text.
        reason: for people: the exception's message, the limit, the forbidden call.
        line: the number of the answer's line that raised, counted as in its file or cell.
        changed: the argument that the answer changed, and how.
        printed: the answer's own output, cut; a warning that it caused comes last.
    """

    kind: str
    value: Any = None
    reason: str = ""
    line: int | None = None
    changed: str = ""
    printed: str = ""


class ForbiddenCallError(BaseException):
    """An answer called what it should write; no ``except Exception`` of its own catches this."""


def outcomes(
    observe: Callable, answer: Callable, cases: list[Case], forbidden: tuple[str, ...] = ()
) -> Iterator[Outcome]:
    """Call the answer on each case in one new process, and yield what each call came to.

    The first "stopped" or "cheated" ends it. Closing the iterator ends the process.
    """
    ours, theirs = Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        ours.close()
        _child(theirs, observe, answer, cases, forbidden)
    theirs.close()
    try:
        for case in cases:
            try:
                outcome = _received(ours) if ours.poll(case.seconds) else None
            except (EOFError, OSError):
                yield Outcome("stopped", reason="it ended its process: by os._exit, or a crash")
                return
            if outcome is None:
                reason = (
                    f"it did not finish within {case.seconds:g} s: an endless loop, or too slow"
                )
                yield Outcome("stopped", reason=reason)
                return
            yield outcome
            if outcome.kind in ("stopped", "cheated"):
                return
    finally:
        ours.close()
        for kill in (os.killpg, os.kill):  # the group takes the child's own children along
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class _Reader(pickle.Unpickler):
    """Loads an outcome and nothing else: what comes from an answer's process may be anything."""

    NEEDED = frozenset(
        {
            (Outcome.__module__, Outcome.__qualname__),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy._core.multiarray", "_reconstruct"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.NEEDED:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of an outcome")
        return super().find_class(module, name)


def _received(pipe: Connection) -> Outcome:
    """The next outcome; "stopped" where something else came.

    Raises:
        EOFError, OSError: the other end is closed.
    """
    message = pipe.recv_bytes()
    try:
        outcome = _Reader(io.BytesIO(message)).load()
    except Exception:  # bytes that are no pickle raise almost anything
        outcome = None
    if isinstance(outcome, Outcome):
        return outcome
    return Outcome("stopped", reason="it has disturbed the process that runs it")


def numpy_functions() -> dict[str, Any]:
    """NumPy's public functions by their full names, to see later which ones were replaced."""
    return {
        f"{module.__name__}.{name}": function
        for module in (np, np.linalg, np.random, np.fft)
        for name, function in vars(module).items()
        if callable(function) and not name.startswith("_")
    }


def replaced(before: dict[str, Any]) -> str | None:
    """The name of a function that is no longer the one that `numpy_functions` saw."""
    now = numpy_functions()
    return next((name for name, function in before.items() if now.get(name) is not function), None)


def _child(pipe: Connection, observe, answer, cases, forbidden) -> None:
    """Run the cases, send their outcomes, and end the process without the parent's clean-up."""
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # The server's own pipe: should the server end, nobody else may hold it open.
        os.closerange(3, pipe.fileno())
        os.closerange(pipe.fileno() + 1, 1_024)
        _limit(sum(case.seconds for case in cases))
        before = numpy_functions()
        for number, case in enumerate(cases):
            # Watching every call slows an answer down, and the first calls show what it uses.
            watched = forbidden if number < 2 else ()
            outcome = _attempt(observe, answer, case, watched)
            if name := replaced(before):
                outcome = Outcome("cheated", reason=f"it replaces `{name}`")
            try:
                pipe.send(outcome)
            except Exception as error:
                pipe.send(Outcome("raised", type(error).__name__, "its value cannot be copied"))
    finally:
        os._exit(0)


def _limit(seconds: float) -> None:
    # Should the parent be killed, nobody else ends this process.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(seconds) + 5)
    # Nor a child of this one that has left the group.
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 5,) * 2)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    sys.stdin = open(os.devnull)
    with contextlib.suppress(ValueError, OSError):  # macOS knows the limit and refuses it
        with open("/proc/self/statm") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))


def _attempt(observe, answer, case: Case, forbidden: tuple[str, ...]) -> Outcome:
    args = copy.deepcopy(case.args)
    printed = _Printed()
    returned: list[Any] = []

    def noted(*arguments: Any) -> Any:
        returned.append(answer(*arguments))
        return returned[-1]

    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(printed),
            _watching(forbidden),
        ):
            warnings.simplefilter("always")
            value = plain(observe(noted, *args))
        outcome = Outcome("returned", value, changed=_changed(answer, args, case.args))
    except ForbiddenCallError as error:
        return Outcome("cheated", reason=str(error))
    except MemoryError as error:
        reason = f"it needed more than {MEMORY / 2**30:.0f} GB of memory. {error}"
        outcome = Outcome("stopped", reason=reason.strip(), line=_line(answer, error))
    except BaseException as error:  # SystemExit and KeyboardInterrupt too
        outcome = Outcome("raised", type(error).__name__, _text(error), _line(answer, error))
        outcome.changed = _changed(answer, args, case.args)
    if returned and returned[-1] is None:  # whatever `observe` made of a forgotten return
        outcome = Outcome("returned", None, changed=outcome.changed)
    outcome.printed = _text(printed.text)
    if caught:
        outcome.printed += f"{caught[0].category.__name__}: {_text(caught[0].message)}\n"
    return outcome


def _text(thing: Any) -> str:
    """What a message says, cut, and in characters that can be written anywhere."""
    try:
        text = str(thing)
    except Exception:
        return "(a message that cannot be shown)"
    return text[:PRINTED].encode(errors="backslashreplace").decode()


def _changed(answer, after: tuple, before: tuple) -> str:
    """Which argument is no longer what it was. Generators and functions may change."""
    for name, new, old in zip(parameter_names(answer, len(after)), after, before, strict=True):
        if isinstance(old, np.ndarray | list | dict) and difference(plain(new), plain(old)):
            return f"`{name}`"
    return ""


def parameter_names(answer: Callable, count: int) -> list[str]:
    """The names of an answer's positional parameters; numbers where it has ``*args``."""
    names = [
        name
        for name, parameter in inspect.signature(answer).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return [*names, *(f"argument {i}" for i in range(len(names), count))][:count]


def _line(answer: Callable, error: BaseException) -> int | None:
    """The last line of the answer's own file or cell on the way to the error."""
    code = getattr(inspect.unwrap(answer), "__code__", None)
    frames = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if code and frame.filename == code.co_filename
    ]
    return frames[-1] if frames else None


class _Printed(io.TextIOBase):
    """Keeps the first characters written to it, and lets the flood pass."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text[: PRINTED - len(self.text)]
        return len(text)


@contextlib.contextmanager
def _watching(forbidden: tuple[str, ...]) -> Iterator[None]:
    """Raise ForbiddenCallError when a function of a forbidden package, or a forbidden one, runs."""

    def watch(frame: types.FrameType, event: str, argument: Any) -> None:
        if event == "call":
            module, name = frame.f_globals.get("__name__") or "", frame.f_code.co_name
            if (module, name) == ("importlib._bootstrap", "_find_and_load"):
                module, name = frame.f_locals["name"], ""
        elif event == "c_call":
            module, name = getattr(argument, "__module__", None) or "", argument.__name__
        else:
            return
        package = module.partition(".")[0]
        for used in (package, f"{package}.{name}"):
            if used in forbidden:
                sys.setprofile(None)
                raise ForbiddenCallError(f"it uses `{used}`: write that part yourself")

    if forbidden:
        sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(None)
