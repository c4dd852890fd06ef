"""Delivery: restart rules, default actions, the stack frame and the way back, exceptions as signals."""

from __future__ import annotations

import struct

import pytest
from signal_world import HANDLER, RESTORER, STACK_TOP, World, catch

from kernel.errno import Errno
from kernel.hardware import Regs
from kernel.rlimit import RLIMIT_CORE
from kernel.sigframe import INITIAL_FPREGS, set_altstack, sigreturn
from kernel.signal import (
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SA_SIGINFO,
    SI_KERNEL,
    SI_USER,
    SIG_DFL,
    SIG_IGN,
    SIGALRM,
    SIGBUS,
    SIGCHLD,
    SIGFPE,
    SIGILL,
    SIGINT,
    SIGKILL,
    SIGQUIT,
    SIGSEGV,
    SIGTERM,
    SIGTRAP,
    SIGUSR1,
    SIGUSR2,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    SigAction,
    SigAltStack,
    SigInfo,
    sigmask,
)
from kernel.signal_pending import set_current_blocked, set_user_sigmask
from kernel.signal_send import send_signal
from kernel.task import WORK_RESUME, Thread
from kernel.traps import exception, force_fault

NEGATIVE = 1 << 64
SYSCALL_IP = 0x400100
"""RIP behind a ``syscall`` instruction."""


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def t(world: World) -> Thread:
    return world.process(world.init)


def post(t: Thread, signo: int, group: bool = False) -> None:
    send_signal(t, SigInfo(signo, code=SI_USER, pid=5, uid=6), group=group)


def in_call(t: Thread, number: int, error: type[Errno] | int) -> None:
    """Put the thread where the run loop leaves it after a system call."""
    t.syscall_nr = number
    t.cpu.rip = SYSCALL_IP
    t.cpu.rax = error if isinstance(error, int) else NEGATIVE - error.number


# -- restart ----------------------------------------------------------------------------------------------------------
REPEAT, EINTR, RESTART_CALL = "repeat", "EINTR", "restart_syscall"

MATRIX = [
    (Errno.ERESTARTSYS, REPEAT, EINTR, REPEAT),
    (Errno.ERESTARTNOINTR, REPEAT, REPEAT, REPEAT),
    (Errno.ERESTARTNOHAND, REPEAT, EINTR, EINTR),
    (Errno.ERESTART_RESTARTBLOCK, RESTART_CALL, EINTR, EINTR),
]


def outcome(rax: int, rip: int) -> str:
    if rip == SYSCALL_IP - 2:
        return {7: REPEAT, 219: RESTART_CALL}[rax]
    assert rip == SYSCALL_IP
    assert rax == NEGATIVE - 4
    return EINTR


@pytest.mark.parametrize(("error", "none", "handler", "restart"), MATRIX)
def test_restart_matrix(world: World, error: type[Errno], none: str, handler: str, restart: str) -> None:
    t = world.process(world.init)
    in_call(t, 7, error)
    t.work |= 1
    world.run(t)
    assert outcome(t.cpu.rax, t.cpu.rip) == none
    for flags, expected in ((0, handler), (SA_RESTART, restart)):
        t = world.process(world.init)
        in_call(t, 7, error)
        catch(t, SIGUSR1, flags)
        post(t, SIGUSR1)
        world.run(t)
        assert t.cpu.rip == HANDLER
        sigreturn_to(t)
        assert outcome(t.cpu.rax, t.cpu.rip) == expected


def sigreturn_to(t: Thread) -> None:
    """Return from the handler: ``ret`` pops the restorer's address, which calls rt_sigreturn."""
    t.cpu.rsp += 8
    t.cpu.rax = sigreturn(t)


def test_no_restart_outside_of_a_system_call(t: Thread, world: World) -> None:
    in_call(t, -1, Errno.ERESTARTSYS)
    t.work |= 1
    world.run(t)
    assert (t.cpu.rip, t.cpu.rax) == (SYSCALL_IP, NEGATIVE - 512)


def test_a_finished_call_keeps_its_result(t: Thread, world: World) -> None:
    in_call(t, 7, 42)
    catch(t, SIGUSR1)
    post(t, SIGUSR1)
    world.run(t)
    sigreturn_to(t)
    assert (t.cpu.rip, t.cpu.rax) == (SYSCALL_IP, 42)


