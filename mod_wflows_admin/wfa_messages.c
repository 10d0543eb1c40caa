/* Sending flows to users. */
#include "wfa.h"

#include "service/wf_manage_flow.h"
#include "service/wf_send_message.h"

#include <string.h>

APLOG_USE_MODULE(wflows_admin);

#define KEY_MAX 255
#define COMPONENTS_MAX 20

static int is_between(const char *text, size_t min, size_t max)
{
    size_t n = wf_utf8_count(text, strlen(text));

    return n >= min && n <= max;
}

/* Meta's lengths. */
static int is_text(const char *text)
{
    return is_between(text, 1, 1024);
}

static int is_title(const char *text)
{
    return is_between(text, 1, 60);
}

static int is_button(const char *text)
{
    return is_between(text, 1, 30);
}

static int is_word(const char *text)
{
    return is_between(text, 1, 512);
}

static int is_number(const char *text)
{
    const char *p = text + (*text == '+');
    size_t digits = 0;

    for (; *p && strchr("0123456789 ()-", *p); p++) {
        digits += *p >= '0' && *p <= '9';
    }
    return *p == '\0' && digits >= 5 && digits <= 20 && strlen(text) <= 32;
}

static int is_user_id(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

    return len >= 1 && len <= 256 && text[len] == '\0';
}

static int is_type(const char *text)
{
    return strcmp(text, WF_SEND_INTERACTIVE) == 0 || strcmp(text, WF_SEND_TEMPLATE) == 0;
}

static int is_action(const char *text)
{
    return strcmp(text, "navigate") == 0 || strcmp(text, "data_exchange") == 0;
}

static int is_category(const char *text)
{
    return strcmp(text, "marketing") == 0 || strcmp(text, "utility") == 0 ||
           strcmp(text, "authentication") == 0 || strcmp(text, "service") == 0;
}

/* NULL: it is not there. */
static const wf_json_t *object(wfa_call_t *call, const char *name)
{
    const wf_json_t *value = wf_json_get(call->body, name);

    if (value && wf_json_type(value) != WF_JSON_OBJECT) {
        wf_fault_add(call->ctx, apr_pstrcat(call->r->pool, "/", name, NULL), "an object expected");
        return NULL;
    }
    return value;
}

static const wf_json_t *components(wfa_call_t *call)
{
    const wf_json_t *list = wf_json_get(call->body, "components");
    size_t i;

    if (list && (wf_json_type(list) != WF_JSON_ARRAY || wf_json_len(list) > COMPONENTS_MAX)) {
        wf_fault_add(call->ctx, "/components", "an array of at most %d objects expected",
                     COMPONENTS_MAX);
        return NULL;
    }
    for (i = 0; i < wf_json_len(list); i++) {
        if (wf_json_type(wf_json_at(list, i)) != WF_JSON_OBJECT) {
            wf_fault_add(call->ctx, wf_json_pointer_add_index(call->r->pool, "/components", i),
                         "an object expected");
        }
    }
    return list;
}

static wf_status_t read_body(wfa_call_t *call, wf_send_t *s)
{
    static const char *const names[] = {"account_id", "to",
                                        "recipient",  "type",
                                        "category",   "data",
                                        "header",     "text",
                                        "footer",     "button",
                                        "action",     "screen",
                                        "draft",      "template_name",
                                        "language",   "button_index",
                                        "components", "token_ttl_seconds",
                                        NULL};

    wfa_body_names(call, names);
    s->account_id = wfa_body_text(call, "account_id", wf_uuid_is, "an account's id");
    s->to = wfa_body_text(call, "to", is_number, "a telephone number");
    s->recipient = wfa_body_text(call, "recipient", is_user_id, "a business-scoped user id");
    s->type = wfa_body_text(call, "type", is_type, "interactive or template");
    s->category = wfa_body_text(call, "category", is_category,
                                "marketing, utility, authentication or service");
    s->data = object(call, "data");
    s->header = wfa_body_text(call, "header", is_title, "text of 1 to 60 characters");
    s->text = wfa_body_text(call, "text", is_text, "text of 1 to 1024 characters");
    s->footer = wfa_body_text(call, "footer", is_title, "text of 1 to 60 characters");
    s->button = wfa_body_text(call, "button", is_button, "text of 1 to 30 characters");
    s->action = wfa_body_text(call, "action", is_action, "navigate or data_exchange");
    s->screen = wfa_body_text(call, "screen", is_word, "the name of a screen");
    s->draft = wfa_body_bool(call, "draft", 0);
    s->template_name = wfa_body_text(call, "template_name", is_word, "the name of a template");
    s->language = wfa_body_text(call, "language", is_word, "a language like pt_BR");
    s->button_index = wfa_body_int(call, "button_index", 0, 9, 0);
    s->components = components(call);
    s->ttl = apr_time_from_sec(
        wfa_body_int(call, "token_ttl_seconds", 60, apr_time_sec(WF_TOKEN_TTL_MAX), 0));
    if (!s->type) {
        s->type = s->template_name ? WF_SEND_TEMPLATE : WF_SEND_INTERACTIVE;
    }
    return wfa_body_done(call);
}

wf_status_t wfa_flow_send(wfa_call_t *call, wfa_reply_t *reply)
{
    const char *key = apr_table_get(call->r->headers_in, "Idempotency-Key");
    wf_send_t send = {.company_id = call->company_id};
    wf_json_t *flow;
    wf_status_t st;

    send.idempotency_key = key && *key && strlen(key) <= KEY_MAX ? key : NULL;
    if ((st = read_body(call, &send)) != WF_OK ||
        (st = wfa_record(call, &flow, &wf_record_flow, call->id)) != WF_OK ||
        (st = wfa_account_allowed(
             call, send.account_id ? send.account_id
                                   : wf_json_get_str(flow, "account_id", NULL))) != WF_OK) {
        return st;
    }
    send.flow = flow;
    st = wf_send_message(call->ctx, &reply->doc, call->service, &send, &call->actor);
    reply->http = HTTP_CREATED;
    return st;
}
