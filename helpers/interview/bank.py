"""The question bank: what interviewers ask, in English and in Chinese, and what a full answer says.

One TOML file a topic, ``bank/<topic>.toml``, a table a question; CONTRIBUTING shows one whole. This
module reads them and refuses what is incomplete; `check` compares the numbers that an answer says
with the notebook sections that it links to.
"""

import math
import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from helpers.interview.sections import Section, find_section

FOLDER = Path(__file__).parent / "bank"
LANGUAGES = ("en", "zh")
# The spoken lengths: words of English, characters of Chinese. People say 150 words, or 240
# characters, a minute; an answer may be a third shorter, so that there is time to think.
SHORT = {"en": (40, 100), "zh": (60, 190)}
LONG = {"en": (150, 330), "zh": (260, 650)}


@dataclass(frozen=True)
class Text:
    """A question and its answers in one language.

    Attributes:
        question: as it is asked.
        points: what a full answer says, for marking: 3 to 6.
        short: the answer spoken in 30 seconds.
        long: the answer spoken in 2 minutes.
        follow_ups: what the interviewer asks next, each with its answer in a sentence or two.
        wrong: the common wrong answer, as people say it.
        why: why that is wrong.
    """

    question: str
    points: tuple[str, ...]
    short: str
    long: str
    follow_ups: tuple[tuple[str, str], ...]
    wrong: str
    why: str

    def next_questions(self) -> list[str]:
        """The follow-ups with their answers, each in a line."""
        return [f"{asked} — {answer}" for asked, answer in self.follow_ups]

    def spoken(self) -> str:
        """All that answers the question, as one text."""
        parts = [*self.points, self.short, self.long, self.wrong, self.why]
        return "\n".join(parts + [text for pair in self.follow_ups for text in pair])


@dataclass(frozen=True)
class Question:
    """One question of the bank.

    Attributes:
        id: unique and never changed: flashcards and Anki keep a reader's history under it.
        topic: the file that it stands in.
        difficulty: 1 everybody is asked, 2 who gets further, 3 who is to lead.
        tags: what it is about; "design" marks the ones asked at a whiteboard.
        sections: of the notebooks that prove the answer, the most telling first.
        sources: where numbers come from that no section shows: author, title, year, and the number.
        worked: calculations, "1 / (1 - 0.9) = 10"; their numbers count as shown.
        en, zh: the texts.
    """

    id: str
    topic: str
    difficulty: int
    tags: tuple[str, ...]
    sections: tuple[Section, ...]
    sources: tuple[str, ...]
    worked: tuple[str, ...]
    en: Text
    zh: Text


@cache
def questions() -> tuple[Question, ...]:
    """The whole bank, by topic, in the order of the files.

    Raises:
        ValueError: a question is incomplete; the message has its id and what is wrong.
    """
    files = sorted(FOLDER.glob("*.toml"))
    return tuple(question for file in files for question in read(file))


def find(question_id: str) -> Question:
    """A question by its id.

    Raises:
        ValueError: there is none.
    """
    for question in questions():
        if question.id == question_id:
            return question
    raise ValueError(f"question_id is {question_id!r}: the bank has no such question")


def read(file: Path) -> list[Question]:
    """The questions of one file."""
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    if set(content) != {"question"}:
        raise ValueError(f"{file.name} has {', '.join(content)}: it should have [[question]] only")
    return [_question(file.stem, table) for table in content["question"]]


def _question(topic: str, table: dict) -> Question:
    where = table.get("id", "a question without id")
    table = {"sources": [], "worked": [], **table}
    _same_keys(where, table, {field.name for field in fields(Question)} - {"topic"})
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", where):
        raise ValueError(f"id is {where!r}: lower-case words joined by hyphens")
    if table["difficulty"] not in (1, 2, 3):
        raise ValueError(f"{where}: difficulty is {table['difficulty']!r}: 1, 2 or 3")
    if not table["tags"] or not 1 <= len(table["sections"]) <= 3:
        raise ValueError(f"{where}: it needs tags, and one to three sections")
    try:
        sections = tuple(find_section(link) for link in table["sections"])
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    texts = {language: _text(where, language, table[language]) for language in LANGUAGES}
    for name in ("points", "follow_ups"):
        if len({len(getattr(text, name)) for text in texts.values()}) > 1:
            raise ValueError(f"{where}: {name} differ in number between the languages")
    rest = {name: tuple(table[name]) for name in ("tags", "sources", "worked")}
    return Question(where, topic, table["difficulty"], sections=sections, **rest, **texts)


