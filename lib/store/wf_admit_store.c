#include "store/wf_store.h"
#include "store/wf_keys.h"
#include "store/wf_scripts_int.h"

#include <string.h>

/* The limits of an active company, where it has any. KEYS: context, use, company rate. ARGV: prefix of
 * account rate keys. Answers nothing, or {"ok"|"limited"|"quota", scope, max, window ms, remaining,
 * reset us, unseeded}. Both limits are tested before either is charged, so that a refusal costs the
 * caller nothing. The record is read beside it, in the same write: copied into Lua and out again it costs
 * Redis more than all the rest of a request without limits (49,000 instructions for 3.5 kB; 20,000). */
static const char limits_lua[] =
    "local lim = redis.call('HGET', KEYS[1], 'lim')\n"
    "if not lim then return false end\n"
    "local cmax, cwin, amax, awin, quota, acc =\n"
    "  string.match(lim, '(%d+) (%d+) (%d+) (%d+) (%d+) (%S+)')\n"
    "local unseeded = 0\n"
    "if quota ~= '0' then\n"
    "  quota = tonumber(quota)\n"
    "  local u = redis.call('HMGET', KEYS[2], 'n', 'base')\n"
    "  if not u[2] then unseeded = 1 end\n"
    "  if (u[1] or 0) + (u[2] or 0) >= quota then\n"
    "    return {'quota', 'quota', quota, 0, 0, 0, unseeded}\n"
    "  end\n"
    "end\n"
    "if cmax == '0' and amax == '0' then return {'ok', '', 0, 0, 0, 0, unseeded} end\n" WF_LUA_GCRA
    "local ctat, cahead, cleft, cwait, akey, atat, aahead, aleft, await\n"
    "if cmax ~= '0' then\n"
    "  ctat, cahead, cleft, cwait = gcra(KEYS[3], cmax, cwin)\n"
    "  if cwait > 0 then\n"
    "    return {'limited', 'company', tonumber(cmax), tonumber(cwin), 0, cwait, unseeded}\n"
    "  end\n"
    "end\n"
    "if amax ~= '0' then\n"
    "  akey = ARGV[1] .. acc\n"
    "  atat, aahead, aleft, await = gcra(akey, amax, awin)\n"
    "  if await > 0 then\n"
    "    return {'limited', 'account', tonumber(amax), tonumber(awin), 0, await, unseeded}\n"
    "  end\n"
    "  charge(akey, atat, aahead)\n"
    "end\n"
    "if ctat then charge(KEYS[3], ctat, cahead) end\n"
    "if not atat or ctat and cleft <= aleft then\n"
    "  return {'ok', 'company', tonumber(cmax), tonumber(cwin), cleft, cahead, unseeded}\n"
    "end\n"
    "return {'ok', 'account', tonumber(amax), tonumber(awin), aleft, aahead, unseeded}\n";

/* The installation's own limit; a key of its own because it cannot share a company's slot. */
static const char platform_lua[] =
    WF_LUA_GCRA "local tat, ahead, _, wait = gcra(KEYS[1], ARGV[1], ARGV[2])\n"
                "if wait > 0 then return wait end\n"
                "charge(KEYS[1], tat, ahead)\n"
                "return 0\n";

/* KEYS: context, generation, index. ARGV: generation, ttl, status, record, limits ("": none). */
static const char save_lua[] =
    "if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end\n"
    "redis.call('DEL', KEYS[1])\n"
    "redis.call('HSET', KEYS[1], 'st', ARGV[3], 'rec', ARGV[4])\n"
    "if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'lim', ARGV[5]) end\n"
    "redis.call('EXPIRE', KEYS[1], ARGV[2])\n"
    /* What is not there goes by itself in seconds: an index would let anybody fill Redis with names. */
    "if ARGV[3] ~= 'none' then\n"
    "  redis.call('SADD', KEYS[3], KEYS[1])\n"
    "  redis.call('EXPIRE', KEYS[3], 86400)\n"
    "end\n"
    "return 1\n";

static void script_make(wf_redis_script_t *script, const char *name, const char *text)
{
    script->name = name;
    script->text = text;
    wf_redis_script_init(script);
}

const wf_store_scripts_t *wf_store_scripts_make(apr_pool_t *pool)
{
    wf_store_scripts_t *s = apr_pcalloc(pool, sizeof(*s));

    script_make(&s->limits, "limits", limits_lua);
    script_make(&s->platform, "platform", platform_lua);
    script_make(&s->save_context, "save_context", save_lua);
    script_make(&s->save_plan, "save_plan", wf_save_plan_lua);
    script_make(&s->api_key, "api_key", wf_api_key_lua);
    return s;
}

/* ---- asking ------------------------------------------------------------------------------- */

