#include "store/wf_store.h"
#include "store/wf_keys.h"
#include "store/wf_scripts_int.h"

#include <string.h>

/* KEYS: flow, generation. ARGV: generation, ttl, field, plan. */
const char wf_save_plan_lua[] =
    "if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[1] then return 0 end\n"
    "redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])\n"
    "redis.call('EXPIRE', KEYS[1], ARGV[2])\n"
    "return 1\n";

/* The field of WF_KEY_FLOW that has this version's plan; 0: the active one's. */
static const char *plan_field(apr_pool_t *pool, int version)
{
    return version == 0 ? "plan" : apr_itoa(pool, version);
}

/* As cached: see WF_KEY_FLOW. What is not of that form is another build's, and not there. */
static void split_plan(wf_flow_plan_t *out, const char *name, const wf_redis_reply_t *r)
{
    /* The reply's own copy in our pool: cut in place. */
    char *text = (char *)(uintptr_t)r->text, *id = strchr(text, '\n'), *plan;
    int64_t version;

    if (!id || !(plan = strchr(id + 1, '\n')) || plan - id - 1 != WF_UUID_LEN) {
        return;
    }
    *id++ = *plan++ = '\0';
    if (wf_parse_int(&version, text, 1, INT32_MAX)) {
        out->flow_id = id;
        out->name = name;
        out->version = (int)version;
        out->plan = plan;
        out->plan_len = r->len - (size_t)(plan - text);
    }
}

static void save_plan(wf_ctx_t *ctx, const wf_store_t *store, const wf_tenant_t *tenant,
                      const wf_flow_plan_t *plan, const char *generation, int is_active)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    const char *slug = tenant->company.slug, *argv[6];

    argv[0] = WF_KEY_FLOW(ctx->pool, store->prefix, slug, plan->name);
    argv[1] = WF_KEY_GENERATION(ctx->pool, store->prefix, slug);
    argv[2] = generation;
    argv[3] = apr_itoa(ctx->pool, WF_TTL_FLOW_S);
    argv[4] = plan_field(ctx->pool, is_active ? 0 : plan->version);
    argv[5] = apr_pstrcat(ctx->pool, apr_itoa(ctx->pool, plan->version), "\n", plan->flow_id, "\n",
                          plan->plan, NULL);
    wf_redis_add_script(batch, &store->scripts->save_plan, 2, 6, argv, NULL);
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

static const wf_redis_reply_t *text_of(const wf_redis_batch_t *batch, int index)
{
    const wf_redis_reply_t *r = wf_redis_reply(batch, index);

    return r && r->type == WF_REDIS_TEXT && !r->is_error ? r : NULL;
}

static int ask_generation(wf_ctx_t *ctx, wf_redis_batch_t *batch, const wf_store_t *store,
                          const char *slug)
{
    return wf_redis_addv(batch, "GET", WF_KEY_GENERATION(ctx->pool, store->prefix, slug), NULL);
}

/* NULL: Redis did not say, so nothing may be cached. */
static const char *generation_of(const wf_redis_batch_t *batch, int index)
{
    const wf_redis_reply_t *r = wf_redis_reply(batch, index);

    return !r || r->is_error ? NULL : r->type == WF_REDIS_TEXT ? r->text : "0";
}

static const char *generation_now(wf_ctx_t *ctx, const wf_store_t *store,
                                  const wf_tenant_t *tenant)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    int i = ask_generation(ctx, batch, store, tenant->company.slug);

    if (wf_redis_run(ctx, batch) != WF_OK) {
        wf_ctx_clear(ctx);
    }
    return generation_of(batch, i);
}

wf_status_t wf_exchange_plan(wf_ctx_t *ctx, wf_flow_plan_t *out, const wf_store_t *store,
                             const wf_tenant_t *tenant, const char *name, int version)
{
    const char *generation = store->redis ? generation_now(ctx, store, tenant) : NULL;

    memset(out, 0, sizeof(*out));
    return load_plan(ctx, out, store, tenant, name, version, generation);
}

/* The month's counter shall not outlive its use. Once more now and then, should the first have failed. */
static void keep_use(wf_ctx_t *ctx, const wf_store_t *store, const char *key, int64_t n)
{
    if (n % 1024 == 1) {
        wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);

        wf_redis_addv(batch, "EXPIRE", key, apr_itoa(ctx->pool, WF_TTL_USE_S), NULL);
        if (wf_redis_run(ctx, batch) != WF_OK) {
            wf_ctx_clear(ctx);
        }
    }
}

/* The flow and version an exchange goes on with. */
typedef struct {
    const char *name; /* NULL: none is named */
    int version;      /* 0: the active one */
} wanted_t;

/* What Redis says of it, NULL where it has nothing. */
typedef struct {
    const wf_redis_reply_t *session, *plan;
} found_t;

/* One round trip of plain commands. The plan is asked for before the session is known: nearly always the
 * session is on the active version of the flow that the path names, and one that is not costs
 * find_plan(). */
