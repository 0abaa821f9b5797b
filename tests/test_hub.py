"""The class's hub: three students at once, each in a world of their own; and what starts it."""

import asyncio
import inspect
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest
import systemdspawner
import yaml
from hub_room import ROOT, Room, Student, at_once, what_is_missing
from jsonschema import Draft7Validator
from traitlets.config import PyFileConfigLoader

from helpers.classroom.hub import start
from helpers.drills.judge import find

HUB = ROOT / "helpers/classroom/hub"
MEMORY = 1 << 30

missing = what_is_missing()
needs_room = pytest.mark.skipif(missing is not None, reason=str(missing))


@pytest.fixture(scope="module")
def class_of_three():
    """A hub, and three students at their JupyterLab."""
    with Room("anna", "bela", "chen", options=(f"--Spawner.mem_limit={MEMORY}",)) as room:
        students = [Student(room, name) for name in room.names]
        assert at_once(Student.sign_in, students) == [302] * 3
        at_once(Student.start, students)
        yield students


@pytest.fixture(scope="module")
def kernels(class_of_three):
    return at_once(Student.kernel, class_of_three)


def cell(student: Student, notebook: str, beginning: str) -> str:
    """A cell of a student's own copy of a notebook, by how it begins."""
    path = student.room.home / student.name / "course/notebooks" / f"{notebook}.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    (source,) = (each.source for each in cells if each.source.startswith(beginning))
    return source


# ---- three students at once --------------------------------------------------------------------
@needs_room
def test_a_wrong_password_is_refused(class_of_three):
    assert Student(class_of_three[0].room, "anna").sign_in("guess") == 403


@needs_room
def test_an_account_that_is_no_students_is_refused(class_of_three):
    room = class_of_three[0].room
    # Another account of the server, with anna's password.
    hashed = re.search(r"^anna:(.*?):", (room.folder / "etc/shadow").read_text(), re.MULTILINE)[1]
    useradd = ["useradd", f"--prefix={room.folder}", f"--password={hashed}", "guest"]
    subprocess.run(useradd, check=True)
    assert Student(room, "guest").sign_in(room.password("anna")) == 403
    assert "guest" in room.said()


@needs_room
def test_notebook_cells_run_in_each_and_the_judge_answers(class_of_three, kernels):
    answer = inspect.getsource(find("roc_auc").reference)

    def lesson(number: int) -> list[str]:
        student, kernel = class_of_three[number], kernels[number]
        return [
            kernel.run("import getpass; print(getpass.getuser())"),
            kernel.run(cell(student, "00_start_here", "import numpy as np\n\nfrom helpers.claims")),
            kernel.run(cell(student, "01_training_pipeline", "from helpers.drills import drill")),
            kernel.run(f'@drill("roc_auc")\n{answer}'),
            kernel.run("from helpers.data import load_reviews; print(len(load_reviews()))"),
        ]

    for name, shown in zip(("anna", "bela", "chen"), at_once(lesson, [0, 1, 2]), strict=True):
        who, claimed, task, verdict, reviews = shown
        assert who == f"{name}\n"
        assert "✓ π from 100,000 random points" in claimed
        assert "Drill `warmup_cosine`" in task
        assert re.match(r"✓ `roc_auc` is right in all \d+ cases", verdict), verdict
        assert int(reviews) == 35_124


@needs_room
def test_progress_is_kept_for_each(class_of_three, kernels):
    kernels[1].run("from helpers.drills import hint, progress; hint('roc_auc')")
    hints = [
        kernel.run(
            "from helpers.drills.logbook import events, progress_file\n"
            "print(progress_file(), [event['drill'] for event in events(['hint'])])"
        )
        for kernel in kernels
    ]
    file = ".local/share/deep-learning-notebooks/progress.sqlite3"
    assert hints == [
        f"/home/anna/{file} []\n",
        f"/home/bela/{file} ['roc_auc']\n",
        f"/home/chen/{file} []\n",
    ]


# ---- what one cannot do to another -------------------------------------------------------------
@needs_room
@pytest.mark.parametrize(
    "code",
    [
        "os.listdir('/home/anna')",
        "open('/home/anna/course/notebooks/00_start_here.ipynb').read()",
        "open('/home/anna/course/mine.txt', 'w')",
        "os.listdir('{course}/.hub')",
        "open('{course}/helpers/claims.py', 'a')",
        "open('{course}/.git/config', 'a')",
        "os.kill({server}, 9)",
        "open('/proc/{server}/environ').read()",
    ],
)
def test_a_kernel_reaches_neither_anothers_files_nor_the_courses(class_of_three, kernels, code):
    anna = class_of_three[0]
    # Its number as the students see it: the room counts its processes by itself.
    server = min(_numbers_inside(process)[-1] for process in anna.room.processes("anna"))
    shown = kernels[1].run(f"import os; {code.format(course=ROOT, server=server)}")
    assert re.match(r"PermissionError|OSError.*Read-only", shown), shown


