#include "store/wf_keys.h"
#include "store/wf_store_int.h"

wf_status_t wf_tally_save(wf_ctx_t *ctx, const wf_store_t *store, const wf_tally_row_t *rows,
                          int count)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    int i;

    for (i = 0; i < count; i++) {
        const char *key =
            WF_KEY_TALLY(ctx->pool, store->prefix, rows[i].slug, rows[i].company_id);

        (void)wf_redis_addv(batch, "HINCRBY", key, rows[i].field,
                            apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, rows[i].n), NULL);
        (void)wf_redis_addv(batch, "EXPIRE", key, APR_STRINGIFY(WF_TTL_TALLY_S), NULL);
    }
    return wf_redis_run(ctx, batch);
}

wf_status_t wf_tally_load(wf_ctx_t *ctx, apr_table_t **figures, const wf_store_t *store,
                          const char *slug, const char *company_id)
{
    const char *key = WF_KEY_TALLY(ctx->pool, store->prefix, slug, company_id);
    const wf_redis_reply_t *reply;
    wf_redis_batch_t *batch;
    wf_status_t st;
    size_t i;
    int at;

    *figures = apr_table_make(ctx->pool, 32);
    if (!store->redis) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0702) "without Redis no company is counted");
    }
    batch = wf_redis_batch(ctx, store->redis);
    at = wf_redis_addv(batch, "HGETALL", key, NULL);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    reply = wf_redis_reply(batch, at);
    for (i = 0; i + 1 < reply->count; i += 2) {
        apr_table_addn(*figures, reply->items[i].text, reply->items[i + 1].text);
    }
    return WF_OK;
}
