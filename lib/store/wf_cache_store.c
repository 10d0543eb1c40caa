#include "store/wf_store_int.h"
#include "store/wf_keys.h"

#include <string.h>

/* KEYS: generation, index, default context (an unknown one is not in the index), then flows. ARGV:
 * seconds the generation is kept, "1" to delete the contexts too. The generation first: a load that
 * began before this change must not be cached after it. */
static const char forget_script[] =
    "redis.call('INCR', KEYS[1])\n"
    "redis.call('EXPIRE', KEYS[1], ARGV[1])\n"
    "if ARGV[2] == '1' then\n"
    "  for _, key in ipairs(redis.call('SMEMBERS', KEYS[2])) do redis.call('DEL', key) end\n"
    "  redis.call('DEL', KEYS[2], KEYS[3])\n"
    "end\n"
    "for i = 4, #KEYS do redis.call('DEL', KEYS[i]) end\n"
    "return 1\n";

#define FIXED_KEYS 3
#define WORDS 2

wf_status_t wf_cache_forget(wf_ctx_t *ctx, const wf_store_t *store, const char *slug, int contexts,
                            const char *const *flows, int flow_count)
{
    /* Made anew each time and not a static: changes are rare, and lib/ has no mutable statics. */
    wf_redis_script_t script = {"forget", forget_script, ""};
    int keys = FIXED_KEYS + flow_count, i;
    const char **argv;
    size_t *lens;
    wf_redis_batch_t *batch;
    const wf_redis_reply_t *reply;
    wf_status_t st;

    if (!store->redis) {
        return WF_EUNAVAIL;
    }
    argv = apr_palloc(ctx->pool, (size_t)(keys + WORDS) * sizeof(*argv));
    lens = apr_palloc(ctx->pool, (size_t)(keys + WORDS) * sizeof(*lens));
    argv[0] = WF_KEY_GENERATION(ctx->pool, store->prefix, slug);
    argv[1] = WF_KEY_CTX_INDEX(ctx->pool, store->prefix, slug);
    argv[2] = WF_KEY_CTX(ctx->pool, store->prefix, slug, "default");
    for (i = 0; i < flow_count; i++) {
        argv[FIXED_KEYS + i] = WF_KEY_FLOW(ctx->pool, store->prefix, slug, flows[i]);
    }
    argv[keys] = apr_psprintf(ctx->pool, "%d", WF_TTL_GENERATION_S);
    argv[keys + 1] = contexts ? "1" : "0";
    for (i = 0; i < keys + WORDS; i++) {
        lens[i] = strlen(argv[i]);
    }
    wf_redis_script_init(&script);
    batch = wf_redis_batch(ctx, store->redis);
    i = wf_redis_add_script(batch, &script, keys, keys + WORDS, argv, lens);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    reply = wf_redis_reply(batch, i);
    if (reply->is_error) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0281) "Redis does not forget: %s", reply->text);
    }
    return WF_OK;
}

wf_status_t wf_cache_forget_company(wf_ctx_t *ctx, const wf_store_t *store, const char *slug)
{
    return wf_cache_forget(ctx, store, slug, 1, NULL, 0);
}

wf_status_t wf_cache_forget_flow(wf_ctx_t *ctx, const wf_store_t *store, const char *slug,
                                 const char *flow_name)
{
    return wf_cache_forget(ctx, store, slug, 0, &flow_name, 1);
}

/* Each alone, one round trip for all. */
wf_status_t wf_cache_forget_sessions(wf_ctx_t *ctx, const wf_store_t *store, const char *slug,
                                     const apr_array_header_t *token_hashes)
{
    wf_redis_batch_t *batch;
    int i;

    if (!store->redis || token_hashes->nelts == 0) {
        return WF_OK;
    }
    batch = wf_redis_batch(ctx, store->redis);
    for (i = 0; i < token_hashes->nelts; i++) {
        wf_redis_addv(batch, "DEL",
                      WF_KEY_SESSION(ctx->pool, store->prefix, slug,
                                     APR_ARRAY_IDX(token_hashes, i, const char *)),
                      NULL);
    }
    return wf_redis_run(ctx, batch);
}

