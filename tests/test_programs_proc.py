"""procps, psmisc, util-linux, lsof and busybox read /proc: the same programs in the machine and on the host say the same.

Set up: a shell that leads a session makes processes and then runs tools on them.  Pids become P0, P1, ... in the order of their
numbers; blanks are counted as one.  What depends on the machine (memory, times, addresses) is not asked for, or cut out by the
command itself.  All commands of a scenario run in one session, natively and inside.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import tgid
from guest.build import build, compiler_missing

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ps"), reason="compares with a Linux host as root"
)

ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LANG": "C", "LC_ALL": "C", "COLUMNS": "200"}
MARK = "=====next====="

# $S: the session; $A, $B, ...: processes of the scenario.  Each ends with a line that says which pids there are.
AWAIT = """
state() { W=$2; i=0; while [ $i -lt 200 ]; do x=$(sed 's/.*) //; s/ .*//' /proc/$1/stat 2>/dev/null); [ "$x" = "$W" ] && return; sleep 0.05; i=$((i+1)); done; }
called() { i=0; while [ $i -lt 200 ]; do read x < /proc/$1/comm; [ "$x" = "$2" ] && return; sleep 0.05; i=$((i+1)); done; }
"""
"""Shell functions that wait for a process to be in a state, or to have exec'ed a program."""

FAMILY = """
cd $D; exec 7>lock; flock 7; echo data > held; exec 8<held
sleep 1000 & A=$!
nice -n 7 sleep 1001 & B=$!
sh -c 'sleep 1002 & wait' & C=$!
W=$(pgrep -P $C); while [ -z "$W" ]; do sleep 0.05; W=$(pgrep -P $C); done; called $W sleep
sh -c 'sleep 0 & exec sleep 1003' & E=$!
called $A sleep; called $B sleep; called $E sleep; state $C S
state $(pgrep -P $E) Z
kill -STOP $B; state $B T
taskset -p 1 $A >/dev/null; taskset -p 1 $B > /dev/null
"""

USERS = """
cd $D
setpriv --reuid 1000 --regid 1001 --groups 1002,1003 sleep 1000 & A=$!
setpriv --ruid 1000 --clear-groups sleep 1001 & B=$!
setpriv --reuid 1000 --regid 1000 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all sleep 1002 & C=$!
called $A sleep; called $B sleep; called $C sleep
AS="setpriv --reuid 1000 --regid 1001 --clear-groups"
"""

TRACED = """
cd $D
strace -qq -o /dev/null sleep 1000 & A=$!
B=$(pgrep -P $A sleep); while [ -z "$B" ]; do sleep 0.05; B=$(pgrep -P $A sleep); done
state $B S; state $A S
sleep 1001 & C=$!; called $C sleep
strace -qq -o /dev/null -p $C & E=$!
until [ "$(sed -n 's/^TracerPid:.//p' /proc/$C/status)" = $E ]; do sleep 0.05; done; state $C S; state $E S
"""

THREADS = """
cd $D
$PROGRAM & A=$!
state $A S; i=0; while [ $(ls /proc/$A/task | wc -l) -lt 4 ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i+1)); done
"""

GONE = """
cd $D
$PROGRAM gone & A=$!
i=0; while [ "$(sed -n 's/^State:.//p' /proc/$A/task/$A/status 2>/dev/null | cut -c1)" != Z ] && [ -e /proc/$A/task/$A ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i+1)); done
"""


class Case(NamedTuple):
    """A command in a scenario."""

    scenario: str
    name: str
    command: str


def cases(scenario: str, commands: dict[str, str]) -> list[Case]:
    return [Case(scenario, name, command) for name, command in commands.items()]


