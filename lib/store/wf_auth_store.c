#include "store/wf_auth_store.h"

#include "store/wf_keys.h"
#include "store/wf_scripts_int.h"
#include "store/wf_store_int.h"

#include <string.h>

#define NEGATIVE_S "5"
/* Checks of secrets that were not right before, for each look-up id: a burst of so many, then one a second. */
#define COLD_MAX "20"
#define COLD_WINDOW_MS "20000"

/* KEYS: what is known, its generation, rate, uses, checks. ARGV: proof, address, checks and their window. Answers
 * {"known", generation, record, address known, remaining, reset us, wait us}, {"unknown", generation, proven, refresh},
 * {"wrong"}, or {"slow", wait us}. A record begins with its rate. */
const char wf_api_key_lua[] =
    "local e = redis.call('HMGET', KEYS[1], 'key:' .. ARGV[1], 'at:' .. ARGV[2])\n"
    "local gen = redis.call('GET', KEYS[2]) or '0'\n" WF_LUA_GCRA
    "if e[1] then\n"
    /* One of its users looks it up anew before it goes, so that they do not all do so at once. */
    "  if redis.call('TTL', KEYS[1]) < 15 and\n"
    "     redis.call('SET', KEYS[5] .. ':refresh', '1', 'NX', 'EX', 10) then\n"
    "    return {'unknown', gen, 0, 1}\n"
    "  end\n"
    "  local rate = string.match(e[1], '^%d+')\n"
    "  local known = e[2] and 1 or 0\n"
    "  redis.call('INCR', KEYS[4])\n"
    "  if rate == '0' then return {'known', gen, e[1], known, 0, 0, 0} end\n"
    "  local tat, ahead, left, wait = gcra(KEYS[3], rate, 60000)\n"
    "  if wait > 0 then return {'known', gen, e[1], known, 0, wait, wait} end\n"
    "  charge(KEYS[3], tat, ahead)\n"
    "  return {'known', gen, e[1], known, left, ahead, 0}\n"
    "end\n"
    "if redis.call('EXISTS', KEYS[5] .. ':none', KEYS[5] .. ':' .. ARGV[1]) > 0 then\n"
    "  return {'wrong'}\n"
    "end\n"
    "if redis.call('GET', KEYS[5] .. ':proven') == ARGV[1] then return {'unknown', gen, 1} end\n"
    "local tat, ahead, _, wait = gcra(KEYS[5], ARGV[3], ARGV[4])\n"
    "if wait > 0 then return {'slow', wait} end\n"
    "charge(KEYS[5], tat, ahead)\n"
    "return {'unknown', gen, 0}\n";

static wf_status_t no_redis(wf_ctx_t *ctx)
{
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0611) "no Redis is configured");
}

static wf_status_t bad_reply(wf_ctx_t *ctx, const wf_redis_reply_t *r)
{
    return wf_fail(ctx, WF_EUNAVAIL, WFLOGNO(0612) "Redis: who calls is not known: %s",
                   r->is_error ? r->text : "unexpected reply");
}

static const char *text_or(const wf_redis_reply_t *r, const char *otherwise)
{
    return r && r->type == WF_REDIS_TEXT && !r->is_error ? r->text : otherwise;
}

static const char *generation_of(apr_pool_t *pool, const char *all, const char *own)
{
    return apr_pstrcat(pool, all, ".", own, NULL);
}

/* What is saved is "<generation> <record>"; the record, where the generation is still that one. */
static wf_slice_t record_of(const char *generation, const char *saved, size_t len)
{
    size_t skip = strlen(generation);

    if (!saved || strncmp(saved, generation, skip) != 0 || saved[skip] != ' ') {
        return (wf_slice_t){NULL, 0};
    }
    return (wf_slice_t){saved + skip + 1, len - skip - 1};
}

static const char *saved_text(apr_pool_t *pool, const char *generation, wf_slice_t record)
{
    return apr_pstrcat(pool, generation, " ", apr_pstrmemdup(pool, record.data, record.len), NULL);
}

/* ---- a record by its name ------------------------------------------------------------------------ */

wf_status_t wf_auth_find(wf_ctx_t *ctx, wf_auth_entry_t *out, const wf_store_t *store,
                         const char *name, const char *field)
{
    apr_pool_t *pool = ctx->pool;
    wf_redis_batch_t *batch;
    const wf_redis_reply_t *r;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if (!store->redis) {
        return no_redis(ctx);
    }
    batch = wf_redis_batch(ctx, store->redis);
    wf_redis_addv(batch, "GET", WF_KEY_AUTH_GENERATION(pool, store->prefix), NULL);
    wf_redis_addv(batch, "GET", WF_KEY_AUTH(pool, store->prefix, name, "gen"), NULL);
    wf_redis_addv(batch, "HGET", WF_KEY_AUTH(pool, store->prefix, name, "auth"), field, NULL);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    r = wf_redis_reply(batch, 2);
    if (r->is_error) {
        return bad_reply(ctx, r);
    }
    out->generation = generation_of(pool, text_or(wf_redis_reply(batch, 0), "0"),
                                    text_or(wf_redis_reply(batch, 1), "0"));
    out->record = record_of(out->generation, text_or(r, NULL), r->len);
    return WF_OK;
}

