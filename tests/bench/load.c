/* The load: clients of a helper's socket, a process each, as each guest has a QEMU of its own.
 * Each keeps one command in flight, as QEMU does: PERSISTENT RESERVE IN, READ KEYS.
 *
 *   load run SOCKET SECONDS CLIENTS DISK [CLIENTS DISK]...
 *       Let so many clients send commands on each disk. Prints one line for each pair:
 *       seconds, commands, median and 99th percentile of the latency in nanoseconds.
 *   load hold SOCKET CLIENTS DISK
 *       Connect, have one command answered on each connection, print "ready", and keep them until
 *       standard input ends.
 *   load busy
 *       Keep each processor busy with a process, print "ready", and go on until standard input
 *       ends.
 *   load start SOCKET DISK PROGRAM ARGUMENT...
 *       Start a helper, and print the nanoseconds until it answered a command; then end it.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REPLY_SIZE 104
#define MOST_LATENCIES (1 << 20)

struct disk {
    int fd, clients;
};

struct client {
    int socket;
    struct disk *disk;
    uint64_t sent_at;
    size_t received;
};

struct result {
    size_t commands;
    uint64_t last;
    uint32_t latencies[MOST_LATENCIES]; /* ns */
};

static void fail(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ull + time.tv_nsec;
}

static int open_disk(const char *path)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        fail(path);
    }
    return fd;
}

/* Connect and shake hands; -1 if nobody listens yet. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char features[4];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fail("socket");
    }
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        close(fd);
        return -1;
    }
    if (recv(fd, features, 4, MSG_WAITALL) != 4 || send(fd, "\0\0\0", 4, MSG_NOSIGNAL) != 4) {
        fail("handshake");
    }
    return fd;
}

static void send_command(struct client *client)
{
    unsigned char cdb[16] = {0x5e, 0, 0, 0, 0, 0, 0, 0x20, 0};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {cdb, sizeof cdb};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1,
                             .msg_control = &control, .msg_controllen = sizeof control};
    control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)),
                                      .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &client->disk->fd, sizeof(int));
    client->sent_at = now();
    client->received = 0;
    if (sendmsg(client->socket, &message, MSG_NOSIGNAL) != sizeof cdb) {
        fail("command");
    }
}

/* Take what is there of the reply; tell whether it is complete. */
static int receive(struct client *client)
{
    char reply[REPLY_SIZE];
    ssize_t size = recv(client->socket, reply, REPLY_SIZE - client->received, 0);
    if (size <= 0) {
        if (size == 0) {
            errno = ECONNRESET;
        }
        fail("reply");
    }
    client->received += size;
    return client->received == REPLY_SIZE;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static struct client *connect_clients(const char *path, struct disk *disks, int count, int *total)
{
    struct rlimit limit;
    struct client *clients, *client;
    *total = 0;
    for (int i = 0; i < count; i++) {
        *total += disks[i].clients;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    client = clients = calloc(*total, sizeof *clients);
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < disks[i].clients; j++, client++) {
            client->disk = &disks[i];
            client->socket = connect_to(path);
            if (client->socket < 0) {
                fail(path);
            }
        }
    }
    return clients;
}

/* One client's life: commands, one after the other, until the time is up. */
static void send_commands(struct client *client, uint64_t end, struct result *result)
{
    uint64_t time;
    do {
        send_command(client);
        while (!receive(client)) {
        }
        time = now();
        result->latencies[result->commands++] = time - client->sent_at;
    } while (time < end && result->commands < MOST_LATENCIES);
    result->last = time;
}

static void run(const char *path, double seconds, struct disk *disks, int count)
{
    int total;
    struct client *clients = connect_clients(path, disks, count, &total);
    struct result *results = mmap(NULL, total * sizeof *results, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t begin = now() + 1000000 + total * 300000;
    if (results == MAP_FAILED) {
        fail("mmap");
    }
    for (int i = 0; i < total; i++) {
        if (fork() == 0) {
            struct timespec start = {begin / 1000000000, begin % 1000000000};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &start, NULL);
            send_commands(&clients[i], begin + (uint64_t)(seconds * 1e9), &results[i]);
            exit(0);
        }
    }
    for (int i = 0, status; i < total; i++) {
        wait(&status);
        if (status) {
            exit(1);
        }
    }
    for (int i = 0; i < count; i++) {
        size_t all = 0;
        uint64_t last = begin;
        uint32_t *latencies;
        for (int j = 0; j < total; j++) {
            if (clients[j].disk == &disks[i]) {
                all += results[j].commands;
                last = results[j].last > last ? results[j].last : last;
            }
        }
        latencies = malloc(all * sizeof *latencies);
        all = 0;
        for (int j = 0; j < total; j++) {
            if (clients[j].disk == &disks[i]) {
                memcpy(latencies + all, results[j].latencies,
                       results[j].commands * sizeof *latencies);
                all += results[j].commands;
            }
        }
        qsort(latencies, all, sizeof *latencies, by_size);
        printf("%.6f %zu %u %u\n", (last - begin) / 1e9, all, latencies[all / 2],
               latencies[all * 99 / 100]);
    }
}

/* Tell that all is as it should be, and keep it so. */
static void last(void)
{
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {
    }
}

static void hold(const char *path, struct disk *disk)
{
    int total;
    struct client *clients = connect_clients(path, disk, 1, &total);
    for (int i = 0; i < total; i++) {
        send_command(&clients[i]);
        while (!receive(&clients[i])) {
        }
    }
    last();
}

static void busy(void)
{
    pid_t parent = getpid();
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof all, &all) < 0) {
        fail("sched_getaffinity");
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all) && fork() == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof one, &one);
            while (getppid() == parent) { /* so it ends however the parent ends */
                for (volatile int i = 0; i < 1000000; i++) {
                }
            }
            exit(0);
        }
    }
    last();
}

static void start(const char *path, struct disk *disk, char **command)
{
    uint64_t begin = now();
    pid_t child = fork();
    struct client client = {.disk = disk};
    if (child == 0) {
        execvp(command[0], command);
        fail(command[0]);
    }
    while ((client.socket = connect_to(path)) < 0) {
        struct timespec pause = {.tv_nsec = 250000};
        nanosleep(&pause, NULL);
        if (waitpid(child, NULL, WNOHANG) != 0) {
            errno = ECHILD;
            fail(command[0]);
        }
    }
    send_command(&client);
    while (!receive(&client)) {
    }
    printf("%llu\n", (unsigned long long)(now() - begin));
    kill(child, SIGTERM);
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc >= 6 && !strcmp(argv[1], "run")) {
        int count = (argc - 4) / 2;
        struct disk *disks = calloc(count, sizeof *disks);
        for (int i = 0; i < count; i++) {
            disks[i].clients = atoi(argv[4 + 2 * i]);
            disks[i].fd = open_disk(argv[5 + 2 * i]);
        }
        run(argv[2], atof(argv[3]), disks, count);
    } else if (argc == 5 && !strcmp(argv[1], "hold")) {
        struct disk disk = {.clients = atoi(argv[3]), .fd = open_disk(argv[4])};
        hold(argv[2], &disk);
    } else if (argc == 2 && !strcmp(argv[1], "busy")) {
        busy();
    } else if (argc >= 5 && !strcmp(argv[1], "start")) {
        struct disk disk = {.fd = open_disk(argv[3])};
        start(argv[2], &disk, argv + 4);
    } else {
        fputs("load: see the top of load.c\n", stderr);
        return 1;
    }
    return 0;
}
