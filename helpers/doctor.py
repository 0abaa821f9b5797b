"""Find out why TensorFlow does not use the GPU: ``probe()`` collects facts, ``diagnose()`` judges.

Where the verdicts come from: tensorflow.org, "Install TensorFlow with pip"; NVIDIA, "CUDA Toolkit
Release Notes" (oldest driver by CUDA version) and "CUDA on WSL User Guide"; for Apple,
tensorflow/tensorflow number 126360.
"""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from helpers.gpu import let_memory_grow, start, table

SIZE = 2048  # rows and columns of the matrices that doctor() multiplies
TOLERANCE = 1e-2  # between their products on GPU and CPU; TensorFloat-32 makes about 3e-4
TAKEN = "out of memory|exhausted|device.unavailable|busy or unavailable|CUBLAS_STATUS|without BLAS"
# Each verdict: name and title, explanation and, if something is wrong, the command that mends it.
VERDICTS = """
# gpu: The GPU is used. Nothing to mend.
The product below ran on the GPU and agrees with the CPU's.
# cpu: A machine without an NVIDIA GPU. Nothing to mend.
TensorFlow computes on the CPU, and the course is made for that.
# apple: Apple silicon: TensorFlow computes on the CPU. Nothing to mend.
There is no official GPU support on macOS; Apple's tensorflow-metal stops at TensorFlow 2.19.
# metal: Apple's plug-in tensorflow-metal keeps TensorFlow from starting.
Its last release, 1.2.0 of January 2025, does not load beside TensorFlow 2.20 or later.
$ python -m pip uninstall -y tensorflow-metal
# windows: TensorFlow for Windows uses no GPU; inside WSL2 it does.
The last version that did was 2.10. Install WSL2, and clone the course inside it.
$ wsl --install
# wsl2: WSL2 does not pass the GPU through.
The driver belongs on Windows; install none inside Linux. Type this in PowerShell, and come back.
$ wsl --update; wsl --shutdown
# no-driver: There is an NVIDIA GPU, and no driver that answers.
This is for Ubuntu; elsewhere take the NVIDIA driver of your distribution. Restart afterwards. In
a container the driver is the host's: start it with docker run --gpus all.
$ sudo ubuntu-drivers install
# old-driver: The NVIDIA driver {driver} is too old for CUDA {built_cuda}.
It takes {oldest} or newer. For Ubuntu as below, then restart; for WSL2 update it on Windows.
$ sudo ubuntu-drivers install
# hidden: The GPU is hidden from TensorFlow: CUDA_VISIBLE_DEVICES={hidden}
Programs see only the GPUs that this variable names.
$ unset CUDA_VISIBLE_DEVICES
# no-cuda: This TensorFlow was built without CUDA.
A CPU-only package took the place of the full one. (For Linux on ARM there is no full one.)
$ make gpu
# no-libraries: TensorFlow does not find {missing}.
The driver is well. The libraries come as Python packages, with the course's GPU extra.
$ make gpu
# growth: The GPU works, but TensorFlow takes nearly all of its memory.
It started before its memory could be let grow. Restart the kernel, then run this before all else.
$ from helpers.gpu import setup; setup()
# taken: Another process has taken the GPU: its memory, or the device itself.
Running there: {others}. If it is yours, shut down its notebook's kernel, or end it.
$ {end}
# unexplained: TensorFlow does not use the GPU, and no known cause fits.
{error}.
The command shows what TensorFlow itself has to say.
$ TF_CPP_MIN_LOG_LEVEL=0 python -c "import tensorflow as tf; tf.ones((2, 2)) @ tf.ones((2, 2))"
"""


