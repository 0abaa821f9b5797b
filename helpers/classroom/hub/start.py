"""Start JupyterHub for a class on one Linux server. On Debian or Ubuntu::

    sudo apt install git make python3-venv nodejs npm
    sudo git clone ADDRESS /srv/course    # where students can read it, and cannot change it
    cd /srv/course
    sudo make hub STUDENTS=students.txt   # one account name a line; makes those that are missing
    sudo make hub                         # later: the accounts are there

The new accounts' passwords are added to ``.hub/passwords.txt``, beside the hub's database; only
root can read that folder. A forgotten password: ``sudo passwd NAME``. An account that goes, with
all its files: ``sudo userdel --remove NAME``. A teacher signs in with an account of the server:
``sudo usermod --append --groups teachers NAME``.

The hub runs until Ctrl-C, which stops the students' servers too; their files stay. On a server with
systemd, ``sudo systemd-run --unit=hub --working-directory=$PWD make hub`` runs it without the
terminal, and ``sudo systemctl stop hub`` ends it.

What the course's folder has committed reaches a student whenever their server starts: after
``git pull``, or a commit of yours, nothing else is needed. In the middle of a lesson, give out the
link ``http://SERVER:8000/hub/user-redirect/git-pull?repo=file:///srv/course&targetpath=course``.
"""

import argparse
import grp
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
COURSE = HERE.parents[2]
STATE = COURSE / ".hub"
ASSIGNMENTS = "classroom"  # where `make assignment` puts them
GROUPS = ("students", "teachers")  # as in jupyterhub_config.py
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another


def main() -> None:
    """Check, make accounts, then become the hub.

    Exits with a message where the hub would not work: without root, or where students could not
    read, or could change, the course.
    """
    parser = argparse.ArgumentParser(description="Other arguments go to JupyterHub.")
    parser.add_argument("--students", type=Path, help="a file with one account name a line")
    own, others = parser.parse_known_args()
    if os.geteuid() != 0:
        sys.exit(
            "make hub starts each student's server as this student: it needs root, sudo make hub"
        )
    obstacle = find_obstacle(COURSE, Path(sys.base_prefix))
    if obstacle:
        sys.exit(f"make hub: {obstacle}")
    trust(COURSE)
    STATE.mkdir(mode=0o700, exist_ok=True)
    for group in GROUPS:
        subprocess.run(["groupadd", "--force", group], check=True)
    if own.students:
        try:
            made = enrol(read_names(own.students), STATE / "passwords.txt")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            sys.exit(f"make hub: {error}")
        print(f"{len(made)} accounts made; their passwords: {STATE / 'passwords.txt'}", flush=True)
    os.chdir(STATE)
    config = f"--config={HERE / 'jupyterhub_config.py'}"
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub", config, *others])


def read_names(path: Path) -> list[str]:
    """The account names in a file: one a line; empty lines and those that begin with # are free.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no account name, or stands there twice.
    """
    names: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", name):
            raise ValueError(
                f"{path.name}, line {number} is {name!r}: it should be one account name, of small "
                "letters a to z, digits, - and _"
            )
        if name in names:
            raise ValueError(f"{path.name}, line {number} is {name!r}, for the second time")
        names.append(name)
    return names


def enrol(names: list[str], passwords: Path) -> list[str]:
    """Make the accounts that are missing, with private homes; return their names.

    Args:
        passwords: the file that gets a line "name password" for each.

    Raises:
        ValueError: a name belongs to an account that is no student's. None is made then.
    """
    students = grp.getgrnam("students").gr_mem
    missing = []
    for name in names:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            missing.append(name)
            continue
        if name not in students:
            raise ValueError(
                f"{name!r} is an account of this server already (user {account.pw_uid}), and no "
                "student's. Choose another name, or, if it is the student's: usermod --append "
                f"--groups students {name}"
            )
    for name in missing:
        password = "".join(secrets.choice(LETTERS) for _ in range(10))
        # The password is kept first: an account that nobody can open would be the worse surprise.
        with open(passwords, "a", encoding="utf-8", opener=_private) as file:
            print(name, password, file=file)
        options = ["--create-home", "--user-group", "--groups=students", "--shell=/bin/bash"]
        subprocess.run(["useradd", *options, name], check=True)
        os.chmod(pwd.getpwnam(name).pw_dir, 0o700)
        subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True)
    return missing


def find_obstacle(course: Path, python: Path) -> str | None:
    """The first thing that keeps students from the course, or lets them change it; None if none.

    Args:
        course: the folder of the course, its .venv in it.
        python: where the Python that made .venv is installed.
    """
    for folder, remedy in (
        (course, "move the course to where everybody may go, such as /srv/course"),
        (python, "make .venv with the system's Python, make hub PYTHON=/usr/bin/python3"),
    ):
        for step in (*reversed(folder.parents), folder):
            if _as_nobody("test", "-x", step).returncode:
                return f"students cannot enter {step}: {remedy}"
    if (course / ASSIGNMENTS).exists():
        return (
            f"students could read {course / ASSIGNMENTS}, with its solutions and hidden cases: "
            "move it to a folder that is closed to others, and name that with --course"
        )
    for test, remedy in (
        (("!", "-readable"), "students cannot read {}: chmod -R o+rX ."),
        (("-writable",), "students can change {}: chmod -R o-w ."),
    ):
        but_state = ("-path", course / STATE.name, "-prune", "-o")
        find = _as_nobody("find", course, *but_state, "!", "-type", "l", *test, "-print", "-quit")
        if find.stdout:
            return remedy.format(find.stdout.strip())
    if not (HERE / "node_modules/.bin/configurable-http-proxy").exists():
        return "the proxy is missing: start the hub with make, which installs it"
    if not shutil.which("node"):
        return "node is missing: apt install nodejs npm"
    return None


def trust(course: Path) -> None:
    """Let every account's git read the course, which belongs to another: git refuses otherwise.

    Whoever clones is refused for .git, who looks around in the folder for the folder.
    """
    for folder in (course, course / ".git"):
        setting = ["git", "config", "--system", "--get-all", "safe.directory"]
        known = subprocess.run(setting, capture_output=True, text=True).stdout.splitlines()
        if str(folder) not in known:
            add = ["git", "config", "--system", "--add", "safe.directory", str(folder)]
            subprocess.run(add, check=True)


def _as_nobody(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command as an account that has no rights of its own."""
    nobody = pwd.getpwnam("nobody")
    return subprocess.run(
        command,
        cwd="/",
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


if __name__ == "__main__":
    main()
