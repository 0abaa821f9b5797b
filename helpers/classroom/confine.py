"""Take from a process what a student's answer has no use for: files, network, other processes.

Linux does it with Landlock (the kernel's documentation, "Landlock: unprivileged access control"),
which needs no rights and cannot be undone. Elsewhere, and in a container that forbids it, a process
only loses the right to write to files.
"""

import contextlib
import ctypes
import os
import resource
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # system calls, the same on all processors
VERSION = 1  # asks CREATE_RULESET for the version of Landlock
PATH_BENEATH = 1  # a rule for a folder and all below it
NO_NEW_PRIVILEGES = 38  # of prctl

READ = 0b1101  # execute a file, read a file, list a folder
RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # how many rights to files there are, from which version on
NETWORK, NETWORK_SINCE = 0b11, 4  # bind and connect TCP
OUTSIDE, OUTSIDE_SINCE = 0b11, 6  # abstract sockets of, and signals to, processes outside

# What Python and the system's libraries need.
READABLE = (sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64")

_libc = ctypes.CDLL(None, use_errno=True)


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr: what is forbidden where no rule allows it."""

    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("outside", ctypes.c_uint64),
    )


class _Rule(ctypes.Structure):
    """struct landlock_path_beneath_attr: what is allowed in a folder."""

    _pack_ = 1
    _fields_ = (("files", ctypes.c_uint64), ("folder", ctypes.c_int32))


def landlock_version() -> int:
    """The version of Landlock that this system offers; 0 where it offers none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION))


def confine() -> None:
    """From now on, and for its children too, this process writes to no file, and under Landlock
    reads only Python's own and the system's, opens no TCP connection, and signals nobody outside.

    Raises:
        OSError: the system offers Landlock and refuses it.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    version = landlock_version()
    if not version:
        return
    rights = (1 << max(count for since, count in RIGHTS.items() if since <= version)) - 1
    ruleset = _Ruleset(
        rights,
        NETWORK if version >= NETWORK_SINCE else 0,
        OUTSIDE if version >= OUTSIDE_SINCE else 0,
    )
    rules = _call(CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
    for path in READABLE:
        with contextlib.suppress(FileNotFoundError):
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _call(ADD_RULE, rules, PATH_BENEATH, ctypes.byref(_Rule(READ, folder)), 0)
            os.close(folder)
    if _libc.prctl(NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0))):
        raise OSError(ctypes.get_errno(), "prctl refuses to give up new privileges")
    _call(RESTRICT_SELF, rules, 0)
    os.close(rules)


def _call(number: int, *arguments) -> int:
    result = _libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return result
