#!/bin/bash
# Train on a SLURM cluster. When the time of the job is nearly over, the run is saved and the job
# queues itself again, until the run is complete. In the project's folder, in its environment:
#
#     sbatch examples/slurm.sh --data-root /local/imagenet --epochs 90 --batch-size 512
#
# What stands before the script's name takes precedence over what is written here, such as
# --nodes=1; what follows it are options of alexnet.train.
#SBATCH --job-name=alexnet
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
# Five minutes before the end all processes get SIGUSR1: they save the run, and end with code 138.
#SBATCH --signal=USR1@300
#SBATCH --requeue
#SBATCH --output=alexnet-%j.log
#SBATCH --open-mode=append

run=runs/slurm-$SLURM_JOB_ID  # a job that is queued again keeps its number
if [ -e "$run/last.safetensors" ]; then
    options=(--resume "$run")
else
    options=("$@" --out "$run")
fi

# -K ends all processes when one of them is lost; without --mpi they would not know of each other.
srun -K --mpi=pmi2 --cpus-per-task="$SLURM_CPUS_PER_TASK" python -m alexnet.train "${options[@]}"
code=$?
if [ "$code" = 138 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
