#include "runtime/wf_runtime.h"

#include <string.h>

/* Its own error slot, no log (a probe that comes every second must not fill the log while a server
 * is down: the report says it), and no more time than the caller gives. */
static wf_ctx_t *probe_ctx(wf_ctx_t *ctx, apr_interval_time_t timeout)
{
    wf_ctx_t *probe = wf_ctx_derive(ctx, ctx->pool);

    probe->log.fn = NULL;
    probe->deadline = wf_now(ctx) + wf_time_left(ctx, timeout);
    return probe;
}

static const char *reason_of(const wf_ctx_t *probe)
{
    return probe->err.detail ? probe->err.detail : "no answer";
}

static void check_postgres(wf_ctx_t *ctx, wf_health_t *out, const wf_runtime_t *runtime,
                           apr_interval_time_t timeout)
{
    wf_ctx_t *probe = probe_ctx(ctx, timeout);
    wf_status_t st = wf_schema_version(probe, &out->schema_version, &runtime->store);

    /* A database without our schema answers, and its version is 0. */
    out->postgres_ok = st != WF_EUNAVAIL && st != WF_EDENIED;
    if (st != WF_OK) {
        out->postgres_error = reason_of(probe);
    }
}

static void check_redis(wf_ctx_t *ctx, wf_health_t *out, const wf_runtime_t *runtime,
                        apr_interval_time_t timeout)
{
    wf_ctx_t *probe = probe_ctx(ctx, timeout);
    wf_redis_batch_t *batch = wf_redis_batch(probe, runtime->store.redis);
    int index = wf_redis_addv(batch, "PING", NULL);
    const wf_redis_reply_t *reply;

    if (wf_redis_run(probe, batch) != WF_OK) {
        out->redis_error = reason_of(probe);
        return;
    }
    reply = wf_redis_reply(batch, index);
    out->redis_ok = reply->type == WF_REDIS_TEXT && !reply->is_error;
    if (!out->redis_ok) {
        out->redis_error = reply->text ? reply->text : "PING was refused";
    }
}

void wf_health_check(wf_ctx_t *ctx, wf_health_t *out, const wf_runtime_t *runtime,
                     apr_interval_time_t timeout)
{
    memset(out, 0, sizeof(*out));
    out->schema_needed = WF_SCHEMA_VERSION_NEEDED;
    out->redis_configured = runtime->store.redis != NULL;
    check_postgres(ctx, out, runtime, timeout);
    if (out->redis_configured) {
        check_redis(ctx, out, runtime, timeout);
    }
}
