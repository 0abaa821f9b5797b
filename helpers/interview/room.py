"""The room in which a mock interview is held: a panel of widgets around a session.

All of it works from the keyboard: Tab goes to the next box or button, Space or Enter presses it,
and after each step the focus is where one goes on. The widgets are made once and then shown or
hidden: one that is made anew would lose the focus.
"""

import asyncio
import time
from contextlib import suppress

from helpers.drills import Task, hint, logbook
from helpers.drills.judge import find as find_drill
from helpers.interview import bank
from helpers.interview.report import picture, report, title
from helpers.interview.session import (
    LEVELS,
    MOST_POINTS,
    PLANS,
    ROLES,
    Session,
    draw,
    sessions,
    unreadable,
)
from helpers.interview.show import answer, inline, live

SAVE_EVERY = 20  # seconds: what a kernel that is killed costs at most
WIDE = "46em"
WHAT_TO_DO = {
    "theory": "Answer aloud, as to a person; keywords below if you like. Then look at the points.",
    "design": "Draw, ask back, weigh: think aloud. Then look at the points.",
    "coding": "Write the function, and have it judged. You may try again; each wrong try costs.",
    "hunt": "Find the mistake, mend the code, and have it judged.",
}


def mock_interview(**choices) -> "Room":
    """A mock interview in the notebook.

    Args:
        choices: what stands in the boxes at first: role, level, minutes, language, seed, as of
            `session.draw`.

    Raises:
        ValueError: one of them is not possible.
    """
    return Room(**choices)


