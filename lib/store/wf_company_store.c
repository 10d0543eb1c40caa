#include "store/wf_list.h"
#include "store/wf_company_int.h"

#include <string.h>

#define LIST_MAX 1000

/* ---- the list --------------------------------------------------------------------------- */

static const wf_sort_t sorts[] = {{"-created_at", WF_SQL_COMPANY_PAGE_NEWEST, 0},
                                  {"created_at", WF_SQL_COMPANY_PAGE_OLDEST, 0},
                                  {"slug", WF_SQL_COMPANY_PAGE_SLUG, 1},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {
    {"status", WF_FILTER_WORD, "active inactive suspended pending"},
    {"subscription_plan", WF_FILTER_TEXT, NULL},
    {NULL, WF_FILTER_TEXT, NULL}};

const wf_list_t wf_list_companies = {sorts, filters, 1};

/* ---- reading ---------------------------------------------------------------------------- */

wf_status_t wf_company_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                            const char *after, int limit)
{
    const wf_pg_param_t params[] = {
        after, apr_psprintf(ctx->pool, "%d", limit < 1 || limit > LIST_MAX ? LIST_MAX : limit)};

    *array = NULL;
    if (after && !wf_uuid_is(after)) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0282) "after: a company's id expected");
    }
    return wf_store_document_platform(ctx, array, store, WF_SQL_COMPANY_LIST, params);
}

wf_status_t wf_company_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *slug_or_id)
{
    const wf_pg_param_t params[] = {wf_store_uuid(slug_or_id), slug_or_id};
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    if (!wf_slug_is(slug_or_id) && !wf_uuid_is(slug_or_id)) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0283) "no such company");
    }
    /* Who names an id sees that company behind the wall, and none whose slug has the form of one. */
    st = params[0] ? wf_store_query(ctx, &res, store, params[0], WF_SQL_COMPANY_FIND, params)
                   : wf_store_query_platform(ctx, &res, store, WF_SQL_COMPANY_FIND, params);
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0284) "no such company");
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

wf_status_t wf_company_check(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id)
{
    const wf_pg_param_t params[] = {company_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query(ctx, &res, store, company_id, WF_SQL_COMPANY_EXISTS, params);

    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0593) "no such company");
    }
    return st;
}

/* ---- changing --------------------------------------------------------------------------- */

static const char *action_of(const wf_json_t *old_doc, const wf_json_t *new_doc)
{
    const char *status = wf_json_get_str(new_doc, "status", "");

    if (strcmp(status, wf_json_get_str(old_doc, "status", "")) != 0) {
        if (strcmp(status, WF_STATUS_ACTIVE) == 0) {
            return "company.activated";
        }
        if (strcmp(status, WF_STATUS_SUSPENDED) == 0) {
            return "company.suspended";
        }
    }
    return "company.updated";
}

/* What is known of callers says whether their company is active. Rare enough for all of them. */
static void forget_callers(wf_change_t *change, const wf_json_t *old_doc, const wf_json_t *new_doc)
{
    if (!wf_json_equal(wf_json_get(old_doc, "status"), wf_json_get(new_doc, "status"))) {
        wf_change_forget_auth(change, "*");
    }
}

/* Nobody alone takes away that two have to agree. */
static wf_status_t keep_four_eyes(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *new_doc)
{
    return wf_json_get_bool(wf_json_get(new_doc, "settings"), "require_approvals", 0)
               ? WF_OK
               : wf_change_approve(ctx, change);
}

/* `current`: what object members are merged into; NULL: they replace. */
static wf_status_t save(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *members,
                        const wf_json_t *old_doc, const wf_json_t *current)
{
    wf_pg_param_t params[] = {change->company_id, NULL, change->actor->actor};
    wf_json_t *new_doc, *row;
    wf_status_t st =
        wf_fields_row(ctx, &row, wf_company_fields, WF_COMPANY_FIELDS, current, members);

    if (st != WF_OK) {
        return st;
    }
    params[1] = wf_json_text(ctx->pool, row, NULL);
    st = wf_change_exec_json(ctx, &new_doc, change, WF_SQL_COMPANY_UPDATE, params);
    forget_callers(change, old_doc, new_doc);
    if (st == WF_OK) {
        st = keep_four_eyes(ctx, change, new_doc);
    }
    return st == WF_OK ? wf_change_audit(ctx, change, action_of(old_doc, new_doc),
                                         change->company_id, old_doc, new_doc)
                       : st;
}

static wf_status_t read_row(wf_ctx_t *ctx, wf_json_t **doc, wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_status_t st = wf_change_exec_json(ctx, doc, change, WF_SQL_COMPANY_ROW, params);

    return st == WF_OK ? wf_change_expect(ctx, change, *doc) : st;
}

wf_status_t wf_company_apply(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *members)
{
    wf_json_t *old_doc;
    wf_status_t st = read_row(ctx, &old_doc, change);

    return st == WF_OK ? save(ctx, change, members, old_doc, old_doc) : st;
}

static wf_status_t replace(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *members)
{
    wf_json_t *old_doc;
    wf_status_t st = read_row(ctx, &old_doc, change);

    return st == WF_OK ? save(ctx, change, members, old_doc, NULL) : st;
}

typedef wf_status_t apply_fn(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *members);