wf_status_t wf_auth_save(wf_ctx_t *ctx, const wf_store_t *store, const char *name,
                         const char *field, const char *generation, wf_slice_t record)
{
    const char *key = WF_KEY_AUTH(ctx->pool, store->prefix, name, "auth");
    wf_redis_batch_t *batch;

    if (!store->redis) {
        return no_redis(ctx);
    }
    batch = wf_redis_batch(ctx, store->redis);
    wf_redis_addv(batch, "HSET", key, field, saved_text(ctx->pool, generation, record), NULL);
    wf_redis_addv(batch, "EXPIRE", key, apr_itoa(ctx->pool, WF_TTL_AUTH_S), NULL);
    return wf_redis_run(ctx, batch);
}

wf_status_t wf_auth_forget(wf_ctx_t *ctx, const wf_store_t *store, const apr_array_header_t *names)
{
    wf_redis_batch_t *batch;
    wf_status_t st;
    int i;

    if (names->nelts == 0) {
        return WF_OK;
    }
    if (!store->redis) {
        return WF_EUNAVAIL;
    }
    batch = wf_redis_batch(ctx, store->redis);
    for (i = 0; i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);
        const char *gen = WF_KEY_AUTH(ctx->pool, store->prefix, name, "gen");

        if (strcmp(name, "*") == 0) {
            wf_redis_addv(batch, "INCR", WF_KEY_AUTH_GENERATION(ctx->pool, store->prefix), NULL);
            continue;
        }
        wf_redis_addv(batch, "INCR", gen, NULL);
        wf_redis_addv(batch, "EXPIRE", gen, apr_itoa(ctx->pool, WF_TTL_GENERATION_S), NULL);
        wf_redis_addv(batch, "DEL", WF_KEY_AUTH(ctx->pool, store->prefix, name, "auth"), NULL);
    }
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    return wf_redis_reply(batch, 0)->is_error ? bad_reply(ctx, wf_redis_reply(batch, 0)) : WF_OK;
}

static wf_status_t load_text(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                             wf_sql_id_t id, const wf_pg_param_t *params)
{
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_plain(ctx, &res, store, id, params);

    *out = (wf_slice_t){NULL, 0};
    if (st != WF_OK) {
        return st;
    }
    if (!wf_pg_cell(res, 0, 0)) {
        return WF_ENOTFOUND;
    }
    *out = (wf_slice_t){wf_pg_cell(res, 0, 0), wf_pg_cell_len(res, 0, 0)};
    return WF_OK;
}

wf_status_t wf_auth_user_load(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                              const char *user_id, const char *session_id)
{
    const wf_pg_param_t params[] = {user_id, session_id};

    return load_text(ctx, out, store, WF_SQL_AUTH_USER, params);
}

wf_status_t wf_auth_company_load(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                                 const char *id_or_slug)
{
    return load_text(ctx, out, store, WF_SQL_AUTH_COMPANY, &id_or_slug);
}

/* ---- API keys ------------------------------------------------------------------------------------ */

static const char *key_name(apr_pool_t *pool, const wf_auth_key_query_t *q)
{
    return apr_pstrcat(pool, "key:", q->lookup, NULL);
}

static const char *check_key(apr_pool_t *pool, const wf_store_t *store,
                             const wf_auth_key_query_t *q)
{
    return WF_KEY_AUTH(pool, store->prefix, key_name(pool, q), "check");
}

static int64_t number_at(const wf_redis_reply_t *r, size_t i)
{
    return i < r->count && r->items[i].type == WF_REDIS_INT ? r->items[i].n : 0;
}

