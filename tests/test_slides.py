"""The slides that notebooks mark, and their export to one file that loads nothing.

Where a notebook's marks are missing: JupyterLab, Property Inspector, Slide Type.
"""

import hashlib
import re
import shutil
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
from fontTools.ttLib import TTFont
from nbformat.v4 import new_markdown_cell, new_output

from helpers.classroom import slides

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
TEMPLATE = Path(slides.__file__).parent / "slides"
# A cell of 26 lines that is itself the point: the snippet that notebook 04 mends.
LONG = {"gan-026"}
NOTEBOOKS = sorted(slides.NOTEBOOKS.glob("*.ipynb"))


def mark(path: Path, *types: str, texts: tuple[str, ...] = ()) -> Path:
    """Put cells of text before the cells of a notebook, and mark all of them, in order."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[:0] = [new_markdown_cell(text) for text in texts]
    for cell, kind in zip(notebook.cells, types, strict=True):
        if kind:
            cell.metadata.slideshow = {"slide_type": kind}
    nbformat.write(notebook, path)
    return path


def exported(path: Path, folder: Path) -> str:
    file, _ = slides.export(path, folder)
    return file.read_text(encoding="utf-8")


def body(html: str) -> str:
    """The deck without its scripts and styles."""
    return re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)


def loaded(html: str) -> list[str]:
    """What a browser would fetch from elsewhere: not the links that a reader may click."""
    html = re.sub(r"<script>.*?</script>", "<script></script>", html, flags=re.DOTALL)
    html = re.sub(r"<a\b[^>]*>", "", html)
    found = re.findall(r"""(?:src|href|data|poster|action)\s*=\s*["']?([^"'\s>]+)""", html)
    found += re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""", html)
    return [address for address in found if not address.startswith(("data:", "#"))]


def test_marked_cells_are_shown_and_others_are_not(make_notebook, tmp_path):
    path = make_notebook("shown = 1", ("print(2)", "printed 2\n"), "skipped = 3", "unmarked = 4")
    mark(
        path,
        *("slide", "notes", "subslide", "fragment", "skip", ""),
        texts=("# A title & more", "Said by the teacher"),
    )
    file, count = slides.export(path, tmp_path / "out")
    html = file.read_text(encoding="utf-8")
    assert count == 2
    assert file == tmp_path / "out" / "tiny.html"
    assert "<title>A title &amp; more</title>" in html
    shown = body(html)
    assert "shown" in shown and "printed 2" in shown
    assert "skipped" not in html and "unmarked" not in html
    assert re.search(r'<aside class="notes">.*?Said by the teacher.*?</aside>', shown, re.DOTALL)
    assert shown.count("<section") == 3  # one that holds two
    assert 'data-heading="A title &amp; more"' in shown


def test_the_deck_loads_nothing(make_notebook, tmp_path):
    path = mark(make_notebook("one = 1"), "slide", "fragment", texts=("# Title\n\n$x^2$, 词",))
    html = exported(path, tmp_path)
    assert loaded(html) == []
    assert "require.min.js" not in html and "mathjax" not in html.lower()
    # The three parts of reveal.js are in it, whole.
    for name in ("reveal.js", "notes.js", "reveal.css"):
        assert (TEMPLATE / "reveal" / name).read_text(encoding="utf-8").strip() in html


def test_what_would_be_loaded_is_found():
    assert loaded('<img src="https://a.org/x.png">') == ["https://a.org/x.png"]
    assert loaded("<link href='//a.org/x.css'>") == ["//a.org/x.css"]
    assert loaded("<script src=a.js></script>") == ["a.js"]
    assert loaded("<style>@import 'a.css'; b { background: url(c.png) }</style>") == [
        "a.css",
        "c.png",
    ]
    assert loaded('<a href="https://a.org"><img src="data:image/png;base64,AA"></a>') == []


def test_formulas_become_mathml_and_code_does_not(make_notebook, tmp_path):
    text = "# Title\n\nInline $x_t$, and\n\n$$\\frac{1}{2}$$\n\nbut not `$HOME and $PATH`."
    shown = body(exported(mark(make_notebook("a = 1"), "slide", "skip", texts=(text,)), tmp_path))
    assert re.search(r'<math [^>]*display="inline".*?<msub><mi>x</mi><mi>t</mi></msub>', shown)
    assert re.search(r'<math [^>]*display="block".*?<mfrac>', shown)
    assert "$HOME and $PATH" in shown and "$x_t$" not in shown and "$$" not in shown


def test_chinese_characters_bring_their_font(make_notebook, tmp_path):
    path = make_notebook("a = '诗'", "b = '龙'")
    html = exported(mark(path, "slide", "fragment", "skip", texts=("# 词元，",)), tmp_path)
    (content,) = re.findall(r"data:font/woff;base64,([^\"]+)", html)
    has = set(map(chr, TTFont(BytesIO(b64decode(content))).getBestCmap()))
    assert set("词元，诗") <= has and "龙" not in has
    assert "词元，" in html


def test_a_picture_folds_its_code_and_a_quiz_hides_its_call(make_notebook, tmp_path):
    path = make_notebook("\n".join(f"line_{n} = 0" for n in range(8)), 'quiz("x", 1)', "short = 1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].outputs = [new_output("display_data", {"image/png": "AAAA"})]
    notebook.cells[1].outputs = [
        new_output("display_data", {"text/html": "<details>Answer</details>"})
    ]
    nbformat.write(notebook, path)
    shown = body(exported(mark(path, "slide", "subslide", "fragment"), tmp_path))
    assert re.search(r"<details class=\"folded\">.*line_7.*?</details>", shown, re.DOTALL)
    assert shown.count('class="folded"') == 1
    assert "<details>Answer</details>" in shown and "quiz" not in shown


def test_links_lead_to_the_other_decks(make_notebook, tmp_path):
    text = "# T\n\n[as in 02](02_evaluation_metrics.ipynb#4-How-sure)"
    html = exported(mark(make_notebook("a = 1"), "slide", "skip", texts=(text,)), tmp_path)
    assert 'href="02_evaluation_metrics.html#4-How-sure"' in html


def test_what_cannot_be_exported_is_told(make_notebook, tmp_path, capsys):
    with pytest.raises(ValueError, match=r"marks no slide.*Slide Type"):
        slides.export(make_notebook("a = 1"), tmp_path)
    assert slides.main(["nowhere"]) == 1
    assert "'nowhere' should name one notebook of 00_start_here, " in capsys.readouterr().err
    assert slides.main(["0"]) == 1
    assert "should name one notebook of" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match="no such notebook"):
        slides.export(tmp_path / "gone.ipynb", tmp_path)
    (tmp_path / "text.ipynb").write_text("no JSON")
    assert slides.main([str(tmp_path / "text.ipynb")]) == 1
    assert "text.ipynb is not a notebook" in capsys.readouterr().err


def test_a_notebook_is_found_by_its_number():
    assert slides.find("03").name == "03_recurrent_networks.ipynb"
    assert slides.find("03_recurrent_networks.ipynb") == slides.find("03")


def test_reveal_is_what_its_readme_says():
    readme = (TEMPLATE / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `reveal/(\S+)` \| ([\d,]+) \| `(\w{64})` \|$", readme, re.MULTILINE)
    said = {name: (int(size.replace(",", "")), digest) for name, size, digest in rows}
    there = {path.name: path.read_bytes() for path in (TEMPLATE / "reveal").iterdir()}
    assert said == {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in there.items()
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_marks_a_lecture(path):
    cells = nbformat.read(path, as_version=4).cells
    bare = [cell.id for cell in cells if "slide_type" not in cell.metadata.get("slideshow", {})]
    assert bare == [], "mark each cell, if with Skip: see CONTRIBUTING.md"
    kinds = [slides.slide_type(cell) for cell in cells]
    assert set(kinds) <= {"slide", "subslide", "fragment", "notes", "skip"}
    first = next(kind for kind in kinds if kind != "skip")
    assert first == "slide", f"the first cell that is shown is a {first}"
    assert 15 <= sum(kind in slides.STARTS for kind in kinds) <= 40
    for cell, kind in zip(cells, kinds, strict=True):
        if kind in ("notes", "skip") or folds(cell) or cell.id in LONG:
            continue
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 25, f"cell {cell.id} is too long for a slide"


def folds(cell) -> bool:
    """Code of an output that is the point: the template folds it where it is long."""
    return cell.cell_type == "code" and bool(cell.outputs)


@pytest.fixture(scope="module")
def decks(tmp_path_factory) -> Path:
    """The decks of two notebooks: with pictures, and with formulas."""
    folder = tmp_path_factory.mktemp("decks")
    for name in ("02", "03"):
        slides.export(slides.find(name), folder)
    return folder


@pytest.fixture(scope="module")
def page(decks):
    """A browser without a network; what the page asks for all the same is kept in `asked`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.context.set_offline(True)
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.asked.append(str(error)))
        yield page
        browser.close()