static wf_status_t change_company(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                  const wf_json_t *members, apply_fn *apply,
                                  const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st;

    if ((st = wf_company_check_fields(ctx, members, 0)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = apply(ctx, &change, members);
    }
    return wf_change_end(ctx, &change, st);
}

wf_status_t wf_company_update(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const wf_json_t *members, const wf_actor_t *actor)
{
    return change_company(ctx, store, company_id, members, wf_company_apply, actor);
}

/* ---- as the API does it ----------------------------------------------------------------- */

static const char own_members[] = "name display_name email phone settings metadata";
/* Not what a company is but how it is doing: a PUT that does not name them leaves them alone. */
static const char state_members[] = "status suspension_reason trial_ends_at";

static wf_status_t check_own(wf_ctx_t *ctx, const wf_json_t *members)
{
    for (wf_json_iter_t i = wf_json_iter(members); wf_json_next(&i);) {
        size_t f;

        for (f = 0; f < WF_COMPANY_FIELDS; f++) {
            if (strcmp(wf_company_fields[f].name, i.key) == 0 &&
                !wf_form_is_word(i.key, own_members)) {
                return wf_fail_public(ctx, WF_EDENIED,
                                      WFLOGNO(0631) "%s: only the platform changes it", i.key);
            }
        }
    }
    return WF_OK;
}

wf_status_t wf_company_edit(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                            const wf_json_t *members, const wf_company_edit_t *how,
                            const wf_actor_t *actor)
{
    wf_json_t *all;
    size_t f;
    wf_status_t st = how->as_platform ? WF_OK : check_own(ctx, members);

    if (st != WF_OK) {
        return st;
    }
    if (!how->replace) {
        return wf_company_update(ctx, store, company_id, members, actor);
    }
    all = wf_fields_filled(ctx->pool, wf_company_fields, WF_COMPANY_FIELDS, members,
                           wf_company_defaults(ctx->pool, members, how->default_plan));
    for (f = 0; f < WF_COMPANY_FIELDS; f++) {
        const char *name = wf_company_fields[f].name;

        if (!wf_json_has(members, name) &&
            (how->as_platform ? wf_form_is_word(name, state_members)
                              : !wf_form_is_word(name, own_members))) {
            wf_json_remove(all, name);
        }
    }
    return change_company(ctx, store, company_id, all, replace, actor);
}

wf_status_t wf_settings_save(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                             wf_json_t *settings, int replaces, const wf_actor_t *actor)
{
    wf_json_t *members = wf_json_object_make(ctx->pool);

    wf_settings_faults(ctx, "", settings);
    if (wf_has_faults(ctx)) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0634) "%s", wf_faults_text(ctx));
    }
    wf_json_set(members, "settings", settings);
    return change_company(ctx, store, company_id, members, replaces ? replace : wf_company_apply,
                          actor);
}

wf_status_t wf_company_suspend(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                               const wf_json_t *members, const wf_actor_t *actor)
{
    static const wf_field_t reason = {"reason", WF_FIELD_TEXT, 0, 1, 500, NULL, NULL};
    wf_json_t *change = wf_json_object_make(ctx->pool);
    wf_status_t st = wf_fields_check(ctx, &reason, 1, members, 0);

    wf_json_set_str(change, "status", WF_STATUS_SUSPENDED);
    wf_json_set_str(change, "suspension_reason", wf_json_get_str(members, "reason", NULL));
    return st == WF_OK ? wf_company_update(ctx, store, company_id, change, actor) : st;
}

/* ---- trials ----------------------------------------------------------------------------- */

wf_status_t wf_trials_end(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max,
                          const wf_actor_t *actor)
{
    const wf_pg_param_t params[] = {apr_psprintf(ctx->pool, "%d", max)};
    wf_json_t *members = wf_json_object_make(ctx->pool);
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_TRIALS_OVER, params);

    *done = 0;
    wf_json_set_str(members, "status", WF_STATUS_SUSPENDED);
    wf_json_set_str(members, "suspension_reason", WF_TRIAL_REASON);
    while (st == WF_OK && *done < wf_pg_rows(res)) {
        st = wf_company_update(ctx, store, wf_pg_cell(res, *done, 0), members, actor);
        *done += st == WF_OK;
    }
    return st;
}

/* ---- removing --------------------------------------------------------------------------- */

/* The slug is free at once, and its next owner's flows may have the same names: the plans go too.
 */
static wf_status_t forget_all_flows(wf_ctx_t *ctx, wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_COMPANY_FLOW_NAMES, params);
    int i;

    for (i = 0; st == WF_OK && i < wf_pg_rows(res); i++) {
        wf_change_forget_flow(change, wf_pg_cell(res, i, 0));
    }
    return st;
}

static wf_status_t remove_company(wf_ctx_t *ctx, wf_change_t *change)
{
    const wf_pg_param_t params[] = {change->company_id, change->actor->actor};
    wf_json_t *old_doc;
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = read_row(ctx, &old_doc, change)) != WF_OK ||
        (st = wf_change_approve(ctx, change)) != WF_OK ||
        (st = forget_all_flows(ctx, change)) != WF_OK ||
        (st = wf_change_exec(ctx, &res, change, WF_SQL_COMPANY_REMOVE, params)) != WF_OK) {
        return st;
    }
    forget_callers(change, old_doc, NULL);
    return wf_change_audit(ctx, change, "company.deleted", change->company_id, old_doc, NULL);
}

wf_status_t wf_company_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                              const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = remove_company(ctx, &change);
    }
    return wf_change_end(ctx, &change, st);
}
