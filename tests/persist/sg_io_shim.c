/* Carries SG_IO to a qemu-pr-helper socket, so that the real sg_persist needs no SCSI disk.
 *
 * Preloaded into sg_persist, this takes every ioctl(fd, SG_IO, ...) and sends the command, with the
 * descriptor, to the socket that $QEMU_PR_SHIM_SOCKET names. It speaks the wire protocol without
 * any of the package's code, so it also checks that code. A failure of the connection fails the
 * ioctl with EIO.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	OPCODE_OUT = 0x5f,
	CDB_SIZE = 16,
	SENSE_SIZE = 96,
	STATUS_CHECK_CONDITION = 0x02,
	DRIVER_STATUS_SENSE = 0x08,
};

struct reply {
	int32_t status;
	int32_t size;
	uint8_t sense[SENSE_SIZE];
};

static int read_all(int sock, void *into, size_t size)
{
	ssize_t got = size ? recv(sock, into, size, MSG_WAITALL) : 0;

	return got == (ssize_t)size ? 0 : -1;
}

static int write_all(int sock, const void *from, size_t size)
{
	ssize_t put = size ? send(sock, from, size, MSG_NOSIGNAL) : 0;

	return put == (ssize_t)size ? 0 : -1;
}

static int connect_to_helper(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint32_t features;
	int sock;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -1;
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    read_all(sock, &features, sizeof(features)) == 0) {
		features = 0;
		if (write_all(sock, &features, sizeof(features)) == 0)
			return sock;
	}
	close(sock);
	return -1;
}

static int send_cdb(int sock, const struct sg_io_hdr *io, int fd)
{
	uint8_t cdb[CDB_SIZE] = { 0 };
	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec data = { cdb, sizeof(cdb) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	memcpy(cdb, io->cmdp, io->cmd_len < CDB_SIZE ? io->cmd_len : CDB_SIZE);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(sock, &message, MSG_NOSIGNAL) == (ssize_t)sizeof(cdb) ? 0 : -1;
}

static int read_reply(int sock, struct sg_io_hdr *io)
{
	struct reply reply;
	uint32_t size;

	if (read_all(sock, &reply, sizeof(reply)) != 0)
		return -1;
	size = ntohl((uint32_t)reply.size);
	if (size > io->dxfer_len || read_all(sock, io->dxferp, size) != 0)
		return -1;
	io->status = (unsigned char)ntohl((uint32_t)reply.status);
	io->masked_status = (io->status >> 1) & 0x1f;
	io->msg_status = 0;
	io->host_status = 0;
	io->driver_status = 0;
	io->sb_len_wr = 0;
	io->duration = 0;
	io->info = SG_INFO_OK;
	io->resid = io->cmdp[0] == OPCODE_OUT ? 0 : (int)(io->dxfer_len - size);
	if (io->status == STATUS_CHECK_CONDITION) {
		io->driver_status = DRIVER_STATUS_SENSE;
		io->info = SG_INFO_CHECK;
		io->sb_len_wr = io->mx_sb_len < SENSE_SIZE ? io->mx_sb_len : SENSE_SIZE;
		memcpy(io->sbp, reply.sense, io->sb_len_wr);
	}
	return 0;
}

static int execute(const char *path, int fd, struct sg_io_hdr *io)
{
	int sock = connect_to_helper(path);
	int failed;

	if (sock < 0) {
		errno = EIO;
		return -1;
	}
	failed = send_cdb(sock, io, fd) != 0 ||
		 (io->cmdp[0] == OPCODE_OUT && write_all(sock, io->dxferp, io->dxfer_len) != 0) ||
		 read_reply(sock, io) != 0;
	close(sock);
	if (failed)
		errno = EIO;
	return failed ? -1 : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	const char *path = getenv("QEMU_PR_SHIM_SOCKET");
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == SG_IO && path)
		return execute(path, fd, argument);
	return (int)syscall(SYS_ioctl, fd, request, argument);
}
