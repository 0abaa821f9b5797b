"""Set up TensorFlow at the top of a notebook; with helpers/doctor.py, find out why no GPU is used.

``setup()`` opens every notebook. ``doctor()``, in a terminal ``python -m helpers.gpu``, examines
the machine.
"""

import os
import sys
import tempfile
import warnings
from dataclasses import dataclass

POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True, repr=False)
class Setup:
    """What ``setup()`` chose. Displays as four lines, the same on every CPU-only machine."""

    device: str
    precision: str
    seed: int
    deterministic: bool
    profile: str

    def __repr__(self) -> str:
        seed = f"{self.seed}, deterministic operations" if self.deterministic else self.seed
        return table(vars(self) | {"seed": seed, "deterministic": None})


def profile() -> str:
    """Return ``COURSE_PROFILE``, "cpu" or "gpu" ("cpu" when unset or empty); else ValueError."""
    value = os.environ.get("COURSE_PROFILE") or "cpu"
    if value not in ("cpu", "gpu"):
        raise ValueError(f"COURSE_PROFILE is {value!r}; it should be 'cpu' or 'gpu'")
    return value


def setup(
    seed: int = 0, *, mixed_precision: str | None = None, deterministic: bool = False
) -> Setup:
    """Prepare TensorFlow and Keras: call it before anything else imports or uses them.

    Lets GPU memory grow instead of taking all of it, chooses the precision, seeds Python, NumPy
    and TensorFlow, and keeps start-up messages away (those of a TensorFlow that was imported
    before have been printed already). A second call is harmless. Raises TypeError or ValueError
    for a wrong argument or ``COURSE_PROFILE``, RuntimeError when Keras does not run on TensorFlow
    or when the GPU was initialised before.

    seed: 0 to 2**32 - 1.
    mixed_precision: one of POLICIES, or None for what the hardware gains from: bfloat16 from
        compute capability 8.0, float16 from 7.0 (tensor cores), else float32. TensorFlow guide,
        "Mixed precision".
    deterministic: the same numbers in every run, for some speed. Stays on once it is on.
    """
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise TypeError(f"seed is {seed!r}; it should be an int")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed}; it should lie between 0 and 2**32 - 1")
    if mixed_precision is not None and mixed_precision not in POLICIES:
        wrong = ValueError if isinstance(mixed_precision, str) else TypeError
        raise wrong(f"mixed_precision is {mixed_precision!r}; it should be None or in {POLICIES}")
    if not isinstance(deterministic, bool):
        raise TypeError(f"deterministic is {deterministic!r}; it should be True or False")
    size = profile()
    if "keras" in sys.modules:
        backend = sys.modules["keras"].backend.backend()
    else:  # the variable, once set, wins over keras.json
        backend = os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise RuntimeError(
            f"Keras is set to the backend {backend!r}, and this course needs 'tensorflow'. Unset "
            'KERAS_BACKEND, or correct "backend" in keras.json, and restart the kernel.'
        )
    tf, gpus = start()
    import keras
    from absl import logging
    from tensorflow.python.framework.config import is_op_determinism_enabled  # as Keras does

    if not let_memory_grow(tf, gpus):
        raise RuntimeError(
            "TensorFlow has already initialised the GPU, too late to let its memory grow. Restart "
            "the kernel and call setup() before any other TensorFlow code."
        )
    logging.set_verbosity(logging.ERROR)
    # KerasHub imports tqdm's notebook bars, which complain where ipywidgets is not installed.
    warnings.filterwarnings("ignore", message="IProgress not found")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    weakest = min((each.get("compute_capability", (0, 0)) for each in details), default=(0, 0))
    automatic = POLICIES[2 if weakest >= (8, 0) else 1 if weakest >= (7, 0) else 0]
    keras.config.set_dtype_policy(mixed_precision or automatic)
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    device = ", ".join(each.get("device_name", "GPU") for each in details) or "CPU"
    policy = keras.config.dtype_policy().name
    return Setup(device, policy, seed, is_op_determinism_enabled(), size)


def start():
    """Import TensorFlow and list its GPUs, without the messages that its C++ writes meanwhile.

    The log level alone is too weak: the first messages come before TensorFlow reads it. They are
    shown if the start fails.
    """
    # 3 keeps even C++'s errors quiet: some are only notes on a slower kernel, and what really
    # fails reaches Python as an exception.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as messages:
        os.dup2(messages.fileno(), 2)
        try:
            import tensorflow as tf

            return tf, tf.config.list_physical_devices("GPU")
        except BaseException:
            messages.seek(0)
            os.write(stderr, messages.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def let_memory_grow(tf, gpus) -> bool:
    """Switch memory growth on; False if the GPUs were initialised without it."""
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        return os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH") == "true"
    return True


def table(rows: dict[str, object]) -> str:
    return "\n".join(f"{name:<11}{value}" for name, value in rows.items() if value is not None)


def doctor():
    """Examine this machine: is its GPU used, and if not, why not and what mends it?"""
    from helpers.doctor import diagnose, probe

    return diagnose(probe())


if __name__ == "__main__":
    diagnosis = doctor()
    print(diagnosis)
    sys.exit(0 if diagnosis.healthy else 1)