@dataclass(frozen=True)
class State:
    """Facts about a machine, without judgement. None or empty: not there, or not known."""

    system: str = "Linux"  # as platform.system() names it
    machine: str = "x86_64"
    wsl: bool = False
    hardware: bool = False  # an NVIDIA device on the PCI bus, or a driver for one on Windows
    libcuda: bool = False  # the driver's library can be loaded
    driver: str | None = None  # version, from nvidia-smi
    others: tuple[str, ...] = ()  # other processes on the GPU: "pid, name, memory"
    hidden: str | None = None  # CUDA_VISIBLE_DEVICES
    metal: str | None = None  # version of tensorflow-metal
    tensorflow: str | None = None  # version
    built_cuda: str | None = None  # what this TensorFlow was built for
    built_cudnn: str | None = None
    found_cuda: str | None = None  # the Python package's version, or "the system's"
    found_cudnn: str | None = None
    seen: tuple[str, ...] = ()  # the GPUs that TensorFlow sees
    growth: bool = True  # memory growth could be switched on
    cpu_gflops: float | None = None  # 1e9 floating-point operations a second
    gpu_gflops: float | None = None
    placed: str | None = None  # the device that the GPU's product ran on
    difference: float | None = None  # GPU's product from CPU's: the largest, relative
    error: str | None = None  # what importing TensorFlow, or the GPU's product, raised


def probe() -> State:
    """Collect the facts about this machine, in a few seconds. Lets GPU memory grow."""
    pci = Path("/sys/bus/pci/devices").glob("*/vendor")  # Linux; elsewhere there is no such folder
    apps = _ask_nvidia("--query-compute-apps=pid,name,used_memory")
    facts = {
        "system": platform.system(),
        "machine": platform.machine(),
        "wsl": "microsoft" in platform.release().lower(),
        "hardware": any(vendor.read_text().strip() == "0x10de" for vendor in pci)
        or shutil.which("nvidia-smi.exe") is not None,
        "libcuda": _loads("libcuda.so.1"),
        "driver": next(iter(_ask_nvidia("--query-gpu=driver_version")), None),
        "others": tuple(app for app in apps if not app.startswith((f"{os.getpid()},", "["))),
        "hidden": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "metal": _package("tensorflow-metal"),
    }
    try:
        tf, gpus = start()
    except Exception as error:  # a plug-in or a library can break the import in any way
        return State(**facts, error=f"{type(error).__name__}: {error}")
    import numpy as np

    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    build = tf.sysconfig.get_build_info()
    cuda, cudnn = build.get("cuda_version"), build.get("cudnn_version")  # such as 12.5.1 and 9
    major = str(cuda).split(".")[0]
    facts |= {
        "tensorflow": tf.__version__,
        "built_cuda": cuda,
        "built_cudnn": cudnn,
        "found_cuda": _library(f"nvidia-cuda-runtime-cu{major}", f"libcudart.so.{major}"),
        "found_cudnn": _library(f"nvidia-cudnn-cu{major}", f"libcudnn.so.{cudnn}"),
        "seen": tuple(each.get("device_name", "GPU") for each in details),
        "growth": let_memory_grow(tf, gpus),
    }
    pair = np.random.default_rng(0).standard_normal((2, SIZE, SIZE), "float32")
    expected, facts["cpu_gflops"], _ = _product(tf, "CPU:0", pair)
    if gpus:
        try:
            product, facts["gpu_gflops"], facts["placed"] = _product(tf, "GPU:0", pair)
            facts["difference"] = float(abs(product - expected).max() / abs(expected).max())
        except Exception as error:  # CUDA's errors come as many types
            facts["error"] = f"{type(error).__name__}: {error}"
    return State(**facts)


def _ask_nvidia(query: str) -> list[str]:
    """The lines with which nvidia-smi answers; none when it is missing or fails."""
    command = shutil.which("nvidia-smi") or "/usr/lib/wsl/lib/nvidia-smi"  # WSL2: off the PATH
    options = {"capture_output": True, "text": True, "timeout": 30, "check": True}
    try:
        return subprocess.run(
            [command, query, "--format=csv,noheader"], **options
        ).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []


def _loads(library: str) -> bool:
    try:
        return bool(ctypes.CDLL(library))
    except OSError:
        return False


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _library(package: str, library: str) -> str | None:
    """The version that TensorFlow will load: the Python package's, or else the system's."""
    return _package(package) or ("the system's" if _loads(library) else None)


