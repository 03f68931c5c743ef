/* LD_PRELOAD: SG_IO on the file that VANISHED_DISK names too fails as on a disk that was pulled. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SG_IO 0x2285

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list arguments;
    void *argument;
    struct stat file, vanished;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (!real) {
        real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    }
    if (request == SG_IO && stat(getenv("VANISHED_DISK"), &vanished) == 0 &&
        fstat(fd, &file) == 0 && file.st_ino == vanished.st_ino) {
        errno = ENODEV;
        return -1;
    }
    return real(fd, request, argument);
}