def test_a_second_signal_does_not_restart_twice(t: Thread, world: World) -> None:
    in_call(t, 7, Errno.ERESTARTSYS)
    catch(t, SIGUSR1, SA_RESTART)
    catch(t, SIGUSR2, SA_RESTART)
    post(t, SIGUSR1)
    post(t, SIGUSR2)
    world.run(t)
    for _ in range(2):
        sigreturn_to(t)
    assert (t.cpu.rip, t.cpu.rax) == (SYSCALL_IP - 2, 7)


def test_sigreturn_forgets_the_restart_block(t: Thread, world: World) -> None:
    catch(t, SIGUSR1)
    post(t, SIGUSR1)
    world.run(t)
    t.restart = lambda thread: 0
    sigreturn_to(t)
    assert t.restart is None


# -- default actions --------------------------------------------------------------------------------------------------
def test_termination_status(t: Thread, world: World) -> None:
    post(t, SIGTERM)
    world.run(t)
    assert world.exited == [(t, SIGTERM)]


@pytest.mark.parametrize(("limit", "dumpable"), [(0, 1), (4095, 1), (1 << 20, 0)])
def test_no_core(t: Thread, world: World, limit: int, dumpable: int) -> None:
    t.process.rlimits.set(RLIMIT_CORE, limit, limit)
    t.mm.dumpable = dumpable  # type: ignore[union-attr]
    post(t, SIGQUIT)
    world.run(t)
    assert world.exited == [(t, SIGQUIT)]


def test_a_core_dumping_signal_kills_all_threads(t: Thread, world: World) -> None:
    t.mm.dumpable = 0  # type: ignore[union-attr]
    other = world.thread(t)
    post(t, SIGSEGV)
    world.run(t, other)
    assert world.exited == [(t, SIGSEGV), (other, SIGSEGV)]


def test_signals_ignored_meanwhile_are_dropped_at_delivery(t: Thread, world: World) -> None:
    set_current_blocked(t, sigmask(SIGTERM))
    post(t, SIGTERM)
    t.sighand.actions[SIGTERM] = SigAction(SIG_IGN)
    set_current_blocked(t, 0)
    world.run(t)
    assert not world.exited
    assert t.work == 0


def test_an_init_drops_what_it_does_not_catch(world: World) -> None:
    init = world.init
    set_current_blocked(init, sigmask(SIGTERM))
    post(init, SIGTERM)
    set_current_blocked(init, 0)
    world.run(init)
    assert not world.exited


def test_sigkill_comes_first(t: Thread, world: World) -> None:
    catch(t, SIGUSR1)
    post(t, SIGUSR1)
    post(t, SIGKILL)
    world.run(t)
    assert world.exited == [(t, SIGKILL)]


def test_a_fault_is_delivered_before_a_lower_signal(t: Thread, world: World) -> None:
    catch(t, SIGINT)
    catch(t, SIGSEGV)
    post(t, SIGINT)
    t.cpu.rip = 0x400123
    exception(t, 13)
    world.run(t)
    # SIGSEGV's frame was built first, so SIGINT's handler is on top of it.
    assert [signo for _, signo in world.delivered] == [SIGSEGV, SIGINT]


# -- the frame --------------------------------------------------------------------------------------------------------
# offsets in struct rt_sigframe: 8 + offsetof(ucontext_t, uc_mcontext.gregs[i]) of glibc
GREGS = (
    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip",
    "eflags",
)  # fmt: skip


def u64(t: Thread, address: int) -> int:
    return int.from_bytes(t.mm.read(address, 8), "little")  # type: ignore[union-attr]


def test_frame_layout(t: Thread, world: World) -> None:
    catch(t, SIGUSR1, SA_SIGINFO, mask=sigmask(SIGALRM))
    set_current_blocked(t, sigmask(SIGUSR2))
    t.trap_frame = (14, 6, 0xBAD000)
    t.cpu.eflags = 0x202 | 0x400 | 0x10000
    before = t.cpu.regs()
    image = bytes(range(256)) * 2
    t.cpu.set_fpregs(image)
    post(t, SIGUSR1)
    world.run(t)
    frame = t.cpu.rsp
    regs = t.cpu.regs()
    # System V ABI: RSP + 8 is a multiple of 16 at a function's first instruction.
    assert frame % 16 == 8
    assert frame + 440 <= before.rsp - 128
    assert u64(t, frame) == RESTORER
    uc = frame + 8
    assert (regs.rip, regs.rdi, regs.rsi, regs.rdx, regs.rax) == (HANDLER, SIGUSR1, frame + 312, uc, 0)
    assert regs.eflags == 0x202
    assert (u64(t, uc), u64(t, uc + 8)) == (6, 0)
    for index, name in enumerate(GREGS):
        assert u64(t, uc + 40 + 8 * index) == getattr(before, name), name
    assert u64(t, uc + 184) == 0x002B_0000_0000_0033
    assert [u64(t, uc + offset) for offset in (192, 200, 208, 216)] == [6, 14, sigmask(SIGUSR2), 0xBAD000]
    fpstate = u64(t, uc + 224)
    assert fpstate % 64 == 0
    assert t.mm.read(fpstate, 512) == image  # type: ignore[union-attr]
    assert u64(t, uc + 296) == sigmask(SIGUSR2)
    assert struct.unpack("<iiixxxxiI", t.mm.read(frame + 312, 24)) == (SIGUSR1, 0, 0, 5, 6)  # type: ignore[union-attr]
    assert t.cpu.fpregs() == INITIAL_FPREGS
    assert t.blocked == sigmask(SIGUSR1, SIGUSR2, SIGALRM)