class Room:
    """Shows a session: choose, answer, mark, go on, and read the report. It may be left and
    entered again at any time."""

    def __init__(self, **choices) -> None:
        draw(**choices)  # complains here, and not under a button
        self.choices = choices
        self.session: Session | None = None
        self.waiting: Session | None = None
        self.clock: asyncio.Task | None = None

    def __repr__(self) -> str:
        return "A mock interview: run this cell, choose, and press Begin."

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        page = "<p><b>A mock interview.</b> Run this cell, choose, and press Begin.</p>"
        return live(self.widget(), repr(self), page)

    def widget(self):
        """The room as a widget."""
        import ipywidgets as widgets

        def button(text, action):
            flat = {"width": "auto", "flex": "0 0 auto"}
            made = widgets.Button(description=text, layout=flat)
            made.on_click(lambda _: action())
            return made

        def choice(name, options, default):
            value = self.choices.get(name) or default
            return widgets.Dropdown(description=name, options=list(options), value=value)

        self.boxes = {
            "role": choice("role", ROLES, "generalist"),
            "level": choice("level", LEVELS, "senior"),
            "minutes": choice("minutes", PLANS, 45),
            "language": choice("language", bank.LANGUAGES, "en"),
            "seed": widgets.Text(
                description="seed",
                placeholder="empty: drawn for you",
                value=str(self.choices.get("seed", "")),
            ),
        }
        self.head, self.face, self.verdict = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.choice = widgets.VBox(list(self.boxes.values()))
        self.notes = widgets.Textarea(layout={"width": WIDE, "height": "15em"})
        self.notes.observe(self._note, "value")
        self.checks = [
            widgets.Checkbox(indent=False, layout={"width": WIDE}) for _ in range(MOST_POINTS)
        ]
        for check in self.checks:
            check.observe(self._tick, "value")
        self.act, self.again = button("", self._act), button("Begin another", self._begin)
        self.next, self.hint = button("Next", self._next), button("Hint", self._hint)
        self.pause = button("Pause", self._pause)
        self.image = widgets.Image(format="png", layout={"max_width": "800px"})
        row = widgets.HBox([self.act, self.again, self.next, self.hint, self.pause])
        self.panel = widgets.VBox(
            [
                self.head,
                self.image,
                self.choice,
                self.face,
                self.notes,
                self.verdict,
                *self.checks,
                row,
            ]
        )
        self._entrance()
        return self.panel

    # ---- the steps ------------------------------------------------------------------------------
    def _entrance(self) -> None:
        self.session = None
        waiting = sessions(finished=False)
        self.waiting = waiting[-1] if waiting else None
        lines = [f"{len(sessions())} interviews behind you.", *unreadable(), *logbook.trouble()]
        if self.waiting:
            left = max(self.waiting.minutes - self.waiting.seconds / 60, 0)
            lines.append(
                f"One was interrupted at task {self.waiting.position + 1} of "
                f"{len(self.waiting.items)}, with {left:.0f} minutes left."
            )
        self.head.value = "".join(f"<p>{inline(line)}</p>" for line in lines)
        self.act.description = "Continue" if self.waiting else "Begin"
        self._show(self.choice, self.act, *([self.again] if self.waiting else []))

    def _act(self) -> None:
        """The first button: it begins, continues, shows the points, or judges."""
        if self.session is None or self.session.is_finished:
            if self.waiting:
                self.session, self.waiting = self.waiting, None
                self._open()
            else:
                self._begin()
        elif self.session.item.is_code:
            self._charge()
            self.verdict.value = self.session.submit(self.notes.value)._repr_html_()
        else:
            self._charge()
            self.session.show_points()
            self._points()
            self.checks[0].focus()

    def _begin(self) -> None:
        chosen = {name: box.value for name, box in self.boxes.items()}
        seed = chosen.pop("seed").strip()
        try:
            session = draw(**chosen, seed=int(seed) if seed else None)
        except ValueError:
            self.head.value = f"<p>The seed is {inline(seed)}: it should be a whole number.</p>"
            return
        self.session = session
        session.save()
        self._open()

    def _open(self) -> None:
        """Show the open item, and let its time run."""
        session, item = self.session, self.session.item
        place = f"Task {session.position + 1} of {len(session.items)}"
        what = f"<p><small>{place}: {item.kind}, {item.topic}, {item.minutes:g} min</small></p>"
        task = Task(find_drill(item.name)) if item.is_code else None
        if task:
            what += task._repr_html_()
        else:
            asked = inline(title(item, session.language))
            what += f'<p style="max-width: {WIDE}"><b>{asked}</b></p>'
        self.face.value = f"{what}<p>{WHAT_TO_DO[item.kind]}</p>"
        self.notes.value = item.notes or (task.stub() if task else "")
        self.verdict.value = ""
        self.act.description = "Judge" if task else "Show the points"
        hints = [self.hint] if task else []
        self._show(self.face, self.notes, self.verdict, self.act, self.next, *hints, self.pause)
        self._points()
        self._run()
        (self.notes if task else self.act).focus()

    def _hint(self) -> None:
        self.verdict.value = hint(self.session.item.name)._repr_html_()

    def _next(self) -> None:
        self._charge()
        self.session.go_on()
        if self.session.is_finished:
            self._stop()
            self._report()
        else:
            self._open()

    def _pause(self) -> None:
        self._charge()
        self.session.save()
        self._stop()
        self._entrance()
        self.act.focus()

    def _report(self) -> None:
        self.head.value = report(self.session)
        self.image.value = picture(self.session, sessions())
        self.act.description = "Begin another"
        self._show(self.image, self.choice, self.act)
        self.act.focus()

    # ---- the parts ------------------------------------------------------------------------------
    def _points(self) -> None:
        """The points of a full answer as boxes to tick, once they were asked for."""
        item, language = self.session.item, self.session.language
        points = [] if item.is_code or not item.shown else item.points(language)
        for number, check in enumerate(self.checks):
            check.layout.display = None if number < len(points) else "none"
            check.unobserve(self._tick, "value")
            check.description = inline(points[number]) if number < len(points) else ""
            check.value = number in item.ticked
            check.observe(self._tick, "value")
        if points:
            page = answer(bank.find(item.name), language, points=False)
            told = f'<div style="max-width: {WIDE}">{page}</div><p>Tick what you said:</p>'
            self.verdict.value = told

    def _tick(self, _: dict) -> None:
        self.session.tick(number for number, check in enumerate(self.checks) if check.value)

    def _note(self, change: dict) -> None:
        if self.session and self.session.item:
            self.session.item.notes = change["new"]

    def _show(self, *parts) -> None:
        """Show the head and these parts; hide the rest."""
        row = self.panel.children[-1]
        for part in (*self.panel.children[1:-1], *row.children):
            part.layout.display = None if part in parts else "none"

    # ---- time -----------------------------------------------------------------------------------
    def _run(self) -> None:
        """Let the clock run, where there is a loop to run it: in a notebook."""
        self.charged = self.saved = time.monotonic()
        self._charge()
        if self.clock is None:
            with suppress(RuntimeError):
                self.clock = asyncio.get_running_loop().create_task(self._count())

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._charge()

    def _charge(self) -> None:
        """Charge the time since the last call to the open item, and show what is left."""
        now = time.monotonic()
        session, item = self.session, self.session.item
        item.seconds += now - self.charged
        self.charged = now
        left = round(session.minutes * 60 - session.seconds)
        here = round(item.minutes * 60 - item.seconds)
        self.head.value = (
            f"<p><b>{_minutes(left)}</b> left, for this task {_minutes(here)}</p>"
            if left > 0
            else "<p><b>Time is up.</b> Finish the sentence; what is over stands in the report.</p>"
        )
        if now - self.saved > SAVE_EVERY:
            self.saved = now
            session.save()

    def _stop(self) -> None:
        if self.clock is not None:
            self.clock.cancel()
            self.clock = None


def _minutes(seconds: int) -> str:
    sign = "−" if seconds < 0 else ""
    return f"{sign}{abs(seconds) // 60}:{abs(seconds) % 60:02}"
