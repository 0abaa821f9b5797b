"""A room for a hub: the machine as its tests need it, of which nothing is left afterwards.

A hub makes accounts, writes into the course's folder, and lets other users read it. In a mount
namespace of its own it finds copies of /etc and of the course, and an empty /home; its process
namespace ends with it. The course's Python need not lie where everybody may go: the room shows it
there.
"""

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import websocket

ROOT = Path(__file__).resolve().parent.parent
PROXY = ROOT / "helpers/classroom/hub/node_modules"
# The room ends when the tests do, however they end.
NAMESPACES = ["setpriv", "--pdeathsig=KILL"]
NAMESPACES += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
SECONDS = 300  # a slow machine is no failure


def what_is_missing() -> str | None:
    """Why no room can be had here, or None."""
    for program in ("setpriv", "unshare", "useradd", "prlimit", "taskset", "node", "git"):
        if not shutil.which(program):
            return f"a hub needs {program}"
    if not (PROXY / ".package-lock.json").exists():
        return "the hub's proxy is not installed: `make hub` does it"
    try:
        subprocess.run([*NAMESPACES, "true"], check=True, capture_output=True)
        subprocess.run(["true"], check=True, user="nobody", extra_groups=[])
    except (OSError, subprocess.CalledProcessError):
        return "a hub needs root, and its tests a root that may make namespaces"
    return None


class Room:
    """A running hub with these students.

    Attributes:
        url: the hub's address.
        course: the room's copy of the course, its own git repository; the students' home folders
            are in `home`; the hub writes to `log`. These are the paths outside.
    """

    def __init__(self, *names: str, options: tuple[str, ...] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hub-"))
        self.course, self.home = self.folder / "course", self.folder / "home"
        self.log = self.folder / "log"
        self.home.mkdir(mode=0o755)
        subprocess.run(["cp", "-a", "/etc", self.folder], check=True)
        (self.folder / "etc/students.txt").write_text("\n".join(names) + "\n")
        _copy_course(self.course)
        ports = _free_ports(3)
        self.url = f"http://127.0.0.1:{ports[0]}"
        hub = [sys.executable, "-m", "helpers.classroom.hub.start", "--students=/etc/students.txt"]
        hub += [
            f"--JupyterHub.bind_url={self.url}",
            f"--JupyterHub.hub_port={ports[1]}",
            f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{ports[2]}",
            *options,
        ]
        # The shell stays: as the first process of its namespace it has to bury orphans.
        script = "\n".join([*self._furnish(), shlex.join(hub), "exit"])
        environment = {"PATH": os.environ["PATH"], "HOME": "/", "LANG": "C.UTF-8"}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*NAMESPACES, "sh", "-ec", script],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.names = names

    def __enter__(self) -> "Room":
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        inside = []
        if self.process.poll() is None:
            inside = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()  # with it, all processes of its namespace
        self.process.wait()
        psutil.wait_procs(inside, timeout=SECONDS)
        # What was mounted went with the namespace; were it not so, rmtree would delete through it.
        if str(self.folder) in Path("/proc/self/mountinfo").read_text():
            raise RuntimeError(f"something is still mounted in {self.folder}")
        shutil.rmtree(self.folder)

    def _wait(self) -> None:
        end = time.monotonic() + SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            try:
                if httpx.get(f"{self.url}/hub/health").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"the hub did not start:\n{self.said()}")

    def _furnish(self) -> list[str]:
        """The commands that make the room, from inside its namespace."""
        shown = {ROOT: self.course, Path(sys.prefix): Path(sys.prefix), PROXY: PROXY}
        for program in (Path(sys.base_prefix), Path(shutil.which("node")).parent):
            if _hidden(program):
                shown[program] = program
        commands = [f"mount --bind {self.folder}/etc /etc", f"mount --bind {self.home} /home"]
        for number, source in enumerate(shown.values()):
            commands += [f"mkdir -p /etc/room/{number}"]
            commands += [f"mount --bind {shlex.quote(str(source))} /etc/room/{number}"]
        for folder in sorted({_hidden(target) for target in shown} - {None}):
            commands += [f"mount -t tmpfs -o mode=755 room {shlex.quote(str(folder))}"]
        for number, target in enumerate(shown):
            place = shlex.quote(str(target))
            commands += [f"mkdir -p {place}", f"mount --bind /etc/room/{number} {place}"]
            commands += [f"umount /etc/room/{number}"]
            if target != ROOT:  # students must leave it as it is, and so must the hub
                commands += [f"mount -o remount,bind,ro {place}"]
        return [*commands, f"cd {shlex.quote(str(ROOT))}"]

    def said(self) -> str:
        """The end of the hub's log."""
        return self.log.read_text()[-5_000:]

    def password(self, name: str) -> str:
        """What start.py made up for a student."""
        lines = (self.course / ".hub/passwords.txt").read_text().splitlines()
        return dict(line.split() for line in lines)[name]

    def processes(self, name: str) -> list[psutil.Process]:
        """All that runs as a student."""
        user = (self.home / name).stat().st_uid
        inside = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in inside if process.uids().real == user]

    def commit(self, message: str) -> None:
        """Commit all that was changed in the course, as the teacher would."""
        _git(self.course, "add", "--all")
        _git(self.course, "commit", "--quiet", f"--message={message}")


