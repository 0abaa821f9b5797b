"""Start the training program on this machine, as one process or as several that form a cluster."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

SETTINGS = Path(__file__).with_name("run.env")


def read_settings() -> dict[str, str]:
    """What `run.env` says."""
    lines = SETTINGS.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def launch(
    workers: int,
    changes: Mapping[str, object],
    *,
    restarts: int = 0,
    kill_at: int | None = None,
    limit: float = 240,
) -> tuple[dict, list[str]]:
    """Train with `workers` processes until all have ended well; give the first one's result.

    As with any synchronous training: when a worker dies, the others cannot go on. So all are
    stopped, and all are started again, to go on from the last checkpoint.

    Args:
        workers: processes, 1 or more.
        changes: to the settings of `run.env`; `CHECKPOINTS` has to be one that all reach.
        restarts: how often to start again after a failure.
        kill_at: kill the last worker, once, when a checkpoint of this step or a later one exists.
        limit: seconds for it all.

    Returns:
        What the first worker printed last, and a line for each thing that happened.

    Raises:
        ValueError: `changes` names a setting that `run.env` does not have.
        RuntimeError: a worker failed more often than `restarts`; with the end of what it printed.
        TimeoutError: it took longer than `limit`.
    """
    settings = read_settings()
    if unknown := set(changes) - set(settings):
        raise ValueError(f"run.env has no {sorted(unknown)}; it has {sorted(settings)}")
    settings |= {name: str(value) for name, value in changes.items()}
    deadline, events = time.monotonic() + limit, []
    with tempfile.TemporaryDirectory() as logs:
        while True:
            events.append(f"started {workers} worker{'s' if workers > 1 else ''}")
            with _started(workers, settings, Path(logs)) as processes:
                failed = _wait(processes, settings, kill_at, deadline, events)
            output = Path(logs, str(failed or 0)).read_text(encoding="utf-8").splitlines()
            if failed is None:
                return json.loads(output[-1]), events
            if restarts == 0:
                end = "\n".join(output[-15:])
                raise RuntimeError(f"worker {failed} failed, and no restart is left:\n{end}")
            restarts, kill_at = restarts - 1, None


@contextmanager
def _started(
    workers: int, settings: Mapping[str, str], logs: Path
) -> Iterator[list[subprocess.Popen]]:
    """The processes of one attempt; none of them outlives the block."""
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(workers))
    processes = []
    try:
        for rank in range(workers):
            environment = os.environ | settings | {"WORKERS": addresses, "RANK": str(rank)}
            environment |= {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""}
            command = [sys.executable, "-m", "helpers.cluster.train"]
            with open(logs / str(rank), "wb") as log:
                processes.append(
                    subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
                )
        yield processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def _wait(processes, settings, kill_at, deadline, events) -> int | None:
    """Until all have ended well, and then None; or until one has failed, and then which."""
    victim = len(processes) - 1
    while any(process.poll() is None for process in processes):
        if time.monotonic() > deadline:
            raise TimeoutError("the workers did not end in time; all were stopped")
        if kill_at is not None and processes[victim].poll() is None:
            newest = max(Path(settings["CHECKPOINTS"]).glob("step-*.checkpoint"), default=None)
            if newest and int(newest.stem.removeprefix("step-")) >= kill_at:
                processes[victim].kill()
                processes[victim].wait()
                events.append(f"killed worker {victim}")
        for rank, process in enumerate(processes):
            if process.poll():
                return rank
        time.sleep(0.05)
    return next((rank for rank, process in enumerate(processes) if process.returncode), None)
