/* LD_PRELOAD: a helper's SG_IO on a regular file takes as many microseconds as SLOW_SG_IO says, and
 * then fails as it would have failed at once. On all else it is left alone. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define SG_IO 0x2285

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list arguments;
    void *argument;
    struct stat file;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (!real) {
        real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    }
    if (request == SG_IO && fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
        long microseconds = atol(getenv("SLOW_SG_IO"));
        struct timespec delay = {microseconds / 1000000, microseconds % 1000000 * 1000};
        nanosleep(&delay, NULL);
    }
    return real(fd, request, argument);
}
