#include "store/wf_store_int.h"

#include <string.h>

#define FLOW_NAME_MAX 64
#define FLOW_JSON_MAX 10485760
#define LOGIC_MAX 1048576

int wf_flow_name_is(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

    return len >= 1 && len <= FLOW_NAME_MAX && name[len] == '\0';
}

static const wf_field_t fields[] = {
    {"name", WF_FIELD_FORM, WF_FIELD_NEEDED, 0, 0, wf_flow_name_is,
     "1 to 64 letters, digits, '_', '-' or '.'"},
    {"display_name", WF_FIELD_TEXT, WF_FIELD_NOT_NULL, 1, 200, NULL, NULL},
    {"account_id", WF_FIELD_FORM, 0, 0, 0, wf_uuid_is, "an account's id"},
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static wf_status_t check_new(wf_ctx_t *ctx, const wf_flow_new_t *flow)
{
    wf_json_t *row = wf_json_object_make(ctx->pool);
    wf_status_t st;

    wf_json_set_str(row, "name", flow->name);
    wf_json_set_str(row, "display_name", flow->display_name);
    wf_json_set_str(row, "account_id", flow->account_id);
    st = wf_fields_check(ctx, fields, FIELDS, row, 1);
    if (st != WF_OK) {
        return st;
    }
    if (!flow->flow_json || !flow->plan || strlen(flow->flow_json) > FLOW_JSON_MAX) {
        return wf_fail_public(
            ctx, WF_EINVALID,
            WFLOGNO(0292) "flow_json: a checked flow of at most %d bytes expected", FLOW_JSON_MAX);
    }
    if (flow->logic && strlen(flow->logic) > LOGIC_MAX) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0293) "logic: at most %d bytes expected",
                              LOGIC_MAX);
    }
    return WF_OK;
}

/* ---- saving ----------------------------------------------------------------------------- */

/* The foreign key would be content with an account that is deleted. */
static wf_status_t check_account(wf_ctx_t *ctx, wf_change_t *change, const char *account_id)
{
    const wf_pg_param_t params[] = {change->company_id, account_id};
    wf_pg_result_t *res;
    wf_status_t st;

    if (!account_id) {
        return WF_OK;
    }
    st = wf_change_exec(ctx, &res, change, WF_SQL_ACCOUNT_ROW, params);
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        wf_fault_add(ctx, "/account_id", "no such account");
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0294) "account_id: no such account");
    }
    return st;
}

static wf_status_t make(wf_ctx_t *ctx, const char **id, wf_change_t *change, const char *name,
                        int max_flows)
{
    wf_pg_param_t params[] = {change->company_id, name, name, change->actor->actor};
    char *new_id = apr_palloc(ctx->pool, WF_UUID_LEN + 1);
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_FLOW_COUNT, params)) != WF_OK ||
        (st = wf_change_limit(ctx, wf_store_int(res, 0, 0), change->max_flows, max_flows,
                              "flows")) != WF_OK ||
        (st = wf_uuid_v7(ctx, new_id)) != WF_OK) {
        return st;
    }
    params[1] = new_id;
    *id = new_id;
    return wf_change_exec(ctx, &res, change, WF_SQL_FLOW_INSERT, params);
}

/* *before NULL: made now. */
static wf_status_t find_or_make(wf_ctx_t *ctx, wf_json_t **before, const char **id,
                                wf_change_t *change, const char *name, int max_flows)
{
    const wf_pg_param_t params[] = {change->company_id, name};
    wf_status_t st = wf_change_exec_json(ctx, before, change, WF_SQL_FLOW_ROW_BY_NAME, params);

    if (st == WF_ENOTFOUND) {
        return make(ctx, id, change, name, max_flows);
    }
    *id = wf_json_get_str(*before, "id", NULL);
    return st;
}

