#include "store/wf_message_store.h"
#include "store/wf_store_int.h"

#include <string.h>

#define LIST_MAX 4096

static const char *array_of(apr_pool_t *pool, const apr_array_header_t *texts)
{
    wf_buf_t out;
    int i;

    wf_buf_init(&out, pool, 256, LIST_MAX);
    for (i = 0; i < texts->nelts; i++) {
        wf_store_array_add(&out, APR_ARRAY_IDX(texts, i, const char *));
    }
    return wf_store_array_end(&out);
}

static wf_status_t check_opt_out(wf_ctx_t *ctx, wf_change_t *change, const wf_message_new_t *m)
{
    const wf_pg_param_t params[] = {change->company_id, array_of(ctx->pool, m->contacts),
                                    array_of(ctx->pool, m->categories)};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_MESSAGE_OPTED_OUT, params);

    if (st == WF_OK && strcmp(wf_pg_cell(res, 0, 0), "f") != 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "opted_out",
                            WFLOGNO(0676) "the person asked not to get such messages");
    }
    return st;
}

/* The key was used before. */
static wf_status_t find_used(wf_ctx_t *ctx, wf_message_t *out, wf_change_t *change,
                             const wf_message_new_t *m)
{
    const wf_pg_param_t params[] = {change->company_id, m->send_key};
    wf_pg_result_t *res;
    const char *status;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_MESSAGE_OF_KEY, params);

    if (st != WF_OK) {
        return st;
    }
    status = wf_pg_rows(res) == 1 ? wf_pg_cell(res, 0, 1) : "sending";
    if (strcmp(status, "sending") == 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "send_in_progress",
                            WFLOGNO(0677) "a message with this Idempotency-Key is being sent");
    }
    if (strcmp(status, "sent") != 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "send_unknown",
                            WFLOGNO(0678) "Meta did not answer when a message with this "
                                          "Idempotency-Key was sent: it may have arrived");
    }
    out->id = wf_pg_cell(res, 0, 0);
    out->message_id = wf_pg_cell(res, 0, 2);
    out->account_id = wf_pg_cell(res, 0, 3);
    out->flow_id = wf_pg_cell(res, 0, 4);
    return WF_OK;
}

static wf_status_t note(wf_ctx_t *ctx, wf_change_t *change, const wf_message_new_t *m,
                        const char *id)
{
    wf_audit_t row = {.company_id = change->company_id,
                      .action = "message.submitted",
                      .resource_type = "message",
                      .resource_id = id};
    wf_json_t *metadata = wf_json_object_make(ctx->pool);

    wf_json_set_str(metadata, "account_id", m->account_id);
    wf_json_set_str(metadata, "flow_id", m->flow_id);
    wf_json_set_str(metadata, "kind", m->kind);
    row.metadata = wf_json_text(ctx->pool, metadata, NULL);
    return wf_audit_add(ctx, change->conn, &row, change->actor);
}

static wf_status_t begin(wf_ctx_t *ctx, wf_message_t *out, wf_change_t *change,
                         const wf_message_new_t *m)
{
    char id[WF_UUID_LEN + 1];
    const wf_pg_param_t params[] = {
        change->company_id, id,          m->account_id,       m->flow_id, m->kind,
        m->token_hash,      m->send_key, change->actor->actor};
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_uuid_v7(ctx, id)) != WF_OK || (st = check_opt_out(ctx, change, m)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_MESSAGE_BEGIN, params)) != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return find_used(ctx, out, change, m);
    }
    out->id = wf_pg_cell(res, 0, 0);
    out->account_id = m->account_id;
    out->flow_id = m->flow_id;
    return note(ctx, change, m, out->id);
}

wf_status_t wf_message_begin(wf_ctx_t *ctx, wf_message_t *out, const wf_store_t *store,
                             const wf_message_new_t *message, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, message->company_id, actor);

    memset(out, 0, sizeof(*out));
    if (st == WF_OK) {
        st = begin(ctx, out, &change, message);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t end(wf_ctx_t *ctx, wf_pg_conn_t *conn, const wf_pg_param_t *params)
{
    const char *company_id = params[0];
    wf_status_t st;

    if ((st = wf_pg_begin(ctx, conn, company_id)) != WF_OK ||
        (st = wf_pg_exec(ctx, NULL, conn, wf_sql(WF_SQL_MESSAGE_END), params)) != WF_OK ||
        (st = wf_pg_exec(ctx, NULL, conn, wf_sql(WF_SQL_MESSAGE_LINK), params)) != WF_OK) {
        return st;
    }
    return wf_pg_commit(ctx, conn);
}

wf_status_t wf_message_end(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *id, wf_message_end_t how, const char *message_id,
                           const char *error_code)
{
    static const char *const words[] = {"sent", "failed", "unknown"};
    const wf_pg_param_t params[] = {company_id, id, words[how], message_id, error_code};
    wf_pg_conn_t *conn;
    wf_status_t st = wf_pg_acquire(ctx, &conn, store->pg);

    if (st != WF_OK) {
        return st;
    }
    st = end(ctx, conn, params);
    wf_pg_release(store->pg, conn);
    return st;
}
