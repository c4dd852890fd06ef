/*
 * umask_modes -- what the mask takes away from files, directories, nodes and sockets-to-be
 */
#include "guest.h"

static void mode(const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        out("%s: %s\n", path, errno_name(errno));
    else
        out("%s: %#o\n", path, st.st_mode);
}

int main(void)
{
    char top[] = "umask-XXXXXX";
    MUST(mkdtemp(top));
    MUST(chdir(top));
    int masks[] = {0, 022, 077, 0777, 01777, 0123456};
    umask(0);
    for (int i = 0; i < 6; i++) {
        umask(masks[i]);
        out("umask %#o\n", masks[i]);
        close(open("f", O_CREAT | O_WRONLY, 07777));
        mkdir("d", 07777);
        mkfifo("p", 0666);
        symlink("x", "s");
        mode("f");
        mode("d");
        mode("p");
        mode("s");
        unlink("f");
        rmdir("d");
        unlink("p");
        unlink("s");
    }
    TRY(umask(0));
    out("left: %s\n", chdir("..") || rmdir(top) ? errno_name(errno) : "nothing");
    return 0;
}