def _numbers_inside(process: psutil.Process) -> list[int]:
    """A process's numbers, outermost namespace first."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return [int(number) for number in re.search(r"NSpid:(.*)", status)[1].split()]


@needs_room
def test_a_browser_does_not_reach_anothers_server(class_of_three, kernels):
    anna, bela, _ = class_of_three
    assert anna.get("api/contents/course").status_code == 200
    assert bela.get("api/contents/course").status_code == 200
    assert bela.get("api/contents/course", owner="anna").status_code in (403, 404)
    assert bela.get("lab", owner="anna").status_code in (403, 404)
    assert "course-update.log" not in bela.get("tree", owner="anna").text


@needs_room
def test_a_token_from_ones_kernel_does_not_open_anothers_server(class_of_three, kernels):
    address = kernels[0].run("import os; print(os.environ['JUPYTERHUB_SERVICE_URL'])").strip()
    code = (
        "import os, httpx\n"
        "def ask(url):\n"
        "    token = {'Authorization': 'token ' + os.environ['JUPYTERHUB_API_TOKEN']}\n"
        "    return httpx.get(url + 'api/contents', headers=token).status_code\n"
        f"print(ask(os.environ['JUPYTERHUB_SERVICE_URL']), ask({address!r}))"
    )
    own, annas = kernels[1].run(code).split()
    assert (own, annas) in {("200", "403"), ("200", "404")}


@needs_room
def test_nobody_can_listen_to_anothers_kernel(class_of_three, kernels):
    """What a kernel prints is readable for whoever connects to it: so nobody can."""
    run = class_of_three[0].room.home / "anna/.jupyter/run"
    (file,) = run.glob("kernel-*.json")
    assert json.loads(file.read_text())["transport"] == "ipc"
    sockets = [path.name for path in run.iterdir() if path.is_socket()]
    assert len(sockets) == 5, "one for each kind of message"
    code = "import socket; socket.socket(socket.AF_UNIX).connect('/home/anna/.jupyter/run/{}')"
    assert kernels[0].run(code.format(sockets[0])) == ""
    assert kernels[1].run(code.format(sockets[0])).startswith("PermissionError")


@needs_room
def test_homes_and_passwords_are_private(class_of_three):
    room = class_of_three[0].room
    private = [room.course / ".hub", *(room.home / name for name in room.names)]
    assert [oct(path.stat().st_mode & 0o777) for path in private] == ["0o700"] * 4
    assert (room.course / ".hub/passwords.txt").stat().st_mode & 0o777 == 0o600
    assert len({room.password(name) for name in room.names}) == 3


# ---- limits ------------------------------------------------------------------------------------
@needs_room
def test_memory_is_limited(kernels):
    asked = "import numpy as np; {} = np.ones({}, np.uint8); print('had')"
    assert kernels[0].run(asked.format("some", MEMORY // 2)) == "had\n"
    assert "MemoryError" in kernels[0].run(asked.format("more", MEMORY))
    assert kernels[1].run(asked.format("some", MEMORY // 2)) == "had\n"
    for kernel in kernels:
        kernel.run("some = None")


@needs_room
def test_cores_and_threads_are_limited(kernels):
    code = (
        "import os; print(len(os.sched_getaffinity(0)), *(os.environ[v] for v in "
        "('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'TF_NUM_INTRAOP_THREADS', "
        "'TF_NUM_INTEROP_THREADS')))"
    )
    cores = min(2, len(os.sched_getaffinity(0)))
    assert kernels[2].run(code) == f"{cores} 2 2 2 2\n"


# ---- updates -----------------------------------------------------------------------------------
@needs_room
def test_an_update_arrives_and_edits_stay(class_of_three):
    chen = class_of_three[2]
    room, name = chen.room, "notebooks/00_start_here.ipynb"
    own = room.home / "chen/course"

    edited = nbformat.read(own / name, as_version=4)
    edited.cells[-1].source += "\n\nChen's note."
    nbformat.write(edited, own / name)
    (own / "notebooks/chens_own.ipynb").write_text((own / name).read_text())

    changed = nbformat.read(room.course / name, as_version=4)
    changed.cells[0].source += "\n\nThe teacher's correction."
    nbformat.write(changed, room.course / name)
    (room.course / "notebooks/10_new.ipynb").write_text((room.course / name).read_text())
    room.commit("Add a notebook, and correct one")

    chen.stop()
    chen.start()
    log = (room.home / "chen/course-update.log").read_text()
    merged = nbformat.read(own / name, as_version=4)
    assert merged.cells[-1].source.endswith("Chen's note."), log
    assert merged.cells[0].source.endswith("The teacher's correction."), log
    assert (own / "notebooks/10_new.ipynb").exists()
    assert (own / "notebooks/chens_own.ipynb").exists()


@needs_room
def test_a_link_brings_an_update_into_a_running_server(class_of_three):
    bela = class_of_three[1]
    room = bela.room
    (room.course / "notebooks/11_newer.ipynb").write_text("{}")
    room.commit("Add another notebook")
    update = {"repo": ROOT.as_uri(), "branch": "main", "targetpath": "course"}
    page = bela.browser.get("/hub/user-redirect/git-pull", params=update)
    assert page.url.path == "/user/bela/git-pull", "the page, which asks for the update"
    token = {"_xsrf": bela.token("/user/bela/")}
    said = bela.browser.get("/user/bela/git-pull/api", params=update | token).text
    assert (room.home / "bela/course/notebooks/11_newer.ipynb").exists(), said


# ---- where systemd runs ------------------------------------------------------------------------
STAND_IN = """#!/bin/sh
case "$0 $1" in
    *systemd-run*) for argument do echo "$argument"; done > {calls} ;;
    *--version) echo "systemd 252" ;;
    *is-active) test -e {calls} ;;
    *) exit 1 ;;
