# What the sessions share.

# by_process [FILE]: the output of strace -f -o by process, in the order of their numbers, with interrupted calls put together.
by_process() {
    awk '{ pid = $1; sub(/^[0-9]+ +/, "")
           if (match($0, / <unfinished \.\.\.>$/)) { begun[pid] = substr($0, 1, RSTART - 1); next }
           if (match($0, /^<\.\.\. [a-z0-9_]+ resumed>/)) { $0 = begun[pid] substr($0, RSTART + RLENGTH); delete begun[pid] }
           text[pid] = text[pid] "  " $0 "\n" }
         END { for (pid = 20000; pid < 21000; pid++) if (pid in text) printf "%d:\n%s", pid, text[pid] }' "$@"
}

# start PROGRAM...: run it in the background, where a debugger would have it; give it time to get going; its pid is in $p.
start() {
    setarch -R "$@" & p=$!
    sleep 0.2
}

# finish: end what `start` started and show its status.
finish() {
    kill $p
    wait $p
    echo "status $?"
}

# Programs under ltrace are where a debugger would have them, too.
ltrace() {
    setarch -R ltrace "$@"
}

# debug [PROGRAM [ARGUMENT...]] <<COMMANDS: a gdb session; the program's output comes last, because its place among gdb's is a
# matter of luck.
debug() {
    local words=() line
    while IFS= read -r line; do
        [ -n "$line" ] && words+=(-ex "$line")
    done
    [ $# -gt 0 ] && words=(-ex "set args ${*:2} >> output" "${words[@]}" "./$1")
    rm -f output
    gdb -q -nx -batch "${words[@]}" </dev/null
    echo "status $?"
    [ -e output ] && cat output
}