CASES = [
    *cases("family", {
        "ps-jobs": "ps -s $S -o pid,ppid,pgid,sid,tty,stat,nice,rtprio,cls,policy,nlwp,user,group,comm,args | grep -v script",
        "ps-forest": "ps f -s $S -o pid,ppid,stat,args | grep -v -e ' ps ' -e grep -e script",
        "ps-auxf": "ps auxf | awk -v s=$S '$2==s {on=1} on && NR>1' | awk '{$3=$4=$5=$6=$9=$10=\"\"; print}' | grep -E 'sleep|T |Z ' | grep -v awk",
        "ps-l": "ps -l -p $A,$B | awk '{print $1,$2,$3,$4,$5,$8,$14}'",
        "ps-eLf": "ps -eLf | awk -v s=$S '$3==s || $2==s' | awk '{print $1,$2,$3,$4,$6,$10,$11,$12}' | grep '[s]leep'",
        "ps-signals": "ps -p $A,$B,$E -o pid,pending,blocked,ignored,caught",
        "ps-more": "ps -p $A,$E -o pid,euid,ruid,suid,fuid,egid,supgid,pri,ni,s,f,label,lsession,tpgid,class,thcount --no-headers",
        "ps-wchan": "ps -p $A,$C -o wchan:30 --no-headers | sed 's/^[a-z_.0]*$/a name/'",
        "ps-quick": "ps -q $A -o comm=; ps -C sleep -o ppid= | grep -c .; ps --ppid $C -o args=; ps -p 999999 -o pid; echo $?",
        "ps-zombie": "ps --ppid $E -o stat,comm,args,vsz,rss",
        "top": "top -b -n1 -p $A,$B,$E | sed -n '7,$p' | awk '{print $1,$2,$3,$4,$8,$12}'",
        "top-summary": "top -b -n1 -p $A,$B | head -5 | sed 's/: */: /g; s/[0-9:.]\\+/N/g; s/, */, /g; 1s/up.*, *N user/up, N user/'",
        "top-threads": "top -H -b -n1 -p $A | sed -n '2p;7,$p' | awk '{print $1,$2,$3,$4,$8}'",
        "pgrep": "pgrep -s $S sleep; pgrep -a -s $S sleep; pgrep -l -P $S; pgrep -c -s $S; pgrep -n -s $S sleep; pgrep -o -s $S sleep",
        "pgrep-full": "pgrep -f -s $S 'sleep 100[12]'; pgrep -x -s $S slee; echo $?; pgrep -s $S -r T",
        "pidof": "for p in $(pidof sleep); do [ $(ps -o sid= -p $p) = $S ] && echo $p; done | sort -n",
        "pwdx": "pwdx $A $C | sed \"s#$D#DIR#\"",
        "pstree": "pstree -pa $S | grep -v -e pstree -e '-sh,.*script'; pstree -p $C; pstree -A -s -p $(pgrep -P $C) | sed 's/.*-\\(sh\\)/\\1/'; pstree -g $C",
        "killall": "killall -0 -g nosuch 2>&1; killall -l | head -2; killall -s CONT -r 'nosuch.*' 2>&1; echo $?",
        "fuser": "fuser held 2>&1; fuser -v lock 2>&1 | grep -c 'F.... sleep'; fuser nosuch 2>&1; echo $?",
        "fuser-cwd": "fuser . 2>/dev/null | wc -w",
        "prtstat": "prtstat $A | head -8 | sed 's/CPU#: *[0-9]*//'; prtstat -r $B | grep -E 'comm|state|nice|num_threads|policy|exit_sig' | sed 's/processor: *[0-9]*//'",
        "lsof": "lsof -p $A | awk '{print $1,$2,$3,$4,$5,$NF}' | grep -E 'cwd|rtd|txt|[0-9][rwu]' | grep -v -w -e 0r -e 0w -e 1w -e 2w -e 0u -e 1u -e 2u | sed \"s#$D#DIR#\"",
        "lsof-file": "lsof -t held | sort -n; lsof -F pcfan held | sed \"s#$D#DIR#\" | head -6; lsof nosuch 2>&1 | head -1",
        "lslocks": "lslocks -n -o COMMAND,TYPE,MODE,M,START,END,PATH -p $S | sed \"s#$D#DIR#\"",
        "prlimit": "prlimit -p $A --nofile=100:200 --core=0:5; prlimit -p $A -n -c -o RESOURCE,SOFT,HARD,UNITS; grep -E 'open files|core' /proc/$A/limits",
        "taskset": "taskset -p $A; taskset -cp $A; taskset -p 0 $A 2>&1; echo $?",
        "chrt": "chrt -p $A; chrt -b -p 0 $A; chrt -p $A; ps -o cls,pri,rtprio,policy -p $A; chrt -f -p 7 $A; ps -o cls,rtprio -p $A; awk '{print $18,$40,$41}' /proc/$A/stat; chrt -o -p 0 $A; chrt -m",
        "ionice": "ionice -p $A; ionice -c 3 -p $A; ionice -p $A; ionice -c 2 -n 5 -p $A; ionice -p $A",
        "renice": "renice -n 5 -p $A; renice -n 3 -p $A; ps -o ni -p $A; renice -n 19 -g $S > /dev/null; ps -o ni -p $C; renice -n 0 -g $S >/dev/null",
        "choom": "choom -n 321 -p $A; choom -p $A | tail -1; cat /proc/$A/oom_score_adj; choom -n -1001 -p $A 2>&1; echo $?",
        "lsns": "lsns -n -o TYPE -p $A | sort; lsns -t pid -n -o NS,TYPE,PID -p $A | sed 's/^[0-9]*/N/' | awk '{print $2}'",
        "setsid": "setsid -w sh -c 'ps -o sid= -p $$ | grep -w -c $$'; setsid sh -c 'exit 3' ; echo $?; setsid -w false; echo $?",
        "flock": "flock -n lock echo no; echo $?; flock -w 0.1 -E 9 lock echo no; echo $?; flock other echo yes; flock -s held -c 'echo shared'",
        "watch": "watch --version | cut -c1-10; uptime | sed 's/[0-9:.]\\+/N/g; s/up.*N user.*load/up load/'; w -h | head -1 | wc -l; uptime -s | sed 's/[0-9]/N/g'",
        "free": "free | sed 's/[0-9]\\+/N/g; s/  */ /g'; free -b -w -t -l | sed 's/[0-9]\\+/N/g; s/  */ /g'; free -m | awk 'NR==2 {print ($2>=$3+$4)}'",
        "vmstat": "vmstat | head -2; vmstat | awk 'NR==3 {print NF}'; vmstat -s | sed 's/^ *[0-9]* //' | sort; vmstat -f | sed 's/[0-9]\\+/N/'; vmstat -a | sed -n 2p",
        "pmap": "pmap $A | awk 'NR>1 && $NF !~ /kB/ {print $3,$NF}' | grep -v -e anon -e ld- | grep -E 'sleep|stack'; pmap -x $A | sed -n 2p; pmap -X $A | sed -n 2p | tr -s ' ' | grep -o 'Address.*Rss Pss'; pmap -q $A | head -1",
        "pmap-sum": "pmap -x $A | awk '/^[0-9a-f]{16}/ {k+=$2; r+=$3; d+=$4} /^total/ {print (k==$3), (r==$4), (d==$5)}'; pmap -x $A | awk '/^[0-9a-f]{16}/ {r+=$3} END {print r}' > rss; grep -h Rss /proc/$A/smaps_rollup | awk -v r=$(cat rss) '{print ($2==r)}'",
        "sysctl": "sysctl kernel.ostype kernel.cap_last_cap kernel.ngroups_max fs.nr_open fs.pipe-max-size kernel.sem kernel.overflowuid vm.swappiness fs.mqueue.msg_max net.core.somaxconn; sysctl -n kernel.arch; sysctl -N kernel.pid_max; sysctl kernel.nosuch 2>&1; echo $?; sysctl -w kernel.ostype=x 2>&1",
        "findmnt": "findmnt -n -o TARGET,FSTYPE /proc | head -1; findmnt -n -o TARGET -T /proc/self | head -1; mountpoint /proc; mountpoint /proc/self; findmnt -n -t proc -o TARGET | head -1",
        "busybox-ps": "busybox ps -o pid,ppid,pgid,user,group,comm,args,stat,nice | grep -E 'sleep 100|T ' | grep -v grep | while read p rest; do [ \"$(ps -o sid= -p $p)\" ] && [ $(ps -o sid= -p $p) = $S ] && echo $p $rest; done",
        "busybox-top": "busybox top -b -n1 | grep -E \" $S .*sleep 100[03]\" | awk '{print $1,$2,$3,$4,$(NF-1),$NF}'",
        "busybox-others": "busybox pidof sleep | tr ' ' '\\n' | grep -c -w -e $A -e $B; busybox free | sed 's/[0-9]\\+/N/g; s/  */ /g'; busybox uptime | sed 's/[0-9:.]\\+/N/g; s/up.*load/up load/'; busybox kill -0 $A; echo $?",
        "skill": "skill -n CONT -p $B; snice -n +3 -p $A 2>&1 | sed 's/[0-9]\\+/N/'; /bin/kill -l 9; /bin/kill -l TERM; /bin/kill -0 $A; /bin/kill -q 3 -USR1 999999 2>&1",
        "stat-of-proc": "stat -c '%A %F %s' /proc/self /proc/$A/fd /proc/$A/exe /proc/$A/fd/7 /proc/$A/status /proc/$A/task /proc/sys/kernel/pid_max; ls /proc/$A/fd | tr '\\n' ' '",
        "fdinfo": "grep -E 'pos|flags|lock' /proc/$S/fdinfo/7 | sed 's/fe:.*/dev/; s/WRITE .*/WRITE/'; cat /proc/$S/fdinfo/8 | grep -E 'pos|flags'",
        "pidwait": "sleep 3000 & X=$!; called $X sleep; (until pgrep -x pidwait >/dev/null; do sleep 0.05; done; sleep 0.2; kill $X) & pidwait -f -s $S 'sleep 3000'; echo $?; pidwait nosuchprogram; echo $?",
        "pkill": "sleep 2000 & X=$!; sleep 2001 & Y=$!; called $X sleep; called $Y sleep; pkill -f -s $S 'sleep 200[01]'; echo $?; { wait $X; wait $Y; } 2>/dev/null; pkill -s $S nosuch; echo $?; pgrep -f -s $S 'sleep 200[01]'; echo $?",
    }),
    *cases("users", {
        "ps-ids": "ps -p $A,$B,$C -o pid,user,ruser,suser,fuser,group,rgroup,uid,euid,ruid,gid,egid,supgid,comm",
        "status": "for p in $A $B $C; do grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapInh|CapBnd|CapAmb):' /proc/$p/status | sed 's/CapBnd:.*[1-9a-f].*/CapBnd: some/'; done",
        "pgrep": "pgrep -s $S -u 1000; pgrep -s $S -U 1000; pgrep -s $S -G 1001; pgrep -s $S -u root,1000 -c",
        "top-user": "top -b -n1 -u 1000 | sed -n '7,$p' | awk -v a=$A -v b=$B -v c=$C '$1==a || $1==b || $1==c {print $1,$2,$8,$12}' | sort",
        "denied": "for f in environ maps mem auxv exe cwd root fd/0 io; do $AS cat /proc/$C/$f 2>&1 | head -c 0; $AS head -c1 /proc/$B/$f 2>&1 >/dev/null | sed 's/.*: //'; done",
        "own": "$AS sh -c 'cat /proc/self/environ | tr \"\\0\" \"\\n\" | grep -c PATH; readlink /proc/self/exe; ls -ld /proc/self/ | cut -c1-10; stat -c %U:%u:%g /proc/self/ /proc/self/stat /proc/self/fd'",
        "owners": "stat -c '%u %g %a' /proc/$A /proc/$A/stat /proc/$A/fd /proc/$B /proc/$B/environ /proc/$B/fd /proc/$C/mem /proc/$C/task",
        "lsof": "$AS lsof -p $B 2>/dev/null | awk '{print $4,$5,$NF}' | head -4; $AS ls /proc/$B/fd 2>&1 | sed 's/.*: //'",
        "ps-as": "$AS ps -p $A,$B,$C -o pid,user,stat,args,wchan | awk '{print $1,$2,$3,$4,$5}'; $AS pwdx $B 2>&1 | sed 's/.*: //'",
        "kill-as": "$AS kill -0 $B 2>&1 | sed 's/.*: //'; $AS pkill -0 -s $S sleep 2>&1 | sed 's/[0-9]\\+/N/' | sort | uniq -c",
        "renice-as": "$AS renice -n -5 -p $A 2>&1 | sed 's/.*: //'; $AS choom -n -5 -p $A 2>&1 | sed 's/.*: //'; $AS prlimit -p $B 2>&1 | sed 's/.*: //' | head -1",
        "hidden": "unshare -m sh -c \"mount -t proc -o hidepid=invisible none /proc; $AS ls -d /proc/$A /proc/$B /proc/$C 2>&1 | sed 's/.*access//'; $AS ps -p $A,$B,$C -o pid,args; grep ' /proc proc' /proc/mounts | tail -1\"",
        "noaccess": "unshare -m sh -c \"mount -t proc -o hidepid=1 none /proc; $AS ls -d /proc/$B; $AS cat /proc/$B/stat /proc/$A/comm 2>&1; $AS ls /proc/$B 2>&1; mount -o remount,hidepid=0 /proc; $AS cat /proc/$B/comm\"",
        "ptraceable": "unshare -m sh -c \"mount -t proc -o hidepid=ptraceable,subset=pid none /proc; $AS ls -d /proc/$B 2>&1; $AS cat /proc/uptime /proc/$B/comm /proc/self/comm 2>&1; ls /proc | grep -v '[0-9]'; mount -t proc -o hidepid=3 none /proc 2>&1 | sed 's/.*: //' | head -1\"",
        "gid": "unshare -m sh -c \"mount -t proc -o hidepid=2,gid=1003 none /proc; setpriv --reuid 1005 --regid 1005 --groups 1003 cat /proc/$B/comm; setpriv --reuid 1005 --regid 1005 --clear-groups cat /proc/$B/comm 2>&1; grep -o 'gid=[^ ]*' /proc/mounts | tail -1\"",
    }),
    *cases("traced", {
        "ps": "ps -p $A,$B,$C,$E -o pid,ppid,stat,comm,args",
        "tracer": "for p in $A $B $C $E; do grep -E '^(State|TracerPid|PPid)' /proc/$p/status | tr '\\n' ' '; done",
        "stopped": "kill -STOP $B $C; state $B t; state $C t; ps -p $B,$C -o pid,stat; grep -h State /proc/$B/status /proc/$C/status",
        "top": "top -b -n1 -p $B,$C | sed -n '2p;7,$p' | awk '{print $1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12}' | sed 's/ 20 0 [0-9]* [0-9]* [0-9]*//'",
        "continued": "kill -CONT $B $C; state $B S; state $C S; ps -p $B,$C -o pid,stat; pgrep -r t -s $S; echo $?",
        "pstree": "pstree -p $A; pstree -s $C | sed 's/.*sh---/sh---/'",
        "tracer-gone": "kill -9 $E; { wait $E; } 2>/dev/null; grep TracerPid /proc/$C/status; ps -p $C -o stat=",
        "tracee-gone": "kill -9 $B; { wait $A; } 2>/dev/null; echo $?; ls /proc/$B 2>&1 | sed 's/.*: //'",
    }),
    *cases("mounts", {
        "poll": "findmnt --poll -n -o ACTION,TARGET,FSTYPE > polled & X=$!; called $X findmnt; state $X S; mount -t tmpfs none $D; "
        "sleep 0.2; mount -o remount,ro $D; sleep 0.2; umount $D; sleep 0.2; kill $X; { wait $X; } 2>/dev/null; grep -v proc$ polled | sed \"s#$D#DIR#\"",
        "mountpoint": "mount -t tmpfs -o size=1m none $D; mountpoint $D | sed \"s#$D#DIR#\"; findmnt -n -o FSTYPE $D; umount $D; mountpoint -q $D; echo $?",
    }),
    *cases("threads", {
        "ps-eLf": "ps -Lf -p $A | awk '{print $1,$2,$3,$4,$6,$9,$10}'",
        "ps-T": "ps -T -p $A -o pid,tid,lwp,nlwp,stat,comm,pri,ni,cls,rtprio",
        "ps-m": "ps m -p $A -o pid,lwp,stat,comm,nlwp",
        "top-H": "top -H -b -n1 -p $A | sed -n '7,$p' | awk '{print $1,$2,$3,$4,$8,$12}' | sort",
        "pstree": "pstree -pt $A; pstree -pat $A; pstree -p $A; pstree -T -p $A",
        "task": "ls /proc/$A/task; cat /proc/$A/task/*/comm; cat /proc/$A/task/*/children | wc -w; grep -h Threads /proc/$A/status /proc/$A/task/*/status",
        "tids": "for t in $(ls /proc/$A/task); do grep -E '^(Tgid|Pid|PPid|NStgid|NSpid):' /proc/$A/task/$t/status | tr '\\n' ' '; awk '{print $1,$2,$3,$4}' /proc/$A/task/$t/stat; done",
        "any-tid": "T=$(ls /proc/$A/task | tail -1); cat /proc/$T/comm; grep -E '^(Tgid|Pid):' /proc/$T/status; ls -d /proc/$T; ls /proc | grep -c -w $T; ls /proc/$T/task | wc -l",
        "busybox": "busybox ps -T 2>/dev/null | grep -c '[t]hreads_shown'; busybox pidof threads_shown; ls -l /proc/$A/exe | sed 's/.*-> //; s#.*/##; s/-[0-9a-f]*$//'",
        "stat-link": "stat -c %h /proc/$A/task /proc/$A /proc/$A/task/$A",
        "killed": "kill -9 $A; { wait $A; } 2>/dev/null; ls /proc/$A 2>&1 | sed 's/.*: //'",
    }),
]  # fmt: skip
GONE_CASES = cases("gone", {
    "ps-eLf": "ps -Lf -p $A | awk '{print $1,$2,$3,$4,$6,$NF}'",
    "ps": "ps -p $A -o pid,stat,nlwp,comm",
    "task": "ls /proc/$A/task; cat /proc/$A/comm; cat /proc/$A/stat | awk '{print $1,$2,$3,$20}'",
    "files": "readlink /proc/$A/exe | sed 's#.*/##; s/-[0-9a-f]*$//'; ls /proc/$A/fd 2>&1 | wc -l; tr '\\0' ' ' < /proc/$A/cmdline | sed 's#[^ ]*/##; s/-[0-9a-f]*//'; grep -E '^(State|Tgid|Pid|Threads|FDSize):' /proc/$A/status | sed 's/FDSize:.[1-9].*/FDSize: some/'",
    "pstree": "pstree -pt $A",
    "pgrep": "pgrep -s $S -r S -f -l threads; pgrep -s $S -l threads",
})  # fmt: skip


