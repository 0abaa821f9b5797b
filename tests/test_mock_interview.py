"""A mock interview: drawn fairly, marked as said, interrupted and continued without loss."""

import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from helpers.drills import logbook
from helpers.drills.judge import find as find_drill
from helpers.interview import bank, mock_interview, session
from helpers.interview.report import picture, report
from helpers.interview.session import LEVELS, PLANS, ROLES, TOPICS, draw, mastery, sessions

pytestmark = pytest.mark.usefixtures("own_progress")


def right_code(name: str) -> str:
    """A file that solves a drill: its own."""
    return inspect.getsource(inspect.getmodule(find_drill(name).reference))


def sit(one: session.Session, points: int = 1) -> session.Session:
    """Answer a whole session: so many points of each question, and all code right."""
    one.save()
    while not one.is_finished:
        if one.item.is_code:
            one.submit(right_code(one.item.name))
        else:
            one.show_points()
            one.tick(range(points))
        one.go_on()
    return one


# ---- drawing -----------------------------------------------------------------------------------
@pytest.mark.parametrize("minutes", PLANS)
def test_a_session_holds_what_its_plan_says_and_fills_its_time(minutes):
    drawn = draw(minutes=minutes, seed=0)
    assert sum(item.minutes for item in drawn.items) == pytest.approx(minutes)
    kinds = Counter(item.kind for item in drawn.items)
    assert kinds["design"] == kinds["hunt"] == 1 and kinds["coding"] >= 1 and kinds["theory"] >= 2
    names = [item.name for item in drawn.items]
    assert len(set(names)) == len(names)
    for item in drawn.items:
        if item.is_code:
            assert (find_drill(item.name).given is not None) == (item.kind == "hunt")
        else:
            assert ("design" in bank.find(item.name).tags) == (item.kind == "design")


def test_a_seed_draws_the_same_for_everybody_whatever_they_have_done():
    first = draw(seed=7)
    sit(draw(seed=7))
    assert [item.name for item in draw(seed=7).items] == [item.name for item in first.items]
    others = [tuple(item.name for item in draw(seed=seed).items) for seed in range(20)]
    assert len(set(others)) == 20


def drawn_topics(count: int = 60, **choices) -> Counter:
    return Counter(item.topic for seed in range(count) for item in draw(**choices, seed=seed).items)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "generalist"])
def test_a_role_is_asked_about_its_own_subjects_more_often(role):
    own = max(ROLES[role], key=ROLES[role].get)
    everybody, here = drawn_topics(), drawn_topics(role=role)
    assert here[own] / here.total() > 1.4 * everybody[own] / everybody.total()


def test_levels_differ_in_difficulty():
    def difficulty(level):
        items = [item for seed in range(30) for item in draw(level=level, seed=seed).items]
        found = [
            find_drill(i.name).difficulty if i.is_code else bank.find(i.name).difficulty
            for i in items
        ]
        return sum(found) / len(found)

    junior, senior, lead = map(difficulty, LEVELS)
    assert junior + 0.3 < senior < lead - 0.3


def test_what_was_asked_lately_is_hardly_asked_again():
    repeated = []
    for _ in range(6):
        lately = {item.name for one in sessions()[-3:] for item in one.items}
        drawn = sit(draw(minutes=20))
        repeated += [item.name for item in drawn.items if item.name in lately]
    assert len(repeated) <= 3


def test_weak_subjects_are_drawn_more_often(monkeypatch):
    weak = dict.fromkeys(TOPICS, 1.0) | {"metrics": 0.0}
    strong = dict.fromkeys(TOPICS, 1.0)

    def share(known):
        monkeypatch.setattr(session, "mastery", lambda _: known)
        # The generator's own seed stands in for thirty readers.
        found = Counter(item.topic for _ in range(60) for item in draw().items)
        return found["metrics"] / found.total()

    assert share(weak) > 1.3 * share(strong)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"role": "boss"}, "role is 'boss': it should be one of generalist, language"),
        ({"level": 3}, "level is 3: it should be one of junior"),
        ({"minutes": 30}, "minutes is 30: it should be one of 20, 45, 60"),
        ({"language": "fr"}, "language is 'fr': it should be one of en, zh"),
    ],
)
def test_what_cannot_be_drawn_is_refused(choice, message):
    with pytest.raises(ValueError, match=message):
        draw(**choice)
    with pytest.raises(ValueError, match=message):
        mock_interview(**choice)


