/*
 * barriers -- membarrier commands and registration of restartable sequences
 */
#include "guest.h"
#include <linux/membarrier.h>
#include <linux/rseq.h>

int main(void)
{
    int commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    expect(commands & MEMBARRIER_CMD_GLOBAL, "membarrier GLOBAL is offered");
    expect(commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED, "PRIVATE_EXPEDITED too");
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
    TRY(syscall(SYS_membarrier, 0x40000000, 0, 0));
    TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 1, 0));
    reap(FORK(TRY(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))));

    /* In a clone that shares nothing with libc's own registration. */
    reap(FORK({
        static struct rseq __attribute__((aligned(32))) area;
        long first = syscall(SYS_rseq, &area, 32, 0, 0x53053053);
        if (first == -1 && errno == EBUSY)
            first = syscall(SYS_rseq, &area, 32, 0, 0x53053053); /* libc registered its own: stays busy */
        out("registration: %s\n", first == 0 ? "done" : errno == EINVAL || errno == EBUSY ? "libc has it" : errno_name(errno));
        if (first == 0) {
            out("cpu id %d\n", area.cpu_id == area.cpu_id_start && area.cpu_id < 4096);
            TRY(syscall(SYS_rseq, &area, 32, 0, 0x53053053));
            TRY(syscall(SYS_rseq, &area, 32, 0, 0x11111111));
            TRY(syscall(SYS_rseq, &area, 32, RSEQ_FLAG_UNREGISTER, 0x11111111));
            TRY(syscall(SYS_rseq, &area, 32, RSEQ_FLAG_UNREGISTER, 0x53053053));
            out("cpu id %s\n", area.cpu_id == (uint32_t)RSEQ_CPU_ID_UNINITIALIZED ? "uninitialised" : "kept");
            TRY(syscall(SYS_rseq, &area, 32, RSEQ_FLAG_UNREGISTER, 0x53053053));
            TRY(syscall(SYS_rseq, (char *)&area + 1, 32, 0, 0x53053053));
            TRY(syscall(SYS_rseq, &area, 31, 0, 0x53053053));
        }
    }));
    return wrong;
}
