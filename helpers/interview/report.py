"""The report on a mock interview: points and minutes, strengths as a radar picture, the trend over
all interviews, and what to read next."""

import math
from io import BytesIO

from helpers.interview import bank
from helpers.interview.session import TOPICS, WEAK, Item, Session, mastery
from helpers.interview.show import inline, link


def report(session: Session) -> str:
    """A finished session as HTML: a table of its items, and links for what went badly."""
    rows = "".join(
        f"<tr><td>{item.kind}</td><td>{inline(title(item, session.language))}</td>"
        f"<td>{item.topic}</td><td>{100 * item.score:.0f} %</td>"
        f"<td>{item.seconds / 60:.1f} of {item.minutes:g}</td></tr>"
        for item in session.items
    )
    head = "".join(
        f'<th scope="col">{name}</th>' for name in ("task", "what", "subject", "points", "minutes")
    )
    seed = "drawn for you" if session.seed is None else f"seed {session.seed}"
    return (
        f"<p><b>{100 * session.score:.0f} % of the points</b> in {session.seconds / 60:.0f} of "
        f"{session.minutes} minutes. Role {session.role}, level {session.level}, {seed}.</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{_reading(session)}"
    )


def title(item: Item, language: str) -> str:
    """What was asked, in a line."""
    if item.is_code:
        return f"`{item.name}`"
    return getattr(bank.find(item.name), language).question


def _reading(session: Session) -> str:
    weak = [item for item in session.items if item.score < WEAK]
    if not weak:
        return "<p>Nothing to read again: take the next level, or less time.</p>"
    links = {link(section): None for item in weak for section in item.sections}
    entries = "".join(f"<li>{entry}</li>" for entry in links)
    return f"<p><b>Read next</b>, since below {100 * WEAK:.0f} %:</p><ul>{entries}</ul>"


def picture(session: Session, every: list[Session]) -> bytes:
    """A PNG: the subjects as a radar, and the points of all interviews in their order.

    Args:
        session: the last one.
        every: it and the ones before it.
    """
    # A figure of its own, not pyplot's: nothing is left for the notebook to show again.
    from matplotlib.figure import Figure

    from helpers.plots import COLOURS

    known, today = mastery(every), mastery([session])
    figure = Figure(figsize=(8, 3.6), dpi=100, layout="constrained")
    radar = figure.add_subplot(1, 2, 1, projection="polar")
    angles = [2 * math.pi * number / len(TOPICS) for number in range(len(TOPICS))]
    values = [known.get(topic, 0.0) for topic in TOPICS]
    radar.plot([*angles, angles[0]], [*values, values[0]], color=COLOURS["blue"], label="so far")
    radar.fill(angles, values, color=COLOURS["blue"], alpha=0.15)
    asked = [number for number, topic in enumerate(TOPICS) if topic in today]
    reached = [today[topic] for topic in TOPICS if topic in today]
    spots = [angles[number] for number in asked]
    radar.plot(spots, reached, "o", color=COLOURS["vermilion"], clip_on=False, label="this time")
    radar.set(xticks=angles, ylim=(0, 1), yticks=[0.5, 1], yticklabels=["50 %", ""])
    radar.set_xticklabels(TOPICS, fontsize=8)
    radar.set_title("Strong outside, weak or never asked inside", fontsize=9)
    radar.legend(loc="lower left", bbox_to_anchor=(-0.35, -0.12), fontsize=8, frameon=False)
    trend = figure.add_subplot(1, 2, 2)
    scores = [100 * one.score for one in every]
    trend.plot(range(1, len(scores) + 1), scores, "-o", color=COLOURS["blue"])
    trend.set(
        xlabel="interview", ylabel="points, %", ylim=(0, 102), xticks=range(1, len(scores) + 1)
    )
    trend.set_title(f"Points of each interview; this one {scores[-1]:.0f} %", fontsize=9)
    png = BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()
