"""Training over several devices and several processes, and the files that start it on a cluster."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers.cluster import launch as launcher
from helpers.cluster.launch import free_ports, launch, read_settings
from helpers.cluster.train import place

ROOT = Path(__file__).resolve().parent.parent
CLUSTER = ROOT / "helpers" / "cluster"
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
STEPS, KILL_AT = 30, 10
SHORT = {"STEPS": STEPS, "BATCH": 255, "CHECKPOINT_EVERY": 5}  # two workers share 255 unevenly


# ---- two devices -------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def mirrored() -> dict:
    """What `mirrored_worker.py` found."""
    command = [sys.executable, "tests/mirrored_worker.py"]
    run = subprocess.run(command, cwd=ROOT, env=os.environ | QUIET, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "case", ["plain", "weights", "clipped", "micro-batches", "a share without examples"]
)
def test_two_devices_train_as_one(mirrored, case):
    """Losses, validation and weights, with an Adam that amplifies what differs."""
    one, two = mirrored[case]
    np.testing.assert_allclose(two, one, rtol=2e-4, atol=2e-5)


def test_two_devices_train_as_one_up_to_the_rounding_of_bfloat16(mirrored):
    one, two = mirrored["bfloat16"]
    np.testing.assert_allclose(two, one, atol=0.03)


def test_a_run_over_two_devices_goes_on_where_it_stopped(mirrored):
    whole, resumed = mirrored["resumed, with dropout"]
    np.testing.assert_array_equal(resumed, whole)


def test_the_end_of_an_epoch_is_no_update(mirrored):
    expected, counted = mirrored["updates"]
    assert counted == expected


def test_what_does_not_go_with_several_devices_is_refused(mirrored):
    assert "within strategy.scope()" in mirrored["outside"]
    assert "2 replicas does not go with mixed_float16" in mirrored["float16"]
    assert "2 replicas does not go with jit_compile" in mirrored["xla"]


# ---- two processes -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict:
    """The same training by one process, by two, and by two of which one is killed on the way."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def run(name: str, workers: int, **options):
        return launch(workers, SHORT | {"CHECKPOINTS": folder / name}, **options)

    return {
        "one": run("one", 1),
        "two": run("two", 2),
        "killed": run("killed", 2, restarts=1, kill_at=KILL_AT),
        "again": run("one", 1),  # the folder holds a finished run
    }


def test_two_processes_train_as_one(runs):
    (one, _), (two, events) = runs["one"], runs["two"]
    assert (one["replicas"], two["replicas"]) == (1, 2)
    assert len(two["losses"]) == STEPS
    assert events == ["started 2 workers"]
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=0, atol=1e-6)
    assert two["accuracy"] == one["accuracy"] > 0.5
    assert one["losses"][-1] < one["losses"][0] - 0.05


def test_a_killed_worker_costs_time_and_nothing_else(runs):
    (one, _), (killed, events) = runs["one"], runs["killed"]
    assert events == ["started 2 workers", "killed worker 1", "started 2 workers"]
    assert KILL_AT <= killed["began_at"] < STEPS
    assert killed["began_at"] % SHORT["CHECKPOINT_EVERY"] == 0
    np.testing.assert_allclose(killed["losses"], one["losses"], rtol=0, atol=1e-6)
    assert killed["accuracy"] == one["accuracy"]


