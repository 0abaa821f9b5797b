"""What a reader has tried and solved, in one small SQLite file that every notebook shares.

The file is an append-only list of events, so that two notebooks at once, or a crash, cost nothing
already written. The score follows from the events. Judging never needs the file: where it cannot be
opened or written, events wait in memory until it can be, or the kernel ends, and the cards say so.
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

KINDS = ("wrong", "right", "hint", "solution")
HINT_COST = 20  # points of 100
TABLE = """create table if not exists event (
    id integer primary key, time text not null, drill text not null, kind text not null,
    mistake text, source text)"""
TABLES = "select name from sqlite_master where name = 'event'"
COLUMNS = ("time", "drill", "kind", "mistake", "source")
INSERT = f"insert into event ({', '.join(COLUMNS)}) values (?, ?, ?, ?, ?)"

# Events that could not be written yet, and what was read last.
_pending: list[tuple] = []
_known: list[tuple] = []


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

    Raises:
        ValueError: kind is none of wrong, right, hint, solution.
    """
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}: it should be one of {', '.join(KINDS)}")
    source = source.encode(errors="backslashreplace").decode()  # half a character cannot be kept
    _pending.append((datetime.now(UTC).isoformat(timespec="seconds"), drill, kind, mistake, source))
    _exchange()


def events() -> list[dict[str, str | None]]:
    """All events, oldest first: time (UTC), drill, kind, mistake, source."""
    _exchange()
    return [dict(zip(COLUMNS, row, strict=True)) for row in (*_known, *_pending)]


def standings() -> dict[str, Standing]:
    """The standing with each drill that was touched, in the order of first touch."""
    by_drill: dict[str, list[str]] = {}
    for event in events():
        by_drill.setdefault(event["drill"], []).append(event["kind"])
    return {drill: _standing(kinds) for drill, kinds in by_drill.items()}


def is_kept() -> bool:
    """Whether every event has reached the file."""
    return not _pending


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
    try:
        path = progress_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        # Another notebook may be writing: wait for it.
        with closing(sqlite3.connect(path, timeout=5)) as connection, connection:
            if _pending:
                connection.execute(TABLE)
                connection.executemany(INSERT, _pending)
            elif not connection.execute(TABLES).fetchone():
                return
            rows = connection.execute(f"select {', '.join(COLUMNS)} from event order by id")
            found = rows.fetchall()
    except (OSError, sqlite3.Error, UnicodeError):
        return
    _pending.clear()
    _known[:] = found