static wf_status_t add_version(wf_ctx_t *ctx, int *version, wf_change_t *change, const char *id,
                               const char *flow_json, const char *logic, const char *plan)
{
    const wf_pg_param_t params[] = {change->company_id, id,   flow_json,
                                    logic,              plan, change->actor->actor};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_FLOW_VERSION_INSERT, params);

    *version = st == WF_OK ? (int)wf_store_int(res, 0, 0) : 0;
    return st;
}

static wf_status_t update_row(wf_ctx_t *ctx, wf_json_t **after, wf_change_t *change, const char *id,
                              const wf_json_t *row)
{
    const wf_pg_param_t params[] = {change->company_id, id, wf_json_text(ctx->pool, row, NULL),
                                    change->actor->actor};

    return wf_change_exec_json(ctx, after, change, WF_SQL_FLOW_UPDATE, params);
}

static wf_status_t save(wf_ctx_t *ctx, const char **id, int *version, wf_change_t *change,
                        const wf_flow_new_t *flow, int max_flows)
{
    wf_json_t *before, *after, *row = wf_json_object_make(ctx->pool);
    wf_status_t st;

    change->forget_contexts = 0;
    wf_change_forget_flow(change, flow->name);
    if ((st = check_account(ctx, change, flow->account_id)) != WF_OK ||
        (st = find_or_make(ctx, &before, id, change, flow->name, max_flows)) != WF_OK ||
        (st = add_version(ctx, version, change, *id, flow->flow_json, flow->logic,
                          flow->plan)) != WF_OK) {
        return st;
    }
    wf_json_set_str(row, "display_name", flow->display_name);
    wf_json_set_str(row, "account_id", flow->account_id);
    if (flow->activate) {
        wf_json_set_int(row, "active_version", *version);
    }
    if ((st = update_row(ctx, &after, change, *id, row)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, before ? "flow.version_added" : "flow.created", *id, before,
                           after);
}

wf_status_t wf_flow_save(wf_ctx_t *ctx, const char **id, int *version, const wf_store_t *store,
                         const char *company_id, const wf_flow_new_t *flow, int max_flows,
                         const wf_actor_t *actor)
{
    wf_change_t change;
    const char *new_id = NULL;
    int new_version = 0;
    wf_status_t st;

    *id = NULL;
    *version = 0;
    if ((st = check_new(ctx, flow)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = save(ctx, &new_id, &new_version, &change, flow, max_flows);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *id = new_id;
        *version = new_version;
    }
    return st;
}

/* ---- changing --------------------------------------------------------------------------- */

/* No other than the caller has seen, where he says which. */
static wf_status_t read_before(wf_ctx_t *ctx, wf_json_t **before, wf_change_t *change,
                               const char *flow_id)
{
    const wf_pg_param_t params[] = {change->company_id, wf_store_uuid(flow_id)};
    wf_status_t st = wf_change_exec_json(ctx, before, change, WF_SQL_FLOW_ROW, params);

    if (st == WF_ENOTFOUND) {
        return wf_fail_public(ctx, st, WFLOGNO(0295) "no such flow");
    }
    if (st == WF_OK) {
        change->forget_contexts = 0;
        wf_change_forget_flow(change, wf_json_get_str(*before, "name", ""));
        st = wf_change_expect(ctx, change, *before);
    }
    return st;
}

/* With `deleted_at` in `row`, the row is gone for the audit. */
static wf_status_t change_row(wf_ctx_t *ctx, wf_change_t *change, const wf_json_t *before,
                              const wf_json_t *row, const char *action)
{
    const char *id = wf_json_get_str(before, "id", NULL);
    wf_json_t *after;
    wf_status_t st = update_row(ctx, &after, change, id, row);

    if (st != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, action, id, before,
                           wf_json_has(row, "deleted_at") ? NULL : after);
}

/* 0: the flow has no such version. They are never deleted, so there are all up to the newest. */
static int has_version(wf_ctx_t *ctx, const wf_json_t *flow, int version)
{
    int64_t latest = wf_json_get_int(flow, "latest_version", 0);

    if (version < 0 || version > latest) {
        wf_fault_add(ctx, "/version", "one of the flow's versions, 1 to %" APR_INT64_T_FMT ", expected",
                     latest);
        return 0;
    }
    return 1;
}

static wf_status_t set_status(wf_ctx_t *ctx, wf_change_t *change, const char *flow_id,
                              const char *status, int version)
{
    int activates = strcmp(status, WF_STATUS_ACTIVE) == 0;
    wf_json_t *before, *row = wf_json_object_make(ctx->pool);
    wf_status_t st;

    if ((st = read_before(ctx, &before, change, flow_id)) != WF_OK) {
        return st;
    }
    if (!has_version(ctx, before, version)) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0690) "%s", wf_faults_text(ctx));
    }
    wf_json_set_str(row, "status", status);
    if (version > 0) {
        wf_json_set_int(row, "active_version", version);
    }
    /* Saved without being activated: the newest version is what the caller means. */
    if (activates && version == 0 &&
        wf_json_type(wf_json_get(before, "active_version")) == WF_JSON_NULL) {
        wf_json_set(row, "active_version", wf_json_get(before, "latest_version"));
    }
    return change_row(ctx, change, before, row, activates ? "flow.activated" : "flow.deactivated");
}

