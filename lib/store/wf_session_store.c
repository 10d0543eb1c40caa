#include "store/wf_store_int.h"
#include "store/wf_keys.h"

#include <arpa/inet.h>
#include <string.h>

#define OID_TEXT 25

/* A step may hold a reply of 10 MiB beside 256 KiB of answers; a group that is larger goes step by step. */
#define STEPS_MAX (32 * 1024 * 1024)
#define STEP_USUAL 2048

wf_status_t wf_session_load(wf_ctx_t *ctx, wf_session_t **out, const wf_store_t *store,
                            const char *company_id, const char *token_hash)
{
    const wf_pg_param_t params[] = {company_id, token_hash};
    wf_pg_result_t *res;
    const char *record;
    wf_status_t st;

    *out = NULL;
    /* The function sets the tenant itself: one round trip. */
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_SESSION_LOAD, params);
    if (st != WF_OK) {
        return st;
    }
    record = wf_pg_rows(res) == 1 ? wf_pg_cell(res, 0, 0) : NULL;
    return record ? wf_session_parse(ctx, out, record, wf_pg_cell_len(res, 0, 0)) : WF_ENOTFOUND;
}

wf_step_t *wf_step_make(wf_ctx_t *ctx, const wf_store_t *store, const wf_tenant_t *tenant,
                        const wf_session_t *s, const char *api_version, const wf_json_t *response)
{
    wf_step_t *step = apr_pcalloc(ctx->pool, sizeof(*step));
    int64_t left_s = apr_time_sec(s->expires_at - wf_now(ctx));
    wf_buf_t record;

    wf_buf_init(&record, ctx->pool, STEP_USUAL, STEPS_MAX);
    wf_session_write(&record, s);

    step->ctx = ctx;
    step->cached = record.data;
    step->cached_len = record.len;
    step->redis_key =
        WF_KEY_SESSION(ctx->pool, store->prefix, tenant->company.slug, s->token_hash);
    step->cache_ttl_s = left_s < 1 ? 1
                        : left_s > WF_TTL_SESSION_MAX_S ? WF_TTL_SESSION_MAX_S
                                                        : (int)left_s;
    step->params[0] = s->company_id;
    step->params[1] = s->id;
    step->params[2] = s->account_id;
    step->params[3] = s->flow_id;
    step->params[4] = s->flow_name;
    step->params[5] = apr_itoa(ctx->pool, s->flow_version);
    step->params[6] = s->token_hash;
    step->params[7] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, s->step);
    step->params[8] = s->status;
    step->params[9] = s->screen;
    step->params[10] = record.data;
    step->params[11] = api_version;
    step->params[12] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, (int64_t)s->expires_at);
    step->params[13] = response ? wf_json_text(ctx->pool, response, NULL) : NULL;
    step->status = WF_EUNAVAIL;
    return step;
}

static void set_conflict(wf_step_t *step, const wf_pg_result_t *res, int row)
{
    const char *stored = wf_pg_cell(res, row, 1);

    step->status = WF_ECONFLICT;
    if (stored) {
        step->stored_len = wf_pg_cell_len(res, row, 1);
        step->stored = apr_pstrmemdup(step->ctx->pool, stored, step->stored_len);
    }
}

static void put_int(wf_buf_t *out, int value)
{
    const uint32_t big_endian = htonl((uint32_t)value);

    wf_buf_add(out, &big_endian, sizeof(big_endian));
}

/* The parameters of all steps as one text[] in PostgreSQL's binary form: nothing to escape here, nothing to
 * look for there, which in records full of quotes would be a seventh of a step's cost. */
static void put_array(wf_buf_t *out, wf_step_t **steps, int count)
{
    int i, j;

    put_int(out, 1); /* dimensions */
    put_int(out, 1); /* there may be NULLs */
    put_int(out, OID_TEXT);
    put_int(out, count * WF_STEP_PARAMS);
    put_int(out, 1); /* the first index */
    for (i = 0; i < count; i++) {
        for (j = 0; j < WF_STEP_PARAMS; j++) {
            const char *value = steps[i]->params[j];
            size_t len = value ? strlen(value) : 0;

            put_int(out, value ? (int)len : -1);
            wf_buf_add(out, value, len);
        }
    }
}

