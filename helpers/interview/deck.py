"""Flashcards of the question bank, each shown again when it is about to be forgotten.

The schedule is FSRS (Ye, Su and Cao, *A stochastic shortest path algorithm for optimizing spaced
repetition scheduling*, 2022), from the package of its authors. What was answered stands in the
reader's progress file beside the drills; the schedule follows from it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from fsrs import Card, Rating, Scheduler

from helpers.drills import logbook
from helpers.interview import bank
from helpers.interview.bank import Question
from helpers.interview.show import LEVELS, answer, check_language, inline, live

NEW_A_DAY = 10
RATINGS = dict(zip(logbook.CARD_KINDS, Rating, strict=True))
MEANINGS = {"again": "not known", "hard": "with trouble", "good": "known", "easy": "at once"}
# The same answers give the same schedule: no random days.
SCHEDULER = Scheduler(enable_fuzzing=False)


def schedule(events: Iterable[dict] | None = None) -> dict[str, Card]:
    """The state of every card that was answered, from the log: when it is due, above all."""
    cards: dict[str, Card] = {}
    for event in logbook.events(logbook.CARD_KINDS) if events is None else events:
        name, time = event["drill"], datetime.fromisoformat(event["time"])
        card = cards.get(name) or Card(card_id=0, due=time)
        cards[name], _ = SCHEDULER.review_card(card, RATINGS[event["kind"]], time)
    return cards


def due(now: datetime, topic: str | None = None, new: int = NEW_A_DAY) -> list[Question]:
    """The cards to answer now: the due ones, the longest due first, then today's new ones.

    Args:
        now: with its time zone.
        topic: a file of the bank, which has its own new cards; None for all.
        new: how many cards may be new in 24 hours.

    Raises:
        ValueError: there is no such topic, or new is negative.
    """
    if new < 0:
        raise ValueError(f"new is {new}: it should be 0 or more")
    every = bank.questions()
    topics = sorted({question.topic for question in every})
    if topic not in (None, *topics):
        raise ValueError(f"topic is {topic!r}: it should be one of {', '.join(topics)}")
    asked = [question for question in every if topic in (None, question.topic)]
    cards = schedule()
    known = [question for question in asked if question.id in cards]
    again = sorted(
        (question for question in known if cards[question.id].due <= now),
        key=lambda question: cards[question.id].due,
    )
    unseen = sorted((question for question in asked if question.id not in cards), key=_first)
    begun = _begun(now, {question.id for question in asked})
    return again + unseen[: max(0, new - begun)]


def _first(question: Question) -> tuple:
    # Easy ones before hard ones; within a difficulty the topics mixed, the same for everybody.
    return question.difficulty, sum(map(ord, question.id)) % 101, question.id


def _begun(now: datetime, asked: set[str]) -> int:
    """How many of these cards were new in the last 24 hours."""
    first: dict[str, datetime] = {}
    for event in logbook.events(logbook.CARD_KINDS):
        first.setdefault(event["drill"], datetime.fromisoformat(event["time"]))
    return sum(name in asked and time > now - timedelta(days=1) for name, time in first.items())


def rate(question_id: str, rating: str) -> datetime:
    """Keep how well a card was known; return when it is due again.

    Raises:
        ValueError: there is no such question or rating.
    """
    bank.find(question_id)
    if rating not in RATINGS:
        raise ValueError(f"rating is {rating!r}: it should be one of {', '.join(RATINGS)}")
    logbook.record(question_id, rating)
    return schedule()[question_id].due


def intervals(question_id: str, now: datetime) -> dict[str, timedelta]:
    """For each rating, after how long the card would come again."""
    card = schedule().get(question_id) or Card(card_id=0, due=now)
    return {
        name: SCHEDULER.review_card(card, rating, now)[0].due - now
        for name, rating in RATINGS.items()
    }


def spoken(interval: timedelta) -> str:
    """An interval in the largest unit that fits: "10 min", "3 days"."""
    minutes = interval.total_seconds() / 60
    for size, unit in ((1440, "day"), (60, "h")):
        if minutes >= size:
            number = round(minutes / size)
            return f"{number} {unit}{'s' * (unit == 'day' and number > 1)}"
    return f"{max(1, round(minutes))} min"


def flashcards(topic: str | None = None, language: str = "en", new: int = NEW_A_DAY) -> "Deck":
    """The cards that are due, one after the other, in the notebook.

    Args:
        topic: a file of the bank, "recurrent"; None for all.
        language: "en" or "zh"; the key l changes it.
        new: how many cards may be new in 24 hours.

    Raises:
        ValueError: there is no such topic or language, or new is negative.
    """
    return Deck(topic, language, new)


class Deck:
    """Shows one card after the other and keeps the ratings. All works by keys, typed into one box:
    space turns the card, 1 to 4 rate it, l changes the language."""

    def __init__(self, topic: str | None, language: str, new: int) -> None:
        check_language(language)
        due(datetime.now(UTC), topic, new)
        self.topic, self.language, self.new = topic, language, new
        self.question: Question | None = None
        self.turned, self.answered = False, 0

    def __repr__(self) -> str:
        return f"Flashcards: {len(bank.questions())} questions, due ones first. Run this cell."

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        page = f"<p><b>Flashcards.</b> {len(bank.questions())} questions; run this cell.</p>"
        return live(self.widget(), repr(self), page)

    def widget(self):
        """The deck as a widget."""
        import ipywidgets as widgets

        self.head, self.face = widgets.HTML(), widgets.HTML()
        self.keys = widgets.Text(placeholder="keys", layout={"width": "6em"})
        self.keys.observe(self._key, "value")
        flat = {"width": "auto", "flex": "0 0 auto"}
        self.turn = widgets.Button(description="Show the answer (space)", layout=flat)
        self.turn.on_click(lambda _: self._press(" "))
        self.ratings = [widgets.Button(layout=flat) for _ in RATINGS]
        for number, button in enumerate(self.ratings, start=1):
            button.on_click(lambda _, key=str(number): self._press(key))
        switch = widgets.Button(description="中文 / English (l)", layout=flat)
        switch.on_click(lambda _: self._press("l"))
        self._next()
        self._draw()
        parts = [self.keys, self.turn, *self.ratings, switch]
        row = widgets.HBox(parts, layout={"flex_flow": "row wrap"})
        return widgets.VBox([self.head, self.face, row])

    def _key(self, change: dict) -> None:
        if change["new"]:
            self.keys.value = ""
            self._press(change["new"][-1])

    def _press(self, key: str) -> None:
        if key == "l":
            self.language = {"en": "zh", "zh": "en"}[self.language]
        elif self.question is None:
            pass
        elif key == " ":
            self.turned = True
        elif self.turned and key in "1234":
            rate(self.question.id, list(RATINGS)[int(key) - 1])
            self.answered += 1
            self._next()
        self._draw()

    def _next(self) -> None:
        waiting = due(datetime.now(UTC), self.topic, self.new)
        self.question, self.turned = (waiting[0] if waiting else None), False
        self.waiting = len(waiting)

    def _draw(self) -> None:
        self.head.value = f"<p>{self.waiting} waiting, {self.answered} answered</p>" + "".join(
            f"<p>{inline(message)}</p>" for message in logbook.trouble()
        )
        if self.question is None:
            self.face.value = "<p><b>Nothing is due.</b> Come back tomorrow, or do a drill.</p>"
        else:
            text = getattr(self.question, self.language)
            level = f"{self.question.topic}, {LEVELS[self.question.difficulty]}"
            back = answer(self.question, self.language) if self.turned else ""
            self.face.value = (
                f'<div style="max-width: 46em"><p><small>{level}</small><br>'
                f"<b>{inline(text.question)}</b></p>{back}</div>"
            )
        self.turn.disabled = self.turned or self.question is None
        after = intervals(self.question.id, datetime.now(UTC)) if self.turned else {}
        for number, (name, button) in enumerate(zip(RATINGS, self.ratings, strict=True), start=1):
            button.disabled = not self.turned
            shown = f" · {spoken(after[name])}" if self.turned else ""
            button.description = f"{number} {MEANINGS[name]}{shown}"
