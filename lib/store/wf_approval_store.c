#include "store/wf_approval_store.h"
#include "store/wf_list.h"
#include "store/wf_store_int.h"

#include <string.h>

#define PENDING_MAX 100
#define TABLE "approvals"
#define COLUMN "sealed"

static const wf_sort_t sorts[] = {{"-created_at", WF_SQL_APPROVAL_PAGE_NEWEST, 0},
                                  {"created_at", WF_SQL_APPROVAL_PAGE_OLDEST, 0},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {
    {"status", WF_FILTER_WORD, "pending approved rejected cancelled expired"},
    {"action", WF_FILTER_TEXT, NULL},
    {"requested_by", WF_FILTER_TEXT, NULL},
    {NULL, WF_FILTER_TEXT, NULL}};

const wf_list_t wf_list_approvals = {sorts, filters, 0};

static const wf_field_t reject_fields[] = {
    {"reason", WF_FIELD_TEXT, WF_FIELD_NEEDED, 1, 500, NULL, NULL}};
static const wf_field_t cancel_fields[] = {{"reason", WF_FIELD_TEXT, 0, 1, 500, NULL, NULL}};

/* ---- what a decision is about ----------------------------------------------------------- */

typedef struct {
    const char *status, *requested_by, *operation, *sealed, *action;
    int is_own; /* the actor asked for it */
} row_t;

static wf_status_t lock(wf_ctx_t *ctx, row_t *row, wf_change_t *change, const char *id)
{
    const wf_pg_param_t params[] = {change->company_id, wf_store_uuid(id), change->actor->actor};
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_APPROVAL_LOCK, params);

    memset(row, 0, sizeof(*row));
    if (st != WF_OK) {
        return st;
    }
    if (wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0735) "no such approval");
    }
    *row = (row_t){wf_pg_cell(res, 0, 0), wf_pg_cell(res, 0, 1), wf_pg_cell(res, 0, 2),
                   wf_pg_cell(res, 0, 3), wf_pg_cell(res, 0, 4),
                   strcmp(wf_pg_cell(res, 0, 5), "t") == 0};
    if (strcmp(row->status, "pending") != 0) {
        return wf_fail_code(ctx, WF_ECONFLICT, "approval_decided", WFLOGNO(0736) "the approval is %s",
                            row->status);
    }
    return WF_OK;
}

static wf_status_t check_second(wf_ctx_t *ctx, const row_t *row)
{
    return row->is_own ? wf_fail_code(ctx, WF_EDENIED, "approval_own",
                                      WFLOGNO(0737) "a second person has to decide: you asked for it")
                       : WF_OK;
}

static wf_status_t write_verdict(wf_ctx_t *ctx, wf_change_t *change, const char *id,
                                 const row_t *row, const char *status, const char *reason)
{
    const wf_pg_param_t params[] = {change->company_id, id, status, change->actor->actor, reason};
    wf_audit_t audit = {change->company_id, apr_pstrcat(ctx->pool, "approval.", status, NULL),
                        "approval",         id, NULL, NULL, NULL};
    wf_json_t *metadata = wf_json_object_make(ctx->pool);
    wf_pg_result_t *res;
    wf_status_t st = wf_change_exec(ctx, &res, change, WF_SQL_APPROVAL_DECIDE, params);

    if (st != WF_OK) {
        return st;
    }
    wf_json_set_str(metadata, "action", row->action);
    wf_json_set_str(metadata, "requested_by", row->requested_by);
    wf_json_set_str(metadata, "reason", reason);
    audit.metadata = wf_json_text(ctx->pool, metadata, NULL);
    return wf_audit_add(ctx, change->conn, &audit, change->actor);
}

/* ---- the gate --------------------------------------------------------------------------- */

