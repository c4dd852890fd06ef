"""The table of selftest programs: what each is made of, how it is run, and where it may run.

It restates what the Makefiles of ``tools/testing/selftests`` say, as data, because those build for installation on the test
machine and share much of the kernel's build system.  Everything is linked statically unless the test is about a dynamic
program, so that a run inside costs no dynamic loading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

MODELS = ("linux", "leaderless")
"""The semantics a test is run with; long ones that know little of processes are run with the first only."""
SLOW = 500
"""Nanoseconds a basic block takes in a machine for tests that spin."""


@dataclass(frozen=True, slots=True)
class Selftest:
    """One program of the selftests, or one way to run it.

    ``directory``: below ``tools/testing/selftests``.  ``name``: unique in it.  ``source``: its C file without ``.c``, or the
    script itself.  ``flags``: for the compiler, before the sources.  ``libraries``: after them.  ``more``: further sources.
    ``args``: of the run.  ``native``: why it is not run on the host, and all of it is expected to pass inside; empty if it
    is run.  ``own_pids``: the native run gets a pid namespace and a /proc of its own, which contains whatever the test leaves
    behind.  ``one_cpu``: it may use one processor, and tests each it may use.  ``block_ns``: how slow the machine is
    (``tgid.Config``); a test that loops until seconds have passed gets a slow one, for a second of system calls takes many
    seconds of the host.  ``models``: what it is run with.  ``timeout``: seconds of the native run.
    """

    directory: str
    name: str
    source: str = ""
    flags: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    native: str = ""
    own_pids: bool = True
    one_cpu: bool = False
    block_ns: int = 10
    models: tuple[str, ...] = MODELS
    timeout: float = 60

    @property
    def id(self) -> str:
        """Return ``directory/name``."""
        return f"{self.directory}/{self.name}"

    @property
    def file(self) -> str:
        """Return the name of the source file below the directory."""
        source = self.source or self.name
        return source if source.endswith((".py", ".sh")) else source + ".c"

    @property
    def is_script(self) -> bool:
        return not self.file.endswith(".c")


def _all(directory: str, names: str, **common: Any) -> list[Selftest]:
    return [Selftest(directory, name, **common) for name in names.split()]


def _futex() -> list[Selftest]:
    """Return what ``futex/functional/run.sh`` runs: one program with many sets of options, and the others once."""
    flags = ("-O2", "-D_GNU_SOURCE=", "-I{top}/futex/include")
    pi = ("", "-b", "-b -l", "-b -o", "-l", "-o", "-b -l -t 5000", "-l -t 500000", "-b -t 5000", "-t 500000", "-b -o -t 5000",
          "-l -t 2000000000")  # fmt: skip
    found = [
        Selftest("futex/functional", f"futex_requeue_pi{o.replace(' ', '')}", "futex_requeue_pi", flags, args=tuple(o.split()))
        for o in pi
    ]
    names = "futex_requeue_pi_mismatched_ops futex_requeue_pi_signal_restart futex_wait_timeout futex_wait_wouldblock"
    names += " futex_wait_uninitialized_heap futex_wait_private_mapped_file futex_wait futex_requeue futex_waitv"
    return found + _all("futex/functional", names, flags=flags)


def _rseq() -> list[Selftest]:
    """Return the restartable sequences: the small test, and each kind of operation as ``run_param_test.sh`` has it.

    ``basic_percpu_ops_test`` is left out: its twenty million operations of 200 threads take minutes, even on a host.
    """
    flags = ("-O2", "-I{top}/../../include")
    kinds = {"spinlock": "s", "list": "l", "buffer": "b", "buffer_barrier": "b -M", "memcpy": "m", "memcpy_barrier": "m -M"}
    kinds |= {"increment": "i", "membarrier": "r"}
    found = _all("rseq", "basic_test", flags=flags, more=("rseq.c",))
    for kind, options in kinds.items():
        for program, define in (("param_test", ()), ("param_test_compare_twice", ("-DRSEQ_COMPARE_TWICE",))):
            args = ("-T", *options.split(), "-r", "100", "-t", "8")
            found.append(Selftest("rseq", f"{program}-{kind}", "param_test", (*flags, *define), more=("rseq.c",), args=args))
    return found


def _x86() -> list[Selftest]:
    names = "single_step_syscall sysret_ss_attrs syscall_nt test_mremap_vdso check_initial_reg_state sigreturn iopl ioperm"
    names += " test_vsyscall mov_ss_trap sigtrap_loop syscall_arg_fault fsgsbase_restore sigaltstack fsgsbase sysret_rip"
    names += " syscall_numbering corrupt_xstate_header ldt_gdt ptrace_syscall"
    flags = ("-O2", "-std=gnu99", "-no-pie")
    special: dict[str, dict[str, Any]] = {
        "check_initial_reg_state": {"flags": (*flags, "-Wl,-ereal_start")},
        "sysret_ss_attrs": {"more": ("thunks.S",)},
        # On a virtual host the trap after MOV SS may come for ever.
        "mov_ss_trap": {"timeout": 3},
        # 150,000 traced calls.
        "syscall_numbering": {"models": ("linux",)},
    }
    return [Selftest("x86", name, **{"flags": flags, **special.get(name, {})}) for name in names.split()]


def _timers() -> list[Selftest]:
    flags = ("-O3",)
    found = _all("timers", "posix_timers", flags=flags, block_ns=SLOW)
    found += _all("timers", "nanosleep mqueue-lat", flags=flags)
    found += _all("timers", "nsleep-lat set-timer-lat raw_skew", flags=flags, native="sleeps for more than a minute")
    found += [Selftest("timers", "inconsistency-check", flags=flags, args=("-t", "1"), block_ns=SLOW)]
    return [*found, Selftest("timers", "threadtest", flags=flags, args=("-t", "2"), block_ns=SLOW)]


def _exec() -> list[Selftest]:
    flags = ("-D_GNU_SOURCE", "-Wno-nonnull")
    found = _all("exec", "execveat non-regular recursion-depth null-argv", flags=flags)
    for size in ("0x1000", "0x200000", "0x1000000"):
        page = (*flags, f"-Wl,-z,max-page-size={size}", "-fPIE")
        found.append(Selftest("exec", f"load_address.{size}", "load_address", (*page, "-pie")))
        found.append(Selftest("exec", f"load_address.static.{size}", "load_address", (*page, "-static-pie")))
    return [*found, Selftest("exec", "binfmt_script", "binfmt_script.py")]


def _proc() -> list[Selftest]:
    names = "fd-001-lookup fd-002-posix-eq proc-loadavg-001 proc-empty-vm proc-pid-vm proc-self-map-files-001"
    names += " proc-self-map-files-002 proc-self-syscall proc-self-wchan proc-subset-pid proc-uptime-002"
    names += " read self setns-dcache setns-sysvipc thread-self proc-multiple-procfs proc-fsconfig-hidepid"
    flags = ("-O2", "-D_GNU_SOURCE")
    found = [*_all("proc", names, flags=flags), *_all("proc", "proc-tid0 proc-uptime-001", flags=flags, block_ns=SLOW)]
    return [*found, Selftest("proc", "fd-003-kthread", flags=flags, own_pids=False)]


def _neighbours() -> list[Selftest]:
    """Return those of further directories that concern processes, namespaces, memory and descriptors."""
    return [
        *_all("nsfs", "owner pidns"),
        *_all("timens", "timens timerfd timer clock_nanosleep procfs exec futex", flags=("-O2",)),
        *_all("vDSO", "vdso_test_gettimeofday vdso_test_getcpu vdso_test_abi", more=("parse_vdso.c",)),
        *_all("vDSO", "vdso_test_clock_getres vdso_test_correctness"),
        Selftest("syscall_user_dispatch", "sud_test"),
        Selftest("openat2", "openat2_test", more=("helpers.c",)),
        Selftest("move_mount_set_group", "move_mount_set_group_test"),
        Selftest("rlimits", "rlimits-per-userns"),
        Selftest("ipc", "msgque"),
        Selftest("mqueue", "mq_open_tests"),
        Selftest("splice", "default_file_splice_read"),
        *_all("mount", "nosymfollow-test unprivileged-remount-test"),
        *_all("vm", "map_fixed_noreplace mremap_dontunmap mlock2-tests map_populate"),
        Selftest("vm", "madv_populate", more=("vm_util.c",)),
    ]


@cache
def selftests() -> Mapping[str, Selftest]:
    """Return all programs by id, in the order of the table."""
    cap = ("-lcap",)
    pidfd = "pidfd_test pidfd_fdinfo_test pidfd_open_test pidfd_poll_test pidfd_wait pidfd_getfd_test pidfd_setns_test"
    suspend = "suspends the host"
    found = [
        *_all("ptrace", "get_syscall_info peeksiginfo vmaccess", flags=("-std=gnu99",)),
        Selftest("seccomp", "seccomp_bpf", libraries=cap, timeout=120),
        *_all("pidfd", pidfd),
        *_all("clone3", "clone3 clone3_clear_sighand clone3_set_tid clone3_cap_checkpoint_restore", libraries=cap),
        Selftest("pid_namespace", "regression_enomem"),
        *_exec(),
        Selftest("sigaltstack", "sas"),
        Selftest("breakpoints", "breakpoint_test"),
        Selftest("breakpoints", "step_after_suspend_test", native=suspend),
        Selftest("breakpoints", "step_after_suspend_test-n", "step_after_suspend_test", args=("-n",), one_cpu=True),
        Selftest("kcmp", "kcmp_test"),
        *_futex(),
        *_timers(),
        *_rseq(),
        *_proc(),
        Selftest("core", "close_range_test"),
        *_x86(),
        *_all("membarrier", "membarrier_test_single_thread membarrier_test_multi_thread"),
        Selftest("mincore", "mincore_selftest"),
        *_neighbours(),
        Selftest("memfd", "memfd_test", flags=("-D_FILE_OFFSET_BITS=64",), more=("common.c",)),
        Selftest("prctl", "disable-tsc-test"),
        *_all("prctl", "disable-tsc-ctxt-sw-stress-test disable-tsc-on-off-stress-test", block_ns=2000 * SLOW),
    ]
    table = {program.id: program for program in found}
    if len(table) != len(found):
        raise ValueError("two selftests have the same name")
    return MappingProxyType(table)
