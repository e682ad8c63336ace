#!/usr/bin/env bash
# A real Slurm on this machine, for tests: munge, one controller, one node, loopback only; no systemd, no
# cgroups, no accounting database, and GPUs that are only counted. Needs root.
#
#   single-node.sh install      packages of Debian or Ubuntu, unless they are there
#   single-node.sh run CMD...   start, run CMD, stop whatever came of it
#   single-node.sh stop         end what an interrupted run left
#
# All it writes lies in $SLURM_HOME, but for a link, /etc/slurm/slurm.conf, which stop removes: srun inside
# of a job looks for its configuration only there.
set -euo pipefail

SLURM_HOME=${SLURM_HOME:-/var/tmp/seqgra-slurm}
GPUS=${SLURM_GPUS:-2}
CPUS=${SLURM_CPUS:-4} # may be more than there are
CONTROLLER_PORT=${SLURM_CONTROLLER_PORT:-26817}
NODE_PORT=${SLURM_NODE_PORT:-26818}
SYSTEM_CONF=/etc/slurm/slurm.conf
DAEMONS=(munged slurmctld slurmd)
export SLURM_CONF=$SLURM_HOME/slurm.conf
PATH=$PATH:/usr/sbin:/sbin

say() { printf 'slurm: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

installed() {
    local name
    for name in "${DAEMONS[@]}"; do command -v "$name" >/dev/null || return 1; done
}

install_packages() {
    installed && return
    command -v apt-get >/dev/null || die "no apt-get here; install munge, slurmctld and slurmd by hand"
    DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge \
        >/dev/null 2>&1 || die "the packages slurm-wlm and munge cannot be installed"
    installed || die "slurm-wlm and munge are installed but ${DAEMONS[*]} are not found"
}

pid_of() { # NAME: the pid of a daemon of ours that lives
    local pid
    pid=$(cat "$SLURM_HOME/$1.pid" 2>/dev/null) || return 1
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ] && echo "$pid"
}

make_gpus() { # stand-ins: devices that act like /dev/null, or other devices where mknod is forbidden
    local others=(/dev/null /dev/zero /dev/full /dev/random) i device
    for ((i = 0; i < GPUS; i++)); do
        device=$SLURM_HOME/nvidia$i
        mknod -m 0666 "$device" c 1 3 2>/dev/null || device=${others[i]}
        echo "NodeName=$1 Name=gpu File=$device Flags=nvidia_gpu_env"
    done >"$SLURM_HOME/gres.conf"
}

configure() {
    local host memory
    host=$(hostname -s)
    memory=$(($(awk '/^MemTotal/{print $2}' /proc/meminfo) / 1024 * 9 / 10))
    install -d -m 0755 "$SLURM_HOME" "$SLURM_HOME/state" "$SLURM_HOME/spool" "$SLURM_HOME/munge-run"
    install -d -m 0700 "$SLURM_HOME/munge"
    (umask 0377 && head -c 1024 /dev/urandom >"$SLURM_HOME/munge/key")
    make_gpus "$host"
    cat >"$SLURM_CONF" <<CONF
ClusterName=seqgra
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$CONTROLLER_PORT
SlurmdPort=$NODE_PORT
SlurmUser=root
SlurmdUser=root
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$SLURM_HOME/munge-run/socket
CredType=cred/munge
StateSaveLocation=$SLURM_HOME/state
SlurmdSpoolDir=$SLURM_HOME/spool
SlurmctldPidFile=$SLURM_HOME/slurmctld.pid
SlurmdPidFile=$SLURM_HOME/slurmd.pid
SlurmctldLogFile=$SLURM_HOME/slurmctld.log
SlurmdLogFile=$SLURM_HOME/slurmd.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=2
MinJobAge=3600
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$CPUS RealMemory=$memory Gres=gpu:$GPUS State=UNKNOWN
PartitionName=short Nodes=$host Default=YES MaxTime=INFINITE DefMemPerCPU=500 State=UP
PartitionName=gpu Nodes=$host MaxTime=INFINITE DefMemPerCPU=500 State=UP
CONF
}

start() {
    local name until
    [ "$(id -u)" = 0 ] || die "needs root"
    for name in "${DAEMONS[@]}"; do
        ! pid_of "$name" >/dev/null || die "$name runs already: $0 stop"
    done
    [ ! -e "$SYSTEM_CONF" ] || [ -L "$SYSTEM_CONF" ] || die "$SYSTEM_CONF is another Slurm's"
    rm -rf "$SLURM_HOME"
    configure
    mkdir -p "$(dirname "$SYSTEM_CONF")"
    ln -sfn "$SLURM_CONF" "$SYSTEM_CONF"
    munged --key-file="$SLURM_HOME/munge/key" --socket="$SLURM_HOME/munge-run/socket" --num-threads=2 \
        --pid-file="$SLURM_HOME/munged.pid" --log-file="$SLURM_HOME/munge/log" --seed-file="$SLURM_HOME/munge/seed"
    slurmctld -f "$SLURM_CONF"
    slurmd -f "$SLURM_CONF"
    until=$((SECONDS + 60))
    until [ "$(sinfo -h -p short -o %t 2>/dev/null)" = idle ]; do
        if [ "$SECONDS" -ge "$until" ]; then
            tail -n 20 "$SLURM_HOME"/*.log "$SLURM_HOME/munge/log" >&2 || true
            die "the node is not idle after 60 s"
        fi
        sleep 0.2
    done
}

stop() {
    local name pid i
    if pid_of slurmctld >/dev/null && pid_of munged >/dev/null; then
        squeue -h -o %A 2>/dev/null | sort -u | xargs -r scancel 2>/dev/null || true
        for ((i = 0; i < 50; i++)); do # slurmd ends the processes of jobs that are cancelled
            [ -n "$(squeue -h 2>/dev/null)" ] || break
            sleep 0.2
        done
    fi
    for name in slurmd slurmctld munged; do
        pid=$(pid_of "$name") || continue
        kill -TERM "$pid"
        for ((i = 0; i < 100; i++)); do
            [ -d "/proc/$pid" ] || break
            sleep 0.1
        done
        [ ! -d "/proc/$pid" ] || kill -KILL "$pid"
    done
    [ "$(readlink "$SYSTEM_CONF" 2>/dev/null)" != "$SLURM_CONF" ] || rm "$SYSTEM_CONF"
    rm -rf "$SLURM_HOME"
}

case ${1:-} in
    install) install_packages ;;
    run)
        shift
        trap stop EXIT
        start
        (unset SLURM_CONF && "$@")
        ;;
    stop) stop ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
