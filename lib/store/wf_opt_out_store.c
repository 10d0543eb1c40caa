#include "store/wf_manage_store.h"
#include "store/wf_store_int.h"

#include <string.h>

#define CONTACT_MAX 256
#define CATEGORY_MAX 32

static const wf_sort_t sorts[] = {{"-changed_at", WF_SQL_OPT_OUT_PAGE_NEWEST, 0},
                                  {"changed_at", WF_SQL_OPT_OUT_PAGE_OLDEST, 0},
                                  {NULL, 0, 0}};
static const wf_filter_t filters[] = {{"contact", WF_FILTER_TEXT, NULL},
                                      {"category", WF_FILTER_TEXT, NULL},
                                      {"active", WF_FILTER_BOOL, NULL},
                                      {NULL, WF_FILTER_TEXT, NULL}};
const wf_list_t wf_list_opt_outs = {sorts, filters, 0};

/* ---- forms ------------------------------------------------------------------------------ */

/* Business-scoped: no space in it. */
static int is_user_id(const char *text)
{
    const char *p = text;

    while (*p > ' ' && *p <= '~') {
        p++;
    }
    return *p == '\0' && p > text && p - text <= CONTACT_MAX;
}

const char *wf_opt_out_contact(apr_pool_t *pool, const char *text)
{
    char *digits, *to;
    const char *p;

    if (!wf_form_is_phone(text)) {
        return is_user_id(text) ? text : NULL;
    }
    digits = to = apr_palloc(pool, strlen(text) + 1);
    for (p = text; *p; p++) {
        if (*p >= '0' && *p <= '9') {
            *to++ = *p;
        }
    }
    *to = '\0';
    return digits;
}

static int is_contact(const char *text)
{
    return wf_form_is_phone(text) || is_user_id(text);
}

int wf_opt_out_category_is(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");

    return len >= 1 && len <= CATEGORY_MAX && text[len] == '\0' && *text >= 'a' && *text <= 'z';
}

static const wf_field_t fields[] = {
    {"contact", WF_FIELD_FORM, WF_FIELD_NEEDED, 0, 0, is_contact,
     "a telephone number or a user id of WhatsApp"},
    {"category", WF_FIELD_FORM, WF_FIELD_NOT_NULL, 0, 0, wf_opt_out_category_is,
     "1 to 32 of a-z, 0-9, '_' and '-'"},
    {"reason", WF_FIELD_TEXT, 0, 1, 500, NULL, NULL},
};

/* ---- one -------------------------------------------------------------------------------- */

static wf_status_t missing(wf_ctx_t *ctx)
{
    return wf_fail_public(ctx, WF_ENOTFOUND, WFLOGNO(0640) "no such opt-out");
}

wf_status_t wf_opt_out_find(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                            const char *company_id, const char *id)
{
    const wf_pg_param_t params[] = {company_id, id};
    wf_pg_result_t *res;
    wf_status_t st = wf_store_query(ctx, &res, store, company_id, WF_SQL_OPT_OUT_FIND, params);

    *out = NULL;
    if (st == WF_OK && wf_pg_rows(res) == 0) {
        return missing(ctx);
    }
    return st == WF_OK ? wf_store_json(ctx, out, res, 0, 0) : st;
}

static wf_status_t add(wf_ctx_t *ctx, wf_json_t **out, wf_change_t *change,
                       const wf_json_t *members)
{
    const wf_pg_param_t params[] = {
        change->company_id,
        wf_opt_out_contact(ctx->pool, wf_json_get_str(members, "contact", "")),
        wf_json_get_str(members, "category", "all"), wf_json_get_str(members, "reason", NULL)};
    wf_json_t *old_doc;
    wf_status_t st =
        wf_change_exec_json(ctx, &old_doc, change, WF_SQL_OPT_OUT_BY_CONTACT, params);

    change->forget_contexts = 0;
    if (st == WF_OK || st == WF_ENOTFOUND) {
        st = wf_change_exec_json(ctx, out, change, WF_SQL_OPT_OUT_ADD, params);
    }
    return st == WF_OK ? wf_change_audit(ctx, change, "opt_out.added",
                                         wf_json_get_str(*out, "id", NULL), old_doc, *out)
                       : st;
}

wf_status_t wf_opt_out_add(wf_ctx_t *ctx, wf_json_t **out, const wf_store_t *store,
                           const char *company_id, const wf_json_t *members,
                           const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_fields_check(ctx, fields, sizeof(fields) / sizeof(fields[0]), members, 1);

    *out = NULL;
    if (st != WF_OK) {
        return st;
    }
    st = wf_change_begin(ctx, &change, store, company_id, actor);
    if (st == WF_OK) {
        st = add(ctx, out, &change, members);
    }
    return wf_change_end(ctx, &change, st);
}

static wf_status_t take_back(wf_ctx_t *ctx, wf_change_t *change, const char *id)
{
    const wf_pg_param_t params[] = {change->company_id, id};
    wf_json_t *old_doc, *doc;
    wf_status_t st = wf_change_exec_json(ctx, &old_doc, change, WF_SQL_OPT_OUT_FIND, params);

    change->forget_contexts = 0;
    if (st == WF_ENOTFOUND) {
        return missing(ctx);
    }
    if (st != WF_OK || (st = wf_change_expect(ctx, change, old_doc)) != WF_OK ||
        (st = wf_change_exec_json(ctx, &doc, change, WF_SQL_OPT_OUT_TAKE_BACK, params)) != WF_OK) {
        return st;
    }
    return wf_change_audit(ctx, change, "opt_out.removed", id, old_doc, doc);
}

wf_status_t wf_opt_out_take_back(wf_ctx_t *ctx, const wf_store_t *store, const char *company_id,
                                 const char *id, const wf_actor_t *actor)
{
    wf_change_t change;
    wf_status_t st = wf_change_begin(ctx, &change, store, company_id, actor);

    if (st == WF_OK) {
        st = take_back(ctx, &change, id);
    }
    return wf_change_end(ctx, &change, st);
}
