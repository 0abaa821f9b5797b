"""Tests of helpers/gpu.py. No GPU is needed: GPUs and their failures are simulated."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import doctor, gpu
from helpers.doctor import State

ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="the fake programs are shell scripts")
CPU_REPORT = "device     CPU\nprecision  float32\nseed       0\nprofile    cpu"


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Each test starts without the course's variables; Keras's precision is put back after it."""
    for name in ("COURSE_PROFILE", "CUDA_VISIBLE_DEVICES", "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.delenv(name, raising=False)
    yield
    monkeypatch.undo()
    if hasattr(sys.modules.get("keras"), "config"):
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture
def machine(monkeypatch):
    """``machine(*capabilities)`` makes TensorFlow list GPUs of these compute capabilities.

    Returns the list of GPUs whose memory was let grow.
    """
    import tensorflow as tf

    def simulate(*capabilities, too_late=False):
        names = [f"GPU:{number}" for number in range(len(capabilities))]
        details = {
            name: {"device_name": f"Fake {name}", "compute_capability": capability}
            for name, capability in zip(names, capabilities, strict=True)
        }
        grown = []

        def let_grow(device, enable):
            if too_late:  # the words of TensorFlow 2.21
                raise RuntimeError("Physical devices cannot be modified after being initialized")
            assert enable is True
            grown.append(device)

        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: names)
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", let_grow)
        return grown

    return simulate


# profile() and setup()


@pytest.mark.parametrize(
    "value, expected", [(None, "cpu"), ("", "cpu"), ("cpu", "cpu"), ("gpu", "gpu")]
)
def test_profile(monkeypatch, value, expected):
    if value is not None:
        monkeypatch.setenv("COURSE_PROFILE", value)
    assert gpu.profile() == expected


@pytest.mark.parametrize("value", ["fast", "GPU", " cpu"])
@pytest.mark.parametrize("call", [gpu.profile, gpu.setup])
def test_an_unknown_profile_is_an_error(monkeypatch, value, call):
    monkeypatch.setenv("COURSE_PROFILE", value)
    with pytest.raises(ValueError, match=rf"COURSE_PROFILE is '{value}'.*'cpu' or 'gpu'"):
        call()


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        ({"seed": "0"}, TypeError, "seed is '0'; it should be an int"),
        ({"seed": 1.0}, TypeError, "seed is 1.0"),
        ({"seed": True}, TypeError, "seed is True"),
        ({"seed": None}, TypeError, "seed is None"),
        ({"seed": -1}, ValueError, "seed is -1; it should lie between 0"),
        ({"seed": 2**32}, ValueError, "seed is 4294967296"),
        ({"mixed_precision": "float64"}, ValueError, "mixed_precision is 'float64'.*'float32'"),
        ({"mixed_precision": True}, TypeError, "mixed_precision is True"),
        ({"mixed_precision": ["float32"]}, TypeError, "mixed_precision is "),
        ({"deterministic": 1}, TypeError, "deterministic is 1; it should be True or False"),
        ({"deterministic": "yes"}, TypeError, "deterministic is 'yes'"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, words):
    with pytest.raises(error, match=words):
        gpu.setup(**arguments)


def test_another_keras_backend_is_an_error_before_keras_is_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(RuntimeError, match=r"'jax'.*KERAS_BACKEND.*keras\.json.*restart"):
        gpu.setup()


def test_another_keras_backend_is_an_error_after_keras_is_imported(monkeypatch):
    keras = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "torch"))
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # too late: Keras has chosen
    with pytest.raises(RuntimeError, match=r"'torch'.*'tensorflow'.*restart the kernel"):
        gpu.setup()


@pytest.mark.parametrize("value", [None, ""])
def test_the_backend_is_chosen_when_it_is_open(monkeypatch, machine, value):
    machine()
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.setenv("KERAS_BACKEND", "")
    if value is None:
        monkeypatch.delenv("KERAS_BACKEND")

    def stop():
        raise InterruptedError

    monkeypatch.setattr(gpu, "start", stop)
    with pytest.raises(InterruptedError):
        gpu.setup()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_the_report_of_a_cpu_machine(machine):
    machine()
    first, second = gpu.setup(), gpu.setup()
    assert repr(first) == str(second) == CPU_REPORT
    assert first == second == gpu.Setup("CPU", "float32", 0, False, "cpu")


