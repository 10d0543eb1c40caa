/* The outbox as people look at it, and sending rows again. */
#include "store/wf_outbox_store.h"
#include "store/wf_store_int.h"

#include <string.h>

#define BATCH 500
#define FIRST_MAX 50 /* shown of what matched */
#define IDS_MAX ((size_t)(WF_UUID_LEN + 3) * (BATCH + 1))

/* ---- looking ---------------------------------------------------------------------------- */

wf_status_t wf_outbox_summary(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                              const char *company_id, const char *consumer)
{
    const wf_pg_param_t params[] = {wf_store_uuid(company_id), consumer};

    return company_id
               ? wf_store_document(ctx, array, store, company_id, WF_SQL_OUTBOX_SUMMARY, params)
               : wf_store_document_platform(ctx, array, store, WF_SQL_OUTBOX_SUMMARY, params);
}

/* The receiver may have answered anything: text becomes text, the rest stays base64. */
static void show_response(apr_pool_t *pool, wf_json_t *attempt)
{
    const char *coded = wf_json_get_str(attempt, "response", NULL);
    size_t len = coded ? strlen(coded) : 0, text_len = 0;
    unsigned char *text = apr_palloc(pool, len + 1);

    if (!coded) {
        return;
    }
    if (wf_base64_decode(text, &text_len, coded, len) && !memchr(text, '\0', text_len) &&
        wf_utf8_is((char *)text, text_len)) {
        text[text_len] = '\0';
        wf_json_set_str(attempt, "response", (char *)text);
        return;
    }
    wf_json_set_str(attempt, "response_base64", coded);
    wf_json_set(attempt, "response", wf_json_null_make(pool));
}

wf_status_t wf_outbox_document(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                               const char *company_id, const char *id, int with_bodies)
{
    const wf_pg_param_t params[] = {wf_store_uuid(id), with_bodies ? "true" : "false"};
    const wf_json_t *attempts;
    wf_pg_result_t *res;
    wf_status_t st;
    size_t i;

    *out = NULL;
    if (!params[0]) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0550) "no such delivery");
    }
    st = company_id
             ? wf_store_query(ctx, &res, store, company_id, WF_SQL_OUTBOX_DOCUMENT, params)
             : wf_store_query_platform(ctx, &res, store, WF_SQL_OUTBOX_DOCUMENT, params);
    if (st != WF_OK) {
        return st;
    }
    if (!wf_pg_cell(res, 0, 0)) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0551) "no such delivery");
    }
    if ((st = wf_store_json(ctx, out, res, 0, 0)) != WF_OK) {
        return st;
    }
    attempts = wf_json_get(*out, "attempts");
    for (i = 0; i < wf_json_len(attempts); i++) {
        show_response(ctx->pool, wf_json_at(attempts, i));
    }
    return WF_OK;
}

/* ---- sending again ---------------------------------------------------------------------- */

/* One call; the place is where the next batch goes on. */
typedef struct {
    apr_pool_t *pool; /* of what is handed out; a batch has its own */
    wf_outbox_replayed_t *out;
    const wf_outbox_filter_t *filter;
    int dry_run;
    char place_id[WF_UUID_LEN + 1];
} replay_t;

static const char *number(apr_pool_t *pool, int64_t n)
{
    return apr_psprintf(pool, "%" APR_INT64_T_FMT, (apr_int64_t)n);
}

static const char *statuses_of(apr_pool_t *pool, const wf_outbox_filter_t *filter)
{
    wf_buf_t out;
    int i;

    wf_buf_init(&out, pool, 64, 1024);
    for (i = 0; i < filter->status_count; i++) {
        wf_store_array_add(&out, filter->statuses[i]);
    }
    return wf_store_array_end(&out);
}

/* Nothing of the deliveries themselves: which, how many, and by what words they were chosen. */
static const char *audit_metadata(apr_pool_t *pool, const wf_outbox_filter_t *filter,
                                  const wf_json_t *ids, int64_t count)
{
    wf_json_t *doc = wf_json_object_make(pool);

    if (filter) {
        wf_json_set_str(doc, "consumer", filter->consumer);
        wf_json_set_str(doc, "statuses", statuses_of(pool, filter));
        wf_json_set_str(doc, "event_type", filter->event_type);
        wf_json_set_str(doc, "account_id", filter->account_id);
        if (filter->since) {
            wf_json_set_int(doc, "since_us", filter->since);
        }
        if (filter->until) {
            wf_json_set_int(doc, "until_us", filter->until);
        }
    }
    wf_json_set_int(doc, "replayed", count);
    wf_json_set(doc, "ids", wf_json_copy(pool, ids));
    return wf_json_text(pool, doc, NULL);
}

