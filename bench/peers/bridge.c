/* bridge.c - the work of epair-bridge-epair in plain C: copy a 64-byte frame in, learn, look up, hand on. Prints Mpps. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS 1024
#define TABLE 4096

struct slot { uint8_t data[2048]; uint32_t len; struct slot *next; };
struct entry { uint64_t mac; uint32_t port; uint32_t expire; };

static struct slot slots[SLOTS];
static struct entry table[TABLE];

static uint64_t mac_at(const uint8_t *p)
{
	return (uint64_t)p[0] << 40 | (uint64_t)p[1] << 32 | (uint64_t)p[2] << 24 | (uint64_t)p[3] << 16 | (uint64_t)p[4] << 8 | p[5];
}

static struct entry *find(uint64_t mac)
{
	uint32_t h = (uint32_t)(mac ^ mac >> 17) * 0x9e3779b1u >> 20;
	while (table[h].mac != 0 && table[h].mac != mac)
		h = (h + 1) & (TABLE - 1);
	return &table[h];
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? atol(argv[1]) : 2000000, out = 0;
	uint8_t frames[64][64];
	struct slot *ring[SLOTS];
	struct timespec a, b;
	for (int i = 0; i < 64; i++) {
		memset(frames[i], i, 64);
		frames[i][0] = 2, frames[i][5] = 0x80 | i, frames[i][6] = 2, frames[i][11] = i;
		struct entry *e = find(mac_at(frames[i]));
		e->mac = mac_at(frames[i]), e->port = 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (long done = 0; done < count; done += 64) {
		for (int i = 0; i < 64; i++) {
			struct slot *s = &slots[(done + i) & (SLOTS - 1)];
			memcpy(s->data + 128, frames[i], 64);
			s->len = 64;
			ring[i] = s;
		}
		for (int i = 0; i < 64; i++) {
			struct entry *src = find(mac_at(ring[i]->data + 134));
			src->mac = mac_at(ring[i]->data + 134), src->port = 0, src->expire = (uint32_t)done;
			struct entry *dst = find(mac_at(ring[i]->data + 128));
			if (dst->mac != 0 && dst->port == 1)
				out += ring[i]->len;
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	double s = (b.tv_sec - a.tv_sec) + (b.tv_nsec - a.tv_nsec) / 1e9;
	printf("%f\n", out == 0 ? 0 : count / s / 1e6);
	return 0;
}
