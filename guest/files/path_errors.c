/*
 * path_errors -- how a path walk fails: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EACCES, and what dots and slashes mean
 * guest: needs=root
 */
#include "guest.h"

int main(void)
{
    char top[] = "paths-XXXXXX", longer[5000];
    struct stat st;
    MUST(mkdtemp(top));
    MUST(chmod(top, 0755));
    MUST(chdir(top));
    umask(0);
    mkdir("d", 0755);
    close(open("d/f", O_CREAT | O_WRONLY, 0644));
    symlink("d", "s");
    symlink("d/f", "sf");
    symlink("a", "b");
    symlink("b", "a");
    symlink("s/../d/f", "through");
    TRY(stat("d/f", &st));
    TRY(stat("d//f", &st));
    TRY(stat("./d/./f", &st));
    TRY(stat("d/f/", &st));
    TRY(stat("d/f/.", &st));
    TRY(stat("d/f/..", &st));
    TRY(stat("d/missing/..", &st));
    TRY(stat("s/f", &st));
    TRY(stat("s/", &st));
    TRY(lstat("s/", &st));
    out("lstat with a slash follows: %d\n", S_ISDIR(st.st_mode));
    TRY(stat("sf/", &st));
    TRY(stat("through", &st));
    TRY(stat("s/../d/../s/f", &st));
    TRY(stat("a", &st));
    TRY(lstat("a", &st));
    TRY(stat("a/x", &st));
    TRY(stat("", &st));
    TRY(stat("/", &st));
    TRY(stat("//", &st));
    TRY(stat("/..", &st));
    TRY(stat("/../../..", &st));
    memset(longer, 'n', sizeof longer);
    longer[255] = 0;
    TRY(stat(longer, &st));
    longer[255] = 'n';
    longer[256] = 0;
    TRY(stat(longer, &st));
    for (int i = 0; i + 2 < (int)sizeof longer; i += 2)
        memcpy(longer + i, "./", 2);
    longer[4094] = 'd';
    longer[4095] = 0;
    TRY(stat(longer, &st));
    longer[4094] = '.';
    longer[4095] = 'd';
    longer[4096] = 0;
    TRY(stat(longer, &st));
    if (geteuid() == 0) {
        mkdir("closed", 0700);
        mkdir("closed/in", 0755);
        mkdir("blind", 0711);
        close(open("blind/known", O_CREAT | O_WRONLY, 0644));
        mkdir("shown", 0744);
        close(open("shown/f", O_CREAT | O_WRONLY, 0644));
        mkdir("sticky", 01777);
        close(open("sticky/theirs", O_CREAT | O_WRONLY, 0666));
        close(open("secret", O_CREAT | O_WRONLY, 0600));
        close(open("read-only", O_CREAT | O_WRONLY, 0444));
        reap(FORK({
            MUST(setresgid(1000, 1000, 1000));
            MUST(setresuid(1000, 1000, 1000));
            TRY(stat("closed/in", &st));
            TRY(stat("closed", &st));
            TRY(chdir("closed"));
            TRY(open("blind", O_RDONLY));
            TRY(stat("blind/known", &st));
            TRY(open("shown", O_RDONLY) >= 0);
            TRY(stat("shown/f", &st));
            TRY(open("secret", O_RDONLY));
            TRY(open("read-only", O_RDONLY) >= 0);
            TRY(open("read-only", O_WRONLY));
            TRY(truncate("read-only", 0));
            TRY(open("new", O_CREAT | O_WRONLY, 0600));
            TRY(unlink("read-only"));
            TRY(rename("read-only", "x"));
            TRY(chmod("read-only", 0666));
            TRY(chown("read-only", 1000, 1000));
            TRY(unlink("sticky/theirs"));
            TRY(rename("sticky/theirs", "sticky/mine"));
            TRY(open("sticky/mine", O_CREAT | O_WRONLY, 0600) >= 0);
            TRY(unlink("sticky/mine"));
            TRY(access("secret", F_OK));
            TRY(access("secret", R_OK));
            TRY(mknod("node", S_IFREG | 0600, 0));
            TRY(chroot("d"));
        }));
        TRY(open("read-only", O_WRONLY) >= 0);
        TRY(mknod("device", S_IFCHR | 0600, 0x103));
        TRY(open("device", O_RDWR) >= 0);
        const char *names[] = {"blind/known", "shown/f", "sticky/theirs", "secret", "read-only", "device"};
        for (int i = 0; i < 6; i++)
            unlink(names[i]);
        const char *directories[] = {"closed/in", "closed", "blind", "shown", "sticky"};
        for (int i = 0; i < 5; i++)
            rmdir(directories[i]);
    }
    const char *names[] = {"d/f", "s", "sf", "a", "b", "through"};
    for (int i = 0; i < 6; i++)
        unlink(names[i]);
    rmdir("d");
    out("left: %s\n", chdir("..") || rmdir(top) ? errno_name(errno) : "nothing");
    return 0;
}