# ---- marking -----------------------------------------------------------------------------------
def only(kind: str) -> session.Session:
    """A session whose open item is of that kind."""
    one = draw(minutes=20, seed=1)
    one.position = next(n for n, item in enumerate(one.items) if item.kind == kind)
    return one


def test_a_question_scores_the_share_of_its_points():
    one = only("theory")
    with pytest.raises(ValueError, match="are not shown yet"):
        one.tick([0])
    points = one.show_points()
    one.tick([0, 2])
    assert one.item.score == 2 / len(points)
    with pytest.raises(ValueError, match=f"there are {len(points)} points, from 0"):
        one.tick([len(points)])


def test_in_a_design_question_what_comes_next_counts_too():
    one = only("design")
    text = bank.find(one.item.name).en
    assert len(one.show_points()) == len(text.points) + len(text.follow_ups)


def test_code_is_judged_and_wrong_tries_cost():
    one = only("coding")
    stub = f"def {one.item.name}(*args):\n    ..."
    assert one.submit(stub).kind == "awaiting" and one.item.tries == 0
    assert one.submit("def f(:").title.startswith("The code does not run: SyntaxError, line 1")
    assert one.submit("x = 1").title.endswith(f"defines no function {one.item.name}")
    assert one.submit("1 / 0").title.startswith("The code does not run: ZeroDivisionError")
    assert one.item.tries == 0, "nothing was judged"
    assert one.submit(f"def {one.item.name}(*args):\n    return 3").kind == "wrong"
    assert one.item.score < 0.5
    assert one.submit(right_code(one.item.name)).kind == "right"
    assert one.item.score == 0.85
    one.submit(f"def {one.item.name}(*args):\n    return 3")
    assert one.item.score == 0.85, "solved is solved"
    assert logbook.standings()[one.item.name].score == 100, "it counts among the drills too"


def test_the_code_of_a_bug_hunt_as_given_is_wrong():
    one = only("hunt")
    from helpers.drills import Task

    assert one.submit(Task(find_drill(one.item.name)).stub()).kind == "wrong"


# ---- keeping -----------------------------------------------------------------------------------
def test_a_session_is_continued_where_it_was():
    one = draw(minutes=20, seed=2)
    one.save()
    one.show_points()
    one.tick([1])
    one.item.notes = "keywords, 关键词"
    one.go_on()
    (again,) = sessions(finished=False)
    assert again == one and again.position == 1 and again.items[0].notes == "keywords, 关键词"
    sit(again)
    assert sessions(finished=False) == [] and len(sessions()) == 1