def test_sigreturn_restores_everything(t: Thread, world: World) -> None:
    catch(t, SIGUSR1)
    t.cpu.set_fpregs(INITIAL_FPREGS[:32] + bytes(range(1, 129)) + bytes(352))
    fp, before = t.cpu.fpregs(), t.cpu.regs()
    post(t, SIGUSR1)
    world.run(t)
    t.cpu.set_regs(Regs(*([7] * 27))._replace(rsp=t.cpu.rsp, eflags=0x202, cs=0x33, ss=0x2B))
    sigreturn_to(t)
    assert t.cpu.regs()._replace(fs_base=0, gs_base=0, orig_rax=0, ds=0, es=0, fs=0, gs=0) == before._replace(
        fs_base=0, gs_base=0, orig_rax=0, ds=0, es=0, fs=0, gs=0
    )
    assert t.cpu.fpregs() == fp
    assert t.blocked == 0


def framed(t: Thread, world: World) -> int:
    catch(t, SIGUSR1)
    t.cpu.set_fpregs(INITIAL_FPREGS)
    post(t, SIGUSR1)
    world.run(t)
    return t.cpu.rsp + 8


def test_user_space_cannot_choose_system_flags(t: Thread, world: World) -> None:
    uc = framed(t, world)
    t.mm.write_u64(uc + 176, 0x202 | 0x3000 | 0x20000 | 0x1)  # type: ignore[union-attr]
    sigreturn_to(t)
    assert t.cpu.eflags == 0x202 | 1


def test_wrong_selectors_are_found_on_the_way_to_user_mode(t: Thread, world: World) -> None:
    uc = framed(t, world)
    t.mm.write_u64(uc + 184, 0x2B << 48 | 0x10)  # type: ignore[union-attr]
    sigreturn_to(t)
    assert not t.pending.mask
    assert (t.cpu.regs().cs, t.cpu.regs().ss) == (0x13, 0x2B)
    world.run(t)
    assert world.exited == [(t, SIGSEGV)]
    assert t.trap_frame[:2] == (13, 0x10)


def test_a_handler_comes_before_selectors_are_loaded(t: Thread, world: World) -> None:
    uc = framed(t, world)
    t.mm.write_u64(uc + 184, 0x2B << 48 | 0x10)  # type: ignore[union-attr]
    sigreturn_to(t)
    post(t, SIGUSR1)
    world.run(t)
    assert not world.exited
    assert (t.cpu.rip, t.cpu.regs().cs, t.cpu.regs().ss) == (HANDLER, 0x33, 0x2B)
    sigreturn_to(t)
    world.run(t)
    assert world.exited == [(t, SIGSEGV)]


@pytest.mark.parametrize("what", ["frame", "fpstate", "mxcsr"])
def test_a_bad_frame_is_a_segmentation_fault(t: Thread, world: World, what: str) -> None:
    uc = framed(t, world)
    mm = t.mm
    assert mm is not None
    if what == "frame":
        t.cpu.rsp = 0x1000
    elif what == "fpstate":
        mm.write_u64(uc + 224, 0x1000)
    else:
        mm.write(u64(t, uc + 224) + 24, b"\xff\xff\xff\xff")
    sigreturn_to(t)
    world.run(t)
    assert world.exited == [(t, SIGSEGV)]


def test_no_fpstate_means_the_initial_one(t: Thread, world: World) -> None:
    uc = framed(t, world)
    t.mm.write_u64(uc + 224, 0)  # type: ignore[union-attr]
    t.cpu.set_fpregs(bytes(512))
    sigreturn_to(t)
    assert t.cpu.fpregs() == INITIAL_FPREGS


