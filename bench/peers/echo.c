/* echo.c - round trips through Linux's loopback: `echo udp N`, `echo udp6 N`, `echo icmp N` or `echo icmp6 N` (root). Prints Mpps. */
#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static uint16_t cksum(const uint16_t *p, int n)
{
	uint32_t s = 0;
	for (; n > 1; n -= 2)
		s += *p++;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* The socket sees answers only, as that of IPv4 would if it could. */
static int raw6(void)
{
	struct icmp6_filter want;
	int fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	ICMP6_FILTER_SETBLOCKALL(&want);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &want);
	if (fd >= 0 && setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &want, sizeof want) != 0)
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int icmp = strncmp(what, "icmp", 4) == 0, six = strchr(what, '6') != NULL;
	long count = argc > 2 ? atol(argv[2]) : 200000;
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_storage from;
	struct sockaddr *to = six ? (struct sockaddr *)&to6 : (struct sockaddr *)&four;
	socklen_t tolen = six ? sizeof to6 : sizeof four, len;
	uint8_t out[64] = { six ? ICMP6_ECHO_REQUEST : 8 }, in[256];
	int domain = six ? AF_INET6 : AF_INET;
	int a = !icmp ? socket(domain, SOCK_DGRAM, 0) : six ? raw6() : socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), b = -1;
	if (a < 0)
		return 1;
	if (icmp) {
		out[4] = 0x12;
		uint16_t c = cksum((uint16_t *)out, 64); /* the kernel makes ICMPv6's */
		memcpy(out + 2, &c, 2);
	} else {
		b = socket(domain, SOCK_DGRAM, 0);
		len = tolen;
		if (bind(b, to, tolen) != 0 || getsockname(b, to, &len) != 0)
			return 1;
	}
	struct timespec t0, t1;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (long i = 0; i < count; i++) {
		if (sendto(a, out, 64, 0, to, tolen) != 64)
			return 1;
		if (!icmp) {
			len = sizeof from;
			if (recvfrom(b, in, sizeof in, 0, (struct sockaddr *)&from, &len) != 64 || sendto(b, in, 64, 0, (struct sockaddr *)&from, len) != 64)
				return 1;
			if (recv(a, in, sizeof in, 0) != 64)
				return 1;
			continue;
		}
		if (six) {
			if (recv(a, in, sizeof in, 0) != 64)
				return 1;
			continue;
		}
		do
			if (recv(a, in, sizeof in, 0) < 28)
				return 1;
		while (in[20] != 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	printf("%f\n", count / ((t1.tv_sec - t0.tv_sec) * 1e6 + (t1.tv_nsec - t0.tv_nsec) / 1e3));
	return 0;
}
