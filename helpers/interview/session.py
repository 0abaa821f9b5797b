"""A mock interview: what is drawn, how it is marked, and what is kept of it.

No widgets here: `room` shows a session, and tests sit one without a browser. The state of a session
is one event of the reader's progress file each time that something happens, so that it can be
interrupted at any moment and continued.
"""

import dataclasses
import json
import linecache
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from helpers.drills import Task, logbook
from helpers.drills import names as drill_names
from helpers.drills.card import Card
from helpers.drills.judge import find as find_drill
from helpers.interview import bank
from helpers.interview.sections import Section, find_section

VERSION = 1  # of the state that is kept
# The subjects, in the course's order: the bank's files, and a drill's by the notebook that teaches
# it. The last are the pieces that no notebook teaches.
TOPICS = {
    "training": "01",
    "metrics": "02",
    "recurrent": "03",
    "generative": "04",
    "bert": "05",
    "gpt": "06",
    "scaling": "07",
    "serving": "08",
    "startup": "",
    "classics": "09",
}
# How often a subject is drawn; one that is not named, a quarter as often as a common one.
ROLES: dict[str, dict[str, float]] = {
    "generalist": dict.fromkeys(TOPICS, 1.0),
    "language": {"bert": 3, "gpt": 3, "recurrent": 2, "training": 2, "metrics": 1, "serving": 1},
    "vision": {"generative": 3, "training": 2, "metrics": 2, "classics": 2, "serving": 1},
    "infrastructure": {"scaling": 3, "serving": 3, "training": 2, "gpt": 1, "classics": 1},
    "start-up": {"startup": 3, "serving": 3, "metrics": 2, "training": 2, "gpt": 1},
}
SELDOM = 0.25
# Difficulty 1, 2, 3 at each level.
LEVELS = {
    "junior": {1: 3.0, 2: 1.5, 3: 0.0},
    "senior": {1: 1.0, 2: 3.0, 3: 1.5},
    "lead": {1: 0.0, 2: 1.5, 3: 3.0},
}
# What a session of so many minutes holds: kind, how many, minutes for each.
PLANS = {
    20: [("theory", 2, 2.5), ("coding", 1, 7), ("hunt", 1, 4), ("design", 1, 4)],
    45: [("theory", 4, 3), ("coding", 1, 13), ("hunt", 1, 8), ("design", 1, 12)],
    60: [("theory", 5, 3), ("coding", 2, 11), ("hunt", 1, 9), ("design", 1, 14)],
}
MOST_POINTS = 10  # of an answer, with what comes next: six and four, as the bank allows
WEAK = 0.7  # below this share of the points, the report says what to read
TRY = 0.15  # of the points, that each wrong try costs, down to a half


@dataclass
class Item:
    """One task of a session, and what came of it.

    Attributes:
        kind: "theory", "design", "coding" or "hunt".
        name: of the question, or of the drill.
        minutes: planned.
        seconds: used.
        notes: the reader's own text: keywords, or the code.
        shown: whether the points of a full answer were looked at.
        ticked: the numbers of the points that the reader made.
        tries: judged tries.
        passed: the share of the judge's cases that the last try passed; 1 is solved.
    """

    kind: str
    name: str
    minutes: float
    seconds: float = 0.0
    notes: str = ""
    shown: bool = False
    ticked: list[int] = field(default_factory=list)
    tries: int = 0
    passed: float = 0.0

    @property
    def is_code(self) -> bool:
        return self.kind in ("coding", "hunt")

    @property
    def topic(self) -> str:
        return drill_topic(self.name) if self.is_code else bank.find(self.name).topic

    @property
    def sections(self) -> tuple[Section, ...]:
        """What to read about it."""
        if not self.is_code:
            return bank.find(self.name).sections
        notebook, number = find_drill(self.name).taught_in.split(", section ")
        return (find_section(f"{notebook}#{number}"),)

    def points(self, language: str) -> list[str]:
        """What a full answer says; in a design question what comes next counts too."""
        text: bank.Text = getattr(bank.find(self.name), language)
        return [*text.points, *(text.next_questions() if self.kind == "design" else [])]

    @property
    def score(self) -> float:
        """From 0 to 1: the share of the points made; of code that passes, less for wrong tries."""
        if not self.is_code:
            return len(self.ticked) / len(self.points("en")) if self.shown else 0.0
        if self.passed < 1:
            return self.passed / 2
        return max(0.5, 1 - TRY * (self.tries - 1))


