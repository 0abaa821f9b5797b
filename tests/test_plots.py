"""One look for every figure."""

import warnings
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from helpers import plots
from helpers.plots import COLOURS, LINE_STYLES, use_style


@pytest.fixture(autouse=True)
def clean_figures():
    with mpl.rc_context(), plt.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


def luminance(colour: str) -> float:
    """The grey, 0 to 1, that the colour becomes on a grey printer (Rec. 601)."""
    return sum(w * c for w, c in zip((0.299, 0.587, 0.114), mpl.colors.to_rgb(colour), strict=True))


def test_lines_differ_in_colour_and_in_dashes():
    use_style()
    axes = plt.figure().subplots()
    lines = [axes.plot([0, 1])[0] for _ in COLOURS]
    assert [line.get_color() for line in lines] == list(COLOURS.values())
    # The pattern that is drawn: two names for one pattern would be one to the reader.
    assert len({repr(line._dash_pattern) for line in lines}) == len(COLOURS) == len(LINE_STYLES)


def test_the_first_colours_differ_in_grey():
    greys = [luminance(colour) for colour in COLOURS.values()]
    assert all(abs(a - b) > 0.15 for a, b in pairwise(greys[:5]))


def test_chinese_text_has_its_glyphs_and_the_figure_is_small(tmp_path):
    use_style()
    figure = plt.figure()
    axes = figure.subplots()
    axes.plot(range(100), range(100), label="召回率")
    axes.set(title="Recall 召回率 ≈0.85, 房间很干净", xlabel="steps", ylabel="−1 to 1")
    axes.legend()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib only warns of a missing glyph
        figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size < 60_000
    assert figure.get_layout_engine().__class__.__name__ == "ConstrainedLayoutEngine"


def test_a_missing_font_is_an_error(monkeypatch, tmp_path):
    def missing() -> None:
        raise FileNotFoundError("course font")

    monkeypatch.setattr(plots, "font_path", missing)
    with pytest.raises(FileNotFoundError, match="course font"):
        use_style()
