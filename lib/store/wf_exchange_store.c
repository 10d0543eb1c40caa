#include "store/wf_store.h"
#include "store/wf_keys.h"
#include "store/wf_scripts_int.h"

#include <string.h>

/* Session, plan and the month's count in one round trip. A session names its flow and version, so the
 * script follows it. KEYS: session, use, generation. ARGV: with session (0/1), prefix of flow keys, flow name,
 * version (0: active), default flow, count use (0/1), TTL of use.
 * Answers {record, name, version, plan, generation}; false where there is none. The generation matters only
 * to whoever has to load the plan. */
const char wf_exchange_lua[] =
    "local s = ARGV[1] == '1' and redis.call('GET', KEYS[1])\n"
    "local name, ver = ARGV[3], ARGV[4]\n"
    "if s then name, ver = string.match(s, '^([^\\n]*)@(%d+)\\n') end\n"
    "if name == '' then name = ARGV[5] end\n"
    "local plan = false\n"
    "if name ~= '' then\n"
    "  local key = ARGV[2] .. name\n"
    "  if ver == '0' then ver = redis.call('HGET', key, 'active') end\n"
    "  if ver then plan = redis.call('HGET', key, ver) end\n"
    "end\n"
    "if ARGV[6] == '1' then\n"
    "  if redis.call('HINCRBY', KEYS[2], 'n', 1) == 1 then redis.call('EXPIRE', KEYS[2], ARGV[7]) end\n"
    "end\n"
    "if plan then return {s, name, ver, plan, '0'} end\n"
    "return {s, name, ver, plan, redis.call('GET', KEYS[3]) or '0'}\n";

/* KEYS: flow, generation. ARGV: generation, ttl, version, plan, is active (0/1). */
const char wf_save_plan_lua[] =
    "if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end\n"
    "redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])\n"
    "if ARGV[5] == '1' then redis.call('HSET', KEYS[1], 'active', ARGV[3]) end\n"
    "redis.call('EXPIRE', KEYS[1], ARGV[2])\n"
    "return 1\n";

static const char *text_at(const wf_redis_reply_t *r, size_t i)
{
    return i < r->count && r->items[i].type == WF_REDIS_TEXT ? r->items[i].text : NULL;
}

/* "<flow id>\n<plan>", as cached. */
static void split_plan(wf_flow_plan_t *out, const char *name, int version, const char *text,
                       size_t len)
{
    const char *eol = memchr(text, '\n', len);

    if (eol && eol - text == WF_UUID_LEN) {
        ((char *)(uintptr_t)text)[WF_UUID_LEN] = '\0'; /* the reply's own copy in our pool */
        out->flow_id = text;
        out->name = name;
        out->version = version;
        out->plan = eol + 1;
        out->plan_len = len - WF_UUID_LEN - 1;
    }
}

static void save_plan(wf_ctx_t *ctx, const wf_store_t *store, const wf_tenant_t *tenant,
                      const wf_flow_plan_t *plan, const char *generation, int is_active)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    const char *argv[7];
    size_t lens[7];
    int i;

    argv[0] = apr_psprintf(ctx->pool, WF_KEY_FLOW, store->prefix, tenant->company.slug, plan->name);
    argv[1] = apr_psprintf(ctx->pool, WF_KEY_GENERATION, store->prefix, tenant->company.slug);
    argv[2] = generation;
    argv[3] = apr_itoa(ctx->pool, WF_TTL_FLOW_S);
    argv[4] = apr_itoa(ctx->pool, plan->version);
    argv[5] = apr_pstrcat(ctx->pool, plan->flow_id, "\n", plan->plan, NULL);
    argv[6] = is_active ? "1" : "0";
    for (i = 0; i < 7; i++) {
        lens[i] = strlen(argv[i]);
    }
    wf_redis_add_script(batch, &store->scripts->save_plan, 2, 7, argv, lens);
    if (wf_redis_run(ctx, batch) != WF_OK) {
        wf_ctx_clear(ctx); /* only the cache: the plan is at hand */
    }
}

/* From PostgreSQL into the cache. */
static wf_status_t load_plan(wf_ctx_t *ctx, wf_flow_plan_t *out, const wf_store_t *store,
                             const wf_tenant_t *tenant, const char *name, int version,
                             const char *generation)
{
    wf_status_t st = wf_flow_plan_load(ctx, out, store, tenant->company.id, name, version);

    if (st == WF_OK && generation && store->redis) {
        save_plan(ctx, store, tenant, out, generation, version == 0);
    }
    return st;
}

static const char *generation_now(wf_ctx_t *ctx, const wf_store_t *store,
                                  const wf_tenant_t *tenant)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    const wf_redis_reply_t *r;
    int i = wf_redis_addv(batch, "GET",
                          apr_psprintf(ctx->pool, WF_KEY_GENERATION, store->prefix,
                                       tenant->company.slug),
                          NULL);

    if (wf_redis_run(ctx, batch) != WF_OK) {
        wf_ctx_clear(ctx);
        return NULL;
    }
    r = wf_redis_reply(batch, i);
    return r->type == WF_REDIS_TEXT && !r->is_error ? r->text : "0";
}