def test_no_restorer_no_handler(t: Thread, world: World) -> None:
    t.sighand.actions[SIGUSR1] = SigAction(HANDLER)
    post(t, SIGUSR1)
    world.run(t)
    assert world.exited == [(t, SIGSEGV)]


def test_a_stack_that_cannot_take_the_frame(t: Thread, world: World) -> None:
    catch(t, SIGUSR1)
    catch(t, SIGSEGV, SA_ONSTACK)
    t.altstack = SigAltStack(STACK_TOP - 8192, 8192, 0)
    t.cpu.rsp = 0x2000
    post(t, SIGUSR1)
    world.run(t)
    assert t.cpu.rdi == SIGSEGV  # type: ignore[attr-defined]
    assert t.cpu.rip == HANDLER


def test_no_frame_for_sigsegv_itself_is_the_end(t: Thread, world: World) -> None:
    catch(t, SIGSEGV)
    t.cpu.rsp = 0x2000
    exception(t, 13)
    world.run(t)
    assert world.exited == [(t, SIGSEGV)]


# -- flags of an action -----------------------------------------------------------------------------------------------
def test_resethand_and_nodefer(t: Thread, world: World) -> None:
    catch(t, SIGUSR1, SA_RESETHAND | SA_NODEFER)
    post(t, SIGUSR1)
    world.run(t)
    assert t.sighand.actions[SIGUSR1].handler == SIG_DFL
    assert t.blocked == 0


def test_all_pending_signals_stack_up(t: Thread, world: World) -> None:
    for signo in (SIGUSR1, SIGUSR2, SIGALRM):
        catch(t, signo)
        post(t, signo)
    world.run(t)
    assert [signo for _, signo in world.delivered] == [SIGUSR1, SIGUSR2, SIGALRM]
    assert t.cpu.rdi == SIGALRM  # type: ignore[attr-defined]


# -- alternate stack --------------------------------------------------------------------------------------------------
ALT = SigAltStack(STACK_TOP - 0x8000, 0x2000, 0)


def test_the_alternate_stack_is_entered_from_its_top_and_not_again(t: Thread, world: World) -> None:
    catch(t, SIGUSR1, SA_ONSTACK)
    catch(t, SIGUSR2, SA_ONSTACK)
    t.altstack = ALT
    post(t, SIGUSR1)
    world.run(t)
    top = ALT.sp + ALT.size
    first = t.cpu.rsp
    assert top - 1024 < first < top
    assert struct.unpack("<Qi4xQ", t.mm.read(first + 24, 24)) == (ALT.sp, 0, ALT.size)  # type: ignore[union-attr]
    post(t, SIGUSR2)
    world.run(t)
    assert ALT.sp < t.cpu.rsp < first


def test_without_onstack_the_ordinary_stack_is_used(t: Thread, world: World) -> None:
    catch(t, SIGUSR1)
    t.altstack = ALT
    sp = t.cpu.rsp
    post(t, SIGUSR1)
    world.run(t)
    assert sp - 2048 < t.cpu.rsp < sp


def test_overflow_of_the_alternate_stack_is_fatal(t: Thread, world: World) -> None:
    catch(t, SIGUSR1, SA_ONSTACK)
    catch(t, SIGSEGV, SA_ONSTACK)
    t.altstack = ALT
    t.cpu.rsp = ALT.sp + 512
    post(t, SIGUSR1)
    world.run(t)
    assert world.exited == [(t, SIGSEGV)]


def test_autodisarm(t: Thread, world: World) -> None:
    catch(t, SIGUSR1, SA_ONSTACK)
    t.altstack = ALT._replace(flags=SS_AUTODISARM)
    post(t, SIGUSR1)
    world.run(t)
    assert t.altstack == SigAltStack(0, 0, SS_DISABLE)
    sigreturn_to(t)
    assert t.altstack == ALT._replace(flags=SS_AUTODISARM)


def test_changing_the_alternate_stack(t: Thread) -> None:
    set_altstack(t, ALT.sp, SS_ONSTACK, ALT.size, 0)
    assert t.altstack == ALT._replace(flags=SS_ONSTACK)
    with pytest.raises(Errno.EPERM):
        set_altstack(t, 0, SS_DISABLE, 0, ALT.sp + 8)
    with pytest.raises(Errno.EINVAL):
        set_altstack(t, ALT.sp, 4, ALT.size, 0)
    with pytest.raises(Errno.ENOMEM):
        set_altstack(t, ALT.sp, 0, 2047, 0)
    set_altstack(t, 1, SS_DISABLE, 2, 0)
    assert t.altstack == SigAltStack(0, 0, SS_DISABLE)


