"""Flashcards come back when they are due; the deck opens in Anki and keeps a learner's history."""

import dataclasses
import time
from datetime import UTC, datetime, timedelta

import pytest
from anki.collection import Collection
from anki.import_export_pb2 import ImportAnkiPackageOptions, ImportAnkiPackageRequest

from helpers.drills import logbook
from helpers.interview import anki, bank, deck, export_anki, flashcards
from helpers.interview.deck import due, intervals, rate, schedule, spoken

pytestmark = pytest.mark.usefixtures("own_progress")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def answered(question_id: str, *answers: tuple[datetime, str]) -> list[dict]:
    return [{"drill": question_id, "time": t.isoformat(), "kind": kind} for t, kind in answers]


def test_a_card_that_is_known_comes_back_later_each_time():
    events, gaps, now = [], [], NOW
    for _ in range(5):
        events += answered("a", (now, "good"))
        gaps.append(schedule(events)["a"].due - now)
        now += gaps[-1]
    assert gaps == sorted(gaps) and gaps[0] < timedelta(hours=1) and gaps[-1] > 20 * DAY


def test_a_card_that_was_forgotten_comes_back_today():
    known = answered("a", (NOW, "easy"), (NOW + 10 * DAY, "good"))
    forgotten = known + answered("a", (NOW + 60 * DAY, "again"))
    assert schedule(known)["a"].due > NOW + 30 * DAY
    assert schedule(forgotten)["a"].due < NOW + 61 * DAY


def test_the_same_answers_give_the_same_schedule():
    events = answered("a", (NOW, "good"), (NOW + DAY, "hard"), (NOW + 9 * DAY, "good"))
    assert schedule(events)["a"].due == schedule(events)["a"].due


def test_new_cards_come_easy_ones_first_and_ten_a_day():
    first = due(datetime.now(UTC))
    assert len(first) == deck.NEW_A_DAY
    assert [question.difficulty for question in first] == [1] * len(first)
    assert len({question.topic for question in first}) >= 4, "the subjects are mixed"
    for question in first[:4]:
        rate(question.id, "easy")
    waiting = due(datetime.now(UTC))
    assert [question.id for question in waiting] == [question.id for question in first[4:]]
    assert len(due(datetime.now(UTC) + 2 * DAY)) == deck.NEW_A_DAY, "a new day, new cards"


def test_a_subject_has_new_cards_of_its_own_and_more_on_request():
    for question in due(datetime.now(UTC)):
        rate(question.id, "easy")
    assert due(datetime.now(UTC)) == []
    assert {question.topic for question in due(datetime.now(UTC), "serving")} == {"serving"}
    assert len(due(datetime.now(UTC), new=25)) == 25 - deck.NEW_A_DAY
    with pytest.raises(ValueError, match="new is -1: it should be 0 or more"):
        flashcards(new=-1)


def test_due_cards_come_before_new_ones():
    question = bank.questions()[-1]
    rate(question.id, "again")
    assert due(datetime.now(UTC) + timedelta(minutes=5))[0] == question


def test_ratings_stand_in_the_progress_file_beside_the_drills():
    question = bank.questions()[0]
    rate(question.id, "hard")
    assert [(e["drill"], e["kind"]) for e in logbook.events()] == [(question.id, "hard")]
    assert logbook.standings() == {}, "a card is no drill"


def test_what_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="question_id is 'x'"):
        rate("x", "good")
    with pytest.raises(ValueError, match="rating is 'fine': it should be one of again, hard"):
        rate(bank.questions()[0].id, "fine")
    with pytest.raises(ValueError, match="topic is 'rnn': it should be one of"):
        flashcards("rnn")
    with pytest.raises(ValueError, match="language is 'fr'"):
        flashcards(language="fr")


