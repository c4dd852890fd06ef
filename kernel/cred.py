"""Credentials: who a thread is and what it may do (credentials(7), capabilities(7)).

A ``Cred`` is immutable, as in Linux (``prepare_creds``/``commit_creds``): changing one means making another and giving
it to the thread, so a credential held by an open file or remembered by a check never changes under its holder.
Capability sets are int bitmasks, bit n is capability number n.  The rules by which calls turn one Cred into another
live in ``kernel/cred_change.py``, those of execve in ``kernel/cred_exec.py``.
"""

from __future__ import annotations

from typing import NamedTuple

from kernel.user_ns import INIT_USER_NS, UserNamespace

CAP_CHOWN = 0
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_FOWNER = 3
CAP_FSETID = 4
CAP_KILL = 5
CAP_SETGID = 6
CAP_SETUID = 7
CAP_SETPCAP = 8
CAP_LINUX_IMMUTABLE = 9
CAP_NET_BIND_SERVICE = 10
CAP_NET_BROADCAST = 11
CAP_NET_ADMIN = 12
CAP_NET_RAW = 13
CAP_IPC_LOCK = 14
CAP_IPC_OWNER = 15
CAP_SYS_MODULE = 16
CAP_SYS_RAWIO = 17
CAP_SYS_CHROOT = 18
CAP_SYS_PTRACE = 19
CAP_SYS_PACCT = 20
CAP_SYS_ADMIN = 21
CAP_SYS_BOOT = 22
CAP_SYS_NICE = 23
CAP_SYS_RESOURCE = 24
CAP_SYS_TIME = 25
CAP_SYS_TTY_CONFIG = 26
CAP_MKNOD = 27
CAP_LEASE = 28
CAP_AUDIT_WRITE = 29
CAP_AUDIT_CONTROL = 30
CAP_SETFCAP = 31
CAP_MAC_OVERRIDE = 32
CAP_MAC_ADMIN = 33
CAP_SYSLOG = 34
CAP_WAKE_ALARM = 35
CAP_BLOCK_SUSPEND = 36
CAP_AUDIT_READ = 37
CAP_PERFMON = 38
CAP_BPF = 39
CAP_CHECKPOINT_RESTORE = 40
CAP_LAST_CAP = CAP_CHECKPOINT_RESTORE
CAP_FULL_SET = (1 << (CAP_LAST_CAP + 1)) - 1

CAP_FS_SET = (
    1 << CAP_CHOWN
    | 1 << CAP_MKNOD
    | 1 << CAP_DAC_OVERRIDE
    | 1 << CAP_DAC_READ_SEARCH
    | 1 << CAP_FOWNER
    | 1 << CAP_FSETID
    | 1 << CAP_LINUX_IMMUTABLE
    | 1 << CAP_MAC_OVERRIDE
)
"""The capabilities that follow the file-system uid (CAP_FS_MASK)."""

# Secure bits (include/uapi/linux/securebits.h); each has its lock one bit above.
SECBIT_NOROOT = 0x01
SECBIT_NO_SETUID_FIXUP = 0x04
SECBIT_KEEP_CAPS = 0x10
SECBIT_KEEP_CAPS_LOCKED = 0x20
SECBIT_NO_CAP_AMBIENT_RAISE = 0x40
SECURE_ALL_BITS = 0x55
SECURE_ALL_LOCKS = SECURE_ALL_BITS << 1

NGROUPS_MAX = 65536


class Cred(NamedTuple):
    """One set of credentials (``struct cred``).  Ids are unsigned 32-bit; ``groups`` is sorted; the five capability sets
    are bitmasks; ``securebits`` are SECBIT_* flags."""

    uid: int
    gid: int
    suid: int
    sgid: int
    euid: int
    egid: int
    fsuid: int
    fsgid: int
    groups: tuple[int, ...] = ()
    inheritable: int = 0
    permitted: int = 0
    effective: int = 0
    bounding: int = CAP_FULL_SET
    ambient: int = 0
    securebits: int = 0
    user_ns: UserNamespace = INIT_USER_NS

    @classmethod
    def root(cls, user_ns: UserNamespace = INIT_USER_NS) -> Cred:
        """Return the credentials of uid 0 with all capabilities (``init_cred``)."""
        return cls(0, 0, 0, 0, 0, 0, 0, 0, permitted=CAP_FULL_SET, effective=CAP_FULL_SET, user_ns=user_ns)

    @classmethod
    def user(cls, uid: int, gid: int, groups: tuple[int, ...] = (), user_ns: UserNamespace = INIT_USER_NS) -> Cred:
        """Return what login gives a user: all ids equal, no capabilities unless ``uid`` is 0."""
        caps = CAP_FULL_SET if uid == 0 else 0
        return cls(
            uid, gid, uid, gid, uid, gid, uid, gid, tuple(sorted(groups)), permitted=caps, effective=caps, user_ns=user_ns
        )

    def capable(self, cap: int) -> bool:
        """Return whether capability ``cap`` is effective over the machine: over the initial user namespace."""
        return self.user_ns is INIT_USER_NS and bool(self.effective >> cap & 1)

    def ns_capable(self, ns: UserNamespace, cap: int) -> bool:
        """Return whether capability ``cap`` is effective over ``ns`` and what belongs to it (cap_capable).

        A capability counts in one's own namespace and in those below; the owner of a namespace has them all, from its parent.
        """
        mine = self.user_ns
        while ns is not mine:
            if ns.level <= mine.level:
                return False
            parent = ns.parent
            assert parent is not None
            if parent is mine and ns.owner == self.euid:
                return True
            ns = parent
        return bool(self.effective >> cap & 1)

    def in_group(self, gid: int) -> bool:
        """Return whether ``gid`` is the file-system group or a supplementary one (in_group_p)."""
        return gid == self.fsgid or gid in self.groups

    def in_egroup(self, gid: int) -> bool:
        """Return whether ``gid`` is the effective group or a supplementary one (in_egroup_p)."""
        return gid == self.egid or gid in self.groups
