"""The question bank as a deck for Anki.

A note is known to Anki by a name made of the question's id, so that importing a newer deck changes
the texts and keeps the history of what was learnt.
"""

from pathlib import Path
from zlib import crc32

import genanki

from helpers.interview.bank import LANGUAGES, Question, questions
from helpers.interview.show import bullets, follow_ups, inline, paragraphs

# Anki recognises the form of the notes by its number, a deck by one made of its name: never change
# them, and never rename or move a field.
MODEL_ID = 1_607_392_311
DECKS = {"en": "Deep learning interview", "zh": "深度学习面试"}
FIELDS = ("Question", "Short", "Points", "Long", "Wrong", "FollowUps", "Section", "Id")
BACK = """{{FrontSide}}<hr id="answer">{{Short}}{{Points}}{{Wrong}}<hr>{{Long}}<hr>{{FollowUps}}
<p><small>{{Section}}</small></p>"""
STYLE = ".card { font-family: sans-serif; font-size: 18px; max-width: 44em; margin: auto; }"
MODEL = genanki.Model(
    MODEL_ID,
    "Deep learning interview question",
    fields=[{"name": name} for name in FIELDS],
    templates=[{"name": "Answer aloud", "qfmt": "<b>{{Question}}</b>", "afmt": BACK}],
    css=STYLE,
)


def export_anki(path: str | Path) -> int:
    """Write the bank, a deck in each language with one below it for each topic; return the number
    of notes.

    Args:
        path: of the file, which ends in .apkg.

    Raises:
        ValueError: path does not end so.
        OSError: the file could not be written. What was there is untouched.
    """
    path = Path(path)
    if path.suffix != ".apkg":
        raise ValueError(f"path is {str(path)!r}: Anki opens files that end in .apkg")
    decks: dict[str, genanki.Deck] = {}
    for language in LANGUAGES:
        for question in questions():
            name = f"{DECKS[language]}::{question.topic}"
            deck = decks.setdefault(name, genanki.Deck(crc32(name.encode()), name))
            deck.add_note(_note(question, language))
    partial = path.with_name(path.name + ".part")
    genanki.Package(list(decks.values())).write_to_file(partial)
    partial.replace(path)
    return sum(len(deck.notes) for deck in decks.values())


def _note(question: Question, language: str) -> genanki.Note:
    text = getattr(question, language)
    fields = [
        inline(text.question),
        paragraphs(text.short),
        bullets(text.points),
        paragraphs(text.long),
        f"<p>✗ “{inline(text.wrong)}” {inline(text.why)}</p>",
        follow_ups(text),
        inline("; ".join(section.label for section in question.sections)),
        question.id,
    ]
    tags = [tag.replace(" ", "-") for tag in (question.topic, *question.tags)]
    guid = genanki.guid_for("deep-learning-notebooks", question.id, language)
    return genanki.Note(MODEL, fields, guid=guid, tags=tags)
