/*
 * netns-stop.c - how long a Linux network namespace with interfaces and sockets takes to be gone. Prints milliseconds.
 *
 * A child makes a namespace with that many veth interfaces and bound UDP sockets, and one veth whose other end is outside. When the child is
 * killed nothing holds the namespace; it is gone when the end outside is. Arguments: interfaces, sockets. Needs ip(8).
 * It makes namespaces of its own and touches no other.
 */
#define _GNU_SOURCE
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int populate(int interfaces, int sockets)
{
	FILE *ip = popen("ip -batch -", "w");
	if (ip == NULL)
		return 1;
	for (int i = 0; i < interfaces / 2; i++)
		fprintf(ip, "link add a%d type veth peer name b%d\n", i, i);
	if (pclose(ip) != 0)
		return 1;
	for (int i = 0; i < sockets; i++) {
		struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(1024 + i)};
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int interfaces = argc > 1 ? atoi(argv[1]) : 100, sockets = argc > 2 ? atoi(argv[2]) : 1000;
	int ready[2], join[2];
	char word = 0, command[128];
	if (unshare(CLONE_NEWNET) != 0 || pipe(ready) != 0 || pipe(join) != 0)
		return 1;
	pid_t pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) != 0 || populate(interfaces, sockets) != 0)
			_exit(1);
		if (write(ready[1], &word, 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &word, 1) != 1)
		return 1;
	snprintf(command, sizeof(command), "ip link add outside type veth peer name inside netns %d", pid);
	if (system(command) != 0)
		return 1;
	struct timespec a, b, nap = {0, 50 * 1000};
	clock_gettime(CLOCK_MONOTONIC, &a);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (if_nametoindex("outside") != 0)
		nanosleep(&nap, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%f\n", (b.tv_sec - a.tv_sec) * 1e3 + (b.tv_nsec - a.tv_nsec) / 1e6);
	return 0;
}
