#include "store/wf_store.h"
#include "store/wf_keys.h"
#include "store/wf_scripts_int.h"

#include <string.h>

/* Admission in one round trip. KEYS: context, generation, use, company rate. ARGV: charge (0/1), prefix of
 * account rate keys. Answers {"miss", generation}, {status, record}, or {"active"|"limited"|"quota",
 * record, scope, max, window ms, remaining, reset us, unseeded}.
 * GCRA keeps one number per limit, the theoretical arrival time; both limits are tested before either
 * is charged, so that a refusal costs the caller nothing. */
static const char admit_lua[] =
    "local c = redis.call('HMGET', KEYS[1], 'st', 'rec', 'lim')\n"
    "if not c[1] then return {'miss', redis.call('GET', KEYS[2]) or '0'} end\n"
    "if c[1] ~= 'active' or ARGV[1] == '0' then return {c[1], c[2] or ''} end\n"
    "local cmax, cwin, amax, awin, quota, acc =\n"
    "  string.match(c[3], '(%d+) (%d+) (%d+) (%d+) (%d+) (%S+)')\n"
    "local unseeded = 0\n"
    "quota = tonumber(quota)\n"
    "if quota > 0 then\n"
    "  local u = redis.call('HMGET', KEYS[3], 'n', 'base')\n"
    "  if not u[2] then unseeded = 1 end\n"
    "  if (tonumber(u[1]) or 0) + (tonumber(u[2]) or 0) >= quota then\n"
    "    return {'quota', c[2], 'quota', quota, 0, 0, 0, unseeded}\n"
    "  end\n"
    "end\n"
    "if cmax == '0' and amax == '0' then return {'active', c[2], '', 0, 0, 0, 0, unseeded} end\n" WF_LUA_GCRA
    "local limits = {}\n"
    "if tonumber(cmax) > 0 then limits[#limits + 1] = gcra('company', KEYS[4], cmax, cwin) end\n"
    "if tonumber(amax) > 0 then limits[#limits + 1] = gcra('account', ARGV[2] .. acc, amax, awin) end\n"
    "local tight\n"
    "for _, l in ipairs(limits) do\n"
    "  if l.wait > 0 then return {'limited', c[2], l.scope, l.max, l.win, 0, l.wait, unseeded} end\n"
    "  if not tight or l.left < tight.left then tight = l end\n"
    "end\n"
    "for _, l in ipairs(limits) do charge(l) end\n"
    "return {'active', c[2], tight.scope, tight.max, tight.win, tight.left, tight.reset, unseeded}\n";

/* The installation's own limit; a key of its own because it cannot share a company's slot. */
static const char platform_lua[] =
    WF_LUA_GCRA "local l = gcra('platform', KEYS[1], ARGV[1], ARGV[2])\n"
                "if l.wait > 0 then return {'limited', l.max, l.win, l.wait} end\n"
                "charge(l)\n"
                "return {'ok'}\n";

/* KEYS: context, generation, index. ARGV: generation, ttl, status, record, limits. */
static const char save_lua[] =
    "if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end\n"
    "redis.call('DEL', KEYS[1])\n"
    "redis.call('HSET', KEYS[1], 'st', ARGV[3], 'rec', ARGV[4], 'lim', ARGV[5])\n"
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

    script_make(&s->admit, "admit", admit_lua);
    script_make(&s->platform, "platform", platform_lua);
    script_make(&s->save_context, "save_context", save_lua);
    script_make(&s->exchange, "exchange", wf_exchange_lua);
    script_make(&s->save_plan, "save_plan", wf_save_plan_lua);
    return s;
}

const char *wf_month(apr_pool_t *pool, apr_time_t t)
{
    apr_time_exp_t e;

    apr_time_exp_gmt(&e, t);
    return apr_psprintf(pool, "%04d-%02d", e.tm_year + 1900, e.tm_mon + 1);
}