KILLED = """
import os, signal
from helpers.interview.session import draw
one = draw(minutes=20, seed=2)
one.save()
one.show_points(); one.tick([0, 1]); one.go_on()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kernel_that_is_killed_costs_nothing_said():
    done = subprocess.run([sys.executable, "-c", KILLED], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    (one,) = sessions(finished=False)
    assert one.position == 1 and one.items[0].ticked == [0, 1]


def state_with(change) -> None:
    one = draw(minutes=20, seed=2)
    one.save()
    state = json.loads(logbook.events(["mock"])[-1]["source"])
    change(state)
    logbook.record(one.id, "mock", source=json.dumps(state))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update(version=0), "another version of the course wrote it"),
        (lambda state: state["items"][0].update(name="gone"), "no such question"),
        (lambda state: state["items"][2].update(name="gone"), "no such drill"),
        (lambda state: state.pop("seed"), "seed"),
        (lambda state: state.update(items=[3]), "left out"),
    ],
)
def test_a_session_of_another_version_is_left_out_named_and_kept(change, message):
    state_with(change)
    assert sessions(finished=False) == [] == sessions()
    (line,) = session.unreadable()
    assert message in line and line.endswith("It stays in the file.")
    assert len(logbook.events(["mock"])) == 2
    room = mock_interview()
    room.widget()
    assert "is left out" in room.head.value


# ---- the report --------------------------------------------------------------------------------
def test_the_report_tells_points_minutes_and_what_to_read():
    one = sit(draw(minutes=20, seed=3), points=1)
    page = report(one)
    assert page.startswith(f"<p><b>{100 * one.score:.0f} % of the points</b>") and "seed 3" in page
    for item in one.items:
        for section in item.sections:
            assert (section.heading.split(",")[0] in page) == (item.score < 0.7), item.name
    assert picture(one, sessions()).startswith(b"\x89PNG")


def test_a_perfect_session_has_nothing_to_read():
    one = draw(minutes=20, seed=3)
    while not one.is_finished:
        if one.item.is_code:
            one.submit(right_code(one.item.name))
        else:
            one.tick(range(len(one.show_points())))
        one.go_on()
    assert one.score == 1 and "Nothing to read again" in report(one)


def test_mastery_is_the_mean_of_the_last_five():
    past = [draw(minutes=20, seed=3) for _ in range(7)]
    for number, one in enumerate(past):
        one.items = one.items[:1]
        one.items[0].shown, one.items[0].ticked = True, [0] if number == 6 else []
    (value,) = mastery(past).values()
    assert value == pytest.approx(past[-1].items[0].score / 5)


# ---- the room ----------------------------------------------------------------------------------
def visible(room) -> set:
    parts = (*room.panel.children[1:-1], *room.panel.children[-1].children)
    return {part for part in parts if part.layout.display is None}


def test_the_room_leads_through_a_session_with_a_pause():
    room = mock_interview(minutes=20, seed=4)
    room.widget()
    assert visible(room) == {room.choice, room.act} and room.act.description == "Begin"
    room.act.click()
    while (item := room.session.item) is not None:
        if item.is_code:
            assert item.name in room.notes.value and room.hint in visible(room)
            room.act.click()
            assert "awaits" in room.verdict.value or "not right" in room.verdict.value
            room.notes.value = right_code(item.name)
            room.act.click()
            assert "✓" in room.verdict.value
        else:
            assert not visible(room) & set(room.checks)
            room.notes.value = "keywords"
            room.act.click()
            shown = [check for check in room.checks if check in visible(room)]
            assert len(shown) == len(item.points("en"))
            shown[-1].value = True
            assert item.ticked == [len(shown) - 1]
        if room.session.position == 1:
            room.pause.click()
            assert "interrupted at task 2 of 5" in room.head.value
            assert {room.act, room.again} <= visible(room)
            room = mock_interview()
            room.widget()
            assert room.act.description == "Continue"
            room.act.click()
            assert room.notes.value == "keywords"
            assert [check.value for check in room.checks].count(True) == 1
        room.next.click()
    assert "of the points" in room.head.value and bytes(room.image.value[:4]) == b"\x89PNG"
    assert visible(room) == {room.image, room.choice, room.act} and len(sessions()) == 1
    room.act.click()
    assert len(sessions(finished=False)) == 1, "another one"


def test_a_new_interview_may_be_begun_beside_an_interrupted_one():
    draw(minutes=20, seed=2).save()
    room = mock_interview(minutes=20, seed=3)
    room.widget()
    room.again.click()
    assert room.session.seed == 3 and len(sessions(finished=False)) == 2


def test_a_seed_that_is_no_number_is_refused_in_the_room():
    room = mock_interview()
    room.widget()
    room.boxes["seed"].value = "seven"
    room.act.click()
    assert "The seed is seven: it should be a whole number" in room.head.value
    assert room.session is None


def test_every_point_has_its_box():
    assert (
        max(
            len(text.points) + len(text.follow_ups)
            for question in bank.questions()
            for text in (question.en, question.zh)
        )
        <= session.MOST_POINTS
    )


def test_the_clock_runs_in_a_notebooks_loop_and_stops_with_the_session(monkeypatch):
    async def held():
        room = mock_interview(minutes=20, seed=4)
        room.widget()
        room.act.click()
        await asyncio.sleep(1.3)
        assert room.session.items[0].seconds > 1 and "<b>19:5" in room.head.value
        room.session.items[0].seconds = 1300
        await asyncio.sleep(1.1)
        assert "Time is up" in room.head.value
        held = room.session
        room.pause.click()
        kept = held.items[0].seconds
        await asyncio.sleep(1.2)
        assert room.clock is None and held.items[0].seconds == kept > 1300
        assert sessions(finished=False)[0].items[0].seconds == kept

    asyncio.run(held())


def test_without_a_reader_the_cell_shows_one_line():
    bundle = mock_interview()._repr_mimebundle_()
    assert "press Begin" in bundle["text/html"] and "press Begin" in bundle["text/plain"]
    assert logbook.events() == []
