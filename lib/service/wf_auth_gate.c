#include "service/wf_auth_int.h"

#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <unistd.h>

/* A check takes about 25 ms of a core and 19 MiB. Half of the cores may be busy with them; the others, and the
 * threads that would wait, are the flow endpoint's. */
#define WAITING_PER_PLACE 8
#define WAIT_MAX apr_time_from_msec(500)

struct wf_auth_gate_t {
    apr_thread_mutex_t *lock;
    apr_thread_cond_t *freed;
    int free, waiting, waiting_max;
};

wf_status_t wf_auth_gate_make(wf_ctx_t *ctx, wf_auth_gate_t **out, apr_pool_t *pool)
{
    wf_auth_gate_t *gate = apr_pcalloc(pool, sizeof(*gate));
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    *out = NULL;
    gate->free = cores > 3 ? (int)(cores / 2) : 1;
    gate->waiting_max = gate->free * WAITING_PER_PLACE;
    if (apr_thread_mutex_create(&gate->lock, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS ||
        apr_thread_cond_create(&gate->freed, pool) != APR_SUCCESS) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0613) "no mutex for the checks of secrets");
    }
    *out = gate;
    return WF_OK;
}

static wf_status_t busy(wf_ctx_t *ctx)
{
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0614) "too many secrets are being checked at once");
}

wf_status_t wf_auth_gate_enter(wf_ctx_t *ctx, wf_auth_gate_t *gate)
{
    apr_time_t until = wf_monotonic() + wf_time_left(ctx, WAIT_MAX);
    wf_status_t st = WF_OK;

    apr_thread_mutex_lock(gate->lock);
    if (gate->free == 0 && gate->waiting >= gate->waiting_max) {
        st = busy(ctx);
    } else {
        gate->waiting++;
        while (gate->free == 0) {
            apr_interval_time_t left = until - wf_monotonic();

            if (left <= 0) {
                st = busy(ctx);
                break;
            }
            (void)apr_thread_cond_timedwait(gate->freed, gate->lock,
                                            left < WAIT_MAX ? left : WAIT_MAX);
        }
        gate->waiting--;
        gate->free -= st == WF_OK;
    }
    apr_thread_mutex_unlock(gate->lock);
    return st;
}

void wf_auth_gate_leave(wf_auth_gate_t *gate)
{
    apr_thread_mutex_lock(gate->lock);
    gate->free++;
    apr_thread_cond_signal(gate->freed);
    apr_thread_mutex_unlock(gate->lock);
}

wf_status_t wf_auth_hash(wf_ctx_t *ctx, const char **hash, wf_auth_gate_t *gate,
                         const char *password)
{
    wf_status_t st = wf_auth_gate_enter(ctx, gate);

    *hash = NULL;
    if (st == WF_OK) {
        st = wf_password_hash(ctx, hash, password);
        wf_auth_gate_leave(gate);
    }
    return st;
}

wf_status_t wf_auth_verify(wf_ctx_t *ctx, wf_auth_gate_t *gate, const char *hash,
                           const char *password)
{
    wf_status_t st = wf_auth_gate_enter(ctx, gate);

    if (st == WF_OK) {
        st = wf_password_verify(ctx, hash, password);
        wf_auth_gate_leave(gate);
    }
    return st;
}