def _product(tf, device: str, pair):
    """Multiply two (SIZE, SIZE) matrices: the product, the best GFLOP/s, and where it ran."""
    with tf.device(device):
        left, right = tf.constant(pair[0]), tf.constant(pair[1])
        seconds = []
        for _ in range(4):  # the first one warms up
            start = time.perf_counter()
            product = tf.matmul(left, right)
            float(product[0, 0])  # a GPU works in the background: wait for the number
            seconds.append(time.perf_counter() - start)
    where = product.device.rpartition("device:")[2]
    return product.numpy(), 2 * SIZE**3 / min(seconds) / 1e9, where


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """A verdict on a ``State``; displays as a report. ``command`` is None if nothing is wrong."""

    cause: str  # a name from VERDICTS
    title: str
    explanation: str
    command: str | None
    state: State

    @property
    def healthy(self) -> bool:
        return self.command is None

    def __repr__(self) -> str:
        s = self.state
        speed = "≈{:.0f} GFLOP/s, " + f"{SIZE} × {SIZE} matrices in float32"
        rows = {
            "driver": s.driver or "none",
            "CUDA": f"built for {s.built_cuda or 'none'}, found {s.found_cuda or 'none'}",
            "cuDNN": f"built for {s.built_cudnn or 'none'}, found {s.found_cudnn or 'none'}",
            "TensorFlow": f"{s.tensorflow or 'none'}, sees {', '.join(s.seen) or 'no GPU'}",
            "CPU": s.cpu_gflops and speed.format(s.cpu_gflops),
            "GPU": s.gpu_gflops and speed.format(s.gpu_gflops),
        }
        mend = f"\nRun this: {self.command}" if self.command else ""
        return f"{self.title}\n{self.explanation}{mend}\n\n{table(rows)}"


def diagnose(state: State) -> Diagnosis:
    """Judge a state: the first cause that fits, explained, and the command that mends it."""
    s = state
    missing = {"CUDA": s.found_cuda, "cuDNN": s.found_cudnn}
    oldest = "528.33" if s.wsl else "525.60.13"  # for CUDA 12.x; WSL2 has the driver of Windows
    too_old = str(s.built_cuda).startswith("12.") and _numbers(s.driver) < _numbers(oldest)
    agrees = s.difference is not None and s.difference < TOLERANCE  # NaN does not
    proven = agrees and str(s.placed).startswith("GPU")
    unseen = "Driver and libraries are in place; the GPU may be older than compute capability 6.0"
    ran = f"Its product ran on {s.placed}, {s.difference} (relative) from the CPU's"
    causes = (
        ("metal", s.tensorflow is None and s.metal),
        ("taken", re.search(TAKEN, s.error or "", re.I)),
        ("unexplained", s.error or (s.seen and not proven)),
        ("growth", s.seen and not s.growth),
        ("gpu", s.seen),
        ("apple", s.system == "Darwin" and s.machine == "arm64"),
        ("cpu", not s.hardware and s.driver is None),
        ("windows", s.system == "Windows"),
        ("wsl2", s.wsl and (s.driver is None or not s.libcuda)),
        ("no-driver", s.driver is None or not s.libcuda),
        ("old-driver", too_old),
        ("hidden", s.hidden is not None),
        ("no-cuda", s.built_cuda is None),
        ("no-libraries", None in missing.values()),
        ("unexplained", True),
    )
    cause = next(name for name, holds in causes if holds)
    words = vars(s) | {
        "oldest": oldest,
        "missing": " and ".join(name for name, found in missing.items() if found is None),
        "others": "; ".join(s.others) or "see nvidia-smi",
        "end": f"kill {s.others[0].split(',')[0]}" if s.others else "nvidia-smi",
        "error": (s.error or (ran if s.seen else unseen)).split("\n")[0],
    }
    verdict = VERDICTS.partition(f"\n# {cause}: ")[2].partition("\n# ")[0].strip()
    text, _, command = verdict.partition("\n$ ")
    title, explanation = text.format(**words).split("\n", 1)
    return Diagnosis(cause, title, explanation, command.format(**words) or None, state)


def _numbers(version: str | None) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version or ""))