wf_status_t wf_change_approve(wf_ctx_t *ctx, wf_change_t *change)
{
    wf_approval_use_t *use = change->actor->approval;
    wf_status_t st;
    row_t row;

    if (!change->actor->four_eyes || !change->four_eyes || (use && use->used)) {
        return WF_OK;
    }
    if (!use) {
        return wf_fail_code(ctx, WF_ECONFLICT, WF_APPROVAL_NEEDED,
                            WFLOGNO(0738) "a second person has to agree to this");
    }
    if ((st = lock(ctx, &row, change, use->id)) != WF_OK ||
        (st = check_second(ctx, &row)) != WF_OK ||
        (st = write_verdict(ctx, change, use->id, &row, "approved", NULL)) != WF_OK) {
        return st;
    }
    use->used = 1;
    return WF_OK;
}

const char *wf_approval_metadata(apr_pool_t *pool, const wf_actor_t *actor)
{
    wf_json_t *metadata = wf_json_object_make(pool);

    if (!actor->approval) {
        return NULL;
    }
    wf_json_set_str(metadata, "approval_id", actor->approval->id);
    wf_json_set_str(metadata, "requested_by", actor->approval->requested_by);
    return wf_json_text(pool, metadata, NULL);
}

/* ---- asking ----------------------------------------------------------------------------- */

static wf_status_t seal(wf_ctx_t *ctx, const char **sealed, wf_change_t *change,
                        const wf_keyring_t *ring, const char *id, const char *text)
{
    const wf_seal_place_t place = {TABLE, COLUMN, change->company_id, id};
    wf_data_key_t key;
    wf_status_t st = wf_data_key_read(ctx, &key, change->conn, ring, change->company_id, NULL);

    if (st == WF_OK) {
        st = wf_seal(ctx, sealed, &key, &place, text, strlen(text));
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

/* "account_update" is the action "account.update" on an "account". */
static const char *action_of(apr_pool_t *pool, const char *operation)
{
    char *action = apr_pstrdup(pool, operation), *bar = strchr(action, '_');

    if (bar) {
        *bar = '.';
    }
    return action;
}

static wf_status_t add(wf_ctx_t *ctx, wf_change_t *change, const wf_keyring_t *ring, const char *id,
                       const wf_approval_new_t *approval)
{
    const char *action = action_of(ctx->pool, approval->operation), *sealed = NULL;
    const char *type = apr_pstrndup(ctx->pool, action, strcspn(action, "."));
    const wf_pg_param_t company[] = {change->company_id};
    wf_audit_t audit = {change->company_id, "approval.requested", "approval", id, NULL, NULL, NULL};
    wf_json_t *metadata = wf_json_object_make(ctx->pool);
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_APPROVAL_COUNT, company)) != WF_OK ||
        (st = wf_change_limit(ctx, wf_store_int(res, 0, 0), PENDING_MAX, 0, "approvals")) != WF_OK ||
        (st = seal(ctx, &sealed, change, ring, id, approval->sealed)) != WF_OK) {
        return st;
    }
    const wf_pg_param_t params[] = {change->company_id, id, approval->operation, action, type,
                                    approval->resource_id, approval->request, sealed,
                                    change->actor->actor,
                                    apr_psprintf(ctx->pool, "%" APR_TIME_T_FMT,
                                                 wf_now(ctx) + WF_APPROVAL_LIFETIME)};
    if ((st = wf_change_exec(ctx, &res, change, WF_SQL_APPROVAL_ADD, params)) != WF_OK) {
        return st;
    }
    wf_json_set_str(metadata, "action", action);
    wf_json_set_str(metadata, "resource_id", approval->resource_id);
    audit.metadata = wf_json_text(ctx->pool, metadata, NULL);
    return wf_audit_add(ctx, change->conn, &audit, change->actor);
}

wf_status_t wf_approval_add(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                            const wf_keyring_t *ring, const char *company_id,
                            const wf_approval_new_t *approval, const wf_actor_t *actor)
{
    char id[WF_UUID_LEN + 1];
    wf_change_t change;
    wf_status_t st = wf_uuid_v7(ctx, id);

    *doc = NULL;
    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = add(ctx, &change, ring, id, approval);
    }
    if ((st = wf_change_end(ctx, &change, st)) == WF_OK) {
        st = wf_approval_find(ctx, doc, store, company_id, id);
    }
    return st;
}