static const char *ctx_key(wf_ctx_t *ctx, const wf_store_t *store, const wf_admit_query_t *q)
{
    return apr_psprintf(ctx->pool, WF_KEY_CTX, store->prefix, q->slug,
                        q->account ? q->account : "default");
}

static const char *key_of(wf_ctx_t *ctx, const char *format, const wf_store_t *store,
                          const char *slug)
{
    /* The formats come from wf_keys.h only. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return apr_psprintf(ctx->pool, format, store->prefix, slug);
#pragma GCC diagnostic pop
}

typedef struct {
    int admit, platform; /* indexes of the replies; platform -1: not asked */
} asked_t;

static asked_t ask(wf_ctx_t *ctx, wf_redis_batch_t *batch, const wf_store_t *store,
                   const wf_admit_query_t *q)
{
    const char *argv[6];
    asked_t asked = {0, -1};

    argv[0] = ctx_key(ctx, store, q);
    argv[1] = key_of(ctx, WF_KEY_GENERATION, store, q->slug);
    argv[2] = apr_psprintf(ctx->pool, WF_KEY_USE, store->prefix, q->slug,
                           wf_month(ctx->pool, wf_now(ctx)));
    argv[3] = key_of(ctx, WF_KEY_RATE_COMPANY, store, q->slug);
    argv[4] = q->charge ? "1" : "0";
    argv[5] = apr_psprintf(ctx->pool, WF_KEY_RATE_ACCOUNT, store->prefix, q->slug, "");
    if (q->charge && q->platform_max > 0) {
        const char *platform[3];
        platform[0] = apr_psprintf(ctx->pool, WF_KEY_RATE_PLATFORM, store->prefix);
        platform[1] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, q->platform_max);
        platform[2] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, q->platform_window_ms);
        asked.platform = wf_redis_add_script(batch, &store->scripts->platform, 1, 3, platform, NULL);
    }
    asked.admit = wf_redis_add_script(batch, &store->scripts->admit, 4, 6, argv, NULL);
    return asked;
}

static int64_t number_at(const wf_redis_reply_t *r, size_t i)
{
    int64_t n = 0;

    if (i >= r->count) {
        return 0;
    }
    if (r->items[i].type == WF_REDIS_INT) {
        return r->items[i].n;
    }
    if (r->items[i].type == WF_REDIS_TEXT && !wf_parse_int(&n, r->items[i].text, 0, INT64_MAX)) {
        n = 0;
    }
    return n;
}

static const char *text_at(const wf_redis_reply_t *r, size_t i)
{
    return i < r->count && r->items[i].type == WF_REDIS_TEXT ? r->items[i].text : "";
}

static void read_entry(wf_admit_reply_t *out, const wf_redis_reply_t *r, const char *word)
{
    out->kind = strcmp(word, "limited") == 0 ? WF_ADMIT_REPLY_LIMITED
                : strcmp(word, "quota") == 0 ? WF_ADMIT_REPLY_QUOTA
                                             : WF_ADMIT_REPLY_ENTRY;
    out->status = out->kind == WF_ADMIT_REPLY_ENTRY ? word : "active";
    out->record.data = text_at(r, 1);
    out->record.len = r->count > 1 ? r->items[1].len : 0;
    if (r->count >= 8) {
        const char *scope = text_at(r, 2);
        out->scope = *scope ? scope : NULL;
        out->max = number_at(r, 3);
        out->window_ms = number_at(r, 4);
        out->remaining = number_at(r, 5);
        out->reset_us = number_at(r, 6);
        out->quota_unseeded = (int)number_at(r, 7);
    }
}

/* The installation's own limit is over everything, unknown companies included: it is what keeps a flood of made-up
 * names away from PostgreSQL. */
static int read_platform(wf_admit_reply_t *out, const wf_redis_reply_t *p)
{
    if (!p || p->is_error || strcmp(text_at(p, 0), "limited") != 0) {
        return 0;
    }
    out->kind = WF_ADMIT_REPLY_LIMITED;
    out->status = "active";
    out->scope = "platform";
    out->max = number_at(p, 1);
    out->window_ms = number_at(p, 2);
    out->reset_us = number_at(p, 3);
    return 1;
}