def test_the_buttons_say_when_the_card_comes_again():
    gaps = intervals(bank.questions()[0].id, NOW)
    assert (
        list(gaps) == ["again", "hard", "good", "easy"]
        and sorted(gaps.values())[0] == gaps["again"]
    )
    assert [spoken(timedelta(minutes=m)) for m in (0.2, 10, 130, 1440, 5000)] == [
        "1 min",
        "10 min",
        "2 h",
        "1 day",
        "3 days",
    ]


def press(cards, keys: str) -> None:
    for key in keys:
        cards.keys.value = key


def test_the_deck_is_worked_by_keys_alone():
    cards = flashcards("recurrent")
    cards.widget()
    first = cards.question
    press(cards, "3")
    assert cards.question == first, "an answer that was not seen cannot be rated"
    assert bank.find(first.id).en.points[0].split()[0] not in cards.face.value
    press(cards, " ")
    assert "A full answer says" in cards.face.value and cards.keys.value == ""
    press(cards, "l")
    assert "完整的回答包括" in cards.face.value
    press(cards, "4")
    assert cards.question != first and cards.answered == 1
    assert [event["kind"] for event in logbook.events()] == ["easy"]


def test_a_deck_with_nothing_due_says_so():
    cards = flashcards("recurrent")
    cards.widget()
    while cards.question:
        press(cards, " 4")
    assert "Nothing is due" in cards.face.value
    press(cards, " 1")
    assert "Nothing is due" in cards.face.value


def test_without_a_reader_the_cell_shows_one_line():
    bundle = flashcards()._repr_mimebundle_()
    assert bundle["text/plain"] == repr(flashcards()) and "questions" in bundle["text/html"]


# ---- Anki --------------------------------------------------------------------------------------
@pytest.fixture
def collection(tmp_path):
    opened = Collection(str(tmp_path / "collection.anki2"))
    yield opened
    opened.close()


def take_in(collection: Collection, path) -> None:
    options = ImportAnkiPackageOptions(merge_notetypes=True)
    request = ImportAnkiPackageRequest(package_path=str(path), options=options)
    collection.import_anki_package(request)


def test_the_deck_opens_in_ankis_own_library(tmp_path, collection):
    path = tmp_path / "interview.apkg"
    count = export_anki(path)
    take_in(collection, path)
    assert collection.note_count() == count == 2 * len(bank.questions())
    names = {entry.name for entry in collection.decks.all_names_and_ids()}
    assert {"Deep learning interview::recurrent", "深度学习面试::gpt"} <= names
    question = bank.questions()[-1]
    (note_id,) = collection.find_notes(f'Id:{question.id} "deck:深度学习面试::*"')
    card = collection.get_note(note_id).cards()[0]
    assert anki.inline(question.zh.question) in card.question()
    assert anki.inline(question.zh.points[0]) in card.answer()


def test_an_update_changes_the_text_and_keeps_the_history(tmp_path, collection, monkeypatch):
    path = tmp_path / "interview.apkg"
    export_anki(path)
    take_in(collection, path)
    question = bank.questions()[0]
    (note_id,) = collection.find_notes(f'Id:"{question.id}" "deck:Deep learning interview::*"')
    card = collection.get_note(note_id).cards()[0]
    card.start_timer()
    collection.sched.answerCard(card, 4)
    before = collection.get_card(card.id)
    changed = dataclasses.replace(
        question, en=dataclasses.replace(question.en, question="Asked in another way?")
    )
    updated = (changed, *bank.questions()[1:])
    monkeypatch.setattr(anki, "questions", lambda: updated)
    # Anki takes the newer of two notes, and counts time in seconds.
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 100)
    export_anki(path)
    take_in(collection, path)
    after = collection.get_card(card.id)
    assert collection.get_note(note_id)["Question"] == "Asked in another way?"
    assert (after.reps, after.ivl, after.due) == (before.reps, before.ivl, before.due)
    assert after.reps == 1 and collection.note_count() == 2 * len(bank.questions())


def test_an_export_to_nowhere_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Anki opens files that end in .apkg"):
        export_anki(tmp_path / "deck.zip")
    with pytest.raises(OSError):
        export_anki(tmp_path / "missing" / "deck.apkg")
