"""The question bank and the quizzes: complete, proved by what they link to, no two alike."""

import re
from collections import Counter
from pathlib import Path

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from helpers.interview import bank, interview_questions, quiz
from helpers.interview.bank import LANGUAGES, questions, read, unshown_numbers, wrong_sums
from helpers.interview.quiz import Quiz, QuizCard, quizzes
from helpers.interview.sections import FRAME, NOTEBOOKS, find_section, sections

NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
TAUGHT = [name for name in NAMES if not name.startswith("09")]
# Names that would say who asks a question.
COMPANIES = re.compile(
    r"google|meta\b|facebook|amazon|apple\b|microsoft|openai|bytedance|tencent|alibaba|baidu|"
    r"字节跳动|腾讯|阿里|百度|美团|华为|京东|快手|小米",
    re.IGNORECASE,
)


def test_the_bank_is_large_enough_and_covers_its_subjects():
    topics = Counter(question.topic for question in questions())
    assert sum(topics.values()) >= 150
    subjects = "training metrics recurrent bert gpt generative scaling serving startup".split()
    assert sorted(topics) == sorted(subjects) and min(topics.values()) >= 12
    levels = Counter(question.difficulty for question in questions())
    assert min(levels.values()) >= 30
    assert sum("design" in question.tags for question in questions()) >= 15


def test_every_id_is_its_own():
    ids = [question.id for question in questions()]
    assert [name for name, count in Counter(ids).items() if count > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_questions_are_alike(language):
    texts = [getattr(question, language).question for question in questions()]
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    similarity = (matrix := vectors.fit_transform(texts)) @ matrix.T
    alike = [
        (texts[i], texts[j])
        for i, j in zip(*similarity.nonzero(), strict=True)
        if i < j and similarity[i, j] > 0.7
    ]
    assert alike == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("question", questions(), ids=lambda question: question.id)
def test_every_number_is_shown_or_sourced(question, language):
    assert unshown_numbers(question, language) == []


@pytest.mark.parametrize("question", questions(), ids=lambda question: question.id)
def test_a_question_is_proved_where_it_links_and_names_nobody(question):
    assert wrong_sums(question) == []
    for section in question.sections:
        assert section.heading not in FRAME, "link to the section that proves it"
    asked = question.en.question + question.zh.question
    assert not COMPANIES.search(asked)
    assert re.search("[\u4e00-\u9fff]", question.zh.question)
    assert not re.search("[\u4e00-\u9fff]", question.en.question)


def complete(**changes) -> str:
    """A file of one question, with changes to its English text."""
    text = {
        "question": "Why?",
        "points": ["a", "b", "c"],
        "short": "word " * 60,
        "long": "word " * 200,
        "follow_ups": [["And then?", "This."], ["And else?", "That."]],
        "wrong": "So.",
        "why": "Not so.",
    }
    english = text | changes
    chinese = text | {"short": "字" * 100, "long": "字" * 400}
    lines = ['[[question]]\nid = "why"\ndifficulty = 1\ntags = ["a"]']
    lines.append('sections = ["03_recurrent_networks#4.1"]')
    for language, table in (("en", english), ("zh", chinese)):
        lines.append(f"[question.{language}]")
        lines += [f"{name} = {value!r}" for name, value in table.items()]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (complete(short="word " * 20), "why, en: short has length 20: 40 to 100"),
        (complete(points=["a", "b"]), "why, en: 3 to 6 points, 2 to 4 follow-ups"),
        (complete(points=["a", "b", "c", "d"]), "why: points differ in number between"),
        (complete(why=""), "why, en: something is empty"),
        (complete(follow_ups=[["And then?"], ["?"]]), "why, en: a follow-up is a pair"),
        (complete(extra="x"), r"why, en: missing \[\], unknown \['extra'\]"),
        (complete().replace("difficulty = 1", "difficulty = 4"), "why: difficulty is 4: 1, 2 or 3"),
        (complete().replace('"why"', '"Why not"'), "id is 'Why not': lower-case words"),
        (complete().replace("#4.1", "#4.9"), "why: link is .*: 0 headings of 03_"),
        (complete().replace("03_rec", "13_rec"), "why: link is .*there is no notebook"),
        (complete().replace("[[question]]", "[[answer]]"), "mine.toml has answer"),
    ],
)
def test_an_incomplete_question_is_refused(tmp_path, content, message):
    file = tmp_path / "mine.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read(file)