static wf_status_t commit_all(wf_ctx_t *ctx, wf_pg_conn_t *conn, wf_step_t **steps, int count)
{
    wf_pg_result_t *res;
    wf_buf_t values;
    wf_status_t st;
    int64_t number;
    int i;

    wf_buf_init(&values, ctx->pool, 4096 * (size_t)count, STEPS_MAX);
    put_array(&values, steps, count);
    if (values.failed) {
        return wf_fail(ctx, WF_ELIMIT, WFLOGNO(0404) "a group of steps is over %d bytes: one by one",
                       STEPS_MAX);
    }
    st = wf_pg_exec_binary(ctx, &res, conn, wf_sql(WF_SQL_SESSION_STEPS), values.data, values.len);
    if (st != WF_OK) {
        return st;
    }
    for (i = 0; i < count; i++) {
        steps[i]->status = WF_OK;
    }
    for (i = 0; i < wf_pg_rows(res); i++) {
        if (wf_parse_int(&number, wf_pg_cell(res, i, 0), 0, count - 1)) {
            set_conflict(steps[number], res, i);
        }
    }
    return WF_OK;
}

/* One transaction, one round trip. The steps' own status is set only on WF_OK. *again: certainly nothing was
 * committed, and another connection may do better. */
static wf_status_t commit_once(wf_ctx_t *ctx, int *again, const wf_store_t *store,
                               wf_step_t **steps, int count)
{
    wf_pg_conn_t *conn = NULL;
    wf_status_t st;

    *again = 0;
    if ((st = wf_pg_acquire(ctx, &conn, store->pg)) != WF_OK) {
        return st;
    }
    st = commit_all(ctx, conn, steps, count);
    *again = st == WF_EUNAVAIL && wf_pg_retryable(conn);
    wf_pg_release(store->pg, conn);
    return st;
}

static wf_status_t commit_group(wf_ctx_t *ctx, const wf_store_t *store, wf_step_t **steps,
                                int count)
{
    int again;
    wf_status_t st = commit_once(ctx, &again, store, steps, count);

    if (again) {
        wf_ctx_clear(ctx);
        st = commit_once(ctx, &again, store, steps, count);
    }
    return st;
}

void wf_steps_commit(wf_ctx_t *ctx, const wf_store_t *store, wf_step_t **steps, int count)
{
    wf_status_t st = commit_group(ctx, store, steps, count);
    int i;

    if (st == WF_OK) {
        return;
    }
    for (i = 0; i < count; i++) {
        /* An outage fails them all; anything else is one step's own fault, and must not be the others'.
         * After an outage nobody knows whether the group was committed: the caller is told
         * WF_EUNAVAIL, the phone asks again, and the stored step then answers the repetition. */
        if (st == WF_EUNAVAIL || count == 1) {
            steps[i]->status = st;
        } else {
            wf_ctx_clear(ctx);
            wf_status_t alone = commit_group(ctx, store, &steps[i], 1);
            if (alone != WF_OK) {
                steps[i]->status = alone;
            }
        }
    }
}

void wf_steps_publish(wf_ctx_t *ctx, wf_redis_feed_t *feed, wf_step_t **steps, int count)
{
    int i, any = 0;

    for (i = 0; i < count; i++) {
        const wf_step_t *s = steps[i];
        if (s->status == WF_OK) {
            const char *set[] = {"SET", s->redis_key, s->cached, "EX",
                                 apr_itoa(ctx->pool, s->cache_ttl_s)};
            size_t lens[] = {3, strlen(s->redis_key), s->cached_len, 2, strlen(set[4])};
            wf_redis_feed_add(feed, 5, set, lens);
            any = 1;
        }
    }
    if (any && wf_redis_feed_flush(ctx, feed) != WF_OK) {
        wf_ctx_clear(ctx); /* a stale copy is found out by the next commit */
    }
}

wf_status_t wf_error_event_save(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                const char *account_id, const char *dedup_key, const char *payload)
{
    const wf_pg_param_t params[] = {company_id, account_id, dedup_key, payload};
    wf_pg_result_t *res;

    return wf_store_query_plain(ctx, &res, store, WF_SQL_FLOW_ERROR_EVENT, params);
}
