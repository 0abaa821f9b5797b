#!/bin/sh
# What a student's server runs, as this student: student.sh NOTEBOOKS [arguments of JupyterLab].
# It brings what was committed to NOTEBOOKS into ~/course (nbgitpuller keeps the student's edits),
# then starts JupyterLab. A failed update stands in ~/course-update.log and stops nobody.
umask 077
notebooks=$1
shift
gitpuller "$notebooks" "" "$HOME/course" > "$HOME/course-update.log" 2>&1 ||
    echo "$JUPYTERHUB_USER: ~/course was not updated, see ~/course-update.log" >&2

# Kernels talk to JupyterLab through files here. By TCP, as they would, anybody with an account on
# the server could listen to what they print. The path is short: Linux allows it 107 characters.
export JUPYTER_RUNTIME_DIR="$HOME/.jupyter/run"
exec jupyterhub-singleuser --KernelManager.transport=ipc "$@"
