"""The bank as a reader sees it: questions with folded answers, for notebooks and for the web."""

import html
import re

from helpers.interview.bank import LANGUAGES, Question, Text, questions
from helpers.interview.sections import Section

LEVELS = {1: "everybody", 2: "further on", 3: "to lead"}
WORDS = {
    "en": {
        "short": "In 30 seconds",
        "long": "In two minutes",
        "points": "A full answer says",
        "shown": "Shown in",
        "wrong": "Often said, and wrong",
        "follow_ups": "What comes next",
        "sources": "Sources",
        "colon": ":",
        "stop": ".",
    },
    "zh": {
        "short": "30 秒回答",
        "long": "两分钟回答",
        "points": "完整的回答包括",
        "shown": "见",
        "wrong": "常见的错误回答",
        "follow_ups": "接下来会问",
        "sources": "出处",
        "colon": "：",
        "stop": "。",
    },
}


class QuestionList:
    """Questions with folded answers; as text, the questions alone."""

    def __init__(self, found: list[Question], language: str, notebook: str) -> None:
        self.found, self.language, self.notebook = found, language, notebook

    def __repr__(self) -> str:
        texts = [getattr(question, self.language).question for question in self.found]
        return "\n".join(f"{number}. {text}" for number, text in enumerate(texts, start=1))

    def _repr_html_(self) -> str:
        return "\n".join(
            f"<details><summary>{number}. {inline(text.question)}</summary>"
            f"{answer(question, self.language, self.notebook)}</details>"
            for number, question in enumerate(self.found, start=1)
            for text in [getattr(question, self.language)]
        )


def interview_questions(notebook: str, language: str = "en") -> QuestionList:
    """The questions of the bank that a notebook proves first, easy ones first.

    Args:
        notebook: "03_recurrent_networks".
        language: "en" or "zh".

    Raises:
        ValueError: there is no such notebook or language.
    """
    check_language(language)
    found = [question for question in questions() if question.sections[0].notebook == notebook]
    if not found:
        raise ValueError(f"notebook is {notebook!r}: the bank has no questions for it")
    return QuestionList(sorted(found, key=lambda q: q.difficulty), language, notebook)


def answer(question: Question, language: str, notebook: str = "", points: bool = True) -> str:
    """All that the bank has on a question, as HTML; links are as seen from ``notebook``. Without
    the points where they stand beside it, to be ticked."""
    text: Text = getattr(question, language)
    words = WORDS[language]
    colon, stop = words["colon"], words["stop"]
    links = "; ".join(link(section, notebook) for section in question.sections)
    parts = [
        f"<p><b>{words['short']}{colon}</b> {inline(text.short)}</p>",
        f"<p><b>{words['points']}{colon}</b></p>{bullets(text.points)}" if points else "",
        f"<p><b>{words['wrong']}{colon}</b> “{inline(text.wrong)}” {inline(text.why)}</p>",
        f"<p>{words['shown']} {links}{stop}</p>",
        f"<details><summary>{words['long']}</summary>{paragraphs(text.long)}</details>",
        f"<details><summary>{words['follow_ups']}</summary>{follow_ups(text)}</details>",
    ]
    if question.sources:
        sources = inline("; ".join(question.sources))
        parts.insert(4, f"<p>{words['sources']}{colon} {sources}{stop}</p>")
    return "".join(parts)


def follow_ups(text: Text) -> str:
    """What an interviewer asks next, each with its answer."""
    return bullets(text.next_questions())


def link(section: Section, notebook: str = "") -> str:
    """A link to a section, as seen from a notebook."""
    address = section.address.removeprefix(f"{notebook}.ipynb")
    # Another notebook opens beside this one, and an interview that is being held goes on. In a
    # widget JupyterLab shows links as plain text.
    beside = "" if address.startswith("#") else ' target="_blank"'
    style = ' style="text-decoration: underline"'
    return f'<a href="{html.escape(address)}"{beside}{style}>{inline(section.label)}</a>'


def bullets(items: list[str] | tuple[str, ...]) -> str:
    return f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in items)}</ul>"


def paragraphs(text: str) -> str:
    return "".join(f"<p>{inline(part)}</p>" for part in re.split(r"\n\s*\n", text))


def inline(text: str) -> str:
    """Plain text with `code` in backquotes, as HTML. Line breaks between Chinese characters are
    none."""
    text = re.sub(r"(?<=[\u3000-\u9fff\uff00-\uffef])\s*\n\s*(?=[\u3000-\u9fff])", "", text)
    escaped = html.escape(" ".join(text.split()), quote=False)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)


def live(widget, plain: str, page: str) -> dict:
    """What a notebook displays: the widget where a kernel is, else, as on the web, the page."""
    return widget._repr_mimebundle_() | {"text/plain": plain, "text/html": page}


def check_language(language: str) -> None:
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}: it should be one of {', '.join(LANGUAGES)}")
