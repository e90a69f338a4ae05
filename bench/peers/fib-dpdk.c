/*
 * fib-dpdk.c - the peer of the `fib` benchmarks: longest match with rte_lpm and rte_lpm6 (DPDK), one look-up after the other.
 *
 *     fib-dpdk 4|6 ROUTES KEYS...
 *
 * ROUTES is 32-bit words: prefix (1 or 4 of them), length, next hop, for each route; KEYS are addresses. Stays, and answers each line with a number:
 *
 *     N   millions of look-ups a second of the N-th file of keys
 *     h N sum over the answers, to be compared
 *     u N microseconds for one of 2 N updates: the N last routes are taken out, and put in again
 *
 * Times are CPU times of the process. rte_lpm_add looks through all rules of a length, so that a million of them takes more than a minute: for look-ups a
 * large IPv4 table is filled through the structure that rte_lpm.h publishes, shortest prefixes first, and only `u` adds the rules.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <rte_eal.h>
#include <rte_lpm.h>
#include <rte_lpm6.h>

enum { FILES_MAX = 8, DIRECT_MIN = 10000, TBL8S_4 = 16384, TBL8S_6 = 262144 };

struct words {
	uint32_t *w;
	size_t n;
};

static int family;
static struct words routes;
static size_t nroutes;
static struct words keys[FILES_MAX];
static struct rte_lpm *lpm;
static struct rte_lpm6 *lpm6;
static uint32_t *out;

static void die(const char *what)
{
	fprintf(stderr, "fib-dpdk: %s\n", what);
	exit(1);
}

static struct words load(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct words words;
	long bytes;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (bytes = ftell(f)) <= 0)
		die(path);
	rewind(f);
	words.w = malloc(bytes);
	words.n = bytes / 4;
	if (words.w == NULL || fread(words.w, 4, words.n, f) != words.n)
		die(path);
	fclose(f);
	return words;
}

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void bytes_of(const uint32_t *words, uint8_t *addr)
{
	for (int i = 0; i < 16; i++)
		addr[i] = words[i / 4] >> (24 - 8 * (i % 4));
}

static struct rte_lpm *make4(const char *name)
{
	struct rte_lpm_config config = { .max_rules = (uint32_t)nroutes + 16, .number_tbl8s = TBL8S_4 };
	struct rte_lpm *made = rte_lpm_create(name, SOCKET_ID_ANY, &config);

	if (made == NULL)
		die("no memory for rte_lpm");
	return made;
}

/* rte_lpm has no route of length 0: a caller with a default route takes a miss for it, and so do we. */
static int add4(struct rte_lpm *to, const uint32_t *r)
{
	return r[1] == 0 ? 0 : rte_lpm_add(to, r[0], r[1], r[2]);
}

static void fill4(void)
{
	uint32_t groups = 0;

	for (uint32_t plen = 1; plen <= 32; plen++)
		for (size_t i = 0; i < nroutes; i++) {
			const uint32_t *r = routes.w + 3 * i;
			struct rte_lpm_tbl_entry leaf = { .next_hop = r[2], .valid = 1, .valid_group = 0, .depth = plen };
			struct rte_lpm_tbl_entry *slot = &lpm->tbl24[r[0] >> 8];

			if (r[1] != plen)
				continue;
			if (plen <= 24) {
				for (uint32_t k = 0; k < 1u << (24 - plen); k++)
					slot[k] = leaf;
				continue;
			}
			if (!slot->valid_group) {
				struct rte_lpm_tbl_entry inner = { .next_hop = groups, .valid = 1, .valid_group = 1 };

				if (groups == TBL8S_4)
					die("too few groups");
				for (int k = 0; k < 256; k++) {
					lpm->tbl8[groups * 256 + k] = *slot;
					lpm->tbl8[groups * 256 + k].valid_group = 1;
				}
				groups++;
				*slot = inner;
			}
			for (uint32_t k = 0; k < 1u << (32 - plen); k++) {
				leaf.valid_group = 1;
				lpm->tbl8[slot->next_hop * 256 + (r[0] & 255) + k] = leaf;
			}
		}
}

