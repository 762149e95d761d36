"""A real SLURM on this one machine, for tests: a controller and several nodes on loopback, without systemd or cgroups.

Needs root and the packages slurm-wlm and munge. Everything it writes lies in one folder, but for a link at
/etc/slurm: Snakemake's job step drops every SLURM_ variable, SLURM_CONF among them, before it calls srun.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ETC = Path("/etc/slurm")
PROGRAMS = ("setpriv", "munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "sinfo")
CONTROLLER_PORT, NODE_PORT = 27817, 27901
# the first line of a configuration that these tests have written
OURS = "# written by AutoShrink's tests"


def foreign() -> str | None:
    """Return what belongs to another SLURM here, which these tests must not touch; None where there is none."""
    if other := os.environ.get("SLURM_CONF"):
        return f"SLURM_CONF={other} names a cluster"
    for path in (ETC / "slurm.conf", ETC / "gres.conf"):
        try:
            is_ours = path.is_symlink() and path.read_text().startswith(OURS)
        except OSError:  # a link to a folder that is gone, or not mounted now
            is_ours = False
        if not is_ours and path.exists():
            return f"{path} belongs to a cluster"
        if not is_ours and path.is_symlink():
            return f"{path} leads to {path.readlink()}, which is not there now; if no cluster owns it, remove it"
    return None


def missing() -> str | None:
    """Return why SLURM cannot be brought up here, or None where it can."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root here"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not found: apt-get install slurm-wlm munge"
    if other := foreign():
        return other
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", CONTROLLER_PORT)) == 0:
            return f"something answers on port {CONTROLLER_PORT}, another SLURM of these tests perhaps"
    return None


