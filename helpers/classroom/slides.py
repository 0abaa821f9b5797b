"""Export the slides that notebooks mark, each as one HTML file for a room without a network.

``make slides`` takes all notebooks, ``make slides NOTEBOOK=03`` one. A cell is on a slide as its
own metadata says (``slideshow``, which JupyterLab sets under Property Inspector, Slide Type); a
cell without a mark is left out. The files lie in ``slides/``.

The page loads nothing: the slide show is reveal.js, copied into it, formulas become MathML, and
the Chinese characters of the notebook come along as a font.
"""

import argparse
import json
import logging
import re
import sys
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import nbformat
from fontTools import subset
from jinja2 import pass_context
from latex2mathml.converter import convert
from nbconvert.exporters import SlidesExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from traitlets.config import Config

from helpers.data import font_path
from helpers.execute import NOTEBOOKS

SLIDES = NOTEBOOKS.parent / "slides"
STARTS = ("slide", "subslide")
SHOWN = (*STARTS, "fragment", "-")


def slide_type(cell: NotebookNode) -> str:
    """How a cell is marked; "skip" where it is not."""
    return cell.metadata.get("slideshow", {}).get("slide_type") or "skip"


class _Renderer(IPythonRenderer):
    """Markdown to HTML, with formulas that a browser draws by itself."""

    def block_math(self, body: str) -> str:
        return convert(body, display="block")

    def inline_math(self, body: str) -> str:
        return convert(body)


class _Exporter(SlidesExporter):
    """nbconvert's slides, by the template in ``helpers/classroom/slides``."""

    @pass_context
    def markdown2html(self, context, source: str) -> str:
        attachments = context["cell"].get("attachments", {})
        return MarkdownWithMath(_Renderer(escape=False, attachments=attachments)).render(source)


def export(path: Path, folder: Path = SLIDES) -> tuple[Path, int]:
    """Write a notebook's slides; return the file and the number of slides.

    Raises:
        FileNotFoundError, ValueError: there is no such notebook, it is none, or marks no slide.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: there is no such notebook") from error
    except (ValueError, nbformat.ValidationError, AttributeError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from error
    headings = [path.stem]
    for cell in notebook.cells:
        # A slide that begins without a heading says at its top under which it stands.
        own = _headings(cell)
        data = {} if own and cell.source.startswith("#") else {"heading": headings[-1]}
        cell.metadata.slideshow = {"slide_type": slide_type(cell), "data": data}
        headings += own
    notebook.metadata.title = headings[1] if headings[1:] else path.stem
    count = sum(slide_type(cell) in STARTS for cell in notebook.cells)
    if not count:
        raise ValueError(
            f"{path} marks no slide. Mark its key cells: in JupyterLab open the Property Inspector "
            "on the right, and choose the Slide Type “Slide” for each"
        )
    html, _ = _exporter().from_notebook_node(notebook, {"chinese": _font_of(notebook)})
    # A link to another notebook leads to its slides, which lie beside these.
    html = re.sub(r'(href="\d\d_\w+)\.ipynb', r"\1.html", html)
    folder.mkdir(exist_ok=True)
    file = folder / f"{path.stem}.html"
    file.write_text(html, encoding="utf-8", newline="\n")
    return file, count


def _exporter() -> SlidesExporter:
    quiet = logging.getLogger("slides")
    quiet.setLevel(logging.ERROR)  # or it complains of each figure without a description
    config = Config()
    config.CSSHTMLHeaderPreprocessor.style = "xcode"
    return _Exporter(
        config=config,
        log=quiet,
        extra_template_basedirs=[str(Path(__file__).parent)],
        template_name="slides",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )


def _headings(cell: NotebookNode) -> list[str]:
    """The headings in a cell of text, without marks of Markdown."""
    if cell.cell_type != "markdown":
        return []
    prose = re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"[*`$]", "", text) for text in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)]


def _font_of(notebook: NotebookNode) -> str:
    """The course's font, cut to the Chinese characters that the slides show, in base64."""
    cells = [cell for cell in notebook.cells if slide_type(cell) != "skip"]
    wanted = {c for c in json.dumps(cells, ensure_ascii=False) if "\u2e80" <= c <= "\uffef"}
    options = subset.Options(flavor="woff", notdef_outline=True)
    font = subset.load_font(font_path(), options)
    cutter = subset.Subsetter(options)
    cutter.populate(text="".join(wanted))
    cutter.subset(font)
    content = BytesIO()
    font.flavor = options.flavor
    font.save(content)
    return b64encode(content.getvalue()).decode()


def find(name: str) -> Path:
    """The notebook of a path, or of the beginning of a name in ``notebooks/``: "03".

    Raises:
        FileNotFoundError: none begins so, or several do.
    """
    if Path(name).is_file():
        return Path(name)
    found = sorted(NOTEBOOKS.glob(f"{name.removesuffix('.ipynb')}*.ipynb")) if name else []
    if len(found) != 1:
        names = ", ".join(path.stem for path in found or sorted(NOTEBOOKS.glob("*.ipynb")))
        raise FileNotFoundError(f"{name!r} should name one notebook of {names}")
    return found[0]


def main(arguments: list[str] | None = None) -> int:
    """Export the named notebooks, or all; return the exit status, 0 where all went well."""
    parser = argparse.ArgumentParser(prog="python -m helpers.classroom.slides")
    parser.add_argument("notebooks", nargs="*", help='"03", or a path; default: all of notebooks/')
    names = parser.parse_args(arguments).notebooks
    try:
        paths = [find(name) for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
        for path in paths:
            file, count = export(path)
            size = file.stat().st_size / 1e6
            print(f"slides/{file.name}: {count} slides, {size:.1f} MB", flush=True)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