wf_status_t wf_flow_set_status(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                               const char *flow_id, const char *status, int version,
                               const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st;

    if (strcmp(status, WF_STATUS_ACTIVE) != 0 && strcmp(status, WF_STATUS_INACTIVE) != 0) {
        return wf_fail_public(ctx, WF_EINVALID,
                              WFLOGNO(0296) "status: active or inactive expected");
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = set_status(ctx, &change, flow_id, status, version);
    }
    return wf_change_end(ctx, &change, st);
}

/* The members and, where there is one, the new version; *row is what becomes of the flow's own row. */
static wf_status_t apply(wf_ctx_t *ctx, wf_json_t **row, wf_change_t *change, const char *id,
                         const wf_json_t *members, const wf_flow_version_t *version)
{
    const char *account_id = wf_json_get_str(members, "account_id", NULL);
    int number = 0;
    wf_status_t st = check_account(ctx, change, account_id);

    *row = wf_json_object_copy(ctx->pool, members);
    wf_json_remove(*row, "name");
    if (st == WF_OK && version) {
        st = add_version(ctx, &number, change, id, version->flow_json, version->logic,
                         version->plan);
    }
    if (number > 0 && version->activate) {
        wf_json_set_int(*row, "active_version", number);
    }
    return st;
}

static wf_status_t create(wf_ctx_t *ctx, const char **id, wf_change_t *change,
                          const wf_json_t *members, const wf_flow_version_t *version)
{
    const char *name = wf_json_get_str(members, "name", "");
    wf_json_t *row, *after;
    wf_status_t st;

    change->forget_contexts = 0;
    wf_change_forget_flow(change, name);
    if ((st = make(ctx, id, change, name, 0)) != WF_OK ||
        (st = apply(ctx, &row, change, *id, members, version)) != WF_OK ||
        (st = update_row(ctx, &after, change, *id, row)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, "flow.created", *id, NULL, after);
}

wf_status_t wf_flow_create(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                           const char *company_id, const wf_json_t *members,
                           const wf_flow_version_t *version, const wf_actor_t *actor)
{
    wf_change_t change;
    const char *new_id = NULL;
    wf_status_t st;

    *id = NULL;
    if ((st = wf_fields_check(ctx, fields, FIELDS, members, 1)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = create(ctx, &new_id, &change, members, version);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        *id = new_id;
    }
    return st;
}

static wf_status_t update(wf_ctx_t *ctx, wf_change_t *change, const char *flow_id,
                          const wf_json_t *members, const wf_flow_version_t *version)
{
    wf_json_t *before, *row;
    wf_status_t st = read_before(ctx, &before, change, flow_id);

    if (st != WF_OK) {
        return st;
    }
    if (strcmp(wf_json_get_str(members, "name", wf_json_get_str(before, "name", "")),
               wf_json_get_str(before, "name", "")) != 0) {
        wf_fault_add(ctx, "/name", "cannot be changed: messages that were sent name the flow so");
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0691) "%s", wf_faults_text(ctx));
    }
    if (version && version->after != wf_json_get_int(before, "latest_version", 0)) {
        return wf_fail_public(ctx, WF_ECONFLICT,
                              WFLOGNO(0692) "the flow has got another version meanwhile: read it again");
    }
    if ((st = apply(ctx, &row, change, wf_json_get_str(before, "id", ""), members, version)) !=
        WF_OK) {
        return st;
    }
    return change_row(ctx, change, before, row, version ? "flow.version_added" : "flow.updated");
}