@dataclass
class LocalSlurm:
    """The cluster: ``nodes`` nodes of ``cpus`` CPUs and ``gpus`` GPUs in name only. Use it as a context."""

    folder: Path
    nodes: int = 2
    cpus: int = 2
    gpus: int = 0
    _daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> "LocalSlurm":
        """Start the daemons and wait until every node is idle; if that fails, leave nothing behind."""
        try:
            self._bring_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _bring_up(self) -> None:
        for part in ("state", "spool", "log", "run"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self._configure()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        self._start(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self._socket}",
            f"--pid-file={self.folder}/run/munged.pid", f"--log-file={self.folder}/log/munged.log",
            f"--seed-file={self.folder}/run/munged.seed",
        )  # fmt: skip
        self._wait(lambda: self._socket.exists(), "munged does not answer")
        self._start("slurmctld", "-D")
        for number in range(1, self.nodes + 1):
            self._start("slurmd", "-D", "-N", f"n{number}")
        self._wait(lambda: self.command("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == str(self.nodes), "no nodes")

    def __exit__(self, *reason: object) -> None:
        """Cancel all jobs and end the daemons; a SLURM that this one did not start is left alone."""
        if self._daemons:
            self.clear()
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()
        for name in ("slurm.conf", "gres.conf"):
            if (ETC / name).is_symlink() and (ETC / name).readlink() == self.folder / name:
                (ETC / name).unlink()

    def clear(self) -> None:
        """Cancel all jobs, and wait until they are gone, but for at most half a minute."""
        self.command("scancel", "--user=root", check=False)
        for _ in range(60):
            if not self.jobs("PENDING,RUNNING,COMPLETING,SUSPENDED"):
                break
            time.sleep(0.5)

    def command(self, *words: str, check: bool = True) -> str:
        """Run one of SLURM's commands and return what it prints."""
        settings = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}
        done = subprocess.run(words, capture_output=True, text=True, timeout=90, env=settings)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def jobs(self, state: str) -> list[str]:
        """Return the ids of the jobs in this state, the first submitted first."""
        return self.command("squeue", "-h", "--sort=i", f"--states={state}", "-o", "%i", check=False).split()

    def stop_controller(self) -> None:
        """End the controller, as a crash or a maintenance would; jobs go on."""
        (controller,) = (daemon for daemon in self._daemons if "slurmctld" in map(str, daemon.args))  # type: ignore[arg-type]
        controller.kill()
        controller.wait()
        self._daemons.remove(controller)

    def start_controller(self) -> None:
        """Start the controller again; it goes on from the state that it has saved."""
        self._start("slurmctld", "-D")
        self._wait(lambda: self.command("sinfo", "-h", check=False) != "", "the controller does not come back")

    @property
    def _socket(self) -> Path:
        return self.folder / "run/munge.socket"

    def _configure(self) -> None:
        if other := foreign():
            raise RuntimeError(other)
        host = socket.gethostname().partition(".")[0]
        memory = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20 * 0.9 / self.nodes)
        gres = f" Gres=gpu:{self.gpus}" if self.gpus else ""
        settings = {
            "ClusterName": "tests",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self._socket}",
            "CredType": "cred/munge",
            "CommunicationParameters": "NoCtldInAddrAny,NoInAddrAny",  # loopback alone
            "SlurmctldPort": str(CONTROLLER_PORT),
            "StateSaveLocation": f"{self.folder}/state",
            "SlurmdSpoolDir": f"{self.folder}/spool/%n",
            "SlurmctldPidFile": f"{self.folder}/run/slurmctld.pid",
            "SlurmdPidFile": f"{self.folder}/run/slurmd.%n.pid",
            "SlurmctldLogFile": f"{self.folder}/log/slurmctld.log",
            "SlurmdLogFile": f"{self.folder}/log/slurmd.%n.log",
            "ProctrackType": "proctrack/pgid",
            "TaskPlugin": "task/none",
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "2",
            "JobAcctGatherParams": "OverMemoryKill",  # without cgroups, memory is watched by looking
            "MpiDefault": "none",
            "ReturnToService": "2",
            "SlurmdParameters": "config_overrides",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "SchedulerParameters": "batch_sched_delay=0,bf_interval=2,sched_interval=2,sched_min_interval=0",
            "MinJobAge": "3600",  # squeue answers for finished jobs too: there is no accounting
            "KillWait": "10",
            "InactiveLimit": "0",
            "AccountingStorageType": "accounting_storage/none",
            "PropagateResourceLimits": "NONE",
        }
        lines = [f"{key}={value}" for key, value in settings.items()]
        if self.gpus:
            lines.append("GresTypes=gpu")
            devices = [self.folder / f"gpu{number}" for number in range(self.gpus)]
            for device in devices:
                os.mknod(device, 0o20600, os.makedev(1, 3))  # SLURM counts GPUs by their files and never opens one
            gpus = [f"Name=gpu File={device}" for device in devices]
            (self.folder / "gres.conf").write_text("\n".join([OURS, *gpus]) + "\n")
        last = NODE_PORT + self.nodes - 1
        lines += [
            f"NodeName=n[1-{self.nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{NODE_PORT}-{last}] "
            f"CPUs={self.cpus} RealMemory={memory}{gres} State=UNKNOWN",
            f"PartitionName=main Nodes=n[1-{self.nodes}] Default=YES DefMemPerCPU=512 MaxTime=INFINITE State=UP",
            f"PartitionName=short Nodes=n[1-{self.nodes}] DefMemPerCPU=512 MaxTime=60 State=UP",
        ]
        (self.folder / "slurm.conf").write_text("\n".join([OURS, *lines]) + "\n")
        ETC.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)
            if (self.folder / name).exists():
                (ETC / name).symlink_to(self.folder / name)

    def _start(self, *words: str) -> None:
        with (self.folder / "log" / f"{words[0]}-{len(self._daemons)}.out").open("wb") as log:
            # they end with this process, even if it is killed
            command = ["setpriv", "--pdeathsig", "TERM", *words]
            self._daemons.append(subprocess.Popen(command, stdout=log, stderr=log))

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        for _ in range(240):
            if done():
                return
            time.sleep(0.5)
        raise RuntimeError(f"{what}; see {self.folder}/log")