# -- temporary masks --------------------------------------------------------------------------------------------------
def test_the_handler_of_sigsuspend_runs_under_the_temporary_mask(t: Thread, world: World) -> None:
    catch(t, SIGUSR1)
    set_current_blocked(t, sigmask(SIGUSR1))
    post(t, SIGUSR1)
    set_user_sigmask(t, sigmask(SIGUSR2))
    in_call(t, 130, Errno.ERESTARTNOHAND)
    world.run(t)
    assert t.blocked == sigmask(SIGUSR1, SIGUSR2)
    sigreturn_to(t)
    assert t.blocked == sigmask(SIGUSR1)
    assert (t.cpu.rip, t.cpu.rax) == (SYSCALL_IP, NEGATIVE - 4)


def test_without_a_handler_the_old_mask_is_back_and_the_call_repeats(t: Thread, world: World) -> None:
    set_current_blocked(t, sigmask(SIGUSR1))
    set_user_sigmask(t, 0)
    in_call(t, 130, Errno.ERESTARTNOHAND)
    t.sighand.actions[SIGCHLD] = SigAction(SIG_DFL)
    t.work |= 1
    world.run(t)
    assert t.blocked == sigmask(SIGUSR1)
    assert (t.cpu.rip, t.cpu.rax) == (SYSCALL_IP - 2, 130)


def test_task_work_runs_once(t: Thread, world: World) -> None:
    calls: list[Thread] = []
    t.task_work.append(calls.append)
    t.work |= WORK_RESUME
    world.run(t)
    assert calls == [t]
    assert t.work == 0


# -- exceptions -------------------------------------------------------------------------------------------------------
RIP = 0x400777


@pytest.mark.parametrize(
    ("vector", "signo", "code", "addr"),
    [  # as a native run of each instruction shows (Linux 6.18)
        (0, SIGFPE, 1, RIP),  # div by 0; INT_MIN / -1
        (1, SIGTRAP, 2, RIP),  # TF
        (3, SIGTRAP, SI_KERNEL, 0),  # int3
        (4, SIGSEGV, SI_KERNEL, 0),  # int $4
        (6, SIGILL, 2, RIP),  # ud2
        (12, SIGBUS, SI_KERNEL, 0),  # push with a non-canonical stack pointer
        (13, SIGSEGV, SI_KERNEL, 0),  # hlt, int $13, non-canonical address
        (17, SIGBUS, 1, 0),  # unaligned access with AC
    ],
)
def test_exceptions_as_signals(t: Thread, vector: int, signo: int, code: int, addr: int) -> None:
    t.cpu.rip = RIP
    exception(t, vector, 0x6A)
    assert t.pending.queue[0].info == SigInfo(signo, code=code, addr=addr)
    assert t.trap_frame[:2] == (vector, 0x6A if vector in (12, 13, 17) else 0)


@pytest.mark.parametrize(
    ("flags", "code"), [(0x04, 3), (0x01, 7), (0x28, 4), (0x30, 5), (0x02, 5), (0x20, 6), (0x05, 7), (0, None)]
)
@pytest.mark.parametrize("vector", [16, 19])
def test_floating_point_codes(t: Thread, vector: int, flags: int, code: int | None) -> None:
    t.cpu.rip = RIP
    image = bytearray(512)
    struct.pack_into("<HH", image, 0, 0, flags)
    struct.pack_into("<I", image, 24, flags)
    t.cpu.set_fpregs(bytes(image))
    exception(t, vector)
    assert [entry.info for entry in t.pending.queue] == ([] if code is None else [SigInfo(SIGFPE, code=code, addr=RIP)])


def test_masked_floating_point_exceptions_do_not_count(t: Thread) -> None:
    image = bytearray(512)
    struct.pack_into("<HH", image, 0, 0x1, 0x5)
    struct.pack_into("<I", image, 24, 0x1 << 7 | 0x5)
    t.cpu.set_fpregs(bytes(image))
    exception(t, 16)
    exception(t, 19)
    assert t.pending.queue[0].info.code == 3


def test_page_faults(t: Thread) -> None:
    from kernel.mm.fault import FaultSignal

    force_fault(t, FaultSignal(SIGSEGV, 1, 0x1234), 6)
    assert t.pending.queue[0].info == SigInfo(SIGSEGV, code=1, addr=0x1234)
    assert t.trap_frame == (14, 6, 0x1234)
    force_fault(t, FaultSignal(SIGSEGV, 1, 0xFFFFFFFF81000000), 6)
    assert t.trap_frame == (14, 7, 0xFFFFFFFF81000000)  # the kernel's mappings are not told apart
