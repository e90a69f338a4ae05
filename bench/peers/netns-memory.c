/*
 * netns-memory.c - what an idle Linux network namespace costs: kernel memory (slab, per-CPU, vmalloc) while many stand. Prints bytes each.
 * Argument: how many. It makes namespaces of its own and touches no other.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double kernel_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	double kb, sum = 0;
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Slab: %lf", &kb) == 1 || sscanf(line, "Percpu: %lf", &kb) == 1 || sscanf(line, "VmallocUsed: %lf", &kb) == 1)
			sum += kb;
	if (f != NULL)
		fclose(f);
	return sum * 1024;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 500;
	sleep(1); /* namespaces of an earlier run may still be going */
	double before = kernel_bytes();
	for (int i = 0; i < count; i++) {
		if (unshare(CLONE_NEWNET) != 0 || open("/proc/self/ns/net", O_RDONLY) < 0)
			return 1;
	}
	printf("%f\n", (kernel_bytes() - before) / count);
	return 0;
}
