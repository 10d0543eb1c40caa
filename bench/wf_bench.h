/* What the parts of wf-bench share. */
#ifndef WF_BENCH_H
#define WF_BENCH_H

#include <stddef.h>

/* Says what and ends the program. */
void die(const char *what) __attribute__((noreturn));
/* p, which is not NULL. */
void *must(void *p, const char *what);

/* wf_bench_load.c: see wf_bench.c for their words. */
int run_send(const char *port, const char *rate, const char *connections, const char *file);
int run_receive(const char *port, const char *log);

#endif
