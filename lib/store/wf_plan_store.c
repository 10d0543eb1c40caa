#include "store/wf_manage_store.h"
#include "store/wf_store_int.h"

/* What is not about one company has this one's audit rows. */
#define PLATFORM "00000000-0000-0000-0000-000000000000"
#define LIMIT_MAX 1000000000

static const wf_field_t fields[] = {
    {"max_whatsapp_accounts", WF_FIELD_INT, WF_FIELD_NOT_NULL, 0, LIMIT_MAX, NULL, NULL},
    {"max_flows", WF_FIELD_INT, WF_FIELD_NOT_NULL, 0, LIMIT_MAX, NULL, NULL},
    {"max_monthly_messages", WF_FIELD_INT, WF_FIELD_NOT_NULL, 0, INT64_MAX / 2, NULL, NULL},
    {"max_users", WF_FIELD_INT, WF_FIELD_NOT_NULL, 0, LIMIT_MAX, NULL, NULL},
    {"retention_days", WF_FIELD_INT, WF_FIELD_NOT_NULL, 0, 36500, NULL, NULL},
    {"approvals", WF_FIELD_BOOL, WF_FIELD_NOT_NULL, 0, 0, NULL, NULL},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static int is_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

    return len >= 1 && len <= 32 && name[len] == '\0' && *name >= 'a' && *name <= 'z';
}

wf_status_t wf_plan_list(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store)
{
    return wf_store_document_platform(ctx, out, store, WF_SQL_PLAN_LIST, NULL);
}

wf_status_t wf_plan_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store, const char *name)
{
    const wf_pg_param_t params[] = {name};
    wf_pg_result_t *res = NULL;
    wf_status_t st = WF_OK;

    *out = NULL;
    if (is_name(name)) {
        st = wf_store_query_platform(ctx, &res, store, WF_SQL_PLAN_ROW, params);
    }
    if (st == WF_OK && (!res || wf_pg_rows(res) == 0)) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0632) "no such plan");
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

static wf_status_t save(wf_ctx_t *ctx, wf_json_t **out, int *made, wf_change_t *change,
                        const char *name, const wf_json_t *row)
{
    const wf_pg_param_t params[] = {name, wf_json_text(ctx->pool, row, NULL)};
    wf_json_t *old_doc;
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec_json(ctx, &old_doc, change, WF_SQL_PLAN_ROW, params);

    *made = st == WF_ENOTFOUND;
    if (st == WF_OK) {
        st = wf_change_expect(ctx, change, old_doc);
    } else if (*made) {
        st = WF_OK;
    }
    if (st != WF_OK ||
        (st = wf_change_exec_json(ctx, out, change, WF_SQL_PLAN_SAVE, params)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_PLAN_FORGET, params)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, *made ? "plan.created" : "plan.updated", name, old_doc,
                           *out);
}

wf_status_t wf_plan_save(wf_ctx_t *ctx, wf_json_t **out, int *made, const wf_store_t *store,
                         const char *name, const wf_json_t *members, const wf_actor_t *actor)
{
    wf_json_t *none = wf_json_object_make(ctx->pool), *row;
    wf_change_t change;
    wf_status_t st;
    size_t f;

    *out = NULL;
    *made = 0;
    if (!is_name(name)) {
        return wf_fail_public(ctx, WF_ENOTFOUND,
                              WFLOGNO(0633) "a plan is called after 1 to 32 of a-z, 0-9, _ and -");
    }
    for (f = 0; f < FIELDS; f++) {
        if (fields[f].kind == WF_FIELD_BOOL) {
            wf_json_set_bool(none, fields[f].name, 0);
        } else {
            wf_json_set_int(none, fields[f].name, 0);
        }
    }
    row = wf_fields_filled(ctx->pool, fields, FIELDS, members, none);
    if ((st = wf_fields_check(ctx, fields, FIELDS, row, 1)) != WF_OK) {
        return st;
    }
    st = wf_change_begin_platform(ctx, &change, store, PLATFORM, "-", actor);
    if (st == WF_OK) {
        st = save(ctx, out, made, &change, name, row);
    }
    return wf_change_end(ctx, &change, st);
}