def test_a_number_that_no_section_shows_is_found(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(complete(wrong="It is 0.7351, not 3 or 10.", why="9.41 %"), encoding="utf-8")
    (question,) = read(file)
    assert unshown_numbers(question, "en") == ["0.7351", "9.41"]
    file.write_text(
        complete(wrong="It is 0.7351.").replace(
            "difficulty", 'worked = ["0.7 + 0.0351 = 0.7351", "1 + 1 = 3"]\ndifficulty'
        ),
        encoding="utf-8",
    )
    (question,) = read(file)
    assert unshown_numbers(question, "en") == []
    assert wrong_sums(question) == ["1 + 1 = 3: it is 2"]


def test_a_section_holds_what_stands_below_its_heading():
    whole = find_section("03_recurrent_networks#4")
    part = find_section("03_recurrent_networks#4.1")
    assert part.heading == "4.1 Vanishing and exploding gradients" and part.text in whole.text
    assert find_section("00_start_here#Two refusals").label == "00, Two refusals"
    assert part.address == "03_recurrent_networks.ipynb#4.1-Vanishing-and-exploding-gradients"


@pytest.mark.parametrize("notebook", TAUGHT)
def test_a_notebook_shows_its_questions_in_both_languages(notebook):
    shown = interview_questions(notebook)
    assert len(shown.found) >= 6
    assert [q.sections[0].notebook for q in shown.found] == [notebook] * len(shown.found)
    page = shown._repr_html_()
    assert page.count("<details>") == page.count("</details>") == 3 * len(shown.found)
    assert repr(shown).startswith("1. ")
    chinese = interview_questions(notebook, "zh")
    assert "30 秒回答" in chinese._repr_html_()


@pytest.mark.parametrize("notebook", TAUGHT)
def test_its_last_section_and_its_quizzes_come_from_the_bank(notebook):
    text = (NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8")
    assert f'interview_questions(\\"{notebook}\\")' in text
    for name in {one.section for one in quizzes(notebook)}:
        argument = name if name.isdigit() else f'\\"{name}\\"'
        assert f'quiz(\\"{notebook}\\", {argument})' in text, name


def test_questions_of_no_notebook_and_in_no_language_are_refused():
    with pytest.raises(ValueError, match="notebook is 'x': the bank has no questions"):
        interview_questions("x")
    with pytest.raises(ValueError, match="language is 'fr': it should be one of en, zh"):
        interview_questions("03_recurrent_networks", "fr")
    with pytest.raises(ValueError, match="question_id is 'x'"):
        bank.find("x")


# ---- quizzes -----------------------------------------------------------------------------------
@pytest.mark.parametrize("notebook", TAUGHT)
def test_every_main_section_has_a_quiz(notebook):
    found = {one.section for one in quizzes(notebook)}
    main = [s.heading for s in sections(notebook) if s.level == 2 and s.heading not in FRAME]
    without = [heading for heading in main if not any(heading.startswith(name) for name in found)]
    assert [heading for heading in without if not heading.startswith("Appendix")] == []


@pytest.mark.parametrize("notebook", TAUGHT)
def test_a_quiz_says_why_each_wrong_answer_is_wrong(notebook):
    for one in quizzes(notebook):
        assert one.why and len(one.wrong) >= 2
        options = [one.right, *(option for option, _ in one.wrong)]
        assert len(set(options)) == len(options) and all(reason for _, reason in one.wrong)
        if one.within is not None:
            near = [abs(float(o) - float(one.right)) for o, _ in one.wrong]
            assert one.within > 0 and min(near) > 2 * one.within, one.question


def test_the_right_option_is_not_to_be_told_by_its_length():
    choices = [one for name in TAUGHT for one in quizzes(name) if one.within is None]
    longest = [len(one.right) > max(len(option) for option, _ in one.wrong) for one in choices]
    assert sum(longest) <= 0.5 * len(choices)


def test_jupyterquiz_gets_every_reason_and_no_formula_signs():
    choice = Quiz("1", "What costs $5 and $6?", "this", "so", (("that", "no"), ("those", "nor")))
    asked = choice.for_jupyterquiz()
    assert asked["question"] == "What costs &#36;5 and &#36;6?"
    assert {a["answer"]: (a["correct"], a["feedback"]) for a in asked["answers"]} == {
        "this": (True, "so"),
        "that": (False, "no"),
        "those": (False, "nor"),
    }
    number = Quiz("1", "1 + 1?", "2", "so", (("3", "one more"), ("4", "two more")), 0.25)
    right, wrong, _, default = number.for_jupyterquiz()["answers"]
    assert right["range"][0] == 1.75 and 2.25 < right["range"][1] < 2.2500001
    assert (wrong["feedback"], default["type"]) == ("one more", "default")


def test_a_quiz_leaves_the_random_numbers_of_the_notebook_alone():
    import random

    random.seed(1)
    expected = random.Random(1).random()
    quiz(TAUGHT[1], quizzes(TAUGHT[1])[0].section)._repr_mimebundle_()
    assert random.random() == expected


def test_a_quiz_can_be_read_without_a_kernel():
    page = QuizCard([Quiz("1", "Why `x`?", "this", "so", (("a", "b"), ("c", "d")))])._repr_html_()
    assert "Why <code>x</code>?" in page and "<b>this</b>: so" in page and "<li>a: b</li>" in page


def test_a_quiz_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="section is 99: 03_recurrent_networks has no quiz"):
        quiz("03_recurrent_networks", 99)
    with pytest.raises(ValueError, match="notebook is 'x': there are no quizzes"):
        quiz("x", 1)


def test_the_bank_lies_where_contributors_are_told():
    assert sorted(p.name for p in Path(bank.FOLDER).iterdir()) == sorted(
        f"{topic}.toml" for topic in {question.topic for question in questions()}
    )
