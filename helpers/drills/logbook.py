"""What a reader has tried, solved, recalled and sat, in one small SQLite file for all notebooks.

The file is an append-only list of events, so that two notebooks at once, or a crash, cost nothing
already written; scores and schedules follow from the events. Judging never needs the file: where it
cannot be used, events wait in memory until it can be, or the kernel ends, and `trouble` says why. A
file that was damaged is set aside, and what can be read of it goes on in a new one.
"""

import json
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

DRILL_KINDS = ("wrong", "right", "hint", "solution")
CARD_KINDS = ("again", "hard", "good", "easy")  # a flashcard, and how well it was known
KINDS = (*DRILL_KINDS, *CARD_KINDS, "mock")  # the last: a mock interview's state, in `source`
HINT_COST = 20  # points of 100
VERSION = 0  # of the file; a later course that changes the table has to raise it
TABLE = """create table if not exists event (
    id integer primary key, time text not null, drill text not null, kind text not null,
    mistake text, source text)"""
TABLES = "select name from sqlite_master where name = 'event'"
COLUMNS = ("time", "drill", "kind", "mistake", "source")
INSERT = f"insert into event ({', '.join(COLUMNS)}) values (?, ?, ?, ?, ?)"
SELECT = f"select {', '.join(COLUMNS)} from event"

# Events that could not be written yet, what was read last, and what stands in the way.
_pending: list[tuple] = []
_known: list[tuple] = []
_trouble: list[str] = []


@dataclass(frozen=True)
class Standing:
    """Where a reader stands with one drill: tries before the first right answer, hints, score.

    The score is 100, less 20 for each hint taken before the first right answer; 0 where the
    solution was opened before it; None while the drill is unsolved.
    """

    tries: int
    hints: int
    opened: bool
    score: int | None


def progress_file() -> Path:
    """The file: ``COURSE_PROGRESS`` where that is set, else in the user's data folder."""
    folder = platformdirs.user_data_path("deep-learning-notebooks")
    return Path(os.environ.get("COURSE_PROGRESS") or folder / "progress.sqlite3").expanduser()


def record(drill: str, kind: str, *, mistake: str | None = None, source: str = "") -> None:
    """Add an event, with the reader's own text, so that no try is lost.

    Args:
        drill: the name of the drill, of the question on the card, or of the mock interview.
        kind: one of `KINDS`.
        mistake: the known mistake that was made.
        source: the reader's code, the card's language, or the interview's state.

    Raises:
        ValueError: kind is none of those.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: it should be one of {', '.join(KINDS)}")
    source = source.encode(errors="backslashreplace").decode()  # half a character cannot be kept
    _pending.append((datetime.now(UTC).isoformat(timespec="seconds"), drill, kind, mistake, source))
    _exchange()


def events(kinds: Iterable[str] = KINDS) -> list[dict[str, str | None]]:
    """All events of these kinds, oldest first: time (UTC), drill, kind, mistake, source."""
    _exchange()
    every = [dict(zip(COLUMNS, row, strict=True)) for row in (*_known, *_pending)]
    return [event for event in every if event["kind"] in kinds]


def standings() -> dict[str, Standing]:
    """The standing with each drill that was touched, in the order of first touch."""
    by_drill: dict[str, list[str]] = {}
    for event in events(DRILL_KINDS):
        by_drill.setdefault(event["drill"], []).append(event["kind"])
    return {drill: _standing(kinds) for drill, kinds in by_drill.items()}


def is_kept() -> bool:
    """Whether every event has reached the file."""
    return not _pending


def trouble() -> list[str]:
    """What the reader should know of the file: nothing, as a rule. A message for each trouble."""
    messages = list(_trouble)
    if _pending:
        messages.insert(0, "Your progress has not been written yet: it waits in this kernel.")
    return messages


def export_progress(path: str | Path) -> int:
    """Write all events to a JSON file, and return their number.

    Raises:
        OSError: the file could not be written. What was there is untouched.
    """
    path = Path(path)
    found = events()
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return len(found)


def _standing(kinds: Iterable[str]) -> Standing:
    kinds = list(kinds)
    solved = "right" in kinds
    before = kinds[: kinds.index("right")] if solved else kinds
    hints, opened = before.count("hint"), "solution" in before
    score = (0 if opened else 100 - HINT_COST * hints) if solved else None
    return Standing(before.count("wrong") + solved, hints, opened, score)


def _exchange() -> None:
    """Write what is pending and read what is there, in one go, if that is possible at all."""
    _trouble[:] = [message for message in _trouble if message.startswith("Your progress file was")]
    path = progress_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = _write_and_read(path)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            _set_aside(path)
            found = _write_and_read(path)
    except (OSError, sqlite3.Error, UnicodeError) as error:
        _trouble.append(f"The file {path.name} cannot be used: {_cause(error)}.")
        return
    _pending.clear()
    _known[:] = found


def _write_and_read(path: Path) -> list[tuple]:
    # Another notebook may be writing: wait for it.
    with closing(sqlite3.connect(path, timeout=5)) as connection, connection:
        (version,) = connection.execute("pragma user_version").fetchone()
        if version > VERSION:
            raise OSError("a newer version of the course wrote it, and this one leaves it as it is")
        if _pending:
            connection.execute(TABLE)
            connection.executemany(INSERT, _pending)
        elif not connection.execute(TABLES).fetchone():
            return []
        return connection.execute(f"{SELECT} order by id").fetchall()


def _set_aside(path: Path) -> None:
    """Rename a damaged file, and begin a new one with the events that can still be read."""
    damaged = path.with_name(f"{path.stem}-damaged-{datetime.now():%Y%m%d-%H%M%S}{path.suffix}")
    path.rename(damaged)
    # What this kernel has read before is whole; a page that is gone ends the reading.
    rows: list[tuple] = []
    try:
        with closing(sqlite3.connect(f"file:{damaged}?mode=ro", uri=True)) as connection:
            for row in connection.execute(SELECT):
                rows.append(row)
    except sqlite3.Error:
        pass
    rows = max(rows, list(_known), key=len)
    with closing(sqlite3.connect(path, timeout=5)) as connection, connection:
        connection.execute(TABLE)
        connection.executemany(INSERT, rows)
    _trouble.append(
        f"Your progress file was damaged. {len(rows)} of its events could be read and are kept; "
        f"the damaged file lies beside the new one as {damaged.name}."
    )


def _cause(error: Exception) -> str:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        return "it is no progress file of this course; COURSE_PROGRESS should name another"
    return str(error)
