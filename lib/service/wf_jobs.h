/* L5: background jobs, one thread for all of them. Any number of servers may run it: each job runs in one
 * place at a time, and as often as its interval says, however many there are (wf_jobs_store.h). */
#ifndef WF_JOBS_H
#define WF_JOBS_H

#include "service/wf_service.h"

typedef struct wf_jobs_t wf_jobs_t;

/* `pool` and `service` must outlive it. */
wf_jobs_t *wf_jobs_make(wf_ctx_t *ctx, apr_pool_t *pool, const wf_service_t *service);
/* Tries every job once, those that are due and in nobody else's hands are run, each for a bounded time. What
 * fails is logged and tried again next time. By one thread at a time. */
void wf_jobs_turn(wf_ctx_t *ctx, wf_jobs_t *jobs);

/* Makes it, and a thread that takes a turn every second. */
wf_status_t wf_jobs_start(wf_ctx_t *ctx, wf_jobs_t **out, apr_pool_t *pool,
                          const wf_service_t *service) WF_MUST_CHECK;
/* 0: its thread has ended by itself. */
int wf_jobs_is_alive(const wf_jobs_t *jobs);
/* It ends after the batch that is running (bounded by the timeouts of PostgreSQL and Redis). Returns at once. */
void wf_jobs_quit(wf_jobs_t *jobs);
/* After wf_jobs_quit: waits for the end of the thread. */
void wf_jobs_join(wf_jobs_t *jobs);

#endif