def test_the_seed_fixes_python_numpy_and_tensorflow(machine):
    import random

    import tensorflow as tf

    machine()

    def draw(seed):
        assert f"seed       {seed}\n" in repr(gpu.setup(seed))
        return random.random(), np.random.rand(), float(tf.random.uniform(()))

    first, again, other = draw(7), draw(7), draw(8)
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "capabilities, policy",
    [
        ([], "float32"),
        ([(6, 1)], "float32"),
        ([(7, 0)], "mixed_float16"),
        ([(7, 5)], "mixed_float16"),
        ([(8, 0)], "mixed_bfloat16"),
        ([(12, 0)], "mixed_bfloat16"),
        ([(9, 0), (7, 5)], "mixed_float16"),
    ],
)
def test_the_precision_follows_the_weakest_gpu(machine, capabilities, policy):
    import keras

    machine(*capabilities)
    assert gpu.setup().precision == policy
    assert keras.config.dtype_policy().name == policy


def test_the_precision_can_be_chosen_and_is_chosen_anew(machine):
    import keras

    machine((9, 0))
    assert gpu.setup(mixed_precision="float32").precision == "float32"
    machine()
    assert gpu.setup(mixed_precision="mixed_bfloat16").precision == "mixed_bfloat16"
    assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert gpu.setup().precision == "float32"


def test_the_report_of_gpus_and_their_memory(machine, monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "gpu")
    grown = machine((8, 0), (8, 6))
    report = gpu.setup(seed=3)
    assert repr(report) == (
        "device     Fake GPU:0, Fake GPU:1\nprecision  mixed_bfloat16\nseed       3\nprofile    gpu"
    )
    assert grown == ["GPU:0", "GPU:1"]


def test_a_gpu_without_details_is_used_in_float32(machine, monkeypatch):
    import tensorflow as tf

    machine((9, 0))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: {})
    assert gpu.setup() == gpu.Setup("GPU", "float32", 0, False, "cpu")


def test_too_late_for_memory_growth(machine, monkeypatch):
    machine((8, 0), too_late=True)
    with pytest.raises(RuntimeError, match=r"too late.*Restart the kernel and call setup\(\)"):
        gpu.setup()
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # then it grows in any case
    assert gpu.setup().device == "Fake GPU:0"


def test_start_up_messages_are_kept_away_unless_the_start_fails(machine, monkeypatch, capfd):
    import tensorflow as tf

    def chatter(kind):
        os.write(2, b"E0000 a message from C++\n")
        return []

    def fail(kind):
        chatter(kind)
        raise OSError("no such library")

    machine()
    monkeypatch.setattr(tf.config, "list_physical_devices", chatter)
    gpu.setup()
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(tf.config, "list_physical_devices", fail)
    with pytest.raises(OSError, match="no such library"):
        gpu.setup()
    assert "a message from C++" in capfd.readouterr().err
    os.write(2, b"and stderr is back\n")
    assert capfd.readouterr().err == "and stderr is back\n"


def test_a_fresh_process_is_quiet_reproducible_and_not_yet_initialised():
    script = """
from helpers.gpu import setup
first = setup(deterministic=True)
import absl.logging, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, halves)  # raises once TensorFlow is initialised
tf.function(lambda x: x * x, jit_compile=True)(tf.ones(3))  # XLA would announce itself
absl.logging.warning("chatter")
again = setup()
print(first)
assert repr(first) == repr(again), "determinism stays on, and is reported"
"""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND", "COURSE_PROFILE")
    }
    environment |= {"CUDA_VISIBLE_DEVICES": "-1"}
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert run.stdout == CPU_REPORT.replace("0\n", "0, deterministic operations\n") + "\n"


# diagnose(): recorded or simulated states

