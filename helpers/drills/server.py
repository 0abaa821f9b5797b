"""The judge's own process, so that nothing in a notebook disturbs it, and nothing disturbs that.

It is started by `judge.judge` with one end of a pipe, answers requests until the pipe closes, and
forks a further process for each answer that it runs.
"""

import pickle
import sys
import traceback
from multiprocessing.connection import Connection

from helpers.drills.verdict import Verdict, examine


def respond(request: bytes) -> Verdict | str:
    """The verdict on a pickled (import path, pickled (drill, answer)); text where we failed."""
    try:
        sys.path[:], parcel = pickle.loads(request)
        drill, answer = pickle.loads(parcel)
        if answer.__module__ not in sys.modules or answer.__module__ == "__main__":
            # A function does not know itself while it is decorated; one that calls itself must.
            answer.__globals__[answer.__name__] = answer
        return examine(drill, answer)
    except Exception:
        return traceback.format_exc()


def main() -> None:
    """Serve the pipe whose file descriptor is the only argument."""
    pipe = Connection(int(sys.argv[1]))
    while True:
        try:
            request = pipe.recv_bytes()
        except EOFError:
            return
        pipe.send(respond(request))


if __name__ == "__main__":
    main()
