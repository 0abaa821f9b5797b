"""Sections of the notebooks: what the bank's links point at, and what a reader finds there."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Cells that show quizzes and questions prove nothing: what they say has to be shown elsewhere.
FROM_THE_BANK = ("quiz(", "interview_questions(")
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


# The sections that every notebook has around what it teaches.
FRAME = frozenset(
    {
        "Objectives",
        "Before you start",
        "Time",
        "The interview question",
        "Recap",
        "Drills",
        "Exercises",
        "Interview questions",
        "Going further",
    }
)


@dataclass(frozen=True)
class Section:
    """A section of a notebook: from its heading to the next one of the same level or above.

    Attributes:
        notebook: "03_recurrent_networks".
        level: of the heading: 2 for a main section.
        heading: "4.1 Vanishing and exploding gradients".
        text: source and text outputs of its cells.
    """

    notebook: str
    level: int
    heading: str
    text: str

    @property
    def label(self) -> str:
        """For a reader: "03, 4.1 Vanishing and exploding gradients"."""
        return f"{self.notebook[:2]}, {self.heading}"

    @property
    def address(self) -> str:
        """For a link from another notebook: JupyterLab and GitHub agree but for capitals."""
        anchor = re.sub(r"\s+", "-", self.heading.replace("`", ""))
        return f"{self.notebook}.ipynb#{anchor}"


def find_section(link: str) -> Section:
    """A section by "03_recurrent_networks#4.1", or by the start of its heading where it has no
    number: "00_start_here#Two refusals".

    Raises:
        ValueError: there is no such notebook, or no one such heading in it.
    """
    notebook, _, start = link.partition("#")
    if not (NOTEBOOKS / f"{notebook}.ipynb").exists():
        raise ValueError(f"link is {link!r}: there is no notebook {notebook!r}")
    found = [section for section in sections(notebook) if _begins(section.heading, start)]
    if len(found) != 1 or not start:
        raise ValueError(f"link is {link!r}: {len(found)} headings of {notebook} begin so")
    return found[0]


def _begins(heading: str, start: str) -> bool:
    return re.match(re.escape(start) + r"(?![\w.]*\d)", heading) is not None


@cache
def sections(notebook: str) -> tuple[Section, ...]:
    """All sections of a notebook, in order, of level two and three."""
    content = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_text(encoding="utf-8"))
    found: list[tuple[int, str, list[str]]] = []
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            # A heading may stand in the middle of a cell.
            for part in re.split(r"^(?=##)", source, flags=re.MULTILINE):
                if heading := re.match(r"(##+) +(.+)", part):
                    found.append((len(heading[1]), heading[2].strip(), []))
                if found:
                    _append(found, part)
        elif found and not source.startswith(FROM_THE_BANK):
            _append(found, source)
            for output in cell["outputs"]:
                _append(found, _output_text(output))
    return tuple(
        Section(notebook, level, heading, "\n".join(text)) for level, heading, text in found
    )


def _append(found: list[tuple[int, str, list[str]]], text: str) -> None:
    """Add a text to the last section, and to the ones that it lies in."""
    inner = 99
    for level, _, texts in reversed(found):
        if level < inner:
            texts.append(text)
            inner = level


def _output_text(output: dict) -> str:
    data = output.get("data", {})
    texts = [output.get("text", ""), data.get("text/plain", ""), data.get("text/markdown", "")]
    html = re.sub(r"<[^>]+>", " ", "".join(data.get("text/html", "")))
    return "\n".join("".join(text) for text in (*texts, html))