OUT_OF_MEMORY = (  # as TensorFlow 2.21 reports it
    "InternalError: failed initializing StreamExecutor for CUDA device ordinal 0: "
    "CUDA_ERROR_OUT_OF_MEMORY: out of memory; total memory reported: 8589934592"
)
TENSORFLOW = {
    "tensorflow": "2.21.0",
    "built_cuda": "12.5.1",
    "built_cudnn": "9",
    "cpu_gflops": 90.0,
}
LIBRARIES = {"found_cuda": "12.9.79", "found_cudnn": "9.14.0.64"}
DRIVER = {"hardware": True, "libcuda": True, "driver": "535.161.08"}
READY = TENSORFLOW | LIBRARIES | DRIVER
WORKS = READY | {
    "seen": ("NVIDIA H100",),
    "gpu_gflops": 21000.0,
    "placed": "GPU:0",
    "difference": 3e-4,
}
FAILS = READY | {"seen": ("NVIDIA H100",)}
MAC = {"system": "Darwin", "machine": "arm64", "cpu_gflops": 500.0}
WINDOWS = {"system": "Windows", "machine": "AMD64", "tensorflow": "2.21.0"}
UBUNTU = "sudo ubuntu-drivers install"

CASES = {
    "healthy": (WORKS, "gpu", None, "Nothing to mend"),
    "healthy under WSL2": (WORKS | {"wsl": True}, "gpu", None, "agrees with the CPU's"),
    "others there, but it works": (WORKS | {"others": ("7, python, 9 MiB",)}, "gpu", None, "used"),
    "plain CPU machine": (TENSORFLOW, "cpu", None, "Nothing to mend"),
    "libraries without a GPU": (TENSORFLOW | LIBRARIES, "cpu", None, "without an NVIDIA GPU"),
    "a driver's library without a GPU": (TENSORFLOW | {"libcuda": True}, "cpu", None, "CPU"),
    "WSL2 without an NVIDIA GPU": (TENSORFLOW | {"wsl": True}, "cpu", None, "Nothing"),
    "Windows without an NVIDIA GPU": (WINDOWS, "cpu", None, "Nothing"),
    "Intel Mac": (MAC | {"machine": "x86_64", "tensorflow": "2.16.2"}, "cpu", None, "Nothing"),
    "Apple silicon": (MAC | {"tensorflow": "2.21.0"}, "apple", None, "no official GPU support"),
    "Apple's plug-in": (
        MAC | {"metal": "1.2.0", "error": "NotFoundError: dlopen(libmetal_plugin.dylib)"},
        "metal",
        "python -m pip uninstall -y tensorflow-metal",
        "does not load beside",
    ),
    "Windows": (WINDOWS | {"driver": "560.94"}, "windows", "wsl --install", "2.10"),
    "WSL2, old kernel": (
        TENSORFLOW | {"wsl": True, "hardware": True},
        "wsl2",
        "wsl --update; wsl --shutdown",
        "driver belongs on Windows",
    ),
    "WSL2, a driver without its library": (
        READY | {"wsl": True, "driver": "560.94", "libcuda": False},
        "wsl2",
        "wsl --update; wsl --shutdown",
        "PowerShell",
    ),
    "WSL2, Linux driver inside": (
        TENSORFLOW | {"wsl": True, "hardware": True, "libcuda": True},
        "wsl2",
        "wsl --update; wsl --shutdown",
        "none inside Linux",
    ),
    "no driver": (TENSORFLOW | {"hardware": True}, "no-driver", UBUNTU, "no driver that answers"),
    "driver not loaded": (READY | {"driver": None}, "no-driver", UBUNTU, "Restart"),
    "container": (READY | {"libcuda": False}, "no-driver", UBUNTU, "docker run --gpus all"),
    "old driver": (READY | {"driver": "470.256.02"}, "old-driver", UBUNTU, "525.60.13 or newer"),
    "a little too old": (READY | {"driver": "525.60.12"}, "old-driver", UBUNTU, "525.60.12 is"),
    "old driver under WSL2": (
        READY | {"wsl": True, "driver": "528.24"},
        "old-driver",
        UBUNTU,
        "528.33 or newer",
    ),
    "a much later driver": (READY | {"driver": "1050.2"}, "unexplained", None, "in place"),
    "hidden": (
        READY | {"hidden": "-1"},
        "hidden",
        "unset CUDA_VISIBLE_DEVICES",
        "CUDA_VISIBLE_DEVICES=-1",
    ),
    "hidden by an empty list": (
        READY | {"hidden": ""},
        "hidden",
        "unset CUDA_VISIBLE_DEVICES",
        "hidden",
    ),
    "TensorFlow without CUDA": (
        READY | {"built_cuda": None, "built_cudnn": None},
        "no-cuda",
        "make gpu",
        "built without CUDA",
    ),
    "no libraries": (TENSORFLOW | DRIVER, "no-libraries", "make gpu", "find CUDA and cuDNN."),
    "no cuDNN": (READY | {"found_cudnn": None}, "no-libraries", "make gpu", "find cuDNN."),
    "growth too late": (
        WORKS | {"growth": False},
        "growth",
        "from helpers.gpu import setup; setup()",
        "Restart the kernel",
    ),
    "taken: memory": (
        FAILS | {"error": OUT_OF_MEMORY, "others": ("4242, python, 78000 MiB", "7, x, 1 MiB")},
        "taken",
        "kill 4242",
        "4242, python, 78000 MiB; 7, x, 1 MiB",
    ),
    "taken: exclusive mode": (
        FAILS | {"error": "InternalError: CUDA_ERROR_DEVICE_UNAVAILABLE", "growth": False},
        "taken",
        "nvidia-smi",
        "Another process",
    ),
    "taken: no room for cuBLAS": (
        FAILS | {"error": "InternalError: failed to create cublas handle: CUBLAS_STATUS_ALLOC"},
        "taken",
        "nvidia-smi",
        "Another process",
    ),
    "an unknown error": (
        FAILS | {"error": "InternalError: {CUDA_ERROR_ILLEGAL_ADDRESS}\nsecond line"},
        "unexplained",
        None,
        "InternalError: {CUDA_ERROR_ILLEGAL_ADDRESS}.\nThe command",
    ),
    "placed on the CPU": (WORKS | {"placed": "CPU:0"}, "unexplained", None, "ran on CPU:0"),
    "a wrong result": (WORKS | {"difference": 0.3}, "unexplained", None, "0.3 (relative)"),
    "not a number": (WORKS | {"difference": float("nan")}, "unexplained", None, "nan"),
    "no product": (FAILS, "unexplained", None, "None"),
    "ready but not seen": (READY, "unexplained", None, "compute capability 6.0"),
    "TensorFlow does not import": (
        {"error": "ImportError: no"},
        "unexplained",
        None,
        "ImportError",
    ),
}


