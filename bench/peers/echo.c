/* echo.c - round trips through Linux's loopback: `echo udp N` or `echo icmp N` (root). Prints Mpps. */
#include <arpa/inet.h>
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

int main(int argc, char **argv)
{
	int icmp = argc > 1 && strcmp(argv[1], "icmp") == 0;
	long count = argc > 2 ? atol(argv[2]) : 200000;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from;
	uint8_t out[64] = { 8 }, in[256];
	socklen_t len;
	int a = icmp ? socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) : socket(AF_INET, SOCK_DGRAM, 0), b = -1;
	if (a < 0)
		return 1;
	if (icmp) {
		out[4] = 0x12;
		uint16_t c = cksum((uint16_t *)out, 64);
		memcpy(out + 2, &c, 2);
	} else {
		b = socket(AF_INET, SOCK_DGRAM, 0);
		len = sizeof to;
		if (bind(b, (struct sockaddr *)&to, sizeof to) != 0 || getsockname(b, (struct sockaddr *)&to, &len) != 0)
			return 1;
	}
	struct timespec t0, t1;
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (long i = 0; i < count; i++) {
		if (sendto(a, out, 64, 0, (struct sockaddr *)&to, sizeof to) != 64)
			return 1;
		if (!icmp) {
			len = sizeof from;
			if (recvfrom(b, in, sizeof in, 0, (struct sockaddr *)&from, &len) != 64 || sendto(b, in, 64, 0, (struct sockaddr *)&from, len) != 64)
				return 1;
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
