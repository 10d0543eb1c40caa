#include "store/wf_store_int.h"

#include "store/wf_auth_store.h"

#include <string.h>

#define VERSION_TAG_LEN 20

/* ---- constraints ------------------------------------------------------------------------ */

/* Constraints are named <table>_<field>_<check|key|fkey> in schema/, so that a violated one names
 * the field. */
static const char *const tables[] = {"companies_", "whatsapp_accounts_", "flows_",
                                     "flow_versions_", "users_", "api_keys_", "integrations_",
                                     "feature_flags_", "opt_outs_", "approvals_"};

static const struct {
    const char *suffix;
    const char *text;
    const char *code; /* after the field's name; NULL: the status says it */
} violations[] = {{"_check", "not valid", NULL},
                  {"_fkey", "not known", NULL},
                  {"_key", "already taken", "_taken"}};

/* The field that a constraint is about, with what is wrong as a fault; 0: its name is not of that form. */
static int add_violation(wf_ctx_t *ctx, const char **code, const char *constraint)
{
    const char *field;
    size_t t, v;

    for (t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
        size_t skip = strlen(tables[t]);
        if (strncmp(constraint, tables[t], skip) != 0) {
            continue;
        }
        for (v = 0; v < sizeof(violations) / sizeof(violations[0]); v++) {
            size_t tail = strlen(violations[v].suffix), len = strlen(constraint);
            if (len > skip + tail && strcmp(constraint + len - tail, violations[v].suffix) == 0) {
                field = apr_pstrndup(ctx->pool, constraint + skip, len - tail - skip);
                wf_fault_add(ctx, apr_pstrcat(ctx->pool, "/", field, NULL), "%s",
                             violations[v].text);
                *code = violations[v].code
                            ? apr_pstrcat(ctx->pool, field, violations[v].code, NULL)
                            : NULL;
                return 1;
            }
        }
    }
    return 0;
}

/* ---- begin, work ------------------------------------------------------------------------ */

static wf_status_t open_change(wf_ctx_t *ctx, wf_change_t *change, const wf_store_t *store,
                               const char *tenant, const wf_actor_t *actor)
{
    wf_status_t st;

    memset(change, 0, sizeof(*change));
    change->store = store;
    change->actor = actor;
    change->forget_contexts = 1;
    change->forget_flows = apr_array_make(ctx->pool, 4, sizeof(const char *));
    change->forget_auth = apr_array_make(ctx->pool, 2, sizeof(const char *));
    st = wf_pg_acquire(ctx, &change->conn, store->pg);
    return st == WF_OK ? wf_pg_begin(ctx, change->conn, tenant) : st;
}

wf_status_t wf_change_begin(wf_ctx_t *ctx, wf_change_t *change, const wf_store_t *store,
                            const char *company_id, const wf_actor_t *actor)
{
    const wf_pg_param_t params[] = {company_id};
    wf_pg_result_t *res;
    wf_status_t st;

    if (!wf_store_uuid(company_id)) {
        memset(change, 0, sizeof(*change));
        change->store = store;
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0272) "no such company");
    }
    if ((st = open_change(ctx, change, store, company_id, actor)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_COMPANY_LOCK, params)) != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0273) "no such company");
    }
    change->company_id = wf_pg_cell(res, 0, 0);
    change->slug = wf_pg_cell(res, 0, 1);
    change->max_accounts = wf_store_int(res, 0, 2);
    change->max_flows = wf_store_int(res, 0, 3);
    change->four_eyes = strcmp(wf_pg_cell(res, 0, 4), "t") == 0;
    return WF_OK;
}

wf_status_t wf_change_begin_platform(wf_ctx_t *ctx, wf_change_t *change, const wf_store_t *store,
                                     const char *company_id, const char *slug,
                                     const wf_actor_t *actor)
{
    wf_pg_result_t *res;
    wf_status_t st = open_change(ctx, change, store, NULL, actor);

    change->company_id = company_id;
    change->slug = slug;
    return st == WF_OK ? wf_change_exec(ctx, &res, change, WF_SQL_ROLE_PLATFORM, NULL) : st;
}

