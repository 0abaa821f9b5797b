"""Cards: what the drills show, as HTML in a notebook and as text elsewhere.

A card's first line says all in words, after a sign; colour only repeats it. Screen readers are told
that a verdict is a message (``role="status"``). Colours are the reader's own but for the border.
"""

import html
import re
import textwrap
from dataclasses import dataclass, field

SIGNS = {"right": "✓", "wrong": "✗", "awaiting": "○", "task": "▸", "note": "·"}
BORDERS = {
    "right": "green",
    "wrong": "vermilion",
    "awaiting": "orange",
    "task": "blue",
    "note": "sky",
}


@dataclass
class Card:
    """A title and parts below it.

    Attributes:
        kind: "right", "wrong", "awaiting", "task" or "note".
        title: one line.
        parts: text, with `code` in backquotes and blank lines between paragraphs; or a tuple
            ("code", text), kept as it is; or a tuple ("table", rows), its first row the header; or
            a tuple ("folded", (summary, rows)), a table that opens.
    """

    kind: str
    title: str
    parts: list[str | tuple] = field(default_factory=list)

    def __repr__(self) -> str:
        lines = [f"{SIGNS[self.kind]} {self.title}"]
        for part in self.parts:
            lines += ["", *(_text_block(*part) if isinstance(part, tuple) else _paragraphs(part))]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = "".join(
            _html_block(*part)
            if isinstance(part, tuple)
            else "".join(f"<p>{_inline(text)}</p>" for text in part.split("\n\n"))
            for part in self.parts
        )
        from helpers.plots import COLOURS  # here, so that text cards need no matplotlib

        border = COLOURS[BORDERS[self.kind]]
        return (
            f'<div role="status" style="border-left: 5px solid {border}; padding: 2px 12px; '
            f'max-width: 52em"><p><strong><span aria-hidden="true">{SIGNS[self.kind]}</span> '
            f"{_inline(self.title)}</strong></p>{body}</div>"
        )


def _inline(text: str) -> str:
    return re.sub(
        r"`([^`]+)`", r"<code>\1</code>", html.escape(" ".join(text.split()), quote=False)
    )


def _html_block(kind: str, content) -> str:
    if kind == "code":
        return f'<pre style="white-space: pre-wrap">{html.escape(content, quote=False)}</pre>'
    if kind == "folded":
        summary, rows = content
        table = _html_block("table", rows)
        return f"<details><summary>{_inline(summary)}</summary>{table}</details>"
    header, *rows = content
    head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row" style="text-align: left">{_inline(first)}</th>'
        + "".join(f'<td style="text-align: left">{_inline(cell)}</td>' for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _paragraphs(text: str) -> list[str]:
    blocks = [textwrap.wrap(block, 88) for block in text.split("\n\n")]
    return [line for number, block in enumerate(blocks) for line in ([""] * (number > 0) + block)]


def _text_block(kind: str, content) -> list[str]:
    if kind == "code":
        return textwrap.indent(content, "    ").splitlines()
    if kind == "folded":
        summary, rows = content
        return [summary, *_text_block("table", rows)]
    widths = [max(map(len, column)) for column in zip(*content, strict=True)]
    rows = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in content]
    return [row.rstrip() for row in rows]