wf_status_t wf_cache_leave_sessions(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                    const char *slug, const apr_array_header_t *token_hashes)
{
    wf_json_t *doc = wf_json_object_make(ctx->pool), *list = wf_json_array_make(ctx->pool);
    char id[WF_UUID_LEN + 1];
    wf_pg_result_t *res;
    wf_status_t st = wf_uuid_v7(ctx, id);
    int i;

    for (i = 0; i < token_hashes->nelts; i++) {
        wf_json_push(list,
                     wf_json_str_make(ctx->pool, APR_ARRAY_IDX(token_hashes, i, const char *)));
    }
    wf_json_set_str(doc, "slug", slug);
    wf_json_set_bool(doc, "contexts", 0);
    wf_json_set(doc, "sessions", list);
    if (st == WF_OK) {
        const wf_pg_param_t params[] = {company_id, id, wf_json_text(ctx->pool, doc, NULL)};
        st = wf_store_query(ctx, &res, store, company_id, WF_SQL_OUTBOX_CACHE_ADD, params);
    }
    return st;
}

/* ---- erasure ---------------------------------------------------------------------------- */

#define SCAN_COUNT "1000"

/* What matches this text and nothing else, in the patterns of SCAN. */
static const char *pattern_of(apr_pool_t *pool, const char *text)
{
    wf_buf_t out;

    wf_buf_init(&out, pool, 64, 1024);
    for (; *text; text++) {
        if (strchr("*?[]\\^", *text)) {
            wf_buf_putc(&out, '\\');
        }
        wf_buf_putc(&out, *text);
    }
    return out.data;
}

static wf_status_t run_one(wf_ctx_t *ctx, const wf_redis_reply_t **reply, wf_redis_batch_t *batch)
{
    wf_status_t st = wf_redis_run(ctx, batch);

    if (st != WF_OK) {
        return st;
    }
    *reply = wf_redis_reply(batch, 0);
    return (*reply)->is_error ? wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0725) "Redis does not forget a company: %s",
                                        (*reply)->text)
                              : WF_OK;
}

static wf_status_t unlink_keys(wf_ctx_t *ctx, int64_t *count, const wf_store_t *store,
                               const wf_redis_reply_t *keys)
{
    wf_redis_batch_t *batch;
    const wf_redis_reply_t *reply;
    const char **argv = apr_palloc(ctx->pool, (keys->count + 1) * sizeof(*argv));
    size_t *lens = apr_palloc(ctx->pool, (keys->count + 1) * sizeof(*lens)), i;
    wf_status_t st;

    if (keys->count == 0) {
        return WF_OK;
    }
    argv[0] = "UNLINK";
    lens[0] = strlen(argv[0]);
    for (i = 0; i < keys->count; i++) {
        argv[i + 1] = keys->items[i].text;
        lens[i + 1] = keys->items[i].len;
    }
    batch = wf_redis_batch(ctx, store->redis);
    wf_redis_add(batch, (int)keys->count + 1, argv, lens);
    if ((st = run_one(ctx, &reply, batch)) == WF_OK) {
        *count += reply->n;
    }
    return st;
}

/* The keys with one hash tag. */
static wf_status_t erase_tag(wf_ctx_t *ctx, int64_t *count, const wf_store_t *store, const char *tag)
{
    const char *pattern = pattern_of(ctx->pool, WF_KEY_OF_COMPANY(ctx->pool, store->prefix, tag, ""));
    char cursor[32] = "0";
    const wf_redis_reply_t *reply;
    apr_pool_t *pool;
    wf_ctx_t *own;
    wf_status_t st = WF_OK;

    apr_pool_create(&pool, ctx->pool);
    do {
        apr_pool_clear(pool);
        own = wf_ctx_derive(ctx, pool);
        wf_redis_batch_t *batch = wf_redis_batch(own, store->redis);
        wf_redis_addv(batch, "SCAN", cursor, "MATCH", apr_pstrcat(pool, pattern, "*", NULL), "COUNT",
                      SCAN_COUNT, NULL);
        if ((st = run_one(own, &reply, batch)) == WF_OK) {
            apr_cpystrn(cursor, reply->items[0].text, sizeof(cursor));
            st = unlink_keys(own, count, store, &reply->items[1]);
        }
    } while (st == WF_OK && strcmp(cursor, "0") != 0);
    apr_pool_destroy(pool);
    return st;
}

wf_status_t wf_cache_erase(wf_ctx_t *ctx, int64_t *count, const wf_store_t *store, const char *slug,
                           const char *company_id)
{
    const char *const tags[] = {slug, apr_pstrcat(ctx->pool, "company:", slug, NULL),
                                apr_pstrcat(ctx->pool, "company:", company_id, NULL)};
    wf_status_t st = store->redis ? WF_OK : WF_EUNAVAIL;
    size_t i;

    *count = 0;
    for (i = 0; st == WF_OK && i < sizeof(tags) / sizeof(tags[0]); i++) {
        st = erase_tag(ctx, count, store, tags[i]);
    }
    return st;
}