const char *wf_month(apr_pool_t *pool, apr_time_t t)
{
    apr_time_exp_t e;

    apr_time_exp_gmt(&e, t);
    return apr_psprintf(pool, "%04d-%02d", e.tm_year + 1900, e.tm_mon + 1);
}

static const char *ctx_key(wf_ctx_t *ctx, const wf_store_t *store, const wf_admit_query_t *q)
{
    return WF_KEY_CTX(ctx->pool, store->prefix, q->slug, q->account ? q->account : "default");
}

static int add_limits(wf_ctx_t *ctx, wf_redis_batch_t *batch, const wf_store_t *store,
                      const wf_admit_query_t *q, const char *key)
{
    const char *argv[4];

    argv[0] = key;
    argv[1] = WF_KEY_USE(ctx->pool, store->prefix, q->slug, wf_month(ctx->pool, wf_now(ctx)));
    argv[2] = WF_KEY_RATE_COMPANY(ctx->pool, store->prefix, q->slug);
    argv[3] = WF_KEY_RATE_ACCOUNT(ctx->pool, store->prefix, q->slug, "");
    return wf_redis_add_script(batch, &store->scripts->limits, 3, 4, argv, NULL);
}

/* -1: it is not asked. */
static int add_platform(wf_ctx_t *ctx, wf_redis_batch_t *batch, const wf_store_t *store,
                        const wf_admit_query_t *q)
{
    const char *argv[3];

    if (!q->charge || q->platform_max <= 0) {
        return -1;
    }
    argv[0] = WF_KEY_RATE_PLATFORM(ctx->pool, store->prefix);
    argv[1] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, q->platform_max);
    argv[2] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, q->platform_window_ms);
    return wf_redis_add_script(batch, &store->scripts->platform, 1, 3, argv, NULL);
}

static int64_t number_at(const wf_redis_reply_t *r, size_t i)
{
    return i < r->count && r->items[i].type == WF_REDIS_INT ? r->items[i].n : 0;
}

static const char *text_at(const wf_redis_reply_t *r, size_t i)
{
    return i < r->count && r->items[i].type == WF_REDIS_TEXT ? r->items[i].text : NULL;
}

static wf_status_t bad_reply(wf_ctx_t *ctx, const wf_redis_reply_t *r)
{
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0400) "Redis: the admission failed: %s",
                   r->is_error ? r->text : "unexpected reply");
}

/* The installation's own limit is over everything, unknown companies included: it is what keeps a flood of made-up
 * names away from PostgreSQL. 1: it refused. */
static int read_platform(wf_admit_reply_t *out, const wf_redis_reply_t *r,
                         const wf_admit_query_t *q)
{
    if (!r || r->is_error || r->type != WF_REDIS_INT || r->n <= 0) {
        return 0;
    }
    out->kind = WF_ADMIT_REPLY_LIMITED;
    out->status = "active";
    out->scope = "platform";
    out->max = q->platform_max;
    out->window_ms = q->platform_window_ms;
    out->reset_us = r->n;
    return 1;
}

/* Nothing: the context had no limits, or went just now with a change, and then this one request is let through. */
static wf_status_t read_limits(wf_ctx_t *ctx, wf_admit_reply_t *out, const wf_redis_reply_t *r)
{
    const char *word = text_at(r, 0), *scope = text_at(r, 1);

    if (r->type == WF_REDIS_NIL) {
        return WF_OK;
    }
    if (r->is_error || r->type != WF_REDIS_ARRAY || !word || !scope) {
        return bad_reply(ctx, r);
    }
    out->kind = strcmp(word, "limited") == 0 ? WF_ADMIT_REPLY_LIMITED
                : strcmp(word, "quota") == 0 ? WF_ADMIT_REPLY_QUOTA
                                             : WF_ADMIT_REPLY_ENTRY;
    out->scope = *scope ? scope : NULL;
    out->max = number_at(r, 2);
    out->window_ms = number_at(r, 3);
    out->remaining = number_at(r, 4);
    out->reset_us = number_at(r, 5);
    out->quota_unseeded = (int)number_at(r, 6);
    return WF_OK;
}

/* With a miss: what wf_admit_save compares. A round trip of its own, because warm requests have no use for it. */
static wf_status_t read_generation(wf_ctx_t *ctx, wf_admit_reply_t *out, const wf_store_t *store,
                                   const wf_admit_query_t *query)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    const char *key = WF_KEY_GENERATION(ctx->pool, store->prefix, query->slug);
    int i = wf_redis_addv(batch, "GET", key, NULL);
    const wf_redis_reply_t *r;
    wf_status_t st;

    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    r = wf_redis_reply(batch, i);
    if (r->is_error) {
        return bad_reply(ctx, r);
    }
    out->generation = r->type == WF_REDIS_TEXT ? r->text : "0";
    return WF_OK;
}

