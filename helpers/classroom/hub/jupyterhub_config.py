"""JupyterHub for one class on one Linux server: `sudo make hub` starts it with this file.

A student signs in with an account of the server and gets a JupyterLab that runs as this account,
with the course's own .venv and a private copy of the notebooks. The first block is yours to change;
changes take effect when the hub starts again.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub defines it
HERE = Path(__file__).resolve().parent
COURSE = HERE.parents[2]

# ---- yours to change ---------------------------------------------------------------------------
# For each student: JupyterLab, all notebooks and what they start, together. Notebook 01 alone was
# seen to take 2.9 GB.
MEMORY = "4G"
CORES = 2  # for each student; all together may be more than the server has
PORT = 8000
# Two files, the certificate and its key. Without them passwords cross the network readable.
CERTIFICATE = KEY = ""
# Where the students' copies come from, as git writes it: what is committed there reaches them.
NOTEBOOKS = COURSE.as_uri()

c.JupyterHub.bind_url = f"http://:{PORT}"
c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = CERTIFICATE, KEY

# ---- who may sign in ---------------------------------------------------------------------------
# The server's own accounts and passwords (PAM), of two groups that `make hub` creates.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.allowed_groups = {"students", "teachers"}
c.PAMAuthenticator.admin_groups = {"teachers"}  # sees who is there, and can stop servers

# ---- what each gets ----------------------------------------------------------------------------
# student.sh runs as the student: it updates the private copy, then starts JupyterLab.
START = ["/bin/sh", str(HERE / "student.sh"), NOTEBOOKS]
c.Spawner.cmd = START
c.Spawner.default_url = "/lab/tree/course/notebooks/00_start_here.ipynb"
# What is not used gives its memory back: a kernel after an hour without a cell or an open page,
# a whole server after two.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--ServerApp.shutdown_no_activity_timeout=7200",
]
# Nothing of root's environment but the language, and the course's programs first.
c.Spawner.env_keep = ["LANG", "LC_ALL"]
c.Spawner.environment = {
    "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
    "JUPYTER_PREFER_ENV_PATH": "1",  # a student's own kernel must not stand in for the course's
}
# When thirty arrive at once, the last one's server takes its time.
c.Spawner.start_timeout = c.Spawner.http_timeout = 300

# ---- limits ------------------------------------------------------------------------------------
c.Spawner.mem_limit = MEMORY
c.Spawner.cpu_limit = CORES
# Libraries start a thread for each core of the server, and thirty students' would fight.
for variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
):
    c.Spawner.environment[variable] = lambda spawner: str(max(1, round(spawner.cpu_limit)))


def limits_without_systemd(spawner):
    """Put what Linux offers to any process before the command.

    `prlimit --data` holds, for each process by itself: a student with three kernels can use three
    times as much. `taskset` holds until a student's code asks for more cores.
    """
    cores = sorted(os.sched_getaffinity(0))
    count = max(1, round(spawner.cpu_limit))
    own = [str(cores[(spawner.user.id * count + i) % len(cores)]) for i in range(count)]
    memory = ["prlimit", f"--data={spawner.mem_limit}"]
    spawner.cmd = [*memory, "taskset", "--cpu-list", ",".join(own), *START]


if Path("/run/systemd/system").is_dir():
    # Each server becomes a systemd service, and the kernel holds all its processes together to
    # MEMORY (who exceeds it loses the notebook's kernel, nobody else's) and to CORES.
    c.JupyterHub.spawner_class = "systemd"
    c.SystemdSpawner.unit_extra_properties = {"MemorySwapMax": "0"}
    c.SystemdSpawner.isolate_tmp = True
else:
    # A container, as a rule. Its memory as a whole is limited from outside, if at all.
    c.JupyterHub.spawner_class = "localprocess"
    c.Spawner.pre_spawn_hook = limits_without_systemd

# Browsers talk to the proxy, the proxy to the hub and to the students' servers.
c.ConfigurableHTTPProxy.command = [str(HERE / "node_modules/.bin/configurable-http-proxy")]