static wf_status_t read_answer(wf_ctx_t *ctx, wf_admit_reply_t *out, wf_redis_batch_t *batch,
                               asked_t asked)
{
    const wf_redis_reply_t *r = wf_redis_reply(batch, asked.admit);
    const char *word;

    memset(out, 0, sizeof(*out));
    if (r->is_error || r->type != WF_REDIS_ARRAY || r->count < 2) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0400) "Redis: the admission script failed: %s",
                       r->is_error ? r->text : "unexpected reply");
    }
    if (asked.platform >= 0 && read_platform(out, wf_redis_reply(batch, asked.platform))) {
        return WF_OK;
    }
    word = text_at(r, 0);
    if (strcmp(word, "miss") == 0) {
        out->kind = WF_ADMIT_REPLY_MISS;
        out->generation = text_at(r, 1);
    } else {
        read_entry(out, r, word);
    }
    return WF_OK;
}

wf_status_t wf_admit_query(wf_ctx_t *ctx, wf_admit_reply_t *out, const wf_store_t *store,
                           const wf_admit_query_t *query)
{
    wf_redis_batch_t *batch;
    asked_t asked;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if (!store->redis) {
        return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0401) "no Redis is configured");
    }
    batch = wf_redis_batch(ctx, store->redis);
    asked = ask(ctx, batch, store, query);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    return read_answer(ctx, out, batch, asked);
}

wf_status_t wf_admit_save(wf_ctx_t *ctx, wf_admit_reply_t *out, const wf_store_t *store,
                          const wf_admit_query_t *query, const wf_ctx_entry_t *entry,
                          const char *generation)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    int known = strcmp(entry->status, "none") != 0;
    const char *argv[8];
    size_t lens[8];
    asked_t asked;
    wf_status_t st;
    int i;

    memset(out, 0, sizeof(*out));
    argv[0] = ctx_key(ctx, store, query);
    argv[1] = key_of(ctx, WF_KEY_GENERATION, store, query->slug);
    argv[2] = key_of(ctx, WF_KEY_CTX_INDEX, store, query->slug);
    argv[3] = generation;
    argv[4] = apr_itoa(ctx->pool, known ? WF_TTL_CTX_S : WF_TTL_NEGATIVE_S);
    argv[5] = entry->status;
    argv[6] = entry->record;
    argv[7] = apr_psprintf(ctx->pool,
                           "%" APR_INT64_T_FMT " %" APR_INT64_T_FMT " %" APR_INT64_T_FMT
                           " %" APR_INT64_T_FMT " %" APR_INT64_T_FMT " %s",
                           entry->company_max, entry->company_window_ms, entry->account_max,
                           entry->account_window_ms, entry->quota, entry->account_id);
    for (i = 0; i < 8; i++) {
        lens[i] = strlen(argv[i]);
    }
    lens[6] = entry->record_len;
    wf_redis_add_script(batch, &store->scripts->save_context, 3, 8, argv, lens);
    asked = ask(ctx, batch, store, query);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK ||
        (st = read_answer(ctx, out, batch, asked)) != WF_OK) {
        return st;
    }
    /* The first save after a start of Redis loads its script and so runs behind the question. */
    return out->kind == WF_ADMIT_REPLY_MISS ? wf_admit_query(ctx, out, store, query) : WF_OK;
}

wf_status_t wf_use_seed(wf_ctx_t *ctx, const wf_store_t *store, const char *slug, const char *month,
                        int64_t base)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    const char *key = apr_psprintf(ctx->pool, WF_KEY_USE, store->prefix, slug, month);

    wf_redis_addv(batch, "HSETNX", key, "base", apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, base),
                  NULL);
    wf_redis_addv(batch, "EXPIRE", key, apr_itoa(ctx->pool, WF_TTL_USE_S), NULL);
    return wf_redis_run(ctx, batch);
}
