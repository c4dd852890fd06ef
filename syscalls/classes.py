"""The classes of system calls that ``-e trace=%class`` knows, as in strace(1)."""

from __future__ import annotations

import re

from syscalls.numbers import NAMES

_CLASSES: dict[str, str] = {
    "process": (
        "clone clone3 fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill pidfd_send_signal "
        "rt_sigqueueinfo rt_tgsigqueueinfo unshare setns arch_prctl"
    ),
    "signal": (
        "rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo "
        "rt_sigreturn sigaltstack kill tkill tgkill pause signalfd signalfd4 pidfd_send_signal"
    ),
    "memory": (
        "mmap munmap mprotect mremap brk madvise msync mincore mlock mlock2 munlock mlockall munlockall "
        "remap_file_pages shmat shmdt mbind get_mempolicy set_mempolicy migrate_pages move_pages pkey_mprotect"
    ),
    "file": (
        "open openat openat2 creat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat "
        "execve execveat chdir chroot mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat rename "
        "renameat renameat2 chmod fchmodat fchmodat2 chown lchown fchownat truncate utime utimes futimesat utimensat "
        "mknod mknodat mount umount2 pivot_root statfs getcwd inotify_add_watch name_to_handle_at "
        "setxattr lsetxattr getxattr lgetxattr listxattr llistxattr removexattr lremovexattr"
    ),
    "network": (
        "socket bind connect listen accept accept4 getsockname getpeername socketpair sendto recvfrom shutdown "
        "setsockopt getsockopt sendmsg recvmsg sendmmsg recvmmsg"
    ),
    "desc": (
        "read write close fstat lseek ioctl pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 select "
        "pselect6 poll ppoll dup dup2 dup3 pipe pipe2 fcntl flock fsync fdatasync ftruncate fallocate getdents "
        "getdents64 fchdir fchmod fchown fstatfs fadvise64 sendfile splice tee vmsplice sync_file_range "
        "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 "
        "timerfd_create timerfd_settime timerfd_gettime inotify_init inotify_init1 inotify_rm_watch open openat "
        "openat2 creat mmap memfd_create copy_file_range pidfd_open pidfd_getfd close_range"
    ),
    "ipc": "shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl",
    "creds": (
        "getuid getgid geteuid getegid setuid setgid setreuid setregid setresuid setresgid getresuid getresgid "
        "setfsuid setfsgid getgroups setgroups capget capset prctl"
    ),
    "clock": "clock_gettime clock_settime clock_getres clock_adjtime adjtimex gettimeofday settimeofday time times",
    "pure": (
        "getpid gettid getppid getpgrp getuid geteuid getgid getegid getresuid getresgid getpgid getsid get_robust_list"
    ),
    "stat": "stat",
    "lstat": "lstat",
    "fstat": "fstat newfstatat",
    "statfs": "statfs",
    "fstatfs": "fstatfs",
}
_CLASSES["%stat"] = "stat lstat fstat newfstatat statx"

NUMBERS = {name: number for number, name in NAMES.items()}


def members(word: str) -> set[int]:
    """Return the numbers of the calls a word of ``-e trace=`` stands for: a name, ``?name`` (it need not exist), ``%class``, or
    ``/regex`` matched anywhere in the name.  Raises ValueError with a sentence for the user."""
    if word.startswith("%"):
        names = _CLASSES.get(word[1:]) or _CLASSES.get(word)
        if names is None:
            known = ", ".join("%" + name for name in sorted(_CLASSES) if not name.startswith("%"))
            raise ValueError(f"unknown class {word!r}; there are {known}")
        return {NUMBERS[name] for name in names.split() if name in NUMBERS}
    if word.startswith("/"):
        try:
            pattern = re.compile(word[1:])
        except re.error as error:
            raise ValueError(f"{word}: {error}") from None
        return {number for name, number in NUMBERS.items() if pattern.search(name)}
    name = word.removeprefix("?")
    if name in NUMBERS:
        return {NUMBERS[name]}
    if name != word:
        return set()
    raise ValueError(f"unknown system call {word!r}")
