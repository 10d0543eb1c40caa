/* L5: delivers callbacks (DESIGN.md section 8): one thread that claims outbox rows, sends many at once and
 * writes what became of them. Any number of them on any number of servers share the work. */
#ifndef WF_DELIVER_H
#define WF_DELIVER_H

#include "service/wf_service.h"

typedef struct wf_deliver_t wf_deliver_t;

typedef struct {
    const char *owner;          /* of leases, for people to read: "host:pid:1" */
    apr_interval_time_t lease;  /* beyond the account's timeout; 0: 15 s. Then what a killed worker had is sent again */
    int in_flight_max;          /* 0: 512 */
} wf_deliver_conf_t;

/* `pool` and `service` must outlive it. Thread-safe, as the next three. */
wf_status_t wf_deliver_start(wf_ctx_t *ctx, wf_deliver_t **out, apr_pool_t *pool,
                             const wf_service_t *service,
                             const wf_deliver_conf_t *conf) WF_MUST_CHECK;
/* 0: its thread has ended by itself. */
int wf_deliver_is_alive(const wf_deliver_t *deliver);
/* From now on it claims no more, finishes for up to `bound` what is on its way and gives the rest back. Returns
 * at once, so that several can end at the same time. */
void wf_deliver_quit(wf_deliver_t *deliver, apr_interval_time_t bound);
/* After wf_deliver_quit: waits for the end of the thread. */
void wf_deliver_join(wf_deliver_t *deliver);

#endif
