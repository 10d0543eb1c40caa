#include "wfa.h"
#include "wfa_list_int.h"

APLOG_USE_MODULE(wflows_admin);

/* limit, cursor, sort (of a page), format (of an export), the end */
#define NAMES_MAX (WF_LIST_FILTERS_MAX + 4)

/* "{id,id}"; NULL: all accounts. */
static const char *accounts_of(const wfa_call_t *call)
{
    const wf_identity_t *who = call->who;
    const char *out = "{";
    int i;

    if (!who || !who->account_ids) {
        return NULL;
    }
    for (i = 0; i < who->account_count; i++) {
        out = apr_pstrcat(call->r->pool, out, i > 0 ? "," : "", who->account_ids[i], NULL);
    }
    return apr_pstrcat(call->r->pool, out, "}", NULL);
}

/* 1: the query string has no say in it. */
static int is_ours(const wf_filter_t *filter)
{
    return filter->kind == WF_FILTER_PATH || filter->kind == WF_FILTER_ACCOUNTS;
}

static const char *filter_value(const wfa_call_t *call, const wf_filter_t *filter)
{
    switch (filter->kind) {
    case WF_FILTER_PATH:
        return call->id;
    case WF_FILTER_ACCOUNTS:
        return accounts_of(call);
    default:
        return wfa_query(call, filter->name);
    }
}

wf_status_t wfa_list_query(wfa_call_t *call, wf_list_query_t *query, const wf_list_t *list,
                           int is_export)
{
    const char *names[NAMES_MAX + 1];
    wf_status_t st;
    int n = 0, i;

    names[n++] = "sort";
    names[n++] = is_export ? "format" : "limit";
    if (!is_export) {
        names[n++] = "cursor";
    }
    for (i = 0; list->filters && list->filters[i].name; i++) {
        if (!is_ours(&list->filters[i])) {
            names[n++] = list->filters[i].name;
        }
    }
    names[n] = NULL;
    if ((st = wfa_query_check(call, names)) != WF_OK) {
        return st;
    }
    *query = (wf_list_query_t){.sort = wfa_query(call, "sort")};
    if (!is_export) {
        query->limit = wfa_query(call, "limit");
        query->cursor = wfa_query(call, "cursor");
    }
    for (i = 0; list->filters && list->filters[i].name; i++) {
        query->filters[i] = filter_value(call, &list->filters[i]);
    }
    return WF_OK;
}

const char *wfa_list_company(const wfa_call_t *call)
{
    return call->company_id ? call->company_id : call->who->company_id;
}

wf_status_t wfa_list(wfa_call_t *call, wfa_reply_t *reply, const wf_list_t *list)
{
    wf_list_query_t query;
    wf_status_t st = wfa_list_query(call, &query, list, 0);

    return st == WF_OK ? wf_list_page(call->ctx, &reply->text, &reply->len, call->service->store,
                                      wfa_list_company(call), list, &query)
                       : st;
}

wf_status_t wfa_record(wfa_call_t *call, wf_json_t **doc, const wf_record_t *record, const char *id)
{
    return wf_record_find(call->ctx, doc, call->service->store, call->company_id, record, id,
                          accounts_of(call));
}

wf_status_t wfa_find(wfa_call_t *call, wfa_reply_t *reply, const wf_record_t *record)
{
    wf_json_t *doc;
    wf_status_t st = wfa_record(call, &doc, record, call->id);

    return wfa_found(call, reply, st, doc);
}

wf_status_t wfa_account_allowed(wfa_call_t *call, const char *account_id)
{
    return wf_identity_sees_account(call->who, account_id)
               ? WF_OK
               : wf_fail_code(call->ctx, WF_EDENIED, "key_of_accounts",
                              WFLOGNO(3051) "your key is for some accounts only: name one of them");
}