def _text(where: str, language: str, table: dict) -> Text:
    _same_keys(f"{where}, {language}", table, {field.name for field in fields(Text)})
    table = {name: _stripped(value) for name, value in table.items()}
    text = Text(**table)
    for name, (low, high) in (("short", SHORT[language]), ("long", LONG[language])):
        length = spoken_length(getattr(text, name), language)
        if not low <= length <= high:
            raise ValueError(f"{where}, {language}: {name} has length {length}: {low} to {high}")
    if not 3 <= len(text.points) <= 6 or not 2 <= len(text.follow_ups) <= 4:
        raise ValueError(f"{where}, {language}: 3 to 6 points, 2 to 4 follow-ups")
    if any(not isinstance(pair, tuple) or len(pair) != 2 for pair in text.follow_ups):
        raise ValueError(f"{where}, {language}: a follow-up is a pair of question and answer")
    if not all([text.question, text.wrong, text.why, *text.points, *sum(text.follow_ups, ())]):
        raise ValueError(f"{where}, {language}: something is empty")
    return text


def _same_keys(where: str, table: dict, expected: set[str]) -> None:
    if set(table) != expected:
        missing, unknown = sorted(expected - set(table)), sorted(set(table) - expected)
        raise ValueError(f"{where}: missing {missing}, unknown {unknown}")


def _stripped(value):
    return tuple(map(_stripped, value)) if isinstance(value, list) else value.strip()


def spoken_length(text: str, language: str) -> int:
    """Words of English; of Chinese, its characters, and two for each foreign word or number."""
    if language == "en":
        return len(text.split())
    chinese = len(re.findall(r"[\u4e00-\u9fff]", text))
    return chinese + 2 * len(re.findall(r"[A-Za-z0-9.]*[A-Za-z0-9]", text))


def unshown_numbers(question: Question, language: str) -> list[str]:
    """The numbers that an answer says and that neither its sections nor its sources show.

    A number is shown where one of them rounds to it; powers of ten do not matter (84 % is 0.84,
    13 亿 is 1.3 billion). Whole numbers up to ten are words, not measurements.
    """
    text: Text = getattr(question, language)
    given = [text.question, *question.sources, *question.worked]
    shown = {number for source in given for number in _numbers(source)}
    for section in question.sections:
        shown |= section_numbers(section)
    said = _numbers(text.spoken())
    return sorted(number for number in said if not _is_shown(number, shown))


@cache
def section_numbers(section: Section) -> frozenset[str]:
    return frozenset(_numbers(section.text))


FUNCTIONS = {name: getattr(math, name) for name in ("exp", "log", "log2", "sqrt")}
# A figure in a name (float32, L6) is not a number; superscripts are powers of ten.
NUMBER = re.compile(r"(?<![A-Za-z_\d.])\d+(?:\.\d+)?")
THOUSANDS = re.compile(r"(?<=\d)[, ](?=\d{3}(?!\d))")


def _numbers(text: str) -> set[str]:
    text = THOUSANDS.sub("", text)
    return set(NUMBER.findall(text))


def _is_shown(number: str, shown: set[str]) -> bool:
    if number.isdigit() and int(number) <= 10:
        return True
    digits = number.replace(".", "").strip("0") or "0"
    places = len(number.replace(".", "").lstrip("0"))
    # 120 may be two digits or three.
    lengths = {places, len(digits)}
    return any(
        _significant(float(other), length) == digits for other in shown for length in lengths
    )


def _significant(value: float, places: int) -> str:
    return f"{value:.{max(places, 1) - 1}e}".split("e")[0].replace(".", "").strip("0") or "0"


def wrong_sums(question: Question) -> list[str]:
    """The worked calculations that do not come out: "0.9 ** 50 = 0.005", the right side rounded as
    it is written; exp, log, log2 and sqrt may be used."""
    wrong = []
    for line in question.worked:
        left, _, right = line.rpartition("=")
        value = eval(left, {"__builtins__": {}}, FUNCTIONS)  # the bank is our own text
        places = len(re.sub(r"e.*|\.", "", right.strip()).strip("0")) or 1
        if _significant(value, places) != _significant(float(right), places):
            wrong.append(f"{line}: it is {value:.6g}")
    return wrong