wf_status_t wf_exchange_plan(wf_ctx_t *ctx, wf_flow_plan_t *out, const wf_store_t *store,
                             const wf_tenant_t *tenant, const char *name, int version)
{
    const char *generation = store->redis ? generation_now(ctx, store, tenant) : NULL;

    memset(out, 0, sizeof(*out));
    return load_plan(ctx, out, store, tenant, name, version, generation);
}

static wf_status_t ask_redis(wf_ctx_t *ctx, const wf_redis_reply_t **out, const wf_store_t *store,
                             const wf_exchange_query_t *q)
{
    const char *slug = q->tenant->company.slug;
    wf_redis_batch_t *batch;
    const char *argv[10];
    wf_status_t st;
    int i;

    *out = NULL;
    if (!store->redis) {
        return WF_EUNAVAIL;
    }
    argv[0] = apr_psprintf(ctx->pool, WF_KEY_SESSION, store->prefix, slug,
                           q->token_hash ? q->token_hash : "-");
    argv[1] = apr_psprintf(ctx->pool, WF_KEY_USE, store->prefix, slug,
                           wf_month(ctx->pool, wf_now(ctx)));
    argv[2] = apr_psprintf(ctx->pool, WF_KEY_GENERATION, store->prefix, slug);
    argv[3] = q->token_hash ? "1" : "0";
    argv[4] = apr_psprintf(ctx->pool, WF_KEY_FLOW, store->prefix, slug, "");
    argv[5] = q->flow_name ? q->flow_name : "";
    argv[6] = apr_itoa(ctx->pool, q->flow_version);
    argv[7] = q->default_flow ? q->default_flow : "";
    argv[8] = q->count_use ? "1" : "0";
    argv[9] = apr_itoa(ctx->pool, WF_TTL_USE_S);
    batch = wf_redis_batch(ctx, store->redis);
    i = wf_redis_add_script(batch, &store->scripts->exchange, 3, 10, argv, NULL);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    *out = wf_redis_reply(batch, i);
    if ((*out)->is_error || (*out)->type != WF_REDIS_ARRAY || (*out)->count != 5) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0402) "Redis: the exchange script failed: %s",
                       (*out)->is_error ? (*out)->text : "unexpected reply");
    }
    return WF_OK;
}

/* Without Redis: both from PostgreSQL, the session for certain. */
static wf_status_t load_without_redis(wf_ctx_t *ctx, wf_exchange_state_t *out,
                                      const wf_store_t *store, const wf_exchange_query_t *q)
{
    const char *name = q->flow_name ? q->flow_name : q->default_flow;
    int version = q->flow_version;
    wf_status_t st;

    if (q->token_hash) {
        st = wf_session_load(ctx, &out->session, store, q->tenant->company.id, q->token_hash);
        if (st != WF_OK && st != WF_ENOTFOUND) {
            return st;
        }
        out->session_known = 1;
    }
    if (out->session) {
        name = out->session->flow_name;
        version = out->session->flow_version;
    }
    if (!name) {
        return WF_OK;
    }
    st = load_plan(ctx, &out->plan, store, q->tenant, name, version, NULL);
    return st == WF_ENOTFOUND ? WF_OK : st;
}

/* 0: another build's; or of a company that had this slug before and is gone: its answers are nobody's here. */
static int open_session(wf_ctx_t *ctx, wf_exchange_state_t *out, const wf_exchange_query_t *query,
                        const char *cached, size_t len)
{
    const char *record = memchr(cached, '\n', len);

    if (!record || wf_session_parse(ctx, &out->session, record + 1,
                                    len - (size_t)(record + 1 - cached)) != WF_OK) {
        wf_ctx_clear(ctx);
        return 0;
    }
    out->session_known = out->session_cached = 1;
    return strcmp(out->session->company_id, query->tenant->company.id) == 0;
}

wf_status_t wf_exchange_load(wf_ctx_t *ctx, wf_exchange_state_t *out, const wf_store_t *store,
                             const wf_exchange_query_t *query)
{
    const wf_redis_reply_t *r;
    const char *record, *name, *version, *plan;
    int64_t version_n = query->flow_version;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if ((st = ask_redis(ctx, &r, store, query)) == WF_EUNAVAIL) {
        wf_ctx_clear(ctx);
        return load_without_redis(ctx, out, store, query);
    } else if (st != WF_OK) {
        return st;
    }
    record = text_at(r, 0);
    name = text_at(r, 1);
    version = text_at(r, 2);
    plan = text_at(r, 3);
    if (record && !open_session(ctx, out, query, record, r->items[0].len)) {
        memset(out, 0, sizeof(*out));
        return load_without_redis(ctx, out, store, query);
    }
    if (!name || !*name) {
        return WF_OK;
    }
    if (version && !wf_parse_int(&version_n, version, 0, INT32_MAX)) {
        version_n = 0;
    }
    if (plan) {
        split_plan(&out->plan, name, (int)version_n, plan, r->items[3].len);
        out->flow_cached = out->plan.plan != NULL;
    }
    if (!out->plan.plan) {
        /* An evicted entry of the active version must come back as the active one. */
        int wanted = out->session ? out->session->flow_version : query->flow_version;
        st = load_plan(ctx, &out->plan, store, query->tenant, name, wanted, text_at(r, 4));
        if (st != WF_OK && st != WF_ENOTFOUND) {
            return st;
        }
        if (st == WF_ENOTFOUND) {
            memset(&out->plan, 0, sizeof(out->plan));
        }
    }
    return WF_OK;
}