wf_status_t wf_approval_find(wf_ctx_t *ctx, wf_json_t **doc, const wf_store_t *store,
                             const char *company_id, const char *id)
{
    const wf_pg_param_t params[] = {company_id, wf_store_uuid(id)};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query(ctx, &res, store, company_id, WF_SQL_APPROVAL_GET, params);

    *doc = NULL;
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0739) "no such approval");
    }
    return st == WF_OK ? wf_store_json(ctx, doc, res, 0, 0) : st;
}

/* ---- deciding --------------------------------------------------------------------------- */

static wf_status_t unseal(wf_ctx_t *ctx, wf_secret_t *out, wf_change_t *change,
                          const wf_keyring_t *ring, const char *id, const char *sealed)
{
    const wf_seal_place_t place = {TABLE, COLUMN, change->company_id, id};
    const char *key_id = strchr(sealed, ':') ? strchr(sealed, ':') + 1 : "";
    wf_data_key_t key;
    wf_status_t st;

    st = wf_data_key_read(ctx, &key, change->conn, ring, change->company_id,
                          apr_pstrndup(ctx->pool, key_id, strcspn(key_id, ":")));
    if (st == WF_OK) {
        st = wf_unseal(ctx, out, &key, &place, sealed);
    }
    wf_wipe(&key, sizeof(key));
    return st;
}

wf_status_t wf_approval_open(wf_ctx_t *ctx, wf_approval_order_t *out, const wf_store_t *store,
                             const wf_keyring_t *ring, const char *company_id, const char *id,
                             const wf_actor_t *actor)
{
    wf_change_t change;
    row_t row;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    memset(out, 0, sizeof(*out));
    if (st == WF_OK && (st = lock(ctx, &row, &change, id)) == WF_OK &&
        (st = check_second(ctx, &row)) == WF_OK) {
        out->operation = row.operation;
        out->use = (wf_approval_use_t){id, row.requested_by, 0};
        st = unseal(ctx, &out->sealed, &change, ring, id, row.sealed);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t decide(wf_ctx_t *ctx, wf_change_t *change, const char *id,
                          wf_approval_verdict_t verdict, const char *reason)
{
    static const char *const words[] = {"approved", "rejected", "cancelled"};
    wf_status_t st;
    row_t row;

    if ((st = lock(ctx, &row, change, id)) != WF_OK) {
        return st;
    }
    if (verdict != WF_APPROVAL_CANCEL) {
        st = check_second(ctx, &row);
    } else if (!row.is_own) {
        st = wf_fail_public(ctx, WF_EDENIED, WFLOGNO(0740) "who asked for it may cancel it, nobody else");
    }
    return st == WF_OK ? write_verdict(ctx, change, id, &row, words[verdict], reason) : st;
}

wf_status_t wf_approval_decide(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                               const char *id, wf_approval_verdict_t verdict, const wf_json_t *body,
                               const wf_actor_t *actor)
{
    const wf_field_t *fields = verdict == WF_APPROVAL_REJECT ? reject_fields : cancel_fields;
    wf_change_t change;
    wf_status_t st = body ? wf_fields_check(ctx, fields, 1, body, 1) : WF_OK;

    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = decide(ctx, &change, id, verdict, wf_json_get_str(body, "reason", NULL));
    }
    return wf_change_end(ctx, &change, st);
}

wf_status_t wf_approvals_expire(wf_ctx_t *ctx, int *done, const wf_store_t *store, int max)
{
    const wf_pg_param_t params[] = {apr_itoa(ctx->pool, max)};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query_platform(ctx, &res, store, WF_SQL_APPROVALS_EXPIRE, params);

    *done = st == WF_OK ? (int)wf_store_int(res, 0, 0) : 0;
    return st;
}