@pytest.mark.parametrize("facts, cause, command, words", CASES.values(), ids=CASES)
def test_diagnosis(facts, cause, command, words):
    diagnosis = doctor.diagnose(State(**facts))
    assert diagnosis.cause == cause
    if cause == "unexplained":
        assert diagnosis.command.startswith("TF_CPP_MIN_LOG_LEVEL=0 python -c ")
    else:
        assert diagnosis.command == command
    assert diagnosis.healthy == (cause in ("gpu", "cpu", "apple"))
    assert words in f"{diagnosis.title}\n{diagnosis.explanation}"
    assert diagnosis.title and diagnosis.explanation
    report = repr(diagnosis)
    assert ("Run this: " in report) is not diagnosis.healthy
    assert max(map(len, report.splitlines())) <= 115


def test_every_verdict_is_tested():
    named = set(re.findall(r"^# ([\w-]+): ", doctor.VERDICTS, re.M))
    assert named == {cause for _, cause, _, _ in CASES.values()}


def test_the_report():
    assert repr(doctor.diagnose(State(**WORKS | {"found_cudnn": "the system's"}))) == (
        "The GPU is used. Nothing to mend.\n"
        "The product below ran on the GPU and agrees with the CPU's.\n\n"
        "driver     535.161.08\n"
        "CUDA       built for 12.5.1, found 12.9.79\n"
        "cuDNN      built for 9, found the system's\n"
        "TensorFlow 2.21.0, sees NVIDIA H100\n"
        "CPU        ≈90 GFLOP/s, 2048 × 2048 matrices in float32\n"
        "GPU        ≈21000 GFLOP/s, 2048 × 2048 matrices in float32"
    )


