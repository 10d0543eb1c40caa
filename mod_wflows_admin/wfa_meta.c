/* Flows at Meta. */
#include "wfa.h"

#include "service/wf_graph.h"
#include "service/wf_manage_flow_meta.h"

APLOG_USE_MODULE(wflows_admin);

static int is_name(const char *text)
{
    return *text && wf_utf8_count(text, strlen(text)) <= 200;
}

static int is_url(const char *text)
{
    return wf_url_fault(text) == NULL;
}

/* NULL: it is not there. */
static const wf_json_t *categories(wfa_call_t *call)
{
    const wf_json_t *list = wf_json_get(call->body, "categories");
    size_t n = wf_json_len(list), i;
    int good = wf_json_type(list) == WF_JSON_ARRAY && n >= 1 && n <= 8;

    for (i = 0; good && i < n; i++) {
        const char *text = wf_json_str(wf_json_at(list, i));
        good = text && wf_flow_category_is(text);
    }
    if (list && !good) {
        wf_fault_add(call->ctx, "/categories",
                     "1 to 8 of SIGN_UP SIGN_IN APPOINTMENT_BOOKING LEAD_GENERATION CONTACT_US "
                     "CUSTOMER_SUPPORT SURVEY OTHER expected");
    }
    return good ? list : NULL;
}

/* The flow, and the account that the body names or the flow is for: both the caller's to see. */
static wf_status_t flow_of(wfa_call_t *call, wf_json_t **flow, const char *account_id)
{
    wf_status_t st = wfa_record(call, flow, &wf_record_flow, call->id);

    return st == WF_OK
               ? wfa_account_allowed(call, account_id ? account_id
                                                      : wf_json_get_str(*flow, "account_id", NULL))
               : st;
}

wf_status_t wfa_flow_publish(wfa_call_t *call, wfa_reply_t *reply)
{
    static const char *const names[] = {"account_id", "version",        "name",
                                        "categories", "endpoint_uri",   "meta_flow_id",
                                        "draft",      "application_id", NULL};
    wf_publish_t publish = {.company_id = call->company_id};
    wf_json_t *flow;
    wf_status_t st;

    wfa_body_names(call, names);
    publish.account_id = wfa_body_text(call, "account_id", wf_uuid_is, "an account's id");
    publish.version = (int)wfa_body_int(call, "version", 1, INT32_MAX, 0);
    publish.name = wfa_body_text(call, "name", is_name, "text of 1 to 200 characters");
    publish.categories = categories(call);
    publish.endpoint_uri = wfa_body_text(call, "endpoint_uri", is_url, "an http or https URL");
    publish.application_id =
        wfa_body_text(call, "application_id", wf_graph_is_id, "5 to 20 digits");
    publish.meta_flow_id = wfa_body_text(call, "meta_flow_id", wf_graph_is_id, "5 to 20 digits");
    publish.draft = wfa_body_bool(call, "draft", 0);
    if ((st = wfa_body_done(call)) != WF_OK ||
        (st = flow_of(call, &flow, publish.account_id)) != WF_OK) {
        return st;
    }
    publish.flow = flow;
    st = wf_manage_flow_publish(call->ctx, call->service, &publish, &call->actor);
    return st == WF_OK ? wfa_find(call, reply, &wf_record_flow) : st;
}

wf_status_t wfa_flow_deprecate(wfa_call_t *call, wfa_reply_t *reply)
{
    static const char *const names[] = {"account_id", NULL};
    const char *account_id = wfa_body_text(call, "account_id", wf_uuid_is, "an account's id");
    wf_json_t *flow;
    wf_status_t st;

    wfa_body_names(call, names);
    if ((st = wfa_body_done(call)) != WF_OK || (st = flow_of(call, &flow, account_id)) != WF_OK) {
        return st;
    }
    st = wf_manage_flow_deprecate(call->ctx, call->service, call->company_id, flow, account_id,
                                  &call->actor);
    return st == WF_OK ? wfa_find(call, reply, &wf_record_flow) : st;
}
