#!/bin/bash
# One training over several machines of a Slurm cluster. In the course's folder, which all machines
# reach, after `make install`:
#     sbatch --nodes=4 helpers/cluster/slurm.sh
#SBATCH --job-name=reviews
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=01:00:00
#SBATCH --requeue
set -euo pipefail

set -a # what run.env sets, every process sees
source helpers/cluster/run.env

# host:port of every task, in the order of their ranks; SLURM_PROCID tells each which one it is.
WORKERS=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed 's/$/:12345/' | paste -sd,)

# A worker that fails takes the others with it, and all begin again at the last checkpoint.
for attempt in 1 2 3; do
    srun --kill-on-bad-exit=1 .venv/bin/python -m helpers.cluster.train && exit
    echo "attempt $attempt failed" >&2
done
exit 1
