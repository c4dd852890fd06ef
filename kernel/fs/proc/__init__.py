"""procfs: files that are made when they are read (fs/proc/).

Every file of /proc is one row of a table: name, mode, what it shows, what writing does, and who may look.

==============  ======================================================================================
``generic``     the kinds of rows and nodes
``inode``       the file system: a pid namespace and the mount options hidepid, gid, subset
``base``        the tables of /proc/PID and /proc/PID/task/TID, and their directories
``array``       stat, status, statm, children
``task_mmu``    maps, smaps, pagemap and other files about an address space
``attributes``  small files about a process: limits, comm, oom_score_adj, ...
``fd``          fd and fdinfo
``link``        exe, cwd, root, map_files: links that lead to the object itself
``mem``         the memory of a process as a file
``namespace``   mounts, mountinfo, mountstats
``sysctl``      /proc/sys
``system``      the files about the whole machine
``root``        /proc itself, self and thread-self
==============  ======================================================================================

A procfs belongs to a pid namespace, whose numbers it shows.  Nothing about processes is cached: a directory of a process is
made by the lookup and knows only its ``Pid``, so it turns empty when the process goes, and /proc does not grow.
"""