def opened(page, file: Path, place: str = ""):
    page.asked.clear()
    page.goto("about:blank")
    page.goto(file.as_uri() + place)
    page.wait_for_function("window.Reveal && Reveal.isReady()")
    return page


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
def test_a_deck_opens_without_a_network_and_goes_on(page, decks):
    opened(page, decks / "02_evaluation_metrics.html")
    first = page.locator("section.present h1")
    assert first.is_visible() and "02" in first.inner_text()
    past = page.evaluate("Reveal.getSlidePastCount()")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getSlidePastCount()") > past
    assert not first.is_visible()
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "about:"))] == []


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
@pytest.mark.parametrize("name, what", [("02", "img"), ("03", "math")])
def test_pictures_and_formulas_are_seen(page, decks, name, what):
    opened(page, decks / f"{slides.find(name).stem}.html")
    for _ in range(page.evaluate("Reveal.getTotalSlides()")):
        found = page.locator(f"section.present:not(.stack) {what}:visible")
        if found.count():
            break
        page.evaluate("Reveal.next()")
    box = found.first.bounding_box()
    assert box["width"] > 20 and box["height"] > 8
    assert box["y"] >= 0 and box["y"] + box["height"] <= 720
    if what == "img":
        assert found.first.evaluate("image => image.naturalWidth") > 100


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")
@pytest.mark.parametrize("name", ["02", "03"])
def test_all_slides_fit_the_screen(page, decks, name):
    opened(page, decks / f"{slides.find(name).stem}.html")
    for number in range(page.evaluate("Reveal.getTotalSlides()")):
        height, room = page.evaluate(
            "(slide => [slide.scrollHeight, slide.clientHeight])(Reveal.getCurrentSlide())"
        )
        assert height <= room, f"slide {number + 1} is too high"
        while page.evaluate("Reveal.availableFragments().next"):
            page.evaluate("Reveal.nextFragment()")
        page.evaluate("Reveal.next()")