static wf_status_t replay_ids(wf_ctx_t *ctx, int64_t *count, wf_change_t *change,
                              const wf_outbox_filter_t *filter, const wf_json_t *ids)
{
    wf_audit_t row = {change->company_id, "outbox.replayed", "outbox", NULL, NULL, NULL, NULL};
    wf_pg_param_t params[2];
    wf_pg_result_t *res;
    wf_status_t st;
    wf_buf_t list;
    size_t i;

    *count = 0;
    wf_buf_init(&list, ctx->pool, 256, IDS_MAX);
    for (i = 0; i < wf_json_len(ids); i++) {
        wf_store_array_add(&list, wf_json_str(wf_json_at(ids, i)));
    }
    params[0] = change->company_id;
    params[1] = wf_store_array_end(&list);
    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_OUTBOX_REPLAY, params)) != WF_OK) {
        return st;
    }
    *count = wf_store_int(res, 0, 0);
    if (*count == 0) {
        return WF_OK;
    }
    row.resource_id = filter ? NULL : wf_json_str(wf_json_at(ids, 0));
    row.metadata = audit_metadata(ctx->pool, filter, ids, *count);
    return wf_audit_add(ctx, change->conn, &row, change->actor);
}

/* The next rows that match: their ids, and of the first few what they are. */
static wf_status_t match(wf_ctx_t *ctx, wf_json_t **ids, replay_t *replay, wf_change_t *change)
{
    const wf_outbox_filter_t *filter = replay->filter;
    const wf_pg_param_t params[] = {change->company_id,
                                    filter->consumer,
                                    statuses_of(ctx->pool, filter),
                                    filter->event_type,
                                    filter->account_id,
                                    number(ctx->pool, filter->since),
                                    number(ctx->pool, filter->until),
                                    replay->place_id,
                                    APR_STRINGIFY(BATCH)};
    wf_pg_result_t *res;
    wf_status_t st;
    wf_json_t *doc;
    int i;

    *ids = wf_json_array_make(ctx->pool);
    st = wf_change_exec(ctx, &res, change, WF_SQL_OUTBOX_MATCH, params);
    for (i = 0; st == WF_OK && i < wf_pg_rows(res); i++) {
        wf_json_push(*ids, wf_json_str_make(ctx->pool, wf_pg_cell(res, i, 0)));
        if (wf_json_len(replay->out->first) < FIRST_MAX &&
            (st = wf_store_json(ctx, &doc, res, i, 1)) == WF_OK) {
            wf_json_push(replay->out->first, wf_json_copy(replay->pool, doc));
        }
    }
    if (st == WF_OK && i > 0) {
        apr_cpystrn(replay->place_id, wf_pg_cell(res, i - 1, 0), sizeof(replay->place_id));
    }
    return st;
}

/* One transaction. *rows: how many matched; fewer than BATCH: the last. */
static wf_status_t replay_batch(wf_ctx_t *ctx, size_t *rows, replay_t *replay,
                                const wf_store_t *store, const char *company_id,
                                const wf_actor_t *actor)
{
    wf_change_t change;
    int64_t replayed = 0;
    wf_json_t *ids = NULL;
    wf_status_t st;

    *rows = 0;
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = match(ctx, &ids, replay, &change);
    }
    if (st == WF_OK && !replay->dry_run && wf_json_len(ids) > 0) {
        st = wf_change_approve(ctx, &change);
    }
    if (st == WF_OK && !replay->dry_run && wf_json_len(ids) > 0) {
        st = replay_ids(ctx, &replayed, &change, replay->filter, ids);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *rows = wf_json_len(ids);
        replay->out->matched += (int64_t)*rows;
        replay->out->replayed += replayed;
    }
    return st;
}

/* Workers that are not woken look by themselves soon. */
static void wake(wf_ctx_t *ctx, const wf_store_t *store)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);

    if (wf_outbox_wake(own, store) != WF_OK) {
        wf_log(ctx, WF_LOG_INFO, WFLOGNO(0552) "the outbox workers were not woken: they look soon");
    }
}

wf_status_t wf_outbox_replay_matching(wf_ctx_t *ctx, wf_outbox_replayed_t *out,
                                      const wf_store_t *store, const char *company_id,
                                      const wf_outbox_filter_t *filter, int dry_run,
                                      const wf_actor_t *actor)
{
    replay_t replay = {ctx->pool, out, filter, dry_run, "00000000-0000-0000-0000-000000000000"};
    wf_status_t st = WF_OK;
    size_t rows = BATCH;

    memset(out, 0, sizeof(*out));
    out->first = wf_json_array_make(ctx->pool);
    while (st == WF_OK && rows == BATCH) {
        apr_pool_t *pool;
        wf_ctx_t *own;

        apr_pool_create(&pool, ctx->pool);
        own = wf_ctx_derive(ctx, pool);
        st = replay_batch(own, &rows, &replay, store, company_id, actor);
        if (st == WF_OK) {
            apr_pool_destroy(pool);
        } else {
            ctx->err = own->err; /* its texts live as long as ctx */
        }
    }
    if (out->replayed > 0) {
        wake(ctx, store);
    }
    return st;
}

wf_status_t wf_outbox_replay_one(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                 const char *id, const wf_actor_t *actor)
{
    wf_json_t *ids = wf_json_array_make(ctx->pool);
    wf_change_t change;
    int64_t replayed = 0;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    wf_json_push(ids, wf_json_str_make(ctx->pool, id));
    if (st == WF_OK) {
        st = replay_ids(ctx, &replayed, &change, NULL, ids);
    }
    if (st == WF_OK && replayed == 0) {
        st = wf_fail_public(ctx, WF_ECONFLICT,
                            WFLOGNO(0553) "the delivery is being made just now, or is gone");
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        wake(ctx, store);
    }
    return st;
}
