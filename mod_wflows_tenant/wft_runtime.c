#include "wft.h"

#include <apr_allocator.h>
#include <apr_thread_mutex.h>
#include <stdatomic.h>

#include <http_core.h>

APLOG_USE_MODULE(wflows_tenant);

/* After a runtime could not be made, the next try is this much later. */
#define RETRY_INTERVAL apr_time_from_sec(5)

/* Of this child process. */
static struct {
    const wft_global_t *global; /* NULL: wflows is loaded and not used */
    server_rec *server;
    apr_pool_t *pool; /* of the runtime */
    apr_thread_mutex_t *lock;
    apr_time_t tried;
    wf_runtime_t *_Atomic runtime;
} child;

/* ---- what other modules get
 * ------------------------------------------------------------------------------ */

static wf_conf_t *wflows_conf_get(unsigned abi, server_rec *s)
{
    return abi == WFM_ABI ? &wft_global(s)->conf : NULL;
}

static wf_runtime_t *wflows_runtime_get(unsigned abi)
{
    return abi == WFM_ABI ? wft_runtime() : NULL;
}

static const wfm_request_t *wflows_request_get(request_rec *r)
{
    return wft_request(r);
}

static const wfm_identity_t *wflows_identity_get(request_rec *r)
{
    return wft_identity(r);
}

void wft_runtime_register(void)
{
    APR_REGISTER_OPTIONAL_FN(wflows_conf_get);
    APR_REGISTER_OPTIONAL_FN(wflows_runtime_get);
    APR_REGISTER_OPTIONAL_FN(wflows_request_get);
    APR_REGISTER_OPTIONAL_FN(wflows_identity_get);
}

/* ---- start-up
 * ---------------------------------------------------------------------------------------------- */

int wft_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    wft_global_t *global = wft_global(s);

    /* The first pass only tries the configuration; programs that give secrets run once. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG || !wft_used_at(s)) {
        return OK;
    }
    /* Still root: the files may be 0400 root, and the children inherit what was in them. */
    if (wft_secrets_load(pconf, global, 0) != OK) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return wft_metrics_open(s);
}

/* ---- the child
 * --------------------------------------------------------------------------------------------------
 */

/* One try at making the runtime; the caller holds the lock. */
static void try_make(void)
{
    wf_runtime_opts_t opts = {0};
    wf_runtime_t *runtime = NULL;
    wf_ctx_t *ctx;

    apr_pool_clear(child.pool);
    child.tried = apr_time_now();
    ctx = wfm_ctx_server(child.pool, child.server);
    opts.ring = child.global->ring;
    opts.metrics = wft_metrics();
    opts.start_writer = 1;
    opts.check_role = 1;
    if (wf_runtime_make(ctx, &runtime, child.pool, &child.global->conf, &opts) != WF_OK) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, child.server,
                     WFLOGNO(1020) "the runtime of this child could not be made: %s",
                     ctx->err.detail ? ctx->err.detail : "no reason given");
        apr_pool_clear(child.pool);
        return;
    }
    child.runtime = runtime;
}

wf_runtime_t *wft_runtime(void)
{
    if (!child.runtime && child.global) {
        apr_thread_mutex_lock(child.lock);
        if (!child.runtime && apr_time_now() - child.tried >= RETRY_INTERVAL) {
            try_make();
        }
        apr_thread_mutex_unlock(child.lock);
    }
    return child.runtime;
}

wf_runtime_t *wft_runtime_now(void)
{
    return child.runtime;
}

const wft_global_t *wft_global_now(void)
{
    return child.global;
}

/* A pool that any thread may make children of, whatever the MPM does with pchild's allocator. */
static apr_status_t make_pool(apr_pool_t *pchild)
{
    apr_allocator_t *allocator;
    apr_thread_mutex_t *mutex;
    apr_status_t rv;

    if ((rv = apr_allocator_create(&allocator)) != APR_SUCCESS) {
        return rv;
    }
    if ((rv = apr_pool_create_ex(&child.pool, pchild, NULL, allocator)) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return rv;
    }
    apr_allocator_owner_set(allocator, child.pool);
    /* The mutex outlives every use of the allocator: it is in the parent. */
    if ((rv = apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, pchild)) != APR_SUCCESS) {
        return rv;
    }
    apr_allocator_mutex_set(allocator, mutex);
    apr_pool_tag(child.pool, "wflows_runtime");
    return apr_thread_mutex_create(&child.lock, APR_THREAD_MUTEX_DEFAULT, pchild);
}

static apr_status_t forget_runtime(void *unused)
{
    child.runtime = NULL;
    child.global = NULL;
    return APR_SUCCESS;
}

void wft_child_init(apr_pool_t *pchild, server_rec *s)
{
    apr_status_t rv;

    if (!wft_used_at(s)) {
        return;
    }
    rv = make_pool(pchild);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                     WFLOGNO(1021) "no memory pool for this child; its requests get 503");
        return;
    }
    child.server = s;
    child.global = wft_global(s);
    wft_child_slot_take(pchild, wft_metrics_children());
    apr_pool_pre_cleanup_register(pchild, NULL, forget_runtime);
    if (wft_runtime()) {
        wft_child_slot_update(child.runtime);
    }
}