wf_status_t wf_change_exec(wf_ctx_t *ctx, wf_pg_result_t **out, wf_change_t *change, wf_sql_id_t id,
                           const wf_pg_param_t *params)
{
    wf_status_t st = wf_pg_exec(ctx, out, change->conn, wf_sql(id), params);
    const char *constraint = st == WF_OK ? NULL : wf_pg_constraint(change->conn);
    wf_err_t err = ctx->err;
    const char *code;

    if ((st != WF_ECONFLICT && st != WF_EINVALID) || !constraint) {
        return st;
    }
    wf_ctx_clear(ctx);
    if (!add_violation(ctx, &code, constraint)) {
        ctx->err = err;
        return st;
    }
    return wf_fail_code(ctx, st, code, WFLOGNO(0274) "%s", wf_faults_text(ctx));
}

wf_status_t wf_change_exec_json(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change, wf_sql_id_t id,
                                const wf_pg_param_t *params)
{
    wf_pg_result_t *res;
    wf_status_t st;

    *doc = NULL;
    if ((st = wf_change_exec(ctx, &res, change, id, params)) != WF_OK) {
        return st;
    }
    return wf_pg_rows(res) == 0 ? WF_ENOTFOUND : wf_store_json(ctx, doc, res, 0, 0);
}

void wf_change_forget_flow(wf_change_t *change, const char *flow_name)
{
    APR_ARRAY_PUSH(change->forget_flows, const char *) = flow_name;
}

void wf_change_forget_auth(wf_change_t *change, const char *name)
{
    APR_ARRAY_PUSH(change->forget_auth, const char *) = name;
}

wf_status_t wf_change_limit(wf_ctx_t *ctx, int64_t used, int64_t limit, int64_t other,
                            const char *what)
{
    if (limit <= 0 || (other > 0 && other < limit)) {
        limit = other;
    }
    if (limit <= 0 || used < limit) {
        return WF_OK;
    }
    return wf_fail_public(ctx, WF_ELIMIT,
                          WFLOGNO(0275) "%s: the limit of %" APR_INT64_T_FMT " is reached", what,
                          limit);
}

/* ---- versions --------------------------------------------------------------------------- */

const char *wf_version_tag(apr_pool_t *pool, const wf_json_t *doc)
{
    const char *updated = wf_json_get_str(doc, "updated_at", NULL);
    const char *text;

    if (!updated) {
        return NULL;
    }
    text = apr_pstrcat(pool, wf_json_get_str(doc, "id", ""), "|", updated, NULL);
    return apr_pstrndup(pool, wf_sha256_hex(pool, text, strlen(text)), VERSION_TAG_LEN);
}

/* RFC 9110 13.1.1: "*", or a list of entity tags in quotes; weak ones never match. */
static int names_tag(const char *if_match, const char *tag)
{
    size_t len = strlen(tag);
    const char *p = if_match;

    if (strcmp(if_match, "*") == 0) {
        return 1;
    }
    while ((p = strchr(p, '"')) != NULL) {
        int weak = p > if_match && p[-1] == '/';

        p++;
        if (!weak && strncmp(p, tag, len) == 0 && p[len] == '"') {
            return 1;
        }
        p = strchr(p, '"');
        if (!p) {
            return 0;
        }
        p++;
    }
    return 0;
}

wf_status_t wf_change_expect(wf_ctx_t *ctx, const wf_change_t *change, const wf_json_t *old_doc)
{
    const char *wanted = change->actor->if_match;
    const char *have = wanted ? wf_version_tag(ctx->pool, old_doc) : NULL;

    if (!wanted || (have && names_tag(wanted, have))) {
        return WF_OK;
    }
    return wf_fail_public(ctx, WF_ESTALE,
                          WFLOGNO(0590) "the record has changed since it was read: read it again");
}

/* ---- audit ------------------------------------------------------------------------------ */

/* Members of `doc` that are not the same in `other`; NULL if there are none. */
static const char *differing(apr_pool_t *pool, const wf_json_t *doc, const wf_json_t *other)
{
    wf_json_t *out = wf_json_object_make(pool);

    for (wf_json_iter_t i = wf_json_iter(doc); wf_json_next(&i);) {
        if (strcmp(i.key, "updated_at") != 0 && strcmp(i.key, "updated_by") != 0 &&
            !wf_json_equal(i.value, wf_json_get(other, i.key))) {
            wf_json_set(out, i.key, i.value);
        }
    }
    return wf_json_len(out) > 0 ? wf_json_text(pool, out, NULL) : NULL;
}