esac
"""


def config(monkeypatch, *, systemd: bool):
    """What jupyterhub_config.py says on a server with or without systemd."""
    is_dir = Path.is_dir
    monkeypatch.setattr(
        Path, "is_dir", lambda path: systemd if "systemd" in path.parts else is_dir(path)
    )
    return PyFileConfigLoader("jupyterhub_config.py", path=str(HUB)).load_config()


def test_with_systemd_the_kernel_holds_the_whole_server_to_its_limits(tmp_path, monkeypatch):
    """As far as a test can tell without systemd: what is asked of it."""
    for program in ("systemd-run", "systemctl"):
        (tmp_path / program).write_text(STAND_IN.format(calls=tmp_path / "calls"))
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(systemdspawner.systemd, "RUN_ROOT", str(tmp_path))
    found = config(monkeypatch, systemd=True)
    assert found.JupyterHub.spawner_class == "systemd"

    spawner = systemdspawner.SystemdSpawner(config=found, user=SimpleNamespace(name="nobody", id=7))
    monkeypatch.setattr(spawner, "get_env", lambda: {"PATH": os.environ["PATH"]})
    monkeypatch.setattr(spawner, "get_args", lambda: ["--an-argument"])
    asyncio.run(spawner.start())
    asked = (tmp_path / "calls").read_text().splitlines()
    assert {
        f"--property=MemoryMax={4 << 30}",
        "--property=MemorySwapMax=0",
        "--property=CPUQuota=200%",
        "--property=OOMPolicy=continue",
        "--property=NoNewPrivileges=yes",
        "--property=PrivateTmp=yes",
        f"--uid={pwd.getpwnam('nobody').pw_uid}",
    } <= set(asked)
    assert asked[-4:] == ["/bin/sh", str(HUB / "student.sh"), ROOT.as_uri(), "--an-argument"]


def test_without_systemd_each_student_has_other_cores(monkeypatch):
    found = config(monkeypatch, systemd=False)
    assert found.JupyterHub.spawner_class == "localprocess"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 4, 5}, raising=False)
    chosen = []
    for number in (1, 2, 3):
        spawner = SimpleNamespace(user=SimpleNamespace(id=number), cpu_limit=2, mem_limit=10)
        found.Spawner.pre_spawn_hook(spawner)
        assert spawner.cmd[:4] == ["prlimit", "--data=10", "taskset", "--cpu-list"]
        assert spawner.cmd[5:] == found.Spawner.cmd
        chosen.append(spawner.cmd[4])
    assert chosen == ["2,4", "5,0", "1,2"]


# ---- what starts it ----------------------------------------------------------------------------
def test_names_are_read(tmp_path):
    file = tmp_path / "students.txt"
    file.write_text("# class 7\n\nanna\n  b-2_x \n")
    assert start.read_names(file) == ["anna", "b-2_x"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("Anna", "line 2 is 'Anna': it should be one account name, of small letters"),
        ("anna lee", "line 2 is 'anna lee': it should be"),
        ("--root=/", "line 2 is '--root=/': it should be"),
        ("x" * 33, "it should be one account name"),
        ("bela", "line 2 is 'bela', for the second time"),
    ],
)
def test_other_lines_are_no_names(tmp_path, line, complaint):
    file = tmp_path / "students.txt"
    file.write_text(f"bela\n{line}\n")
    with pytest.raises(ValueError, match=complaint):
        start.read_names(file)


def test_an_account_of_the_server_does_not_become_a_students(tmp_path, monkeypatch):
    monkeypatch.setattr(start.grp, "getgrnam", lambda name: SimpleNamespace(gr_mem=["zoe"]))
    monkeypatch.setattr(start.subprocess, "run", lambda *_, **__: pytest.fail("an account made"))
    with pytest.raises(ValueError, match=r"'root' is an account of this server already \(user 0\)"):
        start.enrol(["a-new-student", "root"], tmp_path / "passwords.txt")
    assert not (tmp_path / "passwords.txt").exists()


def test_without_root_it_says_so(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["start"])
    with pytest.raises(SystemExit, match="it needs root, sudo make hub"):
        start.main()


@needs_room
@pytest.mark.parametrize(
    ("path", "mode", "complaint"),
    [
        (".", 0o700, r"students cannot enter /.*/course: move the course"),
        ("helpers/text.py", 0o600, r"students cannot read .*/helpers/text.py: chmod -R o\+rX"),
        ("helpers", 0o757, r"students can change .*/helpers: chmod -R o-w"),
        ("python", 0o750, r"students cannot enter .*/python: make .venv with the system's Python"),
        (".hub", 0o700, "^None$"),
        ("classroom", 0o700, "students could read .*/classroom, with its solutions"),
    ],
)
def test_what_keeps_students_out_or_lets_them_in_is_named(path, mode, complaint):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        course = Path(folder) / "course"
        for part in ("helpers", ".hub", "python"):
            (course / part).mkdir(parents=True)
        (course / "helpers/text.py").touch()
        if path == "classroom":
            (course / path).mkdir()
        os.chmod(course / path, mode)
        found = start.find_obstacle(course, course / "python")
    assert re.search(complaint, str(found)), found


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_hub_starts_it_with_the_students_and_hands_arguments_on():
    command = ["make", "--dry-run", "hub", "STUDENTS=class 7.txt", "ARGS=--port=9000"]
    # This test may itself run under make, which hands its options and variables down.
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    said = subprocess.check_output(command, cwd=ROOT, env=env, text=True)
    assert said.splitlines()[-1].endswith(
        "-m helpers.classroom.hub.start --students='class 7.txt' --port=9000"
    )


def test_make_hub_closes_to_others_what_the_installer_leaves_open():
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    command = ["make", "--dry-run", "--always-make", "hub"]
    said = subprocess.check_output(command, cwd=ROOT, env=env, text=True)
    installed, closed = said.index("uv pip install"), said.index("chmod -R o-w .venv")
    assert installed < closed < said.index("-m helpers.classroom.hub.start")


# ---- Kubernetes --------------------------------------------------------------------------------
VALUES = yaml.safe_load((HUB / "values.yaml").read_text(encoding="utf-8"))


def chart():
    """The chart's own description of its values."""
    schema = (ROOT / "tests/zero_to_jupyterhub_schema.json").read_text(encoding="utf-8")
    return Draft7Validator(json.loads(schema))


def test_the_values_are_those_of_the_chart():
    assert [error.message for error in chart().iter_errors(VALUES)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"singleuser": {"memory": {"limits": "3G"}}},
        {"singleuser": {"cpu": {"limit": "two"}}},
        {"hub": {"config": {"jupyterHub": {}}}},
        {"culling": {"enabled": True}},
    ],
)
def test_the_charts_description_catches_mistakes(wrong):
    assert list(chart().iter_errors(wrong))


def test_the_values_agree_with_the_config_of_one_server(monkeypatch):
    found = config(monkeypatch, systemd=True)
    single = VALUES["singleuser"]
    assert single["memory"]["limit"] == found.Spawner.mem_limit
    assert single["cpu"]["limit"] == found.Spawner.cpu_limit
    assert single["defaultUrl"] == found.Spawner.default_url
    spawner = SimpleNamespace(cpu_limit=found.Spawner.cpu_limit)
    threads = {k: v(spawner) for k, v in found.Spawner.environment.items() if "THREADS" in k}
    assert single["extraEnv"] == threads
    assert single["cmd"][1] == f"/srv/course/{(HUB / 'student.sh').relative_to(ROOT)}"