wf_status_t wf_flow_update(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *flow_id, const wf_json_t *members,
                           const wf_flow_version_t *version, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st;

    if ((st = wf_fields_check(ctx, fields, FIELDS, members, 0)) != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = update(ctx, &change, flow_id, members, version);
    }
    return wf_change_end(ctx, &change, st);
}

wf_status_t wf_flow_note_tokens(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                const char *flow_id, const char *account_id, int count,
                                const wf_actor_t *actor)
{
    wf_audit_t row = {.company_id = company_id,
                      .action = "flow.tokens_issued",
                      .resource_type = "flow",
                      .resource_id = flow_id};
    wf_json_t *metadata = wf_json_object_make(ctx->pool);
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    wf_json_set_str(metadata, "account_id", account_id);
    wf_json_set_int(metadata, "count", count);
    row.metadata = wf_json_text(ctx->pool, metadata, NULL);
    if (st == WF_OK) {
        st = wf_audit_add(ctx, change.conn, &row, actor);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t set_meta(wf_ctx_t *ctx, wf_change_t *change, const char *flow_id,
                            const wf_flow_meta_t *meta)
{
    wf_json_t *before, *row = wf_json_object_make(ctx->pool);
    wf_status_t st = read_before(ctx, &before, change, flow_id);

    wf_json_set_str(row, "meta_flow_id", meta->id);
    wf_json_set_str(row, "meta_status", meta->status);
    if (meta->version > 0) {
        wf_json_set_int(row, "meta_version", meta->version);
    }
    if (strcmp(meta->status, WF_META_PUBLISHED) == 0) {
        wf_json_set_str(row, "meta_published_at", wf_time_format(ctx->pool, wf_now(ctx)));
    }
    return st == WF_OK
               ? change_row(ctx, change, before, row,
                            apr_pstrcat(ctx->pool, "flow.meta_", meta->status, NULL))
               : st;
}

wf_status_t wf_flow_set_meta(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                             const char *flow_id, const wf_flow_meta_t *meta,
                             const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = set_meta(ctx, &change, flow_id, meta);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t remove_flow(wf_ctx_t *ctx, wf_change_t *change, const char *flow_id)
{
    wf_json_t *before, *row = wf_json_object_make(ctx->pool);
    wf_status_t st;

    wf_json_set_str(row, "deleted_at", wf_time_format(ctx->pool, wf_now(ctx)));
    st = read_before(ctx, &before, change, flow_id);
    return st == WF_OK ? change_row(ctx, change, before, row, "flow.deleted") : st;
}

wf_status_t wf_flow_remove(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                           const char *flow_id, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = remove_flow(ctx, &change, flow_id);
    }
    return wf_change_end(ctx, &change, st);
}

/* ---- reading ---------------------------------------------------------------------------- */

wf_status_t wf_flow_list(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                         const char *company_id)
{
    const wf_pg_param_t params[] = {company_id};

    return wf_store_document(ctx, array, store, company_id, WF_SQL_FLOW_LIST, params);
}

wf_status_t wf_flow_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                         const char *company_id, const char *name_or_id)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(name_or_id), name_or_id};
    wf_json_t *flow, *versions;
    wf_pg_result_t *res;
    wf_status_t st;

    *out = NULL;
    if ((st = wf_store_query(ctx, &res, store, company_id, WF_SQL_FLOW_FIND, params)) != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0297) "no such flow");
    }
    if ((st = wf_store_json(ctx, &flow, res, 0, 0)) != WF_OK ||
        (st = wf_store_json(ctx, &versions, res, 0, 1)) != WF_OK) {
        return st;
    }
    wf_json_set(flow, "versions", versions);
    *out = flow;
    return WF_OK;
}