static wf_status_t ask_redis(wf_ctx_t *ctx, found_t *out, const wf_store_t *store,
                             const wf_exchange_query_t *q, const wanted_t *usual)
{
    const char *slug = q->tenant->company.slug, *use = NULL;
    int session = -1, plan = -1, count = -1, i;
    const wf_redis_reply_t *r;
    wf_redis_batch_t *batch;
    wf_status_t st;

    *out = (found_t){NULL, NULL};
    if (!store->redis) {
        return WF_EUNAVAIL;
    }
    batch = wf_redis_batch(ctx, store->redis);
    if (q->token_hash) {
        session = wf_redis_addv(
            batch, "GET", WF_KEY_SESSION(ctx->pool, store->prefix, slug, q->token_hash), NULL);
    }
    if (usual->name) {
        plan = wf_redis_addv(batch, "HGET",
                             WF_KEY_FLOW(ctx->pool, store->prefix, slug, usual->name),
                             plan_field(ctx->pool, usual->version), NULL);
    }
    if (q->count_use) {
        use = WF_KEY_USE(ctx->pool, store->prefix, slug, wf_month(ctx->pool, wf_now(ctx)));
        count = wf_redis_addv(batch, "HINCRBY", use, "n", "1", NULL);
    }
    if ((st = wf_redis_run(ctx, batch)) != WF_OK) {
        return st;
    }
    for (i = 0; (r = wf_redis_reply(batch, i)) != NULL; i++) {
        if (r->is_error) {
            return wf_fail(ctx, WF_EUNAVAIL,
                           WFLOGNO(0402) "Redis: session and plan could not be read: %s", r->text);
        }
    }
    if (count >= 0) {
        keep_use(ctx, store, use, wf_redis_reply(batch, count)->n);
    }
    out->session = text_of(batch, session);
    out->plan = text_of(batch, plan);
    return WF_OK;
}

/* Another plan than the usual, or one that the cache did not have a moment ago. The generation is that before
 * PostgreSQL is read. */
static wf_status_t find_plan(wf_ctx_t *ctx, wf_exchange_state_t *out, const wf_store_t *store,
                             const wf_tenant_t *tenant, const wanted_t *wanted)
{
    wf_redis_batch_t *batch = wf_redis_batch(ctx, store->redis);
    const char *slug = tenant->company.slug;
    const wf_redis_reply_t *r;
    wf_status_t st;
    int plan, generation;

    plan = wf_redis_addv(batch, "HGET", WF_KEY_FLOW(ctx->pool, store->prefix, slug, wanted->name),
                         plan_field(ctx->pool, wanted->version), NULL);
    generation = ask_generation(ctx, batch, store, slug);
    if (wf_redis_run(ctx, batch) != WF_OK) {
        wf_ctx_clear(ctx);
    }
    if ((r = text_of(batch, plan)) != NULL) {
        split_plan(&out->plan, wanted->name, r);
    }
    if (out->plan.plan) {
        out->flow_cached = 1;
        return WF_OK;
    }
    st = load_plan(ctx, &out->plan, store, tenant, wanted->name, wanted->version,
                   generation_of(batch, generation));
    if (st == WF_ENOTFOUND) {
        memset(&out->plan, 0, sizeof(out->plan));
        return WF_OK;
    }
    return st;
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
                        const wf_redis_reply_t *cached)
{
    if (wf_session_parse(ctx, &out->session, cached->text, cached->len) != WF_OK) {
        wf_ctx_clear(ctx);
        return 0;
    }
    out->session_known = out->session_cached = 1;
    return strcmp(out->session->company_id, query->tenant->company.id) == 0;
}

/* A session stays with its flow and version. */
static int fits(const wf_flow_plan_t *plan, const wanted_t *wanted)
{
    return plan->plan && strcmp(plan->name, wanted->name) == 0 &&
           (wanted->version == 0 || plan->version == wanted->version);
}

wf_status_t wf_exchange_load(wf_ctx_t *ctx, wf_exchange_state_t *out, const wf_store_t *store,
                             const wf_exchange_query_t *query)
{
    wanted_t wanted = {query->flow_name ? query->flow_name : query->default_flow,
                       query->flow_version};
    found_t found;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    if ((st = ask_redis(ctx, &found, store, query, &wanted)) == WF_EUNAVAIL) {
        wf_ctx_clear(ctx);
        return load_without_redis(ctx, out, store, query);
    } else if (st != WF_OK) {
        return st;
    }
    if (found.session && !open_session(ctx, out, query, found.session)) {
        memset(out, 0, sizeof(*out));
        return load_without_redis(ctx, out, store, query);
    }
    if (found.plan) {
        split_plan(&out->plan, wanted.name, found.plan);
    }
    if (out->session) {
        wanted = (wanted_t){out->session->flow_name, out->session->flow_version};
    }
    if (!wanted.name) {
        return WF_OK;
    }
    if (fits(&out->plan, &wanted)) {
        out->flow_cached = 1;
        return WF_OK;
    }
    memset(&out->plan, 0, sizeof(out->plan));
    return find_plan(ctx, out, store, query->tenant, &wanted);
}