@dataclass
class Session:
    """A mock interview.

    Attributes:
        id: its time of drawing, to the microsecond.
        seed: draws the same for everybody; None where it was drawn for this reader.
        role, level, minutes, language: as chosen.
        items: in order.
        position: of the item that is open; len(items) when all are done.
    """

    id: str
    seed: int | None
    role: str
    level: str
    minutes: int
    language: str
    items: list[Item]
    position: int = 0

    @property
    def item(self) -> Item | None:
        """The item that is open; None at the end."""
        return None if self.is_finished else self.items[self.position]

    @property
    def is_finished(self) -> bool:
        return self.position >= len(self.items)

    @property
    def seconds(self) -> float:
        return sum(item.seconds for item in self.items)

    @property
    def score(self) -> float:
        """From 0 to 1; an item counts as many times as it has minutes."""
        return float(
            np.average([i.score for i in self.items], weights=[i.minutes for i in self.items])
        )

    def show_points(self) -> list[str]:
        """Look at the points of the open item; from then on they can be ticked."""
        self.item.shown = True
        self.save()
        return self.item.points(self.language)

    def tick(self, numbers: Iterable[int]) -> None:
        """Mark the points, by their numbers from 0, that the answer made.

        Raises:
            ValueError: they are not shown yet, or there is no such point.
        """
        numbers = sorted(set(numbers))
        if not self.item.shown:
            raise ValueError(f"the points of {self.item.name} are not shown yet")
        count = len(self.item.points(self.language))
        if any(not 0 <= number < count for number in numbers):
            raise ValueError(f"numbers is {numbers}: there are {count} points, from 0")
        self.item.ticked = numbers
        self.save()

    def submit(self, source: str) -> Card:
        """Judge code for the open item, and return the verdict."""
        item, task = self.item, Task(find_drill(self.item.name))
        item.notes = source
        try:
            answer = _function(item.name, source, f"<{self.id} {item.name}>")
        except Exception as error:
            line = getattr(error, "lineno", None)
            where = f", line {line}" if line else ""
            self.save()
            return Card("wrong", f"The code does not run: {type(error).__name__}{where}: {error}")
        verdict, card = task.attempt(answer, source)
        if verdict.status != "awaiting" and item.passed < 1:  # solved is solved
            item.tries += 1
            item.passed = verdict.passed / verdict.total
        self.save()
        return card

    def go_on(self) -> None:
        """Leave the open item for the next one."""
        self.position += 1
        self.save()

    def save(self) -> None:
        """Keep the state in the progress file."""
        state = {"version": VERSION, **dataclasses.asdict(self)}
        logbook.record(self.id, "mock", source=json.dumps(state, ensure_ascii=False))


def draw(
    role: str = "generalist",
    level: str = "senior",
    minutes: int = 45,
    language: str = "en",
    seed: int | None = None,
) -> Session:
    """Draw a session. With a seed it is the same for everybody; without, it keeps to what was not
    asked lately and to the reader's weak subjects.

    Raises:
        ValueError: an argument is none of the possible ones.
    """
    for name, value, allowed in [
        ("role", role, ROLES),
        ("level", level, LEVELS),
        ("minutes", minutes, PLANS),
        ("language", language, bank.LANGUAGES),
    ]:
        if value not in allowed:
            raise ValueError(
                f"{name} is {value!r}: it should be one of {', '.join(map(str, allowed))}"
            )
    past = [] if seed is not None else sessions()
    rng = random.Random(seed)
    known = mastery(past)
    lately = [item.name for session in past[-3:] for item in session.items]
    items: list[Item] = []
    for kind, count, planned in PLANS[minutes]:
        for _ in range(count):
            taken = [item.name for item in items]
            topics = [item.topic for item in items]
            weights = {
                name: ROLES[role].get(topic, SELDOM)
                * LEVELS[level][difficulty]
                * (1.5 - known.get(topic, 0.5))
                * (0.05 if name in lately else 1.0)
                * 0.3 ** topics.count(topic)
                for name, topic, difficulty in _candidates(kind)
                if name not in taken
            }
            (name,) = rng.choices(list(weights), list(weights.values()))
            items.append(Item(kind, name, planned))
    return Session(datetime.now(UTC).isoformat(), seed, role, level, minutes, language, items)


def sessions(finished: bool = True) -> list[Session]:
    """The sessions of the progress file, oldest first: the finished ones, or those to be continued.

    One that this version of the course cannot read, or whose questions it no longer has, is left
    out; `unreadable` names it.
    """
    return [s for s in _load()[0] if s.is_finished == finished]


def unreadable() -> list[str]:
    """Why some sessions of the progress file are left out: a message for each."""
    return _load()[1]


def _load() -> tuple[list[Session], list[str]]:
    last = {event["drill"]: event["source"] for event in logbook.events(["mock"])}
    loaded, messages = [], []
    for name, source in last.items():
        try:
            state = json.loads(source)
            if state.pop("version") != VERSION:
                raise ValueError("another version of the course wrote it")
            session = Session(**state)
            session.items = [Item(**item) for item in session.items]
            for item in session.items:
                item.topic  # noqa: B018, raises where the bank has no such question any more
            loaded.append(session)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            messages.append(
                f"The interview of {name[:16]} is left out: {error}. It stays in the file."
            )
    return loaded, messages


def mastery(past: Iterable[Session]) -> dict[str, float]:
    """For each subject the mean of its last five scores, from 0 to 1."""
    scores: dict[str, list[float]] = {}
    for session in past:
        for item in session.items:
            scores.setdefault(item.topic, []).append(item.score)
    return {topic: float(np.mean(found[-5:])) for topic, found in scores.items()}


def drill_topic(name: str) -> str:
    """The subject of a drill, by the notebook that teaches it."""
    number = find_drill(name).taught_in[:2]
    return next((topic for topic, at in TOPICS.items() if at == number), "training")


def _candidates(kind: str) -> list[tuple[str, str, int]]:
    """Name, topic and difficulty of all that can be drawn."""
    if kind in ("coding", "hunt"):
        tasks = [find_drill(name) for name in drill_names()]
        tasks = [task for task in tasks if (task.given is not None) == (kind == "hunt")]
        return [(task.name, drill_topic(task.name), task.difficulty) for task in tasks]
    return [
        (question.id, question.topic, question.difficulty)
        for question in bank.questions()
        if ("design" in question.tags) == (kind == "design")
    ]


def _function(name: str, source: str, file: str) -> Callable[..., Any]:
    """The function of that name that a text defines."""
    # A verdict quotes the line that failed.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {"np": np, "Callable": Callable, "__name__": "answer"}
    exec(compile(source, file, "exec"), namespace)
    if not callable(namespace.get(name)):
        raise ValueError(f"it defines no function {name}")
    return namespace[name]