def test_a_finished_run_stays_finished(runs):
    (one, _), (again, _) = runs["one"], runs["again"]
    assert again["began_at"] == STEPS
    assert again["losses"] == one["losses"]


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts another program in the place of `helpers.cluster.train`, which takes long to start."""

    def put(code: str) -> None:
        package = tmp_path / "helpers" / "cluster"
        package.mkdir(parents=True)
        (tmp_path / "helpers" / "__init__.py").touch()
        (package / "__init__.py").touch()
        (package / "train.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.chdir(tmp_path)  # `python -m` looks here first

    return put


def test_a_worker_that_fails_too_often_is_named_with_its_last_words(program, tmp_path):
    program("import os, sys\nsys.exit('out of memory' if os.environ['RANK'] == '1' else 0)")
    with pytest.raises(RuntimeError, match=r"worker 1 failed.*\nout of memory"):
        launch(2, {"CHECKPOINTS": tmp_path}, restarts=1)


def test_workers_that_hang_are_stopped(program, tmp_path):
    program(
        "import os, pathlib, time\n"
        "pathlib.Path(os.environ['CHECKPOINTS'], os.environ['RANK']).write_text(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    with pytest.raises(TimeoutError, match="did not end in time"):
        launch(2, {"CHECKPOINTS": tmp_path}, limit=2)
    for rank in "01":
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / rank).read_text()), 0)


def test_workers_get_the_settings_and_their_place(program, tmp_path):
    program("import json, os\nprint(json.dumps(dict(os.environ)))")
    seen, _ = launch(1, {"CHECKPOINTS": tmp_path, "STEPS": 7})
    assert seen["STEPS"] == "7"
    assert seen["BATCH"] == read_settings()["BATCH"]
    assert place(seen) == ([seen["WORKERS"]], 0)


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"run.env has no \['STEP'\]"):
        launch(1, {"STEP": 3})


def test_ports_differ():
    assert len(set(free_ports(5))) == 5


# ---- who is who --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ([], 0)),
        ({"WORKERS": "a:1, b:2", "RANK": "1"}, (["a:1", "b:2"], 1)),
        ({"WORKERS": "a:1,b:2", "SLURM_PROCID": "1"}, (["a:1", "b:2"], 1)),
        ({"WORKERS": "a:1,b:2", "JOB_COMPLETION_INDEX": "1"}, (["a:1", "b:2"], 1)),
        ({"WORKERS": "a:1,b:2", "RANK": "0", "SLURM_PROCID": "1"}, (["a:1", "b:2"], 0)),
    ],
)
def test_place(environment, expected):
    assert place(environment) == expected


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WORKERS": "a:1,b"}, "WORKERS must be host:port .* it has 'b'"),
        ({"WORKERS": "a:1,a:1"}, "names an address twice"),
        ({"WORKERS": "a:1,b:2", "RANK": "2"}, "RANK must be from 0 to 1; it is '2'"),
        ({"WORKERS": "a:1,b:2", "SLURM_PROCID": "-1"}, "SLURM_PROCID must be from 0 to 1"),
        ({"RANK": "1"}, "RANK must be from 0 to 0"),
    ],
)
def test_a_place_that_cannot_be_is_refused(environment, message):
    with pytest.raises(ValueError, match=message):
        place(environment)


# ---- the files for clusters --------------------------------------------------------------------
@pytest.mark.skipif(not shutil.which("bash"), reason="the script is for bash")
@pytest.mark.parametrize("failures", [0, 2, 3])
def test_the_slurm_script_starts_what_the_launcher_starts(tmp_path, failures):
    """Beside stand-ins for the two commands of Slurm that it calls."""
    for name, code in {
        "scontrol": '[ "$*" = "show hostnames node[1-3]" ] && printf "node%s\\n" 1 2 3',
        "srun": "env > seen; echo $* >> calls; [ $(wc -l < calls) -gt $FAILURES ]",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{code}\n")
        (tmp_path / name).chmod(0o755)
    shutil.copytree(CLUSTER, tmp_path / "helpers" / "cluster")
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "node[1-3]",
        "FAILURES": str(failures),
    }
    script = [shutil.which("bash"), "helpers/cluster/slurm.sh"]
    run = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == min(failures + 1, 3)
    assert (run.returncode == 0) == (failures < 3), run.stderr
    assert calls[0].endswith(".venv/bin/python -m helpers.cluster.train")
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    assert read_settings().items() <= seen.items()
    assert place(seen | {"SLURM_PROCID": "2"}) == (["node1:12345", "node2:12345", "node3:12345"], 2)


def test_the_kubernetes_job_starts_what_the_launcher_starts():
    service, job = yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text(encoding="utf-8"))
    pods = job["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    count = job["spec"]["completions"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["parallelism"] == count  # all or none: they wait for each other
    name, subdomain = job["metadata"]["name"], pods["subdomain"]
    port = service["spec"]["ports"][0]["port"]
    addresses = [f"{name}-{index}.{subdomain}:{port}" for index in range(count)]
    assert place(environment | {"JOB_COMPLETION_INDEX": "3"}) == (addresses, 3)
    assert service["metadata"]["name"] == subdomain
    assert service["spec"]["selector"] == {"job-name": name}
    assert container["command"] == ["python", "-m", "helpers.cluster.train"]
    assert set(environment) - {"WORKERS"} <= set(read_settings())
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert environment["CHECKPOINTS"] in mounts
    assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pods["volumes"]}


def test_interrupting_the_launcher_stops_the_workers(program, tmp_path):
    program(
        "import os, pathlib, time\n"
        "pathlib.Path(os.environ['CHECKPOINTS'], os.environ['RANK']).write_text(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import importlib.util as u\n"
        f"s = u.spec_from_file_location('launch', {launcher.__file__!r})\n"
        "m = u.module_from_spec(s); s.loader.exec_module(m)\n"
        f"m.launch(2, {{'CHECKPOINTS': {str(tmp_path)!r}}})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    while not all((tmp_path / rank).exists() and (tmp_path / rank).read_text() for rank in "01"):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    for rank in "01":
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / rank).read_text()), 0)