class Student:
    """A student's browser."""

    def __init__(self, room: Room, name: str) -> None:
        self.room, self.name = room, name
        self.browser = httpx.Client(base_url=room.url, follow_redirects=True, timeout=SECONDS)

    def sign_in(self, password: str | None = None) -> int:
        """Fill in the form; return the status: 302 where the password was right."""
        self.browser.get("/hub/login")
        form = {"username": self.name, "password": password or self.room.password(self.name)}
        form["_xsrf"] = self.token("/hub/")
        return self.browser.post("/hub/login", data=form, follow_redirects=False).status_code

    def start(self) -> None:
        """Press "Start My Server", and wait until JupyterLab's page comes."""
        self.browser.get("/hub/spawn").raise_for_status()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            page = self.get("lab")
            if page.status_code == 200 and page.url.path == f"/user/{self.name}/lab":
                return
            time.sleep(0.2)
        raise RuntimeError(f"no server for {self.name}:\n{self.room.said()}")

    def stop(self) -> None:
        """Press "Stop My Server", and wait until it is gone."""
        self.browser.get("/hub/home")
        headers = {"X-XSRFToken": self.token("/hub/"), "Referer": f"{self.room.url}/hub/home"}
        address = f"/hub/api/users/{self.name}/server"
        self.browser.delete(address, headers=headers).raise_for_status()
        end = time.monotonic() + SECONDS
        while self.room.processes(self.name) and time.monotonic() < end:
            time.sleep(0.2)

    def get(self, path: str, owner: str | None = None) -> httpx.Response:
        """Ask a server, the student's own unless another owner is named."""
        return self.browser.get(f"/user/{owner or self.name}/{path}")

    def kernel(self) -> "Kernel":
        """A new kernel of the student's server."""
        prefix = f"/user/{self.name}/"
        headers = {"X-XSRFToken": self.token(prefix)}
        answer = self.browser.post(f"{prefix}api/kernels", headers=headers, json={})
        answer.raise_for_status()
        return Kernel(self, f"{prefix}api/kernels/{answer.json()['id']}/channels")

    def token(self, path: str) -> str:
        """What a form on a page below `path` has to send along."""
        jar = self.browser.cookies.jar
        return next(c.value for c in jar if (c.name, c.path) == ("_xsrf", path))


class Kernel:
    """A notebook's connection to its kernel."""

    def __init__(self, student: Student, path: str) -> None:
        request = student.browser.build_request("GET", path)
        self.socket = websocket.create_connection(
            f"ws://{urlsplit(student.room.url).netloc}{path}",
            cookie=request.headers["cookie"],
            timeout=SECONDS,
        )

    def run(self, code: str) -> str:
        """Run a cell; return what it shows: printed text, results, and the error if any."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": "execute_request", "session": number}
        message = {"header": header, "parent_header": {}, "metadata": {}, "channel": "shell"}
        self.socket.send(json.dumps(message | {"content": {"code": code, "silent": False}}))
        shown = []
        while True:
            answer = json.loads(self.socket.recv())
            if answer["parent_header"].get("msg_id") != number:
                continue
            kind, content = answer["header"]["msg_type"], answer["content"]
            if kind == "stream":
                shown.append(content["text"])
            elif kind in ("execute_result", "display_data"):
                shown.append(content["data"]["text/plain"])
            elif kind == "error":
                shown.append(f"{content['ename']}: {content['evalue']}")
            elif kind == "status" and content["execution_state"] == "idle":
                return "\n".join(shown)


def at_once(function, students: list) -> list:
    """What a function returns for each, all at the same time."""
    with ThreadPoolExecutor(len(students)) as pool:
        return list(pool.map(function, students))


def _hidden(path: Path) -> Path | None:
    """The outermost folder around `path` that only its owner may enter."""
    return next((p for p in reversed(path.parents) if not p.stat().st_mode & 0o001), None)


def _copy_course(to: Path) -> None:
    """Copy what git knows or would add, and commit it."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(listing, cwd=ROOT, text=True).split("\0")[:-1]:
        if (ROOT / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    _git(to, "init", "--quiet", "--initial-branch=main")
    for setting in ("user.name=A teacher", "user.email=teacher@example.org", "core.compression=0"):
        _git(to, "config", *setting.split("="))
    _git(to, "add", "--all")
    _git(to, "commit", "--quiet", "--message=The course")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
