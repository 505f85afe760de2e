/* A name service module. Its constructor says who it is allowed to be, and which files it was handed. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void rights(int to)
{
    char line[256];
    FILE *status = fopen("/proc/self/status", "re");

    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "Uid:", 4) || !strncmp(line, "CapEff:", 7) || !strncmp(line, "Seccomp:", 8))
            dprintf(to, "%s", line);
    if (status)
        fclose(status);
}

static void files(int to)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char target[256];
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target);

        if (length > 0 && atoi(entry->d_name) != dirfd(folder))
            dprintf(to, "file %s: %.*s\n", entry->d_name, (int)length, target);
    }
    if (folder)
        closedir(folder);
}

static void report(int to)
{
    dprintf(to, MARK "\n");
    rights(to);
    files(to);
}

__attribute__((constructor)) static void loaded(void)
{
    int message = open("/dev/termination-log", O_WRONLY | O_APPEND | O_CLOEXEC);

    report(STDOUT_FILENO);
    if (message >= 0) {
        report(message);
        close(message);
    }
}
