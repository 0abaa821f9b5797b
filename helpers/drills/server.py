"""The judge's own process, so that nothing in a notebook disturbs it, and nothing disturbs that.

It is started by `judge.judge` with one end of a pipe, answers requests until the pipe closes, and
forks a further process for each answer that it runs.
"""

import gc
import os
import pickle
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from helpers.drills.verdict import Verdict, examine

# Modules from elsewhere belong to the reader, who may edit them.
INSTALLED = tuple({sys.prefix, sys.base_prefix, str(Path(__file__).parents[2] / "helpers")})


def respond(request: bytes) -> Verdict | str:
    """The verdict on a pickled (folder, import path, drill's name, pickled (drill, answer)); text
    where we failed."""
    before = set(sys.modules)
    try:
        folder, sys.path[:], name, parcel = pickle.loads(request)
        os.chdir(folder)
        try:
            drill, answer = pickle.loads(parcel)
        except Exception as error:
            message = f"The answer uses something that the judge cannot load: {error}."
            return Verdict(name, "wrong", message)
        if answer.__module__ not in sys.modules or answer.__module__ == "__main__":
            # A function does not know itself while it is decorated; one that calls itself must.
            answer.__globals__[answer.__name__] = answer
        return examine(drill, answer)
    except Exception:
        return traceback.format_exc()
    finally:
        for module in set(sys.modules) - before:
            file = getattr(sys.modules[module], "__file__", None)
            if file and not file.startswith(INSTALLED):
                del sys.modules[module]


def main() -> None:
    """Serve the pipe whose file descriptor is the only argument."""
    # An orderly end, in which a running answer is ended too; a notebook may have changed either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pipe = Connection(int(sys.argv[1]))
    while True:
        try:
            request = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send(respond(request))
        del request
        gc.collect()  # an answer and its globals refer to each other


if __name__ == "__main__":
    main()