static wf_status_t read_key_reply(wf_ctx_t *ctx, wf_auth_key_reply_t *out,
                                  const wf_redis_reply_t *r, const char *all)
{
    const char *word = r->count > 0 ? text_or(&r->items[0], NULL) : NULL;
    const char *saved;

    if (r->is_error || r->type != WF_REDIS_ARRAY || !word) {
        return bad_reply(ctx, r);
    }
    if (strcmp(word, "wrong") == 0) {
        out->kind = WF_AUTH_KEY_WRONG;
        return WF_OK;
    }
    if (strcmp(word, "slow") == 0) {
        out->kind = WF_AUTH_KEY_SLOW;
        out->wait_us = number_at(r, 1);
        return WF_OK;
    }
    out->entry.generation =
        generation_of(ctx->pool, all, r->count > 1 ? text_or(&r->items[1], "0") : "0");
    if (strcmp(word, "known") != 0 || r->count < 7) {
        out->is_proven = (int)number_at(r, 2);
        out->is_refresh = (int)number_at(r, 3);
        return WF_OK;
    }
    out->kind = WF_AUTH_KEY_KNOWN;
    out->address_known = (int)number_at(r, 3);
    out->remaining = number_at(r, 4);
    out->reset_us = number_at(r, 5);
    out->wait_us = number_at(r, 6);
    saved = text_or(&r->items[2], "");
    saved += strcspn(saved, " ");
    saved += *saved == ' ';
    out->entry.record = record_of(out->entry.generation, saved, strlen(saved));
    if (!out->entry.record.data) {
        saved += strcspn(saved, " ");
        out->stale = (wf_slice_t){saved, strlen(saved)};
    }
    return WF_OK;
}

wf_status_t wf_auth_key_find(wf_ctx_t *ctx, wf_auth_key_reply_t *out, const wf_store_t *store,
                             const wf_auth_key_query_t *query)
{
    const char *name = key_name(ctx->pool, query), *argv[9];
    wf_redis_batch_t *batch;
    wf_status_t st;
    int all, key;

    memset(out, 0, sizeof(*out));
    if (!store->redis) {
        return no_redis(ctx);
    }
    argv[0] = WF_KEY_AUTH(ctx->pool, store->prefix, name, "auth");
    argv[1] = WF_KEY_AUTH(ctx->pool, store->prefix, name, "gen");
    argv[2] = WF_KEY_AUTH(ctx->pool, store->prefix, name, "rate");
    argv[3] = WF_KEY_AUTH(ctx->pool, store->prefix, name, "uses");
    argv[4] = check_key(ctx->pool, store, query);
    argv[5] = query->proof;
    argv[6] = query->address;
    argv[7] = COLD_MAX;
    argv[8] = COLD_WINDOW_MS;
    batch = wf_redis_batch(ctx, store->redis);
    all = wf_redis_addv(batch, "GET", WF_KEY_AUTH_GENERATION(ctx->pool, store->prefix), NULL);
    key = wf_redis_add_script(batch, &store->scripts->api_key, 5, 9, argv, NULL);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    return read_key_reply(ctx, out, wf_redis_reply(batch, key),
                          text_or(wf_redis_reply(batch, all), "0"));
}

wf_status_t wf_auth_key_save(wf_ctx_t *ctx, int64_t *uses, const wf_store_t *store,
                             const wf_auth_key_query_t *query, const char *generation, int64_t rate,
                             wf_slice_t record)
{
    const char *name = key_name(ctx->pool, query);
    const char *key = WF_KEY_AUTH(ctx->pool, store->prefix, name, "auth");
    const char *uses_key = WF_KEY_AUTH(ctx->pool, store->prefix, name, "uses");
    const char *rate_text = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT " ", rate);
    wf_redis_batch_t *batch;
    wf_status_t st;
    int count;

    *uses = 0;
    if (!store->redis) {
        return no_redis(ctx);
    }
    batch = wf_redis_batch(ctx, store->redis);
    count = wf_redis_addv(batch, "GETSET", uses_key, "0", NULL);
    wf_redis_addv(batch, "EXPIRE", uses_key, apr_itoa(ctx->pool, WF_TTL_AUTH_USES_S), NULL);
    wf_redis_addv(batch, "HSET", key, apr_pstrcat(ctx->pool, "key:", query->proof, NULL),
                  apr_pstrcat(ctx->pool, rate_text, saved_text(ctx->pool, generation, record), NULL),
                  apr_pstrcat(ctx->pool, "at:", query->address, NULL), "1", NULL);
    wf_redis_addv(batch, "EXPIRE", key, apr_itoa(ctx->pool, WF_TTL_AUTH_S), NULL);
    wf_redis_addv(batch, "SET", apr_pstrcat(ctx->pool, check_key(ctx->pool, store, query), ":proven", NULL),
                  query->proof, "EX", apr_itoa(ctx->pool, WF_TTL_AUTH_PROVEN_S), NULL);
    if ((st = wf_redis_run(ctx, batch)) == WF_OK &&
        !wf_parse_int(uses, text_or(wf_redis_reply(batch, count), "0"), 0, INT64_MAX / 2)) {
        *uses = 0;
    }
    return st;
}

void wf_auth_key_refuse(wf_ctx_t *ctx, const wf_store_t *store, const wf_auth_key_query_t *query,
                        int whole)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    wf_redis_batch_t *batch;

    if (!store->redis) {
        return;
    }
    batch = wf_redis_batch(own, store->redis);
    wf_redis_addv(batch, "SET",
                  apr_pstrcat(ctx->pool, check_key(ctx->pool, store, query), ":",
                              whole ? "none" : query->proof, NULL),
                  "1", "EX", NEGATIVE_S, NULL);
    (void)!wf_redis_run(own, batch); /* then the next one is checked again */
}

