#include "store/wf_manage_store.h"
#include "store/wf_store_int.h"

#include <string.h>

#define VALUE_MAX 4096

static const wf_field_t fields[] = {
    {"enabled", WF_FIELD_BOOL, WF_FIELD_NEEDED, 0, 0, NULL, NULL},
};

static int is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    return len >= 1 && len <= 64 && name[len] == '\0' && *name >= 'a' && *name <= 'z';
}

wf_status_t wf_flag_list(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *company_id)
{
    return wf_store_document(ctx, out, store, company_id, WF_SQL_FLAG_LIST, &company_id);
}

static wf_status_t no_flag(wf_ctx_t *ctx)
{
    return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0636) "no such feature flag");
}

wf_status_t wf_flag_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *company_id, const char *name)
{
    const wf_pg_param_t params[] = {company_id, name};
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    if (!is_name(name)) {
        return no_flag(ctx);
    }
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_FLAG_FIND, params);
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return no_flag(ctx);
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

/* ---- changing --------------------------------------------------------------------------- */

/* *doc NULL: there is none. */
static wf_status_t read_old(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change, const char *name)
{
    const wf_pg_param_t params[] = {change->company_id, name};
    wf_status_t st = wf_change_exec_json(ctx, doc, change, WF_SQL_FLAG_FIND, params);

    change->forget_contexts = 0;
    if (st == WF_ENOTFOUND) {
        return WF_OK;
    }
    return st == WF_OK ? wf_change_expect(ctx, change, *doc) : st;
}

static wf_status_t save(wf_ctx_t *ctx, wf_json_t **out, int *made, wf_change_t *change,
                        const char *name, const wf_json_t *members)
{
    const wf_json_t *value = wf_json_get(members, "value");
    const wf_pg_param_t params[] = {
        change->company_id, name, wf_json_get_bool(members, "enabled", 0) ? "true" : "false",
        value && wf_json_type(value) != WF_JSON_NULL ? wf_json_text(ctx->pool, value, NULL) : NULL,
        change->actor->actor};
    wf_json_t *old_doc;
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = read_old(ctx, &old_doc, change, name)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_FLAG_COUNT, params)) != WF_OK ||
        (st = wf_change_limit(ctx, wf_store_int(res, 0, 0), WF_FLAGS_MAX, 0, "feature flags")) !=
            WF_OK ||
        (st = wf_change_exec_json(ctx, out, change, WF_SQL_FLAG_SAVE, params)) != WF_OK) {
        return st;
    }
    *made = !old_doc;
    return wf_change_audit(ctx, change, *made ? "feature_flag.created" : "feature_flag.updated", name,
                           old_doc, *out);
}

static wf_status_t check(wf_ctx_t *ctx, const wf_json_t *members)
{
    wf_json_t *rest = wf_json_object_copy(ctx->pool, members);
    const wf_json_t *value = wf_json_get(members, "value");
    size_t len = 0;

    if (value) {
        wf_json_text(ctx->pool, value, &len);
        wf_json_remove(rest, "value");
    }
    if (len > VALUE_MAX) {
        wf_fault_add(ctx, "/value", "at most %d bytes of JSON expected", VALUE_MAX);
    }
    return wf_fields_check(ctx, fields, 1, rest, 1);
}

wf_status_t wf_flag_save(wf_ctx_t *ctx, wf_json_t **out, int *made, const wf_store_t *store,
                         const char *company_id, const char *name, const wf_json_t *members,
                         const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st;

    *out = NULL;
    *made = 0;
    if (!is_name(name)) {
        return wf_fail_public(ctx, WF_ENOTFOUND,
                              WFLOGNO(0637) "a feature flag is called after 1 to 64 of a-z, 0-9, '_', '.' and '-'");
    }
    if ((st = check(ctx, members)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = save(ctx, out, made, &change, name, members);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t remove_flag(wf_ctx_t *ctx, wf_change_t *change, const char *name)
{
    const wf_pg_param_t params[] = {change->company_id, name};
    wf_json_t *old_doc;
    wf_pg_result_t *res;
    wf_status_t st = read_old(ctx, &old_doc, change, name);

    if (st == WF_OK && !old_doc) {
        return no_flag(ctx);
    }
    if (st == WF_OK) {
        st = wf_change_exec(ctx, &res, change, WF_SQL_FLAG_REMOVE, params);
    }
    return st == WF_OK ? wf_change_audit(ctx, change, "feature_flag.deleted", name, old_doc, NULL)
                       : st;
}

wf_status_t wf_flag_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *name, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st;

    if (!is_name(name)) {
        return no_flag(ctx);
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = remove_flag(ctx, &change, name);
    }
    return wf_change_end(ctx, &change, st);
}
