"""What a training run has seen, and how it shows: a live curve, or lines, and TensorBoard logs."""

import os
import sys
import time
from base64 import b64encode
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np


@dataclass(repr=False)
class History:
    """What a run has seen: enough for a curve and a table."""

    loss: list[float] = field(default_factory=list)  # training loss of each update
    steps: list[int] = field(default_factory=list)  # the updates after which it was evaluated
    validation: dict[str, list[float]] = field(default_factory=dict)  # a value for each of steps
    seconds: float = 0.0  # of training, over all calls and resumes

    @property
    def best_step(self) -> int | None:
        """The evaluated update with the lowest validation loss; None without validation."""
        return self.steps[int(np.argmin(self.validation["loss"]))] if self.steps else None

    @property
    def since_best(self) -> int:
        """Evaluations made after the best one."""
        return len(self.steps) - 1 - self.steps.index(self.best_step) if self.steps else 0

    def __repr__(self) -> str:
        return f"<History of {len(self.loss):,} updates>"


class Progress:
    """Fills a `History` and shows it: a context manager, so that the last figure is drawn.

    In a notebook one figure is redrawn in place, elsewhere each evaluation prints a line.

    Args:
        history: to be continued.
        steps: the updates that the run is to make: the right end of the curve.
        title: of the figure, and its alternative text.
        show: False for neither figure nor lines.
        log_dir: the folder for TensorBoard, or None.
    """

    def __init__(self, history: History, steps: int, title: str, show: bool, log_dir):
        self.history, self.steps, self.title = history, steps, title
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython else None
        notebook = shell is not None and hasattr(shell, "kernel")
        self.draws, self.prints = show and notebook, show and not notebook
        self.display, self.printed = None, len(history.loss)
        self.next_drawing = time.monotonic() + 2.0
        self.started = time.monotonic() - history.seconds
        self.pending: list = []  # losses not yet fetched: fetching waits for the device
        self.writer = None
        if log_dir:
            import tensorflow as tf

            self.writer = tf.summary.create_file_writer(os.fspath(log_dir))

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error) -> None:
        self.fetch()
        if self.draws and self.history.loss:
            self._draw()
        if self.writer:
            self.writer.close()

    def add(self, loss) -> None:
        """Note the loss of one update, a scalar tensor; redraw if it is time."""
        self.pending.append(loss)
        self.history.seconds = time.monotonic() - self.started
        if self.draws and time.monotonic() > self.next_drawing:
            self.fetch()
            self._draw()

    def fetch(self) -> None:
        """Bring the losses since the last time into the history.

        Raises:
            FloatingPointError: one of them is infinite or not a number.
        """
        losses = [float(loss) for loss in self.pending]
        self.pending.clear()
        for loss in losses:
            step = len(self.history.loss) + 1
            if not np.isfinite(loss):
                raise FloatingPointError(
                    f"loss is {loss} at step {step}: lower the learning rate, clip the gradients, "
                    "and look for log(0) or 0/0 in the loss"
                )
            self.history.loss.append(loss)
            self._log("loss", loss, step)

    def evaluated(self, results: dict[str, float]) -> None:
        """Note what was found on the validation data, and print where the run stands."""
        self.fetch()
        step = len(self.history.loss)
        if not np.isfinite(results.get("loss", 0.0)):
            raise FloatingPointError(f"validation loss is {results['loss']} at step {step}")
        if results:
            self.history.steps.append(step)
        recent, self.printed = np.mean(self.history.loss[self.printed :]), step
        line = [f"step {step:,} of {self.steps:,}", f"loss {recent:.4f}"]
        for name, value in results.items():
            self.history.validation.setdefault(name, []).append(value)
            self._log(f"validation {name}", value, step)
            line.append(f"validation {name} {value:.4f}")
        if self.prints:
            print("   ".join([*line, f"{self.history.seconds:.0f} s"]), flush=True)

    def _log(self, name: str, value: float, step: int) -> None:
        # tf.summary.scalar needs the package tensorboard; this writes the same without it.
        if self.writer:
            import tensorflow as tf

            metadata = tf.compat.v1.SummaryMetadata()
            metadata.plugin_data.plugin_name = "scalars"
            with self.writer.as_default():
                tf.summary.write(name, tf.constant(value), step, metadata)

    def _draw(self) -> None:
        from IPython.display import display

        started = time.monotonic()
        data = {"image/png": b64encode(self._png()).decode(), "text/plain": self.title}
        if self.display is None:
            self.display = display(data, raw=True, display_id=True)
        else:
            self.display.update(data, raw=True)
        now = time.monotonic()
        # Every two seconds, and so seldom that drawing takes at most a fiftieth of the time.
        self.next_drawing = now + max(2.0, 50 * (now - started))

    def _png(self) -> bytes:
        # A figure of its own, not pyplot's: nothing is left for the notebook to show again.
        from matplotlib.figure import Figure

        loss, steps, validation = self.history.loss, self.history.steps, self.history.validation
        metrics = [name for name in validation if name != "loss"]
        figure = Figure(figsize=(7, 2.8) if metrics else (4.5, 2.8), layout="constrained")
        left, *right = figure.subplots(1, 2 if metrics else 1, squeeze=False)[0]
        # Means of at most 100 equal stretches: smooth, and quick to draw.
        stretches = np.array_split(loss, min(100, len(loss)))
        ends = np.cumsum([len(stretch) for stretch in stretches])
        left.plot(ends, [stretch.mean() for stretch in stretches], "-", label="training")
        if steps:
            left.plot(steps, validation["loss"], "--o", markersize=3, label="validation")
        for name in metrics:
            right[0].plot(steps, validation[name], marker="o", markersize=3, label=name)
        for axes, label in zip([left, *right], ["loss", "validation metric"], strict=False):
            axes.set(xlabel="update", ylabel=label, xlim=(0, self.steps))
            axes.legend()
        figure.suptitle(self.title)
        png = BytesIO()
        figure.savefig(png, format="png")
        return png.getvalue()
