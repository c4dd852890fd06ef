"""procfs: files that are made when they are read (fs/proc/).

Every file of /proc is one row of a table: name, mode, what it shows, what writing does, and who may look.

================  ====================================================================================
``generic``       the kinds of rows and nodes
``inode``         the file system: a pid namespace and the mount options hidepid, gid, subset
``root``          /proc itself, self and thread-self
``target``        whom a directory is about, and who may look
``base``          the tables of /proc/PID and /proc/PID/task/TID, and their directories
``array``         stat, status, statm, children
``activity``      what a task does and has used: wchan, syscall, stack, io, sched, timers
``attributes``    small files about a process: limits, comm, oom_score_adj, ...
``task_mmu``      maps, smaps, smaps_rollup
``pagemap``       pagemap and clear_refs
``numa``          numa_maps
``mem``           the memory of a process as a file
``fd``            fd and fdinfo
``link``          exe, cwd, root: links that lead to the object itself
``map_files``     such a link for each mapped file
``namespace``     mounts, mountinfo, mountstats
``ns``            namespaces and the maps of ids
``net``           /proc/net
``sysvipc``       /proc/sysvipc
``sysctl``        the kinds of files in /proc/sys
``sysctl_table``  its rows
``system``        the files about the whole machine
``memory``        those about its memory
``locks``         /proc/locks
================  ====================================================================================

A procfs belongs to a pid namespace, whose numbers it shows.  Nothing about processes is cached: a directory of a process is
made by the lookup and knows only its ``Pid``, so it turns empty when the process goes, and /proc does not grow.
"""