wf_status_t wf_auth_key_load(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                             const char *lookup)
{
    wf_slice_t text;
    wf_status_t st = load_text(ctx, &text, store, WF_SQL_AUTH_KEY, &lookup);

    *out = NULL;
    return st == WF_OK ? wf_json_parse(ctx, out, text.data, text.len, 0) : st;
}

static wf_status_t add_use(wf_ctx_t *ctx, wf_pg_conn_t *conn, const char *company_id,
                           const char *key_id, int64_t uses, const wf_actor_t *actor)
{
    const char *count = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, uses);
    const wf_pg_param_t used[] = {company_id, key_id, count};
    const wf_pg_param_t address[] = {company_id, key_id, actor->ip_address};
    wf_audit_t row = {.company_id = company_id,
                      .action = "api_key.new_address",
                      .resource_type = "api_key",
                      .resource_id = key_id};
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_pg_begin(ctx, conn, company_id)) != WF_OK ||
        (st = wf_pg_exec(ctx, NULL, conn, wf_sql(WF_SQL_AUTH_KEY_USED), used)) != WF_OK ||
        (st = wf_pg_exec(ctx, &res, conn, wf_sql(WF_SQL_AUTH_KEY_ADDRESS), address)) != WF_OK ||
        (wf_pg_rows(res) > 0 && (st = wf_audit_add(ctx, conn, &row, actor)) != WF_OK)) {
        return st;
    }
    return wf_pg_commit(ctx, conn);
}

wf_status_t wf_auth_key_used(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                             const char *key_id, int64_t uses, const wf_actor_t *actor)
{
    wf_pg_conn_t *conn;
    wf_status_t st = wf_pg_acquire(ctx, &conn, store->pg);

    if (st == WF_OK) {
        st = add_use(ctx, conn, company_id, key_id, uses, actor);
        wf_pg_release(store->pg, conn);
    }
    return st;
}

/* ---- the keys of an identity provider ----------------------------------------------------------------- */

static const char *jwks_key(apr_pool_t *pool, const wf_store_t *store, const char *url)
{
    return apr_pstrcat(pool, store->prefix, "jwks:", wf_sha256_hex(pool, url, strlen(url)), NULL);
}

wf_status_t wf_auth_jwks_find(wf_ctx_t *ctx, wf_slice_t *out, const wf_store_t *store,
                              const char *url)
{
    wf_redis_batch_t *batch;
    const wf_redis_reply_t *r;
    wf_status_t st;

    *out = (wf_slice_t){NULL, 0};
    if (!store->redis) {
        return no_redis(ctx);
    }
    batch = wf_redis_batch(ctx, store->redis);
    wf_redis_addv(batch, "GET", jwks_key(ctx->pool, store, url), NULL);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    r = wf_redis_reply(batch, 0);
    if (r->type == WF_REDIS_TEXT && !r->is_error) {
        *out = (wf_slice_t){r->text, r->len};
    }
    return WF_OK;
}

void wf_auth_jwks_save(wf_ctx_t *ctx, const wf_store_t *store, const char *url, wf_slice_t text,
                       int64_t ttl_s)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    const char *argv[] = {"SET", jwks_key(ctx->pool, store, url), text.data, "EX",
                          apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, ttl_s)};
    size_t lens[] = {3, strlen(argv[1]), text.len, 2, strlen(argv[4])};
    wf_redis_batch_t *batch;

    if (store->redis) {
        batch = wf_redis_batch(own, store->redis);
        wf_redis_add(batch, 5, argv, lens);
        (void)!wf_redis_run(own, batch);
    }
}

/* ---- limits by name -------------------------------------------------------------------------------- */

wf_status_t wf_auth_limit(wf_ctx_t *ctx, int64_t *wait_us, const wf_store_t *store,
                          const char *name, int64_t max, int64_t window_ms)
{
    const char *argv[3];
    wf_redis_batch_t *batch;
    const wf_redis_reply_t *r;
    wf_status_t st;
    int i;

    *wait_us = 0;
    if (!store->redis) {
        return no_redis(ctx);
    }
    argv[0] = WF_KEY_AUTH(ctx->pool, store->prefix, name, "rate");
    argv[1] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, max);
    argv[2] = apr_psprintf(ctx->pool, "%" APR_INT64_T_FMT, window_ms);
    batch = wf_redis_batch(ctx, store->redis);
    i = wf_redis_add_script(batch, &store->scripts->platform, 1, 3, argv, NULL);
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    r = wf_redis_reply(batch, i);
    if (r->is_error || r->type != WF_REDIS_INT) {
        return bad_reply(ctx, r);
    }
    *wait_us = r->n;
    return WF_OK;
}
