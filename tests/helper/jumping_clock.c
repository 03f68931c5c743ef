/* LD_PRELOAD: while the file that JUMPING_CLOCK names exists, the time of day is ten years later. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    static int (*real)(clockid_t, struct timespec *);
    int result;

    if (!real) {
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    result = real(clock, time);
    if (clock == CLOCK_REALTIME && access(getenv("JUMPING_CLOCK"), F_OK) == 0) {
        time->tv_sec += 10L * 365 * 24 * 60 * 60;
    }
    return result;
}