START = 23000
"""The first pid of a scenario: far from the small numbers that programs print for other reasons."""


def script(scenario: str, program: str) -> str:
    """Return the shell script of a scenario: set it up, run its commands between marks, and end it."""
    setup = {"family": FAMILY, "users": USERS, "traced": TRACED, "mounts": "cd $D", "threads": THREADS, "gone": GONE}[scenario]
    lines = [f"D=$1; S=$$; PROGRAM={program}", AWAIT, setup, f"echo {MARK}"]
    for case in CASES + GONE_CASES:
        if case.scenario == scenario:
            lines += [case.command, f"echo {MARK}"]
    lines += ["[ -e /proc/$B ] && kill -CONT $B", "kill -9 $(pgrep -s $S | grep -v -w $S)", "wait 2>/dev/null"]
    return "\n".join(lines)


def normal(output: str) -> list[str]:
    """Split the output of a scenario into what each command said, with the pids in it numbered."""
    return [_numbered(part) for part in output.split(MARK + "\n")[1:]]


def _numbered(text: str) -> str:
    pids = sorted(set(re.findall(r"\b2[3-6]\d{3}\b", text)))
    text = re.sub(r"\b2[3-6]\d{3}\b", lambda match: f"P{pids.index(match[0])}", text)
    return "\n".join(re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines())


