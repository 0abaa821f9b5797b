"""The room in which a mock interview is held: a panel of widgets around a session.

All of it works from the keyboard: Tab goes to the next box or button, Space or Enter presses it.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress

from helpers.drills import Task, hint, logbook
from helpers.drills.judge import find as find_drill
from helpers.interview import bank
from helpers.interview.report import picture, report, title
from helpers.interview.session import LEVELS, PLANS, ROLES, Session, draw, sessions, unreadable
from helpers.interview.show import answer, inline, live

SAVE_EVERY = 20  # seconds: what a kernel that is killed costs at most
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
    """
    return Room(**choices)


class Room:
    """Shows a session: choose, answer, mark, go on, and read the report. It may be left and
    entered again at any time."""

    def __init__(self, **choices) -> None:
        draw(**choices)  # complains here, and not under a button
        self.choices = choices
        self.session: Session | None = None
        self.clock: asyncio.Task | None = None
        self.checks: list = []

    def __repr__(self) -> str:
        return "A mock interview: run this cell, choose, and press Begin."

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        page = "<p><b>A mock interview.</b> Run this cell, choose, and press Begin.</p>"
        return live(self.widget(), repr(self), page)

    def widget(self):
        """The room as a widget."""
        import ipywidgets as widgets

        def button(text, action):
            made = widgets.Button(description=text, layout={"width": "auto"})
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
                placeholder="none: drawn for you; a number: the same for everybody",
                value=str(self.choices.get("seed") or ""),
            ),
        }
        self.begin = button("Begin", self._begin)
        self.resume = button("Continue", self._resume)
        self.head, self.face, self.verdict = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.notes = widgets.Textarea(layout={"width": "46em", "height": "15em"})
        self.notes.observe(self._note, "value")
        self.points = widgets.VBox()
        self.act, self.next = button("", self._act), button("Next", self._next)
        self.pause, self.hint = button("Pause", self._pause), button("Hint", self._hint)
        self.image = widgets.Image(format="png")
        self.panel = widgets.VBox()
        self._entrance()
        return self.panel

    # ---- the steps ------------------------------------------------------------------------------
    def _entrance(self) -> None:
        waiting = sessions(finished=False)
        self.waiting = waiting[-1] if waiting else None
        done = f"{len(sessions())} interviews behind you."
        lines = [done, *unreadable(), *logbook.trouble()]
        if self.waiting:
            left = self.waiting.minutes - self.waiting.seconds / 60
            lines.append(
                f"One was interrupted at task {self.waiting.position + 1} of "
                f"{len(self.waiting.items)}, with {max(left, 0):.0f} minutes left."
            )
        self.head.value = "".join(f"<p>{inline(line)}</p>" for line in lines)
        doors = [self.begin, self.resume] if self.waiting else [self.begin]
        self._show(self.head, *self.boxes.values(), *doors)

    def _begin(self) -> None:
        chosen = {name: box.value for name, box in self.boxes.items()}
        seed = chosen.pop("seed").strip()
        try:
            self.session = draw(**chosen, seed=int(seed) if seed else None)
        except ValueError as error:
            self.head.value = f"<p>{inline(str(error))}</p>"
            return
        self.session.save()
        self._open()

    def _resume(self) -> None:
        self.session = self.waiting
        self._open()

    def _open(self) -> None:
        """Show the open item, and let its time run."""
        item, language = self.session.item, self.session.language
        number = f"Task {self.session.position + 1} of {len(self.session.items)}"
        kind = f"{number}: {item.kind}, {item.topic}, {item.minutes:g} minutes"
        what = f"<p><small>{kind}</small></p>"
        task = Task(find_drill(item.name)) if item.is_code else None
        if task:
            what += task._repr_html_()
            self.notes.value = item.notes or task.stub()
        else:
            what += f'<p style="max-width: 46em"><b>{inline(title(item, language))}</b></p>'
            self.notes.value = item.notes
        self.face.value = f"{what}<p>{WHAT_TO_DO[item.kind]}</p>"
        self.verdict.value = ""
        self.act.description = "Judge" if task else "Show the points"
        self._points()
        self.last_saved = self.ticked_at = time.monotonic()
        self._run()
        buttons = [self.act, self.hint] if task else [self.act]
        self._show(
            self.head,
            self.face,
            self.notes,
            self.verdict,
            self.points,
            *buttons,
            self.next,
            self.pause,
        )

    def _act(self) -> None:
        item = self.session.item
        self._tick_clock()
        if item.is_code:
            self.verdict.value = self.session.submit(self.notes.value)._repr_html_()
        else:
            self.session.show_points()
            self._points()

    def _hint(self) -> None:
        self.verdict.value = hint(self.session.item.name)._repr_html_()

    def _next(self) -> None:
        self._tick_clock()
        self.session.go_on()
        if self.session.is_finished:
            self._stop()
            self._report()
        else:
            self._open()

    def _pause(self) -> None:
        self._tick_clock()
        self.session.save()
        self._stop()
        self._entrance()

    def _report(self) -> None:
        self.head.value = report(self.session)
        self.image.value = picture(self.session)
        self.begin.description = "Another one"
        self._show(self.head, self.image, *self.boxes.values(), self.begin)

    # ---- the parts ------------------------------------------------------------------------------
    def _points(self) -> None:
        """The points of a full answer as boxes to tick, once they were asked for."""
        import ipywidgets as widgets

        item, language = self.session.item, self.session.language
        self.checks = []
        if item.is_code or not item.shown:
            self.points.children = ()
            return
        for number, point in enumerate(item.points(language)):
            check = widgets.Checkbox(
                description=point,
                value=number in item.ticked,
                indent=False,
                layout={"width": "46em"},
                style={"description_width": "initial"},
            )
            check.observe(self._tick, "value")
            self.checks.append(check)
        self.verdict.value = f'<div style="max-width: 46em">{_spoken(item.name, language)}</div>'
        self.points.children = [widgets.HTML("<p>Tick what you said:</p>"), *self.checks]

    def _tick(self, _: dict) -> None:
        self.session.tick(number for number, check in enumerate(self.checks) if check.value)

    def _note(self, change: dict) -> None:
        if self.session and not self.session.is_finished:
            self.session.item.notes = change["new"]

    def _show(self, *parts: Iterable) -> None:
        self.panel.children = parts

    # ---- time -----------------------------------------------------------------------------------
    def _run(self) -> None:
        """Let the clock run, where there is a loop to run it: in a notebook."""
        self._tick_clock()
        if self.clock is None:
            with suppress(RuntimeError):
                self.clock = asyncio.get_running_loop().create_task(self._count())

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._tick_clock()

    def _tick_clock(self) -> None:
        """Charge the time since the last tick to the open item, and show what is left."""
        now = time.monotonic()
        session, item = self.session, self.session.item
        item.seconds += now - self.ticked_at
        self.ticked_at = now
        left = round(session.minutes * 60 - session.seconds)
        here = round(item.minutes * 60 - item.seconds)
        self.head.value = (
            f"<p><b>{_minutes(left)}</b> left, for this task {_minutes(here)}</p>"
            if left > 0
            else "<p><b>Time is up.</b> Finish the sentence; what is over is in the report.</p>"
        )
        if now - self.last_saved > SAVE_EVERY:
            self.last_saved = now
            session.save()

    def _stop(self) -> None:
        if self.clock is not None:
            self.clock.cancel()
            self.clock = None


def _spoken(question_id: str, language: str) -> str:
    return answer(bank.find(question_id), language)


def _minutes(seconds: int) -> str:
    sign = "−" if seconds < 0 else ""
    return f"{sign}{abs(seconds) // 60}:{abs(seconds) % 60:02}"