wf_status_t wf_change_audit(wf_ctx_t *ctx, wf_change_t *change, const char *action,
                            const char *resource_id, const wf_json_t *old_doc,
                            const wf_json_t *new_doc)
{
    wf_audit_t row = {change->company_id, action, NULL, resource_id, NULL, NULL, NULL};

    row.resource_type = apr_pstrndup(ctx->pool, action, strcspn(action, "."));
    row.old_values = differing(ctx->pool, old_doc, new_doc);
    row.new_values = differing(ctx->pool, new_doc, old_doc);
    if (!row.old_values && !row.new_values) {
        return WF_OK;
    }
    change->touched = 1;
    row.metadata = wf_approval_metadata(ctx->pool, change->actor);
    return wf_audit_add(ctx, change->conn, &row, change->actor);
}

/* ---- end -------------------------------------------------------------------------------- */

static wf_json_t *names_of(apr_pool_t *pool, const apr_array_header_t *names)
{
    wf_json_t *list = wf_json_array_make(pool);
    int i;

    for (i = 0; i < names->nelts; i++) {
        wf_json_push(list, wf_json_str_make(pool, APR_ARRAY_IDX(names, i, const char *)));
    }
    return list;
}

/* {"slug": …, "contexts": true, "flows": […], "auth": […]}: what the outbox worker gives to wf_cache_forget_… and
 * wf_auth_forget. */
static const char *forget_payload(apr_pool_t *pool, const wf_change_t *change)
{
    wf_json_t *doc = wf_json_object_make(pool);

    wf_json_set_str(doc, "slug", change->slug);
    wf_json_set_bool(doc, "contexts", change->forget_contexts);
    wf_json_set(doc, "flows", names_of(pool, change->forget_flows));
    wf_json_set(doc, "auth", names_of(pool, change->forget_auth));
    return wf_json_text(pool, doc, NULL);
}

static wf_status_t add_outbox_row(wf_ctx_t *ctx, wf_change_t *change,
                                  char outbox_id[WF_UUID_LEN + 1])
{
    const wf_pg_param_t params[] = {change->company_id, outbox_id,
                                    forget_payload(ctx->pool, change)};
    wf_pg_result_t *res;
    wf_status_t st = wf_uuid_v7(ctx, outbox_id);

    return st == WF_OK ? wf_change_exec(ctx, &res, change, WF_SQL_OUTBOX_CACHE_ADD, params) : st;
}

/* The change is made: whatever fails here is the outbox worker's to do again. */
static void forget_now(wf_ctx_t *ctx, wf_change_t *change, const char *outbox_id)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    const wf_pg_param_t params[] = {change->company_id, outbox_id};
    wf_pg_result_t *res;
    wf_status_t st;

    st = wf_cache_forget(own, change->store, change->slug, change->forget_contexts,
                         (const char *const *)change->forget_flows->elts,
                         change->forget_flows->nelts);
    if (st == WF_OK) {
        st = wf_auth_forget(own, change->store, change->forget_auth);
    }
    if (st == WF_OK) {
        st = wf_pg_exec_as(own, &res, change->conn, change->company_id, wf_sql(WF_SQL_OUTBOX_DONE),
                           params);
    }
    if (st != WF_OK && change->store->redis) {
        wf_log(ctx, WF_LOG_WARNING,
               WFLOGNO(0276) "company %s changed, but its cached copies are not deleted yet (%s): "
                             "the outbox worker will",
               change->slug, own->err.detail ? own->err.detail : wf_status_name(st));
    }
}

wf_status_t wf_change_end(wf_ctx_t *ctx, wf_change_t *change, wf_status_t st)
{
    char outbox_id[WF_UUID_LEN + 1];

    if (st == WF_OK && change->touched) {
        st = add_outbox_row(ctx, change, outbox_id);
    }
    if (st == WF_OK) {
        st = wf_pg_commit(ctx, change->conn);
    }
    if (st == WF_OK && change->touched) {
        forget_now(ctx, change, outbox_id);
    }
    wf_pg_release(change->store->pg, change->conn);
    change->conn = NULL;
    return st;
}