@cache
def program() -> str:
    """Build the program of the thread scenarios."""
    if missing := compiler_missing("musl"):
        pytest.skip(missing)
    return str(build("threads_shown", "musl"))


def wrapper(scenario: str, directory: str) -> list[str]:
    """Return the command that runs a scenario as the leader of a session whose pids begin at START."""
    path = Path(directory, "script")
    path.write_text(script(scenario, program()))
    plain = "renice -n 0 -p $$ >/dev/null 2>&1"  # whatever the tests run at
    return ["sh", "-c", f"{plain}; echo {START} > /proc/sys/kernel/ns_last_pid; setsid -w sh {path} {directory} </dev/null 2>&1"]


@cache
def place(scenario: str) -> tempfile.TemporaryDirectory[str]:
    """Make the directory of a scenario: the host's and the machine's have the same name."""
    directory = tempfile.TemporaryDirectory(prefix="proc-")
    os.chmod(directory.name, 0o755)
    return directory


@cache
def native(scenario: str) -> list[str]:
    """Run a scenario on the host, in a pid namespace of its own."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *wrapper(scenario, place(scenario).name)]
    done = subprocess.run(command, env=ENV, capture_output=True, text=True, timeout=120, check=False)
    if done.stderr.startswith("unshare:"):
        pytest.skip(f"the host allows no pid namespace: {done.stderr}")
    return normal(done.stdout)


@cache
def inside(scenario: str, semantics: str = "leaderless") -> list[str]:
    """Run a scenario in the machine."""
    result = tgid.run(wrapper(scenario, place(scenario).name), env=ENV, semantics=semantics, timeout=300)
    assert result.status in (0, 137), (result.stderr, result.log)
    return normal(result.stdout.decode())


def missing(case: Case) -> str:
    """Return the name of a program the case needs and the host has not, or an empty string."""
    if case.scenario == "traced" and not shutil.which("strace"):
        return "strace"
    words = re.findall(r"(?:^|[;|&(\"] ?)([a-z]+)(?= )", case.command)
    tools = {"ps", "top", "pgrep", "pstree", "killall", "fuser", "prtstat", "lsof", "lslocks", "prlimit", "chrt", "choom", "busybox", "setpriv"}
    return next((word for word in words if word in tools and not shutil.which(word, path=ENV["PATH"])), "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario}-{case.name}")
def test_same_as_native(case: Case) -> None:
    if absent := missing(case):
        pytest.skip(f"no {absent} here")
    position = [other.name for other in CASES if other.scenario == case.scenario].index(case.name)
    assert inside(case.scenario)[position] == native(case.scenario)[position]


@pytest.mark.parametrize("case", GONE_CASES, ids=lambda case: case.name)
def test_first_thread_is_gone_as_in_mainline(case: Case) -> None:
    """Where the first thread stays as a corpse, the tools show what they show on the host."""
    if absent := missing(case):
        pytest.skip(f"no {absent} here")
    position = GONE_CASES.index(case)
    assert inside("gone", "linux")[position] == native("gone")[position]


def test_first_thread_is_gone_without_leaders() -> None:
    """Without leaders /proc/TGID shows a living thread, and no corpse is among the threads."""
    shown = dict(zip([case.name for case in GONE_CASES], inside("gone"), strict=False))
    assert shown["ps"].splitlines()[1:] == ["P0 Sl 3 alpha"]
    assert shown["ps-eLf"].splitlines()[1:] == [f"root P1 P0 P{lwp} 3 gone" for lwp in (2, 3, 4)]
    assert shown["task"].splitlines()[:4] == ["P1", "P2", "P3", "alpha"]
    assert shown["files"].splitlines()[:2] == ["threads_shown", "3"]
    assert {"Tgid: P0", "Pid: P0", "Threads: 3", "FDSize: some"} <= set(shown["files"].splitlines())


SHOWN = "until grep -a -q {word} screen 2>/dev/null; do sleep 0.1; done"
TERMINAL = {
    "watch": (
        f"({SHOWN.format(word='something')}; kill -INT $(pgrep -n watch)) & "
        "script -qfec 'stty rows 24 cols 80; watch -n 1 cat word' screen >/dev/null; wait; "
        "grep -a -o -e 'Every 1.0s: cat word' -e something screen | sort -u"
    ),
    "htop": (
        f"({SHOWN.format(word='F10')}; printf q) | script -qfec 'stty rows 24 cols 100; htop -d 5' screen > /dev/null; echo $?; "
        "grep -a -o -e 'Load average' -e 'Tasks:' -e 'Uptime:' -e F10 screen | sort -u"
    ),
    "top": (
        f"({SHOWN.format(word='COMMAND')}; printf q) | script -qfec 'stty rows 24 cols 100; top -d 1' screen > /dev/null; echo $?; "
        "grep -a -o -e 'load average' -e 'Tasks:' -e COMMAND screen | sort -u"
    ),
    "w": "script -qec 'ps -o tty= -p $$ | tr -d 0-9; tty | tr -d 0-9; w -h | wc -l' /dev/null | tr -d '\\r'",
}
"""Programs that need a terminal: they start, show what they are to show, and end when told to."""


@pytest.mark.parametrize("name", TERMINAL)
def test_on_a_terminal(name: str, tmp_path: Path) -> None:
    if not shutil.which(name) or not shutil.which("script"):
        pytest.skip(f"no {name} or no script(1) here")
    (tmp_path / "word").write_text("something\n")
    command = ["sh", "-c", f"cd {tmp_path}; {TERMINAL[name]}"]
    env = {**ENV, "TERM": "xterm", "HTOPRC": "/dev/null"}
    host = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    result = tgid.run(command, env=env, timeout=120)
    assert (result.status, result.stdout.decode()) == (host.returncode, host.stdout), result.log


def test_shares_of_the_processor() -> None:
    """top, ps and vmstat see one process that computes and one that sleeps: virtual time makes the shares exact."""
    script = (
        "while :; do :; done & A=$!; sleep 1000 & B=$!; top -b -n2 -d 0.5 -p $A,$B | tail -2 | awk '{print $8, $9}'; "
        "ps -o pcpu=,stat= -p $A,$B; vmstat 1 2 | tail -1 | awk '{print ($1 > 0), $13 + $14, $15}'; kill $A $B; "
        "vmstat 1 2 | tail -1 | awk '{print $15}'"
    )
    lines = tgid.run(["/bin/sh", "-c", script], env=ENV, timeout=120).stdout.decode().splitlines()
    busy, idle = sorted((line.split() for line in lines[:2]), key=lambda line: line[0])
    assert busy[0] == "R"
    assert float(busy[1]) > 90
    assert idle == ["S", "0.0"]
    assert float(lines[2].split()[0]) > 80
    assert lines[3].split() == ["0.0", "S"]
    assert lines[4:] == ["1 100 0", "100"]