# probe()


@pytest.fixture
def computer(monkeypatch, tmp_path):
    """A computer with an empty PCI bus, no program on the PATH, and small matrices."""
    bus, programs = tmp_path / "bus", tmp_path / "programs"
    bus.mkdir()
    programs.mkdir()
    monkeypatch.setattr(doctor, "Path", lambda path: bus)
    monkeypatch.setattr(doctor, "SIZE", 64)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(doctor.platform, "release", lambda: "6.8.0-45-generic")
    return SimpleNamespace(bus=bus, programs=programs)


def plug_in(computer, vendor):
    (computer.bus / "0000:01:00.0").mkdir()
    (computer.bus / "0000:01:00.0" / "vendor").write_text(f"{vendor}\n")


def install(computer, name, script):
    program = computer.programs / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


# Recorded: what nvidia-smi prints for the two queries, a process of another user included.
NVIDIA_SMI = f"""case "$1" in
  --query-gpu=driver_version) echo 535.161.08; echo 535.161.08;;
  --query-compute-apps=*) echo "4242, /usr/bin/python3, 78000 MiB"
    echo "{os.getpid()}, python, 500 MiB"; echo "[Insufficient Permissions]";;
esac"""


def test_probe_of_a_cpu_machine(computer, machine, monkeypatch):
    machine()
    plug_in(computer, "0x8086")
    monkeypatch.setattr(doctor.ctypes, "CDLL", missing_library)
    state = doctor.probe()
    assert (state.hardware, state.libcuda, state.driver, state.others) == (False, False, None, ())
    assert (state.seen, state.placed, state.gpu_gflops, state.error) == ((), None, None, None)
    assert state.growth and not state.wsl
    assert state.cpu_gflops > 0
    import tensorflow as tf

    assert state.tensorflow == tf.__version__
    assert state.built_cuda == tf.sysconfig.get_build_info().get("cuda_version")


def missing_library(name):
    raise OSError(f"{name}: cannot open shared object file: No such file or directory")


@ON_POSIX
def test_probe_of_a_driver_and_its_users(computer, machine):
    machine()
    plug_in(computer, "0x10de")
    install(computer, "nvidia-smi", NVIDIA_SMI)
    state = doctor.probe()
    assert state.hardware
    assert state.driver == "535.161.08"
    assert state.others == ("4242, /usr/bin/python3, 78000 MiB",)


@ON_POSIX
@pytest.mark.parametrize(
    "script",
    [
        "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
        "echo 'NVIDIA-SMI has failed because it could not communicate with the driver.'; exit 9",
        "",
    ],
)
def test_probe_of_a_driver_that_does_not_answer(computer, machine, script):
    machine()
    plug_in(computer, "0x10de")
    install(computer, "nvidia-smi", script)
    state = doctor.probe()
    assert state.driver is None
    assert doctor.diagnose(state).cause == "no-driver"


def test_probe_gives_up_on_a_driver_that_hangs(computer, machine, monkeypatch):
    def hang(command, **options):
        raise subprocess.TimeoutExpired(command, options["timeout"])

    machine()
    monkeypatch.setattr(doctor.subprocess, "run", hang)
    assert doctor.probe().driver is None


@ON_POSIX
def test_probe_of_wsl2(computer, machine, monkeypatch):
    machine()
    monkeypatch.setattr(doctor.platform, "release", lambda: "5.15.153.1-microsoft-standard-WSL2")
    install(computer, "nvidia-smi.exe", "")
    monkeypatch.setattr(doctor.ctypes, "CDLL", missing_library)
    state = doctor.probe()
    assert state.wsl and state.hardware
    assert doctor.diagnose(state).cause == "wsl2"


