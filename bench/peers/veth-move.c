/*
 * veth-move.c - moves one end of a veth pair between two network namespaces and back, through rtnetlink. Prints microseconds a move.
 * It makes namespaces of its own and touches no other.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct request {
	struct nlmsghdr n;
	struct ifinfomsg i;
	char attrs[512];
};

static void begin(struct request *r, int flags)
{
	memset(r, 0, sizeof(*r));
	r->n.nlmsg_len = NLMSG_LENGTH(sizeof(r->i));
	r->n.nlmsg_type = RTM_NEWLINK;
	r->n.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
}

static struct rtattr *put(struct request *r, int type, const void *data, int len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));
	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	if (len > 0 && data != NULL)
		memcpy(RTA_DATA(a), data, len);
	r->n.nlmsg_len = NLMSG_ALIGN(r->n.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(struct request *r, struct rtattr *nest)
{
	nest->rta_len = (char *)r + NLMSG_ALIGN(r->n.nlmsg_len) - (char *)nest;
}

static int talk(int fd, struct request *r)
{
	char answer[4096];
	if (send(fd, r, r->n.nlmsg_len, 0) < 0)
		return -1;
	ssize_t n = recv(fd, answer, sizeof(answer), 0);
	struct nlmsghdr *h = (struct nlmsghdr *)answer;
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) || h->nlmsg_type != NLMSG_ERROR)
		return -1;
	return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
}

static int namespace(int *ns)
{
	if (unshare(CLONE_NEWNET) != 0)
		return -1;
	*ns = open("/proc/self/ns/net", O_RDONLY);
	return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 100, ns[2], fd[2];
	for (int i = 0; i < 2; i++)
		if ((fd[i] = namespace(&ns[i])) < 0)
			return 1;
	struct request r;
	struct ifinfomsg peer = {0};
	begin(&r, NLM_F_CREATE | NLM_F_EXCL);
	put(&r, IFLA_IFNAME, "v0", 3);
	struct rtattr *info = put(&r, IFLA_LINKINFO, NULL, 0);
	put(&r, IFLA_INFO_KIND, "veth", 4);
	struct rtattr *data = put(&r, IFLA_INFO_DATA, NULL, 0);
	struct rtattr *nest = put(&r, VETH_INFO_PEER, &peer, sizeof(peer));
	put(&r, IFLA_IFNAME, "v1", 3);
	end(&r, nest);
	end(&r, data);
	end(&r, info);
	if (talk(fd[0], &r) != 0)
		return 1;
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < count; i++) {
		begin(&r, 0);
		put(&r, IFLA_IFNAME, "v1", 3);
		put(&r, IFLA_NET_NS_FD, &ns[(i + 1) & 1], sizeof(int));
		if (talk(fd[i & 1], &r) != 0)
			return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%f\n", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / 1e3 / count);
	return 0;
}