wf_status_t wf_admit_query(wf_ctx_t *ctx, wf_admit_reply_t *out, const wf_store_t *store,
                           const wf_admit_query_t *query)
{
    int platform, entry, limits = -1;
    const wf_redis_reply_t *r;
    wf_redis_batch_t *batch;
    const char *key;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if (!store->redis) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0401) "no Redis is configured");
    }
    key = ctx_key(ctx, store, query);
    batch = wf_redis_batch(ctx, store->redis);
    platform = add_platform(ctx, batch, store, query);
    entry = wf_redis_addv(batch, "HMGET", key, "st", "rec", NULL);
    if (query->charge) {
        limits = add_limits(ctx, batch, store, query, key);
    }
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    r = wf_redis_reply(batch, entry);
    if (r->is_error || r->type != WF_REDIS_ARRAY || r->count != 2) {
        return bad_reply(ctx, r);
    }
    if (read_platform(out, wf_redis_reply(batch, platform), query)) {
        return WF_OK;
    }
    out->status = text_at(r, 0);
    out->kind = out->status ? WF_ADMIT_REPLY_ENTRY : WF_ADMIT_REPLY_MISS;
    if (!out->status) {
        return read_generation(ctx, out, store, query);
    }
    out->record.data = text_at(r, 1);
    out->record.len = r->items[1].len;
    return limits < 0 ? WF_OK : read_limits(ctx, out, wf_redis_reply(batch, limits));
}

/* ---- saving ------------------------------------------------------------------------------- */

/* What limits_lua reads; "" where it would have nothing to do. */
static const char *limits_of(wf_ctx_t *ctx, const wf_ctx_entry_t *e)
{
    if (strcmp(e->status, WF_STATUS_ACTIVE) != 0 ||
        (e->company_max <= 0 && e->account_max <= 0 && e->quota <= 0)) {
        return "";
    }
    return apr_psprintf(ctx->pool,
                        "%" APR_INT64_T_FMT " %" APR_INT64_T_FMT " %" APR_INT64_T_FMT
                        " %" APR_INT64_T_FMT " %" APR_INT64_T_FMT " %s",
                        e->company_max, e->company_window_ms, e->account_max, e->account_window_ms,
                        e->quota, e->account_id);
}

wf_status_t wf_admit_save(wf_ctx_t *ctx, wf_admit_reply_t *out, const wf_store_t *store,
                          const wf_admit_query_t *query, const wf_ctx_entry_t *entry,
                          const char *generation)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    int known = strcmp(entry->status, "none") != 0, save, limits = -1, i;
    const wf_redis_reply_t *r;
    const char *argv[8];
    size_t lens[8];
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    argv[0] = ctx_key(ctx, store, query);
    argv[1] = WF_KEY_GENERATION(ctx->pool, store->prefix, query->slug);
    argv[2] = WF_KEY_CTX_INDEX(ctx->pool, store->prefix, query->slug);
    argv[3] = generation;
    argv[4] = apr_itoa(ctx->pool, known ? WF_TTL_CTX_S : WF_TTL_NEGATIVE_S);
    argv[5] = entry->status;
    argv[6] = entry->record;
    argv[7] = limits_of(ctx, entry);
    for (i = 0; i < 8; i++) {
        lens[i] = strlen(argv[i]);
    }
    lens[6] = entry->record_len;
    save = wf_redis_add_script(batch, &store->scripts->save_context, 3, 8, argv, lens);
    if (query->charge && *argv[7]) {
        limits = add_limits(ctx, batch, store, query, argv[0]);
    }
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    r = wf_redis_reply(batch, save);
    if (r->is_error || r->type != WF_REDIS_INT) {
        return bad_reply(ctx, r);
    }
    if (r->n == 0) { /* the company changed meanwhile */
        out->kind = WF_ADMIT_REPLY_MISS;
        return WF_OK;
    }
    out->kind = WF_ADMIT_REPLY_ENTRY;
    out->status = entry->status;
    out->record = (wf_slice_t){entry->record, entry->record_len};
    return limits < 0 ? WF_OK : read_limits(ctx, out, wf_redis_reply(batch, limits));
}

wf_status_t wf_use_seed(wf_ctx_t *ctx, const wf_store_t *store, const char *slug, const char *month,
                        int64_t base)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    const char *key = WF_KEY_USE(ctx->pool, store->prefix, slug, month);

    wf_redis_addv(batch, "HSETNX", key, "base", apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, base),
                  NULL);
    wf_redis_addv(batch, "EXPIRE", key, apr_itoa(ctx->pool, WF_TTL_USE_S), NULL);
    return wf_redis_run(ctx, batch);
}