def test_probe_finds_libraries_of_packages_first(computer, machine, monkeypatch, tmp_path):
    import tensorflow as tf

    build = {"cuda_version": "12.5.1", "cudnn_version": "9", "is_cuda_build": True}
    machine()
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: build)
    record = tmp_path / "nvidia_cuda_runtime_cu12-12.9.79.dist-info" / "METADATA"
    record.parent.mkdir()
    record.write_text("Metadata-Version: 2.1\nName: nvidia-cuda-runtime-cu12\nVersion: 12.9.79\n")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = []
    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda name: loaded.append(name) or True)
    state = doctor.probe()
    assert state.found_cuda == "12.9.79"
    if doctor._package("nvidia-cudnn-cu12") is None:
        assert state.found_cudnn == "the system's"
        assert loaded == ["libcuda.so.1", "libcudnn.so.9"]


def test_a_gpu_that_is_listed_but_not_used_is_found_out(computer, machine):
    """TensorFlow places operations for a missing GPU on the CPU without a word."""
    import tensorflow as tf

    if tf.config.list_logical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    grown = machine((9, 0))
    state = doctor.probe()
    assert grown == ["GPU:0"]
    assert (state.seen, state.placed, state.difference) == (("Fake GPU:0",), "CPU:0", 0.0)
    assert doctor.diagnose(state).cause == "unexplained"


def test_probe_compares_the_products(computer, machine, monkeypatch):
    real, error = doctor._product, 2e-4

    def product(tf, device, pair):
        result, gflops, placed = real(tf, device, pair)
        return (
            (result, gflops, placed) if device == "CPU:0" else (result * (1 + error), 9e3, device)
        )

    machine((9, 0))
    monkeypatch.setattr(doctor, "_product", product)
    state = doctor.probe()
    assert (state.placed, state.gpu_gflops) == ("GPU:0", 9e3)
    assert state.difference == pytest.approx(error, rel=1e-2)
    assert doctor.diagnose(state).cause == "gpu"


def test_probe_records_why_the_product_failed(computer, machine, monkeypatch):
    import tensorflow as tf

    real = tf.matmul

    def matmul(left, right):
        if tf.config.list_physical_devices.failing:
            raise tf.errors.ResourceExhaustedError(None, None, "failed to allocate memory")
        return real(left, right)

    machine((9, 0), too_late=True)
    tf.config.list_physical_devices.failing = False
    monkeypatch.setattr(tf, "matmul", matmul)
    real_product = doctor._product

    def product(tf, device, pair):
        tf.config.list_physical_devices.failing = device == "GPU:0"
        return real_product(tf, device, pair)

    monkeypatch.setattr(doctor, "_product", product)
    state = doctor.probe()
    assert not state.growth
    assert state.error.startswith("ResourceExhaustedError: ")
    assert doctor.diagnose(state).cause == "taken"


def test_probe_survives_a_tensorflow_that_does_not_start(computer, monkeypatch):
    def fail():
        raise ImportError("dlopen(libmetal_plugin.dylib): Library not loaded")

    monkeypatch.setattr(doctor, "start", fail)
    state = doctor.probe()
    assert state.tensorflow is None
    assert state.error == "ImportError: dlopen(libmetal_plugin.dylib): Library not loaded"


def test_the_product_is_right_and_says_where_it_ran(monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(doctor, "SIZE", 32)
    pair = np.random.default_rng(0).standard_normal((2, 32, 32), "float32")
    product, gflops, placed = doctor._product(tf, "CPU:0", pair)
    np.testing.assert_allclose(product, pair[0] @ pair[1], rtol=1e-3, atol=1e-4)
    assert gflops > 0
    assert placed == "CPU:0"


@ON_POSIX
@pytest.mark.parametrize("driver_missing, status", [(False, 0), (True, 1)])
def test_the_exit_status(computer, machine, monkeypatch, capsys, driver_missing, status):
    """``python -m helpers.gpu``, in this process; Windows's program betrays a GPU."""
    machine()
    if driver_missing:
        install(computer, "nvidia-smi.exe", "")
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter(()))
    monkeypatch.delitem(sys.modules, "helpers.gpu")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(SystemExit) as end:
        runpy.run_module("helpers.gpu", run_name="__main__")
    assert end.value.code == status
    assert ("sudo ubuntu-drivers install" in capsys.readouterr().out) == driver_missing