wf_status_t wf_flow_plan_load(wf_ctx_t *ctx, wf_flow_plan_t *out, const wf_store_t *store,
                              const char *company_id, const char *name, int version)
{
    const wf_pg_param_t params[] = {company_id, name, apr_psprintf(ctx->pool, "%d", version)};
    wf_pg_result_t *res;
    wf_status_t st;

    memset(out, 0, sizeof(*out));
    /* What cannot name a flow costs no query. */
    if (!wf_flow_name_is(name) || version < 0) {
        return WF_ENOTFOUND;
    }
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_FLOW_PLAN, params);
    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st != WF_OK ? st : WF_ENOTFOUND;
    }
    out->flow_id = wf_pg_cell(res, 0, 0);
    out->name = apr_pstrdup(ctx->pool, name);
    out->version = (int)wf_store_int(res, 0, 1);
    out->plan = wf_pg_cell(res, 0, 2);
    out->plan_len = wf_pg_cell_len(res, 0, 2);
    return WF_OK;
}

wf_status_t wf_flow_name_by_id(wf_ctx_t *ctx, const char **name, const wf_store_t *store,
                               const char *company_id, const char *flow_id)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(flow_id)};
    wf_pg_result_t *res;
    wf_status_t st;

    *name = NULL;
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_FLOW_NAME, params);
    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st != WF_OK ? st : WF_ENOTFOUND;
    }
    *name = wf_pg_cell(res, 0, 0);
    return WF_OK;
}

wf_status_t wf_flow_source_load(wf_ctx_t *ctx, const char **flow_json, const char **logic,
                                const wf_store_t *store, const char *company_id, const char *name,
                                int version)
{
    const wf_pg_param_t params[] = {company_id, name, apr_psprintf(ctx->pool, "%d", version)};
    wf_pg_result_t *res;
    wf_status_t st;

    *flow_json = NULL;
    *logic = NULL;
    st = wf_store_query(ctx, &res, store, company_id, WF_SQL_FLOW_SOURCE, params);
    if (st != WF_OK || wf_pg_rows(res) == 0) {
        return st != WF_OK ? st : WF_ENOTFOUND;
    }
    *flow_json = wf_pg_cell(res, 0, 0);
    *logic = wf_pg_cell(res, 0, 1);
    return WF_OK;
}

wf_status_t wf_flow_version_show(wf_ctx_t *ctx, const char **text, size_t *len,
                                 const wf_store_t *store, const char *company_id,
                                 const char *flow_id, const char *version)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(flow_id), version};
    wf_pg_result_t *res;
    int64_t number;
    wf_status_t st = WF_OK;

    *text = NULL;
    *len = 0;
    if (wf_parse_int(&number, version, 1, INT32_MAX)) {
        st = wf_store_query(ctx, &res, store, company_id, WF_SQL_FLOW_VERSION_ONE, params);
        if (st == WF_OK && wf_pg_rows(res) == 1) {
            *text = wf_pg_cell(res, 0, 0);
            *len = wf_pg_cell_len(res, 0, 0);
        }
    }
    return st == WF_OK && !*text
               ? wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0697) "no such version")
               : st;
}