static void build(void)
{
	if (family == 4) {
		lpm = make4("look-ups");
		if (nroutes >= DIRECT_MIN)
			fill4();
		else
			for (size_t i = 0; i < nroutes; i++)
				if (add4(lpm, routes.w + 3 * i) != 0)
					die("rte_lpm_add");
		return;
	}
	struct rte_lpm6_config config = { .max_rules = (uint32_t)nroutes + 16, .number_tbl8s = TBL8S_6 };
	lpm6 = rte_lpm6_create("look-ups", SOCKET_ID_ANY, &config);
	if (lpm6 == NULL)
		die("no memory for rte_lpm6");
	for (size_t i = 0; i < nroutes; i++) {
		const uint32_t *r = routes.w + 6 * i;
		uint8_t addr[16];

		bytes_of(r, addr);
		if (r[4] != 0 && rte_lpm6_add(lpm6, addr, r[4], r[5]) != 0)
			die("rte_lpm6_add");
	}
}

static size_t once(const struct words *k)
{
	if (family == 4) {
		for (size_t i = 0; i < k->n; i++) {
			uint32_t hop;

			out[i] = rte_lpm_lookup(lpm, k->w[i], &hop) == 0 ? hop : 1;
		}
		return k->n;
	}
	for (size_t i = 0; i < k->n / 4; i++) {
		uint32_t hop;

		out[i] = rte_lpm6_lookup(lpm6, (const uint8_t *)(k->w + 4 * i), &hop) == 0 ? hop : 1;
	}
	return k->n / 4;
}

/* The file of keys that a line asks for. */
static const struct words *keys_of(const char *number)
{
	unsigned long n = strtoul(number, NULL, 10);

	if (n >= FILES_MAX || keys[n].w == NULL)
		die("no such file of keys");
	return &keys[n];
}

static double rate(const struct words *k)
{
	size_t done = 0;
	double t0 = cpu_us(), us;

	do {
		done += once(k);
		us = cpu_us() - t0;
	} while (us < 50000);
	return done / us;
}

static double sum(const struct words *k)
{
	size_t n = once(k);
	double s = 0;

	for (size_t i = 0; i < n; i++)
		s += (double)out[i] * (1 + i % 1000);
	return s;
}

static double updates(size_t n)
{
	static struct rte_lpm *full;

	if (n == 0 || n >= nroutes)
		die("not so many routes");
	if (full == NULL) {
		full = make4("updates");
		for (size_t i = 0; i < nroutes; i++)
			if (add4(full, routes.w + 3 * i) != 0)
				die("rte_lpm_add");
	}
	double t0 = cpu_us();
	for (size_t i = nroutes - n; i < nroutes; i++)
		if (rte_lpm_delete(full, routes.w[3 * i], routes.w[3 * i + 1]) != 0)
			die("rte_lpm_delete");
	for (size_t i = nroutes - n; i < nroutes; i++)
		if (add4(full, routes.w + 3 * i) != 0)
			die("rte_lpm_add");
	return (cpu_us() - t0) / (2.0 * n);
}

int main(int argc, char **argv)
{
	static char *eal[] = { "fib-dpdk", "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "-m", "1024", "-l", "0", "--log-level=1", NULL };
	char line[64];

	if (argc < 4 || argc - 3 > FILES_MAX)
		die("usage: fib-dpdk 4|6 ROUTES KEYS...");
	if (rte_eal_init(10, eal) < 0)
		die("rte_eal_init");
	family = atoi(argv[1]);
	routes = load(argv[2]);
	nroutes = routes.n / (family == 4 ? 3 : 6);
	for (int i = 3; i < argc; i++) {
		keys[i - 3] = load(argv[i]);
		/* Addresses of IPv6 are bytes here, and words in the files. */
		if (family == 6)
			for (size_t k = 0; k < keys[i - 3].n; k++)
				keys[i - 3].w[k] = __builtin_bswap32(keys[i - 3].w[k]);
	}
	out = calloc(keys[0].n, 4);
	if (out == NULL)
		die("no memory");
	build();
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (line[0] == 'u')
			printf("%.9g\n", updates(strtoul(line + 1, NULL, 10)));
		else if (line[0] == 'h')
			printf("%.17g\n", sum(keys_of(line + 1)));
		else
			printf("%.9g\n", rate(keys_of(line)));
		fflush(stdout);
	}
	return 0;
}
