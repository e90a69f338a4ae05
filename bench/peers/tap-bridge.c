/* tap-bridge.c - two TAPs and nothing between them: tap-bridge NAME NAME VNET_HDR THREADS. Poll, read, write, up to 64 frames of a direction at a time, by one thread
 * or one for each direction. Says "ready" when both are open, and ends with its standard input. */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BURST 64
#define FRAME_MAX 65600

static int fds[2];
static char slots[2][FRAME_MAX];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_tap(const char *name, int vnet_hdr)
{
	int size = 10, fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | (vnet_hdr ? IFF_VNET_HDR : 0) };
	snprintf(ifr.ifr_name, IFNAMSIZ, "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || (vnet_hdr && ioctl(fd, TUNSETVNETHDRSZ, &size) < 0) || ioctl(fd, TUNSETOFFLOAD, vnet_hdr ? 0x67 : 0) < 0)
		die(name);
	return fd;
}

static void burst(int from)
{
	for (int i = 0; i < BURST; i++) {
		ssize_t n = read(fds[from], slots[from], FRAME_MAX);
		if (n <= 0 || write(fds[!from], slots[from], n) < 0)
			break;
	}
}

static void *direction(void *from)
{
	struct pollfd pfd = { .fd = fds[(long)from], .events = POLLIN };
	for (;;) {
		if (poll(&pfd, 1, -1) < 0)
			die("poll");
		burst((int)(long)from);
	}
	return from;
}

static void *both(void *unused)
{
	struct pollfd pfds[2] = { { .fd = fds[0], .events = POLLIN }, { .fd = fds[1], .events = POLLIN } };
	for (;;) {
		if (poll(pfds, 2, -1) < 0)
			die("poll");
		for (int i = 0; i < 2; i++)
			if (pfds[i].revents)
				burst(i);
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char end;
	if (argc != 5 || (atoi(argv[4]) != 1 && atoi(argv[4]) != 2)) {
		fputs("usage: tap-bridge NAME NAME VNET_HDR 1|2\n", stderr);
		return 64;
	}
	for (int i = 0; i < 2; i++)
		fds[i] = open_tap(argv[1 + i], atoi(argv[3]));
	for (long i = 0; i < atoi(argv[4]); i++)
		if (pthread_create(&thread, NULL, atoi(argv[4]) == 1 ? both : direction, (void *)i) != 0)
			die("pthread_create");
	puts("ready");
	fflush(stdout);
	while (read(0, &end, 1) > 0)
		;
	return 0;
}
